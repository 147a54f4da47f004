"""Clients: what may be done with them, in which order it is refused, and what follows from it."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from crm_api.catalogues.service import Catalogues, known_entries
from crm_api.clients.changing import derive_change, draft_change, moved_identity
from crm_api.clients.conflicts import Blocked, explain_clash, seen_candidate
from crm_api.clients.creating import check_reach, client_entries, client_row, draft_client
from crm_api.clients.drafting import Draft, derive, finish_row, identity_of
from crm_api.clients.listing import BINDS, CLIENT_LISTING, CLIENT_SUGGESTING
from crm_api.clients.lookups import has_contact_reach, promote_identity, tag_entries
from crm_api.clients.pairs import with_pairs
from crm_api.clients.people import NewPeople, new_people
from crm_api.clients.repository import (
    CHILDREN,
    CLIENT_SHAPE,
    EMAILS,
    LINKS,
    PHONES,
    REFS,
    TAGS,
    open_lifecycles,
)
from crm_api.clients.rules import check_pairs, check_references, require_options, seen_pairs
from crm_api.clients.schemas import Client
from crm_api.clients.stages import may_close, moves_to_closed, reopens, require_closable
from crm_api.contacts.reach import (
    email_rows,
    stored_email_rows,
    stored_phone_rows,
    without_emails,
)
from crm_api.contacts.verification import VerifyingService
from crm_api.core.access import StaleActor
from crm_api.core.db import UniqueClash
from crm_api.core.jsonbody import Incoming
from crm_api.kit.deciding import (
    Sifted,
    raise_faults,
    require_absent,
    require_fields,
    require_some,
    sift,
)
from crm_api.kit.editing import Edit
from crm_api.kit.fields import Write as When
from crm_api.kit.idempotency import Claim, once
from crm_api.kit.refs import ref_keys
from crm_api.kit.replies import Reply, one
from crm_api.kit.schemas import Create, Patch
from crm_api.kit.service import Present
from crm_api.kit.writing import Write, write_one

IDEMPOTENCY_KEY, IDENTITY = "pk_idempotency_records", "uq_clients_identity"


class ClientService(VerifyingService):
    """The clients of one organization, as one actor may treat them."""

    resource = Client
    listing = CLIENT_LISTING
    suggesting = CLIENT_SUGGESTING
    parent = "client_id"
    aside = (("contact_reach", has_contact_reach),)
    binds = BINDS
    refs = REFS
    reach_group = "reach"
    point_tables: ClassVar = {
        "emails": (EMAILS, stored_email_rows),
        "phones": (PHONES, stored_phone_rows),
    }

    def lifecycles(self) -> list[str]:
        return open_lifecycles(self.actor.rights)

    # ----------------------------------------------------------------- create

    async def create(
        self, incoming: Incoming[Any], claim: Claim | None, *, dry_run: bool = False
    ) -> Reply:
        """A new client with all that it came with, or nothing.

        Raises:
            Refusal: 403 verb, then fields; 422 all faults at once; 409 naming who is in the way.
        """
        if dry_run:
            async with self.scope.db.rehearsal(self.actor.organization_id):
                reply = await self.make(incoming, None)
            return Reply(reply.body, reply.etag)
        return await once(self.scope, claim, partial(self.make, incoming, claim), self.replayed)

    async def make(
        self, incoming: Incoming[Any], claim: Claim | None, if_match: str | None = None
    ) -> Reply:
        require_some(self.scope, Client, "create")
        incoming = with_pairs(incoming, Create[Client], {})
        organization = self.actor.organization
        known = await known_entries(self.scope.db, organization)
        defaults = {"type": known.default_type}
        options = tuple(Client.create_options)
        sifted = sift(
            self.scope, Client, incoming, When.ON_CREATE, free_defaults=defaults, options=options
        )
        check_pairs(sifted, incoming.raw)
        people = new_people(sifted)
        require_fields(self.scope, Client, sifted, "create")
        people.require_rights(self.scope)
        require_options(self.scope, sifted)
        require_absent(if_match)
        if not people.linked_ids:
            return await self._decide_create(sifted, people, known, claim)
        # A person who is linked must not be deleted meanwhile.
        async with self.locked():
            return await self._decide_create(sifted, people, known, claim)

    async def _decide_create(
        self, sifted: Sifted, people: NewPeople, known: Catalogues, claim: Claim | None
    ) -> Reply:
        organization = self.actor.organization
        draft = draft_client(sifted.values, people, organization, known)
        await check_references(self.scope, draft, sifted.values, people)
        check_reach(draft, people, sifted.faults)
        sifted.faults += draft.faults
        raise_faults(sifted)
        derive(draft, organization, contact_reach=people.has_reach, primary=people.primary_link_id)
        return await self._insert(draft, people, sifted, claim)

    async def _insert(
        self, draft: Draft, people: NewPeople, sifted: Sifted, claim: Claim | None
    ) -> Reply:
        try:
            return await self._insert_named(draft, people, sifted, claim)
        except UniqueClash as clash:
            blocked = await self._blocked(clash, draft, people)
            if blocked.kind != "emails" or sifted.options.get("on_inactive") != "create":
                raise blocked.refusal from None
        return await self._insert_taking_over(blocked, draft, people, sifted, claim)

    async def _insert_named(
        self, draft: Draft, people: NewPeople, sifted: Sifted, claim: Claim | None
    ) -> Reply:
        """Under its name; beside another of that name only where the caller said so."""
        try:
            return await self._insert_once(draft, people, "", claim)
        except UniqueClash as clash:
            if clash.constraint != IDENTITY or not sifted.options.get("allow_duplicate"):
                raise
        return await self._insert_once(draft, people, str(draft.client_id), claim)

    async def _insert_taking_over(
        self,
        blocked: Blocked,
        draft: Draft,
        people: NewPeople,
        sifted: Sifted,
        claim: Claim | None,
    ) -> Reply:
        """The address leaves the inactive holder in the same transaction."""
        visible = self.lifecycles()
        hidden = any(holder["lifecycle"] not in visible for holder in blocked.holders)
        if blocked.refusal.code != "email_in_use_inactive" or hidden:
            raise blocked.refusal
        async with self.locked():
            for holder_id in {holder["id"] for holder in blocked.holders}:
                await self._release_emails(holder_id, set(draft.email_keys))
            try:
                return await self._insert_named(draft, people, sifted, claim)
            except UniqueClash as clash:
                raise (await self._blocked(clash, draft, people)).refusal from None

    async def _release_emails(self, client_id: UUID, keys: set[str]) -> None:
        present = await self.load(client_id)
        before = present.document["emails"]
        left = without_emails(before, keys)
        rows = email_rows(left, self.parent, client_id)
        draft = Draft(client_id, present.document, after={"emails": left.items})
        derive_change(draft, present, self.actor.organization)
        row, moved = finish_row(draft), moved_identity(draft, present)
        if moved:
            # An individual is told apart by its address; what is left must not clash here.
            row |= moved | {"identity_slot": str(client_id)}
        replaced = {EMAILS: rows}
        await self.update(present, row, draft.diff(), "email_released", replaced=replaced)
        if moved:
            await promote_identity(self.scope.db, self.actor.organization_id, present.row)

    async def _insert_once(
        self, draft: Draft, people: NewPeople, slot: str, claim: Claim | None
    ) -> Reply:
        write = Write(
            "insert",
            draft.client_id,
            client_row(draft, people, slot),
            client_entries(self.scope, draft, people),
            replaced={t: draft.replaced.get(t, []) for t in CHILDREN} | {LINKS: people.links},
            added=people.rows,
            ensured=tag_entries(draft.replaced.get(TAGS, [])),
            numbers=1,
        )
        found = await write_one(self.scope, CLIENT_SHAPE, write, self.parent, claim)
        if found["body"] is None:
            raise StaleActor
        self.scope.verified = True
        return one(found["body"], status=201, location=f"{self.path}/{draft.client_id}")

    async def _blocked(self, clash: UniqueClash, draft: Draft, people: NewPeople) -> Blocked:
        if clash.constraint == IDEMPOTENCY_KEY:
            raise clash
        facts = {
            "id": draft.client_id,
            "digest": identity_of(draft),
            "email_keys": draft.email_keys,
            "contact_email_keys": people.email_keys,
            "registration_key": draft.row.get("registration_key"),
            "ref_keys": ref_keys(draft.after.get("external_refs")),
        }
        return await explain_clash(self.scope, clash, facts)

    def seen_candidate(self, told: Mapping[str, Any]) -> dict[str, Any]:
        return seen_candidate(self.scope, told)

    # ------------------------------------------------------------------ patch

    async def patch(
        self,
        client_id: UUID,
        incoming: Incoming[Any],
        if_match: str | None,
        *,
        dry_run: bool = False,
        claim: Claim | None = None,
    ) -> Reply:
        """Merge the sent fields (RFC 7396).

        Raises:
            Refusal: 404; 403 verb, then fields; 412; 409 not live; 422; 409 in use; nothing is
                changed by any of them.
        """
        run = partial(self._patch, client_id, incoming, if_match, claim)
        if dry_run:
            async with self.scope.db.rehearsal(self.actor.organization_id):
                return await self.edited(incoming.raw, run)
        edit = partial(self.edited, incoming.raw, run)
        return await once(self.scope, claim, edit, self.replayed)

    async def _patch(
        self, client_id: UUID, incoming: Incoming[Any], if_match: str | None, claim: Claim | None
    ) -> Reply:
        """One try on the row as it stands."""
        present = await self.load(client_id, with_seen=if_match is not None)
        require_some(self.scope, Client, "update")
        return await self.decide(
            present, self.allowed(present, incoming, if_match), Edit(claim=claim)
        )

    def holds(self, raw: Mapping[str, Any]) -> bool:
        """Without own addresses those of its persons count, and they must not go meanwhile.

        Nor may a follow-up be opened while a client is closed.
        """
        return may_close(raw) or any(n in raw and not raw[n] for n in ("emails", "phones"))

    def require_options(self, sifted: Sifted) -> None:
        require_options(self.scope, sifted)

    def allowed(self, present: Present, incoming: Incoming[Any], if_match: str | None) -> Sifted:
        """Pairs that were typed are written out first: they take the rights to what they say."""
        document = seen_pairs(self.scope, present.document)
        said = with_pairs(incoming, Patch[Client], document)
        sifted = super().allowed(present, said, if_match)
        check_pairs(sifted, said.raw)
        return sifted

    async def decide(self, present: Present, sifted: Sifted, edit: Edit) -> Reply:
        """Check the content and write it; an edit that changes nothing leaves no trace."""
        values = {**sifted.values, **edit.besides}
        known = await known_entries(self.scope.db, self.actor.organization)
        draft = draft_change(present, values, self.actor.organization, known, stood=edit.stood)
        if moves_to_closed(draft):
            await require_closable(self.scope, present.id)
        await check_references(self.scope, draft, values, None)
        sifted.faults += draft.faults
        raise_faults(sifted)
        derive_change(draft, present, self.actor.organization)
        if not draft.diff():
            return await self.unchanged(present.id)
        return await self._apply(draft, present, sifted, edit)

    async def _apply(self, draft: Draft, present: Present, sifted: Sifted, edit: Edit) -> Reply:
        moved = moved_identity(draft, present)
        try:
            try:
                return await self._apply_named(draft, present, moved, edit)
            except UniqueClash as clash:
                if clash.constraint != IDENTITY or not sifted.options.get("allow_duplicate"):
                    raise
            moved["identity_slot"] = str(draft.client_id)
            return await self._apply_named(draft, present, moved, edit)
        except UniqueClash as clash:
            raise (await self._blocked(clash, draft, NewPeople())).refusal from None

    async def _apply_named(
        self, draft: Draft, present: Present, moved: dict[str, Any], edit: Edit
    ) -> Reply:
        diff, row = draft.diff(), finish_row(draft) | moved
        action = "reopened" if reopens(draft) and edit.action == "updated" else edit.action
        replaced = {t: rows for t, rows in draft.replaced.items() if CHILDREN[t] in diff}
        tags = tag_entries(replaced.get(TAGS, []))

        async def apply_now() -> Reply:
            return await self.update(
                present,
                row,
                diff,
                action,
                replaced=replaced,
                ensured=tags,
                claim=edit.claim,
            )

        return await (self._moving_identity(present, apply_now) if moved else apply_now())

    async def _moving_identity(self, present: Present, apply_now: Any) -> Reply:
        """When a name is given up, an allowed duplicate of it takes its place in the constraint."""
        async with self.locked():
            reply: Reply = await apply_now()
            await promote_identity(self.scope.db, self.actor.organization_id, present.row)
            return reply

    # -------------------------------------------------------------- lifecycle

    async def archive(
        self, client_id: UUID, if_match: str | None, claim: Claim | None = None
    ) -> Reply:
        sources = ("live",)
        return await self.move(
            client_id, "archive", "archived", "archived", sources, if_match, claim
        )

    async def restore(
        self, client_id: UUID, if_match: str | None, claim: Claim | None = None
    ) -> Reply:
        """Back to live: from archived, or (who reads them) from deleted."""
        sources = ("archived", "deleted")
        return await self.move(client_id, "restore", "restored", "live", sources, if_match, claim)

    async def delete(
        self, client_id: UUID, if_match: str | None, claim: Claim | None = None
    ) -> None:
        sources = ("live", "archived")
        await self.move(client_id, "delete", "deleted", "deleted", sources, if_match, claim)
