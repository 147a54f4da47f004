"""Segments: conditions that are kept under a name."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261125_1050"
down_revision = "20261125_1040"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "segments",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("lifecycle", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("filter", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("visibility", sa.Text(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("lifecycle IN ('live', 'deleted')", name=op.f("ck_segments_lifecycle")),
        sa.CheckConstraint(
            "visibility IN ('organization', 'private')", name=op.f("ck_segments_visibility")
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_segments")),
    )
    op.create_index(
        "ix_segments_created_at",
        "segments",
        ["organization_id", "lifecycle", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_segments_name",
        "segments",
        ["organization_id", "lifecycle", "name_key", "id"],
        unique=False,
    )
    op.execute("ALTER TABLE segments ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE segments FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON segments USING "
        "(organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)"
    )


def downgrade() -> None:
    op.drop_table("segments")
