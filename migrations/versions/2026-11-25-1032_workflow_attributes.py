"""The attributes that clients have in other workflows than the default one."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "20261125_1032"
down_revision = "20261125_1031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A constant default is kept in the catalogue: no row is written.
    op.add_column(
        "clients",
        sa.Column(
            "workflow_attributes",
            postgresql.JSONB(astext_type=sa.Text()),
            server_default=sa.text("'{}'"),
            nullable=False,
        ),
    )


def downgrade() -> None:
    op.drop_column("clients", "workflow_attributes")
