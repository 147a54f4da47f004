"""One step of an import: some hundred rows, decided against what is stored, written together."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal
from uuid import UUID

from crm_api.catalogues.adding import add_entries
from crm_api.clients.bulk import insert_clients
from crm_api.clients.bulk_changes import (
    ClientChange,
    load_clients,
    reference_faults,
    refers,
    update_clients,
)
from crm_api.clients.drafting import Draft
from crm_api.clients.repository import open_lifecycles
from crm_api.clients.schemas import Client
from crm_api.core.db import LockTimedOut, Serialization, UniqueClash
from crm_api.core.errors import Fault, Refusal
from crm_api.imports.claims import Claims, Clash, Found, find_holders
from crm_api.imports.reading import BrokenRecord, Record
from crm_api.imports.rows import Finding, Key, Reading, Row, RowReader, keys_of_change
from crm_api.kit.changes import lock_head
from crm_api.kit.fields import Write
from crm_api.kit.scope import Scope
from crm_api.kit.service import Present

TRIES: Final = 3
MAX_NEW_ENTRIES: Final = 500
"""Industries that one list may bring: a column that was mapped wrongly has one for each row."""
Mode = Literal["create", "update", "upsert"]
OnDuplicate = Literal["skip", "update", "report"]
OutcomeName = Literal["created", "updated", "unchanged", "skipped", "duplicate", "invalid"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to become of the rows."""

    mode: Mode = "create"
    on_duplicate: OnDuplicate = "report"
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row, or in a dry run would become of it."""

    row: int
    line: int
    outcome: OutcomeName
    client_id: UUID | None = None
    version: int | None = None
    """The client's afterwards."""
    before: Mapping[str, Any] | None = None
    findings: Sequence[Finding] = ()


@dataclass(slots=True)
class Step:
    """The rows of one step, decided but for what other rows and records have."""

    records: Sequence[Record | BrokenRecord]
    items: list[Row | Reading]
    refused: list[list[Finding]]


@dataclass(slots=True)
class Decision:
    """What shall be written, and what becomes of every row."""

    creates: list[Row] = field(default_factory=list)
    changes: list[tuple[Reading, ClientChange]] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    pending: dict[Key, int] = field(default_factory=dict)
    """What these rows take."""
    industries: set[str] = field(default_factory=set)
    """What is to be made for them."""

    @property
    def drafts(self) -> list[Draft]:
        return [row.client.draft for row in self.creates] + [c.draft for _, c in self.changes]

    def refuse(self, findings: Sequence[Finding]) -> None:
        first = findings[0]
        name: Any = first.outcome
        self.outcomes.append(Outcome(first.row, first.line, name, findings=findings))


