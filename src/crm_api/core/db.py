"""The way to PostgreSQL: pools, the organization of a connection, statements compiled once.

Statements are SQLAlchemy Core; they are compiled once and run on asyncpg, because a session and
its result objects cost ten times the statement (docs/adr). No SQL of any table lives here.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextvars import ContextVar
from typing import Any, Self
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy.dialects.postgresql import asyncpg as pg_dialect
from sqlalchemy.sql import ClauseElement

from crm_api.core.errors import Refusal
from crm_api.core.pool import Connection, Connections

log = structlog.get_logger()
DIALECT = pg_dialect.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy's own

Row = Mapping[str, Any]

ACQUIRE_SECONDS = 5.0
SNAPSHOT_RETRY_SECONDS = "10"


class Statement:
    """A statement compiled once: its text, and the order in which its parameters stand."""

    __slots__ = ("_defaults", "_order", "sql")

    def __init__(self, clause: ClauseElement) -> None:
        compiled = clause.compile(dialect=DIALECT)
        self.sql = str(compiled)
        self._order: tuple[str, ...] = tuple(compiled.positiontup or ())  # type: ignore[attr-defined]  # SQLCompiler's, untyped here
        self._defaults: dict[str, Any] = {**(compiled.params or {})}

    def arguments(self, values: Mapping[str, Any]) -> list[Any]:
        defaults = self._defaults
        return [values[name] if name in values else defaults[name] for name in self._order]


class Disturbed(Exception):
    """Another write stopped this statement. Where nobody makes more of it, `refusal` answers."""

    def refusal(self) -> Refusal:
        return Refusal("conflict", "Another write came first; read again and retry.")


class UniqueClash(Disturbed):
    """A unique constraint was hit; `constraint` is its name without any shard suffix."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class ReferenceBroken(Disturbed):
    """A foreign key points to nothing (or is still pointed at)."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class LockTimedOut(Disturbed):
    """A lock was not free within the lock time-out; `context` is PostgreSQL's own."""

    def refusal(self) -> Refusal:
        return unavailable("Other writes of this organization take long.")

    def __init__(self, context: str) -> None:
        super().__init__(context)
        self.context = context


class Serialization(Disturbed):
    """A deadlock or serialization failure: the statement may simply be run again."""


def unavailable(detail: str = "The database cannot answer right now.") -> Refusal:
    return Refusal("unavailable", detail, headers={"Retry-After": "1"})


_UNAVAILABLE_CLASSES = ("08", "25", "53", "57", "58", "XX")
# The driver's own "internal" error is a connection whose end it has not seen yet.
_CONNECTION_ERRORS = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    TimeoutError,
    OSError,
)


def translate(error: BaseException) -> BaseException:
    """An error of ours for a driver error, by its SQLSTATE; anything unknown is returned as is."""
    state = getattr(error, "sqlstate", None) or ""
    match state:
        case "23505":
            return UniqueClash(_constraint(error))
        case "23503":
            return ReferenceBroken(_constraint(error))
        case "55P03":
            return LockTimedOut(str(getattr(error, "context", "") or ""))
        case "40001" | "40P01":
            return Serialization(state)
    if state[:2] in ("22", "23"):
        # The value never appears: PostgreSQL's message would echo it.
        return Refusal("invalid", "A value is outside what the database can hold.")
    # A read-only or vanished server, a full disk, a cancelled statement, a dropped connection.
    if state[:2] in _UNAVAILABLE_CLASSES or isinstance(error, _CONNECTION_ERRORS):
        log.warning("database_unavailable", sqlstate=state, error=type(error).__name__)
        return unavailable()
    return error


def _constraint(error: BaseException) -> str:
    return str(getattr(error, "constraint_name", "") or "").partition("_1020")[0]


@contextlib.contextmanager
def _translated() -> Any:
    try:
        yield
    except (asyncpg.PostgresError, *_CONNECTION_ERRORS) as error:
        mapped = translate(error)
        if mapped is error:
            raise
        raise mapped from error


_ambient: ContextVar[Connection | None] = ContextVar("ambient_connection", default=None)


