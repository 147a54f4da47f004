"""Where a timeline finds what is remembered about one client, newest first."""

import sqlalchemy as sa
from alembic import op

revision = "20261125_1060"
down_revision = "20261125_1051"
branch_labels = None
depends_on = None

OF_CLIENT = ["organization_id", "client_id", "lifecycle", "created_at", "id"]
INDEXES = (
    ("ix_notes_timeline", "notes", OF_CLIENT, None),
    ("ix_tasks_timeline", "tasks", OF_CLIENT, None),
    (
        "ix_changes_of_client",
        "changes",
        ["organization_id", "resource_id", "at", "id"],
        sa.text("resource = 'client'::text AND action <> 'client.activity_moved'::text"),
    ),
)


def upgrade() -> None:
    # Outside a transaction: these tables are written to meanwhile. What a run that was broken off
    # left behind is no index.
    with op.get_context().autocommit_block():
        for name, table, columns, where in INDEXES:
            _drop(name, table)
            op.create_index(
                name,
                table,
                columns,
                unique=False,
                if_not_exists=True,
                postgresql_concurrently=True,
                postgresql_where=where,
            )
        # The new one begins with its columns.
        _drop("ix_tasks_client", "tasks")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.create_index(
            "ix_tasks_client",
            "tasks",
            ["organization_id", "client_id"],
            unique=False,
            if_not_exists=True,
            postgresql_concurrently=True,
        )
        for name, table, _, _ in reversed(INDEXES):
            _drop(name, table)


def _drop(name: str, table: str) -> None:
    op.drop_index(name, table, postgresql_concurrently=True, if_exists=True)
