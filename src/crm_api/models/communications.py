"""Communications: what was said, with whom, and the tree that it hangs in."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKeyConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from crm_api.models.base import Base, Tenant, TenantRow, belongs_to


class WorkflowTreeRow(Tenant, Base):
    """The root of what belongs to one workflow of one client; made with the first of it."""

    __tablename__ = "workflow_trees"

    client_id: Mapped[UUID] = mapped_column(primary_key=True)
    workflow: Mapped[str] = mapped_column(primary_key=True)
    created_at: Mapped[datetime]

    __table_args__ = (belongs_to("client_id", "clients", name="fk_workflow_trees_client"),)


class CommunicationRow(TenantRow, Base):
    """A call, e-mail, meeting, message, letter or visit: planned, held, cancelled or void."""

    __tablename__ = "communications"

    version: Mapped[int]
    lifecycle: Mapped[str]
    client_id: Mapped[UUID | None]
    kind: Mapped[str]
    direction: Mapped[str]
    state: Mapped[str]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime]
    recorded_by: Mapped[UUID]
    """The membership or API key that logged it: whose own it is."""
    subject: Mapped[str | None]
    body: Mapped[str | None]
    outcome: Mapped[str | None]
    duration_minutes: Mapped[int | None]
    follow_up_on: Mapped[date | None]
    workflow: Mapped[str | None]
    parent_id: Mapped[UUID | None]

    __table_args__ = (
        belongs_to("client_id", "clients", name="fk_communications_client"),
        belongs_to("parent_id", "communications", name="fk_communications_parent"),
        ForeignKeyConstraint(
            ["organization_id", "client_id", "workflow"],
            [
                "workflow_trees.organization_id",
                "workflow_trees.client_id",
                "workflow_trees.workflow",
            ],
            name="fk_communications_tree",
        ),
        Index("ix_communications_client", "organization_id", "client_id", "occurred_at", "id"),
        Index("ix_communications_occurred_at", "organization_id", "lifecycle", "occurred_at", "id"),
        Index(
            "ix_communications_tree",
            "organization_id",
            "client_id",
            "workflow",
            "occurred_at",
            "id",
            postgresql_where=text("workflow IS NOT NULL"),
        ),
        Index(
            "ix_communications_parent",
            "organization_id",
            "parent_id",
            postgresql_where=text("parent_id IS NOT NULL"),
        ),
        CheckConstraint("lifecycle IN ('live', 'deleted')", name="lifecycle"),
        CheckConstraint("state IN ('planned', 'held', 'cancelled', 'void')", name="state"),
        CheckConstraint("direction IN ('in', 'out')", name="direction"),
        CheckConstraint("workflow IS NULL OR client_id IS NOT NULL", name="tree_of_client"),
    )


class ParticipantRow(Tenant, Base):
    """Who took part: a contact, a user, or a name."""

    __tablename__ = "communication_participants"

    communication_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    contact_id: Mapped[UUID | None]
    user_id: Mapped[UUID | None]
    name: Mapped[str | None]

    __table_args__ = (
        belongs_to("communication_id", "communications", name="fk_participants_communication"),
        belongs_to("contact_id", "contacts", name="fk_participants_contact"),
        belongs_to("user_id", "memberships", name="fk_participants_user"),
        Index(
            "ix_participants_contact",
            "organization_id",
            "contact_id",
            "communication_id",
            postgresql_where=text("contact_id IS NOT NULL"),
        ),
        Index(
            "ix_participants_user",
            "organization_id",
            "user_id",
            "communication_id",
            postgresql_where=text("user_id IS NOT NULL"),
        ),
        CheckConstraint("num_nonnulls(contact_id, user_id, name) = 1", name="one_of_three"),
    )
