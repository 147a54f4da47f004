"""Writes the migration that leads from the present ones to the models, on a database of its own.

The developer's data is neither needed nor touched: a database that is built by the migrations alone
is what the models are compared with.
"""

import asyncio
import os
import sys
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from crm_api.core.embedded import Server, ensure_server

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    message = " ".join(sys.argv[1:]).strip()
    if not message:
        sys.exit("Say what it does: make migration m='add colour to clients'")
    server = ensure_server(ROOT / ".data" / "migration", durable=False)
    try:
        asyncio.run(on_a_fresh_database(server, message))
    finally:
        server.stop()


async def on_a_fresh_database(server: Server, message: str) -> None:
    name = f"migration_{os.getpid()}"
    admin = await asyncpg.connect(server.url())
    try:
        await admin.execute(f"CREATE DATABASE {name}")
        try:
            await compare(server.url(name), message)
        finally:
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await admin.close()


async def compare(url: str, message: str) -> None:
    async def connect() -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(url)

    def write(connection: Connection) -> None:
        config = Config(ROOT / "alembic.ini")
        config.attributes |= {"connection": connection, "only_differences": True}
        command.upgrade(config, "head")
        command.revision(config, message=message, autogenerate=True)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(write)
    await engine.dispose()


if __name__ == "__main__":
    main()
