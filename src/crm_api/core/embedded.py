"""A PostgreSQL server of our own for one directory: created, started, found again, stopped.

For trying, development, tests and small installations on one machine; it outlives its starters.
"""

import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from crm_api.core.embedded_binaries import Binaries, find_binaries
from crm_api.core.embedded_create import (
    SUPERUSER,
    create_data,
    made_by,
    postgres_conf,
    read_password,
)
from crm_api.core.embedded_host import (
    EmbeddedError,
    Place,
    abandoned,
    find_place,
    new_place,
    read_postmaster,
)
from crm_api.core.private_files import locked, try_lock, write_private

__all__ = [
    "EmbeddedError",
    "Server",
    "ensure_server",
    "find_binaries",
    "is_running",
    "postgres_conf",
    "remove_server",
    "stop_server",
]

HOST = "127.0.0.1"
# A server that replays its log after a crash is given this long before we say it does not answer.
START_SECONDS = 120.0
_ATTEMPTS = 3
_LOG_BYTES = 10_000_000
_WINDOWS = (
    "The embedded server does not run on Windows: set DATABASE_URL, or use WSL or a container."
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Server:
    """A running server. `home` was given to `ensure_server`; PostgreSQL writes to `data`."""

    host: str
    port: int
    superuser: str
    password: str = field(repr=False)
    home: Path
    data: Path

    def url(self, database: str = "postgres") -> str:
        """The superuser's URL, with the password in it. The application serves as another role."""
        user, password = quote(self.superuser, safe=""), quote(self.password, safe="")
        return f"postgresql://{user}:{password}@{self.host}:{self.port}/{quote(database, safe='')}"

    def stop(self) -> None:
        stop_server(self.home)


def ensure_server(home: Path, *, durable: bool = True) -> Server:
    """The server of this directory: found running, else started, and created the first time.

    Blocks (a second or two the first time); any number of processes may call it at once.
    `durable=False` is for tests: a crash of the machine may then destroy the data.
    """
    if sys.platform == "win32":
        raise EmbeddedError(_WINDOWS)
    home = home.expanduser().resolve()
    with _explained(home), locked(home) as lock:
        for gone in abandoned(home):
            _retire(gone)
        place = find_place(home) or new_place(home)
        major = made_by(place)
        binaries = find_binaries(major=major, account=place.account)
        if major is None:
            create_data(place, binaries, lock, durable=durable)
        port = _serve(place, binaries, durable=durable)
        password = read_password(place)
    return Server(HOST, port, SUPERUSER, password, home, place.data)


def is_running(home: Path) -> bool:
    """Whether its process is alive; it may be starting, or recovering, and not answer yet."""
    place = find_place(home.expanduser().resolve())
    return place is not None and read_postmaster(place) is not None


def stop_server(home: Path) -> None:
    """Stop it and wait: sessions end, open transactions are rolled back. Nothing if it is down."""
    home = home.expanduser().resolve()
    with _explained(home), locked(home):
        place = find_place(home)
        if place is not None:
            _stop(place)


def remove_server(home: Path) -> None:
    """Stop it and delete every row it holds, for good."""
    home = home.expanduser().resolve()
    with _explained(home), locked(home):
        place = find_place(home)
        if place is not None:
            _stop(place)
            with suppress(FileNotFoundError):
                shutil.rmtree(place.data if place.base == home else place.base)
        (home / "location").unlink(missing_ok=True)


@contextmanager
def _explained(home: Path) -> Iterator[None]:
    """What the system refuses becomes an `EmbeddedError` that names the directory."""
    try:
        yield
    except (OSError, subprocess.SubprocessError) as error:
        message = f"The embedded database in {home} cannot be used: {error}"
        raise EmbeddedError(message) from error


def _serve(place: Place, binaries: Binaries, *, durable: bool) -> int:
    """The port of the running server, started if need be.

    A server that is alive but silent (replaying its log, stopped by a signal) is waited for, never
    replaced: two servers on one data directory destroy it.
    """
    changed = _configure(place, durable=durable)
    deadline = time.monotonic() + START_SECONDS
    failures = 0
    while time.monotonic() < deadline:
        running = read_postmaster(place)
        alive = None if running else try_lock(place.base / "alive")
        if alive is not None:
            failures += not _start(place, binaries, alive, fresh_port=failures > 0)
            changed = False  # it starts with the new settings
            if failures == _ATTEMPTS:
                raise EmbeddedError(f"PostgreSQL does not start in {place.data}:\n{_tail(place)}")
        elif running and running.ready and _answers(place, binaries, running.port):
            if changed:
                place.run(binaries.path("pg_ctl"), "reload", "-D", "data")
            return running.port
        time.sleep(0.05)
    message = f"A server of {place.data} is alive, here or in another container, but did not answer"
    raise EmbeddedError(f"{message} in {START_SECONDS:.0f} s. Its log ends with:\n{_tail(place)}")


def _configure(place: Place, *, durable: bool) -> bool:
    path, wanted = place.base / "postgresql.conf", postgres_conf(durable=durable)
    with suppress(FileNotFoundError):
        if path.read_text() == wanted:
            return False
    write_private(path, wanted, mode=0o600 if place.account is None else 0o644)
    return True


def _start(place: Place, binaries: Binaries, alive: int, *, fresh_port: bool) -> bool:
    """Try once, and say whether it runs now.

    The server and its children inherit `alive`, a locked descriptor: while one of them is left the
    lock is taken. The kernel knows that better than any file, also for a server in another
    container that shares this directory.
    """
    try:
        (place.data / "postmaster.pid").unlink(missing_ok=True)  # it may name a stranger by now
        port = _free_port(None if fresh_port else _last_port(place))
        _rotate_log(place)
        started = place.run(
            binaries.path("pg_ctl"),
            *("start", "-w", "-s", "-t", "60", "-D", "data", "-l", "data/server.log"),
            *("-o", f"-p {port} -c config_file=postgresql.conf"),  # relative: nothing to quote
            keep=[alive],
        )
    finally:
        os.close(alive)
    if started.returncode != 0:
        return False
    write_private(place.base / "port", str(port))
    return True


def _last_port(place: Place) -> int | None:
    """Preferred, so that the pools of running processes find a restarted server by themselves."""
    try:
        return int((place.base / "port").read_text())
    except (FileNotFoundError, ValueError):
        return None


def _free_port(preferred: int | None) -> int:
    for port in (preferred, 0):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if port is not None:
                probe.bind((HOST, port))
                return int(probe.getsockname()[1])
    raise EmbeddedError(f"No free port on {HOST}.")


def _answers(place: Place, binaries: Binaries, port: int) -> bool:
    command = (binaries.path("pg_isready"), "-q", "-h", HOST, "-p", str(port), "-t", "1")
    return place.run(*command).returncode == 0


def _rotate_log(place: Place) -> None:
    path = place.data / "server.log"
    with suppress(FileNotFoundError):
        if path.stat().st_size > _LOG_BYTES:
            path.replace(path.with_name("server.log.1"))


def _tail(place: Place) -> str:
    return place.run("tail", "-n", "12", "data/server.log").stdout.strip()


def _stop(place: Place) -> None:
    if read_postmaster(place) is None:  # pg_ctl would signal a stranger that has the number now
        return
    binaries = find_binaries(major=made_by(place), account=place.account)
    stop = ("stop", "-w", "-s", "-t", "60", "-m", "fast", "-D", "data")
    stopped = place.run(binaries.path("pg_ctl"), *stop)
    if stopped.returncode != 0:
        raise EmbeddedError(f"PostgreSQL in {place.data} did not stop: {stopped.stderr.strip()}")


def _retire(place: Place) -> None:
    """Its home was deleted, so it is not served again; deleting rows is left to a person."""
    _stop(place)
    removed = place.base.rename(place.base.with_name(f"{place.base.name}.removed"))
    _log.warning("The home of a database was deleted; delete its rows too: rm -r %s", removed)
