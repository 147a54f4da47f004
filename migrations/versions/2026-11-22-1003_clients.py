"""Clients."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261122_1003"
down_revision = "20261122_1002"
branch_labels = None
depends_on = None

TENANT_TABLES = ("clients",)


def upgrade() -> None:
    op.create_table(
        "clients",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("lifecycle", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_key", sa.Text(), nullable=False),
        sa.Column("identity_digest", sa.LargeBinary(), nullable=False),
        sa.Column("identity_slot", sa.Text(), nullable=False),
        sa.Column("profile_state", sa.Text(), nullable=False),
        sa.Column("registered_on", sa.Date(), nullable=False),
        sa.Column("last_activity_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("merged_into", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("type_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("type_override", sa.Text(), nullable=True),
        sa.Column("type_override_reason", sa.Text(), nullable=True),
        sa.Column("type_override_by", sa.Uuid(), nullable=True),
        sa.Column("type_override_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("type_override_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("status_reason", sa.Text(), nullable=True),
        sa.Column("industry", sa.Text(), nullable=True),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("stage_reason", sa.Text(), nullable=True),
        sa.Column("business_size", sa.Text(), nullable=True),
        sa.Column("service_tier", sa.Text(), nullable=True),
        sa.Column("region", sa.Text(), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=True),
        sa.Column("potential", sa.Text(), nullable=True),
        sa.Column("last_reviewed_on", sa.Date(), nullable=True),
        sa.Column("review_due_on", sa.Date(), nullable=False),
        sa.Column("products_services", sa.Text(), nullable=True),
        sa.Column("website", sa.Text(), nullable=True),
        sa.Column("social_profiles", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("source", sa.Text(), nullable=True),
        sa.Column("source_detail", sa.Text(), nullable=True),
        sa.Column("referred_by_id", sa.Uuid(), nullable=True),
        sa.Column("target_audience", sa.Text(), nullable=True),
        sa.Column("operating_hours", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=True),
        sa.Column("languages", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("preferences", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("notification_settings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("service", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("registration_country", sa.Text(), nullable=True),
        sa.Column("registration_number", sa.Text(), nullable=True),
        sa.Column("registration_key", sa.Text(), nullable=True),
        sa.Column("tax_numbers", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("remarks", sa.Text(), nullable=True),
        sa.Column("billing_details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("credit_limit", sa.BigInteger(), nullable=True),
        sa.Column("credit_limit_currency", sa.Text(), nullable=True),
        sa.Column("credit_limit_scale", sa.SmallInteger(), nullable=True),
        sa.Column("payment_terms_days", sa.Integer(), nullable=True),
        sa.Column("primary_link_id", sa.Uuid(), nullable=True),
        sa.CheckConstraint("kind IN ('organization', 'individual')", name=op.f("ck_clients_kind")),
        sa.CheckConstraint(
            "lifecycle IN ('live', 'archived', 'deleted', 'merged', 'erased')",
            name=op.f("ck_clients_lifecycle"),
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "merged_into"],
            ["clients.organization_id", "clients.id"],
            name="fk_clients_merged_into",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "owner_id"],
            ["memberships.organization_id", "memberships.id"],
            name="fk_clients_owner",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "referred_by_id"],
            ["clients.organization_id", "clients.id"],
            name="fk_clients_referred_by",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_clients")),
        sa.UniqueConstraint("organization_id", "number", name="uq_clients_number"),
    )
    op.create_index(
        "ix_clients_created_at",
        "clients",
        ["organization_id", "lifecycle", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "ix_clients_credit_limit_asc",
        "clients",
        [
            "organization_id",
            "lifecycle",
            sa.literal_column("coalesce(credit_limit, '9223372036854775807'::bigint)"),
            "id",
        ],
        unique=False,
    )
    op.create_index(
        "ix_clients_credit_limit_desc",
        "clients",
        [
            "organization_id",
            "lifecycle",
            sa.literal_column("coalesce(credit_limit, '-9223372036854775808'::bigint)"),
            "id",
        ],
        unique=False,
    )
    op.create_index(
        "ix_clients_industry",
        "clients",
        ["organization_id", "lifecycle", "industry", "name_key", "id"],
        unique=False,
    )
    op.create_index(
        "ix_clients_last_activity_at_asc",
        "clients",
        [
            "organization_id",
            "lifecycle",
            sa.literal_column("coalesce(last_activity_at, 'infinity'::timestamptz)"),
            "id",
        ],
        unique=False,
    )
    op.create_index(
        "ix_clients_last_activity_at_desc",
        "clients",
        [
            "organization_id",
            "lifecycle",
            sa.literal_column("coalesce(last_activity_at, '-infinity'::timestamptz)"),
            "id",
        ],
        unique=False,
    )
    op.create_index(
        "ix_clients_name",
        "clients",
        ["organization_id", "lifecycle", "name_key", "id"],
        unique=False,
    )
    op.create_index("ix_clients_owner", "clients", ["organization_id", "owner_id"], unique=False)
    op.create_index(
        "ix_clients_primary_link", "clients", ["organization_id", "primary_link_id"], unique=False
    )
    op.create_index(
        "ix_clients_referred_by", "clients", ["organization_id", "referred_by_id"], unique=False
    )
    op.create_index(
        "ix_clients_registered_on",
        "clients",
        ["organization_id", "lifecycle", "registered_on", "id"],
        unique=False,
    )
    op.create_index(
        "ix_clients_review_due_on",
        "clients",
        ["organization_id", "lifecycle", "review_due_on", "id"],
        unique=False,
    )
    op.create_index(
        "ix_clients_status",
        "clients",
        ["organization_id", "lifecycle", "status", "name_key", "id"],
        unique=False,
    )
    op.create_index(
        "ix_clients_updated_at",
        "clients",
        ["organization_id", "lifecycle", "updated_at", "id"],
        unique=False,
    )
    op.create_index(
        "uq_clients_identity",
        "clients",
        ["organization_id", "identity_digest", "identity_slot"],
        unique=True,
        postgresql_where=sa.text("lifecycle <> ALL (ARRAY['merged'::text, 'erased'::text])"),
    )
    op.create_index(
        "uq_clients_registration",
        "clients",
        ["organization_id", "registration_key"],
        unique=True,
        postgresql_where=sa.text("lifecycle <> ALL (ARRAY['merged'::text, 'erased'::text])"),
    )
    for table in TENANT_TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant ON {table} USING "
            "(organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)"
        )


def downgrade() -> None:
    op.drop_table("clients")
