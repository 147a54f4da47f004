"""Communications: how one is logged, changed and taken back, and what it means for its client."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from crm_api.catalogues.service import known_entries
from crm_api.clients.repository import CLIENTS
from crm_api.clients.service import ClientService
from crm_api.communications.activity import moved_entry, read_tree
from crm_api.communications.drafting import (
    NO_FACTS,
    PLAIN,
    Draft,
    Facts,
    apply,
    settle_place,
    settle_time,
    tasks_of,
)
from crm_api.communications.repository import (
    COMMUNICATION_LISTING,
    COMMUNICATION_SHAPE,
    FACTS,
    HANGS_UNDER,
    PARTICIPANTS,
    SERVED_NOW,
    TASKS,
    TREES,
    client_beside,
    open_lifecycles,
)
from crm_api.communications.schemas import Communication
from crm_api.contacts.service import ContactService
from crm_api.core.access import StaleActor
from crm_api.core.db import Serialization
from crm_api.core.errors import Fault, Refusal
from crm_api.core.formats.dates import parse_instant
from crm_api.core.ids import new_id
from crm_api.core.jsonbody import Incoming
from crm_api.kit.changes import Entry
from crm_api.kit.deciding import Sifted, raise_faults, require_fields, require_some, sift
from crm_api.kit.editing import Edit, EditingService
from crm_api.kit.fields import Write as When
from crm_api.kit.filters import Filter
from crm_api.kit.idempotency import Claim, once
from crm_api.kit.replies import PageReply, Reply, one
from crm_api.kit.service import Items, Present
from crm_api.kit.writing import Following, Write, write_one
from crm_api.tasks.drafting import NewTask

MOVES = frozenset({"state", "occurred_at", "lifecycle"})
"""Columns that decide whether and when it counts as activity."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the user was when it was logged."""

    client_id: UUID | None = None
    contact_id: UUID | None = None


NOWHERE = Place()


