"""Relationships: what may be done with them, in which order it is refused, and what follows."""

import json
from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Any
from uuid import UUID

from crm_api.clients.service import ClientService
from crm_api.core.access import StaleActor
from crm_api.core.errors import Fault, Refusal
from crm_api.core.ids import new_id
from crm_api.core.jsonbody import Incoming
from crm_api.kit.deciding import Sifted, raise_faults, require_current, require_fields, sift
from crm_api.kit.editing import Edit, EditingService
from crm_api.kit.fields import Write as When
from crm_api.kit.filters import Filter
from crm_api.kit.idempotency import Claim, once
from crm_api.kit.plain import plain_fields, wire_value
from crm_api.kit.reading import found_by_id
from crm_api.kit.replies import PageReply, Reply, one
from crm_api.kit.service import Items, Present
from crm_api.kit.writing import Write, write_one
from crm_api.relationships.kinds import INVERSES, ends_of
from crm_api.relationships.repository import (
    CYCLE,
    IN_THE_WAY,
    RELATIONSHIP_LISTING,
    RELATIONSHIPS,
    SEEN_LISTING,
    open_clients,
    standing_of,
)
from crm_api.relationships.schemas import Relationship

GROUP = "relations"
DATES = ("from_on", "to_on")
LINKABLE = ("live", "archived")
"""Lifecycles of a client that may be related to another."""
PLAIN = plain_fields(Relationship, RELATIONSHIPS)


