"""uvicorn with bounds on a request's head, which it reads whole before any application is called.

Left to a proxy in front: TLS, the number of connections per address, and slow readers of responses
that fit into one socket buffer.
"""

import asyncio
import contextlib
import sys
from typing import Any, Final, cast

import uvicorn
from uuid_utils import uuid7
from uvicorn.config import STARTUP_FAILURE
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.supervisors.multiprocess import Multiprocess

from crm_api.core.errors import Refusal
from crm_api.core.problems import problem_response

# Above the middleware's own cap, so that most callers get its fuller answer.
HEAD_BYTES: Final = 64 << 10
HEAD_SECONDS: Final = 10.0
# A socket that is closed on unread bytes is reset, which takes the answer away from its reader.
LINGER_SECONDS: Final = 1.0


class GuardedProtocol(HttpToolsProtocol):
    """Ends a connection whose next request's head is too large or does not come to an end."""

    head_bytes = HEAD_BYTES
    head_seconds = HEAD_SECONDS
    _head_size = 0
    _head_since: float | None = None
    _watch: asyncio.TimerHandle | None = None
    _refused = False
    _leaving = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn narrows it
        super().connection_made(transport)
        self._head_since = self.loop.time()
        self._watch = self.loop.call_later(self.head_seconds, self._end_slow_head)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._watch is not None:
            self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        self._head_size += len(data)
        super().data_received(data)
        if self._head_since is None:
            self._head_size = 0
        elif self._head_size > self.head_bytes and not self._refused:
            detail = f"At most {self.head_bytes} bytes of headers."
            self._refuse(Refusal("headers_too_large", detail))

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_since = self.loop.time()

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._head_since = None
        if self._leaving:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """The server stops. A request that is on its way on this connection gets its answer yet."""
        if self._head_since is None:
            super().shutdown()
        else:
            self._leaving = True
            self.loop.call_later(LINGER_SECONDS, self._end_unused)

    def _end_unused(self) -> None:
        if self._head_since is not None:
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """What the parser refuses, in the form of all other errors. `msg` is uvicorn's own text."""
        self._refuse(Refusal("malformed_request", msg))

    def _end_slow_head(self) -> None:
        """One timer per connection, not per request; nothing is said to a sender of half a head."""
        waited = 0.0 if self._head_since is None else self.loop.time() - self._head_since
        if waited >= self.head_seconds:
            self.transport.close()
        else:
            self._watch = self.loop.call_later(self.head_seconds - waited, self._end_slow_head)

    def _refuse(self, refusal: Refusal) -> None:
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        if cycle is not None and not cycle.response_complete:
            # An application is at work on this connection: it hears that its caller has left.
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.close()
                return
        request_id = str(uuid7())
        response = problem_response(refusal, request_id)
        extra = {
            "x-request-id": request_id,
            "x-content-type-options": "nosniff",
            "cache-control": "no-store",
            "connection": "close",
        }
        lines = [f"HTTP/1.1 {refusal.status} {refusal.problem.title}"]
        lines += [f"{name}: {value}" for name, value in (response.headers | extra).items()]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self._refused = True
        self.transport.write(head + bytes(response.body))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER_SECONDS, self.transport.close)


class Workers(Multiprocess):
    """Looks after the processes that serve. When it stops, callers are refused, and go elsewhere.

    Its own copy of the listening socket would go on taking connections that nobody answers, and
    reset them at its end.
    """

    def terminate_all(self) -> None:
        for listening in self.sockets:
            listening.close()
        super().terminate_all()


def run_server(config: uvicorn.Config) -> None:
    """Serve until a signal ends it, with as many processes as are configured."""
    if config.workers > 1:
        Workers(config, sockets=[config.bind_socket()]).run()
        return
    server = uvicorn.Server(config)
    # uvicorn hands Ctrl-C on to who started it, when all is done.
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def uvicorn_options() -> dict[str, Any]:
    """What `uvicorn.Config` needs beside the application: our protocol, our logs, no `Server`."""
    return {
        "http": GuardedProtocol,
        "access_log": False,
        "log_config": None,
        "server_header": False,
        "timeout_keep_alive": 65,
    }