class Snapshot:
    """One moment of the organization, held open on a connection of its own; nothing is written."""

    def __init__(self, connection: Connection, seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds

    async def fetchrow(self, statement: Statement, values: Mapping[str, Any]) -> Any:
        arguments = statement.arguments(values)
        with _translated():
            return await self._connection.fetchrow(statement.sql, *arguments, timeout=self._seconds)

    async def batches(
        self, statement: Statement, values: Mapping[str, Any], size: int
    ) -> AsyncGenerator[list[Any]]:
        """The rows, `size` at a time, and never more of them in memory.

        A cursor of SQL and not of the protocol: only for that one the planner prefers what starts
        at once, and makes no document before its turn has come.
        """
        arguments = statement.arguments(values)
        declare = f"DECLARE batches NO SCROLL CURSOR FOR {statement.sql}"
        fetch = f"FETCH FORWARD {size} FROM batches"
        with _translated():
            await self._connection.execute(declare, *arguments, timeout=self._seconds)
            while rows := await self._connection.fetch(fetch, timeout=self._seconds):
                yield rows


class Database:
    """Two pools on one database as the application role.

    `lists` plans each statement anew: a list's best plan depends on its filters, and the generic
    plan that a prepared statement falls into after five runs reads thirty times the buffers.
    """

    def __init__(self, main: Connections, lists: Connections) -> None:
        self._main = main
        self._lists = lists
        self._snapshots = 0
        # Lists must find a connection beside them.
        self._most_snapshots = max(1, lists.size // 3)

    @classmethod
    async def connect(
        cls,
        dsn: str,
        *,
        size: int = 10,
        list_size: int = 6,
        statement_timeout_ms: int = 5_000,
        lock_timeout_ms: int = 2_000,
        idle_transaction_ms: int = 30_000,
    ) -> Self:
        settings = {
            "application_name": "crm-api",
            "statement_timeout": str(statement_timeout_ms),
            "lock_timeout": str(lock_timeout_ms),
            "idle_in_transaction_session_timeout": str(idle_transaction_ms),
            "jit": "off",
            "timezone": "UTC",
            # Distributed mode: SET LOCAL reaches the workers; plain PostgreSQL accepts the name.
            "citus.propagate_set_commands": "local",
        }

        async def pool(limit: int, cached: int, extra: dict[str, str]) -> Connections:
            found = await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=limit,
                max_inactive_connection_lifetime=600,
                statement_cache_size=cached,
                max_cacheable_statement_size=0,
                connection_class=Connection,
                server_settings=settings | extra,
                timeout=5,
                # Backstop for a black hole on the wire; statement_timeout acts first.
                command_timeout=statement_timeout_ms / 1000 + 2,
            )
            return Connections(found, limit, ACQUIRE_SECONDS)

        with _translated():
            return cls(
                await pool(size, 512, {}),
                # Each tree of conditions may be a statement of its own, and the server keeps those
                # that are cached, some hundred kilobytes each.
                await pool(list_size, 128, {"plan_cache_mode": "force_custom_plan"}),
            )

    async def close(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                await asyncio.gather(self._main.close(), self._lists.close())
                return
        self._main.terminate()
        self._lists.terminate()

    async def fetchrow(
        self,
        organization_id: UUID | None,
        statement: Statement,
        values: Mapping[str, Any] | None = None,
        *,
        lists: bool = False,
    ) -> Any:
        """The first row, or None. `lists` chooses the pool whose statements are planned anew."""
        arguments = statement.arguments(values or {})
        held = _ambient.get()
        with _translated():
            if held is not None:
                return await held.fetchrow(statement.sql, *arguments)
            async with (self._lists if lists else self._main).of(organization_id) as connection:
                return await connection.fetchrow(statement.sql, *arguments)

    async def fetch(
        self,
        organization_id: UUID | None,
        statement: Statement,
        values: Mapping[str, Any] | None = None,
    ) -> list[Any]:
        arguments = statement.arguments(values or {})
        held = _ambient.get()
        with _translated():
            if held is not None:
                return await held.fetch(statement.sql, *arguments)
            async with self._main.of(organization_id) as connection:
                return await connection.fetch(statement.sql, *arguments)

    @contextlib.asynccontextmanager
    async def transaction(self, organization_id: UUID | None) -> AsyncIterator[Connection]:
        """Every statement of this task runs in one transaction until the block ends.

        Inside another transaction it joins it: the outermost block commits, before any reply.
        """
        held = _ambient.get()
        if held is not None:
            yield held
            return
        with _translated():
            async with (
                self._main.of(organization_id) as connection,
                connection.transaction(),
            ):
                token = _ambient.set(connection)
                try:
                    yield connection
                finally:
                    _ambient.reset(token)

    @contextlib.asynccontextmanager
    async def snapshot(self, organization_id: UUID, seconds: float) -> AsyncIterator[Snapshot]:
        """A read that lasts as long as somebody takes what was read: at most a few at a time.

        Args:
            seconds: how long one of its statements may take, and its reader between two of them.

        Raises:
            Refusal: 503 where as many as may be are open.
        """
        if self._snapshots >= self._most_snapshots:
            detail = "Other exports are running; wait for one of them to end."
            raise Refusal("unavailable", detail, headers={"Retry-After": SNAPSHOT_RETRY_SECONDS})
        self._snapshots += 1
        bounds = (
            f"SET LOCAL statement_timeout = '{seconds}s';"
            f"SET LOCAL idle_in_transaction_session_timeout = '{seconds}s';"
            "SET LOCAL cursor_tuple_fraction = 0.01"
        )
        try:
            with _translated():
                async with (
                    self._lists.of(organization_id) as connection,
                    connection.transaction(isolation="repeatable_read", readonly=True),
                ):
                    await connection.execute(bounds)
                    yield Snapshot(connection, seconds)
        finally:
            self._snapshots -= 1

    @contextlib.asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """Inside a transaction: a failure in here leaves the transaction usable. Else nothing."""
        held = _ambient.get()
        if held is None:
            yield
            return
        with _translated():
            async with held.transaction():
                yield

    @contextlib.asynccontextmanager
    async def rehearsal(self, organization_id: UUID | None) -> AsyncIterator[None]:
        """A transaction that is always rolled back: a dry run does everything but stay.

        Inside another one it is a part of it, which goes on.
        """
        with contextlib.suppress(_Rehearsed):
            async with self.savepoint(), self.transaction(organization_id):
                yield
                raise _Rehearsed


class _Rehearsed(Exception):
    """Ends a rehearsal; it never leaves this module."""
