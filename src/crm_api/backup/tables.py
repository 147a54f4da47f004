"""The tables of a database as its own catalogue tells them, whatever release made them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import asyncpg

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

REVISIONS = "alembic_version"

_TABLES = """
SELECT c.relname AS name, c.relrowsecurity AS secured, c.relforcerowsecurity AS forced,
    array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE a.attgenerated = '') AS columns
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND c.relnamespace = 'public'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'e'
        AND (d.classid, d.objid) = ('pg_class'::regclass, c.oid))
GROUP BY c.oid ORDER BY c.relname
"""
_ROUTINES = """
SELECT format('%I(%s)', p.proname, pg_get_function_identity_arguments(p.oid)) FROM pg_proc p
WHERE p.pronamespace = 'public'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.deptype = 'e'
        AND (d.classid, d.objid) = ('pg_proc'::regclass, p.oid))
"""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of ours."""

    name: str
    columns: Sequence[str]
    """Those that hold values of their own: generated ones follow from them."""
    is_secured: bool
    """By row-level security: its rows are an organization's."""
    is_forced: bool

    @property
    def selection(self) -> str:
        return ", ".join(f'"{column}"' for column in self.columns)


async def read_tables(owner: Owner) -> list[Table]:
    """All tables but the one that holds the schema's revision."""
    return [
        Table(row["name"], row["columns"], row["secured"], row["forced"])
        for row in await owner.fetch(_TABLES)
        if row["name"] != REVISIONS
    ]


async def drop_all(owner: Owner) -> None:
    """Every table and routine of the schema, with all that hangs on them."""
    names = [row["name"] for row in await owner.fetch(_TABLES)]
    for name in names:
        await owner.execute(f'DROP TABLE IF EXISTS "{name}" CASCADE')
    for (routine,) in await owner.fetch(_ROUTINES):
        await owner.execute(f"DROP ROUTINE IF EXISTS {routine} CASCADE")


async def enter_organization(owner: Owner, organization_id: str) -> None:
    """Until the transaction ends: forced row-level security binds the owner too."""
    await owner.execute("SELECT set_config('app.organization_id', $1, true)", organization_id)


def forms() -> dict[str, str]:
    """Settings under which a value's text means the same on every server, and nothing hurries."""
    return {
        "datestyle": "ISO, YMD",
        "intervalstyle": "postgres",
        "extra_float_digits": "3",
        "timezone": "UTC",
        "statement_timeout": "0",
        "idle_in_transaction_session_timeout": "0",
        "lock_timeout": "60s",
    }
