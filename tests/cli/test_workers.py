"""`crm-api serve` keeps a worker beside it: started again when it breaks, never left behind."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from tests.cli.conftest import Installation

PATIENCE = 60


def workers_of(parent: int) -> list[int]:
    """The worker processes that this server started, by what they were started with."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it ended just now
        if words[-4:-1] == ["worker", "--parent", str(parent)]:
            found.append(int(path.parent.name))
    return found


def children_of(parent: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # pid (name) state ppid …; the name may hold anything but the last bracket.
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(path.parent.name))
    return found


def until(reached: Callable[[], bool], seconds: float = PATIENCE) -> None:
    ends = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.05)


async def test_serve_starts_a_worker_again_and_ends_it_with_itself(
    installation: Installation,
) -> None:
    with installation.serving() as server:
        parent = server.process.pid
        until(lambda: len(workers_of(parent)) == 1)
        [first] = workers_of(parent)
        os.kill(first, signal.SIGKILL)
        until(lambda: workers_of(parent) not in ([], [first]))
        [second] = workers_of(parent)
        assert second != first
    assert server.process.returncode in (0, -signal.SIGTERM)
    assert workers_of(parent) == []
    assert '"worker_ended"' in server.out + server.err
    assert "Traceback" not in server.out + server.err
    assert server.seconds < 30


@pytest.mark.parametrize("arguments", [(), ("--workers", "2"), ("--reload",)])
async def test_a_killed_server_leaves_no_worker_behind(
    installation: Installation, arguments: tuple[str, ...]
) -> None:
    with installation.serving(*arguments) as server:
        parent = server.process.pid
        until(lambda: len(workers_of(parent)) == 1)
        others = [pid for pid in children_of(parent) if pid not in workers_of(parent)]
        server.process.kill()
        server.process.wait(PATIENCE)
        until(lambda: workers_of(parent) == [])
        # uvicorn's own processes do not look after their parent, and hold its output open.
        for pid in others:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


async def test_none_is_started_where_none_is_wanted(installation: Installation) -> None:
    with installation.serving(CRM_JOB_WORKERS="0") as server:
        await asyncio.sleep(1)
        assert workers_of(server.process.pid) == []


async def test_a_worker_does_not_start_on_the_schema_of_another_release(
    installation: Installation,
) -> None:
    installation.run("migrate")
    owner = await asyncpg.connect(installation.variables["DATABASE_URL"])
    await owner.execute("UPDATE alembic_version SET version_num = 'another'")
    await owner.close()
    done = installation.run("worker", code=2)
    assert "crm-api migrate" in done.stdout + done.stderr
