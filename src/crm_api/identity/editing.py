"""How rarely written resources are changed: refused early, decided again under the head's lock.

The order is the one of every write: 404, 403 verb, 403 fields, 412, 409, 422; then head, row, log.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, TypeVar
from uuid import UUID

from crm_api.core.access import Actor, Rights
from crm_api.core.db import Database, LockTimedOut, Row, Serialization, Statement, unavailable
from crm_api.core.errors import Fault, Refusal
from crm_api.core.jsonbody import Incoming
from crm_api.identity.repository import CREATOR_OF_KEY, ORGANIZATION_VERSION, representation
from crm_api.kit.changes import Diff, append, lock_head, new_entry
from crm_api.kit.deciding import (
    Sifted,
    require_current,
    require_fields,
    same,
    sift,
)
from crm_api.kit.fields import Write, mask_of
from crm_api.kit.guard import verify_actor
from crm_api.kit.idempotency import Claim, Stored, once, store
from crm_api.kit.listing import Listing, list_rows
from crm_api.kit.projection import Shape
from crm_api.kit.query import ListReader
from crm_api.kit.reading import get_one
from crm_api.kit.replies import PageReply, Reply, as_text, one, page
from crm_api.kit.scope import Scope

FULL: Final = Rights((frozenset({"*"}),))
"""What a decision reads: everything; what is answered is masked by the caller's own rights."""
TRIES: Final = 3
LIVE: Final = ("live",)

T = TypeVar("T")
Items = Sequence[tuple[str, str]]


async def settled(attempt: Callable[[], Awaitable[T]]) -> T:
    """Run a write again when PostgreSQL broke it off to let another one pass."""
    try:
        return await _rerun(attempt)
    except LockTimedOut:
        raise unavailable("Other writes of this organization take long.") from None


async def _rerun(attempt: Callable[[], Awaitable[T]]) -> T:
    for _ in range(TRIES):
        try:
            return await attempt()
        except Serialization:
            continue
    raise Refusal("conflict", "Other writes came first each time; retry.")


async def settled_once(
    scope: Scope,
    claim: Claim | None,
    attempt: Callable[[], Awaitable[Reply]],
    replay: Callable[[Stored], Awaitable[Reply]],
) -> Reply:
    """As `settled`, answering a repeated idempotency key as the first time, but for secrets."""
    found: Reply | Stored
    try:
        found = await once(scope, claim, lambda: _either(attempt), lambda stored: stored)
    except LockTimedOut:
        raise unavailable("Other writes of this organization take long.") from None
    return await replay(found) if isinstance(found, Stored) else found


async def _either(attempt: Callable[[], Awaitable[Reply]]) -> Reply | Stored:
    return await _rerun(attempt)


async def confirm_actor(db: Database, actor: Actor) -> None:
    """Under the head's lock: may the actor still act? Settings of the organization do not matter.

    They move with each edit of a catalogue, and two editors at once must not fail each other.

    Raises:
        StaleActor: another write took the right away.
    """
    org = actor.organization_id
    row = await db.fetchrow(org, ORGANIZATION_VERSION, {"org": org})
    stamps = replace(actor.stamps, organization_version=row["version"])
    await verify_actor(db, replace(actor, stamps=stamps))


