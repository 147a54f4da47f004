"""Distribution lists, and who is on them."""

import sqlalchemy as sa
from alembic import op

revision = "20261125_1051"
down_revision = "20261125_1050"
branch_labels = None
depends_on = None

TENANT_TABLES = ("distribution_lists", "list_members")


def upgrade() -> None:
    op.create_table(
        "distribution_lists",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("lifecycle", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("segment_id", sa.Uuid(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "lifecycle IN ('live', 'archived', 'deleted')",
            name=op.f("ck_distribution_lists_lifecycle"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "segment_id"],
            ["segments.organization_id", "segments.id"],
            name="fk_distribution_lists_segment",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_distribution_lists")),
    )
    op.create_index(
        "ix_distribution_lists_created_at",
        "distribution_lists",
        ["organization_id", "lifecycle", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_distribution_lists_name",
        "distribution_lists",
        ["organization_id", "lifecycle", "name_key", "id"],
        unique=False,
    )
    op.create_index(
        "ix_distribution_lists_segment",
        "distribution_lists",
        ["organization_id", "segment_id"],
        unique=False,
    )
    op.create_index(
        "uq_distribution_lists_name",
        "distribution_lists",
        ["organization_id", "name_key"],
        unique=True,
        postgresql_where=sa.text("lifecycle <> 'deleted'::text"),
    )
    op.create_table(
        "list_members",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("lifecycle", sa.Text(), nullable=False),
        sa.Column("list_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("segment_id", sa.Uuid(), nullable=True),
        sa.Column("unsubscribed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("unsubscribe_reason", sa.Text(), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "lifecycle IN ('live', 'deleted')", name=op.f("ck_list_members_lifecycle")
        ),
        sa.CheckConstraint(
            "num_nonnulls(client_id, contact_id) = 1", name=op.f("ck_list_members_one_of_two")
        ),
        sa.CheckConstraint(
            "unsubscribe_reason IS NULL OR unsubscribed_at IS NOT NULL",
            name=op.f("ck_list_members_unsubscribed"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "client_id"],
            ["clients.organization_id", "clients.id"],
            name="fk_list_members_client",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contacts.organization_id", "contacts.id"],
            name="fk_list_members_contact",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "list_id"],
            ["distribution_lists.organization_id", "distribution_lists.id"],
            name="fk_list_members_list",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "segment_id"],
            ["segments.organization_id", "segments.id"],
            name="fk_list_members_segment",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_list_members")),
        sa.UniqueConstraint(
            "organization_id", "client_id", "list_id", name="uq_list_members_client"
        ),
        sa.UniqueConstraint(
            "organization_id", "contact_id", "list_id", name="uq_list_members_contact"
        ),
    )
    op.create_index(
        "ix_list_members_list",
        "list_members",
        ["organization_id", "list_id", "lifecycle", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_list_members_segment",
        "list_members",
        ["organization_id", "segment_id"],
        unique=False,
        postgresql_where=sa.text("segment_id IS NOT NULL"),
    )
    for table in TENANT_TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant ON {table} USING "
            "(organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)"
        )


def downgrade() -> None:
    op.drop_table("list_members")
    op.drop_table("distribution_lists")
