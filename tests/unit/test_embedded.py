"""The embedded server survives what happens to real machines. Real processes, real signals."""

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_api.core import embedded
from crm_api.core.embedded import (
    EmbeddedError,
    ensure_server,
    is_running,
    remove_server,
    stop_server,
)
from crm_api.core.private_files import try_lock
from crm_api.installation import keep_embedded
from tests.unit.embedded_tools import PYTHON_PATH, ask, open_folder, place_of, postmaster

STARTER = """
import sys, time
from pathlib import Path
from crm_api.core.embedded import ensure_server
print(ensure_server(Path(sys.argv[1]), durable=False).port, flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """One for all tests that need no first start: making a database takes longest here."""
    folder = open_folder()
    yield folder / "it's a home"
    remove_server(folder / "it's a home")
    shutil.rmtree(folder)


@pytest.fixture
def empty_home() -> Iterator[Path]:
    folder = open_folder()
    yield folder / "home"
    remove_server(folder / "home")
    shutil.rmtree(folder)


def starter(home: Path, stays: float = 60) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", STARTER, str(home), str(stays)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | PYTHON_PATH,
        start_new_session=True,
    )


def wait_for_another(home: Path, dead: int, seconds: float = 20) -> None:
    """Until a server runs that is not this one."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if is_running(home) and postmaster(home) != dead:
            return
        time.sleep(0.05)
    pytest.fail(f"no server after {seconds} s")


