"""Notes of clients."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index
from sqlalchemy.orm import Mapped

from crm_api.models.base import Base, TenantRow, belongs_to


class NoteRow(TenantRow, Base):
    """What somebody wrote down about a client; its kind decides who reads it."""

    __tablename__ = "notes"

    version: Mapped[int]
    lifecycle: Mapped[str]
    client_id: Mapped[UUID]
    kind: Mapped[str]
    workflow: Mapped[str]
    text: Mapped[str]
    pinned: Mapped[bool]
    created_by: Mapped[UUID]
    created_by_type: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]

    __table_args__ = (
        belongs_to("client_id", "clients", name="fk_notes_client"),
        # An id begins with the time, so that among the pinned ones the latest come first.
        Index("ix_notes_client", "organization_id", "client_id", "lifecycle", "pinned", "id"),
        Index("ix_notes_pinned", "organization_id", "lifecycle", "pinned", "id"),
        Index("ix_notes_timeline", "organization_id", "client_id", "lifecycle", "created_at", "id"),
        Index("ix_notes_created_at", "organization_id", "lifecycle", "created_at", "id"),
        CheckConstraint("lifecycle IN ('live', 'deleted')", name="lifecycle"),
        CheckConstraint(
            "kind IN ('general', 'service', 'preference', 'special_requirement', 'escalation')",
            name="kind",
        ),
        CheckConstraint("created_by_type IN ('user', 'api_key', 'system')", name="created_by_type"),
    )
