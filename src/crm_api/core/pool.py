"""Hands out the connections of a pool, preferably to the organization that each served last.

The driver's pool opens, repairs and closes them. Between requests they stay here: its own acquire
and release cost a queue, a time-out and a task, 15 µs a statement; and a connection that goes on
with its organization saves the round trip that would set another one.
"""

import asyncio
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final
from uuid import UUID

import asyncpg

# For so long a waiting request is passed over for others of the organization of a free connection.
PATIENCE_SECONDS: Final = 0.02
# After these the driver may still be busy with the connection, or it is lost.
_UNSETTLED: Final = (TimeoutError, OSError, asyncpg.InterfaceError)
# The server ended it; the driver may not have seen the end of the stream yet.
_LOST: Final = (
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresConnectionError,
)


class Connection(asyncpg.Connection):
    """A connection that remembers its organization and is handed back without a round trip."""

    organization_id: UUID | None = None

    async def reset(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109  # asyncpg's own signature
        # The pool's reset is a second round trip for each request. Nothing of ours outlives a
        # transaction but the organization, which every checkout compares and sets.
        if self.is_in_transaction():
            self.organization_id = None
            await super().reset(timeout=timeout)


@dataclass(slots=True, eq=False)
class _Held:
    """A connection that was taken out of the driver's pool, with the proxy to give back there."""

    proxy: Any
    connection: Connection


@dataclass(slots=True, eq=False)
class _Waiter:
    organization_id: UUID | None
    turn: "asyncio.Future[_Held | None]"
    since: float


class Connections:
    """The connections of one pool, at most `size`. For one event loop."""

    def __init__(self, pool: "asyncpg.Pool[Any]", size: int, acquire_seconds: float) -> None:
        self._pool = pool
        self.size = size
        self._seconds = acquire_seconds
        self._open = 0
        self._idle: deque[_Held] = deque()
        self._waiting: deque[_Waiter] = deque()
        self._closing = False

    def of(self, organization_id: UUID | None) -> "_Lease":
        """`async with connections.of(organization_id) as connection`: its organization is set.

        Raises:
            TimeoutError: none was free in time.
        """
        return _Lease(self, organization_id)

    async def close(self) -> None:
        """Wait for those in use, close all."""
        self._closing = True
        while self._idle:
            await self._pool.release(self._idle.pop().proxy)
        await self._pool.close()

    def terminate(self) -> None:
        self._pool.terminate()

    async def take(self, organization_id: UUID | None) -> _Held:
        while True:
            held = self._pick(organization_id)
            if held is None and self._open < self.size:
                return await self._open_one()
            if held is None:
                held = await self._turn(organization_id)
            if held is not None:
                if not held.connection.is_closed():
                    return held
                await self.give_up(held)

    def give_back(self, held: _Held) -> None:
        waiter = self._next(held.connection.organization_id) if self._waiting else None
        if waiter is None:
            self._idle.append(held)
        else:
            waiter.turn.set_result(held)

    async def give_up(self, held: _Held) -> None:
        """To the driver's pool, which waits for a cancelled statement and closes what is broken."""
        self._open -= 1
        try:
            await self._pool.release(held.proxy)
        finally:
            self._wake()

    @property
    def closing(self) -> bool:
        return self._closing

    def _pick(self, organization_id: UUID | None) -> _Held | None:
        """The one that was in this organization last; else the one that rested longest."""
        idle = self._idle
        for n in range(len(idle) - 1, -1, -1):
            held = idle[n]
            if held.connection.organization_id == organization_id:
                del idle[n]
                return held
        return idle.popleft() if idle else None

    async def _open_one(self) -> _Held:
        self._open += 1
        try:
            proxy: Any = await self._pool.acquire(timeout=self._seconds)
        except BaseException:
            self._open -= 1
            self._wake()
            raise
        # The proxy's indirection costs 8 µs a call.
        return _Held(proxy, proxy._con)  # noqa: SLF001  # no public way

    async def _turn(self, organization_id: UUID | None) -> _Held | None:
        """The next connection that is handed over; None: there may be room for another one."""
        loop = asyncio.get_running_loop()
        waiter = _Waiter(organization_id, loop.create_future(), loop.time())
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(self._seconds):
                return await waiter.turn
        except BaseException:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            elif not waiter.turn.cancelled():
                # It was this one's turn at the very moment when it left.
                held = waiter.turn.result()
                self._wake() if held is None else self.give_back(held)
            raise

    def _next(self, organization_id: UUID | None) -> _Waiter | None:
        """Whose turn it is with a connection that was in this organization last."""
        waiting = self._waiting
        while waiting and waiting[0].turn.done():
            waiting.popleft()  # it was cancelled a moment ago
        if not waiting:
            return None
        if asyncio.get_running_loop().time() - waiting[0].since < PATIENCE_SECONDS:
            for waiter in waiting:
                if waiter.organization_id == organization_id and not waiter.turn.done():
                    waiting.remove(waiter)
                    return waiter
        return waiting.popleft()

    def _wake(self) -> None:
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.turn.done():
                waiter.turn.set_result(None)
                return


class _Lease:
    """One use of one connection."""

    __slots__ = ("_connections", "_held", "_organization_id")

    def __init__(self, connections: Connections, organization_id: UUID | None) -> None:
        self._connections = connections
        self._organization_id = organization_id
        self._held: _Held

    async def __aenter__(self) -> Connection:
        held = await self._connections.take(self._organization_id)
        connection = held.connection
        if connection.organization_id != self._organization_id:
            # A plain SET outside any transaction: it cannot be undone by a rollback, and it is
            # repeated only when the organization of this connection changes.
            connection.organization_id = None
            value = "" if self._organization_id is None else str(self._organization_id)
            try:
                await connection.execute(f"SET app.organization_id = '{value}'")
            except BaseException as error:
                if isinstance(error, _LOST):
                    connection.terminate()
                await self._connections.give_up(held)
                raise
            connection.organization_id = self._organization_id
        self._held = held
        return connection

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        held = self._held
        if isinstance(error, _LOST):
            held.connection.terminate()
        settled = error is None or (
            isinstance(error, Exception) and not isinstance(error, (*_UNSETTLED, *_LOST))
        )
        if settled and not held.connection.is_in_transaction() and not self._connections.closing:
            self._connections.give_back(held)
        else:
            await self._connections.give_up(held)
