"""`crm-api worker`: does what was queued. `crm-api serve` runs it too, and ends it with itself."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import structlog
import typer

import crm_api.main
from crm_api.commands.running import explained, settings_or_exit
from crm_api.core.config import JOB_CONNECTIONS, Settings
from crm_api.core.db import Database
from crm_api.core.logs import configure_logging
from crm_api.files.storing import store_of
from crm_api.files.sweeping import sweep_with
from crm_api.installation import (
    REVISION,
    InstallationError,
    addresses,
    head_revision,
    refuse_unsafe_role,
)
from crm_api.operations.running import LEASE_SECONDS, Timing
from crm_api.operations.worker import Worker

log = structlog.get_logger()

WATCH_SECONDS: Final = 0.5
FIRST_PAUSE, LAST_PAUSE = 1.0, 30.0
STEADY_SECONDS: Final = 60.0
"""A worker that lived so long was well; the pause before the next one is short again."""
END_SECONDS: Final = 25.0
"""Longer than a worker takes to hand over (`Timing.grace`)."""
PACKAGE: Final = Path(crm_api.main.__file__).parent  # importing it registers every kind of work


def register(app: typer.Typer) -> None:
    app.command()(worker)


@explained
def worker(
    *,
    parent: Annotated[int | None, typer.Option(hidden=True)] = None,
    lease_seconds: Annotated[
        float, typer.Option(help="Without a sign of life for so long, another takes over.", min=0.2)
    ] = LEASE_SECONDS,
) -> None:
    """Do queued work, such as imports. SIGTERM hands over to others what is not finished.

    Several may run, on one machine or on many. `crm-api serve` runs CRM_JOB_WORKERS by itself.
    """
    settings = settings_or_exit()
    configure_logging(settings.log_level)
    timing = Timing(lease=lease_seconds, sweep=min(Timing().sweep, lease_seconds))
    asyncio.run(_work(settings, timing, parent))


async def _work(settings: Settings, timing: Timing, parent: int | None) -> None:
    found = await asyncio.to_thread(addresses, settings)
    await refuse_unsafe_role(found.application)
    db = await Database.connect(
        found.application,
        size=JOB_CONNECTIONS - 2,
        list_size=1,
        # The statement of a large step takes longer than one of a request may.
        statement_timeout_ms=60_000,
        lock_timeout_ms=10_000,
        # What a stopped process holds locked is free before its lease is.
        idle_transaction_ms=int(timing.lease * 1000 * 0.6),
    )
    try:
        await _require_schema(db)
        sweep_with(store_of(settings), settings.file_kept_days)
        job_worker = Worker(db, timing)
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, job_worker.stop)
        watch = asyncio.create_task(_end_with(parent, job_worker))
        await job_worker.run(found.application)
        watch.cancel()
    finally:
        await db.close()


async def _require_schema(db: Database) -> None:
    row = await db.fetchrow(None, REVISION)
    if row is None or row["version_num"] != head_revision():
        raise InstallationError(
            "The database has not the schema of this release. Run: crm-api migrate"
        )


async def _end_with(parent: int | None, job_worker: Worker) -> None:
    """Nobody tells a child that its parent was killed: it looks."""
    while parent is None or os.getppid() == parent:  # noqa: ASYNC110  # nothing sets an event
        await asyncio.sleep(WATCH_SECONDS)
    job_worker.stop()


# --------------------------------------------------------------------------------- as part of serve


@contextmanager
def job_workers(count: int, *, reload: bool) -> Iterator[None]:
    """So many workers beside the server: started again when they break off, ended with the block.

    Args:
        reload: start them anew when the code changes.
    """
    ending = threading.Event()
    keepers = [threading.Thread(target=_keep, args=(ending, reload)) for _ in range(count)]
    for keeper in keepers:
        keeper.start()
    try:
        yield
    finally:
        ending.set()
        for keeper in keepers:
            keeper.join()


def _keep(ending: threading.Event, reload: bool) -> None:  # a thread's arguments
    pause = FIRST_PAUSE
    command = [sys.executable, "-m", "crm_api.cli", "worker", "--parent", str(os.getpid())]
    while not ending.is_set():
        began, code = time.monotonic(), _newest() if reload else 0.0
        process = subprocess.Popen(command)
        while process.poll() is None and not ending.wait(WATCH_SECONDS):
            if reload and _newest() != code:
                break
        if process.poll() is None:
            _end(process)
            continue
        lived = time.monotonic() - began
        pause = FIRST_PAUSE if lived > STEADY_SECONDS else min(LAST_PAUSE, pause * 2)
        log.warning("worker_ended", exit_code=process.returncode, again_in_seconds=pause)
        ending.wait(pause)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _newest() -> float:
    """When the code was changed last."""
    return max(path.stat().st_mtime for path in PACKAGE.rglob("*.py"))


class _Told(BaseException):
    """SIGTERM, on its way out through the blocks that have something to end."""


@contextmanager
def ended_in_order() -> Iterator[None]:
    """Uvicorn hands SIGTERM on to who was there before it: the block is left, then all is over."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise _Told

    before = signal.signal(signal.SIGTERM, leave)
    told = False
    try:
        yield
    except _Told:
        told = True
    finally:
        signal.signal(signal.SIGTERM, before)
    if told:
        signal.raise_signal(signal.SIGTERM)
