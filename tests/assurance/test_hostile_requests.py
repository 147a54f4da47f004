"""Hostile paths, methods and headers, and credentials of every wrong kind."""

import base64
import json
import secrets
from typing import Any

import httpx
import pytest

from tests.assurance.deviations import Deviations
from tests.assurance.hostile import ECHO, no_echo, refused_without_echo
from tests.assurance.test_matrix_rows import operations
from tests.assurance.world import World, minimal
from tests.checks import refused
from tests.factories import PASSWORD

Json = dict[str, Any]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        ("/v1/clients%00", {400}),
        ("/v1/clients/%00", {400}),
        ("/v1/clients?name=%00", {400}),
        ("/v1/clients?%00=1", {400}),
        ("/v1/catalogues/types/%00", {400}),
        ("/v1/clients/", {404}),
        ("/v1//clients", {404}),
        ("/v1/clients/%2e%2e/users", {404}),
        ("/V1/clients", {404}),
        ("/v1/Clients", {404}),
        ("/v1", {404}),
        ("/v2/clients", {404}),
        (f"/v1/{ECHO}", {404}),
        ("/v1/%F0%9F%A6%86", {404}),
        ("/v1/%FF%FE", {404}),
        ("/v1/clients/%ED%A0%80", {404}),
        ("/v1/clients/" + "a" * 9000, {414}),
        ("/v1/clients?name=" + "a" * 9000, {414}),
        ("/v1/clients?" + "&".join(f"name={n}" for n in range(300)), {422}),
        ("/v1/clients/;/etc/passwd", {404}),
        ("/v1/clients/01890a5d-ac96-774b-bcce-b302099a8057%0d%0aSet-Cookie:x=1", {404}),
    ],
)  # fmt: skip
async def test_hostile_paths_are_refused(world: World, path: str, statuses: set[int]) -> None:
    answer = await world.ask("admin", "jwt", "GET", path)
    refused_without_echo(answer, statuses=frozenset(statuses))
    assert "set-cookie" not in answer.headers


async def test_method_that_is_not_offered_is_405_and_says_which_are(
    spec: Json, world: World
) -> None:
    found = Deviations()
    offered: dict[str, set[str]] = {}
    for path, method, _ in operations(spec):
        offered.setdefault(path, set()).add(method)
    for path, known in offered.items():
        target = path
        for name in (
            "client_id",
            "link_id",
            "contact_id",
            "user_id",
            "role_id",
            "api_key_id",
            "export_id",
        ):
            target = target.replace(f"{{{name}}}", "01890a5d-ac96-774b-bcce-b302099a8057")
        for name, value in (("catalogue", "types"), ("key", "x"), ("field", "type")):
            target = target.replace(f"{{{name}}}", value)
        for name in ("email_id", "phone_id"):
            target = target.replace(f"{{{name}}}", "01890a5d-ac96-774b-bcce-b302099a8057")
        for method in (*METHODS, "TRACE", "BREW"):
            # A word beside the ids is, to methods of its own it has not, an id of nothing.
            beside_ids = any(other.startswith(f"{path.rpartition('/')[0]}/{{") for other in offered)
            if method in known or (beside_ids and "{" not in path):
                continue
            with found.cell(f"{method} {path}"):
                answer = await world.ask("admin", "jwt", method, target)
                refused(answer, 405, "method_not_allowed")
                allowed = {name.strip() for name in answer.headers["allow"].split(",")}
                assert allowed - {"HEAD"} == known
    found.none()


