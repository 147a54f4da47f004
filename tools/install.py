"""Makes the virtual environment what the lock files say; does nothing when it is already.

Standard library only: this is the first thing that runs on a machine with nothing but Python and
make. Several may run at once (`make run` in two terminals): one prepares, the others wait.
"""

import argparse
import contextlib
import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RUN_LOCKS = ("requirements.lock", "requirements-build.lock")
DEV_LOCKS = ("requirements-dev.lock",)
"""The development lock holds everything: what runs, what builds, what checks."""
STAMP = "crm-api.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv")
    parser.add_argument("--dev", action="store_true", help="with the tools of test and check")
    arguments = parser.parse_args()
    directory: Path = arguments.venv if arguments.venv.is_absolute() else ROOT / arguments.venv
    wanted = recipe(dev=arguments.dev)
    if is_ready(directory, wanted):
        return
    try:
        with alone():
            if not is_ready(directory, wanted):
                prepare(directory, wanted)
    except PermissionError as error:
        fail(f"{error.filename} cannot be written by this user; take another place: VENV=…")


def recipe(*, dev: bool) -> dict[str, Any]:
    """All that decides what the environment holds; kept in it as the proof that it is complete."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    content = hashlib.sha256()
    for name in RUN_LOCKS + DEV_LOCKS:
        content.update((ROOT / name).read_bytes())
    for table in (project["project"], project["build-system"], project["tool"]["hatch"]):
        content.update(json.dumps(table, sort_keys=True).encode())
    return {
        "python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "root": str(ROOT),
        "content": content.hexdigest(),
        "dev": dev,
    }


def is_ready(directory: Path, wanted: Mapping[str, Any]) -> bool:
    found = installed(directory)
    # What serves development serves a run as well.
    return found == dict(wanted) or found == {**wanted, "dev": True}


def installed(directory: Path) -> dict[str, Any]:
    """The recipe of the environment, empty when there is none that works."""
    if not os.access(directory / "bin" / "python", os.X_OK):
        return {}
    try:
        stamp = json.loads((directory / STAMP).read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """One at a time for this checkout. The kernel frees the lock of a killed process."""
    descriptor = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Another make is preparing the environment; waiting for it.")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def prepare(directory: Path, wanted: Mapping[str, Any]) -> None:
    before = installed(directory)
    stamp = directory / STAMP
    stamp.unlink(missing_ok=True)
    if not fits(directory, before, wanted):
        create(directory)
    locks = DEV_LOCKS if wanted["dev"] else RUN_LOCKS
    say(f"Installing the locked packages into {shown(directory)} (once; about a minute).")
    files = [part for name in locks for part in ("--requirement", str(ROOT / name))]
    # Wheels alone: a source package would run code of its own, with a build system nobody locked.
    pip(directory, "--require-hashes", "--only-binary=:all:", *files)
    pip(directory, "--no-index", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
    draft = directory / f"{STAMP}.new"
    draft.write_text(json.dumps(wanted), encoding="utf-8")
    draft.replace(stamp)


def fits(directory: Path, before: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether the present environment can be completed; scripts in it name its own folder."""
    if not (directory / "bin" / "python").exists():
        return False
    if before:
        return all(before[key] == wanted[key] for key in ("python", "root"))
    probe = "import sys; print('%d.%d' % sys.version_info[:2], sys.prefix)"
    found = subprocess.run(
        [str(directory / "bin" / "python"), "-c", probe],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.split() == [wanted["python"], str(directory.resolve())]


def create(directory: Path) -> None:
    if directory.exists():
        if not (directory / "pyvenv.cfg").exists():
            fail(f"{directory} is there already and is no virtual environment; take another VENV.")
        shutil.rmtree(directory)
    has_ensurepip = importlib.util.find_spec("ensurepip") is not None
    if not has_ensurepip and importlib.util.find_spec("pip") is None:
        fail(
            "This Python has neither ensurepip nor pip.",
            "On Debian and Ubuntu: apt-get install python3-venv; then run make again.",
        )
    say(f"Creating {shown(directory)} with Python {sys.version.split()[0]}.")
    venv.create(directory, with_pip=has_ensurepip, symlinks=True)


def pip(directory: Path, *arguments: str) -> None:
    python = str(directory / "bin" / "python")
    command = [python, "-m", "pip"]
    if not list(directory.glob("lib/*/site-packages/pip")):
        # Debian's Python without python3-venv: its own pip can work on another environment.
        command = [sys.executable, "-m", "pip", "--python", python]
    quiet = ("-qq", "--disable-pip-version-check", "--no-input")
    done = subprocess.run(
        [*command, "install", *quiet, *arguments],
        env=os.environ | {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0"},
        check=False,
    )
    if done.returncode:
        fail("pip could not install the packages (its message is above); run make again to retry.")


def shown(directory: Path) -> str:
    return str(directory.relative_to(ROOT) if directory.is_relative_to(ROOT) else directory)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def fail(*lines: str) -> None:
    for line in lines:
        say(line)
    sys.exit(1)


if __name__ == "__main__":
    main()
