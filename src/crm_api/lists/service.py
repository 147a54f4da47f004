"""Distribution lists: what may be done with them, and in which order it is refused."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from crm_api.catalogues.presets import DEFAULT_WORKFLOW
from crm_api.catalogues.service import known_entries
from crm_api.core.db import UniqueClash
from crm_api.core.errors import Refusal
from crm_api.core.ids import new_id
from crm_api.core.jsonbody import Incoming
from crm_api.kit.deciding import Sifted, raise_faults, require_fields, require_some, sift
from crm_api.kit.fields import Write as When
from crm_api.kit.idempotency import Claim
from crm_api.kit.plain import plain_fields, wire_value
from crm_api.kit.replies import Reply
from crm_api.lists.owned import OwnedService
from crm_api.lists.repository import BINDS, LIST_LISTING, LISTS, open_lists
from crm_api.lists.schemas import DistributionList

PLAIN = plain_fields(DistributionList, LISTS)
BEGINS = {"workflow": DEFAULT_WORKFLOW}
NAME = "uq_distribution_lists_name"


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

    async def make(self, incoming: Incoming[Any], claim: Claim | None) -> Reply:
        """A new list, with nobody on it."""
        sifted = self.sifted(incoming)
        await self.check(sifted, BEGINS)
        raise_faults(sifted)
        return await self.insert(new_id(), sifted, claim)

    def sifted(self, incoming: Incoming[Any]) -> Sifted:
        """What was sent, once the caller may make a list of it."""
        require_some(self.scope, DistributionList, "create")
        sifted = sift(self.scope, DistributionList, incoming, When.ON_CREATE)
        require_fields(self.scope, DistributionList, sifted, "create")
        return sifted

    async def check(self, sifted: Sifted, before: Mapping[str, Any]) -> None:
        """Note what is wrong with the content."""
        workflow = sifted.values.get("workflow", before["workflow"])
        if workflow in (before["workflow"], DEFAULT_WORKFLOW):
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
        try:
            return await self.inserted(list_id, BEGINS | sent | besides, claim)
        except UniqueClash as clash:
            raise _explained(clash) from None

    async def change(self, row_id: UUID, incoming: Incoming[Any], if_match: str | None) -> Reply:
        present = await self.load(row_id, with_seen=if_match is not None)
        require_some(self.scope, DistributionList, "update")
        sifted = self.allowed(present, incoming, if_match)
        await self.check(sifted, present.document)
        raise_faults(sifted)
        sent = {name: wire_value(value) for name, value in sifted.values.items()}
        try:
            return await self.changed(present, sent)
        except UniqueClash as clash:
            raise _explained(clash) from None

    async def archive(self, row_id: UUID, if_match: str | None, claim: Claim | None) -> Reply:
        sources = ("live",)
        return await self.move(row_id, "archive", "archived", "archived", sources, if_match, claim)

    async def restore(self, row_id: UUID, if_match: str | None, claim: Claim | None) -> Reply:
        """Back into use; the name may be another list's by now."""
        try:
            return await super().restore(row_id, if_match, claim)
        except UniqueClash as clash:
            raise _explained(clash) from None


def _explained(clash: UniqueClash) -> Exception:
    if clash.constraint != NAME:
        return clash
    return Refusal("already_exists", "Another list has this name; choose another one.")
