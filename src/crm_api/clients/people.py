"""The persons that come with a new client: linked ones, and new ones made in the same write."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import Table

from crm_api.clients.drafting import Draft
from crm_api.clients.parts import LinkEntry
from crm_api.contacts.drafting import NewContact, draft_contact
from crm_api.contacts.repository import CONTACTS
from crm_api.contacts.repository import EMAILS as CONTACT_EMAILS
from crm_api.contacts.repository import PHONES as CONTACT_PHONES
from crm_api.core.access import OrganizationContext
from crm_api.core.errors import Fault, Refusal
from crm_api.core.ids import new_id_text
from crm_api.kit.changes import Diff, Entry, new_entry
from crm_api.kit.deciding import Sifted
from crm_api.kit.scope import Scope


@dataclass(slots=True)
class NewPeople:
    """Links and persons of one write. `prepare` fills the rows."""

    entries_in: list[LinkEntry] = field(default_factory=list)
    linked_ids: list[UUID] = field(default_factory=list)
    contacts: list[NewContact] = field(default_factory=list)
    links: list[dict[str, Any]] = field(default_factory=list)
    primary_link_id: str | None = None
    linked_reach: bool = False
    """Whether a linked person can be reached; known after the references were checked."""

    @property
    def has_reach(self) -> bool:
        """Whether a person brings an e-mail address or a phone number."""
        return self.linked_reach or any(
            e.contact and (e.contact.emails or e.contact.phones) for e in self.entries_in
        )

    @property
    def email_keys(self) -> list[str]:
        return [key for contact in self.contacts for key in contact.email_keys]

    @property
    def rows(self) -> Mapping[Table, list[dict[str, Any]]]:
        if not self.contacts:
            return {}
        return {
            CONTACTS: [c.row for c in self.contacts],
            CONTACT_EMAILS: [row for c in self.contacts for row in c.emails],
            CONTACT_PHONES: [row for c in self.contacts for row in c.phones],
        }

    def missing_rights(self, scope: Scope) -> list[str]:
        """Making a person is a right of its own; linking one needs to read persons."""
        rights = scope.actor.rights
        missing = []
        if any(e.contact for e in self.entries_in) and not rights.can(
            "contacts", "create", "person"
        ):
            missing.append("contacts.person:create")
        if self.has_reach and not rights.can("contacts", "create", "person_reach"):
            missing.append("contacts.person_reach:create")
        if self.linked_ids and not rights.can("contacts", "read", "person"):
            missing.append("contacts.person:read")
        return missing

    def require_rights(self, scope: Scope) -> None:
        missing = self.missing_rights(scope)
        if missing:
            detail = f"This needs {', '.join(f'`{m}`' for m in missing)}."
            raise Refusal("forbidden", detail, (Fault("forbidden", detail, pointer="/contacts"),))

    def prepare(self, draft: Draft, organization: OrganizationContext) -> None:
        """Make the rows; the link that says so is primary, else the first live one."""
        for n, entry in enumerate(self.entries_in):
            contact_id = entry.contact_id
            if entry.contact is not None:
                contact = draft_contact(entry.contact, organization, f"/contacts/{n}/contact")
                draft.faults += contact.faults
                self.contacts.append(contact)
                contact_id = contact.id
            self.links.append(link_row(entry, draft.client_id, contact_id, n))
            check_link(draft, entry, f"/contacts/{n}")
        self._refuse_repeats(draft)
        self._choose_primary(draft)

    def _refuse_repeats(self, draft: Draft) -> None:
        if len(set(self.linked_ids)) < len(self.linked_ids):
            draft.fault("repeated_item", "The same person stands twice.", "/contacts")
        keys = self.email_keys
        if len(set(keys)) < len(keys):
            draft.fault("repeated_item", "Two persons have the same e-mail address.", "/contacts")

    def _choose_primary(self, draft: Draft) -> None:
        live = [link for link in self.links if link["to_on"] is None]
        marked = [link for link in live if "primary" in link["roles"]]
        if len(marked) > 1:
            draft.fault("two_primaries", "Mark at most one person as primary.", "/contacts")
        if live:
            chosen = (marked or live)[0]
            if "primary" not in chosen["roles"]:
                chosen["roles"] = ["primary", *chosen["roles"]]
            self.primary_link_id = chosen["id"]

    def diff(self) -> Diff:
        return {"contacts": (None, [wire_link(link) for link in self.links])} if self.links else {}

    def entries(self, scope: Scope) -> list[Entry]:
        return [
            new_entry(
                scope.actor,
                scope.context,
                resource="contact",
                resource_id=contact.id,
                version=1,
                action="contact.created",
                diff=contact.diff(),
            )
            for contact in self.contacts
        ]


def new_people(sifted: Sifted) -> NewPeople:
    entries: list[LinkEntry] = list(sifted.values.get("contacts") or ())
    return NewPeople(entries, [e.contact_id for e in entries if e.contact_id is not None])


def check_link(draft: Draft, entry: LinkEntry, pointer: str) -> None:
    if (entry.contact_id is None) == (entry.contact is None):
        draft.fault("required", "Send either `contact_id` or `contact`.", pointer)
    if entry.from_on and entry.to_on and entry.to_on < entry.from_on:
        draft.fault("invalid_period", "`to_on` lies before `from_on`.", f"{pointer}/to_on")
    if entry.to_on is not None and "primary" in entry.roles:
        draft.fault("invalid_period", "A former contact cannot be primary.", f"{pointer}/to_on")


def link_row(
    entry: LinkEntry, client_id: UUID, contact_id: UUID | None, position: int
) -> dict[str, Any]:
    return {
        "id": new_id_text(),
        "client_id": str(client_id),
        "contact_id": str(contact_id),
        "position": position,
        "roles": list(dict.fromkeys(entry.roles)),
        "function": entry.function,
        "job_title": entry.job_title,
        "from_on": entry.from_on and str(entry.from_on),
        "to_on": entry.to_on and str(entry.to_on),
    }


def wire_link(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: row[name]
        for name in ("id", "contact_id", "roles", "function", "job_title", "from_on", "to_on")
    }
