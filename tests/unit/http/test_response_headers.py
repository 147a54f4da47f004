"""What every response carries: safety, identity, limits, cross-origin access, compression."""

import gzip
import json
from typing import Any
from uuid import UUID

import httpx
import pytest

from crm_api.core.cors import EXPOSED
from crm_api.core.http import HttpSettings
from tests.unit.http.conftest import BEARER, client_of

WIDGET = "/v1/widgets/01890a5d-ac96-774b-bcce-b302099a8003"
ORIGIN = "https://app.example"
OPEN = HttpSettings(cors_origins=(ORIGIN, "http://localhost:3000"))
EVERY = {
    "ok": ("GET", WIDGET, 200),
    "no content": ("DELETE", WIDGET, 204),
    "anonymous": ("GET", "/v1/nothing", 404),
    "wrong method": ("PUT", "/v1/widgets", 405),
    "broken": ("GET", "/broken", 500),
    "stream": ("GET", "/v1/widgets/export", 200),
    "page": ("GET", "/problems", 200),
    "refused early": ("GET", "/" + "x" * 9000, 414),
}


@pytest.mark.parametrize(("method", "path", "status"), EVERY.values(), ids=EVERY)
async def test_every_response_is_safe_and_has_an_id(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    answer = await client.request(method, path, headers=BEARER)
    assert answer.status_code == status
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert UUID(answer.headers["x-request-id"]).version == 7
    assert answer.headers["ratelimit"].startswith('"default";r=')
    assert answer.headers["ratelimit-policy"] == '"default";q=120000;w=60'
    assert "cache-control" in answer.headers
    assert "strict-transport-security" not in answer.headers
    assert "access-control-allow-origin" not in answer.headers
    for name, values in _together(answer).items():
        assert len(values) == 1 or name == "vary", f"{name} is there twice"


def _together(answer: httpx.Response) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in answer.headers.multi_items():
        found.setdefault(name, []).append(value)
    return found


async def test_answers_are_not_stored_unless_they_can_be_asked_about(
    client: httpx.AsyncClient,
) -> None:
    listed = await client.get("/v1/widgets", headers=BEARER)
    single = await client.get(WIDGET, headers=BEARER)
    page = await client.get("/problems")
    assert listed.headers["cache-control"] == "no-store"
    assert single.headers["cache-control"] == "private, no-cache"
    assert "Authorization" in single.headers["vary"]
    assert page.headers["cache-control"] == "public, max-age=3600"


async def test_https_is_demanded_only_over_https() -> None:
    async with client_of() as client:
        client.base_url = httpx.URL("https://toy")
        answer = await client.get("/v1/widgets")
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


@pytest.mark.parametrize(
    "sane",
    ["a" * 8, "a" * 64, "01890a5d-ac96-774b-bcce-b302099a8003", "01ARZ3NDEKTSV4RRFFQ69G5FAV"],
)
async def test_a_sane_request_id_is_taken_over(client: httpx.AsyncClient, sane: str) -> None:
    answer = await client.get("/v1/widgets", headers={"X-Request-Id": sane})
    assert answer.headers["x-request-id"] == answer.json()["request_id"] == sane


@pytest.mark.parametrize(
    "odd",
    ["", "short", "a" * 65, "with space", 'quo"te', "crm_live_0123456789", "a.b.c.d.e.f", "é" * 9],
)
async def test_any_other_request_id_is_replaced(client: httpx.AsyncClient, odd: str) -> None:
    answer = await client.get("/v1/widgets", headers=[(b"X-Request-Id", odd.encode())])
    assert UUID(answer.headers["x-request-id"]).version == 7


async def test_head_is_answered_like_get_without_a_body(client: httpx.AsyncClient) -> None:
    get, head = await client.get(WIDGET, headers=BEARER), await client.head(WIDGET, headers=BEARER)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("etag", "content-type", "content-length", "cache-control"):
        assert head.headers[name] == get.headers[name]


# --- cross-origin access


async def test_a_browser_may_read_every_header_that_a_front_end_needs() -> None:
    async with client_of(OPEN) as client:
        for method, path, _ in EVERY.values():
            answer = await client.request(method, path, headers=BEARER | {"Origin": ORIGIN})
            assert answer.headers["access-control-allow-origin"] == ORIGIN
            assert answer.headers["access-control-expose-headers"] == ", ".join(EXPOSED)
            assert "access-control-allow-credentials" not in answer.headers
            assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "https://app.example.evil.example", "null", "http://app.example"],
)
async def test_a_foreign_origin_gets_nothing(origin: str) -> None:
    async with client_of(OPEN) as client:
        answer = await client.get("/v1/widgets", headers=BEARER | {"Origin": origin})
        asked = {"Origin": origin, "Access-Control-Request-Method": "PATCH"}
        preflight = await client.options(WIDGET, headers=asked)
    for reply in (answer, preflight):
        assert not [name for name in reply.headers if name.startswith("access-control")]
        assert reply.headers["vary"].startswith("Origin")


