"""From a sent person to the rows that shall be stored; no SQL and no rights here."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from crm_api.contacts.reach import email_rows, phone_rows, settle_emails, settle_phones
from crm_api.contacts.repository import CONTACTS
from crm_api.contacts.schemas import Contact, ContactEntry
from crm_api.core.access import OrganizationContext
from crm_api.core.errors import Fault
from crm_api.core.formats.names import name_key
from crm_api.core.ids import new_id
from crm_api.kit.changes import Diff
from crm_api.kit.plain import empty_values, plain_fields

SORT_KEY_LENGTH = 200
PLAIN = plain_fields(Contact, CONTACTS)
EMPTY = empty_values(Contact)


@dataclass(slots=True)
class NewContact:
    """A person ready to be inserted."""

    id: UUID
    row: dict[str, Any]
    emails: list[dict[str, Any]]
    phones: list[dict[str, Any]]
    email_keys: list[str]
    wire: dict[str, Any]
    faults: list[Fault] = field(default_factory=list)

    def diff(self) -> Diff:
        return {
            name: (None, value)
            for name, value in self.wire.items()
            if value not in (None, EMPTY.get(name))
        }


def sort_key(name: str) -> str | None:
    """The normalized name as lists sort by it; None for a name of no letters."""
    try:
        return name_key(name)[:SORT_KEY_LENGTH]
    except ValueError:
        return None


def draft_contact(
    entry: ContactEntry, organization: OrganizationContext, pointer: str
) -> NewContact:
    """Normal forms and faults of one new person; `pointer` is where it stands in the body."""
    contact_id = new_id()
    emails = settle_emails(entry.emails, [], f"{pointer}/emails")
    phones = settle_phones(entry.phones, [], f"{pointer}/phones", organization.default_country)
    faults = [*emails.faults, *phones.faults]
    key = sort_key(entry.name)
    if key is None:
        faults.append(
            Fault("invalid_name", "Write a name of letters or digits.", pointer=f"{pointer}/name")
        )
    wire = EMPTY | {
        "name": entry.name,
        "honorific": entry.honorific,
        "languages": list(entry.languages),
        "emails": emails.items,
        "phones": phones.items,
    }
    row = {
        "id": str(contact_id),
        "version": 1,
        "lifecycle": "live",
        "name_key": key,
        **{name: wire.get(name) for name in PLAIN},
    }
    return NewContact(
        contact_id,
        row,
        email_rows(emails, "contact_id", contact_id),
        phone_rows(phones, "contact_id", contact_id),
        emails.keys,
        wire,
        faults,
    )
