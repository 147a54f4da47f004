"""Tasks: what is due, of whom, and why; and the calendars that tell it."""

import sqlalchemy as sa
from alembic import op

revision = "20261125_1021"
down_revision = "20261125_1020"
branch_labels = None
depends_on = None

TENANT_TABLES = ("tasks", "calendar_feeds")


def upgrade() -> None:
    op.create_table(
        "tasks",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("lifecycle", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("remind_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("assignee_id", sa.Uuid(), nullable=True),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("communication_id", sa.Uuid(), nullable=True),
        sa.Column("cause", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("done_by", sa.Uuid(), nullable=True),
        sa.CheckConstraint(
            "(state = 'done') = (done_at IS NOT NULL)", name=op.f("ck_tasks_done_at")
        ),
        sa.CheckConstraint("lifecycle IN ('live', 'deleted')", name=op.f("ck_tasks_lifecycle")),
        sa.CheckConstraint("state IN ('open', 'done', 'cancelled')", name=op.f("ck_tasks_state")),
        sa.ForeignKeyConstraint(
            ["organization_id", "assignee_id"],
            ["memberships.organization_id", "memberships.id"],
            name="fk_tasks_assignee",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "client_id"],
            ["clients.organization_id", "clients.id"],
            name="fk_tasks_client",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "communication_id"],
            ["communications.organization_id", "communications.id"],
            name="fk_tasks_communication",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contacts.organization_id", "contacts.id"],
            name="fk_tasks_contact",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_tasks")),
    )
    op.create_index("ix_tasks_client", "tasks", ["organization_id", "client_id"], unique=False)
    op.create_index(
        "ix_tasks_communication", "tasks", ["organization_id", "communication_id"], unique=False
    )
    op.create_index("ix_tasks_contact", "tasks", ["organization_id", "contact_id"], unique=False)
    op.create_index(
        "ix_tasks_created_at",
        "tasks",
        ["organization_id", "lifecycle", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_tasks_due_on_asc",
        "tasks",
        [
            "organization_id",
            "lifecycle",
            sa.literal_column("coalesce(due_on, 'infinity'::date)"),
            "id",
        ],
        unique=False,
    )
    op.create_index(
        "ix_tasks_due_on_desc",
        "tasks",
        [
            "organization_id",
            "lifecycle",
            sa.literal_column("coalesce(due_on, '-infinity'::date)"),
            "id",
        ],
        unique=False,
    )
    op.create_index(
        "ix_tasks_open", "tasks", ["organization_id", "state", "due_on", "id"], unique=False
    )
    op.create_index(
        "ix_tasks_queue",
        "tasks",
        ["organization_id", "assignee_id", "state", "due_on", "id"],
        unique=False,
    )
    op.create_index(
        "uq_tasks_cause",
        "tasks",
        ["organization_id", "client_id", "cause"],
        unique=True,
        postgresql_where=sa.text("state = 'open'::text AND lifecycle = 'live'::text"),
    )
    op.create_table(
        "calendar_feeds",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("lifecycle", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("secret_digest", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "lifecycle IN ('live', 'deleted')", name=op.f("ck_calendar_feeds_lifecycle")
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "user_id"],
            ["memberships.organization_id", "memberships.id"],
            name="fk_calendar_feeds_user",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_calendar_feeds")),
    )
    op.create_index(
        "ix_calendar_feeds_created_at",
        "calendar_feeds",
        ["organization_id", "lifecycle", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_calendar_feeds_user", "calendar_feeds", ["organization_id", "user_id"], unique=False
    )
    for table in TENANT_TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant ON {table} USING "
            "(organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)"
        )


def downgrade() -> None:
    op.drop_table("calendar_feeds")
    op.drop_table("tasks")