def kill_group(process: subprocess.Popen[str]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def sleeper(home: Path) -> subprocess.Popen[bytes]:
    """A stranger's process with the rights of the server."""
    account = place_of(home).account
    return subprocess.Popen(["/bin/sleep", "60"], user=account.uid if account else None, cwd="/")


def claim(home: Path, pid: int) -> None:
    """What a killed server leaves behind, when its number was given to another process."""
    data = place_of(home).data
    lines = [str(pid), str(data), "1700000000", "5432", "", "127.0.0.1", "1 1", "ready"]
    (data / "postmaster.pid").write_text("\n".join(lines) + "\n")


# --- one server, found again ---


def test_second_call_finds_the_running_server(home: Path) -> None:
    server = ensure_server(home, durable=False)
    assert ensure_server(home, durable=False) == server
    assert server.password not in repr(server)


def test_rows_and_port_outlive_stop_and_start(home: Path) -> None:
    server = ensure_server(home)
    ask(server, "CREATE TABLE kept_1 AS SELECT 7 AS n")
    server.stop()
    stop_server(home)  # once more is no error
    with socket.socket() as probe:
        assert probe.connect_ex((server.host, server.port)) != 0
    again = ensure_server(home)
    assert again == server
    assert ask(again, "SELECT n FROM kept_1") == "7"


def test_four_starters_at_once_make_one_server(empty_home: Path) -> None:
    starters = [starter(empty_home, stays=0) for _ in range(4)]
    ports = {process.communicate()[0].strip() for process in starters}
    assert [process.returncode for process in starters] == [0, 0, 0, 0]
    assert ports == {str(ensure_server(empty_home, durable=False).port)}


def test_server_outlives_its_killed_starter(home: Path) -> None:
    stop_server(home)
    process = starter(home)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    server = ensure_server(home, durable=False)
    ask(server, "CREATE TABLE kept_2 AS SELECT 7 AS n")
    pid = postmaster(home)
    kill_group(process)
    again = ensure_server(home, durable=False)
    assert (again.port, postmaster(home)) == (port, pid)
    assert ask(again, "SELECT n FROM kept_2") == "7"


@pytest.mark.parametrize("seconds", [0.2, 0.6])
def test_first_start_killed_at_any_moment_is_made_good(empty_home: Path, seconds: float) -> None:
    process = starter(empty_home)
    time.sleep(seconds)
    kill_group(process)
    assert ask(ensure_server(empty_home, durable=False), "SELECT 7") == "7"


def test_half_done_initdb_is_thrown_away(empty_home: Path) -> None:
    (empty_home / "data.new" / "base").mkdir(parents=True)
    (empty_home / "data.new" / "PG_VERSION").write_text("18\n")
    empty_home.chmod(0o755)
    assert ask(ensure_server(empty_home, durable=False), "SELECT 7") == "7"
    assert not (empty_home / "data.new").exists()


# --- crashes ---


async def test_application_starts_a_server_that_died_on_the_same_port(home: Path) -> None:
    """Nobody else would: it is ours, and the pools of the application look for it there."""
    before = ensure_server(home, durable=False)
    keeper = asyncio.create_task(keep_embedded(home, 0.1))
    dead = postmaster(home)
    try:
        os.kill(dead, signal.SIGKILL)
        await asyncio.to_thread(wait_for_another, home, dead)
    finally:
        keeper.cancel()
    assert ensure_server(home, durable=False).port == before.port


def test_rows_outlive_a_killed_postmaster(home: Path) -> None:
    server = ensure_server(home)
    ask(server, "CREATE TABLE kept_3 AS SELECT 7 AS n")
    dead = postmaster(home)
    os.kill(dead, signal.SIGKILL)
    again = ensure_server(home)
    assert again == server
    assert postmaster(home) != dead
    assert ask(again, "SELECT n FROM kept_3") == "7"


def test_process_with_a_recycled_number_is_no_server_and_is_left_alone(home: Path) -> None:
    ensure_server(home, durable=False).stop()
    with sleeper(home) as stranger:
        claim(home, stranger.pid)
        stop_server(home)
        assert stranger.poll() is None
        assert ask(ensure_server(home, durable=False), "SELECT 7") == "7"
        assert stranger.poll() is None
        stranger.kill()


def test_zombie_is_no_server(home: Path) -> None:
    ensure_server(home, durable=False).stop()
    with sleeper(home) as stranger:
        stranger.kill()
        os.waitid(os.P_PID, stranger.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet buried
        claim(home, stranger.pid)
        assert ask(ensure_server(home, durable=False), "SELECT 7") == "7"


def test_silent_server_is_waited_for_and_never_replaced(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = ensure_server(home, durable=False)
    pid = postmaster(home)
    monkeypatch.setattr(embedded, "START_SECONDS", 0.3)
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(EmbeddedError, match="did not answer"):
            ensure_server(home, durable=False)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert ensure_server(home, durable=False) == server
    assert postmaster(home) == pid


def test_no_second_server_while_a_process_of_the_first_lives(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensure_server(home, durable=False)
    assert try_lock(place_of(home).base / "alive") is None
    # In another container the process cannot be seen: its number names nobody there.
    pid_file = place_of(home).data / "postmaster.pid"
    content = pid_file.read_text()
    pid_file.write_text(content.replace(str(postmaster(home)), str(2**22 + 1), 1))
    monkeypatch.setattr(embedded, "START_SECONDS", 0.3)
    with pytest.raises(EmbeddedError, match="another container"):
        ensure_server(home, durable=False)
    pid_file.write_text(content)


def test_server_whose_port_was_taken_gets_another(home: Path) -> None:
    server = ensure_server(home, durable=False)
    server.stop()
    with socket.socket() as thief:
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind((server.host, server.port))
        thief.listen()
        again = ensure_server(home, durable=False)
        assert again.port != server.port
        assert ask(again, "SELECT 7") == "7"


def test_server_that_cannot_start_shows_its_log(home: Path) -> None:
    server = ensure_server(home, durable=False)
    ask(server, "ALTER SYSTEM SET shared_buffers = '7TB'")
    server.stop()
    with pytest.raises(EmbeddedError, match=r"does not start(.|\n)*memory"):
        ensure_server(home, durable=False)
    (place_of(home).data / "postgresql.auto.conf").write_text("")
    assert ensure_server(home, durable=False) == server


# --- what it is ---


def test_only_the_password_opens_it_and_only_its_owner_reads_it(home: Path) -> None:
    server = ensure_server(home, durable=False)
    with pytest.raises(subprocess.CalledProcessError) as refused:
        ask(server.url().replace(server.password, "wrong"), "SELECT 1")
    assert "password authentication failed" in refused.value.stderr
    place = place_of(home)
    assert stat.S_IMODE((place.base / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE(place.data.stat().st_mode) == 0o700
    private = [place.data / "server.log", place.data / "postmaster.pid"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in private] == [0o600, 0o600]


def test_letters_of_every_script_are_letters_and_order_is_by_code_point(home: Path) -> None:
    server = ensure_server(home, durable=False)
    ask(server, "CREATE DATABASE crm; ")
    server_url = server.url("crm")
    ask(server_url, "CREATE EXTENSION pg_trgm")
    assert ask(server_url, "SELECT cardinality(show_trgm('Жанна')), lower('ŻÜ')") == "6|żü"
    assert ask(server_url, "SELECT 'a' > 'B'") == "t"


def test_time_zones_are_known(home: Path) -> None:
    server = ensure_server(home, durable=False)
    summer = "timestamptz '2026-07-01 12:00Z'"
    assert ask(server, f"SELECT {summer} AT TIME ZONE 'Europe/Berlin'") == "2026-07-01 14:00:00"
    assert ask(server, f"SELECT {summer}") == "2026-07-01 12:00:00+00"


def test_log_of_the_server_holds_no_values(home: Path) -> None:
    server = ensure_server(home, durable=False)
    ask(server, "CREATE TABLE people (mail text UNIQUE)")
    for sql in ("INSERT INTO people VALUES ('canary'), ('canary')", "SELECT 'canary'::int"):
        with pytest.raises(subprocess.CalledProcessError, match="psql"):
            ask(server, sql)
    assert "canary" not in (place_of(home).data / "server.log").read_text()


def test_durable_caller_makes_a_running_test_server_durable(home: Path) -> None:
    settings = "SELECT string_agg(setting, ',') FROM pg_settings WHERE name IN "
    settings += "('fsync', 'synchronous_commit', 'full_page_writes')"
    assert ask(ensure_server(home, durable=False), settings) == "off,off,off"
    server = ensure_server(home)
    deadline = time.monotonic() + 5
    while ask(server, settings) != "on,on,on":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_environment_of_the_starter_does_not_reach_the_server(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hostile = {"PGDATA": "/nowhere", "PGPORT": "1", "PGOPTIONS": "-c x", "TZ": "Mars/Olympus"}
    for name, value in hostile.items():
        monkeypatch.setenv(name, value)
    server = ensure_server(home, durable=False)
    for name in hostile:
        monkeypatch.delenv(name)
    environment = "SELECT pg_read_file('/proc/' || pg_backend_pid() || '/environ')"
    with contextlib.suppress(subprocess.CalledProcessError):  # a NUL byte is no text
        ask(server, environment)
    assert ask(server, "SHOW timezone") == "GMT"
