"""A response on its way out: the headers that each one gets, and compression."""

from time import perf_counter
from typing import Final

from starlette.types import Message, Send

from crm_api.core import compression

RawHeaders = list[tuple[bytes, bytes]]

_SAFETY: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
)
_POLICY: Final = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
_TRANSPORT: Final = (b"strict-transport-security", b"max-age=31536000")
_NO_STORE: Final = (b"cache-control", b"no-store")
# With an ETag the caller alone may keep a copy, and asks about it each time.
_REVALIDATE: Final = ((b"cache-control", b"private, no-cache"), (b"vary", b"Authorization"))
_VARY_ENCODING: Final = (b"vary", b"Accept-Encoding")
_GZIP: Final = (b"content-encoding", b"gzip")
_NO_BODY: Final = frozenset({204, 304})


class Reply:
    """Takes the application's messages and sends them on with what every response carries.

    The head is held back until the first part of the body, whose size decides on compression.
    """

    __slots__ = (
        "_compressor", "_gzip_from", "_held", "_send",
        "extra", "finished_at", "is_event_stream", "is_head", "started", "status", "takes_gzip",
    )  # fmt: skip

    def __init__(self, send: Send, *, is_head: bool, gzip_from: int) -> None:
        self._send = send
        self.is_head = is_head
        self._held: Message | None = None
        self._compressor: compression.Compressor | None = None
        self._gzip_from = gzip_from
        self.extra: RawHeaders = []
        self.takes_gzip = False
        self.status = 0
        self.started = False
        self.is_event_stream = False
        self.finished_at = 0.0

    def add(self, name: bytes, value: bytes) -> None:
        self.extra.append((name, value))

    def demand_https(self) -> None:
        self.extra.append(_TRANSPORT)

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self._held = message
            return
        if kind != "http.response.body":
            await self._send(message)
            return
        body: bytes = message.get("body", b"")
        more: bool = message.get("more_body", False)
        if self._held is not None:
            head, self._held = self._held, None
            body, head["headers"] = self._opened(head, body, more=more)
            self.started = True
            await self._send(head)
        elif self._compressor is not None:
            body = self._compressor.compress(body)
        if self._compressor is not None and not more:
            body += self._compressor.flush()
        if self.is_head:
            body = b""
        await self._send({"type": kind, "body": body, "more_body": more})
        if not more:
            self.finished_at = perf_counter()

    def _opened(self, head: Message, body: bytes, *, more: bool) -> tuple[bytes, RawHeaders]:
        """The first part of the body and the headers as they are sent."""
        self.status = head["status"]
        headers: RawHeaders = [*head["headers"], *_SAFETY, *self.extra]
        given = dict(head["headers"])
        if b"content-security-policy" not in given:
            headers.append(_POLICY)
        if b"cache-control" not in given:
            if b"etag" in given:
                headers.extend(_REVALIDATE)
            else:
                headers.append(_NO_STORE)
        content_type = given.get(b"content-type", b"")
        self.is_event_stream = content_type.startswith(b"text/event-stream")
        large = more or len(body) >= self._gzip_from
        # What is answered in ranges is counted in its own bytes.
        as_it_is = b"content-encoding" in given or b"accept-ranges" in given
        if not (large and compression.is_text(content_type)) or as_it_is:
            return body, headers
        if _VARY_ENCODING not in headers:
            headers.append(_VARY_ENCODING)
        if not self.takes_gzip or self.is_head or self.status in _NO_BODY:
            return body, headers
        headers = [header for header in headers if header[0] != b"content-length"]
        headers.append(_GZIP)
        if more:
            self._compressor = compression.gzip_stream()
            return self._compressor.compress(body), headers
        body = compression.gzip_whole(body)
        headers.append((b"content-length", str(len(body)).encode()))
        return body, headers
