"""Probes for an orchestrator: alive, ready, and the metrics. They ask for no credentials."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from crm_api.core.errors import Refusal
from crm_api.core.logs import get_logger
from crm_api.core.metrics import exposition

READY_SECONDS: Final = 2.0

log = get_logger(__name__)

Ready = Callable[[], Awaitable[Mapping[str, bool]]]


def probes_router(ready: Ready, *, seconds: float = READY_SECONDS) -> APIRouter:
    """`/livez`, `/readyz` and `/metrics`.

    `ready` names what the process depends on and whether it answers, such as
    `{"database": True, "schema": True}`; it must be cheap. Failing or taking longer than
    `seconds` counts as not ready.
    """
    router = APIRouter(include_in_schema=False)

    @router.get("/livez")
    async def livez() -> Response:
        return JSONResponse({"status": "alive"})

    @router.get("/readyz")
    async def readyz() -> Response:
        checks = await _checked(ready, seconds)
        if not all(checks.values()):
            detail = "The service is not ready."
            raise Refusal("unavailable", detail, members={"checks": dict(checks)})
        return JSONResponse({"status": "ready", "checks": dict(checks)})

    @router.get("/metrics")
    async def metrics() -> Response:
        body, content_type = exposition()
        return Response(body, media_type=content_type)

    return router


async def _checked(ready: Ready, seconds: float) -> Mapping[str, bool]:
    try:
        async with asyncio.timeout(seconds):
            return await ready()
    except TimeoutError:
        log.warning("readiness_timed_out", seconds=seconds)
    except Exception as error:  # whatever breaks the check, the answer is "not ready"
        log.warning("readiness_failed", exc_info=error)
    return {"answered": False}
