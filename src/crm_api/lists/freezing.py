"""What a segment brings to a list: its clients of this moment, by the rights of who asks."""

from collections.abc import Sequence
from functools import partial
from uuid import UUID

from crm_api.clients.listing import BINDS
from crm_api.core.errors import Fault, Refusal, refuse_all
from crm_api.core.ids import new_id
from crm_api.core.jsonbody import Incoming
from crm_api.kit.changes import append
from crm_api.kit.deciding import raise_faults, require_some
from crm_api.kit.filters import Filter, Node
from crm_api.kit.guard import guard_kind, guard_values, require_ok
from crm_api.kit.idempotency import Claim, Stored, find, once, store
from crm_api.kit.listing import condition_values
from crm_api.kit.replies import Reply, as_text, one
from crm_api.kit.scope import Scope
from crm_api.lists.repository import bring
from crm_api.lists.schemas import MAX_FOUND, FromSegment, FrozenList, ListMember
from crm_api.lists.segments import SegmentClients, SegmentService
from crm_api.lists.service import BEGINS, ListService


class Freezing:
    """Puts the clients of segments on lists, for one actor."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.actor = scope.actor
        self.lists = ListService(scope)

    async def freeze(
        self,
        segment_id: UUID,
        incoming: Incoming[FrozenList],
        claim: Claim | None,
        *,
        dry_run: bool,
    ) -> Reply:
        """A new list of the clients that meet the segment's conditions at this moment.

        Raises:
            Refusal: 404; 403 for lists, then fields, then what the conditions name; 409; 422,
                also for more than `MAX_FOUND` clients.
        """
        if dry_run:
            async with self.scope.db.rehearsal(self.actor.organization_id):
                reply = await self._freeze(segment_id, incoming, None)
            return Reply(reply.body, reply.etag)
        run = partial(self._freeze, segment_id, incoming, claim)
        return await once(self.scope, claim, run, self.lists.replayed)

    async def _freeze(
        self, segment_id: UUID, incoming: Incoming[FrozenList], claim: Claim | None
    ) -> Reply:
        await SegmentService(self.scope).require_visible(segment_id)
        sifted = self.lists.sifted(incoming)
        nodes = await self._nodes(segment_id)
        stored = await self.lists.finished(claim)
        if stored is not None:
            return self.lists.replayed(stored)
        await self.lists.check(sifted, BEGINS)
        raise_faults(sifted)
        list_id = new_id()
        async with self.lists.locked():
            reply = await self.lists.insert(list_id, sifted, claim, segment_id=str(segment_id))
            await self._bring(list_id, segment_id, nodes)
            return reply

    async def add(
        self, list_id: UUID, incoming: Incoming[FromSegment], claim: Claim | None
    ) -> Reply:
        """Add to a list who meets the conditions of a segment and is not on it.

        Raises:
            Refusal: as of `freeze`; 409 for a list that is not live.
        """
        run = partial(self._add, list_id, incoming, claim)
        return await once(self.scope, claim, run, _told_again)

    async def _add(
        self, list_id: UUID, incoming: Incoming[FromSegment], claim: Claim | None
    ) -> Reply:
        present = await self.lists.load(list_id)
        require_some(self.scope, ListMember, "create")
        if incoming.value is None:
            self.lists.require_live(present)
            raise refuse_all(incoming.faults)
        segment_id = incoming.value.segment_id
        # The rights to the conditions come before all, a replay of the numbers included.
        nodes = await self._nodes_sent(segment_id)
        stored = None if claim is None else await find(self.scope, claim)
        if stored is not None:
            return _told_again(stored)
        self.lists.require_live(present)
        async with self.lists.locked():
            # It may have left use meanwhile; from here on it stands still.
            self.lists.require_live(await self.lists.load(list_id))
            told = await self._bring(list_id, segment_id, nodes)
            if claim is not None:
                await store(self.scope, claim, "list_member", None, told)
            return one(as_text(told))

    async def _nodes_sent(self, segment_id: UUID) -> Sequence[Node]:
        """Of a segment that the body names: one that is not there is a fault of content."""
        try:
            return await self._nodes(segment_id)
        except Refusal as refusal:
            if refusal.status != 404:
                raise
            detail = "There is no segment with this id."
            fault = Fault("unknown_segment", detail, pointer="/segment_id")
            raise Refusal("invalid", detail, (fault,)) from None

    async def _nodes(self, segment_id: UUID) -> Sequence[Node]:
        """The conditions, within the lifecycles that the caller may open."""
        clients = SegmentClients(self.scope)
        nodes = await SegmentService(self.scope).conditions(segment_id)
        clients.require_read()
        clients.require_openable(nodes, in_body=True)
        return nodes

    async def _bring(
        self, list_id: UUID, segment_id: UUID, nodes: Sequence[Node]
    ) -> dict[str, int]:
        """Write it in one statement; one entry of the list's log tells of all of them."""
        actor, filters = self.actor, (*nodes, Filter("lifecycle", "eq", ("live",)))
        statement = bring(actor.rights, guard_kind(actor), tuple(one.shape for one in filters))
        values = guard_values(actor) | condition_values(filters, BINDS)
        values |= {"list_id": list_id, "segment_id": segment_id, "limit": MAX_FOUND}
        row = await self.scope.db.fetchrow(actor.organization_id, statement, values, lists=True)
        require_ok(row)
        self.scope.verified = True
        if row["found"] > MAX_FOUND:
            detail = f"A segment brings at most {MAX_FOUND:,} clients; narrow its conditions."
            raise Refusal("invalid", detail, (Fault("too_many", detail),))
        told = {"found": row["found"], "added": row["added"]}
        if row["added"]:
            came = {"segment_id": str(segment_id), "added": row["added"]}
            diff = {"members": (None, came)}
            entry = self.lists.entry(list_id, row["version"], "members_added", diff)
            await append(self.scope.db, actor, [entry])
        return told


def _told_again(stored: Stored) -> Reply:
    return one(stored.text, replayed=True)
