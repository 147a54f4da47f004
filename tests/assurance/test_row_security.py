"""What the application's role can do in plain SQL: nothing beyond the organization that is set."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import ForeignKeyConstraint

from crm_api.core.ids import new_id
from crm_api.installation import APPEND_ONLY, Addresses
from crm_api.models import metadata
from tests.assurance.schema_rules import GLOBAL, ORGANIZATION
from tests.canaries import Bystander, columns_without
from tests.factories import Organization

TENANT_TABLES = sorted(t.name for t in metadata.sorted_tables if t.name not in GLOBAL)
KEYS = [
    pytest.param(key, id=str(key.name))
    for table in metadata.sorted_tables
    if table.name not in GLOBAL
    for key in sorted(table.foreign_key_constraints, key=lambda k: str(k.name))
    if key.elements[0].column.table.name not in GLOBAL
]


@pytest.fixture
async def served(database: Addresses) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """A connection as the application's role, with no organization set."""
    connection = await asyncpg.connect(database.application)
    yield connection
    await connection.close()


async def set_organization(served: Any, organization_id: UUID) -> None:
    await served.execute(f"SET app.organization_id = '{organization_id}'")


async def count(connection: Any, table: str, where: str = "true", *values: Any) -> int:
    found = await connection.fetchval(f"SELECT count(*) FROM {table} WHERE {where}", *values)
    return int(found)


async def test_canary_stands_in_every_column_of_text(
    owner: "asyncpg.Connection[asyncpg.Record]", bystander: Bystander
) -> None:
    """So that no leak of any column stays unseen, in the whole suite."""
    assert await columns_without(owner, bystander.id) == []


@pytest.mark.parametrize("table", TENANT_TABLES)
async def test_without_a_setting_there_are_no_rows(
    owner: "asyncpg.Connection[asyncpg.Record]",
    served: "asyncpg.Connection[asyncpg.Record]",
    bystander: Bystander,
    table: str,
) -> None:
    assert await count(owner, table) > 0, "the bystander has a row in each table"
    assert await count(served, table) == 0
    await served.execute("SET app.organization_id = ''")
    assert await count(served, table) == 0
    await served.execute("SET app.organization_id = 'nonsense'")
    with pytest.raises(asyncpg.InvalidTextRepresentationError):
        await count(served, table)


@pytest.mark.parametrize("table", TENANT_TABLES)
async def test_with_a_setting_there_are_the_rows_of_that_organization_alone(
    owner: "asyncpg.Connection[asyncpg.Record]",
    served: "asyncpg.Connection[asyncpg.Record]",
    bystander: Bystander,
    radio: Organization,
    table: str,
) -> None:
    for organization_id in (bystander.id, radio.organization_id, new_id()):
        await set_organization(served, organization_id)
        own = await count(owner, table, f"{ORGANIZATION} = $1", organization_id)
        assert await count(served, table) == own
        assert await count(served, table, f"{ORGANIZATION} <> $1", organization_id) == 0


async def row_of(owner: Any, table: str, organization_id: UUID) -> Mapping[str, Any]:
    text = await owner.fetchval(
        f"SELECT to_jsonb(t)::text FROM {table} t WHERE {ORGANIZATION} = $1 LIMIT 1",
        organization_id,
    )
    found: Mapping[str, Any] = json.loads(text)
    return found


@pytest.mark.parametrize("table", TENANT_TABLES)
async def test_rows_of_another_organization_cannot_be_written(
    owner: "asyncpg.Connection[asyncpg.Record]",
    served: "asyncpg.Connection[asyncpg.Record]",
    bystander: Bystander,
    radio: Organization,
    table: str,
) -> None:
    row = await row_of(owner, table, bystander.id)
    insert = f"INSERT INTO {table} SELECT * FROM jsonb_populate_record(NULL::{table}, $1)"
    await set_organization(served, radio.organization_id)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await served.execute(insert, json.dumps(row))
    if table in APPEND_ONLY:
        return
    moved = f"UPDATE {table} SET {ORGANIZATION} = $1"
    before = await row_digest(owner, table, bystander.id)
    # Nothing of the bystander's is seen, so nothing is changed or deleted.
    target = f"WHERE {ORGANIZATION} = '{bystander.id}'"
    assert await served.execute(f"{moved} {target}", radio.organization_id) == "UPDATE 0"
    assert await served.execute(f"DELETE FROM {table} {target}") == "DELETE 0"
    assert await row_digest(owner, table, bystander.id) == before
    # And nothing of one's own is given away.
    if await count(served, table):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await served.execute(moved, bystander.id)


