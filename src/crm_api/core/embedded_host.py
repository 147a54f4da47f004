"""The machine under the embedded server: account, directory, processes. It starts no server."""

import contextlib
import logging
import os
import secrets
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from crm_api.core.private_files import passable_directory, write_private

if sys.platform != "win32":  # there the embedded server is refused, everything else works
    import pwd

STATE = Path("/var/lib/crm-api")
_log = logging.getLogger(__name__)


class EmbeddedError(Exception):
    """The embedded server cannot run. The text tells an operator why, and what to do."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the server runs as when this process is root: PostgreSQL refuses to run as root."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Place:
    """The directory of one server, and the account that runs it (None: this process's own)."""

    base: Path
    account: Account | None

    @property
    def data(self) -> Path:
        return self.base / "data"

    def run(
        self,
        *command: str,
        keep: Sequence[int] = (),
        stdin: IO[bytes] | None = None,
        timeout: float = 120,
    ) -> subprocess.CompletedProcess[str]:
        """Run as the server's account, below `base`, detached, with files private to that account.

        The environment is reduced, so that no PGDATA, PGOPTIONS or LD_LIBRARY_PATH of the caller
        reaches the server. `keep` lists descriptors that the program inherits.
        """
        return subprocess.run(
            command,
            stdin=stdin or subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            cwd=self.base,
            env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LC_ALL": "C", "TZ": "UTC"},
            pass_fds=tuple(keep),
            start_new_session=True,
            umask=0o077,
            timeout=timeout,
            user=self.account.uid if self.account else None,
            group=self.account.gid if self.account else None,
            extra_groups=[] if self.account else None,
        )


def service_account() -> Account | None:
    """None when this process is not root; else an existing account without privileges."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(entry.pw_uid, entry.pw_gid)
    message = "PostgreSQL cannot run as root, and there is no account `postgres` or `nobody`."
    raise EmbeddedError(f"{message} Run as another user, or set DATABASE_URL.")


# --- where the server lives ---


def find_place(home: Path) -> Place | None:
    """`home` itself; for root, the directory that `home/location` names, if there is that note.

    The note is believed before anything else: a later change of permissions must not start an empty
    database beside a full one. None: the service account cannot reach `home`, see `new_place`.
    """
    account = service_account()
    if account is None:
        _refuse_foreign_data(home)
        return Place(home, None)
    if (home / "location").exists():
        base = _noted_base(home)
        return Place(base, _owner(base) or account)
    account = _owner(home) or account
    if _reaches(account, home):
        return Place(home, account)
    if (home / "data").exists():
        message = f"User {account.uid}, who owns {home}/data, cannot reach that directory."
        raise EmbeddedError(f"{message} Give its parents the right to pass (chmod o+x).")
    return None


def new_place(home: Path) -> Place:
    """A directory below `STATE`, with a note in `home` that names it."""
    base = STATE / secrets.token_hex(8)
    passable_directory(base)
    write_private(base / "home", str(home))
    write_private(home / "location", f"{base}\n")
    _log.warning("%s is closed to the account of PostgreSQL: its data is kept in %s", home, base)
    return Place(base, service_account())


def abandoned(home: Path) -> list[Place]:
    """Directories that were made for `home`, whose `location` is gone: `home` was deleted."""
    if service_account() is None or (home / "location").exists():
        return []
    bases = [note.parent for note in STATE.glob("*/home") if note.read_text() == str(home)]
    return [Place(base, _owner(base)) for base in bases if not base.name.endswith(".removed")]


def _owner(base: Path) -> Account | None:
    """The account that made the data: `postgres` may have been installed after `nobody` did."""
    try:
        stat = (base / "data").stat()
    except FileNotFoundError:
        return None
    return Account(stat.st_uid, stat.st_gid)


def _refuse_foreign_data(home: Path) -> None:
    owner = _owner(home)
    if owner is not None and owner.uid != os.geteuid():
        message = f"{home}/data belongs to user {owner.uid}, this process is user {os.geteuid()}."
        raise EmbeddedError(f"{message} Run as that user, or choose another CRM_DATA_DIR.")


def _reaches(account: Account, home: Path) -> bool:
    return Place(Path("/"), account).run("test", "-x", str(home)).returncode == 0


def _noted_base(home: Path) -> Path:
    note = home / "location"
    base = Path(note.read_text().strip())
    if not base.is_dir():
        message = f"{note} names {base}, which does not exist: bring that directory back from"
        raise EmbeddedError(
            f"{message} a backup, or delete {note} to start with an empty database."
        )
    maker = Path((base / "home").read_text())
    if maker != home:
        if (maker / "location").exists():
            message = f"{home} is a copy of {maker}, both name the database in {base}."
            raise EmbeddedError(f"{message} Delete {note} to start with an empty one.")
        write_private(base / "home", str(home))  # it was moved
    return base


# --- the running server ---


@dataclass(frozen=True, slots=True)
class Postmaster:
    pid: int
    port: int
    ready: bool


def read_postmaster(place: Place) -> Postmaster | None:
    """The server process that `postmaster.pid` names; None when that is no server of this place.

    After a crash the number may belong to anybody. So: alive, no zombie, the right owner, and at
    work in this data directory.
    """
    try:
        lines = (place.data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if len(lines) < 4 or not lines[0].strip().isdigit():  # the fourth is the port
        return None
    pid = int(lines[0])
    owner = place.account.uid if place.account else os.geteuid()
    if _owner_of_living(pid) != owner or _working_directory(pid, place) != place.data.resolve():
        return None
    return Postmaster(pid, int(lines[3]), lines[-1].strip() == "ready")


def _owner_of_living(pid: int) -> int | None:
    """The user of a process; None when there is none, or only its zombie."""
    if Path("/proc/self").exists():
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            return None if state in "ZX" else Path(f"/proc/{pid}").stat().st_uid
        except (FileNotFoundError, ProcessLookupError):
            return None
    seen = Place(Path("/"), None).run("ps", "-o", "uid=,stat=", "-p", str(pid)).stdout.split()
    return None if not seen or seen[1].startswith("Z") else int(seen[0])


def _working_directory(pid: int, place: Place) -> Path | None:
    """Asked as the server's account: in a container even root may lack the right to look."""
    at_root = Place(Path("/"), place.account)
    if Path("/proc/self").exists():
        return Path(at_root.run("readlink", f"/proc/{pid}/cwd").stdout.rstrip("\n"))
    fields = at_root.run("lsof", "-a", "-p", str(pid), "-d", "cwd", "-Fn").stdout.splitlines()
    return next((Path(line[1:]) for line in fields if line.startswith("n")), None)
