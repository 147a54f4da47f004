"""Probes and metrics: cheap, honest, and labelled by templates only."""

import asyncio
from collections.abc import Mapping

import httpx
import pytest
from fastapi import FastAPI

from crm_api.core.http import HttpStack
from crm_api.core.probes import Ready, probes_router
from crm_api.core.problems import install_problem_handlers
from tests.unit.http.conftest import BEARER, Lines


async def _answer(ready: Ready) -> httpx.Response:
    app = FastAPI()
    app.include_router(probes_router(ready, seconds=0.1))
    install_problem_handlers(app)
    app.add_middleware(HttpStack)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x") as client:
        return await client.get("/readyz")


async def _good() -> Mapping[str, bool]:
    return {"database": True, "schema": True}


async def _bad() -> Mapping[str, bool]:
    return {"database": True, "schema": False}


async def _broken() -> Mapping[str, bool]:
    raise OSError(f"canary-{1 + 1}")


async def _slow() -> Mapping[str, bool]:
    await asyncio.sleep(5)
    return {}


async def test_alive_needs_nothing(client: httpx.AsyncClient) -> None:
    assert (await client.get("/livez")).json() == {"status": "alive"}


async def test_ready_says_what_was_checked() -> None:
    answer = await _answer(_good)
    assert answer.json() == {"status": "ready", "checks": {"database": True, "schema": True}}


@pytest.mark.parametrize(
    ("ready", "checks"),
    [
        (_bad, {"database": True, "schema": False}),
        (_broken, {"answered": False}),
        (_slow, {"answered": False}),
    ],
)
async def test_not_ready_is_503_whatever_the_reason(
    ready: Ready, checks: dict[str, bool], lines: Lines
) -> None:
    answer = await _answer(ready)
    assert (answer.status_code, answer.json()["checks"]) == (503, checks)
    assert "retry-after" in answer.headers
    assert "canary-2" not in answer.text + lines.getvalue()


async def test_metrics_are_by_template_method_and_status_class(client: httpx.AsyncClient) -> None:
    await client.get("/v1/widgets/canary-path", headers=BEARER)
    await client.request("CANARY", "/v1/nowhere-canary")
    text = (await client.get("/metrics")).text
    name = "crm_http_request_duration_seconds_count"
    assert f'{name}{{method="GET",route="/v1/widgets/{{widget_id}}",status="4xx"}}' in text
    assert f'{name}{{method="OTHER",route="(unmatched)",status="4xx"}}' in text
    assert "canary-2" not in text.lower()