async def row_digest(owner: Any, table: str, organization_id: UUID) -> Any:
    return await owner.fetchval(
        f"SELECT md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {table} t "
        f"WHERE {ORGANIZATION} = $1",
        organization_id,
    )


_CHECKS = "SELECT conname FROM pg_constraint WHERE conrelid = $1::text::regclass AND contype = 'c'"


@pytest.mark.parametrize("key", KEYS)
async def test_references_cannot_cross_even_by_raw_sql_of_the_owner(
    owner: "asyncpg.Connection[asyncpg.Record]",
    bystander: Bystander,
    radio: Organization,
    key: ForeignKeyConstraint,
) -> None:
    """The keys are composite: without any policy a row of one organization finds no other's."""
    table = key.table
    row = dict(await row_of(owner, table.name, bystander.id))
    target = await row_of(owner, key.elements[0].column.table.name, bystander.id)
    # The bystander's own row, moved to another organization; only this reference is left in it.
    for other in table.foreign_key_constraints - {key}:
        row |= {name: None for name in other.column_keys if table.columns[name].nullable}
    for element in key.elements:
        name = element.parent.name
        row[name] = row[name] if row[name] is not None else target[element.column.name]
    row[ORGANIZATION] = str(radio.organization_id)
    if "id" in row:
        row["id"] = str(new_id())  # a reference to its own table must not find itself
    transaction = owner.transaction()
    await transaction.start()
    try:
        # They speak of what may stand beside what in one row, and would speak first.
        for check in await owner.fetch(_CHECKS, table.name):
            await owner.execute(f'ALTER TABLE {table.name} DROP CONSTRAINT "{check["conname"]}"')
        with pytest.raises(asyncpg.ForeignKeyViolationError) as caught:
            await owner.execute(
                f"INSERT INTO {table.name} "
                f"SELECT * FROM jsonb_populate_record(NULL::{table.name}, $1)",
                json.dumps(row),
            )
    finally:
        await transaction.rollback()
    keys = {other.name for other in table.foreign_key_constraints if not _may_be_null(other)}
    assert caught.value.constraint_name in keys | {key.name}


def _may_be_null(key: ForeignKeyConstraint) -> bool:
    return any(key.table.columns[name].nullable for name in key.column_keys)


@pytest.mark.parametrize("table", sorted(APPEND_ONLY))
async def test_the_change_log_cannot_be_rewritten(
    served: "asyncpg.Connection[asyncpg.Record]", bystander: Bystander, table: str
) -> None:
    await set_organization(served, bystander.id)
    assert await count(served, table) > 0
    for statement in (
        f"UPDATE {table} SET action = 'x'",
        f"DELETE FROM {table}",
        f"TRUNCATE {table}",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await served.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE notes (id int)",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE ROLE friend",
        "ALTER TABLE clients DISABLE ROW LEVEL SECURITY",
        "ALTER TABLE clients NO FORCE ROW LEVEL SECURITY",
        "DROP POLICY tenant ON clients",
        "CREATE POLICY all_rows ON clients USING (true)",
        "TRUNCATE clients",
        "DROP TABLE clients",
        "UPDATE alembic_version SET version_num = 'x'",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION postgres",
        "SELECT pg_read_file('/etc/passwd')",
        "COPY clients TO PROGRAM 'true'",
    ],
)
async def test_application_role_has_no_way_around(
    served: "asyncpg.Connection[asyncpg.Record]", statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await served.execute(statement)


async def test_switching_row_security_off_is_an_error_and_shows_nothing(
    served: "asyncpg.Connection[asyncpg.Record]", bystander: Bystander
) -> None:
    await served.execute("SET row_security = off")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await served.fetch("SELECT * FROM clients")
