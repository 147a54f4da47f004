"""Where the links that a person once had are found in the change log."""

import sqlalchemy as sa
from alembic import op

revision = "20261125_1014"
down_revision = "20261125_1004"
branch_labels = None
depends_on = None

INDEX = "ix_changes_unlinked"


def upgrade() -> None:
    # Outside a transaction: the log of a large organization is written to meanwhile. What a run
    # that was broken off left behind is no index.
    with op.get_context().autocommit_block():
        op.drop_index(INDEX, "changes", postgresql_concurrently=True, if_exists=True)
        op.create_index(
            INDEX,
            "changes",
            ["organization_id", "position"],
            unique=False,
            if_not_exists=True,
            postgresql_concurrently=True,
            postgresql_where=sa.text("action = 'client.contact_unlinked'::text"),
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.drop_index(INDEX, "changes", postgresql_concurrently=True, if_exists=True)
