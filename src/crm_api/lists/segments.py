"""Segments: conditions under a name, whose clients are found anew by the rights of who asks."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from crm_api.clients.service import ClientService
from crm_api.core.errors import Fault, Refusal
from crm_api.core.ids import new_id
from crm_api.core.jsonbody import Incoming
from crm_api.kit.deciding import Sifted, raise_faults, require_fields, require_some, sift
from crm_api.kit.exporting import Export
from crm_api.kit.fields import Write as When
from crm_api.kit.filters import Node
from crm_api.kit.idempotency import Claim
from crm_api.kit.plain import empty_values, plain_fields, wire_value
from crm_api.kit.replies import PageReply, Reply
from crm_api.kit.service import Items, Present
from crm_api.lists.audience import Audience
from crm_api.lists.owned import OwnedService
from crm_api.lists.repository import BINDS, SEGMENT_LISTING, SEGMENTS
from crm_api.lists.schemas import Segment

PLAIN = plain_fields(Segment, SEGMENTS)
EMPTY = empty_values(Segment)


class SegmentService(OwnedService):
    """The segments of one organization that one actor may find."""

    resource = Segment
    listing = SEGMENT_LISTING
    parent = "segment_id"
    binds = BINDS

    def lifecycles(self) -> list[str]:
        readable = self.actor.rights.can("lists", "read_deleted")
        return ["live", "deleted"] if readable else ["live"]

    async def conditions(self, segment_id: UUID) -> tuple[Node, ...]:
        """What the clients of a segment meet, for this caller.

        Raises:
            Refusal: 404; 403 for who reads no segments, or not all that it names; 409 where it
                is deleted, or names what is no longer there.
        """
        present = await self.load(segment_id)
        self.require_read()
        audience = Audience(self.scope, present.document["filter"]["filter"])
        self.require_live(present)
        await audience.look_up()
        if audience.faults:
            detail = "The segment names what is no longer there; change its conditions first."
            raise Refusal("segment_outdated", detail, tuple(audience.faults))
        return audience.nodes

    async def make(self, incoming: Incoming[Any], claim: Claim | None) -> Reply:
        """A new segment, of what the caller itself may filter by."""
        require_some(self.scope, Segment, "create")
        sifted = sift(self.scope, Segment, incoming, When.ON_CREATE)
        require_fields(self.scope, Segment, sifted, "create")
        sent = await self._settled(sifted, self._audience(incoming.raw))
        raise_faults(sifted)
        return await self.inserted(new_id(), EMPTY | sent, claim)

    async def change(self, row_id: UUID, incoming: Incoming[Any], if_match: str | None) -> Reply:
        """Conditions are replaced as a whole."""
        present = await self.load(row_id, with_seen=if_match is not None)
        require_some(self.scope, Segment, "update")
        audience = self._audience(incoming.raw)
        self._require_owner(present, incoming.raw)
        sifted = self.allowed(present, incoming, if_match)
        sent = await self._settled(sifted, audience)
        raise_faults(sifted)
        return await self.changed(present, sent)

    def _audience(self, raw: Mapping[str, Any]) -> Audience | None:
        """The conditions as they were sent: what they name is a question before their form.

        Raises:
            Refusal: 403 naming each field that the caller may not read.
        """
        saved = raw.get("filter")
        return Audience(self.scope, saved.get("filter")) if isinstance(saved, dict) else None

    async def _settled(self, sifted: Sifted, audience: Audience | None) -> dict[str, Any]:
        """The sent values as they are stored: conditions in their one stable form."""
        wire = {name: wire_value(v) for name, v in sifted.values.items() if name != "filter"}
        if audience is not None and "filter" in sifted.values:
            await audience.look_up()
            sifted.faults += audience.faults
            wire["filter"] = audience.form
        return wire

    def _require_owner(self, present: Present, raw: Mapping[str, Any]) -> None:
        """To others it would be lost, the one who made it so included."""
        is_own = present.document["created_by"] == str(self.actor.id)
        if raw.get("visibility") == "private" and not is_own:
            detail = "Only its owner may make a segment private."
            raise Refusal("forbidden", detail, (Fault("forbidden", detail, pointer="/visibility"),))


class SegmentClients(ClientService):
    """The clients that meet the conditions of a segment."""

    async def list_of(self, segment_id: UUID, items: Items) -> PageReply:
        """One page, as any list of clients: live ones, unless the conditions or the query say.

        Raises:
            Refusal: as of `SegmentService.conditions`, then as of a list of clients.
        """
        nodes = await SegmentService(self.scope).conditions(segment_id)
        return await self.list(items, *nodes)

    async def export_of(self, segment_id: UUID, items: Items) -> Export:
        """All of them as a file; the export is recorded."""
        nodes = await SegmentService(self.scope).conditions(segment_id)
        return await self.export(items, *nodes)
