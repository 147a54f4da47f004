"""The one middleware: what holds for every HTTP request before and after the routes see it.

Pure ASGI, one object per request: each BaseHTTPMiddleware costs more than all the checks here.
What the server parses before it calls an application is bounded in `server.py`.
"""

import asyncio
from collections.abc import Callable
from time import perf_counter

from fastapi.routing import iter_route_contexts
from starlette.types import ASGIApp, Receive, Scope, Send

from crm_api.core.cors import Cors
from crm_api.core.exchange import Exchange, Process
from crm_api.core.httpsettings import HttpSettings
from crm_api.core.metrics import UNMATCHED
from crm_api.core.ratelimit import RateLimiter

__all__ = ["HttpSettings", "HttpStack"]


class HttpStack:
    """ASGI middleware: `app.add_middleware(HttpStack, settings=HttpSettings(…))`.

    Routes tell it who calls through `request.state`: `organization_id` and `actor_id`, once known.
    """

    def __init__(self, app: ASGIApp, settings: HttpSettings | None = None) -> None:
        settings = settings or HttpSettings()
        self._app = app
        self._process = Process(
            app=app,
            settings=settings,
            cors=Cors(settings.cors_origins),
            limiter=RateLimiter(settings.rate_requests, settings.rate_seconds),
            template_of=self._template_of,
        )
        self._templates: dict[Callable[..., object], str] = {}
        self._watched_by: asyncio.AbstractEventLoop | None = None
        shortest = min(settings.handler_seconds, settings.body_seconds, settings.stream_seconds)
        self._tick = min(0.5, shortest / 4)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        process = self._process
        exchange = Exchange(process, scope, receive, send)
        process.running.add(exchange)
        loop = asyncio.get_running_loop()
        if self._watched_by is not loop:
            self._watched_by = loop
            loop.call_later(self._tick, self._end_overdue)
        try:
            await exchange.run()
        finally:
            process.running.discard(exchange)
            process.streaming.discard(exchange)

    def _end_overdue(self) -> None:
        """One timer watches all requests: one for each costs ten times as much."""
        now = perf_counter()
        process = self._process
        for exchange in (*process.running, *process.streaming):
            if exchange.deadline < now:
                exchange.expire()
        self._watched_by = None
        if process.running or process.streaming:
            self._watched_by = asyncio.get_running_loop()
            self._watched_by.call_later(self._tick, self._end_overdue)

    def _template_of(self, scope: Scope) -> str:
        """The route's template such as `/v1/clients/{client_id}`; the scope does not hold it."""
        endpoint = scope.get("endpoint")
        if endpoint is None:
            return UNMATCHED
        if not self._templates:
            for context in iter_route_contexts(scope["app"].routes):
                if context.endpoint is not None and context.path_format is not None:
                    self._templates[context.endpoint] = context.path_format
        return self._templates.get(endpoint, UNMATCHED)
