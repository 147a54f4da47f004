"""Who is on a list: added, removed, unsubscribed; and the lists that reach a client."""

from collections.abc import Mapping
from functools import partial
from typing import Any, NoReturn
from uuid import UUID

from crm_api.clients.schemas import Client
from crm_api.clients.service import ClientService
from crm_api.clients.statements import standing_of
from crm_api.contacts.repository import LIVE_CONTACTS
from crm_api.core.access import StaleActor
from crm_api.core.db import UniqueClash
from crm_api.core.errors import Fault, Refusal, refuse_all
from crm_api.core.ids import new_id
from crm_api.core.jsonbody import Incoming
from crm_api.kit.batch import Batch, BatchReply, Operation, run_batch
from crm_api.kit.deciding import (
    Sifted,
    raise_faults,
    require_current,
    require_fields,
    require_some,
    sift,
)
from crm_api.kit.editing import EditingService
from crm_api.kit.exporting import Export
from crm_api.kit.fields import Write as When
from crm_api.kit.fields import mask_of
from crm_api.kit.filters import Filter
from crm_api.kit.guard import guard_kind, guard_values, require_ok
from crm_api.kit.idempotency import Claim, once
from crm_api.kit.query import split_key
from crm_api.kit.reading import found_by_id, load_one
from crm_api.kit.replies import PageReply, Reply, one
from crm_api.kit.scope import Scope
from crm_api.kit.service import FULL, Items, Present, RecordService
from crm_api.kit.writing import Write, write_one
from crm_api.lists.repository import (
    CLIENT_LIST_LISTING,
    MEMBER_LISTING,
    MEMBERSHIP,
    open_lists,
    standing,
)
from crm_api.lists.schemas import ClientList, ListMember, NewMembers, Unsubscribe
from crm_api.lists.service import ListService

WHO = ("client_id", "contact_id")
DELIVERABLE = {"subscribed": "true", "suppressed": "false"}
"""What an export asks of members, unless its query says something else of the same field."""
_ONCE = ("uq_list_members_client", "uq_list_members_contact")


class MemberService(EditingService):
    """The members of lists, as one actor may treat them."""

    resource = ListMember
    listing = MEMBER_LISTING
    parent = "member_id"

    @property
    def path(self) -> str:
        return "/v1/list-members"

    def lifecycles(self) -> list[str]:
        readable = self.actor.rights.can("lists", "read_deleted")
        return ["live", "deleted"] if readable else ["live"]

    # -------------------------------------------------------- unsubscribe, remove

    async def unsubscribe(
        self,
        row_id: UUID,
        incoming: Incoming[Unsubscribe],
        if_match: str | None,
        claim: Claim | None,
    ) -> Reply:
        """From now on nothing goes to it by this list; a reason that is given again replaces."""
        return await self._subscription(row_id, incoming, if_match, claim)

    async def resubscribe(self, row_id: UUID, if_match: str | None, claim: Claim | None) -> Reply:
        """The one way back: to be added again is none."""
        return await self._subscription(row_id, None, if_match, claim)

    async def _subscription(
        self,
        row_id: UUID,
        incoming: Incoming[Unsubscribe] | None,
        if_match: str | None,
        claim: Claim | None,
    ) -> Reply:
        async def attempt() -> Reply:
            present = await self.load(row_id, with_seen=True)
            self.require_group("list", "update")
            stored = await self.finished(claim)
            if stored is not None:
                return self.replayed(stored)
            require_current(if_match, present.seen, ())
            self.require_live(present)
            if incoming is not None and incoming.value is None:
                raise refuse_all(incoming.faults)
            reason = incoming.value.reason if incoming is not None and incoming.value else None
            before, ends = present.document, incoming is not None
            if ends and reason is None:
                reason = before["unsubscribe_reason"]
            after = {"subscribed": not ends, "unsubscribe_reason": reason}
            diff = {n: (before[n], value) for n, value in after.items() if before[n] != value}
            if not diff:
                return one(present.seen)
            row: dict[str, Any] = {"unsubscribe_reason": reason}
            if "subscribed" in diff:
                row["unsubscribed_at"] = "now" if ends else None
            action = "unsubscribed" if ends else "resubscribed"
            return await self.update(present, row, diff, action, claim=claim)

        return await once(self.scope, claim, partial(self.settled, attempt), self.replayed)

    async def remove(self, row_id: UUID, if_match: str | None) -> None:
        """Take it off the list; that it unsubscribed stays known."""

        async def attempt() -> Reply:
            present = await self.load(row_id, with_seen=if_match is not None)
            self.require_group("list", "update")
            require_current(if_match, present.seen, ())
            if present.lifecycle != "live":
                return one(present.seen)
            diff = {"lifecycle": ("live", "deleted")}
            return await self.update(present, {"lifecycle": "deleted"}, diff, "removed")

        await self.settled(attempt)


