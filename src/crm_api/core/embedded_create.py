"""Makes the data directory and the configuration of an embedded server. It starts nothing."""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from secrets import token_urlsafe

from crm_api.core.embedded_binaries import Binaries
from crm_api.core.embedded_host import EmbeddedError, Place
from crm_api.core.private_files import write_private

SUPERUSER = "postgres"
_FIRST_BUILTIN = 17


def made_by(place: Place) -> int | None:
    """The major version of PostgreSQL that made the data; None when there is none yet."""
    try:
        return int((place.data / "PG_VERSION").read_text())
    except FileNotFoundError:
        return None


def read_password(place: Place) -> str:
    try:
        return (place.base / "password").read_text()
    except FileNotFoundError:
        message = f"{place.base}/password is missing, and nobody can enter {place.data} without it."
        raise EmbeddedError(f"{message} Bring the file back from a backup.") from None


def create_data(place: Place, binaries: Binaries, lock: int, *, durable: bool) -> None:
    """Make the data directory under another name first: a killed initdb must not look finished.

    initdb inherits our lock, so that an orphan of a killed starter ends before the next begins.
    """
    for half_done in place.base.glob("data.new*"):
        shutil.rmtree(half_done)
    password = token_urlsafe(32)
    write_private(place.base / "password", password)
    fresh = place.base / "data.new"
    fresh.mkdir(mode=0o700)
    with tempfile.TemporaryFile() as secret:  # without a name: nothing to clean up after a kill
        secret.write(password.encode())
        secret.seek(0)
        if place.account is not None:
            os.chown(fresh, place.account.uid, place.account.gid)
            os.fchown(secret.fileno(), place.account.uid, place.account.gid)
        done = place.run(
            binaries.path("initdb"),
            *("--pgdata=data.new", f"--username={SUPERUSER}", "--pwfile=/dev/stdin"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--data-checksums"),
            *_locale(binaries.major),
            *(() if durable else ("--no-sync",)),
            keep=[lock],
            stdin=secret,
        )
    if done.returncode != 0:
        raise EmbeddedError(f"initdb failed in {place.base}: {done.stderr.strip()}")
    fresh.rename(place.data)
    _sync(place.base)


def _locale(major: int) -> list[str]:
    """Code point order and Unicode letters, the same on every machine.

    LC_CTYPE is not C beside the builtin provider: pg_trgm asks the C library what a letter is, and
    finds no trigram in a Cyrillic name then. macOS has no C.UTF-8.
    """
    letters = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
    if major >= _FIRST_BUILTIN:
        builtin = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        return [*builtin, "--locale=C", f"--lc-ctype={letters}"]
    return ["--locale-provider=libc", "--locale=C", f"--lc-ctype={letters}"]


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def postgres_conf(*, durable: bool = True) -> str:
    """The server's whole configuration, for a small machine.

    It is rewritten at each start; lasting changes are made with ALTER SYSTEM, which wins.
    """
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",  # a path may be too long for one (107 characters)
        "max_connections": "200",
        "shared_buffers": "128MB",
        "effective_cache_size": "512MB",
        "work_mem": "8MB",
        "maintenance_work_mem": "64MB",
        "max_wal_size": "512MB",
        "random_page_cost": "1.1",
        "jit": "off",  # compiling costs more than our short statements
        "timezone": "GMT",  # UTC, by the only name that needs no time zone files
        "log_timezone": "GMT",
        "lc_messages": "C",
        "password_encryption": "scram-sha-256",
        # Errors of statements carry values, that is personal data: the application reports them.
        "log_min_messages": "log",
        "log_min_error_statement": "panic",
        "log_error_verbosity": "terse",
        "log_checkpoints": "off",
    }
    if not durable:
        settings |= dict.fromkeys(("fsync", "synchronous_commit", "full_page_writes"), "off")
    return "".join(f"{name} = '{value}'\n" for name, value in settings.items())
