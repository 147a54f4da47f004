"""Tasks: what is due, of whom, and why."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, text
from sqlalchemy.orm import Mapped

from crm_api.models.base import Base, TenantRow, belongs_to


class TaskRow(TenantRow, Base):
    """Something that somebody is to do."""

    __tablename__ = "tasks"

    version: Mapped[int]
    lifecycle: Mapped[str]
    title: Mapped[str]
    note: Mapped[str | None]
    kind: Mapped[str]
    state: Mapped[str]
    due_on: Mapped[date | None]
    remind_at: Mapped[datetime | None]
    assignee_id: Mapped[UUID | None]
    client_id: Mapped[UUID | None]
    contact_id: Mapped[UUID | None]
    communication_id: Mapped[UUID | None]
    cause: Mapped[str | None]
    """What the system made it for; of each cause a client has one open task at most."""
    created_by: Mapped[UUID]
    """The membership or API key that made it: whose own it is."""
    created_at: Mapped[datetime]
    done_at: Mapped[datetime | None]
    done_by: Mapped[UUID | None]

    __table_args__ = (
        belongs_to("assignee_id", "memberships", name="fk_tasks_assignee"),
        belongs_to("client_id", "clients", name="fk_tasks_client"),
        belongs_to("contact_id", "contacts", name="fk_tasks_contact"),
        belongs_to("communication_id", "communications", name="fk_tasks_communication"),
        # Nulls last in either direction: one index with a sentinel for each.
        Index(
            "ix_tasks_due_on_asc",
            "organization_id",
            "lifecycle",
            text("coalesce(due_on, 'infinity'::date)"),
            "id",
        ),
        Index(
            "ix_tasks_due_on_desc",
            "organization_id",
            "lifecycle",
            text("coalesce(due_on, '-infinity'::date)"),
            "id",
        ),
        Index("ix_tasks_created_at", "organization_id", "lifecycle", "created_at", "id"),
        Index("ix_tasks_queue", "organization_id", "assignee_id", "state", "due_on", "id"),
        Index("ix_tasks_open", "organization_id", "state", "due_on", "id"),
        Index("ix_tasks_timeline", "organization_id", "client_id", "lifecycle", "created_at", "id"),
        Index("ix_tasks_contact", "organization_id", "contact_id"),
        Index("ix_tasks_communication", "organization_id", "communication_id"),
        Index(
            "uq_tasks_cause",
            "organization_id",
            "client_id",
            "cause",
            unique=True,
            postgresql_where=text("state = 'open'::text AND lifecycle = 'live'::text"),
        ),
        CheckConstraint("lifecycle IN ('live', 'deleted')", name="lifecycle"),
        CheckConstraint("state IN ('open', 'done', 'cancelled')", name="state"),
        CheckConstraint("(state = 'done') = (done_at IS NOT NULL)", name="done_at"),
    )