class MembersOfList(MemberService):
    """The members of one list."""

    def __init__(self, scope: Scope, list_id: UUID) -> None:
        super().__init__(scope)
        self.list_id = list_id

    async def _standing(self) -> str:
        """The lifecycle of the list; 404 where the caller may not open it."""
        actor = self.actor
        statement = standing(actor.rights, guard_kind(actor))
        values = guard_values(actor) | {"id": self.list_id}
        row = await self.scope.db.fetchrow(actor.organization_id, statement, values)
        require_ok(row)
        self.scope.verified = True
        if row["lifecycle"] is None:
            raise ListService(self.scope).not_found()
        return str(row["lifecycle"])

    @property
    def _here(self) -> Filter:
        return Filter("list_id", "eq", (self.list_id,))

    async def list_all(self, items: Items) -> PageReply:
        """One page, in the order in which they were added."""
        await self._standing()
        return await self.list(items, self._here)

    async def export_all(self, items: Items) -> Export:
        """All to whom something may be sent, unless the query asks for others.

        Who may not read to whom nothing may be sent takes no list away: what is missing in it
        would tell.
        """
        await self._standing()
        named = {split_key(key)[0] for key, _ in items}
        implied = [(name, value) for name, value in DELIVERABLE.items() if name not in named]
        return await self.export([*items, *implied], self._here)

    # -------------------------------------------------------------------- add

    async def add(
        self, incoming: Incoming[Any], claim: Claim | None, *, dry_run: bool = False
    ) -> Reply:
        """Put a client or a contact on the list.

        Who was removed comes back under the same id, and unsubscribed if it was.

        Raises:
            Refusal: 404 for the list; 403; 409 not live; 422; 409 for who is on it.
        """
        if dry_run:
            async with self.scope.db.rehearsal(self.actor.organization_id):
                reply = await self.settled(partial(self._add, incoming, None))
            return Reply(reply.body, reply.etag)
        run = partial(self._add, incoming, claim)
        return await once(self.scope, claim, partial(self.settled, run), self.replayed)

    async def _add(self, incoming: Incoming[Any], claim: Claim | None) -> Reply:
        lifecycle = await self._standing()
        require_some(self.scope, ListMember, "create")
        sifted = sift(self.scope, ListMember, incoming, When.ON_CREATE)
        require_fields(self.scope, ListMember, sifted, "create")
        self._require_openable(incoming.raw)
        stored = await self.finished(claim)
        if stored is not None:
            return self.replayed(stored)
        if lifecycle != "live":
            raise Refusal("not_live", f"The list is {lifecycle}; restore it first.")
        who = await self._checked(sifted)
        raise_faults(sifted)
        return await self._put(who, claim)

    def _require_openable(self, raw: Mapping[str, Any]) -> None:
        """403 for naming what the caller may not open: nothing of it is told."""
        rights = self.actor.rights
        lacking = {
            "client_id": None if mask_of(Client, rights).read else "clients.*:read",
            "contact_id": None
            if rights.can("contacts", "read", "person")
            else "contacts.person:read",
        }
        for name, scope in lacking.items():
            if scope is not None and raw.get(name):
                detail = f"This needs `{scope}`."
                raise Refusal(
                    "forbidden", detail, (Fault("forbidden", detail, pointer=f"/{name}"),)
                )

    async def _checked(self, sifted: Sifted) -> dict[str, UUID | None]:
        """Who is to be added: one that the caller may open, and that is live."""
        who = {name: sifted.values.get(name) for name in WHO}
        client_id, contact_id = who.values()
        if sifted.unread.isdisjoint(WHO) and (client_id is None) == (contact_id is None):
            detail = "Send either `client_id` or `contact_id`."
            sifted.fault("required", detail, "/contact_id" if client_id else "/client_id")
        if client_id is not None:
            lifecycle = await standing_of(self.scope, client_id)
            if lifecycle is None:
                sifted.fault("unknown_client", "There is no client with this id.", "/client_id")
            elif lifecycle != "live":
                raise Refusal("not_live", f"The client is {lifecycle}; restore it first.")
        if contact_id is not None and not await found_by_id(
            self.scope, LIVE_CONTACTS, [contact_id]
        ):
            sifted.fault("unknown_contact", "There is no contact with this id.", "/contact_id")
        return who

    async def _put(self, who: Mapping[str, UUID | None], claim: Claim | None) -> Reply:
        org = self.actor.organization_id
        asked = {"org": org, "list_id": self.list_id, **who}
        found = await self.scope.db.fetchrow(org, MEMBERSHIP, asked)
        if found is None:
            return await self._insert(who, claim)
        row = await load_one(self.scope, self.shape, found["id"], FULL)
        if row is None or (present := Present(row)).lifecycle == "live":
            raise _is_on_it()
        diff = {"lifecycle": ("deleted", "live")}
        reply = await self.update(present, {"lifecycle": "live"}, diff, "added", claim=claim)
        return Reply(reply.body, reply.etag, 201, f"{self.path}/{present.id}")

    async def _insert(self, who: Mapping[str, UUID | None], claim: Claim | None) -> Reply:
        member_id = new_id()
        told = {"list_id": str(self.list_id)} | {n: str(v) for n, v in who.items() if v}
        row = told | {
            "id": str(member_id),
            "version": 1,
            "lifecycle": "live",
            "created_by": str(self.actor.id),
        }
        diff = {name: (None, value) for name, value in told.items()}
        write = Write("insert", member_id, row, [self.entry(member_id, 1, "added", diff)])
        try:
            found = await write_one(self.scope, self.shape, write, self.parent, claim)
        except UniqueClash as clash:
            if clash.constraint not in _ONCE:
                raise
            raise _is_on_it() from None
        if found["body"] is None:
            raise StaleActor
        self.scope.verified = True
        return one(found["body"], status=201, location=f"{self.path}/{member_id}")

    # ------------------------------------------------------------------ batch

    async def add_each(self, incoming: Incoming[NewMembers], claim: Claim | None) -> BatchReply:
        """Add up to 200, each by itself; the results are those of the single call."""
        await self._standing()
        require_some(self.scope, ListMember, "create")
        value = None
        if incoming.value is not None:
            bodies = [
                one.model_dump(mode="json", exclude_unset=True) for one in incoming.value.members
            ]
            value = Batch(operations=[Operation(op="create", body=body) for body in bodies])
        batch = Incoming(incoming.raw, value, incoming.faults)
        return await run_batch(_Adding(self), batch, claim)


def _is_on_it() -> Refusal:
    return Refusal("already_exists", "It is on the list already.")


class _Adding:
    """What a batch may do with members: add them."""

    resource = ListMember

    def __init__(self, members: MembersOfList) -> None:
        self.scope = members.scope
        self.create = members.add
        self.masked = members.masked

    async def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise Refusal("invalid", "Such a batch adds members, and does nothing else.")

    patch = delete = upsert = _refuse

    def seen_candidate(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """No refusal of a member names candidates."""
        return dict(told)


class ListsOfClient(RecordService):
    """The lists that reach one client."""

    resource = ClientList
    listing = CLIENT_LIST_LISTING
    parent = "id"

    def lifecycles(self) -> list[str]:
        return open_lists(self.actor.rights)

    async def list_of(self, client_id: UUID, items: Items) -> PageReply:
        """One page: each list with the one who is on it, the client or a person.

        Raises:
            Refusal: 404 for the client; 403 for who reads no lists.
        """
        if await standing_of(self.scope, client_id) is None:
            raise ClientService(self.scope).not_found()
        return await self.list(items, Filter("client_id", "eq", (client_id,)))
