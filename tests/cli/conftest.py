"""The command as people run it: a process of its own, on a database of the tests' server."""

import asyncio
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx
import pytest

from crm_api.installation import application_role
from tests.database import drop_database, server_url

PATIENCE = 180
"""Seconds for one command: the machine may be busy with other workers."""

Done = subprocess.CompletedProcess[str]


@dataclass(slots=True)
class Installation:
    """An environment in which the command is run."""

    variables: dict[str, str]
    home: Path
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def environment(self, **more: str) -> dict[str, str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("CRM_", "DATABASE_"))}
        return clean | {"COLUMNS": "200", "PYTHONWARNINGS": "error"} | self.variables | more

    def start(self, *arguments: str, **more: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "crm_api.cli", *arguments],
            cwd=self.home,
            env=self.environment(**more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        return process

    def run(self, *arguments: str, code: int = 0, **more: str) -> Done:
        """Run to the end. Whatever happens, nobody is shown a traceback."""
        process = self.start(*arguments, **more)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == code, f"{arguments}: {process.returncode}\n{out}\n{err}"
        assert "Traceback" not in out + err
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    @contextmanager
    def serving(self, *arguments: str, **more: str) -> Iterator["Serving"]:
        """A server that is ready; it is ended as an orchestrator ends it."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = self.start("serve", "--port", str(port), *arguments, **more)
        serving = Serving(process, f"http://127.0.0.1:{port}")
        try:
            serving.wait()
            yield serving
        finally:
            serving.stop()


@dataclass(slots=True)
class Serving:
    """A running server process."""

    process: subprocess.Popen[str]
    url: str
    out: str = ""
    err: str = ""
    seconds: float = 0.0
    """How long it took to end."""

    def wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.url}/readyz", timeout=5).status_code == 200:
                    return
            time.sleep(0.1)
        self.stop()
        raise AssertionError(f"It did not get ready:\n{self.out}\n{self.err}")

    def stop(self) -> None:
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.terminate()
        if not self.out and not self.err:
            self.out, self.err = self.process.communicate(timeout=PATIENCE)
            self.seconds = time.monotonic() - began


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[Installation]:
    """An empty database, and the settings to use it."""
    made = _make(tmp_path_factory.mktemp("installation"), worker_id)
    yield made
    _clear(made)


@pytest.fixture
def another(
    tmp_path_factory: pytest.TempPathFactory, worker_id: str
) -> Iterator[Callable[[], Installation]]:
    """Makes further installations, for tests that need one untouched."""
    made: list[Installation] = []

    def make() -> Installation:
        made.append(_make(tmp_path_factory.mktemp("installation"), worker_id))
        return made[-1]

    yield make
    for each in made:
        _clear(each)


def _make(home: Path, worker_id: str) -> Installation:
    name = f"crm_test_cli_{worker_id}_{secrets.token_hex(4)}"
    asyncio.run(_create(name))
    variables = {
        "DATABASE_URL": server_url(name),
        "CRM_DATA_DIR": str(home / "data"),
        "CRM_SECRET_KEY": secrets.token_hex(32),
        "CRM_POOL_SIZE": "2",
        "CRM_LIST_POOL_SIZE": "1",
    }
    return Installation(variables, home)


def _clear(installation: Installation) -> None:
    for process in installation.running:
        if process.poll() is None:
            process.kill()
            process.communicate()
    url = installation.variables["DATABASE_URL"]
    asyncio.run(_drop(url))


async def _create(name: str) -> None:
    admin = await asyncpg.connect(server_url())
    try:
        await admin.execute(f'CREATE DATABASE "{name}"')
    finally:
        await admin.close()


async def _drop(url: str) -> None:
    await drop_database(url.rpartition("/")[2])
    admin = await asyncpg.connect(server_url())
    try:
        await admin.execute(f'DROP ROLE IF EXISTS "{application_role(url)}"')
    finally:
        await admin.close()
