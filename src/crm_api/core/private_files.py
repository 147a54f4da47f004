"""Directories and files that are ours alone, and locks between processes. It knows no content."""

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":  # locks are taken for the embedded server only, refused there
    import fcntl

LOCK_SECONDS = 180.0


def passable_directory(path: Path) -> None:
    """Private; as root, others may pass through: the service account must reach what is below."""
    for missing in reversed([path, *path.parents]):
        if not missing.exists():
            missing.mkdir(exist_ok=True)
            missing.chmod(0o711 if os.geteuid() == 0 else 0o700)


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace the file in one step, on disk before the old content is gone.

    Root gives it to the owner of the directory, who may come without root's rights next time.
    """
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 it opens a descriptor
        os.fchmod(descriptor, mode)
        if os.geteuid() == 0:
            owner = path.parent.stat()
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        file.write(text)
        file.flush()
        os.fsync(descriptor)
    fresh.replace(path)


def try_lock(path: Path) -> int | None:
    """A descriptor that holds the file's lock until its last copy is closed; None when taken."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[int]:
    """Hold `directory/lock`, across processes; the kernel frees it even after kill -9."""
    passable_directory(directory)
    deadline = time.monotonic() + LOCK_SECONDS
    while (descriptor := try_lock(directory / "lock")) is None:
        if time.monotonic() > deadline:
            message = f"Another process has held {directory}/lock for {LOCK_SECONDS:.0f} seconds."
            raise TimeoutError(f"{message} Find it with `fuser {directory}/lock`.")
        time.sleep(0.02)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
