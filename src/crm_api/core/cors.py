"""Cross-origin access for browsers: closed unless origins are configured, and without cookies."""

from collections.abc import Iterable
from typing import Final

RawHeaders = list[tuple[bytes, bytes]]

# Every header that a front end reads; a browser hides the others from it.
EXPOSED: Final = (
    "ETag",
    "Link",
    "Location",
    "X-Request-Id",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "Idempotency-Replayed",
    "Deprecation",
    "Sunset",
    "Allow",
    "WWW-Authenticate",
    "Content-Disposition",
)
_METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE"
_REQUEST_HEADERS: Final = (
    "Accept, Accept-Language, Authorization, Cache-Control, Content-Type, Idempotency-Key, "
    "If-Match, If-None-Match, Last-Event-ID, Prefer, X-Request-Id"
)
_PREFLIGHT_SECONDS: Final = 7200


class Cors:
    def __init__(self, origins: Iterable[str]) -> None:
        allowed = {origin.encode() for origin in origins}
        self.enabled = bool(allowed)
        self._any = b"*" in allowed
        self._allowed = allowed
        self._exposed = (b"access-control-expose-headers", ", ".join(EXPOSED).encode())

    def headers(self, origin: bytes | None) -> RawHeaders:
        """What a response to this origin gets. `Vary` also without one: a cache holds both."""
        if not self.enabled:
            return []
        vary: RawHeaders = [] if self._any else [(b"vary", b"Origin")]
        if origin is None or not (self._any or origin in self._allowed):
            return vary
        value = b"*" if self._any else origin
        return [(b"access-control-allow-origin", value), self._exposed, *vary]

    def preflight(self, origin: bytes) -> RawHeaders:
        """What a yes to a browser's question adds to `headers`; nothing added means no."""
        if not (self._any or origin in self._allowed):
            return []
        return [
            (b"access-control-allow-methods", _METHODS.encode()),
            (b"access-control-allow-headers", _REQUEST_HEADERS.encode()),
            (b"access-control-max-age", str(_PREFLIGHT_SECONDS).encode()),
        ]
