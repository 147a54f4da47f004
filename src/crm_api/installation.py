"""From settings to a database that can be served: server, schema, application role, its rights."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, select, table
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import crm_api
from crm_api.core.config import Settings
from crm_api.core.db import Statement
from crm_api.core.embedded import ensure_server
from crm_api.models import metadata

EMBEDDED_DATABASE = "crm"
APPEND_ONLY = frozenset({"changes"})
MAX_ROLE_LENGTH = 63
CONNECT_SECONDS = 10
REVISION = Statement(select(column("version_num")).select_from(table("alembic_version")))
"""Which migration the database stands at: what readiness asks."""


class InstallationError(Exception):
    """The database cannot be used as it is; the text says what to do."""


class UnreachableError(InstallationError):
    """The database does not answer just now; it may in a while."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the owner of the schema and where the application connect."""

    owner: str
    application: str


def find_migrations() -> Path:
    """The migrations: inside the package when installed from a wheel, beside it in a checkout."""
    package = Path(crm_api.__file__).parent
    places = (package / "_migrations", package.parents[1] / "migrations")
    return next(place for place in places if (place / "env.py").is_file())


def addresses(settings: Settings) -> Addresses:
    """The two connection strings. Starts the embedded server when no database is set."""
    if settings.database_url is None:
        server = ensure_server(settings.data_dir / "postgres")
        owner = server.url(EMBEDDED_DATABASE)
    else:
        owner = settings.database_url.get_secret_value()
    if settings.app_database_url is not None:
        return Addresses(owner, settings.app_database_url.get_secret_value())
    return Addresses(owner, _application_url(owner, settings.signing_keys()[0]))


def _application_url(owner: str, secret: bytes) -> str:
    """The same database as the role `<database>_app`, whose password follows from our secret.

    So that every process that shares the secret finds it without storing another one.
    """
    parts = urlsplit(owner)
    role = application_role(owner)
    password = hmac.new(secret, f"database role {role}".encode(), hashlib.sha256).hexdigest()
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{quote(role)}:{password}@{host}"
    return urlunsplit((parts.scheme, netloc, parts.path, parts.query, ""))


def application_role(url: str) -> str:
    database = urlsplit(url).path.lstrip("/") or "postgres"
    return f"{database}_app"[-MAX_ROLE_LENGTH:]


async def prepare(settings: Settings, revision: str = "head") -> Addresses:
    """Make the database ready: created, migrated, with the application's role and rights.

    Safe to call from several processes at once; the migrations wait for one another. Rights are
    granted on a whole schema, so a `revision` before the head gets none yet.
    """
    found = await locate(settings)
    await migrate(found.owner, revision)
    if revision == "head":
        await grant(found, create_role=settings.app_database_url is None)
    return found


async def locate(settings: Settings) -> Addresses:
    """Where the database is, as it stands; an embedded one is there from now on."""
    found = await asyncio.to_thread(addresses, settings)
    if settings.database_url is None:
        await _create_database(found.owner)
    return found


async def _create_database(url: str) -> None:
    parts = urlsplit(url)
    name = parts.path.lstrip("/")
    async with connected(urlunsplit(parts._replace(path="/postgres"))) as admin:
        if await admin.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name):
            return
        try:
            await admin.execute(f'CREATE DATABASE "{name}"')
        except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
            return  # another starter was quicker


# Of who connects, or of the database's name: waiting mends neither.
_REFUSALS = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)


@asynccontextmanager
async def connected(
    url: str, settings: Mapping[str, str] | None = None
) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """One connection, with a message instead of a traceback when there is none to be had."""
    try:
        connection = await asyncpg.connect(
            url, timeout=CONNECT_SECONDS, server_settings=dict(settings or {})
        )
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        host = urlsplit(url).hostname
        refused = isinstance(error, _REFUSALS)
        raise (InstallationError if refused else UnreachableError)(
            f"PostgreSQL at {host} cannot be reached or refuses us: {type(error).__name__}. "
            "Check DATABASE_URL, and that the server runs."
        ) from error
    try:
        yield connection
    finally:
        await connection.close()


