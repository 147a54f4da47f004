"""Takes a backup: every row in one snapshot, as the owner, organization by organization.

Not by pg_dump: forced row-level security binds the owner, and pg_dump refuses, unless it comes as a
superuser. The schema is not in the file, as the migrations make it anew (docs/adr/0011).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from pathlib import Path
from uuid import UUID

from crm_api.backup.archive import (
    SECRET,
    BackupError,
    Manifest,
    OrganizationEntry,
    TableEntry,
    Writer,
    fingerprint,
    writing,
)
from crm_api.backup.tables import (
    REVISIONS,
    Owner,
    Table,
    enter_organization,
    forms,
    read_tables,
)
from crm_api.core.objects import MissingObject, ObjectStore
from crm_api.files.storing import object_key
from crm_api.installation import connected

_VERSIONS = "file_versions"
_OBJECTS = """
SELECT object_id, size_bytes, encode(sha256, 'hex') FROM file_versions WHERE organization_id = $1
"""
_HEAD = "SELECT position || ':' || encode(last_hash, 'hex') FROM heads WHERE organization_id = $1"

Progress = Callable[[str], None]


async def take_backup(
    url: str,
    path: Path,
    key: bytes,
    *,
    with_secret: bool,
    progress: Progress,
    objects: ObjectStore | None = None,
) -> Manifest:
    """Write the database of the owner's `url` into a new file; writers go on meanwhile.

    Args:
        objects: the store whose bytes are written with it, if they are.

    Raises:
        BackupError: there is nothing to back up, or the file cannot be written.
    """
    async with connected(url, forms()) as owner:
        names = await _known_tables(owner)
        with writing(path) as archive:
            async with owner.transaction(isolation="repeatable_read", readonly=True):
                # A lock takes no snapshot: that begins behind it, when no migration can come in.
                await owner.execute(f"LOCK TABLE {names} IN ACCESS SHARE MODE")
                manifest = await _write(owner, archive, fingerprint(key), progress)
                stored = await _stored(owner, manifest)
            if objects:
                # Bytes do not change: no snapshot is held for them.
                progress("files")
                manifest = await _write_objects(archive, objects, stored, manifest)
            if with_secret:
                archive.text(SECRET, key.decode())
            archive.manifest(manifest)
    return manifest


async def _write(owner: Owner, archive: Writer, secret: str, progress: Progress) -> Manifest:
    tables = await read_tables(owner)
    organizations = await owner.fetch("SELECT id::text, slug FROM organizations ORDER BY id")
    ids = [row["id"] for row in organizations]
    heads = {}
    for one in ids:
        await enter_organization(owner, one)
        heads[one] = await owner.fetchval(_HEAD, one) or ""
    entries: dict[str, TableEntry] = {}
    rows: dict[str, dict[str, int]] = {one: {} for one in ids}
    for table in tables:
        progress(table.name)
        entries[table.name] = await _write_table(owner, archive, table, ids, rows)
    return Manifest(
        made_at=(await owner.fetchval("SELECT now()")).astimezone(UTC).isoformat(),
        revision=await owner.fetchval("SELECT version_num FROM alembic_version"),
        server=await owner.fetchval("SHOW server_version"),
        secret=secret,
        tables=entries,
        organizations=[
            OrganizationEntry(row["id"], row["slug"], heads[row["id"]], rows[row["id"]])
            for row in organizations
        ],
    )


async def _stored(owner: Owner, manifest: Manifest) -> dict[str, tuple[int, str]]:
    """Key → length and digest of all bytes that the rows tell of."""
    found: dict[str, tuple[int, str]] = {}
    if _VERSIONS not in manifest.tables:
        return found  # of an earlier release
    for one in manifest.organizations:
        await enter_organization(owner, one.id)
        for object_id, size, sha256 in await owner.fetch(_OBJECTS, one.id):
            found[object_key(UUID(one.id), object_id)] = size, sha256
    return found


async def _write_objects(
    archive: Writer, objects: ObjectStore, stored: Mapping[str, tuple[int, str]], manifest: Manifest
) -> Manifest:
    written: dict[str, str] = {}
    for key, (size, _) in stored.items():
        try:
            parts = await objects.read(key, 0, size)
        except MissingObject:
            continue
        with archive.object(key) as member:
            async for part in parts:
                await member.write(part)
        written[key] = member.sha256
    lost = [key for key, (_, sha256) in stored.items() if written.get(key) != sha256]
    return replace(manifest, objects=written, lost=lost)


async def _known_tables(owner: Owner) -> str:
    known = await owner.fetchval("SELECT to_regclass($1) IS NOT NULL", REVISIONS)
    if not known:
        raise BackupError("This database has no schema of ours: there is nothing to back up.")
    return ", ".join(f'"{table.name}"' for table in await read_tables(owner))


async def _write_table(
    owner: Owner,
    archive: Writer,
    table: Table,
    organizations: Sequence[str],
    rows: Mapping[str, dict[str, int]],
) -> TableEntry:
    query = f'SELECT {table.selection} FROM "{table.name}"'  # noqa: S608 names of the catalogue
    total = 0
    with archive.table(table.name) as text:
        if not table.is_secured:
            total = _count(await owner.copy_from_query(query, output=text.write))
        for one in organizations if table.is_secured else ():
            await enter_organization(owner, one)
            # A superuser is bound by no policy: the condition stands here as well.
            own = f"{query} WHERE organization_id = '{one}'"
            count = _count(await owner.copy_from_query(own, output=text.write))
            rows[one][table.name] = count
            total += count
    return TableEntry(table.columns, total, text.sha256)


def _count(tag: str) -> int:
    """Of PostgreSQL's answer, `COPY 17`."""
    return int(tag.rpartition(" ")[2])
