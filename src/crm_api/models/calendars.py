"""Calendar feeds: a user's tasks and meetings at an address of their own."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from crm_api.models.base import Base, TenantRow, belongs_to


class CalendarFeedRow(TenantRow, Base):
    """One feed; of its key the digest alone is kept."""

    __tablename__ = "calendar_feeds"

    version: Mapped[int]
    lifecycle: Mapped[str]
    user_id: Mapped[UUID]
    created_by: Mapped[UUID]
    """The membership or API key that made it: whose own it is."""
    created_at: Mapped[datetime]
    secret_digest: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        belongs_to("user_id", "memberships", name="fk_calendar_feeds_user"),
        Index("ix_calendar_feeds_created_at", "organization_id", "lifecycle", "created_at", "id"),
        Index("ix_calendar_feeds_user", "organization_id", "user_id"),
        CheckConstraint("lifecycle IN ('live', 'deleted')", name="lifecycle"),
    )
