"""Search: a narrow row for each client and contact, and the functions that look through them.

The functions are the only readers that no policy slows down (docs/adr/0013); `crm-api migrate`
gives them to the role that the second policy names. They filter by the organization's setting.
"""

from collections.abc import Callable
from uuid import UUID

import sqlalchemy as sa
from alembic import context, op

from crm_api.core.formats.names import all_near_keys, padded, search_words
from crm_api.core.formats.phones import searched_digits

revision = "20261125_1000"
down_revision = "20261122_1005"
branch_labels = None
depends_on = None

EXTENSIONS = ("pg_trgm", "btree_gin")
# Both were trusted long before PostgreSQL 15: the owner of the database may add them.
SHOWN_NUMBER = "'c-' || lpad(number::text, greatest(6, length(number::text)), '0')"
BATCH = 5000
ENOUGH = 5
"""Hits that make a misspelling unlikely."""
# A new row waits in a list that each search reads whole: it shall stay short.
WAITING = "WITH (gin_pending_list_limit = 64)"

# A pattern that is null matches nothing, and its index is not even looked at: so a caller who may
# not read something hands none over. All words of a name stand in one scan of one index, which
# meets them; the four longest are enough for it.
NAME_HIT = """
    {column} LIKE q_names[1] AND {column} LIKE q_names[2]
    AND {column} LIKE q_names[3] AND {column} LIKE q_names[4] AND {column} LIKE ALL (q_names)
"""
# The name in the order of ranks is only for who asked by names.
RANK = (
    "{tier} || lpad((999 - {closeness})::text, 3, '0')"
    " || CASE WHEN q_asked IS NULL THEN '' ELSE s.name END"
)
LENGTH = "least(999, length(q_asked) * 999 / length(s.name))"
AT_START = (
    "(CASE WHEN s.name LIKE '% ' || ltrim(q_names[1], '% ') THEN 500 ELSE 0 END"
    " + least(499, length(q_asked) * 499 / length(s.name)))"
)
# Of a phone number people know the end; zeros that lead out of a country are left out as well.
# Few digits end so many numbers and stand in so many more that the ends are looked up apart.
PHONE = "s.phones LIKE ANY (ARRAY['{0}' || q_phone[1] || '{1}', '{0}' || q_phone[2] || '{1}'])"
WHOLE, BEGINS, ENDS, HOLDS = (
    PHONE.format(*edges) for edges in (("% ", " %"), ("% ", "%"), ("%", " %"), ("%", "%"))
)
PHONE_ENDS = "(s.phones LIKE q_ends[1] OR s.phones LIKE q_ends[2])"
PHONE_HOLDS = (
    "(s.phones LIKE q_phones[1] OR s.phones LIKE q_phones[2])"
    f" AND {HOLDS} AND {PHONE_ENDS} IS NOT TRUE"
)
ALIKE = "(similarity(q_asked, s.name) * 999)::integer"
FROM = """
    FROM {table} s WHERE s.organization_id = org AND s.lifecycle = ANY (q_lifecycles) AND
"""


def _rank(tier: str, closeness: str = "0") -> str:
    return RANK.format(tier=tier, closeness=closeness)


def _tier(column: str, exact: str, begins: str) -> str:
    conditions = f"WHEN s.{column} LIKE {exact} THEN 0 WHEN s.{column} LIKE {begins} THEN 1"
    return f"CASE {conditions} ELSE 2 END"


def _arms(table: str, key: str) -> Callable[[str, str, str], str]:
    """(what matched, its rank, the condition) → one arm of a search through the table."""

    def arm(matched: str, rank: str, condition: str) -> str:
        from_table = FROM.format(table=table)
        return (
            f"SELECT s.{key} AS key, '{matched}' AS what, {rank} AS place {from_table} {condition}"
        )

    return arm