class Steps:
    """Takes one list into one organization, step by step; it remembers what its rows have taken."""

    def __init__(self, scope: Scope, reader: RowReader, plan: Plan, made: int = 0) -> None:
        """Of a list that is gone on with, `made` says how many industries were made for it."""
        self._made = made
        self._scope = scope
        self._reader = reader
        self._plan = plan
        self._ensured: set[str] = set()
        self.claims = Claims()
        self.industries: list[str] = []
        """Keys of the industries that were made, or in a dry run would be."""

    def prepare(self, records: Sequence[Record | BrokenRecord]) -> Step:
        """All that takes no database: call it in a thread."""
        step = Step(records, [], [])
        creates = self._plan.mode == "create"
        for record in records:
            decided = self._reader.decide(record) if creates else self._reader.read(record)
            if isinstance(decided, list):
                step.refused.append(decided)
            else:
                step.items.append(decided)
        return step

    def recall(
        self,
        records: Iterable[Record | BrokenRecord],
        clients: Mapping[int, UUID],
        created: Collection[int],
    ) -> None:
        """Take what earlier rows took, which were imported before this object was there.

        Args:
            clients: row → the client that it made or was about.
            created: the rows that made theirs.
        """
        for record in records:
            client_id = clients.get(record.number)
            if client_id is None:
                continue
            if record.number not in created:
                self.claims.rows[_client_key(client_id)] = record.number
            elif isinstance(decided := self._reader.decide(record), Row):
                self.claims.rows |= dict.fromkeys(decided.keys, record.number)

    async def settle(self, step: Step) -> list[Outcome]:
        """Write what nobody is in the way of; at last under the lock, where it stays so.

        Within a transaction it is a part of that; else it commits by itself.

        Raises:
            Refusal: 503, others keep the organization busy.
        """
        for _ in range(TRIES):
            try:
                return await self._settle_once(step)
            except (UniqueClash, LockTimedOut, Serialization):
                continue
        try:
            async with self._locked():
                return await self._settle_once(step)
        except LockTimedOut:
            detail = "Other writes keep the organization busy; run the import again."
            raise Refusal("unavailable", detail) from None

    async def _settle_once(self, step: Step) -> list[Outcome]:
        db, org = self._scope.db, self._scope.actor.organization_id
        async with db.transaction(org), db.savepoint():
            decision = await self.decide(step)
            await self._store(decision)
        self.claims.rows |= decision.pending
        return decision.outcomes

    # ------------------------------------------------------------------- deciding

    async def decide(self, step: Step) -> Decision:
        """What would become of the rows; nothing is written, and nothing taken."""
        decision = Decision()
        for findings in step.refused:
            decision.refuse(findings)
        rows, wanted = await self._sorted(step.items, decision)
        wanted += await self._decide_creates(rows, decision)
        await self._decide_changes(wanted, decision)
        decision.outcomes.sort(key=lambda outcome: outcome.row)
        return decision

    async def _sorted(
        self, items: Iterable[Row | Reading], decision: Decision
    ) -> tuple[list[Row], list[tuple[Reading, UUID]]]:
        """Which rows are new clients, and which are about one that is there."""
        rows: list[Row] = []
        readings: list[Reading] = []
        for item in items:
            (rows if isinstance(item, Row) else readings).append(item)  # type: ignore[arg-type]  # each to its own
        keys = [reading.match for reading in readings if reading.match is not None]
        found = await find_holders(self._scope, keys)
        changes: list[tuple[Reading, UUID]] = []
        for reading in readings:
            client_id = self._open(found.get(reading.match)) if reading.match else None
            if client_id is not None:
                changes.append((reading, client_id))
            elif self._plan.mode == "update":
                decision.refuse(self._reader.unmatched(reading))
            else:
                decided = self._reader.decide_new(reading)
                rows.append(decided) if isinstance(decided, Row) else decision.refuse(decided)
        return rows, changes

    def _open(self, found: Found | None) -> UUID | None:
        """The client, if there is one that the importer may open."""
        if found is None or found.holder.lifecycle not in open_lifecycles(self._scope.actor.rights):
            return None
        return found.client_id

    async def _decide_creates(
        self, rows: Sequence[Row], decision: Decision
    ) -> list[tuple[Reading, UUID]]:
        """Accept the rows that nobody is in the way of; answers those that become changes."""
        changes: list[tuple[Reading, UUID]] = []
        found = await find_holders(self._scope, (key for row in rows for key in row.keys))
        for row in rows:
            record, draft = row.reading.record, row.client.draft
            clashes = self.claims.clashes(row.keys, decision.pending, found)
            if clashes:
                client_id = self._updates(clashes, draft)
                if client_id is None:
                    decision.refuse(self._taken(record, clashes))
                else:
                    changes.append((row.reading, client_id))
            elif faults := await self._faults(draft, decision):
                decision.refuse(self._reader.findings(record, faults))
            else:
                decision.creates.append(row)
                decision.pending |= dict.fromkeys(row.keys, record.number)
                created = Outcome(record.number, record.line, "created", draft.client_id, 1)
                decision.outcomes.append(created)
        return changes

    def _updates(self, clashes: Sequence[Clash], draft: Draft) -> UUID | None:
        """The one client that has all of it, where such rows are to change it."""
        if self._plan.on_duplicate != "update":
            return None
        kind = draft.now("kind")
        if not all(clash.is_readable(self._scope, kind) for clash in clashes):
            return None
        holders = {self._open(clash.found) for clash in clashes}
        return holders.pop() if len(holders) == 1 else None

    def _taken(self, record: Record, clashes: Sequence[Clash]) -> list[Finding]:
        outcome = "skipped" if self._plan.on_duplicate == "skip" else "duplicate"
        return [
            Finding(
                record.number,
                record.line,
                outcome,
                clash.code,
                clash.detail(self._scope),
                clash.field,
                self._reader.title_of(clash.field),
                clash.kind,
                None if clash.found is None else clash.found.holder,
            )
            for clash in clashes
        ]

    async def _decide_changes(
        self, wanted: Sequence[tuple[Reading, UUID]], decision: Decision
    ) -> None:
        presents = await load_clients(self._scope, [client_id for _, client_id in wanted])
        changes: list[tuple[Reading, ClientChange]] = []
        for reading, client_id in sorted(wanted, key=lambda pair: pair[0].record.number):
            record, key = reading.record, _client_key(client_id)
            present = presents.get(client_id)
            if present is None:
                raise Serialization("40001")  # it was there a moment ago
            if clashes := self.claims.clashes([key], decision.pending, {}):
                decision.refuse(self._taken(record, clashes))
                continue
            decision.pending[key] = record.number
            decided = self._reader.decide_change(reading, present)
            if isinstance(decided, list):
                decision.refuse(decided)
            elif decided is None:
                decision.outcomes.append(self._unchanged(reading, present))
            else:
                changes.append((reading, decided))
        await self._accept_changes(changes, decision)

    def _unchanged(self, reading: Reading, present: Present) -> Outcome:
        """That a value was there already is told to whoever reads it; to others, it is now."""
        record = reading.record
        about = (present.id, present.version)
        if self._reader.is_seen(reading, present):
            return Outcome(record.number, record.line, "unchanged", *about)
        return Outcome(record.number, record.line, "updated", *about, before={})

    async def _accept_changes(
        self, changes: Sequence[tuple[Reading, ClientChange]], decision: Decision
    ) -> None:
        keys = [key for _, change in changes for key in keys_of_change(change)]
        found = await find_holders(self._scope, keys)
        for reading, change in changes:
            record, present = reading.record, change.present
            mine = keys_of_change(change)
            if clashes := self.claims.clashes(mine, decision.pending, found, own=present.id):
                decision.refuse(self._taken(record, clashes))
            elif faults := await self._faults(change.draft, decision):
                decision.refuse(self._reader.findings(record, faults))
            else:
                decision.changes.append((reading, change))
                decision.pending |= dict.fromkeys(mine, record.number)
                decision.outcomes.append(_updated(record, change))

    async def _faults(self, draft: Draft, decision: Decision) -> list[Fault]:
        """What is wrong beyond the draft itself: whom it names, what would be made for it."""
        faults = await reference_faults(self._scope, draft) if refers(draft) else []
        new = self._reader.new_industries([draft]).keys() - self._ensured - decision.industries
        made = self._made + len(self.industries) + len(decision.industries)
        if new and made >= MAX_NEW_ENTRIES:
            detail = f"A list brings at most {MAX_NEW_ENTRIES} new industries, and this one has. "
            detail += "Map another column to it, or make the entries first."
            faults = [*faults, Fault("too_many_new_entries", detail, pointer="/industry")]
        if not faults:
            decision.industries |= new
        return faults

    # -------------------------------------------------------------------- writing

    async def _store(self, decision: Decision) -> None:
        industries = self._reader.new_industries(decision.drafts)
        missing = {k: v for k, v in industries.items() if k not in self._ensured}
        made = list(missing)
        if not self._plan.dry_run:
            if missing:
                made = await add_entries(self._scope, "industries", missing)
            if decision.creates:
                await insert_clients(self._scope, [row.client for row in decision.creates])
            await update_clients(self._scope, [change for _, change in decision.changes])
        self._ensured |= missing.keys()
        self.industries += made

    @asynccontextmanager
    async def _locked(self) -> AsyncIterator[None]:
        db, actor = self._scope.db, self._scope.actor
        async with db.transaction(actor.organization_id):
            await lock_head(db, actor)
            yield


def _client_key(client_id: UUID) -> Key:
    return ("client", client_id.bytes)


def _updated(record: Record, change: ClientChange) -> Outcome:
    present = change.present
    before = {
        name: former
        for name, (former, _) in change.draft.diff().items()
        if Client.fields[name].rule.write & Write.LATER
    }
    return Outcome(record.number, record.line, "updated", present.id, present.version + 1, before)
