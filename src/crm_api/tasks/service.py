"""Tasks: who may do what with one, in which order it is refused, and the queues they stand in."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final, Literal, get_args
from uuid import UUID

from crm_api.clients.lookups import VISIBLE_CLIENTS
from crm_api.clients.repository import open_lifecycles
from crm_api.contacts.repository import ACTIVE_USERS, LIVE_CONTACTS
from crm_api.core.access import StaleActor
from crm_api.core.db import UniqueClash
from crm_api.core.errors import Fault, Refusal
from crm_api.core.formats.dates import local_today
from crm_api.core.ids import new_id
from crm_api.core.jsonbody import Incoming
from crm_api.kit.deciding import (
    Sifted,
    raise_faults,
    require_current,
    require_fields,
    require_some,
    sift,
)
from crm_api.kit.editing import Edit, EditingService
from crm_api.kit.fields import Write as When
from crm_api.kit.filters import Filter, Node
from crm_api.kit.idempotency import Claim, once
from crm_api.kit.plain import empty_values, plain_fields, wire_value
from crm_api.kit.reading import found_by_id
from crm_api.kit.replies import PageReply, Reply, one
from crm_api.kit.service import Items, Present
from crm_api.kit.writing import Write, write_one
from crm_api.tasks.repository import TASK_LISTING, TASK_SHAPE, TASKS
from crm_api.tasks.schemas import Task, TaskState

Queue = Literal["due", "overdue", "upcoming", "mine"]
QUEUES: Final[tuple[str, ...]] = get_args(Queue)
_BY_DATE: Final = {"due": "eq", "overdue": "lt", "upcoming": "gt"}
"""Queue → how its dates compare with today."""
PLAIN = plain_fields(Task, TASKS)
EMPTY = empty_values(Task)
CAUSE = "uq_tasks_cause"


class TaskService(EditingService):
    """The tasks of one organization, as one actor may treat them."""

    resource = Task
    listing = TASK_LISTING
    parent = "task_id"

    def lifecycles(self) -> list[str]:
        readable = self.actor.rights.can("tasks", "read_deleted")
        return ["live", "deleted"] if readable else ["live"]

    async def list(self, items: Items, *always: Node) -> PageReply:
        """One page; with `queue` the open ones that stand in it, by the organization's today."""
        self.require_read()
        named = [value for key, value in items if key == "queue"]
        rest = [(key, value) for key, value in items if key != "queue"]
        return await super().list(rest, *always, *self._queue(named))

    def _queue(self, named: Sequence[str]) -> Sequence[Filter]:
        if not named:
            return []
        if len(named) > 1 or named[0] not in QUEUES:
            detail = f"Send one of: {', '.join(QUEUES)}."
            fault = Fault("invalid_choice", detail, parameter="queue")
            raise Refusal("invalid", detail, (fault,))
        found = [Filter("state", "eq", ("open",))]
        if named[0] == "mine":
            return [*found, Filter("assignee_id", "eq", (self.actor.id,))]
        today = local_today(self.actor.organization.time_zone)
        return [*found, Filter("due_on", _BY_DATE[named[0]], (today,))]

    # ----------------------------------------------------------------- create

    async def create(
        self, incoming: Incoming[Any], claim: Claim | None, *, dry_run: bool = False
    ) -> Reply:
        """A new task.

        Raises:
            Refusal: 403 verb, then fields; 409 for a client that is not live; 422.
        """
        if dry_run:
            async with self.scope.db.rehearsal(self.actor.organization_id):
                reply = await self._create(incoming, None)
            return Reply(reply.body, reply.etag)
        return await once(self.scope, claim, partial(self._create, incoming, claim), self.replayed)

    async def _create(self, incoming: Incoming[Any], claim: Claim | None) -> Reply:
        require_some(self.scope, Task, "create")
        sifted = sift(self.scope, Task, incoming, When.ON_CREATE)
        require_fields(self.scope, Task, sifted, "create")
        self._require_links(sifted)
        await self._check_references(sifted, {})
        raise_faults(sifted)
        task_id = new_id()
        wire = EMPTY | {n: wire_value(v) for n, v in sifted.values.items()} | {"state": "open"}
        row = {name: wire.get(name) for name in PLAIN} | {
            "id": str(task_id),
            "version": 1,
            "lifecycle": "live",
            "created_by": str(self.actor.id),
        }
        diff = {n: (None, v) for n, v in wire.items() if v not in (None, EMPTY.get(n))}
        entry = self.entry(task_id, 1, "created", diff)
        write = Write("insert", task_id, row, [entry])
        found = await write_one(self.scope, TASK_SHAPE, write, self.parent, claim)
        if found["body"] is None:
            raise StaleActor
        self.scope.verified = True
        return one(found["body"], status=201, location=f"{self.path}/{task_id}")

    def _require_links(self, sifted: Sifted) -> None:
        if sifted.values.get("contact_id") and not self.actor.rights.can(
            "contacts", "read", "person"
        ):
            detail = "This needs `contacts.person:read`."
            fault = Fault("forbidden", detail, pointer="/contact_id")
            raise Refusal("forbidden", detail, (fault,))

    async def _check_references(self, sifted: Sifted, before: Mapping[str, Any]) -> None:
        """A new reference is to a record that the caller may open; 409 where it is not live."""
        asked = {
            name: sifted.values.get(name)
            for name in ("client_id", "contact_id", "assignee_id")
            if str(sifted.values.get(name)) != before.get(name)
        }
        client, contact, user = (asked.get(n) for n in ("client_id", "contact_id", "assignee_id"))
        if client is not None:
            await self._check_client(client, sifted)
        if contact is not None and not await found_by_id(self.scope, LIVE_CONTACTS, [contact]):
            sifted.fault("unknown_contact", "There is no contact with this id.", "/contact_id")
        if user is not None and not await found_by_id(self.scope, ACTIVE_USERS, [user]):
            sifted.fault("unknown_user", "There is no active user with this id.", "/assignee_id")

    async def _check_client(self, client_id: UUID, sifted: Sifted) -> None:
        ask = partial(found_by_id, self.scope, VISIBLE_CLIENTS, [client_id])
        if await ask(lifecycles=["live"]):
            return
        if await ask(lifecycles=open_lifecycles(self.actor.rights)):
            raise Refusal("not_live", "The client is not live; restore it first.")
        sifted.fault("unknown_client", "There is no client with this id.", "/client_id")

    # ------------------------------------------------------------------ patch

    async def patch(
        self,
        row_id: UUID,
        incoming: Incoming[Any],
        if_match: str | None,
        *,
        dry_run: bool = False,
        claim: Claim | None = None,
    ) -> Reply:
        """Merge the sent fields (RFC 7396)."""
        run = partial(self._patch, row_id, incoming, if_match, claim)
        if dry_run:
            async with self.scope.db.rehearsal(self.actor.organization_id):
                return await self.edited(incoming.raw, run)
        edit = partial(self.edited, incoming.raw, run)
        return await once(self.scope, claim, edit, self.replayed)

    async def _patch(
        self, row_id: UUID, incoming: Incoming[Any], if_match: str | None, claim: Claim | None
    ) -> Reply:
        present = await self.load(row_id, with_seen=if_match is not None)
        require_some(self.scope, Task, "update")
        sifted = self.allowed(present, incoming, if_match)
        return await self.decide(present, sifted, Edit(claim=claim))

    async def decide(self, present: Present, sifted: Sifted, edit: Edit) -> Reply:
        """Check the content and write it; an edit that changes nothing leaves no trace."""
        await self._check_references(sifted, present.document)
        raise_faults(sifted)
        after = {name: wire_value(value) for name, value in sifted.values.items()}
        row = {n: v for n, v in after.items() if present.document[n] != v}
        if not row:
            return await self.unchanged(present.id)
        if "state" in row:
            done = row["state"] == "done"
            row |= {"done_by": str(self.actor.id) if done else None}
        diff = {n: (present.document[n], v) for n, v in row.items() if present.document[n] != v}
        if "state" in row:
            row["done_at"] = "now" if row["state"] == "done" else None
        try:
            return await self.update(present, row, diff, edit.action, claim=edit.claim)
        except UniqueClash as clash:
            raise _explained(clash) from None

    async def move_to(
        self,
        row_id: UUID,
        state: TaskState,
        action: str,
        if_match: str | None,
        claim: Claim | None,
    ) -> Reply:
        """Complete it, or open it anew; being there already is no change."""

        async def attempt() -> Reply:
            present = await self.load(row_id, with_seen=True)
            require_some(self.scope, Task, "update")
            stored = await self.finished(claim)
            if stored is not None:
                return self.replayed(stored)
            require_current(if_match, present.seen, ())
            self.require_live(present)
            return await self.decide(present, Sifted({"state": state}), Edit(action, claim))

        return await once(self.scope, claim, partial(self.settled, attempt), self.replayed)

    # -------------------------------------------------------------- lifecycle

    async def delete(self, row_id: UUID, if_match: str | None, claim: Claim | None = None) -> None:
        """Delete softly: one's own, or anybody's with the right to that."""
        present = await self.load(row_id)
        is_own = present.document["created_by"] == str(self.actor.id)
        rights = self.actor.rights
        verb = "delete_own" if is_own and not rights.can("tasks", "delete") else "delete"
        await self.move(row_id, verb, "deleted", "deleted", ("live",), if_match, claim)

    async def restore(
        self, row_id: UUID, if_match: str | None, claim: Claim | None = None
    ) -> Reply:
        sources = ("deleted",)
        try:
            return await self.move(row_id, "restore", "restored", "live", sources, if_match, claim)
        except UniqueClash as clash:
            raise _explained(clash) from None


def _explained(clash: UniqueClash) -> Exception:
    """Of each cause a client has one open task."""
    if clash.constraint != CAUSE:
        return clash
    return Refusal("already_exists", "Another task of this cause is open already.")
