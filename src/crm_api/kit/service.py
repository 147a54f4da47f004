"""What every record's service does alike: read, list, look back, decide on a still row."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from sqlalchemy import Table

from crm_api.core.access import Rights, StaleActor
from crm_api.core.db import Serialization
from crm_api.core.errors import Fault, Refusal
from crm_api.core.jsonbody import Incoming
from crm_api.kit.changes import Diff, Entry, lock_head, new_entry
from crm_api.kit.deciding import require_current
from crm_api.kit.exporting import Export, Wanted, begin_export
from crm_api.kit.fields import Resource, mask_of, seen_value
from crm_api.kit.filters import Filter, Node, leaves
from crm_api.kit.following import followers_of
from crm_api.kit.formats import TABLES, Format
from crm_api.kit.history import read_history
from crm_api.kit.idempotency import Claim, Stored, find, once
from crm_api.kit.indexing import Rows
from crm_api.kit.listing import Listing, list_rows
from crm_api.kit.query import ListQuery, ListReader, placed
from crm_api.kit.reading import get_one, load_one
from crm_api.kit.replies import PageReply, Reply, one, page
from crm_api.kit.scope import Scope
from crm_api.kit.suggesting import Suggesting, asked_for, suggest
from crm_api.kit.trees import SearchReader
from crm_api.kit.writing import Following, Write, write_one

FULL = Rights((frozenset({"*"}),))
"""What a decision reads: everything; what is answered is masked by the caller's own rights."""
OPTIMISTIC_TRIES = 3
EXPORT_PARAMETERS = ("format", "sort", "fields", "currency", "explain")
"""What an export takes besides filters: it has no pages, and expands nothing."""

T = TypeVar("T")
Items = Sequence[tuple[str, str]]


class Present:
    """A record as a decision finds it."""

    def __init__(self, row: Mapping[str, Any]) -> None:
        self.document: dict[str, Any] = json.loads(row["document"])
        # A column that is told as it is stored stands in the document alone.
        self.row: dict[str, Any] = self.document | json.loads(row["row"])
        self.found = row
        self.seen: str = row.get("seen") or ""
        """The caller's own representation, where it was asked for."""

    @property
    def id(self) -> UUID:
        return UUID(self.row["id"])

    @property
    def lifecycle(self) -> str:
        return str(self.row["lifecycle"])

    @property
    def version(self) -> int:
        return int(self.row["version"])


