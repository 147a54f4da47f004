"""A TCP proxy of ours between the application and PostgreSQL, which breaks what it is told to.

It understands as much of the protocol as it needs to lose exactly the reply to a commit: the
request arrives and takes effect, and its sender never hears of it.
"""

import asyncio
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
LOG_STEP = b"INSERT INTO changes"
"""In every statement that writes: each appends to the log."""


@dataclass(eq=False)
class Link:
    """One connection of the application, and its continuation to the server."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    writes: set[bytes] = field(default_factory=set)
    """Names of prepared statements that write."""
    in_transaction: bool = False
    swallowing: bool = False
    buffered: bytes = b""
    begun: bool = False

    def reset(self) -> None:
        for writer in (self.near, self.far):
            with suppress(RuntimeError, AttributeError):
                writer.transport.abort()

    def messages(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Type and content of each whole message of the application; start-up ones have no type."""
        self.buffered += data
        while len(self.buffered) >= 8:
            typed = self.begun
            start = 1 if typed else 0
            (length,) = struct.unpack_from("!i", self.buffered, start)
            if len(self.buffered) < start + length:
                return
            message = self.buffered[: start + length]
            self.buffered = self.buffered[start + length :]
            if typed:
                yield message[:1], message[5:]
            else:
                self.begun = message != SSL_REQUEST


class Proxy:
    """Passes everything on, until a fault is set."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._links: set[Link] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()
        self.latency = 0.0
        self.lose = 0
        """So many replies to commits are still to be lost."""
        self.lost = 0

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        self._server.close()
        self._open.set()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def reset(self) -> int:
        """Every connection ends with a reset, in the middle of whatever it carried."""
        count = len(self._links)
        for link in list(self._links):
            link.reset()
        return count

    def black_hole(self, *, on: bool) -> None:
        """Nothing is passed on and nothing refused: packets vanish, as behind a broken router."""
        if on:
            self._open.clear()
        else:
            self._open.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        link = None
        try:
            await self._open.wait()
            far_reader, far = await asyncio.open_connection(*self._target)
            link = Link(writer, far)
            self._links.add(link)
            there = asyncio.create_task(self._there(link, reader))
            back = asyncio.create_task(self._back(link, far_reader))
            _, rest = await asyncio.wait((there, back), return_when=asyncio.FIRST_COMPLETED)
            for other in rest:
                other.cancel()
            await asyncio.gather(there, back, return_exceptions=True)
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            if link is not None:
                link.reset()
                self._links.discard(link)
            else:
                writer.transport.abort()

    async def _there(self, link: Link, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(1 << 16):
            await self._hold()
            if self._commits(link, data) and self.lose and not link.swallowing:
                self.lose -= 1
                link.swallowing = True
            link.far.write(data)
            await link.far.drain()

    async def _back(self, link: Link, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(1 << 16):
            if link.swallowing:
                # Ready for the next query, outside a transaction: it is committed by now.
                if data.endswith(b"Z\x00\x00\x00\x05I"):
                    self.lost += 1
                    return
                continue
            await self._hold()
            link.near.write(data)
            await link.near.drain()

    async def _hold(self) -> None:
        if self.latency:
            await asyncio.sleep(self.latency)
        await self._open.wait()

    def _commits(self, link: Link, data: bytes) -> bool:
        """Whether the data hold a COMMIT, or a statement that writes and commits by itself."""
        found = False
        for kind, content in link.messages(data):
            if kind == b"P":
                name, _, rest = content.partition(b"\0")
                if LOG_STEP in rest:
                    link.writes.add(name)
            elif kind == b"B":
                name = content.partition(b"\0")[2].partition(b"\0")[0]
                found = found or (name in link.writes and not link.in_transaction)
            elif kind == b"Q":
                ends = content.startswith(b"COMMIT")
                begins = content.startswith(b"BEGIN")
                found = found or ends
                link.in_transaction = begins or (
                    link.in_transaction and not ends and not content.startswith(b"ROLLBACK;")
                )
        return found