async def test_a_preflight_is_answered_before_any_route() -> None:
    asked = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization,idempotency-key,if-match",
    }
    async with client_of(OPEN) as client:
        answer = await client.options(WIDGET, headers=asked)
    assert (answer.status_code, answer.content) == (204, b"")
    allowed = answer.headers["access-control-allow-headers"]
    for name in ("Authorization", "Content-Type", "If-Match", "If-None-Match", "Idempotency-Key"):
        assert name in allowed
    assert "PATCH" in answer.headers["access-control-allow-methods"]
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert _together(answer)["access-control-allow-origin"] == [ORIGIN]


async def test_any_origin_may_be_allowed_since_there_are_no_cookies() -> None:
    async with client_of(HttpSettings(cors_origins=("*",))) as client:
        answer = await client.get("/v1/widgets", headers=BEARER | {"Origin": "https://x.example"})
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_without_configured_origins_a_preflight_is_an_ordinary_405(
    client: httpx.AsyncClient,
) -> None:
    asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "PATCH"}
    assert (await client.options(WIDGET, headers=asked)).status_code == 405


# --- compression

LONG = "/v1/widgets?limit=200"


async def _raw(client: httpx.AsyncClient, path: str, accept: str | None) -> tuple[Any, bytes]:
    headers = BEARER | ({} if accept is None else {"Accept-Encoding": accept})
    request = client.build_request("GET", path, headers=headers)
    if accept is None:
        del request.headers["accept-encoding"]
    answer = await client.send(request, stream=True)
    content = b"".join([part async for part in answer.aiter_raw()])
    await answer.aclose()
    return answer, content


@pytest.mark.parametrize("accept", ["gzip", "br, GZIP;q=0.5", "*", "deflate, gzip;q=1.0, *;q=0"])
async def test_long_text_is_compressed_for_who_takes_it(
    client: httpx.AsyncClient, accept: str
) -> None:
    answer, content = await _raw(client, LONG, accept)
    assert answer.headers["content-encoding"] == "gzip"
    assert answer.headers["content-length"] == str(len(content))
    assert "Accept-Encoding" in answer.headers["vary"]
    assert len(json.loads(gzip.decompress(content))["data"]) == 200


@pytest.mark.parametrize("accept", [None, "", "identity", "br", "gzip;q=0", "*;q=0", "gzip;q=x"])
async def test_nobody_else_gets_it_compressed(
    client: httpx.AsyncClient, accept: str | None
) -> None:
    answer, content = await _raw(client, LONG, accept)
    assert "content-encoding" not in answer.headers
    assert "Accept-Encoding" in answer.headers["vary"]
    assert len(json.loads(content)["data"]) == 200


async def test_short_answers_and_events_are_sent_as_they_are(client: httpx.AsyncClient) -> None:
    for path in (WIDGET, "/events"):
        answer, _ = await _raw(client, path, "gzip")
        assert answer.status_code == 200
        assert "content-encoding" not in answer.headers


async def test_a_stream_is_compressed_as_it_goes(client: httpx.AsyncClient) -> None:
    answer, content = await _raw(client, "/v1/widgets/export", "gzip")
    assert answer.headers["content-encoding"] == "gzip"
    assert "content-length" not in answer.headers
    text = gzip.decompress(content).decode()
    assert text.startswith("0,Acme\r\n")
    assert text.endswith("1999,Acme\r\n")
    assert len(content) < len(text) / 3


async def test_head_of_a_long_answer_is_not_compressed(client: httpx.AsyncClient) -> None:
    head = await client.head(LONG, headers=BEARER)
    assert "content-encoding" not in head.headers
    assert head.content == b""
