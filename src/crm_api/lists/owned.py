"""What lists and segments have in common: a name, and an owner who may delete them."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from crm_api.contacts.repository import sort_key
from crm_api.core.access import StaleActor
from crm_api.core.jsonbody import Incoming
from crm_api.kit.editing import EditingService
from crm_api.kit.idempotency import Claim, once
from crm_api.kit.replies import Reply, one
from crm_api.kit.service import Present
from crm_api.kit.writing import Write, write_one


class OwnedService(EditingService):
    """Named records of this slice: who made one may delete it, others by a right of its own."""

    async def create(
        self, incoming: Incoming[Any], claim: Claim | None, *, dry_run: bool = False
    ) -> Reply:
        """A new one.

        Raises:
            Refusal: 403 verb, then fields; 422 all faults at once; 409 for a name that is taken.
        """
        if dry_run:
            async with self.scope.db.rehearsal(self.actor.organization_id):
                reply = await self.make(incoming, None)
            return Reply(reply.body, reply.etag)
        return await once(self.scope, claim, partial(self.make, incoming, claim), self.replayed)

    async def make(self, incoming: Incoming[Any], claim: Claim | None) -> Reply:
        raise NotImplementedError

    async def inserted(self, row_id: UUID, told: Mapping[str, Any], claim: Claim | None) -> Reply:
        """Write down a new one of which all this is told."""
        row = {
            **told,
            "id": str(row_id),
            "version": 1,
            "lifecycle": "live",
            "name_key": sort_key(told["name"]),
            "created_by": str(self.actor.id),
        }
        diff = {name: (None, value) for name, value in told.items() if value is not None}
        write = Write("insert", row_id, row, [self.entry(row_id, 1, "created", diff)])
        found = await write_one(self.scope, self.shape, write, self.parent, claim)
        if found["body"] is None:
            raise StaleActor
        self.scope.verified = True
        return one(found["body"], status=201, location=f"{self.path}/{row_id}")

    async def patch(self, row_id: UUID, incoming: Incoming[Any], if_match: str | None) -> Reply:
        """Merge the sent fields (RFC 7396).

        Raises:
            Refusal: 404; 403 verb, then fields; 412; 409 not live; 422; 409 for the name.
        """
        return await self.edited(incoming.raw, partial(self.change, row_id, incoming, if_match))

    async def change(self, row_id: UUID, incoming: Incoming[Any], if_match: str | None) -> Reply:
        raise NotImplementedError

    async def changed(self, present: Present, sent: Mapping[str, Any]) -> Reply:
        """Write what differs; an edit that changes nothing leaves no trace."""
        before = present.document
        diff = {n: (before[n], value) for n, value in sent.items() if before[n] != value}
        if not diff:
            return await self.unchanged(present.id)
        row = {name: after for name, (_, after) in diff.items()}
        if "name" in row:
            row["name_key"] = sort_key(row["name"])
        return await self.update(present, row, diff, "updated")

    async def delete(self, row_id: UUID, if_match: str | None, claim: Claim | None = None) -> None:
        """Delete softly: one's own, or anybody's with the right to that."""
        present = await self.load(row_id)
        is_own = present.document["created_by"] == str(self.actor.id)
        may_any = self.actor.rights.can(self.resource.guarded_by, "delete")
        verb = "delete_own" if is_own and not may_any else "delete"
        sources = ("live", "archived")
        await self.move(row_id, verb, "deleted", "deleted", sources, if_match, claim)

    async def restore(self, row_id: UUID, if_match: str | None, claim: Claim | None) -> Reply:
        sources = ("archived", "deleted")
        return await self.move(row_id, "restore", "restored", "live", sources, if_match, claim)
