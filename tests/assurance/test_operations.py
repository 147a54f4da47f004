"""Every operation of the document, with whose id, as whom: 401, 404, 403, or its effect."""

import base64
import json
import secrets
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import httpx
import pytest

from crm_api.core.ids import new_id
from tests.assurance.deviations import Deviations
from tests.assurance.golden import ROLES, allowed, public, refused_with
from tests.assurance.requests import MALFORMED, body_of, filled, own_ids, sending
from tests.assurance.test_matrix_rows import operations
from tests.assurance.world import PRINCIPALS, World
from tests.checks import refused

Json = dict[str, Any]
NOT_OF_RECORDS = frozenset(
    {"field", "catalogue", "source", "external_id", "calendar_key", "number"}
)
"""Parts of paths that name no record by its id: they have tests of their own."""

FOR_PEOPLE = frozenset({"logout", "change_password"})
"""What an API key cannot do, whatever its rights: it has no session and no password."""


def in_path(operation: Json) -> list[str]:
    return [p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"]


def same_refusal(one: httpx.Response, other: httpx.Response) -> None:
    """Two refusals that nobody can tell apart, but for the id of the request."""
    first, second = ({**answer.json(), "request_id": ""} for answer in (one, other))
    assert first == second
    assert one.status_code == other.status_code
    names = [{n for n in answer.headers if n != "content-length"} for answer in (one, other)]
    assert names[0] == names[1]


async def test_nobody_gets_in_without_a_credential(
    spec: Json, api: httpx.AsyncClient, world: World
) -> None:
    found = Deviations()
    for path, method, operation in operations(spec):
        name = operation["operationId"]
        if name in public():
            continue
        place = filled(path, await own_ids(world, name, path))
        for body in (body_of(name, world.known), {"colour": 1}):
            with found.cell(f"{name} without a credential"):
                answer = await api.request(method, place, json=body)
                refused(answer, 401, "unauthenticated")
                assert answer.headers["www-authenticate"].startswith("Bearer")
    found.none()


def _unsigned(token: str) -> str:
    """The same claims under `alg: none`."""
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"at+jwt"}').rstrip(b"=").decode()
    return f"{header}.{token.split('.')[1]}."


async def test_nobody_gets_in_with_a_credential_that_does_not_hold(
    spec: Json, api: httpx.AsyncClient, world: World
) -> None:
    token, key = world.organization.tokens["admin"], world.keys["admin"]
    bad = {
        "scheme": f"Basic {token}",
        "cut": f"Bearer {token[:-4]}",
        "unsigned": f"Bearer {_unsigned(token)}",
        "words": "Bearer nonsense",
        "key of another secret": f"Bearer {key[:-8]}{'0' * 8}",
        "key of another kind": f"Bearer {key.replace('crm_', 'crt_', 1)}",
        "two": f"Bearer {token} {token}",
    }
    found = Deviations()
    for path, method, operation in operations(spec):
        name = operation["operationId"]
        if name in public():
            continue
        ids = {
            p["name"]: str(new_id()) for p in operation.get("parameters", ()) if p["in"] == "path"
        }
        for what, credential in bad.items():
            with found.cell(f"{name} with {what}"):
                headers = {"Authorization": credential}
                answer = await api.request(
                    method, filled(path, ids), json=body_of(name, world.known), headers=headers
                )
                assert answer.status_code == 401, answer.text
                assert answer.json()["code"] in ("unauthenticated", "invalid_token")
    found.none()


@pytest.mark.parametrize(("role", "kind"), PRINCIPALS)
async def test_operations_on_own_records_follow_the_matrix(
    spec: Json, world: World, role: str, kind: str
) -> None:
    found = Deviations()
    for path, method, operation in operations(spec):
        name = operation["operationId"]
        if name in public() or name in FOR_PEOPLE:
            continue
        with found.cell(f"{name} of one's own"):
            place = filled(path, await own_ids(world, name, path))
            answer = await world.ask(role, kind, method, place, **sending(name, world.known))
            if allowed(name, role):
                assert 200 <= answer.status_code < 300, answer.text
                assert str(answer.status_code) in operation["responses"]
            else:
                assert answer.status_code == refused_with(name, role), answer.text
    found.none()


async def test_people_alone_sign_out_and_change_passwords(world: World) -> None:
    for role in ROLES:
        answer = await world.ask(role, "key", "POST", "/v1/auth/logout")
        refused(answer, 403, "forbidden")
        body = body_of("change_password", world.known)
        answer = await world.ask(role, "key", "POST", "/v1/auth/password", json=body)
        refused(answer, 403, "forbidden")


async def _foreign(abroad: World, path: str) -> dict[str, str]:
    """Ids of another organization for each parameter of the path."""
    return dict(await own_ids(abroad, "", path))


