"""What one request and one process may use: sizes, times, numbers; each refusal is a problem."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx
import pytest

from crm_api.core.http import HttpSettings, HttpStack
from tests.unit.http.conftest import BEARER, Lines, client_of

SMALL = HttpSettings(body_bytes=100, header_bytes=2000, url_bytes=200)
QUICK = HttpSettings(handler_seconds=0.2, body_seconds=0.2, stream_seconds=0.2)


async def _parts(*sizes: int, pause: float = 0.0) -> AsyncIterator[bytes]:
    for size in sizes:
        yield b"x" * size
        await asyncio.sleep(pause)


@pytest.mark.parametrize("path", ["/raw", "/unread", "/v1/widgets"])
async def test_a_body_that_says_it_is_too_large_is_refused_unread(path: str) -> None:
    async with client_of(SMALL) as client:
        answer = await client.post(path, content=b"x" * 101, headers=BEARER)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("sizes", [(101,), (60, 60), (100, 0, 1)])
async def test_a_body_without_a_length_is_counted_while_it_comes(sizes: tuple[int, ...]) -> None:
    async with client_of(SMALL) as client:
        answer = await client.post("/raw", content=_parts(*sizes))
        exact = await client.post("/raw", content=_parts(60, 40))
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert exact.json() == {"read": 100}


async def test_an_upload_path_may_have_a_larger_cap() -> None:
    settings = replace(SMALL, body_bytes_by_path=(("/r", 150), ("/raw", 200)))
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    async with client_of(settings) as client:
        sent = await client.post("/raw", content=b"x" * 200, headers=form)
        assert sent.json() == {"read": 200}
        for path, size, headers in (
            ("/raw", 201, form),
            ("/unread", 101, form),
            # What is no upload is held in memory.
            ("/raw", 200, {}),
        ):
            answer = await client.post(path, content=b"x" * size, headers=headers)
            assert answer.status_code == 413, path


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", " ", "9" * 19, "1, 1"])
async def test_an_unreadable_length_is_refused(length: str) -> None:
    async with client_of() as client:
        answer = await client.post("/raw", content=_parts(5), headers={"Content-Length": length})
    assert (answer.status_code, answer.headers["connection"]) == (400, "close")


async def test_headers_are_capped_in_sum() -> None:
    async with client_of(SMALL) as client:
        one = await client.get("/v1/widgets", headers={"X-Big": "x" * 2000})
        many = await client.get("/v1/widgets", headers={f"X-{n}": "x" for n in range(300)})
        fine = await client.get("/v1/widgets", headers=BEARER | {"X-Big": "x" * 1000})
    assert [a.status_code for a in (one, many, fine)] == [431, 431, 200]


async def test_the_url_is_capped_in_its_path_and_in_its_query() -> None:
    async with client_of(SMALL) as client:
        path = await client.get("/" + "x" * 200)
        query = await client.get("/v1/widgets?tags=" + "x" * 200)
        escaped = await client.get("/" + "%41" * 70)
    assert [a.status_code for a in (path, query, escaped)] == [414, 414, 414]


@pytest.mark.parametrize("url", ["/v1/widgets?tags=%00", "/v1/widgets?%00=1", "/v1/%00"])
async def test_a_nul_in_the_url_is_malformed(client: httpx.AsyncClient, url: str) -> None:
    assert (await client.get(url, headers=BEARER)).json()["code"] == "malformed_request"


async def test_a_slow_handler_is_ended_with_503(lines: Lines) -> None:
    async with client_of(QUICK) as client:
        answer = await client.get("/slow?seconds=5")
        again = await client.get("/slow?seconds=0")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    assert again.status_code == 200
    assert len(lines.events("request_overdue")) == 1


async def test_a_slow_body_is_ended_with_400(lines: Lines) -> None:
    async with client_of(QUICK) as client:
        answer = await client.post("/raw", content=_parts(1, 1, 1, 1, 1, 1, pause=0.15))
    assert (answer.status_code, answer.json()["code"]) == (400, "body_incomplete")
    assert answer.headers["connection"] == "close"
    assert not lines.events("request_overdue"), "a slow sender is no alarm"


async def test_a_long_body_that_keeps_coming_is_read() -> None:
    settings = replace(QUICK, body_rate=1000, handler_seconds=5)
    async with client_of(settings) as client:
        answer = await client.post("/raw", content=_parts(*[200] * 5, pause=0.08))
    assert answer.json() == {"read": 1000}


async def test_more_requests_than_the_process_takes_are_refused_but_probes_are_not() -> None:
    async with client_of(HttpSettings(concurrency=3)) as client:
        slow = [asyncio.create_task(client.get("/slow?seconds=0.3")) for _ in range(3)]
        await asyncio.sleep(0.1)
        refused = await client.get("/v1/widgets")
        probe = await client.get("/livez")
        answers = await asyncio.gather(*slow)
        after = await client.get("/v1/widgets", headers=BEARER)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert probe.status_code == 200
    assert [a.status_code for a in answers] == [200] * 3
    assert after.status_code == 200


async def test_a_caller_who_leaves_frees_its_place() -> None:
    async with client_of(HttpSettings(concurrency=1)) as client:
        task = asyncio.create_task(client.get("/slow?seconds=5"))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await client.get("/v1/widgets", headers=BEARER)).status_code == 200


async def test_other_scopes_pass_untouched() -> None:
    seen: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])

    await HttpStack(app)({"type": "lifespan"}, None, None)  # type: ignore[arg-type] # unused here
    assert seen == ["lifespan"]
