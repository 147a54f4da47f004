"""A real PostgreSQL for the tests: one server, a database for each worker from a template."""

import asyncio
import hashlib
import os
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from crm_api.core.embedded import ensure_server
from crm_api.installation import Addresses, application_role, find_migrations, grant, migrate

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".data" / "tests"
PASSWORD = "a" * 64
"""Of the application's role: the server is the tests' own and listens on loopback."""


def server_url(database: str = "postgres") -> str:
    """The tests' own server, without durability; or the one that CRM_TEST_DATABASE_URL names."""
    given = os.environ.get("CRM_TEST_DATABASE_URL")
    if given:
        return urlunsplit(urlsplit(given)._replace(path=f"/{database}"))
    return ensure_server(HOME, durable=False).url(database)


def application_url(owner: str) -> str:
    parts = urlsplit(owner)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{application_role(owner)}:{PASSWORD}@{host}"))


def template_name() -> str:
    """A template for each state of the migrations: it is built once and used until they change."""
    digest = hashlib.sha256()
    for path in sorted((find_migrations() / "versions").glob("*.py")):
        digest.update(path.read_bytes())
    return f"template_{digest.hexdigest()[:16]}"


async def build_template() -> str:
    """The migrated template; workers that ask at the same time wait for the first."""
    name = template_name()
    admin = await asyncpg.connect(server_url())
    try:
        await admin.execute("SELECT pg_advisory_lock(860311)")
        if not await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            building = f"{name}_building"
            await admin.execute(f'DROP DATABASE IF EXISTS "{building}" WITH (FORCE)')
            await admin.execute(f'CREATE DATABASE "{building}"')
            await migrate(server_url(building))
            await admin.execute(f'ALTER DATABASE "{building}" RENAME TO "{name}"')
    finally:
        await admin.close()
    return name


async def create_database(name: str) -> Addresses:
    """A fresh database from the template, with the application's role and rights."""
    template = await build_template()
    admin = await asyncpg.connect(server_url())
    try:
        await admin.execute("SELECT pg_advisory_lock(860311)")
        await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    finally:
        await admin.close()
    owner = server_url(name)
    found = Addresses(owner, application_url(owner))
    await grant(found, create_role=True)
    return found


async def drop_database(name: str) -> None:
    admin = await asyncpg.connect(server_url())
    try:
        await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        await admin.close()


async def others_are_testing() -> bool:
    """Whether another run uses the server, so that it must not be stopped."""
    admin = await asyncpg.connect(server_url())
    try:
        count = await admin.fetchval(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )
    finally:
        await admin.close()
    return bool(count)


def database_for_worker(worker: str) -> Addresses:
    return asyncio.run(create_database(f"crm_test_{worker}"))
