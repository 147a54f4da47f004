"""Files of clients, contacts and communications, their versions, and what they come to."""

import sqlalchemy as sa
from alembic import op

revision = "20261125_1040"
down_revision = "20261125_1032"
branch_labels = None
depends_on = None

TABLES = ("files", "file_versions", "loose_objects", "file_usage")
INDEXES = {
    "client": ("client_id", "lifecycle", "created_at", "id"),
    "contact": ("contact_id", "lifecycle", "created_at", "id"),
    "communication": ("communication_id", "lifecycle", "created_at", "id"),
    "created_at": ("lifecycle", "created_at", "id"),
}
AUTHORS = "created_by_type IN ('user', 'api_key', 'system')"
FORM = (
    "CASE form WHEN 'link' THEN url IS NOT NULL AND latest_version = 0 "
    "AND num_nonnulls(media_type, size_bytes, sha256) = 0 "
    "WHEN 'document' THEN url IS NULL AND latest_version > 0 "
    "AND num_nulls(media_type, size_bytes, sha256) = 0 ELSE false END"
)


def upgrade() -> None:
    _create_files()
    _create_versions()
    op.create_table(
        "loose_objects",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_loose_objects")),
    )
    op.create_index("ix_loose_objects_since", "loose_objects", ["organization_id", "since"])
    op.create_table(
        "file_usage",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("used_bytes", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("used_bytes >= 0", name=op.f("ck_file_usage_used_bytes")),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_file_usage")),
    )
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant ON {table} USING "
            "(organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)"
        )


def _create_files() -> None:
    op.create_table(
        "files",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("lifecycle", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("communication_id", sa.Uuid(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("form", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("media_type", sa.Text(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.LargeBinary(), nullable=True),
        sa.Column("latest_version", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_by_type", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("deleted_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("lifecycle IN ('live', 'deleted')", name=op.f("ck_files_lifecycle")),
        sa.CheckConstraint(
            "(lifecycle = 'deleted') = (deleted_at IS NOT NULL)", name=op.f("ck_files_deleted_at")
        ),
        sa.CheckConstraint(
            "num_nonnulls(client_id, contact_id, communication_id) > 0",
            name=op.f("ck_files_place"),
        ),
        sa.CheckConstraint(
            "num_nonnulls(contact_id, communication_id) < 2", name=op.f("ck_files_one_place")
        ),
        sa.CheckConstraint(
            "kind IN ('general', 'service', 'preference', 'special_requirement', 'escalation')",
            name=op.f("ck_files_kind"),
        ),
        sa.CheckConstraint(FORM, name=op.f("ck_files_form")),
        sa.CheckConstraint(AUTHORS, name=op.f("ck_files_created_by_type")),
        *(
            sa.ForeignKeyConstraint(
                ["organization_id", f"{singular}_id"],
                [f"{table}.organization_id", f"{table}.id"],
                name=f"fk_files_{singular}",
            )
            for singular, table in (
                ("client", "clients"),
                ("contact", "contacts"),
                ("communication", "communications"),
            )
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_files")),
    )
    for name, columns in INDEXES.items():
        op.create_index(f"ix_files_{name}", "files", ["organization_id", *columns])
    op.create_index(
        "ix_files_deleted_at",
        "files",
        ["organization_id", "deleted_at"],
        postgresql_where=sa.text("deleted_at IS NOT NULL"),
    )


def _create_versions() -> None:
    op.create_table(
        "file_versions",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("object_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.LargeBinary(), nullable=False),
        sa.Column("created_by", sa.Uuid(), nullable=False),
        sa.Column("created_by_type", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(AUTHORS, name=op.f("ck_file_versions_created_by_type")),
        sa.ForeignKeyConstraint(
            ["organization_id", "file_id"],
            ["files.organization_id", "files.id"],
            name="fk_file_versions_file",
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "file_id", "number", name=op.f("pk_file_versions")
        ),
        sa.UniqueConstraint("organization_id", "object_id", name="uq_file_versions_object"),
    )


def downgrade() -> None:
    for table in ("file_usage", "loose_objects", "file_versions", "files"):
        op.drop_table(table)
