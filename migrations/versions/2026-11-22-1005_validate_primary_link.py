"""Validate the key from a client to its primary link."""

from alembic import op

revision = "20261122_1005"
down_revision = "20261122_1004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE clients VALIDATE CONSTRAINT fk_clients_primary_link")


def downgrade() -> None:
    """A validated key need not be made doubtful again."""
