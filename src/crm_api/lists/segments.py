"""Segments: conditions under a name, whose clients are found anew by the rights of who asks."""

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID

from crm_api.clients.service import ClientService
from crm_api.contacts.repository import sort_key
from crm_api.core.access import StaleActor
from crm_api.core.errors import Fault, Refusal
from crm_api.core.ids import new_id
from crm_api.core.jsonbody import Incoming
from crm_api.kit.deciding import Sifted, raise_faults, require_fields, require_some, sift
from crm_api.kit.exporting import Export
from crm_api.kit.fields import Write as When
from crm_api.kit.filters import Node
from crm_api.kit.idempotency import Claim, once
from crm_api.kit.plain import empty_values, plain_fields, wire_value
from crm_api.kit.replies import PageReply, Reply, one
from crm_api.kit.service import Items, Present
from crm_api.kit.writing import Write, write_one
from crm_api.lists.audience import Audience, audience_of
from crm_api.lists.repository import BINDS, SEGMENT_LISTING, SEGMENTS
from crm_api.lists.schemas import Segment
from crm_api.lists.service import OwnedService

PLAIN = plain_fields(Segment, SEGMENTS)
EMPTY = {"description": None, **empty_values(Segment)}


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
        self.require_live(present)
        return await audience_of(self.scope, present.document["filter"])

    # ----------------------------------------------------------------- create

    async def create(
        self, incoming: Incoming[Any], claim: Claim | None, *, dry_run: bool = False
    ) -> Reply:
        """A new segment, of what the caller itself may filter by.

        Raises:
            Refusal: 403 verb, then fields, then what the conditions name; 422 all faults at once.
        """
        if dry_run:
            async with self.scope.db.rehearsal(self.actor.organization_id):
                reply = await self._create(incoming, None)
            return Reply(reply.body, reply.etag)
        return await once(self.scope, claim, partial(self._create, incoming, claim), self.replayed)

    async def _create(self, incoming: Incoming[Any], claim: Claim | None) -> Reply:
        require_some(self.scope, Segment, "create")
        sifted = sift(self.scope, Segment, incoming, When.ON_CREATE)
        require_fields(self.scope, Segment, sifted, "create")
        sent = await self._settled(sifted, self._audience(incoming.raw))
        raise_faults(sifted)
        segment_id, told = new_id(), EMPTY | sent
        row = told | {
            "id": str(segment_id),
            "version": 1,
            "lifecycle": "live",
            "name_key": sort_key(told["name"]),
            "created_by": str(self.actor.id),
        }
        diff = {name: (None, value) for name, value in sent.items() if value != EMPTY.get(name)}
        write = Write("insert", segment_id, row, [self.entry(segment_id, 1, "created", diff)])
        found = await write_one(self.scope, self.shape, write, self.parent, claim)
        if found["body"] is None:
            raise StaleActor
        self.scope.verified = True
        return one(found["body"], status=201, location=f"{self.path}/{segment_id}")

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

    # ------------------------------------------------------------------ patch

    async def patch(self, row_id: UUID, incoming: Incoming[Any], if_match: str | None) -> Reply:
        """Merge the sent fields (RFC 7396); conditions are replaced as a whole."""
        return await self.edited(incoming.raw, partial(self._patch, row_id, incoming, if_match))

    async def _patch(self, row_id: UUID, incoming: Incoming[Any], if_match: str | None) -> Reply:
        present = await self.load(row_id, with_seen=if_match is not None)
        require_some(self.scope, Segment, "update")
        audience = self._audience(incoming.raw)
        self._require_owner(present, incoming.raw)
        sifted = self.allowed(present, incoming, if_match)
        sent = await self._settled(sifted, audience)
        raise_faults(sifted)
        before = present.document
        diff = {n: (before[n], value) for n, value in sent.items() if before[n] != value}
        if not diff:
            return await self.unchanged(present.id)
        row = {name: after for name, (_, after) in diff.items()}
        if "name" in row:
            row["name_key"] = sort_key(row["name"])
        return await self.update(present, row, diff, "updated")

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
