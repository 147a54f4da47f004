"""Long work: the row of an operation is its place in the queue, its lease and its result."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from crm_api.models.base import Base, Json, TenantRow


class OperationRow(TenantRow, Base):
    """One piece of long work that a user or an API key started."""

    __tablename__ = "operations"

    version: Mapped[int]
    """Moves with each change of state, not with progress."""
    lifecycle: Mapped[str]
    kind: Mapped[str]
    state: Mapped[str]
    params: Mapped[Json]
    created_by: Mapped[UUID]
    """The membership or the API key, whose live rights the work has."""
    created_by_type: Mapped[str]
    progress_done: Mapped[int]
    progress_total: Mapped[int | None]
    progress_at: Mapped[datetime | None]
    result: Mapped[Json | None] = mapped_column(nullable=True)
    """While it runs, what was counted so far."""
    result_url: Mapped[str | None]
    error: Mapped[Json | None] = mapped_column(nullable=True)
    cancel_requested: Mapped[bool]
    attempts: Mapped[int]
    """How often it was begun since it last got on."""
    lease_token: Mapped[UUID | None]
    """Who works on it; whatever another one still wants to commit is refused."""
    due_at: Mapped[datetime]
    """When a worker may take it: at once, after a pause, or when the present lease runs out."""
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(
            "state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="state"
        ),
        CheckConstraint("created_by_type IN ('user', 'api_key')", name="created_by_type"),
        CheckConstraint("(state = 'running') = (lease_token IS NOT NULL)", name="lease"),
        Index("ix_operations_created_at", "organization_id", "lifecycle", "created_at", "id"),
        Index(
            "ix_operations_due_at",
            "organization_id",
            "due_at",
            "id",
            postgresql_where=text("state IN ('queued', 'running')"),
        ),
    )