class Editor:
    """The records of one resource, as one actor may read and change them."""

    def __init__(self, scope: Scope, shape: Shape, noun: str) -> None:
        self.scope = scope
        self.shape = shape
        self.resource = shape.resource
        self.noun = noun

    @property
    def org(self) -> UUID:
        return self.scope.actor.organization_id

    async def row(self, statement: Statement, **values: object) -> Row | None:
        """One row of a statement, which always takes the organization."""
        found: Row | None = await self.scope.db.fetchrow(
            self.org, statement, {"org": self.org} | values
        )
        return found

    async def only(self, statement: Statement, **values: object) -> Row:
        """The row that a statement must find; 404 where another write took it away."""
        found = await self.row(statement, **values)
        if found is None:
            raise self.missing()
        return found

    # ------------------------------------------------------------------------------------- reads

    async def get(self, row_id: UUID, items: Items) -> Reply:
        """One record; `fields` shapes the answer, never its ETag."""
        if not mask_of(self.resource, self.scope.actor.rights).read:
            await self.whole(row_id)
            self.require_read()
        reader = ListReader(self.resource, self.scope, {})
        names = reader.names(reader.singles(items, ("fields", "explain")).get("fields"))
        faulty = bool(reader.found.hidden or reader.found.faults)
        found = await get_one(self.scope, self.shape, row_id, LIVE, None if faulty else names)
        if found is None:
            raise self.missing()
        reader.raise_any()
        return one(found[0], full=found[1])

    async def list(
        self,
        listing: Listing,
        items: Items,
        binds: Mapping[str, Callable[[Any], Any]] = MappingProxyType({}),
    ) -> PageReply:
        self.require_read()
        query = ListReader(self.resource, self.scope, {}).read(items)
        rows = await list_rows(self.scope, listing, query, binds)
        return page(self.scope, query, rows)

    def require_read(self) -> None:
        if not mask_of(self.resource, self.scope.actor.rights).read:
            needs = f"{self.resource.guarded_by}.*:read"
            detail = f"{self.scope.actor.in_words} may not read {self.noun}s."
            raise Refusal("forbidden", detail, (Fault("forbidden", f"This needs `{needs}`."),))

    def missing(self) -> Refusal:
        return Refusal("not_found", f"There is no such {self.noun}.")

    async def membership_id(self) -> UUID:
        """The user behind the actor: itself, or for an API key who made it."""
        if self.scope.actor.kind == "user":
            return self.scope.actor.id
        row = await self.only(CREATOR_OF_KEY, id=self.scope.actor.id)
        found: UUID = row["membership_id"]
        return found

    # --------------------------------------------------------------------------- inside a write

    async def whole(self, row_id: UUID) -> dict[str, Any]:
        """The record with every field, to decide on; 404 where there is none."""
        body = await self._body(row_id, FULL)
        if body is None:
            raise self.missing()
        found: dict[str, Any] = json.loads(body)
        return found

    async def seen(self, row_id: UUID) -> str:
        """The record as the caller sees it."""
        return await self._body(row_id, self.scope.actor.rights) or "{}"

    async def _body(self, row_id: UUID, rights: Rights) -> str | None:
        row = await self.row(representation(self.shape, rights), id=row_id)
        return None if row is None else row["body"]

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        """One transaction that holds the organization's head: what is decided in it, stays."""
        await self.scope.verify()
        async with self.scope.db.transaction(self.org):
            await lock_head(self.scope.db, self.scope.actor)
            yield

    async def confirm(self) -> None:
        """After the decision and before the change: whoever decided may still do so."""
        await confirm_actor(self.scope.db, self.scope.actor)

    async def log(self, row_id: UUID, version: int, action: str, diff: Diff) -> None:
        entry = new_entry(
            self.scope.actor,
            self.scope.context,
            resource=self.resource.singular,
            resource_id=row_id,
            version=version,
            action=f"{self.resource.singular}.{action}",
            diff=diff,
        )
        await append(self.scope.db, self.scope.actor, [entry])

    async def store(self, claim: Claim | None, row_id: UUID, body: str) -> None:
        if claim is not None:
            await store(self.scope, claim, self.resource.singular, row_id, json.loads(body))

    def sifted_create(self, incoming: Incoming[Any]) -> Sifted:
        """What a create comes to; 403 for fields. The faults are the caller's to raise."""
        found = sift(self.scope, self.resource, incoming, Write.ON_CREATE)
        require_fields(self.scope, self.resource, found, "create")
        return found

    def sifted_patch(self, incoming: Incoming[Any], current: Mapping[str, Any]) -> Sifted:
        """What a patch comes to; 403 for fields. Only real changes are left in `values`."""
        found = sift(self.scope, self.resource, incoming, Write.LATER, current=current)
        require_fields(self.scope, self.resource, found, "update")
        found.values = {k: v for k, v in found.values.items() if not same(current.get(k), v)}
        return found

    async def require_match(
        self, row_id: UUID, if_match: str | None, sent: Mapping[str, Any]
    ) -> None:
        if if_match is not None:
            require_current(if_match, await self.seen(row_id), sent)

    def replayed(self, stored: Stored, location: str) -> Reply:
        """A stored reply, masked by the rights of today; what was shown once was not stored."""
        reads = mask_of(self.resource, self.scope.actor.rights).read
        kept = {k: stored.reply[k] for k in reads if k in stored.reply}
        return one(as_text(kept), status=stored.status, location=location, replayed=True)