class RecordService:
    """The records of one kind in one organization, as one actor may treat them."""

    resource: ClassVar[type[Resource]]
    listing: ClassVar[Listing]
    suggesting: ClassVar[Suggesting]
    parent: ClassVar[str]
    """The column of child tables that names this record."""
    aside: ClassVar[tuple[tuple[str, Any], ...]] = ()
    binds: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    """Filter → how its value stands in its column, where that differs."""
    formats: ClassVar[Mapping[str, Format]] = TABLES
    """What a list can be exported as; the first unless said."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.actor = scope.actor
        self.shape = self.listing.shape
        self.expansions = {key: needs for key, (needs, _) in self.shape.expansions.items()}

    def lifecycles(self) -> list[str]:
        """The lifecycles in which the actor may open a record at all."""
        raise NotImplementedError

    def not_found(self) -> Refusal:
        return Refusal("not_found", f"There is no such {self.resource.singular}.")

    @property
    def path(self) -> str:
        return f"/v1/{self.resource.resource}"

    # ------------------------------------------------------------------ reads

    async def get(self, row_id: UUID, items: Items) -> Reply:
        """One record; `fields` and `expand` shape the answer, never its ETag."""
        reader = ListReader(self.resource, self.scope, self.expansions)
        single = reader.singles(items, ("fields", "expand", "explain"))
        names, expand = reader.names(single.get("fields")), reader.expand(single.get("expand"))
        faulty = bool(reader.found.hidden or reader.found.faults)
        wanted = (None, ()) if faulty else (names, expand)
        found = await get_one(self.scope, self.shape, row_id, self.lifecycles(), *wanted)
        if found is None:
            raise self.not_found()
        self.require_read()
        reader.raise_any()
        return one(found[0], full=found[1])

    async def list(self, items: Items, *always: Node) -> PageReply:
        """One page; live records unless `lifecycle` asks for others.

        Args:
            always: conditions that the place of the list makes, not its query.
        """
        self.require_read()
        reader = ListReader(self.resource, self.scope, self.expansions)
        return await self._page(self.openable(reader.read(items, always)))

    async def search(self, incoming: Incoming[Any]) -> PageReply:
        """One page of what meets a tree of conditions, as `list` answers it."""
        self.require_read()
        reader = SearchReader(self.resource, self.scope, self.expansions, incoming)
        return await self._page(self.openable(reader.read_body()))

    async def export(self, items: Items, *always: Node) -> Export:
        """All that the list selects, as a file; the export is recorded.

        Args:
            always: as of `list`.

        Raises:
            Refusal: 403 for the verb, then for names that the caller may not read; 422; 503.
        """
        self.scope.require(self.resource.guarded_by, "export")
        reader = ListReader(self.resource, self.scope, {}, EXPORT_PARAMETERS)
        sent = next((value for key, value in items if key == "format"), None)
        name = self._format(reader, sent)
        return await self._exported(reader, name, self.openable(reader.read(items, always)))

    async def export_found(self, incoming: Incoming[Any]) -> Export:
        """All that meets a tree of conditions, as `export` gives it."""
        self.scope.require(self.resource.guarded_by, "export")
        reader = SearchReader(self.resource, self.scope, {}, incoming)
        name = self._format(reader, incoming.value and incoming.value.format)
        query = self.openable(reader.read_body())
        return await self._exported(reader, name, query)

    def _format(self, reader: ListReader, sent: Any) -> str:
        if sent in self.formats:
            return str(sent)
        if sent is not None:
            known = ", ".join(self.formats)
            reader.found.fault("format", "invalid_choice", f"`format` takes one of: {known}.")
        return next(iter(self.formats))

    async def _exported(self, reader: ListReader, name: str, query: ListQuery) -> Export:
        reader.demand(self.formats[name].needs, query.names)
        wanted = Wanted(self.listing, self.binds, query, name, self.formats[name])
        return await begin_export(self.scope, wanted)

    async def _page(self, query: ListQuery) -> PageReply:
        return page(self.scope, query, await list_rows(self.scope, self.listing, query, self.binds))

    def openable(self, query: ListQuery) -> ListQuery:
        """The query within the lifecycles that the actor may open; live ones unless it says.

        Raises:
            Refusal: 403 for naming another one.
        """
        asked = self.require_openable(query.filters, in_body=query.in_body)
        outer = [f for f in asked if f in query.filters and f.op == "eq"]
        if outer:
            return query  # nothing else meets it
        # Under `or` and `not`, and by "all but …", no record shows that the caller may not open.
        among = tuple(self.lifecycles()) if asked else ("live",)
        return replace(query, filters=(*query.filters, Filter("lifecycle", "eq", among)))

    def require_openable(self, nodes: Sequence[Node], *, in_body: bool) -> Sequence[Filter]:
        """The conditions on the lifecycle, none of which names one that the actor may not open.

        Raises:
            Refusal: as of `openable`.
        """
        asked = [f for f in leaves(nodes) if f.field == "lifecycle"]
        named = {v for f in asked if f.op == "eq" for v in f.values}
        if named - set(self.lifecycles()):
            detail = f"{self.actor.in_words} may not list records of this lifecycle."
            place = "filter" if in_body else "lifecycle"
            raise Refusal(
                "forbidden", detail, (placed("forbidden", detail, place, in_body=in_body),)
            )
        return asked

    async def suggest(self, items: Items) -> str:
        """A few live records that hold what was typed so far."""
        self.require_read()
        reader = ListReader(self.resource, self.scope, {})
        return await suggest(self.scope, self.suggesting, *asked_for(reader, items))

    async def history(self, row_id: UUID, items: Items) -> str:
        await self.require_visible(row_id)
        return await read_history(self.scope, self.resource, row_id, items)

    async def require_visible(self, row_id: UUID) -> None:
        """404 for whom the record does not exist."""
        names = tuple(self.resource.fields)[:1]
        if await get_one(self.scope, self.shape, row_id, self.lifecycles(), names) is None:
            raise self.not_found()

    def require_read(self) -> None:
        if not mask_of(self.resource, self.actor.rights).read:
            needs = f"{self.resource.guarded_by}.*:read"
            detail = f"{self.actor.in_words} may not read {self.resource.resource}."
            raise Refusal("forbidden", detail, (Fault("forbidden", f"This needs `{needs}`."),))

    def require_group(self, group: str, action: str) -> None:
        if not self.actor.rights.can(self.resource.guarded_by, action, group):
            needs = f"{self.resource.guarded_by}.{group}:{action}"
            detail = f"{self.actor.in_words} lacks `{needs}`."
            raise Refusal("forbidden", detail, (Fault("forbidden", f"This needs `{needs}`."),))

    # ----------------------------------------------------------------- writes

    async def settled(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Run an optimistic write until it meets a row that stood still; at last under the lock."""
        for _ in range(OPTIMISTIC_TRIES):
            try:
                return await attempt()
            except Serialization:
                continue
        async with self.locked():
            try:
                return await attempt()
            except Serialization:
                raise Refusal("conflict", "Other writes came first each time; retry.") from None

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """A transaction that holds the organization's head: what is read in it stays true."""
        async with self.scope.db.transaction(self.actor.organization_id):
            await lock_head(self.scope.db, self.actor)
            yield

    async def unchanged(self, row_id: UUID) -> Reply:
        """What a write that changes nothing answers: just what one that changes something does."""
        found = await get_one(self.scope, self.shape, row_id, self.lifecycles())
        if found is None:
            raise self.not_found()
        return one(found[0], full=found[1])

    async def load(self, row_id: UUID, *, with_seen: bool = False) -> Present:
        """The record that a decision is about; 404 in a lifecycle that the actor may not open."""
        row = await load_one(
            self.scope, self.shape, row_id, FULL, aside=self.aside, with_seen=with_seen
        )
        if row is None:
            raise self.not_found()
        present = Present(row)
        if present.lifecycle not in self.lifecycles():
            raise self.not_found()
        return present

    def require_live(self, present: Present) -> None:
        if present.lifecycle != "live":
            detail = f"The {self.resource.singular} is {present.lifecycle}; restore it first."
            raise Refusal("not_live", detail, members={"next": self._calls(present)})

    def _calls(self, present: Present) -> Sequence[Mapping[str, str]]:
        """What may be called instead, for a record that is not live."""
        if "id" not in mask_of(self.resource, self.actor.rights).read:
            return []
        place = f"{self.path}/{present.id}"
        calls = [{"action": "open", "method": "GET", "path": place}]
        restorable = present.lifecycle in ("archived", "deleted")
        if restorable and self.actor.rights.can(self.resource.guarded_by, "restore"):
            calls.append({"action": "reactivate", "method": "POST", "path": f"{place}/restore"})
        return calls

    def entry(self, row_id: UUID, version: int, action: str, diff: Diff) -> Entry:
        return new_entry(
            self.actor,
            self.scope.context,
            resource=self.resource.singular,
            resource_id=row_id,
            version=version,
            action=f"{self.resource.singular}.{action}",
            diff=diff,
        )

    async def update(  # noqa: PLR0913  # each keyword is one part of the write
        self,
        present: Present,
        row: Mapping[str, Any],
        diff: Diff,
        action: str,
        *,
        replaced: Mapping[Table, Rows] | None = None,
        ensured: Mapping[Table, Rows] | None = None,
        added: Mapping[Table, Rows] | None = None,
        entries: Sequence[Entry] = (),
        claim: Claim | None = None,
    ) -> Reply:
        """Apply a decision to the row that it was made on, and whatever follows from it elsewhere.

        Raises:
            Serialization: the row moved on since; decide again.
        """
        entry = self.entry(present.id, present.version + 1, action, diff)
        following, told = self.follows(present, row)
        write = Write(
            "update",
            present.id,
            row,
            [*entries, entry, *told],
            present.version,
            replaced=replaced or {},
            added=added or {},
            ensured=ensured or {},
            following=following,
        )
        followers = followers_of(self.resource.singular, diff)
        if not followers:
            return await self._written(write, claim)
        async with self.locked():
            reply = await self._written(write, claim)
            for follower in followers:
                await follower(self.scope, present.id)
            return reply

    def follows(
        self,
        present: Present,  # noqa: ARG002  # for who overrides it
        row: Mapping[str, Any],  # noqa: ARG002  # as above
    ) -> tuple[Following | None, Sequence[Entry]]:
        """What the columns that are set mean for another record, and what its log says of it."""
        return None, ()

    async def _written(self, write: Write, claim: Claim | None) -> Reply:
        found = await write_one(self.scope, self.shape, write, self.parent, claim)
        if found["body"] is None:
            raise Serialization if found["ok"] else StaleActor
        return one(found["body"])

    async def move(
        self,
        row_id: UUID,
        verb: str,
        action: str,
        to: str,
        sources: Sequence[str],
        if_match: str | None,
        claim: Claim | None = None,
    ) -> Reply:
        """Move to another lifecycle; being there already is no change."""

        async def attempt() -> Reply:
            present = await self.load(row_id, with_seen=True)
            self.scope.require(self.resource.guarded_by, verb)
            stored = await self.finished(claim)
            if stored is not None:
                return self.replayed(stored)
            require_current(if_match, present.seen, ())
            if present.lifecycle == to:
                return one(present.seen)
            if present.lifecycle not in sources:
                raise Refusal("not_live", f"What is {present.lifecycle} cannot become {to}.")
            diff = {"lifecycle": (present.lifecycle, to)}
            return await self.update(present, {"lifecycle": to}, diff, action, claim=claim)

        return await once(self.scope, claim, partial(self.settled, attempt), self.replayed)

    def masked(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """A stored representation as far as today's rights read it."""
        rights = self.actor.rights
        return {
            name: seen_value(self.resource, rights, name, document[name])
            for name in mask_of(self.resource, rights).read
            if name in document
        }

    async def finished(self, claim: Claim | None) -> Stored | None:
        """What the same request answered before; asked once its caller is known to be allowed."""
        return None if claim is None else await find(self.scope, claim)

    def replayed(self, stored: Stored) -> Reply:
        """The stored reply, masked by today's rights; byte for byte where they are the same."""
        reply = stored.reply
        seen = self.masked(reply)
        changed = json.dumps(seen, ensure_ascii=False, separators=(",", ":"))
        body = stored.text if seen == reply else changed
        place = f"{self.path}/{stored.resource_id}"
        return one(body, status=stored.status, location=place, replayed=True)
