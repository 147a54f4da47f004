"""The worker: hears of work, sweeps for what nobody told, takes turns among organizations."""

import asyncio
import random
import time
from collections import deque
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog

from crm_api.core.db import Database, Disturbed
from crm_api.core.errors import Refusal
from crm_api.operations import repository as sql
from crm_api.operations.chores import do_routines, tidy
from crm_api.operations.running import Runner, Timing

log = structlog.get_logger()

LANES: Final = 2
"""Organizations that one worker serves at a time, so that a long import does not hold up all."""
SHARE: Final = 20
"""A sweep takes at most one part in so many of the worker's time, however many organizations."""
RECONNECT_SECONDS: Final = 2.0
_OURS = (Refusal, Disturbed)


class Turns:
    """Organizations that may have work: each waits once, and is served by one lane at a time."""

    def __init__(self) -> None:
        self._waiting: deque[UUID] = deque()
        self._busy: dict[UUID, bool] = {}
        """Those that are being served → whether they were offered again meanwhile."""
        self._closed = False
        self._news = asyncio.Condition()

    async def offer(self, organization_id: UUID) -> None:
        async with self._news:
            if organization_id in self._busy:
                self._busy[organization_id] = True
            elif organization_id not in self._waiting:
                self._waiting.append(organization_id)
                self._news.notify()

    async def close(self) -> None:
        async with self._news:
            self._closed = True
            self._news.notify_all()

    async def take(self) -> UUID | None:
        """The next one, waited for; None when there is none any more."""
        async with self._news:
            await self._news.wait_for(lambda: self._closed or bool(self._waiting))
            if self._closed:
                return None
            organization_id = self._waiting.popleft()
            self._busy[organization_id] = False
            return organization_id

    async def done(self, organization_id: UUID, *, more: bool) -> None:
        """It was served; behind all others again, where there may be more."""
        if self._busy.pop(organization_id) or more:
            await self.offer(organization_id)


class Worker:
    """One process's worker. `run` returns when `stop` was called and all is handed over."""

    def __init__(self, db: Database, timing: Timing | None = None) -> None:
        self._db = db
        self._timing = timing or Timing()
        self._stopping = asyncio.Event()
        self._turns = Turns()
        self._runner = Runner(db, self._timing, self._stopping)
        self._served = 0

    def stop(self) -> None:
        """Finish the running steps, give back what is left, end."""
        self._stopping.set()

    async def run(self, dsn: str) -> None:
        """Work until stopped.

        Args:
            dsn: where to listen, on a connection besides the pools.
        """
        lanes = [asyncio.create_task(self._lane()) for _ in range(LANES)]
        helpers = [
            asyncio.create_task(each) for each in (self._listen(dsn), self._sweep(), self._tidy())
        ]
        await self._stopping.wait()
        await self._turns.close()
        await asyncio.wait(lanes, timeout=self._timing.grace)
        for each in (*lanes, *helpers):
            each.cancel()
        await asyncio.gather(*lanes, *helpers, return_exceptions=True)
        log.info("worker_stopped", operations=self._served)

    async def _lane(self) -> None:
        """Serve one organization after the other, one operation each."""
        while (organization_id := await self._turns.take()) is not None:
            await self._serve(organization_id)

    async def _serve(self, organization_id: UUID) -> None:
        more = False
        try:
            more = await self._runner.run_next(organization_id)
            self._served += more
        except _OURS as error:
            # The database is away: the sweep comes back to it, leases run out by themselves.
            log.warning("organization_not_served", error=type(error).__name__)
        except Exception:
            # One organization must not stop the others.
            log.exception("worker_error")
        finally:
            await self._turns.done(organization_id, more=more)

    # ------------------------------------------------------------------------ what there is to do

    async def _listen(self, dsn: str) -> None:
        """Offer the organization of each notification; connect again whenever that is lost."""
        while True:
            # Anew for each connection: the end of one must not be taken for that of the next.
            heard: asyncio.Queue[str] = asyncio.Queue()
            with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError):
                connection = await asyncpg.connect(dsn, timeout=10)
                try:
                    await self._listen_on(connection, heard)
                finally:
                    connection.terminate()
            log.warning("worker_not_listening")
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _listen_on(self, connection: Any, heard: "asyncio.Queue[str]") -> None:
        """Until the connection ends."""
        connection.add_termination_listener(lambda _: heard.put_nowait(""))
        await connection.add_listener(sql.CHANNEL, lambda *told: heard.put_nowait(told[3]))
        log.info("worker_listening")
        while organization_id := await heard.get():
            await self._turns.offer(UUID(organization_id))

    async def _sweep(self) -> None:
        """Offer every organization from time to time, at once when the worker starts."""
        while True:
            began = time.monotonic()
            for organization_id in await self._organizations():
                await self._turns.offer(organization_id)
            log.debug("worker_alive", operations=self._served)
            took = time.monotonic() - began
            await asyncio.sleep(max(self._timing.sweep, SHARE * took))

    async def _tidy(self) -> None:
        """Remove what is kept no longer, make what falls due; each worker at another time."""
        while True:
            await asyncio.sleep(self._timing.chores * random.uniform(0.1, 1))  # noqa: S311  # spreads
            for organization_id in await self._organizations():
                try:
                    await tidy(self._db, organization_id)
                    await do_routines(self._db, organization_id)
                except _OURS as error:
                    log.warning("not_tidied", error=type(error).__name__)

    async def _organizations(self) -> list[UUID]:
        try:
            return [row["id"] for row in await self._db.fetch(None, sql.ORGANIZATIONS)]
        except _OURS as error:
            log.warning("organizations_not_read", error=type(error).__name__)
            return []


async def run_pending(db: Database, *organization_ids: UUID, timing: Timing | None = None) -> int:
    """Do everything that is due in these organizations, here and now; how many attempts it took."""
    runner = Runner(db, timing or Timing(), asyncio.Event())
    count = 0
    for organization_id in organization_ids:
        while await runner.run_next(organization_id):
            count += 1
    return count
