"""Clients from a list: each row is imported or reported, in steps that commit by themselves.

While PostgreSQL writes one step, the rows of the next are read and decided in a thread.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from crm_api.catalogues.adding import add_entries
from crm_api.clients.bulk import insert_clients
from crm_api.core.db import LockTimedOut, Serialization, UniqueClash
from crm_api.core.errors import Refusal
from crm_api.imports.claims import Claims, find_holders
from crm_api.imports.reading import BrokenRecord, Record
from crm_api.imports.rows import Finding, Key, Row, RowReader
from crm_api.kit.changes import lock_head
from crm_api.kit.scope import Scope

STEP: Final = 1000
"""Rows in one statement. It holds the organization's head about a tenth of a second."""
TRIES: Final = 3
COLLECT_EVERY: Final = 100 * STEP

Records = Iterator[Record | BrokenRecord]


@dataclass(slots=True)
class Summary:
    """What became of the rows so far."""

    rows: int = 0
    created: int = 0
    duplicate: int = 0
    invalid: int = 0
    industries: list[str] = field(default_factory=list)
    """Keys of the industries that were made, or in a dry run would be."""

    def count(self, findings: Sequence[Finding]) -> None:
        if findings[0].outcome == "duplicate":
            self.duplicate += 1
        else:
            self.invalid += 1


@dataclass(slots=True)
class _Step:
    """The rows of one step, decided but for what other rows have."""

    records: list[Record | BrokenRecord]
    rows: list[Row]
    refused: list[list[Finding]]


class ClientImport:
    """One list on its way into one organization.

    `report` is told the findings of each row that is not imported; `progress` after each step the
    summary and the line that was reached.
    """

    def __init__(
        self,
        scope: Scope,
        reader: RowReader,
        *,
        dry_run: bool = False,
        report: Callable[[Sequence[Finding]], None] = lambda _: None,
        progress: Callable[[Summary, int], None] = lambda *_: None,
    ) -> None:
        self._scope = scope
        self._reader = reader
        self._dry_run = dry_run
        self._report = report
        self._progress = progress
        self._claims = Claims()
        self._ensured: set[str] = set()
        self.summary = Summary()

    async def run(self, records: Records) -> Summary:
        """Import them all. Steps that are done stay done, whatever happens to a later one.

        Raises:
            Refusal: the actor may not import; or others kept the organization busy throughout.
        """
        self._scope.require("clients", "import")
        with _without_collections():
            step = await asyncio.to_thread(self._prepare, records)
            while step.records:
                following = asyncio.create_task(asyncio.to_thread(self._prepare, records))
                try:
                    await self._settle(step)
                finally:
                    step = await following
                if self.summary.rows % COLLECT_EVERY == 0:
                    gc.collect()
        return self.summary

    def _prepare(self, records: Records) -> _Step:
        step = _Step(list(islice(records, STEP)), [], [])
        for record in step.records:
            decided = self._reader.decide(record)
            if isinstance(decided, Row):
                step.rows.append(decided)
            else:
                step.refused.append(decided)
        return step

    # ------------------------------------------------------------------- one step

    async def _settle(self, step: _Step) -> None:
        accepted, duplicates = await self._write(step.rows)
        refused = [*step.refused, *duplicates]
        refused.sort(key=lambda findings: findings[0].row)
        self.summary.rows += len(step.records)
        self.summary.created += len(accepted)
        for findings in refused:
            self.summary.count(findings)
            self._report(findings)
        self._progress(self.summary, step.records[-1].line)

    async def _write(self, rows: Sequence[Row]) -> tuple[list[Row], list[list[Finding]]]:
        """Write those that nobody is in the way of; at last under the lock, where it stays so."""
        for _ in range(TRIES):
            try:
                return await self._write_once(rows)
            except (UniqueClash, LockTimedOut, Serialization):
                continue
        try:
            async with self._locked():
                return await self._write_once(rows)
        except LockTimedOut:
            detail = "Other writes keep the organization busy; run the import again."
            raise Refusal("unavailable", detail) from None

    async def _write_once(self, rows: Sequence[Row]) -> tuple[list[Row], list[list[Finding]]]:
        holders = await find_holders(self._scope, rows)
        accepted: list[Row] = []
        refused: list[list[Finding]] = []
        pending: dict[Key, int] = {}
        for row in rows:
            clashes = self._claims.clashes(row, pending, holders)
            if clashes:
                duplicate = self._reader.duplicate
                refused.append([duplicate(row.record, c.code, c.field, c.detail) for c in clashes])
                continue
            accepted.append(row)
            pending |= dict.fromkeys(row.keys, row.record.number)
        await self._store(accepted)
        self._claims.rows |= pending
        return accepted, refused

    async def _store(self, accepted: Sequence[Row]) -> None:
        if not accepted:
            return
        clients = [row.client for row in accepted]
        industries = self._reader.new_industries(clients)
        missing = {k: v for k, v in industries.items() if k not in self._ensured}
        if self._dry_run:
            self.summary.industries += missing
        elif missing:
            self.summary.industries += await add_entries(self._scope, "industries", missing)
        self._ensured |= missing.keys()
        if not self._dry_run:
            await insert_clients(self._scope, clients)

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        db, actor = self._scope.db, self._scope.actor
        async with db.transaction(actor.organization_id):
            await lock_head(db, actor)
            yield


@contextmanager
def _without_collections() -> Iterator[None]:
    """Rows make no cycles; looking for some all the time would cost a third of it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
