"""Validate the key from a client to its primary link."""

from alembic import op

revision = "20261122_1005"
down_revision = "20261122_1004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE clients VALIDATE CONSTRAINT fk_clients_primary_link")


def downgrade() -> None:
    # A key cannot be made doubtful again but by making it anew.
    op.drop_constraint("fk_clients_primary_link", "clients", type_="foreignkey")
    op.create_foreign_key(
        "fk_clients_primary_link",
        "clients",
        "client_contacts",
        ["organization_id", "primary_link_id"],
        ["organization_id", "id"],
        postgresql_not_valid=True,
    )
