"""One HTTP request as the middleware follows it, from its head to its line in the access log."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Final

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils import uuid7

from crm_api.core import metrics
from crm_api.core.compression import accepts_gzip
from crm_api.core.cors import Cors
from crm_api.core.errors import Refusal
from crm_api.core.httpsettings import HttpSettings
from crm_api.core.logs import get_logger, request_id
from crm_api.core.problems import problem_response
from crm_api.core.ratelimit import Admission, RateLimiter
from crm_api.core.reply import Reply

log = get_logger("crm_api.http")

_READ: Final = frozenset({
    b"accept-encoding", b"access-control-request-method", b"authorization", b"content-length",
    b"content-type", b"origin", b"transfer-encoding", b"x-request-id",
})  # fmt: skip
_UPLOAD: Final = b"multipart/form-data"
"""What is read in parts: all else is held in memory, so that its cap is the smaller one."""
_NEVER: Final = float("inf")
_CLIENT_LEFT: Final = 499  # nginx's number: in logs and metrics only, since nobody reads the answer
_CLOSE: Final = {"Connection": "close"}


@dataclass(slots=True)
class Process:
    """What all requests of one process share."""

    app: ASGIApp
    settings: HttpSettings
    cors: Cors
    limiter: RateLimiter
    template_of: Callable[[Scope], str]
    running: "set[Exchange]" = field(default_factory=set)
    # Event streams last for hours and mostly sleep, so they do not count as running.
    streaming: "set[Exchange]" = field(default_factory=set)


class Exchange:
    __slots__ = (
        "_admission", "_body_open", "_cap", "_expired", "_head", "_id", "_overruled", "_process",
        "_reading", "_receive", "_received", "_reply", "_scope", "_started", "_task", "deadline",
    )  # fmt: skip

    def __init__(self, process: Process, scope: Scope, receive: Receive, send: Send) -> None:
        self._process = process
        is_head = scope["method"] == "HEAD"
        # The routes know GET only; the server needs its own scope unchanged to send no body.
        scope.setdefault("state", {})["is_head"] = is_head
        self._scope = {**scope, "method": "GET"} if is_head else scope
        self._receive = receive
        self._reply = Reply(send, is_head=is_head, gzip_from=process.settings.compress_bytes)
        self._head: dict[bytes, bytes] = {}
        self._id = ""
        self._admission: Admission | None = None
        self._body_open = self._reading = self._expired = False
        self._received = 0
        self._cap = process.settings.body_bytes
        self._overruled: Refusal | None = None
        self._task = asyncio.current_task()
        self._started = perf_counter()
        self.deadline = self._started + process.settings.handler_seconds

    async def run(self) -> None:
        refusal = self._read_head()
        token = request_id.set(self._id)
        try:
            if refusal is not None:
                await self._refuse(refusal)
            elif self._is_preflight():
                await self._answer_preflight()
            else:
                await self._pass_on()
        finally:
            request_id.reset(token)
            self._record()

    def expire(self) -> None:
        """Called by the watch when the deadline has passed.

        A handler whose answer takes long before it begins says so in `request.state.may_take`.
        """
        allowed = self._scope["state"].get("may_take", 0.0)
        if not self._reply.started and perf_counter() < self._started + allowed:
            self.deadline = self._started + allowed
            return
        self._expired = True
        self.deadline = _NEVER
        if self._task is not None:
            self._task.cancel()

    # --- the request

    def _read_head(self) -> Refusal | None:
        scope, head, size = self._scope, self._head, 0
        for name, value in scope["headers"]:
            size += len(name) + len(value) + 4
            if name in _READ:
                head[name] = value
        self._identify()
        settings = self._process.settings
        probe = scope["path"] in settings.probe_paths
        limited = None if probe else self._limit()
        if size > settings.header_bytes:
            return Refusal(
                "headers_too_large", f"At most {settings.header_bytes} bytes of headers."
            )
        if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > settings.url_bytes:
            return Refusal("uri_too_long", f"At most {settings.url_bytes} bytes of path and query.")
        if "\0" in scope["path"] or b"%00" in scope["query_string"]:
            return Refusal("malformed_request", "The URL holds a NUL character.")
        return limited or self._read_framing()

    def _identify(self) -> None:
        sent = self._head.get(b"x-request-id")
        # No dots and underscores, so that neither a token nor a key passes as a request id.
        if sent and 8 <= len(sent) <= 64 and sent.replace(b"-", b"").isalnum():
            self._id = sent.decode("ascii")
        else:
            self._id = str(uuid7())
        self._scope["state"]["request_id"] = self._id
        reply, process = self._reply, self._process
        reply.add(b"x-request-id", self._id.encode("ascii"))
        if process.cors.enabled:
            reply.extra.extend(process.cors.headers(self._head.get(b"origin")))
        if self._scope["scheme"] == "https":
            reply.demand_https()
        coding = self._head.get(b"accept-encoding")
        reply.takes_gzip = coding is not None and accepts_gzip(coding)

    def _limit(self) -> Refusal | None:
        process = self._process
        client = self._scope.get("client")
        address = client[0] if client else ""
        seen = process.limiter.admit(self._head.get(b"authorization"), address)
        self._admission = seen
        level = f'"default";r={seen.remaining};t={seen.reset_seconds}'
        self._reply.add(b"ratelimit", level.encode("ascii"))
        self._reply.add(b"ratelimit-policy", process.limiter.policy)
        if seen.wait_seconds:
            retry = {"Retry-After": str(seen.wait_seconds)}
            return Refusal("rate_limited", "The rate limit is used up.", headers=retry)
        if len(process.running) > process.settings.concurrency:
            retry = {"Retry-After": "1"}
            return Refusal("unavailable", "Too many requests are running.", headers=retry)
        return None

    def _read_framing(self) -> Refusal | None:
        """How the body comes; a body that two headers frame differently is a smuggled request."""
        length = self._head.get(b"content-length")
        chunked = b"transfer-encoding" in self._head
        if length is None and not chunked:
            return None
        if length is not None and (chunked or not length.isdigit() or len(length) > 18):
            return Refusal("malformed_request", "The body's length is ambiguous.", headers=_CLOSE)
        settings = self._process.settings
        if self._head.get(b"content-type", b"").lower().startswith(_UPLOAD):
            self._cap = settings.body_cap(self._scope["path"])
        if length is not None and int(length) > self._cap:
            return self._too_large()
        self._body_open = True
        return None

    def _too_large(self) -> Refusal:
        return Refusal("body_too_large", f"At most {self._cap} bytes are read here.")

    async def receive(self) -> Message:
        if not self._body_open:
            return await self._receive()
        settings = self._process.settings
        grace = settings.body_seconds + self._received / settings.body_rate
        self.deadline = self._started + grace
        self._reading = True
        message = await self._receive()
        self._reading = False
        self.deadline = perf_counter() + settings.handler_seconds
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
            self._body_open = message.get("more_body", False)
            if self._received > self._cap:
                # Also kept here, in case that a library on the way turns it into another answer.
                self._overruled = self._too_large()
                raise self._overruled
        return message

    # --- the response

    async def _pass_on(self) -> None:
        try:
            await self._process.app(self._scope, self.receive, self.send)
        except asyncio.CancelledError:
            if not self._expired:
                raise  # the server is stopping
            if self._task is not None:
                self._task.uncancel()
            self._overruled = self._overdue()
        except ClientDisconnect:
            self._reply.status = _CLIENT_LEFT
        except Exception as error:  # noqa: BLE001 - the last place before the server
            self._overruled = self._overruled or self._refusal_of(error)
        if self._overruled is not None and not self._reply.started:
            await self._refuse(self._overruled)

    async def send(self, message: Message) -> None:
        reply = self._reply
        if self._overruled is not None and not reply.started:
            return  # the application's answer to a body that was refused above
        await reply.send(message)
        if reply.finished_at:
            self.deadline = _NEVER  # what runs after the response has its own time
        elif reply.started:
            self.deadline = perf_counter() + self._process.settings.stream_seconds
            if reply.is_event_stream and self in self._process.running:
                self._process.running.discard(self)
                self._process.streaming.add(self)

    async def _refuse(self, refusal: Refusal) -> None:
        response = problem_response(refusal, self._id, self._process.settings.base_url)
        await response(self._scope, self._receive, self._reply.send)

    def _is_preflight(self) -> bool:
        asked = b"access-control-request-method" in self._head and b"origin" in self._head
        return asked and self._process.cors.enabled and self._scope["method"] == "OPTIONS"

    async def _answer_preflight(self) -> None:
        response = Response(status_code=204)
        self._reply.extra.extend(self._process.cors.preflight(self._head[b"origin"]))
        await response(self._scope, self._receive, self._reply.send)

    def _refusal_of(self, error: Exception) -> Refusal:
        if self._expired:
            return self._overdue()
        if isinstance(error, Refusal):
            return error
        log.error("unhandled_exception", exc_info=error)
        return Refusal("internal_error")

    def _overdue(self) -> Refusal:
        """A slow sender is told 400 and not 503: it is no fault of the service, and no alarm."""
        if self._reading:
            return Refusal("body_incomplete", headers=_CLOSE)
        log.warning("request_overdue", streaming=self._reply.started)
        return Refusal("unavailable", "The request took too long.", headers={"Retry-After": "2"})

    def _record(self) -> None:
        reply, scope, process = self._reply, self._scope, self._process
        status = reply.status or _CLIENT_LEFT
        seconds = (reply.finished_at or perf_counter()) - self._started
        route = process.template_of(scope)
        method = metrics.known_method("HEAD" if reply.is_head else scope["method"])
        metrics.observe(method, route, status, seconds)
        seen = self._admission
        if seen is None:
            return  # a probe
        state = scope["state"]
        facts = {
            name: str(state[name]) for name in ("organization_id", "actor_id") if state.get(name)
        }
        if seen.principal and not seen.known and "actor_id" in facts:
            process.limiter.accept(seen.principal)
        write = log.warning if status >= 500 else log.info
        write(
            "request", made_here=True, request_id=self._id, **facts, method=method, route=route,
            status=status, ms=round(seconds * 1000, 2),
        )  # fmt: skip
