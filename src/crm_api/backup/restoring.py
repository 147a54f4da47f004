"""Restores a backup into an empty database: all of it, proved row by row and head by head, or none.

The schema comes from the migrations, at the revision of the backup; then one transaction sets aside
what would be in the way of the rows, loads them, brings it back, and compares.
"""

import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import asyncpg

from crm_api.backup.archive import BackupError, Manifest, Reader
from crm_api.backup.tables import Owner, Table, drop_all, forms, read_tables
from crm_api.core.config import Settings
from crm_api.core.objects import ObjectStore
from crm_api.files.storing import store_of
from crm_api.installation import connected, knows_revision, locate, migrate

# Foreign keys point in circles, and an index is built faster over rows than beside them.
_FOREIGN_KEYS = """
SELECT conrelid::regclass::text AS place, format('%I', conname) AS name,
    pg_get_constraintdef(oid) AS definition
FROM pg_constraint
WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND conparentid = 0
ORDER BY conrelid, conname
"""
_INDEXES = """
SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index i
JOIN pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i' AND NOT c.relispartition
WHERE c.relnamespace = 'public'::regnamespace
    AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
ORDER BY 1
"""
_OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND usesysid IS NOT NULL
"""
_HEADS = """
SELECT organization_id::text, position || ':' || encode(last_hash, 'hex') AS head FROM heads
"""

Progress = Callable[[str], None]


async def restore_backup(
    settings: Settings, archive: Reader, *, given_up: str, progress: Progress
) -> None:
    """Load the file into the settings' database; its roles and rights are left to `prepare`.

    Args:
        given_up: the name of a database whose every row may be lost; empty: it must have none.

    Raises:
        BackupError: the file or the database is not fit, or they do not agree afterwards, and
            nothing of the backup is in the database then.
    """
    revision = archive.manifest.revision
    if not knows_revision(revision):
        raise BackupError(
            f"The backup's schema, {revision}, is of a later release: restore it with that one."
        )
    url = (await locate(settings)).owner
    async with connected(url) as owner:
        await _clear(owner, unquote(urlsplit(url).path.lstrip("/")), given_up)
    await migrate(url, revision)
    try:
        async with connected(url, forms()) as owner:
            await _load(owner, archive, progress)
        await _store(store_of(settings), archive, progress)
    except asyncpg.PostgresError as error:
        # The message alone: its detail quotes rows.
        raise BackupError(f"The rows do not load: {error.args[0]}.") from error


async def _store(objects: ObjectStore, archive: Reader, progress: Progress) -> None:
    """The bytes into the store of this installation, whatever kind it is."""
    with tempfile.TemporaryDirectory(prefix="crm-restore-") as directory:
        path = Path(directory) / "object"
        for key in archive.manifest.objects:
            progress("files")
            with path.open("wb") as file:
                file.writelines(archive.object_parts(key))
            await objects.put(key, path)


async def _clear(owner: Owner, database: str, given_up: str) -> None:
    """An empty schema. What is a person's is dropped only if that person named the database."""
    if given_up not in ("", database):
        raise BackupError(f"--force names another database than the one in use, {database!r}.")
    if await owner.fetchval(_OTHERS):
        raise BackupError(
            f"Others are connected to {database!r}: stop its servers, then restore again."
        )
    tables = await read_tables(owner)
    if tables and not given_up and not await _is_untouched(owner, tables):
        raise BackupError(
            f"The database {database!r} is not empty. Restore into an empty one, or give up every "
            f"row that is in it with --force {database}."
        )
    async with owner.transaction():
        await drop_all(owner)


async def _is_untouched(owner: Owner, tables: Sequence[Table]) -> bool:
    """Migrated, and nobody has been in it: without an organization there are no rows of one."""
    open_tables = {table.name for table in tables if not table.is_secured}
    if not open_tables >= {"organizations", "users"}:
        return False  # it is not ours
    query = "SELECT EXISTS (SELECT FROM organizations) OR EXISTS (SELECT FROM users)"
    return not await owner.fetchval(query)


async def _load(owner: Owner, archive: Reader, progress: Progress) -> None:
    async with owner.transaction():
        tables = await read_tables(owner)
        missing = archive.manifest.tables.keys() - {table.name for table in tables}
        if missing:
            raise BackupError(f"The schema has no table {', '.join(sorted(missing))}.")
        names = ", ".join(f'"{table.name}"' for table in tables)
        await owner.execute(f"TRUNCATE {names}")  # what the migrations put in is in the backup
        async with _set_aside(owner, tables, progress):
            for name, entry in archive.manifest.tables.items():
                progress(name)
                await owner.copy_to_table(
                    name, source=_stream(archive, name), columns=list(entry.columns), format="text"
                )
            await _compare(owner, archive.manifest, tables)
    progress("statistics")
    await owner.execute(f"VACUUM (ANALYZE) {names}")


async def _compare(owner: Owner, manifest: Manifest, tables: Sequence[Table]) -> None:
    """While nobody is bound by policies: the rows of every organization, and its head."""
    found: dict[str, dict[str, int]] = {one.id: {} for one in manifest.organizations}
    for table in tables:
        total = manifest.tables[table.name].rows if table.name in manifest.tables else 0
        counted = await owner.fetchval(f'SELECT count(*) FROM "{table.name}"')  # noqa: S608 a name of the catalogue
        if counted != total:
            raise BackupError(f"{table.name} has {counted} rows, and had {total}.")
        for organization, rows in await _of_each(owner, table) if table.is_secured else ():
            found.setdefault(organization, {})[table.name] = rows
    heads = {row["organization_id"]: row["head"] for row in await owner.fetch(_HEADS)}
    for one in manifest.organizations:
        held = {name: rows for name, rows in one.rows.items() if rows}
        if found.pop(one.id) != held or heads.get(one.id, "") != one.head:
            raise BackupError(f"The organization {one.slug} is not what it was.")
    if found:
        raise BackupError("There are rows of organizations that are not in the backup.")


async def _of_each(owner: Owner, table: Table) -> list[tuple[str, int]]:
    query = f'SELECT organization_id::text, count(*) FROM "{table.name}" GROUP BY 1'  # noqa: S608 a name of the catalogue
    return [(row[0], row[1]) for row in await owner.fetch(query)]


async def _stream(archive: Reader, name: str) -> AsyncIterator[bytes]:
    for part in archive.parts(name):
        yield part


@asynccontextmanager
async def _set_aside(
    owner: Owner, tables: Sequence[Table], progress: Progress
) -> AsyncIterator[None]:
    """Without foreign keys, further indexes, and policies that bind the owner, until it ends.

    All inside the transaction that holds these tables alone: nobody ever sees them open.
    """
    forced = [table.name for table in tables if table.is_forced]
    for name in forced:
        await owner.execute(f'ALTER TABLE "{name}" NO FORCE ROW LEVEL SECURITY')
    keys, indexes = await owner.fetch(_FOREIGN_KEYS), await owner.fetch(_INDEXES)
    for key in keys:
        await owner.execute(f"ALTER TABLE {key['place']} DROP CONSTRAINT {key['name']}")
    for index in indexes:
        await owner.execute(f"DROP INDEX {index['name']}")
    yield
    progress("indexes and keys")
    for index in indexes:
        await owner.execute(index["definition"])
    for key in keys:
        await owner.execute(
            f"ALTER TABLE {key['place']} ADD CONSTRAINT {key['name']} {key['definition']}"
        )
    for name in forced:
        await owner.execute(f'ALTER TABLE "{name}" FORCE ROW LEVEL SECURITY')