def _held(table: str, key: str, *, of_clients: bool) -> list[str]:
    """What holds the term as it was sent; the best first, as the limit cuts the rest."""
    arm = _arms(table, key)
    begins = "(s.name ~>=~ q_low AND s.name ~<~ q_high)"
    whole_name = _rank("CASE WHEN s.name = q_asked THEN 0 ELSE 1 END", LENGTH)
    phone = _rank(
        f"CASE WHEN {WHOLE} THEN 0 WHEN {ENDS} OR {BEGINS} THEN 1 ELSE 2 END",
        f"(CASE WHEN {ENDS} THEN 999 ELSE 0 END)",
    )
    email = _rank(_tier("emails", "'% ' || q_email || ' %'", "'% ' || q_email || '%'"))
    found = [
        arm("name", whole_name, begins),
        arm("phone", phone, PHONE_ENDS),
        arm("phone", phone, PHONE_HOLDS),
        arm("email", email, "s.emails LIKE q_emails[1] AND s.emails LIKE ALL (q_emails)"),
        arm(
            "name",
            _rank("2", AT_START),
            f"{NAME_HIT.format(column='s.name')} AND {begins} IS NOT TRUE",
        ),
    ]
    if of_clients:
        number = SHOWN_NUMBER.replace("number", "s.number")
        others = f"({number}) LIKE q_numbers AND s.number IS DISTINCT FROM q_number"
        # The one number, and numbers that end so, before the many that hold the digits.
        found.insert(2, arm("number", _rank("2"), others))
        found.insert(1, arm("number", _rank("0"), "s.number = q_number"))
        people = NAME_HIT.replace("q_names", "q_people").format(column="s.people")
        found.append(arm("contact", _rank("2"), people))
    return found


def _function(name: str, table: str, key: str, *, of_clients: bool) -> str:
    arm = _arms(table, key)
    words = " AND ".join(f"s.near && q_near[{n}]::integer[]" for n in (1, 2, 3))
    near = arm("name", _rank("3", ALIKE), words)
    joined = arm("name", _rank("3", ALIKE), "s.near && q_joined")
    # Of a single word there may be many: the name that is near as a whole comes before them.
    first = arm("name", _rank("3", ALIKE), "q_near[1] = q_near[2] AND s.near && q_joined")
    alike = arm("name", _rank("3", ALIKE), "q_asked <% s.name")
    begins, *others = _held(table, key, of_clients=of_clients)
    rest = " UNION ALL ".join(others)
    return f"""
CREATE FUNCTION {name}(
    q_lifecycles text[], q_most_begin integer, q_most_hold integer, q_most_near integer,
    q_asked text, q_low text, q_high text, q_names text[], q_number bigint, q_numbers text,
    q_email text, q_emails text[], q_phone text[], q_ends text[], q_phones text[],
    q_people text[], q_near text[], q_joined integer[]
) RETURNS TABLE (id uuid, matched text, rank text)
LANGUAGE plpgsql STABLE SECURITY DEFINER ROWS 100
SET search_path = public, pg_temp
SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off
AS $function$
DECLARE
    org CONSTANT uuid := nullif(current_setting('app.organization_id', true), '')::uuid;
    held integer;
    more integer;
BEGIN
    -- The index alone answers what a name begins with; what is held elsewhere costs its rows.
    RETURN QUERY {begins} LIMIT q_most_begin;
    GET DIAGNOSTICS held = ROW_COUNT;
    IF held >= q_most_hold THEN
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM ({rest}) f LIMIT q_most_hold;
    GET DIAGNOSTICS more = ROW_COUNT;
    held := held + more;
    IF held >= {ENOUGH} OR q_near IS NULL THEN
        RETURN;
    END IF;
    RETURN QUERY ({first} LIMIT q_most_near) UNION ALL ({near} LIMIT q_most_near);
    GET DIAGNOSTICS more = ROW_COUNT;
    IF held + more > 0 THEN
        RETURN;
    END IF;
    RETURN QUERY {joined} LIMIT q_most_near;
    IF NOT FOUND THEN
        PERFORM set_config('pg_trgm.word_similarity_threshold', '0.5', true);
        RETURN QUERY {alike} LIMIT q_most_near;
    END IF;
END
$function$
"""  # noqa: S608  # our own words


def upgrade() -> None:
    for extension in EXTENSIONS:
        op.execute(f"CREATE EXTENSION IF NOT EXISTS {extension}")
    _create("client_search", "client_id", "clients",
            sa.Column("number", sa.BigInteger(), nullable=False),
            sa.Column("people", sa.Text(), nullable=False))  # fmt: skip
    _create("contact_search", "contact_id", "contacts")
    op.execute(_function("search_clients", "client_search", "client_id", of_clients=True))
    op.execute(_function("search_contacts", "contact_search", "contact_id", of_clients=False))
    if not context.is_offline_mode():
        _fill()


