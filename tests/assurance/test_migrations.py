"""The migrations build what the models say, step by step, and each step can be taken back."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from crm_api.installation import Addresses, migrate, migration_config
from crm_api.models import metadata
from tests.database import drop_database, server_url

SCRIPTS = ScriptDirectory.from_config(migration_config())
STEPS = [script.revision for script in reversed(list(SCRIPTS.walk_revisions()))]
SHAPE = """
SELECT 'column ' || table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable
       || ' ' || coalesce(column_default, '') AS what
  FROM information_schema.columns WHERE table_schema = 'public'
UNION ALL
SELECT 'constraint ' || conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION ALL
SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL
SELECT 'policy ' || tablename || ' ' || policyname || ' ' || coalesce(qual, '') FROM pg_policies
UNION ALL
SELECT 'security ' || relname || ' ' || relrowsecurity || ' ' || relforcerowsecurity
  FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
ORDER BY 1
"""


async def run_sync(url: str, work: Callable[[Connection], Any]) -> Any:
    async def connect() -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(url)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


async def downgrade(url: str, revision: str) -> None:
    def work(connection: Connection) -> None:
        config = migration_config()
        config.attributes["connection"] = connection
        command.downgrade(config, revision)

    await run_sync(url, work)


async def shape_of(url: str) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return [row["what"] for row in await connection.fetch(SHAPE)]
    finally:
        await connection.close()


@pytest.fixture
async def empty(worker_id: str) -> AsyncIterator[str]:
    """An empty database of its own."""
    name = f"crm_migrations_{worker_id}_{os.getpid()}"
    await drop_database(name)
    admin = await asyncpg.connect(server_url())
    await admin.execute(f'CREATE DATABASE "{name}"')
    await admin.close()
    yield server_url(name)
    await drop_database(name)


async def test_models_and_migrations_agree(database: Addresses) -> None:
    def differences(connection: Connection) -> Any:
        options = {"compare_type": True, "compare_server_default": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    assert await run_sync(database.owner, differences) == []


async def test_each_step_can_be_taken_back_and_taken_again(empty: str) -> None:
    shapes = [await shape_of(empty)]
    for revision in STEPS:
        await migrate(empty, revision)
        up = await shape_of(empty)
        await downgrade(empty, "-1")
        down = [line for line in await shape_of(empty) if "alembic_version" not in line]
        assert down == [line for line in shapes[-1] if "alembic_version" not in line], revision
        await migrate(empty, revision)
        assert await shape_of(empty) == up, revision
        shapes.append(up)


async def test_all_the_way_down_leaves_nothing(empty: str) -> None:
    await migrate(empty)
    built = await shape_of(empty)
    await downgrade(empty, "base")
    assert all("alembic_version" in line for line in await shape_of(empty))
    await migrate(empty)
    assert await shape_of(empty) == built


@pytest.mark.usefixtures("bystander")
async def test_search_rows_of_what_is_there_are_as_writes_make_them(database: Addresses) -> None:
    """Removed and filled in anew, in a transaction that is taken back."""
    step = SCRIPTS.get_revision("20261125_1061").module

    def rows(connection: Connection, one: str) -> Any:
        return connection.execute(text(f"SELECT s::text FROM {one}_search s ORDER BY 1")).all()

    def work(connection: Connection) -> None:
        before = {one: rows(connection, one) for one in step.TABLES}
        for one in step.TABLES:
            connection.execute(text(f"DELETE FROM {one}_search"))
        with Operations.context(MigrationContext.configure(connection)):
            step.fill()
        for one, written in before.items():
            assert len(written) > 0
            assert rows(connection, one) == written
        connection.rollback()

    await run_sync(database.owner, work)


async def test_migrators_at_once_end_in_one_schema(empty: str) -> None:
    script = "import asyncio, sys; from crm_api.installation import migrate; "
    script += "asyncio.run(migrate(sys.argv[1]))"
    arguments = (sys.executable, "-c", script, empty)
    found = [await asyncio.create_subprocess_exec(*arguments) for _ in range(2)]
    assert [await process.wait() for process in found] == [0, 0]
    connection = await asyncpg.connect(empty)
    assert await connection.fetchval("SELECT version_num FROM alembic_version") == STEPS[-1]
    await connection.close()


def test_steps_form_one_line() -> None:
    assert len(SCRIPTS.get_heads()) == 1
    assert all(not script.is_branch_point for script in SCRIPTS.walk_revisions())