class CommunicationService(EditingService):
    """The communications of one organization, as one actor may treat them."""

    resource = Communication
    listing = COMMUNICATION_LISTING
    parent = "communication_id"
    aside = (("client", client_beside),)

    def lifecycles(self) -> list[str]:
        return open_lifecycles(self.actor.rights)

    # ------------------------------------------------------------------ lists

    async def list_of_client(self, client_id: UUID, items: Items) -> PageReply:
        await ClientService(self.scope).require_visible(client_id)
        return await self.list(items, Filter("client_id", "eq", (client_id,)))

    async def list_of_contact(self, contact_id: UUID, items: Items) -> PageReply:
        people = ContactService(self.scope)
        await people.require_visible(contact_id)
        people.require_group("person", "read")
        return await self.list(items, Filter("contact_id", "eq", (contact_id,)))

    async def tree(self, client_id: UUID, workflow: str) -> str:
        await ClientService(self.scope).require_visible(client_id)
        self.require_read()
        return await read_tree(self.scope, client_id, workflow)

    # ----------------------------------------------------------------- create

    async def create(
        self,
        incoming: Incoming[Any],
        claim: Claim | None,
        place: Place = NOWHERE,
        *,
        dry_run: bool = False,
    ) -> Reply:
        """Log one, with all that follows from it: tasks, its tree, the client's last activity.

        Raises:
            Refusal: 404 for the place; 403 verb, then fields; 409 for a client that is not live;
                422 all faults at once.
        """
        if dry_run:
            async with self.scope.db.rehearsal(self.actor.organization_id):
                reply = await self.settled(partial(self._create, incoming, place, None))
            return Reply(reply.body, reply.etag)
        attempt = partial(self._create, incoming, place, claim)
        return await once(self.scope, claim, partial(self.settled, attempt), self.replayed)

    async def _create(self, incoming: Incoming[Any], place: Place, claim: Claim | None) -> Reply:
        """One try on the client as it stands."""
        sifted = sift(self.scope, Communication, incoming, When.ON_CREATE)
        draft = Draft(new_id(), {})
        if place.contact_id is not None:
            place = await self._of_contact(place.contact_id, sifted)
        asked = place.client_id or sifted.values.get("client_id")
        facts = await self._facts(asked, sifted, place.contact_id)
        if place.client_id is not None and facts.lifecycle is None:
            raise ClientService(self.scope).not_found()
        require_some(self.scope, Communication, "create")
        require_fields(self.scope, Communication, sifted, "create")
        self._require_links(sifted, place)
        apply(draft, sifted, sifted.values)
        _settle_client(draft, sifted, place, facts)
        _require_live(facts.lifecycle)
        if place.contact_id is not None and place.contact_id not in facts.known:
            raise Refusal("not_live", "The person is deleted; restore it first.")
        settle_time(draft, sifted)
        settle_place(draft, sifted, facts, await self._workflows())
        _require_somebody(draft, sifted)
        _check_known(sifted, facts)
        raise_faults(sifted)
        author = self.actor.id if self.actor.kind == "user" else None
        tasks = tasks_of(draft, sifted.values, author)
        return await self._insert(draft, facts, tasks, claim)

    async def _of_contact(self, contact_id: UUID, sifted: Sifted) -> Place:
        """The client that the person serves, where the body names none and there is but one."""
        await ContactService(self.scope).require_visible(contact_id)
        if sifted.values.get("client_id") is not None or "client_id" in sifted.unread:
            return Place(contact_id=contact_id)
        values = {"org": self.actor.organization_id, "contact_id": contact_id}
        rows = await self.scope.db.fetch(self.actor.organization_id, SERVED_NOW, values)
        if len(rows) > 1:
            sifted.fault("required", "The person serves several clients: say which.", "/client_id")
        return Place(rows[0]["client_id"] if len(rows) == 1 else None, contact_id)

    async def _facts(
        self, client_id: UUID | None, sifted: Sifted, contact_id: UUID | None = None
    ) -> Facts:
        values = sifted.values
        people = values.get("participants") or ()
        ids = [found for p in people for found in (p.contact_id, p.user_id) if found]
        ids += [contact_id] if contact_id else []
        ids += [i.assignee_id for i in values.get("action_items") or () if i.assignee_id]
        asked = {"client_id": client_id, "parent_id": values.get("parent_id"), "ids": ids}
        org = self.actor.organization_id
        row = await self.scope.db.fetchrow(org, FACTS, asked | {"org": org})
        seen = row["lifecycle"] in ClientService(self.scope).lifecycles()
        return Facts(
            row["lifecycle"] if seen else None,
            row["version"] or 0,
            row["last_activity_at"],
            row["parent_client_id"],
            row["parent_workflow"],
            frozenset((*(row["contacts"] or ()), *(row["users"] or ()))),
        )

    async def _workflows(self) -> Sequence[str]:
        known = await known_entries(self.scope.db, self.actor.organization)
        return [*known.workflows]

    def _require_links(self, sifted: Sifted, place: Place = NOWHERE) -> None:
        """Naming a contact takes reading persons, agreeing on something takes making tasks."""
        rights, values = self.actor.rights, sifted.values
        people = values.get("participants") or ()
        contacts = place.contact_id or any(one.contact_id for one in people)
        tasks = [name for name in ("action_items", "follow_up_on") if values.get(name)]
        missing = []
        if contacts and not rights.can("contacts", "read", "person"):
            missing.append(("contacts.person:read", "participants"))
        if tasks and not rights.can("tasks", "create", "task"):
            missing += [("tasks.task:create", name) for name in tasks]
        if missing:
            detail = f"This needs {', '.join(sorted({f'`{needs}`' for needs, _ in missing}))}."
            faults = [Fault("forbidden", detail, pointer=f"/{name}") for _, name in missing]
            raise Refusal("forbidden", detail, faults)

    async def _insert(
        self, draft: Draft, facts: Facts, tasks: Sequence[NewTask], claim: Claim | None
    ) -> Reply:
        client, workflow = draft.after.get("client_id"), draft.after.get("workflow")
        following, told = self._counted(draft, facts)
        write = Write(
            "insert",
            draft.id,
            draft.row(self.actor.id),
            [
                self.entry(draft.id, 1, "created", draft.diff()),
                *(task.entry(self.scope) for task in tasks),
                *told,
            ],
            replaced={PARTICIPANTS: draft.participant_rows()},
            added={TASKS: [task.row(self.actor.id) for task in tasks]} if tasks else {},
            ensured={TREES: [{"client_id": client, "workflow": workflow}]} if workflow else {},
            following=following,
        )
        found = await write_one(self.scope, COMMUNICATION_SHAPE, write, self.parent, claim)
        if found["body"] is None:
            raise Serialization if found["ok"] else StaleActor
        self.scope.verified = True
        return one(found["body"], status=201, location=f"{self.path}/{draft.id}")

    def _counted(self, draft: Draft, facts: Facts) -> tuple[Following | None, Sequence[Entry]]:
        """The client's last activity after a new one: it moves only forward (C11)."""
        if draft.after.get("client_id") is None:
            return None, ()
        before = after = facts.last_activity_at
        occurred = parse_instant(draft.after["occurred_at"])
        if draft.after["state"] == "held" and (before is None or before < occurred):
            after = occurred
        client = UUID(draft.after["client_id"])
        return self._following(client, facts.version, before, after)

    def _following(
        self, client_id: UUID, version: int, before: datetime | None, after: datetime | None
    ) -> tuple[Following, Sequence[Entry]]:
        following = Following(CLIENTS, client_id, "last_activity_at", before, after)
        if before == after:
            return following, ()
        return following, [moved_entry(self.scope, client_id, version, before, after)]

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
        """Merge the sent fields (RFC 7396): hold what was planned, void what was an error."""
        run = partial(self._patch, row_id, incoming, if_match, claim)
        if dry_run:
            async with self.scope.db.rehearsal(self.actor.organization_id):
                return await self.edited(incoming.raw, run)
        edit = partial(self.edited, incoming.raw, run)
        return await once(self.scope, claim, edit, self.replayed)

    def holds(self, raw: Mapping[str, Any]) -> bool:
        """The latest of the others counts, and a cycle could be closed from both ends at once."""
        return not raw.keys().isdisjoint({*MOVES, "parent_id"})

    async def _patch(
        self, row_id: UUID, incoming: Incoming[Any], if_match: str | None, claim: Claim | None
    ) -> Reply:
        present = await self.load(row_id, with_seen=if_match is not None)
        require_some(self.scope, Communication, "update")
        sifted = self.allowed(present, incoming, if_match)
        return await self.decide(present, sifted, Edit(claim=claim))

    def allowed(self, present: Present, incoming: Incoming[Any], if_match: str | None) -> Sifted:
        sifted = super().allowed(present, incoming, if_match)
        self._require_links(sifted)
        return sifted

    def require_live(self, present: Present) -> None:
        super().require_live(present)
        _require_live((_client_of(present) or {}).get("lifecycle"))

    async def decide(self, present: Present, sifted: Sifted, edit: Edit) -> Reply:
        """Check the content and write it; an edit that changes nothing leaves no trace."""
        draft = Draft(present.id, present.document)
        apply(draft, sifted, sifted.values)
        refers = not sifted.values.keys().isdisjoint({"participants", "parent_id"})
        facts = await self._facts(None, sifted) if refers else NO_FACTS
        settle_time(draft, sifted)
        settle_place(draft, sifted, facts, ())
        _check_known(sifted, facts, draft.before["participants"])
        if "parent_id" in draft.diff() and await self._closes_cycle(draft):
            sifted.fault("cycle", "It would hang under itself.", "/parent_id")
        raise_faults(sifted)
        diff = draft.diff()
        if not diff:
            return await self.unchanged(present.id)
        row = {name: draft.after[name] for name in PLAIN if name in diff}
        people = {PARTICIPANTS: draft.participant_rows()} if "participants" in diff else {}
        return await self.update(present, row, diff, edit.action, replaced=people, claim=edit.claim)

    async def _closes_cycle(self, draft: Draft) -> bool:
        parent = draft.after["parent_id"]
        if parent is None:
            return False
        org = self.actor.organization_id
        values = {"org": org, "parent_id": UUID(parent), "id": draft.id}
        row = await self.scope.db.fetchrow(org, HANGS_UNDER, values)
        return bool(row["times"])

    def follows(
        self, present: Present, row: Mapping[str, Any]
    ) -> tuple[Following | None, Sequence[Entry]]:
        """The client's last activity after a change: the latest that is held and live (C11).

        Under the head's lock, so that the latest of the others stays the latest.
        """
        client = _client_of(present)
        if client is None or MOVES.isdisjoint(row):
            return None, ()
        _require_live(client["lifecycle"])
        after = {**present.row, **row}
        times = [client["latest_other"]]
        if after["state"] == "held" and after["lifecycle"] == "live":
            times.append(after["occurred_at"])
        latest = max((parse_instant(text) for text in times if text is not None), default=None)
        before = client["last_activity_at"] and parse_instant(client["last_activity_at"])
        client_id = UUID(present.document["client_id"])
        return self._following(client_id, client["version"], before, latest)

    # -------------------------------------------------------------- lifecycle

    async def delete(self, row_id: UUID, if_match: str | None, claim: Claim | None = None) -> None:
        """Delete softly: one's own, or anybody's with the right to that."""
        async with self.locked():
            present = await self.load(row_id)
            is_own = present.document["recorded_by"] == str(self.actor.id)
            verb = "delete_own" if is_own else "delete"
            if self.actor.rights.can("communications", "delete"):
                verb = "delete"
            await self.move(row_id, verb, "deleted", "deleted", ("live",), if_match, claim)

    async def restore(
        self, row_id: UUID, if_match: str | None, claim: Claim | None = None
    ) -> Reply:
        sources = ("deleted",)
        async with self.locked():
            return await self.move(row_id, "restore", "restored", "live", sources, if_match, claim)


