"""Relationships between clients."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped

from crm_api.models.base import Base, TenantRow, belongs_to

_SAME_TWO = (
    "(child_id IS NULL) = (parent_id IS NULL) AND (child_id IS NULL"
    " OR (child_id = client_id AND parent_id = other_id)"
    " OR (child_id = other_id AND parent_id = client_id))"
)
_OPEN_END = text("lifecycle = 'live' AND to_on IS NULL")


class RelationshipRow(TenantRow, Base):
    """How two clients are related: stored once, as it was recorded, and seen from both."""

    __tablename__ = "relationships"

    version: Mapped[int]
    lifecycle: Mapped[str]
    client_id: Mapped[UUID]
    other_id: Mapped[UUID]
    kind: Mapped[str]
    """What the other is to the client."""
    inverse_kind: Mapped[str]
    """What the client is to the other."""
    child_id: Mapped[UUID | None]
    """Of a hierarchy, whichever of the two stands below; walks follow this and `parent_id`."""
    parent_id: Mapped[UUID | None]
    pair_key: Mapped[str]
    """The same for the same fact, from whichever side it is recorded."""
    from_on: Mapped[date | None]
    to_on: Mapped[date | None]
    note: Mapped[str | None]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (
        belongs_to("client_id", "clients", name="fk_relationships_client"),
        belongs_to("other_id", "clients", name="fk_relationships_other"),
        Index("ix_relationships_client", "organization_id", "client_id", "created_at", "id"),
        Index("ix_relationships_other", "organization_id", "other_id", "created_at", "id"),
        Index("ix_relationships_child", "organization_id", "child_id"),
        Index("ix_relationships_parent", "organization_id", "parent_id"),
        Index("ix_relationships_pair", "organization_id", "pair_key"),
        # Periods that overlap are refused under the organization's head. These two hold as well
        # for who writes past the application.
        Index(
            "uq_relationships_parent",
            "organization_id",
            "child_id",
            unique=True,
            postgresql_where=_OPEN_END,
        ),
        Index(
            "uq_relationships_pair",
            "organization_id",
            "pair_key",
            unique=True,
            postgresql_where=_OPEN_END,
        ),
        CheckConstraint("lifecycle IN ('live', 'deleted')", name="lifecycle"),
        CheckConstraint("client_id <> other_id", name="two_clients"),
        CheckConstraint("from_on <= to_on", name="period"),
        # So that the keys of the two ends are keys of these as well.
        CheckConstraint(_SAME_TWO, name="hierarchy"),
    )
