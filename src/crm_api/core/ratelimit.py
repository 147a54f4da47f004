"""Rate limits inside one process: a token bucket per principal, told in the IETF draft's headers.

Sign-in throttles, which must outlive a process, are kept in the database and not here.
"""

import math
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from ipaddress import IPv6Network
from secrets import token_bytes
from time import perf_counter
from typing import Final

MAX_BUCKETS: Final = 20_000

_KEY: Final = token_bytes(32)


@dataclass(slots=True)
class _Bucket:
    level: float
    at: float


@dataclass(frozen=True, slots=True)
class Admission:
    """What the limiter decided for one request; `wait_seconds` is 0 when it may go on."""

    principal: bytes | None
    known: bool
    remaining: int
    reset_seconds: int
    wait_seconds: int


class RateLimiter:
    """`requests` per `seconds` for each principal, with the same number as the burst.

    A principal is the hash of an `Authorization` header that was accepted once. Until then its
    requests count against the client's address: otherwise a new random token for each request
    would get a new bucket for each request.
    """

    def __init__(self, requests: int, seconds: int) -> None:
        self._capacity = requests
        self._rate = requests / seconds
        self._fresh: dict[bytes | str, _Bucket] = {}
        self._stale: dict[bytes | str, _Bucket] = {}
        self.policy = f'"default";q={requests};w={seconds}'.encode()

    def admit(self, authorization: bytes | None, address: str) -> Admission:
        principal = known = None
        if authorization is not None:
            principal = blake2b(authorization, digest_size=16, key=_KEY).digest()
            known = self._find(principal)
        now = perf_counter()
        bucket = known or self._of_address(_network(address), now)
        level = min(self._capacity, bucket.level + (now - bucket.at) * self._rate)
        wait = 0 if level >= 1 else math.ceil((1 - level) / self._rate)
        if not wait:
            level -= 1
        bucket.level, bucket.at = level, now
        reset = math.ceil((self._capacity - level) / self._rate)
        return Admission(principal, known is not None, int(level), reset, wait)

    def accept(self, principal: bytes) -> None:
        """The principal's credentials were good: from now on it has a bucket of its own."""
        self._add(principal, _Bucket(self._capacity - 1, perf_counter()))

    def _of_address(self, network: str, now: float) -> _Bucket:
        found = self._find(network)
        if found is None:
            found = _Bucket(self._capacity, now)
            self._add(network, found)
        return found

    def _find(self, key: bytes | str) -> _Bucket | None:
        found = self._fresh.get(key)
        if found is None:
            found = self._stale.pop(key, None)
            if found is not None:
                self._add(key, found)
        return found

    def _add(self, key: bytes | str, bucket: _Bucket) -> None:
        # Two generations bound the memory; a bucket that falls out had been idle and was full.
        if len(self._fresh) >= MAX_BUCKETS:
            self._stale, self._fresh = self._fresh, {}
        self._fresh[key] = bucket


@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    """An IPv6 subscriber owns a /64, so its addresses share a bucket."""
    if ":" not in address:
        return address
    try:
        return str(IPv6Network((address.partition("%")[0], 64), strict=False))
    except ValueError:
        return address