def _client_of(present: Present) -> dict[str, Any] | None:
    found = present.found["client"]
    return None if found is None else json.loads(found)


def _require_live(lifecycle: str | None) -> None:
    if lifecycle not in (None, "live"):
        raise Refusal("not_live", f"The client is {lifecycle}; restore it first.")


def _settle_client(draft: Draft, sifted: Sifted, place: Place, facts: Facts) -> None:
    """The client of the place, or the one that was sent, and the person of the place."""
    sent = draft.after.get("client_id")
    if place.client_id is not None:
        if sent not in (None, str(place.client_id)):
            sifted.fault("other_client", "The path names another client.", "/client_id")
        draft.after["client_id"] = str(place.client_id)
    elif sent is not None and facts.lifecycle is None:
        sifted.fault("unknown_client", "There is no client with this id.", "/client_id")
    people = draft.after.setdefault("participants", [])
    if place.contact_id is not None:
        person = {"contact_id": str(place.contact_id), "user_id": None, "name": None}
        if person not in people:
            people.insert(0, person)


def _require_somebody(draft: Draft, sifted: Sifted) -> None:
    named = ("client_id", "participants")
    if not any(draft.after.get(name) or name in sifted.unread for name in named):
        detail = "Say with whom: send `client_id`, or who took part."
        place = "/participants" if "participants" in sifted.values else "/client_id"
        sifted.fault("required", detail, place)


def _check_known(sifted: Sifted, facts: Facts, stood: Sequence[Mapping[str, Any]] = ()) -> None:
    """A new reference is to a live contact or an active user; one that stands there may stay."""
    before = {str(item[key]) for item in stood for key in ("contact_id", "user_id")}
    for n, person in enumerate(sifted.values.get("participants") or ()):
        for name, found in (("contact", person.contact_id), ("user", person.user_id)):
            if found is not None and found not in facts.known and str(found) not in before:
                what = "contact" if name == "contact" else "active user"
                detail = f"There is no {what} with this id."
                sifted.fault(f"unknown_{name}", detail, f"/participants/{n}/{name}_id")
    for n, item in enumerate(sifted.values.get("action_items") or ()):
        if item.assignee_id is not None and item.assignee_id not in facts.known:
            detail = "There is no active user with this id."
            sifted.fault("unknown_user", detail, f"/action_items/{n}/assignee_id")
