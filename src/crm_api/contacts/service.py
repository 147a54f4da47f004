"""Contacts: what may be done with a person, in which order it is refused, and what follows."""

from collections.abc import Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, ClassVar
from uuid import UUID

from crm_api.contacts.cards import VCARD
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
    BLOCKED_BY_REF,
    CONTACT_LISTING,
    CONTACT_SHAPE,
    CONTACT_SUGGESTING,
    CONTACT_TREE,
    EMAILS,
    LIVE_CONTACTS,
    MAX_TREE,
    PHONES,
    REFS,
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
    require_absent,
    require_fields,
    require_some,
    sift,
)
from crm_api.kit.editing import Edit
from crm_api.kit.fields import Write as When
from crm_api.kit.formats import TABLES
from crm_api.kit.idempotency import Claim, once
from crm_api.kit.plain import wire_value
from crm_api.kit.reading import found_by_id
from crm_api.kit.refs import has_repeats, ref_keys, ref_rows
from crm_api.kit.replies import Reply, one
from crm_api.kit.service import Present
from crm_api.kit.walks import branches
from crm_api.kit.writing import Write, write_one

CHILDREN = {EMAILS: "emails", PHONES: "phones", REFS: "external_refs"}
"""Child table → the field that it stores."""


class Draft:
    """What a contact shall be after the write."""

    def __init__(
        self,
        contact_id: UUID,
        before: Mapping[str, Any],
        stood: Mapping[str, Sequence[Any]] = MappingProxyType({}),
    ) -> None:
        self.id = contact_id
        self.before = before
        self.stood = stood
        """Field → items that come back under the ids that they had."""
        self.after: dict[str, Any] = {}
        self.row: dict[str, Any] = {}
        self.replaced: dict[Any, list[dict[str, Any]]] = {}
        self.email_keys: list[str] = []

    def items(self, name: str) -> Sequence[Any]:
        """What the items of a sent list are matched with."""
        found: Sequence[Any] = self.stood.get(name) or self.before.get(name, [])
        return found

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
    suggesting = CONTACT_SUGGESTING
    parent = "contact_id"
    binds = BINDS
    formats: ClassVar = TABLES | {"vcard": VCARD}
    refs = REFS
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
                reply = await self.make(incoming, None)
            return Reply(reply.body, reply.etag)
        return await once(self.scope, claim, partial(self.make, incoming, claim), self.replayed)

    async def make(
        self, incoming: Incoming[Any], claim: Claim | None, if_match: str | None = None
    ) -> Reply:
        require_some(self.scope, Contact, "create")
        sifted = sift(self.scope, Contact, incoming, When.ON_CREATE)
        require_fields(self.scope, Contact, sifted, "create")
        require_absent(if_match)
        draft = Draft(new_id(), {})
        draft.after |= EMPTY
        self._apply(draft, sifted, sifted.values)
        await self._check_references(draft, sifted)
        raise_faults(sifted)
        row = draft.row | {"id": str(draft.id), "version": 1, "lifecycle": "live"}
        row |= {name: draft.after.get(name) for name in PLAIN}
        entry = self.entry(draft.id, 1, "created", draft.diff())
        replaced = {table: draft.replaced.get(table, []) for table in CHILDREN}
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
        claim: Claim | None = None,
    ) -> Reply:
        """Merge the sent fields (RFC 7396)."""
        run = partial(self._patch, contact_id, incoming, if_match, claim)
        if dry_run:
            async with self.scope.db.rehearsal(self.actor.organization_id):
                return await self.edited(incoming.raw, run)
        edit = partial(self.edited, incoming.raw, run)
        return await once(self.scope, claim, edit, self.replayed)

    def holds(self, raw: Mapping[str, Any]) -> bool:
        """A cycle could be closed from both ends at once: look and write under the lock."""
        return raw.get("reports_to_id") is not None

    async def _patch(
        self, contact_id: UUID, incoming: Incoming[Any], if_match: str | None, claim: Claim | None
    ) -> Reply:
        present = await self.load(contact_id, with_seen=if_match is not None)
        require_some(self.scope, Contact, "update")
        return await self.decide(
            present, self.allowed(present, incoming, if_match), Edit(claim=claim)
        )

    async def decide(self, present: Present, sifted: Sifted, edit: Edit) -> Reply:
        """Check the content and write it; an edit that changes nothing leaves no trace."""
        draft = Draft(present.id, present.document, edit.stood)
        self._apply(draft, sifted, {**sifted.values, **edit.besides})
        await self._check_references(draft, sifted)
        raise_faults(sifted)
        diff = draft.diff()
        if not diff:
            return await self.unchanged(present.id)
        row = {name: draft.after[name] for name in PLAIN if name in diff} | draft.row
        replaced = {t: rows for t, rows in draft.replaced.items() if CHILDREN[t] in diff}
        try:
            return await self.update(
                present, row, diff, edit.action, replaced=replaced, claim=edit.claim
            )
        except UniqueClash as clash:
            raise await self._clashed(clash, draft) from None

    def _apply(self, draft: Draft, sifted: Sifted, values: Mapping[str, Any]) -> None:
        """Take the accepted values; faults are collected."""
        for name, value in values.items():
            if name in PLAIN:
                draft.after[name] = wire_value(value)
        if "name" in values:
            draft.row["name_key"] = sort_key(values["name"])
            if draft.row["name_key"] is None:
                sifted.fault("invalid_name", "Write a name of letters or digits.", "/name")
        if "external_refs" in values:
            refs = draft.after["external_refs"] = wire_value(values["external_refs"])
            draft.replaced[REFS] = ref_rows(refs, self.parent, draft.id)
            if has_repeats(refs):
                detail = "The same reference stands twice."
                sifted.fault("repeated_item", detail, "/external_refs")
        self._apply_reach(draft, sifted, values)

    def _apply_reach(self, draft: Draft, sifted: Sifted, values: Mapping[str, Any]) -> None:
        if "emails" in values:
            emails = settle_emails(values["emails"], draft.items("emails"), "/emails")
            draft.after["emails"], draft.email_keys = emails.items, emails.keys
            draft.replaced[EMAILS] = email_rows(emails, self.parent, draft.id)
            sifted.faults += emails.faults
        if "phones" in values:
            country = self.actor.organization.default_country
            phones = settle_phones(values["phones"], draft.items("phones"), "/phones", country)
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
        match clash.constraint:
            case "uq_contact_emails_key":
                return await self._email_in_use(draft)
            case "pk_contact_refs":
                return await self._reference_in_use(draft)
        return clash

    async def _email_in_use(self, draft: Draft) -> Refusal:
        values = {"org": self.actor.organization_id, "id": draft.id, "keys": draft.email_keys}
        rows = await self.scope.db.fetch(self.actor.organization_id, BLOCKED_BY_EMAIL, values)
        inactive = bool(rows) and all(row["lifecycle"] != "live" for row in rows)
        code = "email_in_use_inactive" if inactive else "email_in_use"
        taken = {row["key"] for row in rows}
        places = [f"/emails/{n}" for n, k in enumerate(draft.email_keys) if k in taken]
        detail = "Another contact has this e-mail address."
        return self._in_use(code, detail, places, rows, "same_email")

    async def _reference_in_use(self, draft: Draft) -> Refusal:
        keys = ref_keys(draft.after.get("external_refs"))
        values = {"org": self.actor.organization_id, "id": draft.id, "keys": keys}
        rows = await self.scope.db.fetch(self.actor.organization_id, BLOCKED_BY_REF, values)
        detail = "Another contact has this external reference."
        places = ["/external_refs"]
        return self._in_use("reference_in_use", detail, places, rows, "same_reference")

    def _in_use(
        self,
        code: str,
        detail: str,
        places: Sequence[str],
        rows: Sequence[Mapping[str, Any]],
        reason: str,
    ) -> Refusal:
        shown = [self._candidate(row, reason) for row in rows]
        calls = [
            {"action": "open", "method": "GET", "path": f"{self.path}/{c['id']}"}
            for c in shown
            if "id" in c
        ]
        faults = [Fault(code, detail, pointer=place) for place in places]
        return Refusal(code, detail, faults, members={"candidates": shown, "next": calls})

    def _candidate(self, row: Mapping[str, Any], reason: str) -> dict[str, Any]:
        base: dict[str, Any] = {"score": 1.0, "reasons": [reason]}
        if row["lifecycle"] not in self.lifecycles() or not self.actor.rights.can(
            "contacts", "read", "person"
        ):
            return {"visibility": "not_visible"} | base
        return {"visibility": row["lifecycle"], "id": str(row["id"]), "name": row["name"]} | base

    def seen_candidate(self, told: Mapping[str, Any]) -> dict[str, Any]:
        """A candidate that was told before, as far as the caller may read it today."""
        reads = self.actor.rights.can("contacts", "read", "person")
        if reads and told["visibility"] in self.lifecycles():
            return dict(told)
        return {"visibility": "not_visible", "score": told["score"], "reasons": told["reasons"]}

    async def delete(
        self, contact_id: UUID, if_match: str | None, claim: Claim | None = None
    ) -> None:
        """Delete softly; a person who serves a client stays until the link is ended or removed."""
        async with self.locked():
            present = await self.load(contact_id)
            self.scope.require("contacts", "delete")
            if present.lifecycle == "live" and await live_links(self.scope, contact_id):
                detail = "The person still serves a client; end or remove those links first."
                raise Refusal("still_linked", detail)
            await self.move(contact_id, "delete", "deleted", "deleted", ("live",), if_match, claim)

    async def restore(
        self, contact_id: UUID, if_match: str | None, claim: Claim | None = None
    ) -> Reply:
        sources = ("deleted",)
        return await self.move(contact_id, "restore", "restored", "live", sources, if_match, claim)

    async def tree(self, contact_id: UUID, depth: int) -> str:
        """The line of reporting that the person stands in."""
        found = await branches(self.scope, CONTACT_TREE, contact_id, depth, MAX_TREE)
        if found is None:
            raise self.not_found()
        self.require_group("coding", "read")
        return found.told("contact_id", contact_id)
