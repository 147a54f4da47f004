"""The command as people run it: a process of its own, on a database of the tests' server."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
import pytest

from crm_api.installation import application_role
from tests.database import server_url

PATIENCE = 180
"""Seconds for one command: the machine may be busy with other workers."""

Case = tuple[Sequence[str], dict[str, str]]
"""Arguments, and variables of the environment."""
_MANY = """
import json, sys
from typer.testing import CliRunner
from crm_api.cli import app
found = []
for arguments, more in json.loads(sys.argv[1]):
    done = CliRunner().invoke(app, arguments, env=more, catch_exceptions=False)
    found.append((done.exit_code, done.output))
print(json.dumps(found))
"""
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
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        return process

    def run(self, *arguments: str, code: int = 0, typed: str = "", **more: str) -> Done:
        """Run to the end. Whatever happens, nobody is shown a traceback."""
        process = self.start(*arguments, **more)
        out, err = process.communicate(typed, timeout=PATIENCE)
        assert process.returncode == code, f"{arguments}: {process.returncode}\n{out}\n{err}"
        assert "Traceback" not in out + err
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def many(self, cases: Sequence[Case]) -> list[tuple[int, str]]:
        """Exit code and words of each call, in one process: each start takes a second."""
        text = json.dumps([[list(arguments), more] for arguments, more in cases])
        done = subprocess.run(
            [sys.executable, "-c", _MANY, text],
            cwd=self.home,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        answers: list[tuple[int, str]] = json.loads(done.stdout)
        assert not [said for _, said in answers if "Traceback" in said]
        return answers

    def python(self, text: str) -> str:
        """What a program prints that runs as the command would."""
        done = subprocess.run(
            [sys.executable, "-c", text],
            cwd=self.home,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, cases: Sequence[Case]) -> list[str]:
        """What each call says before it exits with 2."""
        answers = self.many(cases)
        assert [code for code, _ in answers] == [2] * len(cases), answers
        return [said for _, said in answers]

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

    @property
    def port(self) -> str:
        return self.url.rpartition(":")[2]

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


@pytest.fixture
async def installation(tmp_path: Path, worker_id: str) -> AsyncIterator[Installation]:
    """An empty database, and the settings to use it."""
    async with installed(tmp_path, worker_id) as made:
        yield made


@pytest.fixture
async def elsewhere(tmp_path: Path, worker_id: str) -> AsyncIterator[Installation]:
    """A second, empty database, whose owner is no superuser."""
    home = tmp_path / "elsewhere"
    home.mkdir()
    async with installed(home, worker_id, f"owner_{secrets.token_hex(4)}") as made:
        yield made


@asynccontextmanager
async def installed(home: Path, worker_id: str, owner: str = "") -> AsyncIterator[Installation]:
    """An installation of its own; with a name of an `owner`, of a role that is no superuser."""
    # Kept open: another run of the tests stops a server that nobody is connected to.
    admin = await asyncpg.connect(server_url())
    made = _make(home, worker_id, owner)
    name = made.variables["DATABASE_URL"].rpartition("/")[2]
    if owner:
        await admin.execute(f"CREATE ROLE {owner} LOGIN CREATEROLE PASSWORD '{owner}'")
    await admin.execute(f'CREATE DATABASE "{name}"' + (f" OWNER {owner}" if owner else ""))
    yield made
    for process in made.running:
        if process.poll() is None:
            process.kill()
            process.communicate()
    await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    await admin.execute(f'DROP ROLE IF EXISTS "{application_role(server_url(name))}"')
    if owner:
        await admin.execute(f"DROP ROLE {owner}")
    await admin.close()


def _make(home: Path, worker_id: str, owner: str) -> Installation:
    url = server_url(f"crm_test_cli_{worker_id}_{secrets.token_hex(4)}")
    if owner:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        url = urlunsplit(parts._replace(netloc=f"{owner}:{owner}@{host}"))
    variables = {
        "DATABASE_URL": url,
        "CRM_DATA_DIR": str(home / "data"),
        "CRM_SECRET_KEY": secrets.token_hex(32),
        "CRM_POOL_SIZE": "2",
        "CRM_LIST_POOL_SIZE": "1",
    }
    return Installation(variables, home)
