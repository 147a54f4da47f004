"""Global search: the words of communications and notes, and the functions that look through them.

As those of clients and contacts, the functions are given to the role that a second policy names
(docs/adr/0013); they filter by the organization's setting themselves.
"""

from uuid import UUID

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects.postgresql import TSVECTOR

from crm_api.core.formats.names import text_lexemes

revision = "20261125_1061"
down_revision = "20261125_1060"
branch_labels = None
depends_on = None

BATCH = 5000
# A new row waits in a list that each search reads whole: it shall stay short.
WAITING = "WITH (gin_pending_list_limit = 64)"

# First the latest records, in their order, as what is asked for is mostly among them; words that
# many hold are all answered from these. Then the index of words: its hits have no order, so that
# they are bounded before they are sorted. What the reader may not see counts in no bound.
FUNCTION = """
CREATE FUNCTION {name}(
    q_words text, q_index text, q_kinds text[], q_lifecycles text[],
    q_recent integer, q_held integer, q_most integer
) RETURNS TABLE (id uuid)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 50
SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $function$
DECLARE
    org CONSTANT uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
    wanted CONSTANT tsquery := q_words::tsquery;
    in_index CONSTANT tsquery := q_index::tsquery;
    found_ones integer;
BEGIN
    RETURN QUERY
    SELECT s.{key} FROM (
        SELECT r.* FROM {table} r WHERE r.organization_id = org
        ORDER BY r.{key} DESC LIMIT q_recent
    ) s WHERE {condition} ORDER BY s.{key} DESC LIMIT q_most;
    GET DIAGNOSTICS found_ones = ROW_COUNT;
    IF found_ones >= q_most THEN
        RETURN;
    END IF;
    RETURN QUERY
    SELECT f.key FROM (
        -- OFFSET keeps the two apart: PostgreSQL would meet the hits with a list of all the
        -- organization's rows, as it takes a word to be in one row of two hundred.
        SELECT s.{key} AS key FROM (SELECT r.* FROM {table} r WHERE {words} @@ in_index OFFSET 0) s
        WHERE s.organization_id = org AND {condition} LIMIT q_held
    ) f ORDER BY f.key DESC LIMIT q_most;
END
$function$
"""
# A value, and no EXISTS: that one PostgreSQL may answer from a table of all clients at once.
OPEN = """(s.client_id IS NULL OR (
            SELECT c.lifecycle FROM client_search c
            WHERE c.organization_id = org AND c.client_id = s.client_id
        ) = ANY (q_lifecycles))"""
TABLES = {
    "communication": (("subject", "body"), "(subject || body)", "(s.subject || s.body)", True),
    "note": (("text",), "text", "s.text", False),
}
"""Record → its texts, what is indexed, the same in a function, whether it may have no client."""


def upgrade() -> None:
    for one, (texts, indexed, words, alone) in TABLES.items():
        table, key = f"{one}_search", f"{one}_id"
        kind = [sa.Column("kind", sa.Text(), nullable=False)] if one == "note" else []
        op.create_table(
            table,
            sa.Column("organization_id", sa.Uuid(), nullable=False),
            sa.Column(key, sa.Uuid(), nullable=False),
            sa.Column("client_id", sa.Uuid(), nullable=alone),
            sa.Column("lifecycle", sa.Text(), nullable=False),
            *kind,
            *(sa.Column(name, TSVECTOR(), nullable=False) for name in texts),
            sa.ForeignKeyConstraint(
                ["organization_id", key],
                [f"{one}s.organization_id", f"{one}s.id"],
                name=f"fk_{table}_record",
            ),
            sa.PrimaryKeyConstraint("organization_id", key, name=op.f(f"pk_{table}")),
        )
        op.execute(f"CREATE INDEX ix_{table}_words ON {table} USING gin ({indexed}) {WAITING}")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant ON {table} USING "
            "(organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)"
        )
        op.execute(_function(one, words, of_kinds=bool(kind)))
    if not context.is_offline_mode():
        _fill()


def _function(one: str, words: str, *, of_kinds: bool) -> str:
    kinds = "AND s.kind = ANY (q_kinds) " if of_kinds else ""
    there = words.replace("s.", "r.")
    condition = f"s.lifecycle = 'live' {kinds}AND {words} @@ wanted AND {OPEN}"
    table, key = f"{one}_search", f"{one}_id"
    return FUNCTION.format(
        name=f"search_{one}s", table=table, key=key, words=there, condition=condition
    )


# ------------------------------------------------------- what is there already


def _fill() -> None:
    """One organization after the other: forced row-level security binds the owner too."""
    connection = op.get_bind()
    op.execute("SET LOCAL statement_timeout = '60min'")
    for organization in connection.execute(sa.text("SELECT id FROM organizations")).scalars().all():
        setting = sa.text("SELECT set_config('app.organization_id', :org, true)")
        connection.execute(setting, {"org": str(organization)})
        for one, (texts, *_) in TABLES.items():
            _fill_table(one, texts, organization)
    connection.execute(sa.text("SELECT set_config('app.organization_id', '', true)"))


def _fill_table(one: str, texts: tuple[str, ...], organization: UUID) -> None:
    connection = op.get_bind()
    copied = ["client_id", "lifecycle", *(["kind"] if one == "note" else [])]
    found = sa.text(
        f"SELECT id, {', '.join([*copied, *texts])} FROM {one}s "  # noqa: S608  # our own words
        f"WHERE organization_id = :org AND id > :after ORDER BY id LIMIT {BATCH}"
    )
    values = [":org", ":id", *(f":{n}" for n in copied)]
    values += [f"CAST(CAST(:{n} AS text) AS tsvector)" for n in texts]
    put = sa.text(
        f"INSERT INTO {one}_search (organization_id, {one}_id, {', '.join([*copied, *texts])}) "  # noqa: S608  # our own words
        f"VALUES ({', '.join(values)})"
    )
    after: object = "00000000-0000-0000-0000-000000000000"
    salt = organization.bytes
    while rows := connection.execute(found, {"org": organization, "after": after}).mappings().all():
        lexemes = [{name: text_lexemes(row[name], salt) for name in texts} for row in rows]
        connection.execute(
            put,
            [
                dict(row) | made | {"org": organization}
                for row, made in zip(rows, lexemes, strict=True)
            ],
        )
        after = rows[-1]["id"]


def downgrade() -> None:
    for one in TABLES:
        op.execute(f"DROP FUNCTION search_{one}s")
        op.drop_table(f"{one}_search")
