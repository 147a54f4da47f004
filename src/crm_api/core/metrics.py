"""What Prometheus reads: counts and latencies by route template, never by path or caller."""

import os
from typing import Final

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Histogram,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

UNMATCHED: Final = "(unmatched)"

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

_requests: Final = Histogram(
    "crm_http_request_duration_seconds",
    "HTTP requests by route template; the count of requests is this metric's _count.",
    ("method", "route", "status"),
    buckets=_SECONDS,
)
_children: dict[tuple[str, str, int], Histogram] = {}


def known_method(method: str) -> str:
    """A method is whatever token the caller sends; as a label it must be one of a few."""
    return method if method in _METHODS else "OTHER"


def observe(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answer. `route` must be a template: each new one is a new time series."""
    key = (method, route, status // 100)
    child = _children.get(key)
    if child is None:
        child = _children[key] = _requests.labels(method, route, f"{status // 100}xx")
    child.observe(seconds)


def exposition() -> tuple[bytes, str]:
    """The metrics and their content type, of all worker processes where they share a directory."""
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call] # the library annotates it not
    return generate_latest(registry), CONTENT_TYPE_LATEST
