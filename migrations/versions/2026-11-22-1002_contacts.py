"""Contacts with their e-mails and phones."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_1002"
down_revision = "20261122_1001"
branch_labels = None
depends_on = None

TENANT_TABLES = (
    "contacts",
    "contact_emails",
    "contact_phones",
)


def upgrade() -> None:
    op.create_table(
        "contacts",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("lifecycle", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("honorific", sa.Text(), nullable=True),
        sa.Column("languages", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("do_not_contact", sa.Boolean(), nullable=False),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("reports_to_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "owner_id"],
            ["memberships.organization_id", "memberships.id"],
            name="fk_contacts_owner",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "reports_to_id"],
            ["contacts.organization_id", "contacts.id"],
            name="fk_contacts_reports_to",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_contacts")),
    )
    op.create_index(
        "ix_contacts_created_at",
        "contacts",
        ["organization_id", "lifecycle", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_contacts_name",
        "contacts",
        ["organization_id", "lifecycle", "name_key", "id"],
        unique=False,
    )
    op.create_index(
        "ix_contacts_reports_to", "contacts", ["organization_id", "reports_to_id"], unique=False
    )
    op.create_table(
        "contact_emails",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("is_primary", sa.Boolean(), nullable=False),
        sa.Column("reachability", sa.Text(), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contacts.organization_id", "contacts.id"],
            name="fk_contact_emails_contact",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_contact_emails")),
        sa.UniqueConstraint("organization_id", "key", name="uq_contact_emails_key"),
    )
    op.create_index(
        "ix_contact_emails_contact",
        "contact_emails",
        ["organization_id", "contact_id"],
        unique=False,
    )
    op.create_table(
        "contact_phones",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("e164", sa.Text(), nullable=False),
        sa.Column("national", sa.Text(), nullable=False),
        sa.Column("international", sa.Text(), nullable=False),
        sa.Column("country", sa.Text(), nullable=True),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("extension", sa.Text(), nullable=True),
        sa.Column("is_primary", sa.Boolean(), nullable=False),
        sa.Column("reachability", sa.Text(), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contacts.organization_id", "contacts.id"],
            name="fk_contact_phones_contact",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_contact_phones")),
    )
    op.create_index(
        "ix_contact_phones_contact",
        "contact_phones",
        ["organization_id", "contact_id"],
        unique=False,
    )
    op.create_index(
        "ix_contact_phones_e164", "contact_phones", ["organization_id", "e164"], unique=False
    )
    for table in TENANT_TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant ON {table} USING "
            "(organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)"
        )


def downgrade() -> None:
    op.drop_table("contact_phones")
    op.drop_table("contact_emails")
    op.drop_table("contacts")
