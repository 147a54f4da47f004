"""Communications: what was said, who took part, and the trees they hang in."""

import sqlalchemy as sa
from alembic import op

revision = "20261125_1020"
down_revision = "20261125_1003"
branch_labels = None
depends_on = None

TENANT_TABLES = ("workflow_trees", "communications", "communication_participants")


def upgrade() -> None:
    op.create_table(
        "workflow_trees",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "client_id"],
            ["clients.organization_id", "clients.id"],
            name="fk_workflow_trees_client",
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "client_id", "workflow", name=op.f("pk_workflow_trees")
        ),
    )
    op.create_table(
        "communications",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("lifecycle", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_by", sa.Uuid(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("duration_minutes", sa.Integer(), nullable=True),
        sa.Column("follow_up_on", sa.Date(), nullable=True),
        sa.Column("workflow", sa.Text(), nullable=True),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("direction IN ('in', 'out')", name=op.f("ck_communications_direction")),
        sa.CheckConstraint(
            "lifecycle IN ('live', 'deleted')", name=op.f("ck_communications_lifecycle")
        ),
        sa.CheckConstraint(
            "state IN ('planned', 'held', 'cancelled', 'void')",
            name=op.f("ck_communications_state"),
        ),
        sa.CheckConstraint(
            "workflow IS NULL OR client_id IS NOT NULL",
            name=op.f("ck_communications_tree_of_client"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "client_id", "workflow"],
            [
                "workflow_trees.organization_id",
                "workflow_trees.client_id",
                "workflow_trees.workflow",
            ],
            name="fk_communications_tree",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "client_id"],
            ["clients.organization_id", "clients.id"],
            name="fk_communications_client",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "parent_id"],
            ["communications.organization_id", "communications.id"],
            name="fk_communications_parent",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_communications")),
    )
    op.create_index(
        "ix_communications_client",
        "communications",
        ["organization_id", "client_id", "occurred_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_communications_occurred_at",
        "communications",
        ["organization_id", "lifecycle", "occurred_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_communications_parent",
        "communications",
        ["organization_id", "parent_id"],
        unique=False,
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.create_index(
        "ix_communications_tree",
        "communications",
        ["organization_id", "client_id", "workflow", "occurred_at", "id"],
        unique=False,
        postgresql_where=sa.text("workflow IS NOT NULL"),
    )
    op.create_table(
        "communication_participants",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("communication_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("user_id", sa.Uuid(), nullable=True),
        sa.Column("name", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "num_nonnulls(contact_id, user_id, name) = 1",
            name=op.f("ck_communication_participants_one_of_three"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "communication_id"],
            ["communications.organization_id", "communications.id"],
            name="fk_participants_communication",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contacts.organization_id", "contacts.id"],
            name="fk_participants_contact",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "user_id"],
            ["memberships.organization_id", "memberships.id"],
            name="fk_participants_user",
        ),
        sa.PrimaryKeyConstraint(
            "organization_id",
            "communication_id",
            "position",
            name=op.f("pk_communication_participants"),
        ),
    )
    op.create_index(
        "ix_participants_contact",
        "communication_participants",
        ["organization_id", "contact_id", "communication_id"],
        unique=False,
        postgresql_where=sa.text("contact_id IS NOT NULL"),
    )
    op.create_index(
        "ix_participants_user",
        "communication_participants",
        ["organization_id", "user_id", "communication_id"],
        unique=False,
        postgresql_where=sa.text("user_id IS NOT NULL"),
    )
    for table in TENANT_TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant ON {table} USING "
            "(organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)"
        )


def downgrade() -> None:
    op.drop_table("communication_participants")
    op.drop_table("communications")
    op.drop_table("workflow_trees")
