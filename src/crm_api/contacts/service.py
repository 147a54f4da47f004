"""Contacts: what may be done with a person, in which order it is refused, and what follows."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from crm_api.contacts.drafting import EMPTY, PLAIN, sort_key
from crm_api.contacts.reach import (
    email_rows,
    phone_rows,
    settle_emails,
    settle_phones,
    stored_email_rows,
    stored_phone_rows,
)
from crm_api.contacts.repository import (
    ACTIVE_USERS,
    BINDS,
    BLOCKED_BY_EMAIL,
    CONTACT_LISTING,
    CONTACT_SHAPE,
    CONTACT_TREE,
    EMAILS,
    LIVE_CONTACTS,
    MAX_TREE,
    PHONES,
    leads_to,
    live_links,
    open_lifecycles,
)
from crm_api.contacts.schemas import Contact
from crm_api.contacts.verification import VerifyingService
from crm_api.core.access import StaleActor
from crm_api.core.db import UniqueClash
from crm_api.core.errors import Fault, Refusal
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
from crm_api.kit.fields import Write as When
from crm_api.kit.idempotency import Claim, once
from crm_api.kit.plain import wire_value
from crm_api.kit.reading import found_by_id
from crm_api.kit.replies import Reply, one
from crm_api.kit.trees import branches
from crm_api.kit.writing import Write, write_one

IDEMPOTENCY_KEY = "pk_idempotency_records"


class Draft:
    """What a contact shall be after the write."""

    def __init__(self, contact_id: UUID, before: Mapping[str, Any]) -> None:
        self.id = contact_id
        self.before = before
        self.after: dict[str, Any] = {}
        self.row: dict[str, Any] = {}
        self.replaced: dict[Any, list[dict[str, Any]]] = {}
        self.email_keys: list[str] = []

    def diff(self) -> dict[str, tuple[Any, Any]]:
        return {
            name: (self.before.get(name), value)
            for name, value in self.after.items()
            if self.before.get(name) != value
            and (self.before or value not in (None, EMPTY.get(name)))
        }


class ContactService(VerifyingService):
    """The contacts of one organization, as one actor may treat them."""

    resource = Contact
    listing = CONTACT_LISTING
    parent = "contact_id"
    binds = BINDS
    reach_group = "person_reach"
    point_tables: ClassVar = {
        "emails": (EMAILS, stored_email_rows),
        "phones": (PHONES, stored_phone_rows),
    }

    def lifecycles(self) -> list[str]:
        return open_lifecycles(self.actor.rights)

    async def create(
        self, incoming: Incoming[Any], claim: Claim | None, *, dry_run: bool = False
    ) -> Reply:
        """A new person.

        Raises:
            Refusal: 403 verb, then fields; 422 all faults at once; 409 for an address in use.
        """
        if dry_run:
            async with self.scope.db.rehearsal(self.actor.organization_id):
                reply = await self._create(incoming, None)
            return Reply(reply.body, reply.etag)
        return await once(self.scope, claim, partial(self._create, incoming, claim), self.replayed)

    async def _create(self, incoming: Incoming[Any], claim: Claim | None) -> Reply:
        require_some(self.scope, Contact, "create")
        sifted = sift(self.scope, Contact, incoming, When.ON_CREATE)
        require_fields(self.scope, Contact, sifted, "create")
        draft = Draft(new_id(), {})
        draft.after |= EMPTY
        self._apply(draft, sifted)
        await self._check_references(draft, sifted)
        raise_faults(sifted)
        row = draft.row | {"id": str(draft.id), "version": 1, "lifecycle": "live"}
        row |= {name: draft.after.get(name) for name in PLAIN}
        entry = self.entry(draft.id, 1, "created", draft.diff())
        replaced = {table: draft.replaced.get(table, []) for table in (EMAILS, PHONES)}
        write = Write("insert", draft.id, row, [entry], replaced=replaced)
        try:
            found = await write_one(self.scope, CONTACT_SHAPE, write, self.parent, claim)
        except UniqueClash as clash:
            raise await self._clashed(clash, draft) from None
        if found["body"] is None:
            raise StaleActor
        self.scope.verified = True
        return one(found["body"], status=201, location=f"{self.path}/{draft.id}")

    async def patch(
        self,
        contact_id: UUID,
        incoming: Incoming[Any],
        if_match: str | None,
        *,
        dry_run: bool = False,
    ) -> Reply:
        """Merge the sent fields (RFC 7396)."""
        run = partial(self._patch, contact_id, incoming, if_match)
        if dry_run:
            async with self.scope.db.rehearsal(self.actor.organization_id):
                return await self.settled(run)
        if incoming.raw.get("reports_to_id") is not None:
            # A cycle could be closed from both ends at once: look and write under the lock.
            async with self.locked():
                return await run()
        return await self.settled(run)

    async def _patch(
        self, contact_id: UUID, incoming: Incoming[Any], if_match: str | None
    ) -> Reply:
        present = await self.load(contact_id, with_seen=if_match is not None)
        require_some(self.scope, Contact, "update")
        sifted = sift(self.scope, Contact, incoming, When.LATER, current=present.document)
        require_fields(self.scope, Contact, sifted, "update")
        require_current(if_match, present.seen, incoming.raw)
        self.require_live(present)
        draft = Draft(contact_id, present.document)
        self._apply(draft, sifted)
        await self._check_references(draft, sifted)
        raise_faults(sifted)
        diff = draft.diff()
        if not diff:
            return await self.unchanged(contact_id)
        row = {name: draft.after[name] for name in PLAIN if name in diff} | draft.row
        fields = {EMAILS: "emails", PHONES: "phones"}
        replaced = {t: rows for t, rows in draft.replaced.items() if fields[t] in diff}
        try:
            return await self.update(present, row, diff, "updated", replaced=replaced)
        except UniqueClash as clash:
            raise await self._clashed(clash, draft) from None

    def _apply(self, draft: Draft, sifted: Sifted) -> None:
        """Take the accepted values; faults are collected."""
        for name, value in sifted.values.items():
            if name in PLAIN:
                draft.after[name] = wire_value(value)
        if "name" in sifted.values:
            draft.row["name_key"] = sort_key(sifted.values["name"])
            if draft.row["name_key"] is None:
                sifted.fault("invalid_name", "Write a name of letters or digits.", "/name")
        if "emails" in sifted.values:
            emails = settle_emails(
                sifted.values["emails"], draft.before.get("emails", []), "/emails"
            )
            draft.after["emails"], draft.email_keys = emails.items, emails.keys
            draft.replaced[EMAILS] = email_rows(emails, self.parent, draft.id)
            sifted.faults += emails.faults
        if "phones" in sifted.values:
            country = self.actor.organization.default_country
            phones = settle_phones(
                sifted.values["phones"], draft.before.get("phones", []), "/phones", country
            )
            draft.after["phones"] = phones.items
            draft.replaced[PHONES] = phone_rows(phones, self.parent, draft.id)
            sifted.faults += phones.faults

    async def _check_references(self, draft: Draft, sifted: Sifted) -> None:
        sent = sifted.values
        # A reference that stands there already may be sent back, whatever became of its record.
        owner, superior = (
            None if str(sent.get(name)) == draft.before.get(name) else sent.get(name)
            for name in ("owner_id", "reports_to_id")
        )
        if owner is not None and not await found_by_id(self.scope, ACTIVE_USERS, [owner]):
            sifted.fault("unknown_user", "There is no active user with this id.", "/owner_id")
        if superior is None:
            return
        if superior != draft.id and not await found_by_id(self.scope, LIVE_CONTACTS, [superior]):
            sifted.fault("unknown_contact", "There is no contact with this id.", "/reports_to_id")
        elif superior == draft.id or await leads_to(self.scope, superior, draft.id):
            sifted.fault(
                "cycle", "This would make the person report to themselves.", "/reports_to_id"
            )

    async def _clashed(self, clash: UniqueClash, draft: Draft) -> Exception:
        if clash.constraint != "uq_contact_emails_key":
            return clash
        values = {"org": self.actor.organization_id, "id": draft.id, "keys": draft.email_keys}
        rows = await self.scope.db.fetch(self.actor.organization_id, BLOCKED_BY_EMAIL, values)
        shown = [self._candidate(row) for row in rows]
        inactive = bool(rows) and all(row["lifecycle"] != "live" for row in rows)
        code = "email_in_use_inactive" if inactive else "email_in_use"
        taken = {row["key"] for row in rows}
        detail = "Another contact has this e-mail address."
        faults = [
            Fault(code, detail, pointer=f"/emails/{n}")
            for n, k in enumerate(draft.email_keys)
            if k in taken
        ]
        calls = [
            {"action": "open", "method": "GET", "path": f"{self.path}/{c['id']}"}
            for c in shown
            if "id" in c
        ]
        return Refusal(code, detail, faults, members={"candidates": shown, "next": calls})

    def _candidate(self, row: Mapping[str, Any]) -> dict[str, Any]:
        base: dict[str, Any] = {"score": 1.0, "reasons": ["same_email"]}
        if row["lifecycle"] not in self.lifecycles() or not self.actor.rights.can(
            "contacts", "read", "person"
        ):
            return {"visibility": "not_visible"} | base
        return {"visibility": row["lifecycle"], "id": str(row["id"]), "name": row["name"]} | base

    async def tree(self, contact_id: UUID, depth: int) -> str:
        """The line of reporting that the person stands in."""
        found = await branches(self.scope, CONTACT_TREE, contact_id, depth, MAX_TREE)
        if found is None:
            raise self.not_found()
        self.require_group("coding", "read")
        return found.told("contact_id", contact_id)

    async def delete(self, contact_id: UUID, if_match: str | None) -> None:
        """Delete softly; a person who serves a client stays until the link is ended or removed."""
        async with self.locked():
            present = await self.load(contact_id)
            self.scope.require("contacts", "delete")
            if present.lifecycle == "live" and await live_links(self.scope, contact_id):
                detail = "The person still serves a client; end or remove those links first."
                raise Refusal("still_linked", detail)
            await self.move(contact_id, "delete", "deleted", "deleted", ("live",), if_match)

    async def restore(
        self, contact_id: UUID, if_match: str | None, claim: Claim | None = None
    ) -> Reply:
        sources = ("deleted",)
        return await self.move(contact_id, "restore", "restored", "live", sources, if_match, claim)