def _create(table: str, key: str, target: str, *more: "sa.Column[object]") -> None:
    op.create_table(
        table,
        sa.Column("organization_id", sa.Uuid(), nullable=False),
        sa.Column(key, sa.Uuid(), nullable=False),
        *more,
        sa.Column("lifecycle", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("near", sa.ARRAY(sa.Integer()), nullable=False),
        sa.Column("emails", sa.Text(), nullable=False),
        sa.Column("phones", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["organization_id", key],
            [f"{target}.organization_id", f"{target}.id"],
            name=f"fk_{table}_{target.removesuffix('s')}",
        ),
        sa.PrimaryKeyConstraint("organization_id", key, name=op.f(f"pk_{table}")),
    )
    op.create_index(
        f"ix_{table}_begins",
        table,
        ["organization_id", "lifecycle", "name", key],
        postgresql_ops={"name": "text_pattern_ops"},
    )
    if more:
        op.create_index(f"ix_{table}_number", table, ["organization_id", "number"])
    grams = "gin_trgm_ops"
    words = [f"{name} {grams}" for name in ("name", "emails", "phones")]
    extra = [f"people {grams}", f"({SHOWN_NUMBER}) {grams}"] if more else []
    columns = ", ".join(["organization_id", *words, *extra])
    op.execute(f"CREATE INDEX ix_{table}_contains ON {table} USING gin ({columns}) {WAITING}")
    op.execute(f"CREATE INDEX ix_{table}_near ON {table} USING gin (near) {WAITING}")
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(
        f"CREATE POLICY tenant ON {table} USING "
        "(organization_id = nullif(current_setting('app.organization_id', true), '')::uuid)"
    )


# ------------------------------------------------------- what is there already

_TEXTS = """
SELECT o.id, o.lifecycle, o.name{more},
       (SELECT coalesce(array_agg(e.key ORDER BY e.position), '{{}}') FROM {one}_emails e
        WHERE e.organization_id = o.organization_id AND e.{one}_id = o.id) AS emails,
       (SELECT coalesce(array_agg(p.e164 || ';' || p.national ORDER BY p.position), '{{}}')
        FROM {one}_phones p
        WHERE p.organization_id = o.organization_id AND p.{one}_id = o.id) AS phones
FROM {one}s o WHERE o.organization_id = :org AND o.id > :after ORDER BY o.id LIMIT {batch}
"""
_PEOPLE = """
UPDATE client_search c SET people = coalesce((
    SELECT string_agg(p.name, '' ORDER BY l.position, l.id)
    FROM client_contacts l JOIN contact_search p
      ON p.organization_id = l.organization_id AND p.contact_id = l.contact_id
    WHERE l.organization_id = c.organization_id AND l.client_id = c.client_id
      AND p.lifecycle = 'live'), '')
WHERE c.organization_id = :org
"""


def _fill() -> None:
    """One organization after the other: forced row-level security binds the owner too."""
    connection = op.get_bind()
    op.execute("SET LOCAL statement_timeout = '30min'")
    for organization in connection.execute(sa.text("SELECT id FROM organizations")).scalars().all():
        setting = sa.text("SELECT set_config('app.organization_id', :org, true)")
        connection.execute(setting, {"org": str(organization)})
        for one, more in (("contact", ""), ("client", ", o.number")):
            _fill_table(one, more, organization)
        connection.execute(sa.text(_PEOPLE), {"org": organization})
    connection.execute(sa.text("SELECT set_config('app.organization_id', '', true)"))


def _fill_table(one: str, more: str, organization: UUID) -> None:
    connection = op.get_bind()
    texts = sa.text(_TEXTS.format(one=one, more=more, batch=BATCH))
    extra = (", number, people", ", :number, ''") if more else ("", "")
    put = sa.text(
        f"INSERT INTO {one}_search (organization_id, {one}_id, lifecycle, name, near, emails, "  # noqa: S608  # our own words
        f"phones{extra[0]}) VALUES (:org, :id, :lifecycle, :name, :near, :emails, "
        f":phones{extra[1]})"
    )
    after: object = "00000000-0000-0000-0000-000000000000"
    while rows := connection.execute(texts, {"org": organization, "after": after}).mappings().all():
        values = [_row(row, organization) | {"org": organization} for row in rows]
        connection.execute(put, values)
        after = rows[-1]["id"]


def _row(found: sa.RowMapping, organization: UUID) -> dict[str, object]:
    words = search_words(found["name"])
    phones = [phone.split(";") for phone in found["phones"]]
    return dict(found) | {
        "name": padded(words),
        "near": all_near_keys(words, organization.bytes),
        "emails": padded(found["emails"]),
        "phones": padded([d for e164, national in phones for d in searched_digits(e164, national)]),
    }


def downgrade() -> None:
    op.execute("DROP FUNCTION search_contacts")
    op.execute("DROP FUNCTION search_clients")
    op.drop_table("contact_search")
    op.drop_table("client_search")
    # The extensions stay: somebody else may have come to use them.
