"""The ids of contacts in other systems."""

import sqlalchemy as sa
from alembic import op

revision = "20261125_1004"
down_revision = "20261125_1002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "contact_refs",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "contact_id"],
            ["contacts.organization_id", "contacts.id"],
            name="fk_contact_refs_contact",
        ),
        sa.PrimaryKeyConstraint(
            "organization_id", "source", "external_id", name=op.f("pk_contact_refs")
        ),
    )
    op.create_index(
        "ix_contact_refs_contact", "contact_refs", ["organization_id", "contact_id"], unique=False
    )
    op.execute("ALTER TABLE contact_refs ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE contact_refs FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON contact_refs USING "
        "(organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)"
    )


def downgrade() -> None:
    op.drop_table("contact_refs")
