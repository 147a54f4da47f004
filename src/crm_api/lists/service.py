"""Distribution lists: what may be done with them, and in which order it is refused."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from crm_api.catalogues.presets import DEFAULT_WORKFLOW
from crm_api.catalogues.service import known_entries
from crm_api.contacts.repository import sort_key
from crm_api.core.access import StaleActor
from crm_api.core.db import UniqueClash
from crm_api.core.errors import Refusal
from crm_api.core.ids import new_id
from crm_api.core.jsonbody import Incoming
from crm_api.kit.deciding import Sifted, raise_faults, require_fields, require_some, sift
from crm_api.kit.editing import Edit, EditingService
from crm_api.kit.fields import Write as When
from crm_api.kit.idempotency import Claim, once
from crm_api.kit.plain import plain_fields, wire_value
from crm_api.kit.replies import Reply, one
from crm_api.kit.writing import Write, write_one
from crm_api.lists.repository import BINDS, LIST_LISTING, LISTS, open_lists
from crm_api.lists.schemas import DistributionList

PLAIN = plain_fields(DistributionList, LISTS)
BEGINS = {"description": None, "workflow": DEFAULT_WORKFLOW, "segment_id": None}
NAME = "uq_distribution_lists_name"


class OwnedService(EditingService):
    """Records of this slice: who made one may delete it, and others by a right of its own."""

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


class ListService(OwnedService):
    """The distribution lists of one organization, as one actor may treat them."""

    resource = DistributionList
    listing = LIST_LISTING
    parent = "list_id"
    binds = BINDS

    @property
    def path(self) -> str:
        return "/v1/distribution-lists"

    def lifecycles(self) -> list[str]:
        return open_lists(self.actor.rights)

    # ----------------------------------------------------------------- create

    async def create(
        self, incoming: Incoming[Any], claim: Claim | None, *, dry_run: bool = False
    ) -> Reply:
        """A new list, with nobody on it.

        Raises:
            Refusal: 403 verb, then fields; 422 all faults at once; 409 for a name that is taken.
        """
        if dry_run:
            async with self.scope.db.rehearsal(self.actor.organization_id):
                reply = await self._create(incoming, None)
            return Reply(reply.body, reply.etag)
        return await once(self.scope, claim, partial(self._create, incoming, claim), self.replayed)

    async def _create(self, incoming: Incoming[Any], claim: Claim | None) -> Reply:
        sifted = self.sifted_create(incoming)
        await self.check(sifted, {})
        raise_faults(sifted)
        return await self.insert(new_id(), sifted, claim)

    def sifted_create(self, incoming: Incoming[Any]) -> Sifted:
        """What was sent, once the caller may make a list of it."""
        require_some(self.scope, DistributionList, "create")
        sifted = sift(self.scope, DistributionList, incoming, When.ON_CREATE)
        require_fields(self.scope, DistributionList, sifted, "create")
        return sifted

    async def check(self, sifted: Sifted, before: Mapping[str, Any]) -> None:
        """Note what is wrong with the content."""
        workflow = sifted.values.get("workflow", DEFAULT_WORKFLOW)
        if workflow in (before.get("workflow"), DEFAULT_WORKFLOW):
            return
        known = await known_entries(self.scope.db, self.actor.organization)
        if workflow not in known.workflows:
            detail = "No such entry; `GET /v1/catalogues/workflows` lists them."
            sifted.fault("unknown_catalogue_entry", detail, "/workflow")

    async def insert(
        self, list_id: UUID, sifted: Sifted, claim: Claim | None, **besides: Any
    ) -> Reply:
        """Write it down.

        Args:
            besides: columns that no caller may send.
        """
        sent = {name: wire_value(value) for name, value in sifted.values.items()}
        told = BEGINS | sent | besides
        row = told | {
            "id": str(list_id),
            "version": 1,
            "lifecycle": "live",
            "name_key": sort_key(told["name"]),
            "created_by": str(self.actor.id),
        }
        diff = {name: (None, value) for name, value in told.items() if value is not None}
        write = Write("insert", list_id, row, [self.entry(list_id, 1, "created", diff)])
        try:
            found = await write_one(self.scope, self.shape, write, self.parent, claim)
        except UniqueClash as clash:
            raise explained(clash) from None
        if found["body"] is None:
            raise StaleActor
        self.scope.verified = True
        return one(found["body"], status=201, location=f"{self.path}/{list_id}")

    # ------------------------------------------------------------------ patch

    async def patch(self, row_id: UUID, incoming: Incoming[Any], if_match: str | None) -> Reply:
        """Merge the sent fields (RFC 7396)."""
        return await self.edited(incoming.raw, partial(self._patch, row_id, incoming, if_match))

    async def _patch(self, row_id: UUID, incoming: Incoming[Any], if_match: str | None) -> Reply:
        present = await self.load(row_id, with_seen=if_match is not None)
        require_some(self.scope, DistributionList, "update")
        return await self.decide(present, self.allowed(present, incoming, if_match), Edit())

    async def decide(self, present: Any, sifted: Sifted, edit: Edit) -> Reply:
        """Check the content and write it; an edit that changes nothing leaves no trace."""
        before = present.document
        await self.check(sifted, before)
        raise_faults(sifted)
        sent = {name: wire_value(value) for name, value in sifted.values.items()}
        diff = {n: (before[n], value) for n, value in sent.items() if before[n] != value}
        if not diff:
            return await self.unchanged(present.id)
        row = {name: after for name, (_, after) in diff.items()}
        if "name" in row:
            row["name_key"] = sort_key(row["name"])
        try:
            return await self.update(present, row, diff, edit.action)
        except UniqueClash as clash:
            raise explained(clash) from None

    # -------------------------------------------------------------- lifecycle

    async def archive(self, row_id: UUID, if_match: str | None, claim: Claim | None) -> Reply:
        sources = ("live",)
        return await self.move(row_id, "archive", "archived", "archived", sources, if_match, claim)

    async def restore(self, row_id: UUID, if_match: str | None, claim: Claim | None) -> Reply:
        """Back into use; the name may be another list's by now."""
        try:
            return await super().restore(row_id, if_match, claim)
        except UniqueClash as clash:
            raise explained(clash) from None


def explained(clash: UniqueClash) -> Exception:
    if clash.constraint != NAME:
        return clash
    return Refusal("already_exists", "Another list has this name; choose another one.")