@pytest.mark.parametrize(
    ("name", "value", "statuses"),
    [
        ("If-Match", "nonsense", {412}),
        ("If-Match", f'"{ECHO}"', {412}),
        ("If-Match", "W/" + '"0"' * 30, {412}),
        ("If-Match", "x" * 401, {422}),
        ("If-None-Match", "x" * 401, {422}),
        ("X-Request-Id", "a\x7f", {200}),
        ("X-Request-Id", ECHO * 20, {200}),
        ("X-Request-Id", "eyJhbGciOiJIUzI1NiJ9.e30.x", {200}),
        ("Accept", f"application/{ECHO}", {200}),
        ("Accept-Language", ECHO, {200}),
        ("Accept-Encoding", "gzip;q=nonsense, *;q=2", {200}),
        ("Range", "bytes=0-1,2-3," * 100, {200}),
        ("User-Agent", ECHO, {200}),
        ("Cookie", f"session={ECHO}", {200}),
        ("X-Forwarded-For", ECHO, {200}),
        ("X-Http-Method-Override", "DELETE", {200}),
        ("X-Original-Url", "/v1/users", {200}),
        ("Host", ECHO, {200}),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_hostile_headers_break_nothing(
    world: World, name: str, value: str, statuses: set[int]
) -> None:
    place = await world.place("clients")
    method, body = ("PATCH", {"remarks": "x"}) if name == "If-Match" else ("GET", None)
    answer = await world.ask("admin", "jwt", method, place, json=body, headers={name: value})
    assert answer.status_code in statuses, answer.text
    no_echo(answer)
    if answer.status_code >= 400:
        refused_without_echo(answer, statuses=frozenset(statuses))


@pytest.mark.parametrize("key", ["", " ", "k" * 256, "caf\u00e9", "a\tb", "a\x7fb"])
async def test_idempotency_key_is_a_short_printable_text(world: World, key: str) -> None:
    for path in ("/v1/clients", "/v1/contacts", "/v1/users", "/v1/roles", "/v1/api-keys"):
        resource = path.rpartition("/")[2].replace("-", "_")
        credential = world.headers("admin", "jwt")["Authorization"].encode()
        headers = [(b"Authorization", credential), (b"Idempotency-Key", key.encode("latin-1"))]
        answer = await world.organization.api.post(path, json=minimal(resource), headers=headers)
        refused_without_echo(answer, statuses=frozenset({422}))
        (fault,) = answer.json()["errors"]
        assert fault["header"].lower() == "idempotency-key"


async def test_headers_that_are_too_large_are_431(world: World) -> None:
    headers = {f"X-Much-{n}": "x" * 1000 for n in range(20)}
    answer = await world.ask("admin", "jwt", "GET", "/v1/me", headers=headers)
    refused(answer, 431, "headers_too_large")


def part(content: Any) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def hostile_tokens(token: str) -> dict[str, str]:
    """Tokens that a lax decoder takes, or that break it."""
    header, payload, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    deep = b'{"a":' * 3000 + b"1" + b"}" * 3000
    admin = part({**claims, "role": "admin", "scope": "*"})
    return {
        "no algorithm": f"{part({'alg': 'none', 'typ': 'at+jwt'})}.{payload}.",
        "another algorithm": f"{part({'alg': 'HS512', 'typ': 'at+jwt'})}.{payload}.{signature}",
        "a header with a key": f"{part({'alg': 'HS256', 'jwk': {'k': 'x'}})}.{payload}.{signature}",
        "unknown crit": f"{part({'alg': 'HS256', 'crit': ['x'], 'x': 1})}.{payload}.{signature}",
        "a deep header": f"{part(deep)[:3000]}.{payload}.{signature}",
        "a header of a list": f"{part([1])}.{payload}.{signature}",
        "a header of null": f"{part(None)}.{payload}.{signature}",
        "other claims": f"{header}.{admin}.{signature}",
        "claims of a list": f"{header}.{part([])}.{signature}",
        "a signature of nothing": f"{header}.{payload}.",
        "another spelling of the signature": f"{token[:-1]}{'B' if token[-1] != 'B' else 'C'}",
        "padding": f"{token}==",
        "five parts": f"{token}.x.y",
        "dots": "." * 100,
        "4 KiB": "a" * 4097,
        "letters": "caf\u00e9.\u00e9.\u00e9",
        "a line break": f"{token}\x0b",
        "spaces": f"  {token}",
        "another kind": token.replace("eyJ", "crm_", 1),
        "nothing": "",
        "a statement": "' OR 1=1 --",
    }


async def test_hostile_tokens_are_401_and_nothing_else(world: World) -> None:
    found = Deviations()
    for what, token in hostile_tokens(world.organization.tokens["admin"]).items():
        for scheme in ("Bearer", "bearer", "Token"):
            with found.cell(f"{scheme} with {what}"):
                header = f"{scheme} {token}".encode("latin-1")
                headers = [(b"Authorization", header)]
                answer = await world.organization.api.get("/v1/me", headers=headers)
                if answer.status_code == 200:
                    # The spelling of the scheme is free, and so is the space after it.
                    assert what == "spaces"
                    continue
                assert answer.status_code == 401, answer.text
                assert answer.json()["code"] in ("unauthenticated", "invalid_token")
                assert answer.headers["www-authenticate"].startswith("Bearer")
    found.none()


async def test_each_kind_of_secret_is_refused_in_the_place_of_every_other(world: World) -> None:
    api = world.organization.api
    email = world.organization.emails["manager"]
    pair = (await api.post("/v1/auth/login", json={"email": email, "password": PASSWORD})).json()
    made = await world.make("users")
    kinds = {
        "access": pair["access_token"],
        "refresh": pair["refresh_token"],
        "invitation": made["invitation_token"],
        "key": world.keys["admin"],
    }
    found = Deviations()
    for kind, secret in kinds.items():
        for text in (
            secret,
            *(secret.replace(f"{secret[:4]}", f"{p}_", 1) for p in ("crm", "crt", "cin")),
        ):
            if kind not in ("access", "key") or text != secret:
                with found.cell(f"{kind} as a credential"):
                    answer = await api.get("/v1/me", headers={"Authorization": f"Bearer {text}"})
                    assert answer.status_code == 401, answer.text
            if kind != "refresh" or text != secret:
                with found.cell(f"{kind} to refresh"):
                    body = {"refresh_token": text}
                    answer = await api.post("/v1/auth/refresh", json=body)
                    assert answer.status_code in (401, 422), answer.text
            if kind != "invitation" or text != secret:
                with found.cell(f"{kind} as an invitation"):
                    sent = {"token": text, "password": f"long enough {secrets.token_hex(8)}"}
                    answer = await api.post("/v1/auth/accept-invitation", json=sent)
                    assert answer.status_code in (401, 422), answer.text
    found.none()


@pytest.mark.parametrize(
    "body",
    [
        {"email": f"{ECHO}\x00@example.com", "password": "x" * 20},
        {"email": ECHO, "password": "\x00" * 20},
        {"email": "a" * 5000, "password": "x"},
        {"email": "admin@example.com", "password": ECHO * 300},
        {"email": "admin@example.com", "password": "🦆" * 1000},
        {"email": "admin@example.com", "password": "a" + "\u0301" * 4000},
        {"email": "' OR 1=1 --", "password": "' OR 1=1 --"},
        {"email": ["admin@example.com"], "password": {"$ne": None}},
        {"email": "admin@example.com", "password": "x", "organization": "../x"},
        {"email": "admin@example.com", "password": "x", "role": "admin"},
        {"email": None, "password": None},
        {},
    ],
    ids=lambda body: ascii(body)[:40],
)
async def test_hostile_sign_ins_are_refused(api: httpx.AsyncClient, body: Json) -> None:
    answer = await api.post("/v1/auth/login", json=body)
    refused_without_echo(answer, statuses=frozenset({401, 422}))