def _swapped(own: Mapping[str, str], name: str, value: str) -> dict[str, str]:
    return {**own, name: value}


@pytest.mark.parametrize(("role", "kind"), PRINCIPALS)
async def test_foreign_random_and_malformed_ids_are_one_and_the_same_404(
    spec: Json, world: World, abroad: World, role: str, kind: str
) -> None:
    """Never 403 first: whether something exists elsewhere is nobody's business."""
    found = Deviations()
    for path, method, operation in operations(spec):
        name = operation["operationId"]
        places = [p for p in in_path(operation) if p not in NOT_OF_RECORDS]
        if not places:
            continue
        own = await own_ids(world, name, path)
        foreign = await _foreign(abroad, path)
        for place in places:
            sent = sending(name, world.known)
            random = str(uuid4()) if place != "key" else f"key_{secrets.token_hex(5)}"

            async def asked(value: str, place: str = place, sent: Json = sent) -> httpx.Response:
                target = filled(path, _swapped(own, place, value))  # noqa: B023  # called at once
                return await world.ask(role, kind, method, target, **sent)  # noqa: B023  # as above

            with found.cell(f"{name}: {place} of another organization"):
                missing = await asked(random)
                assert missing.status_code == 404, missing.text
                same_refusal(await asked(foreign[place]), missing)
            malformed = MALFORMED if (role, kind) == ("manager", "jwt") else MALFORMED[:1]
            for text in malformed:
                with found.cell(f"{name}: {place}={text[:40]}"):
                    same_refusal(await asked(text if place != "key" else text[:64]), missing)
    found.none()


@pytest.mark.parametrize("role", ROLES)
async def test_unknown_catalogues_and_overrides_are_404(world: World, role: str) -> None:
    client = (await world.make("clients"))["id"]
    for method, path, body in (
        ("GET", "/v1/catalogues/nothing", None),
        ("POST", "/v1/catalogues/nothing", {"key": "x"}),
        ("GET", "/v1/catalogues/nothing/retail", None),
        ("PATCH", "/v1/catalogues/nothing/retail", {"label": "x"}),
        ("DELETE", "/v1/catalogues/nothing/retail", None),
        ("PUT", f"/v1/clients/{client}/overrides/name", {"value": "x", "reason": "y"}),
        ("DELETE", f"/v1/clients/{client}/overrides/name", None),
    ):
        refused(await world.ask(role, "jwt", method, path, json=body), 404, "not_found")


async def test_references_to_foreign_records_are_what_random_ones_are(
    world: World, abroad: World
) -> None:
    """In bodies too: 422 that says nothing of whether the record exists elsewhere."""
    foreign, random = abroad.known, str(uuid4())
    client, contact = await world.place("clients"), await world.place("contacts")
    link = {"contact_id": foreign.contact_id}
    cases: list[tuple[str, str, Json]] = [
        ("PATCH", client, {"owner_id": foreign.user_id}),
        ("PATCH", client, {"referred_by_id": foreign.client_id}),
        ("PATCH", client, {"billing_details": {"site_id": foreign.client_id}}),
        ("PATCH", client, {"emails": [{"id": foreign.client_id, "address": "x@example.com"}]}),
        ("POST", f"{client}/contacts", link),
        (
            "POST",
            "/v1/clients",
            {"name": "Foreign link", "phones": ["+256772000111"], "contacts": [link]},
        ),  # one case a line
        ("PATCH", contact, {"owner_id": foreign.user_id}),
        ("PATCH", contact, {"reports_to_id": foreign.contact_id}),
        ("POST", "/v1/contacts", {"name": "Reports abroad", "reports_to_id": foreign.contact_id}),
    ]
    ids = (foreign.user_id, foreign.client_id, foreign.contact_id)
    for method, path, body in cases:
        text = json.dumps(body)
        for known in ids:
            text = text.replace(known, random)
        first = await world.ask("admin", "jwt", method, path, json=body)
        second = await world.ask("admin", "jwt", method, path, json=json.loads(text))
        assert first.status_code == 422, first.text
        same_refusal(first, second)


async def test_batch_items_with_foreign_ids_are_404_each(world: World, abroad: World) -> None:
    for client_id in (abroad.known.client_id, str(uuid4()), None):
        operations_sent = [
            {"op": "update", "id": client_id, "body": {"remarks": "x"}},
            {"op": "delete", "id": client_id},
        ]
        for role in ROLES:
            body = {"operations": operations_sent}
            answer = await world.ask(role, "jwt", "POST", "/v1/clients/batch", json=body)
            assert answer.status_code == 207, answer.text
            assert [result["status"] for result in answer.json()["results"]] == [404, 404]
            atomic = await world.ask(
                role, "jwt", "POST", "/v1/clients/batch", json=body | {"atomic": True}
            )
            refused(atomic, 404, "not_found")
