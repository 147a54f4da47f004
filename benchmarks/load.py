"""The load generator: raw keep-alive connections in a process of its own.

It reads one order per line from standard input and answers each with a line: JSON both ways.
"""

import asyncio
import json
import random
import sys
import time
from typing import Any, cast

import uvloop

from benchmarks.marks import NUMBER

WARM_SECONDS = 0.25


class _Tally:
    """What all connections counted: all answers, and the latencies of those after the warm-up."""

    def __init__(self) -> None:
        self.open = False
        self.answered = 0
        self.latencies: list[float] = []
        self.failed: dict[str, int] = {}
        self.sample = ""


class _Caller(asyncio.Protocol):
    """One connection: sends a request, waits for its answer, sends the next."""

    def __init__(self, requests: list[bytes], tally: _Tally, first: int) -> None:
        self._requests = requests
        self._tally = tally
        self._number = first
        self._buffer = b""
        self._sent = 0.0
        self._transport: asyncio.Transport | None = None
        self.stopping = False
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's has another base
        self._next()

    def _next(self) -> None:
        assert self._transport is not None
        if self.stopping:
            self._transport.close()
            return
        request = random.choice(self._requests)
        if _MARK in request:
            self._number += 1
            request = request.replace(_MARK, b"%012d" % self._number)
        self._sent = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        at = self._buffer.lower().find(b"content-length:", 0, head_end)
        length = int(self._buffer[at + 15 : self._buffer.find(b"\r\n", at)]) if at > 0 else 0
        if len(self._buffer) < head_end + 4 + length:
            return
        tally = self._tally
        tally.answered += 1
        if tally.open:
            tally.latencies.append(time.perf_counter() - self._sent)
        if self._buffer[9:10] != b"2":
            status = self._buffer[9:12].decode()
            tally.failed[status] = tally.failed.get(status, 0) + 1
            tally.sample = self._buffer.decode("utf-8", "replace")[:2000]
        self._buffer = b""
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # asyncio's signature
        if not self.stopping:
            self._tally.failed["lost"] = self._tally.failed.get("lost", 0) + 1
        self.closed.set_result(None)


_MARK = NUMBER.encode()


async def _run(order: dict[str, Any]) -> dict[str, Any]:
    """Connections are dealt out over the groups of requests: one group is one organization."""
    tally = _Tally()
    groups = [[text.encode() for text in group] for group in order["groups"]]
    loop = asyncio.get_running_loop()
    callers = []
    for n in range(order["connections"]):
        first = random.randrange(100_000_000_000, 899_000_000_000)
        caller = _Caller(groups[n % len(groups)], tally, first)
        await loop.create_connection(lambda c=caller: c, "127.0.0.1", order["port"])  # type: ignore[misc]  # binds the loop's variable
        callers.append(caller)
    await asyncio.sleep(WARM_SECONDS)
    tally.open = True
    started = time.perf_counter()
    await asyncio.sleep(order["seconds"])
    elapsed = time.perf_counter() - started
    tally.open = False
    counted = sorted(tally.latencies)
    for caller in callers:
        caller.stopping = True
    await asyncio.wait([caller.closed for caller in callers], timeout=10)
    return {
        "rate": len(counted) / elapsed,
        "answered": tally.answered,
        "p50_ms": _part(counted, 0.5),
        "p99_ms": _part(counted, 0.99),
        "failed": tally.failed,
        "sample": tally.sample,
    }


def _part(counted: list[float], share: float) -> float:
    return round(counted[int(len(counted) * share)] * 1000, 2) if counted else 0.0


def main() -> None:
    for line in sys.stdin:
        print(json.dumps(uvloop.run(_run(json.loads(line)))), flush=True)


if __name__ == "__main__":
    main()
