"""Global search: the words of communications, notes and files, and what looks through them.

As those of clients and contacts, the functions are given to the role that a second policy names
(docs/adr/0013); they filter by the organization's setting themselves.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects.postgresql import TSVECTOR

from crm_api.core.formats.file_names import with_parts
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
    q_words text, q_index text, q_kinds text[], {places},
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
# That what a record hangs on is there for who asks. Values, and no EXISTS: that one PostgreSQL may
# answer from a table of all clients at once. What is cheap is asked apart, as it is then asked
# first: where none is there for the reader, none is looked up.
PLACES: Final = {
    "client": """(s.client_id IS NULL OR (
            SELECT c.lifecycle FROM client_search c
            WHERE c.organization_id = org AND c.client_id = s.client_id
        ) = ANY (q_clients))""",
    "contact": """(s.contact_id IS NULL OR q_contacts <> '{}')
        AND (s.contact_id IS NULL OR (
            SELECT p.lifecycle FROM contact_search p
            WHERE p.organization_id = org AND p.contact_id = s.contact_id
        ) = ANY (q_contacts))""",
    # What belongs to a client that is not there is not there either.
    "communication": """(s.communication_id IS NULL OR q_communications <> '{}')
        AND (s.communication_id IS NULL OR (
            SELECT CASE WHEN m.client_id IS NULL OR (
                SELECT c.lifecycle FROM client_search c
                WHERE c.organization_id = org AND c.client_id = m.client_id
            ) = ANY (q_clients) THEN m.lifecycle END FROM communication_search m
            WHERE m.organization_id = org AND m.communication_id = s.communication_id
        ) = ANY (q_communications))""",
}


@dataclass(frozen=True)
class Searched:
    """How one kind of record is found by its words."""

    texts: tuple[str, ...]
    """Those of the record whose words are stored."""
    places: Mapping[str, bool]
    """What it hangs on, and whether it may hang on none such."""
    has_kind: bool = True
    spelt: Callable[[str], str] = str
    """What of a text is stored."""

    def words(self, row: str = "") -> str:
        """What is indexed; as the index has it, or of a row in a function."""
        named = [f"{row}{name}" for name in self.texts]
        return named[0] if len(named) == 1 else f"({' || '.join(named)})"

    @property
    def copied(self) -> list[str]:
        """Columns that are those of the record."""
        kind = ["kind"] if self.has_kind else []
        return [*(f"{place}_id" for place in self.places), "lifecycle", *kind]


TABLES: Final = {
    "communication": Searched(("subject", "body"), {"client": True}, has_kind=False),
    "note": Searched(("text",), {"client": False}),
    "file": Searched(
        ("name",), {"client": True, "contact": True, "communication": True}, spelt=with_parts
    ),
}


def upgrade() -> None:
    for one, how in TABLES.items():
        table, key = f"{one}_search", f"{one}_id"
        kind = [sa.Column("kind", sa.Text(), nullable=False)] if how.has_kind else []
        op.create_table(
            table,
            sa.Column("organization_id", sa.Uuid(), nullable=False),
            sa.Column(key, sa.Uuid(), nullable=False),
            *(sa.Column(f"{p}_id", sa.Uuid(), nullable=alone) for p, alone in how.places.items()),
            sa.Column("lifecycle", sa.Text(), nullable=False),
            *kind,
            *(sa.Column(name, TSVECTOR(), nullable=False) for name in how.texts),
            sa.ForeignKeyConstraint(
                ["organization_id", key],
                [f"{one}s.organization_id", f"{one}s.id"],
                name=f"fk_{table}_record",
            ),
            sa.PrimaryKeyConstraint("organization_id", key, name=op.f(f"pk_{table}")),
        )
        op.execute(f"CREATE INDEX ix_{table}_words ON {table} USING gin ({how.words()}) {WAITING}")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(
            f"CREATE POLICY tenant ON {table} USING "
            "(organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)"
        )
        op.execute(_function(one, how))
    if not context.is_offline_mode():
        fill()


def _function(one: str, how: Searched) -> str:
    conditions = [
        "s.lifecycle = 'live'",
        *(["s.kind = ANY (q_kinds)"] if how.has_kind else []),
        f"{how.words('s.')} @@ wanted",
        *(PLACES[place] for place in how.places),
    ]
    return FUNCTION.format(
        name=f"search_{one}s",
        table=f"{one}_search",
        key=f"{one}_id",
        places=", ".join(f"q_{place}s text[]" for place in how.places),
        words=how.words("r."),
        condition=" AND ".join(conditions),
    )


# ------------------------------------------------------- what is there already


def fill() -> None:
    """One organization after the other: forced row-level security binds the owner too."""
    connection = op.get_bind()
    op.execute("SET LOCAL statement_timeout = '60min'")
    for organization in connection.execute(sa.text("SELECT id FROM organizations")).scalars().all():
        setting = sa.text("SELECT set_config('app.organization_id', :org, true)")
        connection.execute(setting, {"org": str(organization)})
        for one, how in TABLES.items():
            _fill_table(one, how, organization)
    connection.execute(sa.text("SELECT set_config('app.organization_id', '', true)"))


def _fill_table(one: str, how: Searched, organization: UUID) -> None:
    connection = op.get_bind()
    copied, texts = how.copied, how.texts
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
        lexemes = [
            {name: text_lexemes(how.spelt(row[name] or ""), salt) for name in texts} for row in rows
        ]
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
