"""Worker processes of the tests: `crm-api worker`, which knows the tests' kinds of work too."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from crm_api.installation import Addresses
from tests.database import ROOT

COMMAND = "import tests.jobs; from crm_api.cli import main; main()"
DEADLINE_SECONDS = 60


class Workers:
    """Processes that work on one database. What they log is kept, each in its file."""

    def __init__(self, environment: dict[str, str], home: Path) -> None:
        self.environment = environment
        self.home = home
        self.processes: list[subprocess.Popen[bytes]] = []

    async def start(self, lease_seconds: float) -> "subprocess.Popen[bytes]":
        """A worker that listens already."""
        process = self._start(lease_seconds)
        await self.says(process, "worker_listening")
        return process

    def _start(self, lease_seconds: float) -> "subprocess.Popen[bytes]":
        arguments = ["worker", "--lease-seconds", str(lease_seconds)]
        with (self.home / f"worker-{len(self.processes)}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", COMMAND, *arguments],
                env=self.environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        self.processes.append(process)
        return process

    async def says(self, process: "subprocess.Popen[bytes]", words: str, times: int = 1) -> None:
        """Wait until its log holds the words."""

        async def said() -> bool:
            return self.log(process).count(words) >= times

        await until(said)

    def log(self, process: "subprocess.Popen[bytes]") -> str:
        number = self.processes.index(process)
        return (self.home / f"worker-{number}.log").read_text(errors="replace")

    def told(
        self, process: "subprocess.Popen[bytes]", operation_id: UUID, event: str
    ) -> list[dict[str, Any]]:
        """What it logged of one operation: a worker takes what any test of the run left queued."""
        lines = self.log(process).splitlines(keepends=True)
        whole = (line for line in lines if line.startswith("{") and line.endswith("\n"))
        entries = (json.loads(line) for line in whole)
        return [
            entry
            for entry in entries
            if entry["event"] == event and entry.get("operation_id") == str(operation_id)
        ]

    def end(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.kill()
            process.wait()


async def until(reached: Callable[[], Awaitable[bool]]) -> None:
    """Wait for something that another process does; not for ever."""
    ends = time.monotonic() + DEADLINE_SECONDS
    while not await reached():
        assert time.monotonic() < ends, "it did not happen in time"
        await asyncio.sleep(0.02)


@asynccontextmanager
async def workers_of(addresses: Addresses, secret: str, home: Path) -> AsyncIterator[Workers]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CRM_")}
    environment |= {
        "DATABASE_URL": addresses.owner,
        "CRM_APP_DATABASE_URL": addresses.application,
        "CRM_SECRET_KEY": secret,
        "CRM_DATA_DIR": str(home),
    }
    found = Workers(environment, home)
    try:
        yield found
    finally:
        await asyncio.to_thread(found.end)
