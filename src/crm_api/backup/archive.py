"""The file of a backup: a zip of one COPY text for each table, and what it must come to again.

It knows no database. `unzip -p FILE manifest.json` shows what is in it, and any PostgreSQL reads
the texts by COPY.
"""

import hashlib
import hmac
import json
import os
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from crm_api.installation import InstallationError

FORMAT = 1
MANIFEST = "manifest.json"
SECRET = "secret"  # noqa: S105 the name of a member
CHUNK = 1 << 20
# Of what is written: rows are texts, which the fastest level already halves.
LEVEL = 1


class BackupError(InstallationError):
    """A backup cannot be taken or restored as asked; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class TableEntry:
    """One table: its columns in the order of the text, its rows, the digest of the text."""

    columns: Sequence[str]
    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class OrganizationEntry:
    """One organization: the head of its change log, and its rows in each table."""

    id: str
    slug: str
    head: str
    """Position and hash, as `crm-api verify` prints them."""
    rows: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What the file holds: a restored database is compared with it."""

    made_at: str
    revision: str
    """Of the schema: the restore builds this one, then goes on to its own release's."""
    server: str
    secret: str
    """Tells one signing key from another, and is of no other use."""
    tables: Mapping[str, TableEntry]
    organizations: Sequence[OrganizationEntry]
    objects: Mapping[str, str] = field(default_factory=dict)
    """Stored bytes: key → SHA-256. None of them where they are in a bucket."""
    lost: Sequence[str] = ()
    """Keys under which the rows tell of other bytes than there were, or there were none."""
    format: int = FORMAT


def fingerprint(key: bytes) -> str:
    return hmac.new(key, b"crm-api backup: which key", hashlib.sha256).hexdigest()[:16]


class Writer:
    """Writes the members one after the other; the file has its name only when all are on disk."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    @contextmanager
    def table(self, name: str) -> Iterator["Text"]:
        # Its size is not known before: the long form of the format holds any.
        with self._archive.open(_member(name), "w", force_zip64=True) as member:
            yield Text(member)

    @contextmanager
    def object(self, key: str) -> Iterator["Text"]:
        """Bytes as they are stored: most are compressed already."""
        info = zipfile.ZipInfo(_object(key))
        info.compress_type = zipfile.ZIP_STORED
        with self._archive.open(info, "w", force_zip64=True) as member:
            yield Text(member)

    def text(self, name: str, content: str) -> None:
        self._archive.writestr(name, content)

    def manifest(self, manifest: Manifest) -> None:
        self.text(MANIFEST, json.dumps(asdict(manifest), indent=1))


class Text:
    """One table's text, or one object, while it is written."""

    def __init__(self, member: IO[bytes]) -> None:
        self._member = member
        self._digest = hashlib.sha256()

    async def write(self, data: bytes) -> None:
        """The next part; what the driver calls with each one of a COPY."""
        self._digest.update(data)
        self._member.write(data)

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """A new file, readable by its owner alone; whatever interrupts it leaves none of that name.

    Raises:
        BackupError: there is such a file, or none can be written there.
    """
    if path.exists():
        raise BackupError(f"{path} exists; a backup replaces nothing. Choose another name.")
    half = path.with_name(f"{path.name}.part")
    try:
        half.unlink(missing_ok=True)
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 it opens a descriptor
            with zipfile.ZipFile(
                file, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL, allowZip64=True
            ) as archive:
                yield Writer(archive)
            file.flush()
            os.fsync(descriptor)
        half.rename(path)
        _sync(path.parent)
    except OSError as error:
        raise BackupError(f"{path} cannot be written: {error.strerror}.") from error
    finally:
        with suppress(OSError):
            half.unlink(missing_ok=True)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class Reader:
    """A file whose every byte was found to be what was written."""

    def __init__(self, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        self._archive = archive
        self.manifest = manifest

    def parts(self, table: str) -> Iterator[bytes]:
        """The table's text, in parts that fit into memory."""
        return self._parts(_member(table))

    def object_parts(self, key: str) -> Iterator[bytes]:
        """The bytes of an object, likewise."""
        return self._parts(_object(key))

    def _parts(self, name: str) -> Iterator[bytes]:
        with self._archive.open(name) as member:
            while part := member.read(CHUNK):
                yield part

    @property
    def secret(self) -> str | None:
        """The signing key, where it was asked for when the backup was taken."""
        if SECRET not in self._archive.namelist():
            return None
        return self._archive.read(SECRET).decode()


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """The file, read once from end to end before anything is done with it.

    Raises:
        BackupError: it is no backup, a later one than this release knows, or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            reader = Reader(archive, _manifest(archive.read(MANIFEST)))
            for name, entry in reader.manifest.tables.items():
                if _digest(reader.parts(name)) != entry.sha256:
                    raise BackupError(f"{path} is damaged: the rows of {name} were changed.")
            for key, sha256 in reader.manifest.objects.items():
                if _digest(reader.object_parts(key)) != sha256:
                    raise BackupError(f"{path} is damaged: the bytes of {key} were changed.")
            yield reader
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror}.") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, TypeError, ValueError) as error:
        raise BackupError(f"{path} is no backup, or it is damaged.") from error


def _digest(parts: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _manifest(content: bytes) -> Manifest:
    found: dict[str, Any] = json.loads(content)
    if found["format"] != FORMAT:
        raise BackupError("A later release made this backup: restore it with that one.")
    tables = {name: TableEntry(**entry) for name, entry in found.pop("tables").items()}
    organizations = [OrganizationEntry(**entry) for entry in found.pop("organizations")]
    return Manifest(**found, tables=tables, organizations=organizations)


def _member(table: str) -> str:
    return f"rows/{table}.copy"


def _object(key: str) -> str:
    return f"files/{key}"
