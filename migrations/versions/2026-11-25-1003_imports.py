"""Imports: lists that were sent, their rows, what became of each."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261125_1003"
down_revision = "20261125_1014"
branch_labels = None
depends_on = None

TENANT_TABLES = ("imports", "import_parts", "import_records")


def upgrade() -> None:
    op.create_table(
        "imports",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("lifecycle", sa.Text(), nullable=False),
        sa.Column("file_name", sa.Text(), nullable=False),
        sa.Column("format", sa.Text(), nullable=False),
        sa.Column("encoding", sa.Text(), nullable=True),
        sa.Column("delimiter", sa.Text(), nullable=True),
        sa.Column("sheet", sa.Text(), nullable=True),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("empty_count", sa.Integer(), nullable=False),
        sa.Column("columns", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("mapping", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("match_by", sa.Text(), nullable=True),
        sa.Column("on_duplicate", sa.Text(), nullable=False),
        sa.Column("default_country", sa.Text(), nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("operation_id", sa.Uuid(), nullable=True),
        sa.Column("summary", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("format IN ('csv', 'xlsx')", name=op.f("ck_imports_format")),
        sa.CheckConstraint("mode IN ('create', 'update', 'upsert')", name=op.f("ck_imports_mode")),
        sa.CheckConstraint(
            "match_by IN ('number', 'email', 'external_ref')", name=op.f("ck_imports_match_by")
        ),
        sa.CheckConstraint(
            "on_duplicate IN ('skip', 'update', 'report')", name=op.f("ck_imports_on_duplicate")
        ),
        sa.CheckConstraint(
            "phase IN ('uploaded', 'check', 'import', 'revert')", name=op.f("ck_imports_phase")
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_imports")),
    )
    op.create_index(
        "ix_imports_created_at",
        "imports",
        ["organization_id", "lifecycle", "created_at", "id"],
        unique=False,
    )
    op.create_table(
        "import_parts",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint(
            "organization_id", "import_id", "position", name=op.f("pk_import_parts")
        ),
    )
    op.create_table(
        "import_records",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("import_id", sa.Uuid(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("client_version", sa.Integer(), nullable=True),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("findings", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("reverted", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('created', 'updated', 'unchanged', 'skipped', 'duplicate', 'invalid')",
            name=op.f("ck_import_records_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "import_id"],
            ["imports.organization_id", "imports.id"],
            name="fk_import_records_import",
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "import_id", "row", name=op.f("pk_import_records")
        ),
    )
    for table in TENANT_TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant ON {table} USING "
            "(organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)"
        )


def downgrade() -> None:
    op.drop_table("import_records")
    op.drop_table("import_parts")
    op.drop_table("imports")