def migration_config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(find_migrations()).replace("%", "%%"))
    return config


async def migrate(url: str, revision: str = "head") -> None:
    """Bring the schema to a revision, as the owner."""

    def upgrade(connection: Connection) -> None:
        config = migration_config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)

    async def connect() -> "asyncpg.Connection[asyncpg.Record]":
        # asyncpg reads the URL itself: SQLAlchemy knows nothing of sslmode and its like.
        return await asyncpg.connect(url, timeout=CONNECT_SECONDS)

    async with connected(url):
        pass
    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.connect() as connection:
            await connection.run_sync(upgrade)
    finally:
        await engine.dispose()


def print_migrations(revision: str) -> None:
    """The SQL that leads from an empty database to a revision, on standard output."""
    command.upgrade(migration_config(), revision, sql=True)


def knows_revision(revision: str) -> bool:
    """Whether this release's migrations lead to that revision."""
    scripts = ScriptDirectory.from_config(migration_config())
    return any(script.revision == revision for script in scripts.walk_revisions())


def head_revision() -> str:
    return str(ScriptDirectory.from_config(migration_config()).get_current_head())


async def grant(found: Addresses, *, create_role: bool) -> None:
    """Let the application's role work with rows, own nothing, and change no history."""
    role = urlsplit(found.application).username or ""
    password = urlsplit(found.application).password or ""
    async with connected(found.owner) as owner, owner.transaction():
        await owner.execute("SELECT pg_advisory_xact_lock(7165917283)")
        if create_role:
            await _create_role(owner, role, password)
        await owner.execute(f'GRANT USAGE ON SCHEMA public TO "{role}"')
        for table in metadata.sorted_tables:
            rights = (
                "SELECT, INSERT" if table.name in APPEND_ONLY else "SELECT, INSERT, UPDATE, DELETE"
            )
            await owner.execute(f'REVOKE ALL ON "{table.name}" FROM "{role}"')
            await owner.execute(f'GRANT {rights} ON "{table.name}" TO "{role}"')
        await owner.execute(f'GRANT SELECT ON alembic_version TO "{role}"')


async def _create_role(
    owner: "asyncpg.Connection[asyncpg.Record]", role: str, password: str
) -> None:
    known = await owner.fetchrow(
        "SELECT rolsuper, rolbypassrls FROM pg_roles WHERE rolname = $1", role
    )
    options = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS"
    try:
        if known is None:
            await owner.execute(f'CREATE ROLE "{role}" {options}')
        # The password is hexadecimal, so that it needs no quoting.
        await owner.execute(f"ALTER ROLE \"{role}\" PASSWORD '{password}'")
    except asyncpg.InsufficientPrivilegeError as error:
        raise InstallationError(
            f"The owner of DATABASE_URL may not create the role {role!r} that requests are served "
            "as. Create it yourself and set CRM_APP_DATABASE_URL, or connect as a role that may."
        ) from error


async def refuse_unsafe_role(url: str) -> None:
    """A superuser, BYPASSRLS role or owner would see every organization: never serve as one."""
    async with connected(url) as connection:
        row = await connection.fetchrow(
            "SELECT rolsuper OR rolbypassrls AS above, EXISTS (SELECT 1 FROM pg_tables "
            "WHERE schemaname = 'public' AND tableowner = current_user) AS owns "
            "FROM pg_roles WHERE rolname = current_user"
        )
    if row is None or row["above"] or row["owns"]:
        raise InstallationError(
            "The application would connect as a role that row-level security does not bind "
            "(superuser, BYPASSRLS, or owner of tables). Set CRM_APP_DATABASE_URL to a role of "
            "its own, or leave it unset and let `crm-api migrate` create one."
        )
