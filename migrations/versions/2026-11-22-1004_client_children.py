"""What belongs to a client, and its links to contacts."""

import sqlalchemy as sa
from alembic import op

revision = "20261122_1004"
down_revision = "20261122_1003"
branch_labels = None
depends_on = None

TENANT_TABLES = (
    "client_emails",
    "client_phones",
    "client_sites",
    "client_contacts",
    "client_tags",
    "client_attributes",
    "client_refs",
)


def upgrade() -> None:
    op.create_table(
        "client_attributes",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "client_id"],
            ["clients.organization_id", "clients.id"],
            name="fk_client_attributes_client",
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "client_id", "key", name=op.f("pk_client_attributes")
        ),
    )
    op.create_index(
        "ix_client_attributes_pair",
        "client_attributes",
        ["organization_id", "key", "value", "client_id"],
        unique=False,
    )
    op.create_table(
        "client_contacts",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("roles", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("function", sa.Text(), nullable=True),
        sa.Column("job_title", sa.Text(), nullable=True),
        sa.Column("from_on", sa.Date(), nullable=True),
        sa.Column("to_on", sa.Date(), nullable=True),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "client_id"],
            ["clients.organization_id", "clients.id"],
            name="fk_client_contacts_client",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contacts.organization_id", "contacts.id"],
            name="fk_client_contacts_contact",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_client_contacts")),
    )
    op.create_index(
        "ix_client_contacts_client",
        "client_contacts",
        ["organization_id", "client_id"],
        unique=False,
    )
    op.create_index(
        "ix_client_contacts_contact",
        "client_contacts",
        ["organization_id", "contact_id"],
        unique=False,
    )
    op.create_table(
        "client_emails",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("is_primary", sa.Boolean(), nullable=False),
        sa.Column("reachability", sa.Text(), nullable=False),
        sa.Column("verified_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id", "client_id"],
            ["clients.organization_id", "clients.id"],
            name="fk_client_emails_client",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_client_emails")),
        sa.UniqueConstraint("organization_id", "key", name="uq_client_emails_key"),
    )
    op.create_index(
        "ix_client_emails_client", "client_emails", ["organization_id", "client_id"], unique=False
    )
    op.create_table(
        "client_phones",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
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
            ["organization_id", "client_id"],
            ["clients.organization_id", "clients.id"],
            name="fk_client_phones_client",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_client_phones")),
    )
    op.create_index(
        "ix_client_phones_client", "client_phones", ["organization_id", "client_id"], unique=False
    )
    op.create_index(
        "ix_client_phones_e164", "client_phones", ["organization_id", "e164"], unique=False
    )
    op.create_table(
        "client_refs",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "client_id"],
            ["clients.organization_id", "clients.id"],
            name="fk_client_refs_client",
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "source", "external_id", name=op.f("pk_client_refs")
        ),
    )
    op.create_index(
        "ix_client_refs_client", "client_refs", ["organization_id", "client_id"], unique=False
    )
    op.create_table(
        "client_sites",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("label", sa.Text(), nullable=True),
        sa.Column("country_code", sa.Text(), nullable=True),
        sa.Column("country_area", sa.Text(), nullable=True),
        sa.Column("city", sa.Text(), nullable=True),
        sa.Column("city_key", sa.Text(), nullable=True),
        sa.Column("postal_code", sa.Text(), nullable=True),
        sa.Column("street_address", sa.Text(), nullable=True),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("service_area", sa.Text(), nullable=True),
        sa.Column("address_quality", sa.Text(), nullable=False),
        sa.Column("is_primary", sa.Boolean(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "client_id"],
            ["clients.organization_id", "clients.id"],
            name="fk_client_sites_client",
        ),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_client_sites")),
    )
    op.create_index(
        "ix_client_sites_city",
        "client_sites",
        ["organization_id", "city_key", "client_id"],
        unique=False,
    )
    op.create_index(
        "ix_client_sites_client", "client_sites", ["organization_id", "client_id"], unique=False
    )
    op.create_index(
        "ix_client_sites_country",
        "client_sites",
        ["organization_id", "country_code", "client_id"],
        unique=False,
    )
    op.create_table(
        "client_tags",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("catalogue", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.CheckConstraint("catalogue = 'tags'", name=op.f("ck_client_tags_catalogue")),
        sa.ForeignKeyConstraint(
            ["organization_id", "catalogue", "tag"],
            [
                "catalogue_entries.organization_id",
                "catalogue_entries.catalogue",
                "catalogue_entries.key",
            ],
            name="fk_client_tags_entry",
        ),
        sa.ForeignKeyConstraint(
            ["organization_id", "client_id"],
            ["clients.organization_id", "clients.id"],
            name="fk_client_tags_client",
        ),
        sa.PrimaryKeyConstraint("organization_id", "client_id", "tag", name=op.f("pk_client_tags")),
    )
    op.create_index(
        "ix_client_tags_tag",
        "client_tags",
        ["organization_id", "catalogue", "tag", "client_id"],
        unique=False,
    )
    op.create_foreign_key(
        "fk_clients_primary_link",
        "clients",
        "client_contacts",
        ["organization_id", "primary_link_id"],
        ["organization_id", "id"],
        # The next migration validates it, without holding up writers.
        postgresql_not_valid=True,
    )
    for table in TENANT_TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant ON {table} USING "
            "(organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)"
        )


def downgrade() -> None:
    op.drop_constraint("fk_clients_primary_link", "clients", type_="foreignkey")
    op.drop_table("client_refs")
    op.drop_table("client_attributes")
    op.drop_table("client_tags")
    op.drop_table("client_contacts")
    op.drop_table("client_sites")
    op.drop_table("client_phones")
    op.drop_table("client_emails")
