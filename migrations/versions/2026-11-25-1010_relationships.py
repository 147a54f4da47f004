"""Relationships between clients."""

import sqlalchemy as sa
from alembic import op

revision = "20261125_1010"
down_revision = "20261125_1003"
branch_labels = None
depends_on = None

SAME_TWO = (
    "(child_id IS NULL) = (parent_id IS NULL) AND (child_id IS NULL"
    " OR (child_id = client_id AND parent_id = other_id)"
    " OR (child_id = other_id AND parent_id = client_id))"
)
OPEN_END = "lifecycle = 'live' AND to_on IS NULL"


def upgrade() -> None:
    op.create_table(
        "relationships",
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("lifecycle", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("other_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("inverse_kind", sa.Text(), nullable=False),
        sa.Column("child_id", sa.Uuid(), nullable=True),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("pair_key", sa.Text(), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=True),
        sa.Column("to_on", sa.Date(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        *(
            sa.ForeignKeyConstraint(
                ["organization_id", f"{end}_id"],
                ["clients.organization_id", "clients.id"],
                name=f"fk_relationships_{end}",
            )
            for end in ("client", "other")
        ),
        sa.CheckConstraint(
            "lifecycle IN ('live', 'deleted')", name=op.f("ck_relationships_lifecycle")
        ),
        sa.CheckConstraint("client_id <> other_id", name=op.f("ck_relationships_two_clients")),
        sa.CheckConstraint("from_on <= to_on", name=op.f("ck_relationships_period")),
        sa.CheckConstraint(SAME_TWO, name=op.f("ck_relationships_hierarchy")),
        sa.PrimaryKeyConstraint("organization_id", "id", name=op.f("pk_relationships")),
    )
    for end in ("client", "other"):
        columns = ["organization_id", f"{end}_id", "created_at", "id"]
        op.create_index(f"ix_relationships_{end}", "relationships", columns)
    for name, column in (("child", "child_id"), ("parent", "parent_id"), ("pair", "pair_key")):
        op.create_index(f"ix_relationships_{name}", "relationships", ["organization_id", column])
    for name, column in (("parent", "child_id"), ("pair", "pair_key")):
        op.create_index(
            f"uq_relationships_{name}",
            "relationships",
            ["organization_id", column],
            unique=True,
            postgresql_where=sa.text(OPEN_END),
        )
    op.execute("ALTER TABLE relationships ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE relationships FORCE ROW LEVEL SECURITY")
    op.execute(
        "CREATE POLICY tenant ON relationships USING "
        "(organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)"
    )


def downgrade() -> None:
    op.drop_table("relationships")