class RelationshipService(EditingService):
    """The relationships of one organization, as one actor may treat them."""

    resource = Relationship
    listing = RELATIONSHIP_LISTING
    parent = "relationship_id"

    def lifecycles(self) -> list[str]:
        return ["live"]

    def require_read(self) -> None:
        self.require_group(GROUP, "read")

    async def require_client(self, client_id: UUID) -> str:
        """The lifecycle of a client that the actor may open; else 404."""
        lifecycle = await standing_of(self.scope, client_id)
        if lifecycle is None:
            raise self.no_client()
        return lifecycle

    def no_client(self) -> Refusal:
        return ClientService(self.scope).not_found()

    # ----------------------------------------------------------------- create

    async def create(
        self,
        client_id: UUID,
        incoming: Incoming[Any],
        claim: Claim | None,
        *,
        dry_run: bool = False,
    ) -> Reply:
        """Relate the client to another.

        Raises:
            Refusal: 404 for the client; 403 verb, then fields; 409 not live; 422 all faults at
                once, a cycle with its path; 409 naming what says the same already.
        """
        if dry_run:
            async with self.scope.db.rehearsal(self.actor.organization_id):
                reply = await self._create(client_id, incoming, None)
            return Reply(reply.body, reply.etag)
        run = partial(self._create, client_id, incoming, claim)
        return await once(self.scope, claim, run, self.replayed)

    async def _create(self, client_id: UUID, incoming: Incoming[Any], claim: Claim | None) -> Reply:
        lifecycle = await self.require_client(client_id)
        self.require_group(GROUP, "create")
        sifted = sift(self.scope, Relationship, incoming, When.ON_CREATE)
        require_fields(self.scope, Relationship, sifted, "create")
        stored = await self.finished(claim)
        if stored is not None:
            # What it says of the other client is told to who may still open that one.
            await self.require_visible(stored.resource_id or client_id)
            return self.replayed(stored)
        if lifecycle != "live":
            raise Refusal("not_live", f"The client is {lifecycle}; restore it first.")
        row = await self._settled_row(client_id, sifted)
        raise_faults(sifted)
        # Under the lock: the other end of a cycle, or a second parent, may be on its way.
        async with self.locked():
            await self._require_free(row)
            return await self._insert(row, claim)

    async def _settled_row(self, client_id: UUID, sifted: Sifted) -> dict[str, Any]:
        """The row that shall be; faults are collected."""
        sent = {name: wire_value(value) for name, value in sifted.values.items()}
        row: dict[str, Any] = dict.fromkeys((*DATES, "note")) | sent
        row |= {"id": str(new_id()), "client_id": str(client_id), "lifecycle": "live", "version": 1}
        _check_period(row, sifted)
        kind, other = row.get("kind"), sifted.values.get("other_id")
        if kind is not None and "inverse_kind" not in sifted.unread:
            fitting = INVERSES[kind]
            row["inverse_kind"] = row.get("inverse_kind") or fitting[0]
            if row["inverse_kind"] not in fitting:
                detail = f"The inverse of `{kind}` is: {', '.join(fitting)}."
                sifted.fault("inverse_mismatch", detail, "/inverse_kind")
        if other == client_id:
            sifted.fault("same_client", "A client is not related to itself.", "/other_id")
        elif other is not None:
            found = await found_by_id(self.scope, open_clients(self.actor.rights), [other])
            if other not in found or found[other]["lifecycle"] not in LINKABLE:
                detail = "There is no client with this id."
                sifted.fault("unknown_client", detail, "/other_id")
        return row

    async def _insert(self, row: dict[str, Any], claim: Claim | None) -> Reply:
        ends = ends_of(UUID(row["client_id"]), UUID(row["other_id"]), row["kind"])
        stored = row | {
            "child_id": ends.child_id,
            "parent_id": ends.parent_id,
            "pair_key": ends.pair_key,
        }
        row_id = UUID(row["id"])
        told = ("client_id", "kind", "inverse_kind", "other_id", *DATES, "note")
        diff = {name: (None, row[name]) for name in told if row[name] is not None}
        write = Write("insert", row_id, stored, [self.entry(row_id, 1, "created", diff)])
        found = await write_one(self.scope, self.shape, write, self.parent, claim)
        if found["body"] is None:
            raise StaleActor
        self.scope.verified = True
        return one(found["body"], status=201, location=f"{self.path}/{row_id}")

    # ------------------------------------------------------------------ rules

    async def _require_free(self, row: Mapping[str, Any]) -> None:
        """No cycle on any day of the period, no second parent, no other that says the same."""
        ends = ends_of(UUID(row["client_id"]), UUID(row["other_id"]), row["kind"])
        values: dict[str, Any] = {
            "org": self.actor.organization_id,
            "id": UUID(row["id"]),
            "child_id": ends.child_id,
            "parent_id": ends.parent_id,
            "pair_key": ends.pair_key,
            **{name: row[name] and date.fromisoformat(row[name]) for name in DATES},
        }
        if ends.parent_id is not None:
            found = await self.scope.db.fetchrow(self.actor.organization_id, CYCLE, values)
            if found is not None:
                raise await self._cycle(list(found["path"]))
        found = await self.scope.db.fetchrow(self.actor.organization_id, IN_THE_WAY, values)
        if found is not None:
            raise await self._taken(found, ends.child_id)

    async def _cycle(self, path: list[UUID]) -> Refusal:
        """422 with the way that leads back, each client as far as the caller may read it."""
        known = await found_by_id(self.scope, open_clients(self.actor.rights), path)
        hidden = {"visibility": "not_visible"}
        told = [json.loads(known[step]["told"]) if step in known else hidden for step in path]
        detail = "The client that would be the parent stands below the other already; see `path`."
        fault = Fault("relationship_cycle", detail, pointer="/other_id")
        return Refusal("relationship_cycle", detail, (fault,), members={"path": told})

    async def _taken(self, found: Mapping[str, Any], child_id: UUID | None) -> Refusal:
        """409 naming the relationship that is in the way, where the caller may see it."""
        second = child_id is not None and found["child_id"] == child_id
        code = "second_parent" if second else "already_related"
        detail = (
            "The client has a parent in that period; end that relationship first."
            if second
            else "The two clients are related in this way in that period already."
        )
        place = f"{self.path}/{found['id']}"
        try:
            reply = await self.get(found["id"], ())
        except Refusal as refusal:
            if refusal.status != 404:
                raise
            return Refusal(code, detail, members={"existing": {"visibility": "not_visible"}})
        calls = [
            {"action": "open", "method": "GET", "path": place},
            {"action": "end", "method": "PATCH", "path": place},
        ]
        return Refusal(code, detail, members={"existing": json.loads(reply.body), "next": calls})

    # ----------------------------------------------------------- patch, delete

    async def patch(self, row_id: UUID, incoming: Incoming[Any], if_match: str | None) -> Reply:
        """Merge the sent fields (RFC 7396): dates and note; the rest is another relationship."""
        run = partial(self._patch, row_id, incoming, if_match)
        return await self.edited(incoming.raw, run)

    def holds(self, raw: Mapping[str, Any]) -> bool:
        """Another period may meet another parent, or close a cycle."""
        return any(name in raw for name in DATES)

    async def _patch(self, row_id: UUID, incoming: Incoming[Any], if_match: str | None) -> Reply:
        present = await self.load(row_id, with_seen=if_match is not None)
        self.require_group(GROUP, "update")
        return await self.decide(present, self.allowed(present, incoming, if_match), Edit())

    async def decide(self, present: Present, sifted: Sifted, edit: Edit) -> Reply:
        """Check the content and write it; an edit that changes nothing leaves no trace."""
        sent = {name: wire_value(value) for name, value in sifted.values.items() if name in PLAIN}
        after = present.document | sent
        _check_period(after, sifted)
        raise_faults(sifted)
        before = present.document
        diff = {name: (before[name], after[name]) for name in sent if before[name] != after[name]}
        if not diff:
            return await self.unchanged(present.id)
        if any(name in diff for name in DATES):
            await self._require_free(after)
        row = {name: after[name] for name in diff}
        return await self.update(present, row, diff, edit.action, claim=edit.claim)

    async def delete(self, row_id: UUID, if_match: str | None) -> None:
        """For what was recorded in error; what has ended gets its last day instead."""

        async def attempt() -> Reply:
            present = await self.load(row_id, with_seen=if_match is not None)
            self.require_group(GROUP, "update")
            require_current(if_match, present.seen, ())
            diff = {"lifecycle": ("live", "deleted")}
            return await self.update(present, {"lifecycle": "deleted"}, diff, "deleted")

        await self.settled(attempt)


class RelationshipsOfClient(RelationshipService):
    """The relationships of one client, each as seen from it."""

    listing = SEEN_LISTING

    async def list_of(self, client_id: UUID, items: Items) -> PageReply:
        """One page, the oldest first.

        Raises:
            Refusal: 404 for the client; 403 for who reads no relationships.
        """
        await self.require_client(client_id)
        return await self.list(items, Filter("client_id", "eq", (client_id,)))


def _check_period(row: Mapping[str, Any], sifted: Sifted) -> None:
    first, last = row.get("from_on"), row.get("to_on")
    if first is not None and last is not None and last < first:
        place = "to_on" if "to_on" in sifted.values else "from_on"
        sifted.fault("invalid_period", "The last day lies before the first.", f"/{place}")
