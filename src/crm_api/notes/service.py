"""Notes: what may be done with them, in which order it is refused, and what follows."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from crm_api.catalogues.presets import DEFAULT_WORKFLOW
from crm_api.catalogues.service import known_entries
from crm_api.clients.service import ClientService
from crm_api.clients.statements import standing_of
from crm_api.core.access import StaleActor
from crm_api.core.errors import Refusal
from crm_api.core.ids import new_id
from crm_api.core.jsonbody import Incoming
from crm_api.kit.deciding import (
    Sifted,
    raise_faults,
    require_current,
    require_fields,
    require_row,
    require_some,
    sift,
)
from crm_api.kit.editing import Edit, EditingService
from crm_api.kit.fields import Write as When
from crm_api.kit.filters import Filter
from crm_api.kit.idempotency import Claim, once
from crm_api.kit.plain import plain_fields, wire_value
from crm_api.kit.replies import PageReply, Reply, one
from crm_api.kit.service import Items, Present
from crm_api.kit.writing import Write, write_one
from crm_api.notes.pairs import PairsOfNote, pairs_of
from crm_api.notes.repository import NOTE_LISTING, NOTES, client_lifecycle
from crm_api.notes.schemas import Note

PLAIN = plain_fields(Note, NOTES)
BEGINS = {"kind": "general", "pinned": False, "workflow": DEFAULT_WORKFLOW}


class NoteService(EditingService):
    """The notes of one organization, as one actor may treat them."""

    resource = Note
    listing = NOTE_LISTING
    parent = "note_id"
    aside = (("client_lifecycle", client_lifecycle),)

    def lifecycles(self) -> list[str]:
        return ["live"]

    async def list_of(self, client_id: UUID, items: Items) -> PageReply:
        """One page of the notes of a client; the pinned ones first, then the latest, unless said.

        Raises:
            Refusal: 404 for the client; 403 for who reads no kind of note.
        """
        await self._standing(client_id)
        return await self.list(items, Filter("client_id", "eq", (client_id,)))

    async def _standing(self, client_id: UUID) -> str:
        lifecycle = await standing_of(self.scope, client_id)
        if lifecycle is None:
            raise ClientService(self.scope).not_found()
        return lifecycle

    # ----------------------------------------------------------------- create

    async def create(
        self,
        client_id: UUID,
        incoming: Incoming[Any],
        claim: Claim | None,
        *,
        dry_run: bool = False,
    ) -> Reply:
        """Write something down about a client.

        Raises:
            Refusal: 404 for the client; 403 verb, then fields, then the kind's group; 409 not
                live; 422 all faults at once.
        """
        if dry_run:
            async with self.scope.db.rehearsal(self.actor.organization_id):
                reply = await self.settled(partial(self._create, client_id, incoming, None))
            return Reply(reply.body, reply.etag)
        run = partial(self._create, client_id, incoming, claim)
        return await once(self.scope, claim, partial(self.settled, run), self.replayed)

    async def _create(self, client_id: UUID, incoming: Incoming[Any], claim: Claim | None) -> Reply:
        lifecycle = await self._standing(client_id)
        require_some(self.scope, Note, "create")
        sifted = sift(self.scope, Note, incoming, When.ON_CREATE)
        require_fields(self.scope, Note, sifted, "create")
        kind = sifted.values.get("kind", BEGINS["kind"])
        if "kind" not in sifted.unread:
            # Who could not read it afterwards could not be answered, nor mend it.
            require_row(self.scope, Note, kind, "read", "create")
        stored = await self.finished(claim)
        if stored is not None:
            return self.replayed(stored)
        _require_live(lifecycle)
        sent = {name: wire_value(value) for name, value in sifted.values.items()}
        told = {"client_id": str(client_id)} | BEGINS | sent
        pairs = await pairs_of(self.scope, client_id, {}, told)
        await self._check_workflow(sifted, None)
        raise_faults(sifted)
        return await self._with(pairs, partial(self._insert, told, claim))

    async def _with(
        self, pairs: PairsOfNote | None, write: Callable[[], Awaitable[Reply]]
    ) -> Reply:
        """The write of the note, and what it says of the client: both, or nothing."""
        if pairs is None:
            return await write()
        async with self.locked():
            await pairs.write()
            return await write()

    async def _insert(self, told: Mapping[str, Any], claim: Claim | None) -> Reply:
        row_id = new_id()
        row = {
            **told,
            "id": str(row_id),
            "version": 1,
            "lifecycle": "live",
            "created_by": str(self.actor.id),
            "created_by_type": self.actor.kind,
        }
        diff = {name: (None, value) for name, value in told.items() if value is not False}
        write = Write("insert", row_id, row, [self.entry(row_id, 1, "created", diff)])
        found = await write_one(self.scope, self.shape, write, self.parent, claim)
        if found["body"] is None:
            raise StaleActor
        self.scope.verified = True
        return one(found["body"], status=201, location=f"{self.path}/{row_id}")

    async def _check_workflow(self, sifted: Sifted, present: str | None) -> None:
        workflow = sifted.values.get("workflow", present)
        if workflow in (present, DEFAULT_WORKFLOW):
            return
        known = await known_entries(self.scope.db, self.actor.organization)
        if workflow not in known.workflows:
            detail = "No such entry; `GET /v1/catalogues/workflows` lists them."
            sifted.fault("unknown_catalogue_entry", detail, "/workflow")

    # ----------------------------------------------------------- patch, delete

    async def patch(self, row_id: UUID, incoming: Incoming[Any], if_match: str | None) -> Reply:
        """Merge the sent fields (RFC 7396); another kind takes the rights to both.

        Raises:
            Refusal: 404; 403 verb, then fields, then the kind's group; 412; 409 not live; 422.
        """
        return await self.edited(incoming.raw, partial(self._patch, row_id, incoming, if_match))

    async def _patch(self, row_id: UUID, incoming: Incoming[Any], if_match: str | None) -> Reply:
        present = await self.load(row_id, with_seen=if_match is not None)
        require_some(self.scope, Note, "update")
        require_row(self.scope, Note, present.document["kind"], "update")
        return await self.decide(present, self.allowed(present, incoming, if_match), Edit())

    def require_options(self, sifted: Sifted) -> None:
        require_row(self.scope, Note, sifted.values.get("kind"), "read", "update")

    def require_live(self, present: Present) -> None:
        _require_live(present.found["client_lifecycle"])

    async def decide(self, present: Present, sifted: Sifted, edit: Edit) -> Reply:
        """Check the content and write it; an edit that changes nothing leaves no trace."""
        before = present.document
        sent = {name: wire_value(value) for name, value in sifted.values.items()}
        client_id = UUID(before["client_id"])
        pairs = await pairs_of(self.scope, client_id, before, before | sent)
        await self._check_workflow(sifted, before["workflow"])
        raise_faults(sifted)
        diff = {n: (before[n], value) for n, value in sent.items() if before[n] != value}
        if not diff:
            return await self.unchanged(present.id)
        row = {name: sent[name] for name in diff}
        return await self._with(pairs, partial(self.update, present, row, diff, edit.action))

    async def delete(self, row_id: UUID, if_match: str | None) -> None:
        """Delete softly: the right to change it is enough."""

        async def attempt() -> Reply:
            present = await self.load(row_id, with_seen=if_match is not None)
            require_some(self.scope, Note, "update")
            require_row(self.scope, Note, present.document["kind"], "update")
            require_current(if_match, present.seen, ())
            self.require_live(present)
            note = present.document
            pairs = await pairs_of(self.scope, UUID(note["client_id"]), note, {})
            row, diff = {"lifecycle": "deleted"}, {"lifecycle": ("live", "deleted")}
            return await self._with(pairs, partial(self.update, present, row, diff, "deleted"))

        await self.settled(attempt)


def _require_live(lifecycle: str) -> None:
    """Of the client."""
    if lifecycle != "live":
        raise Refusal("not_live", f"The client is {lifecycle}; restore it first.")
