"""Followers of clients, and how far each user has read what they are told."""

import sqlalchemy as sa
from alembic import op

revision = "20261125_1031"
down_revision = "20261125_1030"
branch_labels = None
depends_on = None

TENANT_TABLES = ("followers", "notification_marks", "notification_reads")


def upgrade() -> None:
    op.create_table(
        "followers",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("membership_id", sa.Uuid(), nullable=False),
        sa.Column("since_position", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", "client_id"],
            ["clients.organization_id", "clients.id"],
            name="fk_followers_client",
        ),
        _of_member("followers"),
        sa.PrimaryKeyConstraint(
            "organization_id", "client_id", "membership_id", name=op.f("pk_followers")
        ),
    )
    columns = ["organization_id", "membership_id", "client_id"]
    op.create_index("ix_followers_membership", "followers", columns)
    op.create_table(
        "notification_marks",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("membership_id", sa.Uuid(), nullable=False),
        sa.Column("read_up_to", sa.BigInteger(), nullable=False),
        _of_member("notification_marks"),
        sa.PrimaryKeyConstraint(
            "organization_id", "membership_id", name=op.f("pk_notification_marks")
        ),
    )
    op.create_table(
        "notification_reads",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("membership_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        _of_member("notification_reads"),
        sa.PrimaryKeyConstraint(
            "organization_id", "membership_id", "position", name=op.f("pk_notification_reads")
        ),
    )
    for table in TENANT_TABLES:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant ON {table} USING "
            "(organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)"
        )


def _of_member(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["organization_id", "membership_id"],
        ["memberships.organization_id", "memberships.id"],
        name=f"fk_{table}_membership",
    )


def downgrade() -> None:
    op.drop_table("notification_reads")
    op.drop_table("notification_marks")
    op.drop_table("followers")
