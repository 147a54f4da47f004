"""Contacts: persons, with their own e-mails and phones."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm_api.models.base import Base, Json, Tenant, TenantRow, belongs_to


class EmailColumns:
    """The columns of an e-mail address, of a client or of a contact."""

    position: Mapped[int]
    address: Mapped[str]
    key: Mapped[str]
    label: Mapped[str | None]
    is_primary: Mapped[bool]
    reachability: Mapped[str]
    verified_at: Mapped[datetime | None]


class PhoneColumns:
    """The columns of a phone number; formats are stored, as PostgreSQL cannot make them."""

    position: Mapped[int]
    e164: Mapped[str]
    national: Mapped[str]
    international: Mapped[str]
    country: Mapped[str | None]
    type: Mapped[str]
    label: Mapped[str | None]
    extension: Mapped[str | None]
    is_primary: Mapped[bool]
    reachability: Mapped[str]
    verified_at: Mapped[datetime | None]


class ContactRow(TenantRow, Base):
    """A person. It knows no client: the link belongs to the client."""

    __tablename__ = "contacts"

    version: Mapped[int]
    lifecycle: Mapped[str]
    name: Mapped[str]
    name_key: Mapped[str]
    honorific: Mapped[str | None]
    languages: Mapped[Json]
    do_not_contact: Mapped[bool]
    owner_id: Mapped[UUID | None]
    reports_to_id: Mapped[UUID | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (
        belongs_to("reports_to_id", "contacts", name="fk_contacts_reports_to"),
        belongs_to("owner_id", "memberships", name="fk_contacts_owner"),
        Index("ix_contacts_name", "organization_id", "lifecycle", "name_key", "id"),
        Index("ix_contacts_created_at", "organization_id", "lifecycle", "created_at", "id"),
        Index("ix_contacts_reports_to", "organization_id", "reports_to_id"),
    )


class RefColumns(Tenant):
    """The columns of an id in another system; the pair of source and id belongs to one record."""

    source: Mapped[str] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]
    version: Mapped[int] = mapped_column(BigInteger)


class _OfContact:
    contact_id: Mapped[UUID]


class ContactEmailRow(TenantRow, _OfContact, EmailColumns, Base):
    """An e-mail address of a contact, unique among contacts."""

    __tablename__ = "contact_emails"
    __table_args__ = (
        belongs_to("contact_id", "contacts", name="fk_contact_emails_contact"),
        UniqueConstraint("organization_id", "key", name="uq_contact_emails_key"),
        Index("ix_contact_emails_contact", "organization_id", "contact_id"),
    )


class ContactPhoneRow(TenantRow, _OfContact, PhoneColumns, Base):
    """A phone number of a contact."""

    __tablename__ = "contact_phones"
    __table_args__ = (
        belongs_to("contact_id", "contacts", name="fk_contact_phones_contact"),
        Index("ix_contact_phones_contact", "organization_id", "contact_id"),
        Index("ix_contact_phones_e164", "organization_id", "e164"),
    )


class ContactRefRow(RefColumns, _OfContact, Base):
    """The id of a contact in another system."""

    __tablename__ = "contact_refs"
    __table_args__ = (
        belongs_to("contact_id", "contacts", name="fk_contact_refs_contact"),
        Index("ix_contact_refs_contact", "organization_id", "contact_id"),
    )
