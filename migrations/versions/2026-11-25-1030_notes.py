"""Notes of clients."""

import sqlalchemy as sa
from alembic import op

revision = "20261125_1030"
down_revision = "20261125_1021"
branch_labels = None
depends_on = None

INDEXES = {
    "client": ("client_id", "lifecycle", "pinned", "id"),
    "pinned": ("lifecycle", "pinned", "id"),
    "created_at": ("lifecycle", "created_at", "id"),
}


def upgrade() -> None:
    op.create_table(
        "notes",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("lifecycle", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("workflow", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_by_type", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("lifecycle IN ('live', 'deleted')", name=op.f("ck_notes_lifecycle")),
        sa.CheckConstraint(
            "kind IN ('general', 'service', 'preference', 'special_requirement', 'escalation')",
            name=op.f("ck_notes_kind"),
        ),
        sa.CheckConstraint(
            "created_by_type IN ('user', 'api_key', 'system')",
            name=op.f("ck_notes_created_by_type"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "client_id"],
            ["clients.organization_id", "clients.id"],
            name="fk_notes_client",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_notes")),
    )
    for name, columns in INDEXES.items():
        op.create_index(f"ix_notes_{name}", "notes", ["organization_id", *columns])
    op.execute("ALTER TABLE notes ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE notes FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON notes USING "
        "(organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)"
    )


def downgrade() -> None:
    op.drop_table("notes")
