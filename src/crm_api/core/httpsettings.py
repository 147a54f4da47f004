"""The bounds of one request and of one process, as plain data."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Sizes are in bytes, times in seconds; the defaults suit a JSON API."""

    body_bytes: int = 1 << 20
    # Larger caps for uploads, each by its whole path, in which `*` is one part.
    body_bytes_by_path: tuple[tuple[str, int], ...] = ()
    header_bytes: int = 16 << 10
    url_bytes: int = 8 << 10
    # From the last byte of the body to the first of the response.
    handler_seconds: float = 30.0
    # A body may take `body_seconds`, and one second more for each `body_rate` bytes of it.
    body_seconds: float = 20.0
    body_rate: int = 16 << 10
    # The longest pause between two parts of a streamed response, also while nobody reads it.
    stream_seconds: float = 60.0
    concurrency: int = 512
    rate_requests: int = 120_000
    rate_seconds: int = 60
    cors_origins: tuple[str, ...] = ()
    compress_bytes: int = 2048
    base_url: str = ""
    # Probes are answered when all else is refused, and are not worth a log line.
    probe_paths: frozenset[str] = frozenset({"/livez", "/readyz", "/metrics"})

    def body_cap(self, path: str) -> int:
        """The cap of an upload to this path."""
        parts = path.split("/")
        for pattern, cap in self.body_bytes_by_path:
            wanted = pattern.split("/")
            if len(wanted) == len(parts) and all(
                w in ("*", p) for w, p in zip(wanted, parts, strict=True)
            ):
                return cap
        return self.body_bytes
