"""Runs the migrations on a connection that is given, or on the settings' database.

It imports models and config only. `crm-api migrate` and the tests put an open connection into
`config.attributes["connection"]`; the `alembic` command of a developer has none and opens one.
"""

import asyncio
import logging
import time

import asyncpg
from alembic import context
from alembic.operations import MigrationScript
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from crm_api.core.config import SettingsError, load_settings
from crm_api.models import metadata

TIMEOUTS = ("SET lock_timeout = '5s'", "SET statement_timeout = '60s'")
"""A migration that waits for a lock holds up every request behind it: it gives up and is run again.

One that needs more time for itself begins with `SET LOCAL statement_timeout`.
"""

# An advisory lock, its key "crm-api" in ASCII. Migrators meet on one node, so it is enough.
MIGRATORS = 0x63726D2D617069
LEAVE = (
    f"SELECT pg_advisory_unlock({MIGRATORS})",
    "RESET lock_timeout",
    "RESET statement_timeout",
)
PATIENCE = 600.0
"""Seconds for another migrator to finish; it may build an index. We then find nothing to do."""


def run_offline() -> None:
    """Writes SQL for an operator (and for squawk) to standard output; no database is touched."""
    context.configure(
        dialect_name="postgresql",
        target_metadata=metadata,
        literal_binds=True,
        transaction_per_migration=True,
    )
    for statement in TIMEOUTS:
        context.execute(statement)
    with context.begin_transaction():
        context.run_migrations()


def run_on(connection: Connection) -> None:
    """Each migration commits by itself; so the connection comes without a transaction."""
    if connection.in_transaction():
        raise CommandError("Migrations need a connection without an open transaction.")
    enter(connection)
    execute(connection, *TIMEOUTS)
    try:
        context.configure(
            connection=connection,
            target_metadata=metadata,
            transaction_per_migration=True,
            compare_server_default=True,
            process_revision_directives=without_empty_revisions,
        )
        with context.begin_transaction():
            context.run_migrations()
    finally:
        # The caller may go on with this connection; a lost one has left by itself.
        if not connection.invalidated:
            connection.rollback()
            execute(connection, *LEAVE)


def enter(connection: Connection) -> None:
    """One migrator at a time.

    It asks again and again: one that waits inside PostgreSQL holds a snapshot, and the other's
    CREATE INDEX CONCURRENTLY would wait for that.
    """
    deadline = time.monotonic() + PATIENCE
    while not connection.scalar(text(f"SELECT pg_try_advisory_lock({MIGRATORS})")):
        execute(connection, "SELECT pg_sleep(0.2)")
        if time.monotonic() > deadline:
            raise CommandError("Another process has been migrating this database for 10 minutes.")


def execute(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.exec_driver_sql(statement)
    connection.commit()


def without_empty_revisions(
    _running: object, _revision: object, found: list[MigrationScript]
) -> None:
    """`make migration` writes no file when models and database agree."""
    asked = context.config.attributes.get("only_differences", False)
    if asked and all(
        script.upgrade_ops is None or script.upgrade_ops.is_empty() for script in found
    ):
        found.clear()
        logging.getLogger("alembic").info("Models and migrations agree: there is nothing to do.")


async def run_by_settings() -> None:
    try:
        settings = load_settings()
    except SettingsError as error:
        raise CommandError(str(error)) from None
    if settings.database_url is None:
        raise CommandError("Set DATABASE_URL; crm-api migrate needs none.")
    url = settings.database_url.get_secret_value()

    async def connect() -> "asyncpg.Connection[asyncpg.Record]":
        # asyncpg reads the URL itself: SQLAlchemy knows nothing of sslmode and its like.
        return await asyncpg.connect(url, server_settings={"application_name": "crm-api migrate"})

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(run_on)
    finally:
        await engine.dispose()


def main() -> None:
    given = context.config.attributes.get("connection")
    if context.config.config_file_name is not None:
        # The command of a developer; logs go to standard error, SQL to standard output.
        logging.basicConfig(format="%(message)s", level=logging.INFO)
    if context.is_offline_mode():
        run_offline()
    elif given is not None:
        run_on(given)
    else:
        asyncio.run(run_by_settings())


main()
