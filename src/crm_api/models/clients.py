"""Clients: the aggregate's row and its children."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from crm_api.models.base import Base, Json, Tenant, TenantRow, belongs_to
from crm_api.models.contacts import EmailColumns, PhoneColumns, RefColumns

_UNIQUE_LIFECYCLES = text("lifecycle <> ALL (ARRAY['merged'::text, 'erased'::text])")


def _nullable_sort(column: str, low: str, high: str) -> tuple[Index, Index]:
    """Nulls last in either direction: one index with a sentinel for each."""
    return (
        Index(
            f"ix_clients_{column}_desc",
            "organization_id",
            "lifecycle",
            text(f"coalesce({column}, {low})"),
            "id",
        ),
        Index(
            f"ix_clients_{column}_asc",
            "organization_id",
            "lifecycle",
            text(f"coalesce({column}, {high})"),
            "id",
        ),
    )


class ClientRow(TenantRow, Base):
    """An organization or individual that is served. Wire names, but for what SQL needs besides."""

    __tablename__ = "clients"

    number: Mapped[int] = mapped_column(BigInteger)
    version: Mapped[int]
    lifecycle: Mapped[str]
    kind: Mapped[str]
    name: Mapped[str]
    name_key: Mapped[str]
    """The normalized name (sort key), cut to 200 characters."""
    identity_digest: Mapped[bytes] = mapped_column(LargeBinary)
    """What must be unique: the name of an organization; name, e-mail, phone of an individual."""
    identity_slot: Mapped[str]
    """Empty, or the row's own id where a permitted role allowed the duplicate."""
    profile_state: Mapped[str]
    registered_on: Mapped[date]
    last_activity_at: Mapped[datetime | None]
    merged_into: Mapped[UUID | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    type: Mapped[str]
    """What was set, or derived from facts; an override stands beside it."""
    type_since: Mapped[datetime]
    type_override: Mapped[str | None]
    type_override_reason: Mapped[str | None]
    type_override_by: Mapped[UUID | None]
    type_override_at: Mapped[datetime | None]
    type_override_expires_at: Mapped[datetime | None]
    status: Mapped[str]
    status_reason: Mapped[str | None]
    industry: Mapped[str | None]
    stage: Mapped[str | None]
    stage_reason: Mapped[str | None]
    business_size: Mapped[str | None]
    service_tier: Mapped[str | None]
    region: Mapped[str | None]
    owner_id: Mapped[UUID | None]
    potential: Mapped[str | None]
    last_reviewed_on: Mapped[date | None]
    review_due_on: Mapped[date]
    products_services: Mapped[str | None]
    website: Mapped[str | None]
    social_profiles: Mapped[Json]
    source: Mapped[str | None]
    source_detail: Mapped[str | None]
    referred_by_id: Mapped[UUID | None]
    target_audience: Mapped[str | None]
    operating_hours: Mapped[Json]
    time_zone: Mapped[str | None]
    languages: Mapped[Json]
    preferences: Mapped[Json]
    notification_settings: Mapped[Json]
    service: Mapped[Json]
    registration_country: Mapped[str | None]
    registration_number: Mapped[str | None]
    registration_key: Mapped[str | None]
    """Country and normalized number, where both are known."""
    tax_numbers: Mapped[Json]
    remarks: Mapped[str | None]
    workflow_attributes: Mapped[Json] = mapped_column(server_default=text("'{}'"))
    billing_details: Mapped[Json]
    credit_limit: Mapped[int | None] = mapped_column(BigInteger)
    """In ten-thousandths, so that it sorts by an indexable, leakproof operator."""
    credit_limit_currency: Mapped[str | None]
    credit_limit_scale: Mapped[int | None] = mapped_column(SmallInteger)
    payment_terms_days: Mapped[int | None]
    primary_link_id: Mapped[UUID | None]

    __table_args__ = (
        UniqueConstraint("organization_id", "number", name="uq_clients_number"),
        Index(
            "uq_clients_identity",
            "organization_id",
            "identity_digest",
            "identity_slot",
            unique=True,
            postgresql_where=_UNIQUE_LIFECYCLES,
        ),
        Index(
            "uq_clients_registration",
            "organization_id",
            "registration_key",
            unique=True,
            postgresql_where=_UNIQUE_LIFECYCLES,
        ),
        belongs_to("merged_into", "clients", name="fk_clients_merged_into"),
        belongs_to("referred_by_id", "clients", name="fk_clients_referred_by"),
        belongs_to("owner_id", "memberships", name="fk_clients_owner"),
        belongs_to(
            "primary_link_id", "client_contacts", name="fk_clients_primary_link", later=True
        ),
        Index("ix_clients_name", "organization_id", "lifecycle", "name_key", "id"),
        Index("ix_clients_registered_on", "organization_id", "lifecycle", "registered_on", "id"),
        *_nullable_sort("last_activity_at", "'-infinity'::timestamptz", "'infinity'::timestamptz"),
        Index("ix_clients_created_at", "organization_id", "lifecycle", "created_at", "id"),
        Index("ix_clients_updated_at", "organization_id", "lifecycle", "updated_at", "id"),
        Index("ix_clients_review_due_on", "organization_id", "lifecycle", "review_due_on", "id"),
        *_nullable_sort("credit_limit", f"'{-(2**63)}'::bigint", f"'{2**63 - 1}'::bigint"),
        Index("ix_clients_status", "organization_id", "lifecycle", "status", "name_key", "id"),
        Index("ix_clients_industry", "organization_id", "lifecycle", "industry", "name_key", "id"),
        Index("ix_clients_owner", "organization_id", "owner_id"),
        Index("ix_clients_referred_by", "organization_id", "referred_by_id"),
        Index("ix_clients_primary_link", "organization_id", "primary_link_id"),
        CheckConstraint(
            "lifecycle IN ('live', 'archived', 'deleted', 'merged', 'erased')", name="lifecycle"
        ),
        CheckConstraint("kind IN ('organization', 'individual')", name="kind"),
    )


class _OfClient:
    client_id: Mapped[UUID]


class ClientEmailRow(TenantRow, _OfClient, EmailColumns, Base):
    """An e-mail address of a client, unique among clients."""

    __tablename__ = "client_emails"
    __table_args__ = (
        belongs_to("client_id", "clients", name="fk_client_emails_client"),
        UniqueConstraint("organization_id", "key", name="uq_client_emails_key"),
        Index("ix_client_emails_client", "organization_id", "client_id"),
    )


class ClientPhoneRow(TenantRow, _OfClient, PhoneColumns, Base):
    """A phone number of a client."""

    __tablename__ = "client_phones"
    __table_args__ = (
        belongs_to("client_id", "clients", name="fk_client_phones_client"),
        Index("ix_client_phones_client", "organization_id", "client_id"),
        Index("ix_client_phones_e164", "organization_id", "e164"),
    )


class ClientSiteRow(TenantRow, _OfClient, Base):
    """One address of a client."""

    __tablename__ = "client_sites"

    position: Mapped[int]
    kind: Mapped[str]
    label: Mapped[str | None]
    country_code: Mapped[str | None]
    country_area: Mapped[str | None]
    city: Mapped[str | None]
    city_key: Mapped[str | None]
    """The city normalized as a name is, for filters."""
    postal_code: Mapped[str | None]
    street_address: Mapped[str | None]
    notes: Mapped[str | None]
    service_area: Mapped[str | None]
    address_quality: Mapped[str]
    is_primary: Mapped[bool]

    __table_args__ = (
        belongs_to("client_id", "clients", name="fk_client_sites_client"),
        Index("ix_client_sites_client", "organization_id", "client_id"),
        Index("ix_client_sites_city", "organization_id", "city_key", "client_id"),
        Index("ix_client_sites_country", "organization_id", "country_code", "client_id"),
    )


class ClientContactRow(TenantRow, _OfClient, Base):
    """The link between a client and a contact, with roles and dates."""

    __tablename__ = "client_contacts"

    contact_id: Mapped[UUID]
    position: Mapped[int]
    roles: Mapped[list[str]] = mapped_column(ARRAY(Text))
    function: Mapped[str | None]
    job_title: Mapped[str | None]
    from_on: Mapped[date | None]
    to_on: Mapped[date | None]

    __table_args__ = (
        belongs_to("client_id", "clients", name="fk_client_contacts_client"),
        belongs_to("contact_id", "contacts", name="fk_client_contacts_contact"),
        Index("ix_client_contacts_client", "organization_id", "client_id"),
        Index("ix_client_contacts_contact", "organization_id", "contact_id"),
    )


class ClientTagRow(Tenant, _OfClient, Base):
    """One tag of a client; the catalogue holds the tag itself."""

    __tablename__ = "client_tags"

    client_id: Mapped[UUID] = mapped_column(primary_key=True)
    tag: Mapped[str] = mapped_column(primary_key=True)
    catalogue: Mapped[str]
    position: Mapped[int]

    __table_args__ = (
        belongs_to("client_id", "clients", name="fk_client_tags_client"),
        ForeignKeyConstraint(
            ["organization_id", "catalogue", "tag"],
            [
                "catalogue_entries.organization_id",
                "catalogue_entries.catalogue",
                "catalogue_entries.key",
            ],
            name="fk_client_tags_entry",
        ),
        CheckConstraint("catalogue = 'tags'", name="catalogue"),
        Index("ix_client_tags_tag", "organization_id", "catalogue", "tag", "client_id"),
    )


class ClientAttributeRow(Tenant, _OfClient, Base):
    """One key=value pair of a client."""

    __tablename__ = "client_attributes"

    client_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]

    __table_args__ = (
        belongs_to("client_id", "clients", name="fk_client_attributes_client"),
        Index("ix_client_attributes_pair", "organization_id", "key", "value", "client_id"),
    )


class ClientRefRow(RefColumns, _OfClient, Base):
    """The id of a client in another system."""

    __tablename__ = "client_refs"
    __table_args__ = (
        belongs_to("client_id", "clients", name="fk_client_refs_client"),
        Index("ix_client_refs_client", "organization_id", "client_id"),
    )
