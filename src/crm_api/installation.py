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
import structlog
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, column, select, table
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

import crm_api
from crm_api.core.config import Settings
from crm_api.core.db import Statement
from crm_api.core.embedded import EmbeddedError, ensure_server, is_running
from crm_api.models import metadata

log = structlog.get_logger()
EMBEDDED_DATABASE = "crm"
APPEND_ONLY = frozenset({"changes"})
MAX_ROLE_LENGTH = 63
SEARCHES = {
    "client_search": "search_clients",
    "contact_search": "search_contacts",
    "communication_search": "search_communications",
    "note_search": "search_notes",
    "file_search": "search_files",
}
"""Table → the function that looks through it."""
CONNECT_SECONDS = 10
KEEP_SECONDS = 2.0
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


def embedded_home(settings: Settings) -> Path:
    return settings.data_dir / "postgres"


def addresses(settings: Settings) -> Addresses:
    """The two connection strings. Starts the embedded server when no database is set."""
    if settings.database_url is None:
        server = ensure_server(embedded_home(settings))
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


async def keep_embedded(home: Path, every_seconds: float = KEEP_SECONDS) -> None:
    """Start the embedded server again when it has died; runs until it is cancelled.

    It is ours, so nobody else would. It comes back on its port, where the pools find it.
    """
    while True:
        await asyncio.sleep(every_seconds)
        try:
            if not await asyncio.to_thread(is_running, home):
                log.warning("embedded_server_gone")
                await asyncio.to_thread(ensure_server, home)
        except EmbeddedError as error:
            log.error("embedded_server_not_started", reason=str(error))  # noqa: TRY400  # a text for operators


def search_role(url: str) -> str:
    """Who owns the search functions: it reads the search tables, whosever rows they are."""
    database = urlsplit(url).path.lstrip("/") or "postgres"
    return f"{database}_search"[-MAX_ROLE_LENGTH:]


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
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise InstallationError(
            f"PostgreSQL at {urlsplit(url).hostname} does not let {urlsplit(url).username!r} in: "
            "there is no such role, or its password is another one. `crm-api migrate` makes the "
            "application's role, with a password that follows from CRM_SECRET_KEY."
        ) from error
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
        await _grant_search(owner, search_role(found.owner), role)


_SEARCH_GRANTED = """
SELECT count(*) FILTER (
    WHERE r.rolname = $1 AND has_function_privilege($2, p.oid, 'EXECUTE') AND EXISTS (
        SELECT FROM pg_policies q
        WHERE q.schemaname = 'public' AND q.tablename = $4 AND q.roles = ARRAY[$1]::name[]))
FROM pg_proc p JOIN pg_roles r ON r.oid = p.proowner
WHERE p.pronamespace = 'public'::regnamespace AND p.proname = $3
"""


async def search_is_granted(
    owner: "asyncpg.Connection[asyncpg.Record]", role: str, application: str
) -> bool:
    """Whether the application may search, and searches with the indexes."""
    for searched, function in SEARCHES.items():
        if not await owner.fetchval(_SEARCH_GRANTED, role, application, function, searched):
            return False
    return True


async def _grant_search(
    owner: "asyncpg.Connection[asyncpg.Record]", role: str, application: str
) -> None:
    """Give the search functions to their role (docs/adr/0013); done once, it is left alone.

    Where the owner can neither create nor give it, they stay its own: the answers are the same,
    but row-level security then has each row of the organization read. `crm-api doctor` tells.
    """
    if await search_is_granted(owner, role, application):
        return
    try:
        async with owner.transaction():
            await _give_search(owner, role, application)
    except asyncpg.InsufficientPrivilegeError:
        await _let_search(owner, application)


async def _let_search(owner: "asyncpg.Connection[asyncpg.Record]", application: str) -> None:
    for function in SEARCHES.values():
        await owner.execute(f"REVOKE ALL ON FUNCTION {function} FROM PUBLIC")
        await owner.execute(f'GRANT EXECUTE ON FUNCTION {function} TO "{application}"')


async def _give_search(
    owner: "asyncpg.Connection[asyncpg.Record]", role: str, application: str
) -> None:
    if not await owner.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", role):
        await owner.execute(f'CREATE ROLE "{role}" NOLOGIN NOSUPERUSER NOBYPASSRLS')
    # To give something away one must be a member; but a member would read by the second policy.
    is_member = await owner.fetchval("SELECT pg_has_role(current_user, $1, 'USAGE')", role)
    if not is_member:
        await owner.execute(f'GRANT "{role}" TO CURRENT_USER')
    await _let_search(owner, application)
    await owner.execute(f'GRANT USAGE, CREATE ON SCHEMA public TO "{role}"')
    for searched, function in SEARCHES.items():
        await owner.execute(f'GRANT SELECT ON {searched} TO "{role}"')
        await owner.execute(f"DROP POLICY IF EXISTS search ON {searched}")
        await owner.execute(
            f'CREATE POLICY search ON {searched} FOR SELECT TO "{role}" USING (true)'
        )
        await owner.execute(f'ALTER FUNCTION {function} OWNER TO "{role}"')
    await owner.execute(f'REVOKE CREATE ON SCHEMA public FROM "{role}"')
    if not is_member:
        await owner.execute(f'REVOKE "{role}" FROM CURRENT_USER')


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
