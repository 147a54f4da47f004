"""Distribution lists with their members, and segments."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped

from crm_api.models.base import Base, Json, TenantRow, belongs_to


class SegmentRow(TenantRow, Base):
    """Conditions that clients meet or not, kept under a name."""

    __tablename__ = "segments"

    version: Mapped[int]
    lifecycle: Mapped[str]
    name: Mapped[str]
    name_key: Mapped[str]
    description: Mapped[str | None]
    filter: Mapped[Json]
    """The stable form of `kit.filters`, with its version."""
    visibility: Mapped[str]
    created_by: Mapped[UUID]
    """The membership or API key that made it: whose own it is."""
    created_at: Mapped[datetime]

    __table_args__ = (
        Index("ix_segments_name", "organization_id", "lifecycle", "name_key", "id"),
        Index("ix_segments_created_at", "organization_id", "lifecycle", "created_at", "id"),
        CheckConstraint("lifecycle IN ('live', 'deleted')", name="lifecycle"),
        CheckConstraint("visibility IN ('organization', 'private')", name="visibility"),
    )


class DistributionListRow(TenantRow, Base):
    """Clients and contacts that are written to together."""

    __tablename__ = "distribution_lists"

    version: Mapped[int]
    lifecycle: Mapped[str]
    name: Mapped[str]
    name_key: Mapped[str]
    description: Mapped[str | None]
    workflow: Mapped[str]
    segment_id: Mapped[UUID | None]
    """The segment of which it is a frozen copy."""
    created_by: Mapped[UUID]
    """As of a segment."""
    created_at: Mapped[datetime]

    __table_args__ = (
        belongs_to("segment_id", "segments", name="fk_distribution_lists_segment"),
        Index("ix_distribution_lists_name", "organization_id", "lifecycle", "name_key", "id"),
        Index(
            "ix_distribution_lists_created_at", "organization_id", "lifecycle", "created_at", "id"
        ),
        Index("ix_distribution_lists_segment", "organization_id", "segment_id"),
        Index(
            "uq_distribution_lists_name",
            "organization_id",
            "name_key",
            unique=True,
            postgresql_where=text("lifecycle <> 'deleted'::text"),
        ),
        CheckConstraint("lifecycle IN ('live', 'archived', 'deleted')", name="lifecycle"),
    )


class ListMemberRow(TenantRow, Base):
    """A client or a contact on a list, once; who was removed stays known, and unsubscribed."""

    __tablename__ = "list_members"

    version: Mapped[int]
    lifecycle: Mapped[str]
    list_id: Mapped[UUID]
    client_id: Mapped[UUID | None]
    contact_id: Mapped[UUID | None]
    segment_id: Mapped[UUID | None]
    """The segment that brought it."""
    unsubscribed_at: Mapped[datetime | None]
    unsubscribe_reason: Mapped[str | None]
    created_by: Mapped[UUID]
    created_at: Mapped[datetime]

    __table_args__ = (
        belongs_to("list_id", "distribution_lists", name="fk_list_members_list"),
        belongs_to("client_id", "clients", name="fk_list_members_client"),
        belongs_to("contact_id", "contacts", name="fk_list_members_contact"),
        belongs_to("segment_id", "segments", name="fk_list_members_segment"),
        Index(
            "ix_list_members_list", "organization_id", "list_id", "lifecycle", "created_at", "id"
        ),
        # Led by the person, so that they answer as well which lists somebody is on.
        UniqueConstraint("organization_id", "client_id", "list_id", name="uq_list_members_client"),
        UniqueConstraint(
            "organization_id", "contact_id", "list_id", name="uq_list_members_contact"
        ),
        Index(
            "ix_list_members_segment",
            "organization_id",
            "segment_id",
            postgresql_where=text("segment_id IS NOT NULL"),
        ),
        CheckConstraint("lifecycle IN ('live', 'deleted')", name="lifecycle"),
        CheckConstraint("num_nonnulls(client_id, contact_id) = 1", name="one_of_two"),
        CheckConstraint(
            "unsubscribe_reason IS NULL OR unsubscribed_at IS NOT NULL", name="unsubscribed"
        ),
    )
