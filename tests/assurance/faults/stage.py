"""Real processes to break: a PostgreSQL of its own, the proxy, two servers, one with workers."""

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import httpx
from fastapi import FastAPI

from crm_api.core.config import Settings
from crm_api.core.db import Database
from crm_api.core.embedded import Server, ensure_server, find_binaries, remove_server
from crm_api.core.embedded_host import find_place
from crm_api.core.passwords import PasswordHasher
from crm_api.installation import Addresses, prepare
from tests.assurance.faults.ledger import Ledger
from tests.assurance.faults.proxy import Proxy
from tests.assurance.faults.traffic import Traffic
from tests.assurance.faults.verdict import Verdict, judge
from tests.assurance.values import Known
from tests.assurance.world import make_key, scopes_of_roles
from tests.checks import assert_chain
from tests.factories import Organization, make_organization

START_SECONDS = 90
HEALTHY_SECONDS = 10.0
DRAIN_SECONDS = 25
FORBIDDEN = ("unhandled_exception", "Application startup failed", "stopping the parent process")
"""What no server may log, whatever breaks around it."""


@dataclass(slots=True)
class Process:
    """`crm-api serve`, as an operator starts it."""

    port: int
    workers: int
    environment: dict[str, str]
    log: Path
    popen: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "crm_api.cli", "serve", "--port", str(self.port)]
        with self.log.open("ab") as log:
            self.popen = subprocess.Popen(
                [*command, "--workers", str(self.workers)],
                env=self.environment,
                stdout=log,
                stderr=log,
            )

    def workers_alive(self) -> list[int]:
        """The processes that serve; the one that was started only looks after them."""
        assert self.popen is not None
        pid = self.popen.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [
            int(child)
            for child in children
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
        ]

    async def stop(self) -> float:
        """As an orchestrator does; seconds until it ended."""
        assert self.popen is not None
        began = time.monotonic()
        self.popen.terminate()
        end = await asyncio.to_thread(self.popen.wait, DRAIN_SECONDS)
        assert end in (0, -signal.SIGTERM), self.log.read_text(errors="replace")[-3000:]
        return time.monotonic() - began

    async def ready(self) -> None:
        async with httpx.AsyncClient(timeout=5) as http, asyncio.timeout(START_SECONDS):
            while not await is_ready(http, self.url):
                assert self.popen is not None
                assert self.popen.poll() is None, self.log.read_text(errors="replace")[-3000:]
                await asyncio.sleep(0.1)


async def is_ready(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/readyz")).status_code == 200
    except httpx.HTTPError:
        return False


@dataclass
class Stage:
    """All that a fault may touch, and the traffic that goes on meanwhile."""

    postgres: Server
    addresses: Addresses
    """The database itself, past the proxy."""
    proxy: Proxy
    processes: list[Process]
    organization: Organization
    traffic: Traffic
    counts: dict[str, float] = field(default_factory=dict)

    async def owner(self) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(self.addresses.owner)

    async def healthy(self) -> float:
        """Seconds until every server is ready again and a write is acknowledged."""
        began = time.monotonic()
        async with httpx.AsyncClient(timeout=5) as http:
            while time.monotonic() - began < 3 * HEALTHY_SECONDS:
                ready = [await is_ready(http, process.url) for process in self.processes]
                if all(ready) and self.traffic.last_acknowledged > began:
                    return time.monotonic() - began
                await asyncio.sleep(0.05)
        return time.monotonic() - began

    async def judge(self) -> Verdict:
        owner = await self.owner()
        try:
            organization_id = self.organization.organization_id
            verdict = await judge(owner, organization_id, self.traffic.ledger.read())
            await assert_chain(owner, organization_id)
        finally:
            await owner.close()
        verdict.deviations += self.traffic.deviations
        for process in self.processes:
            said = process.log.read_text(errors="replace")
            verdict.deviations += [f"{process.log}: {word}" for word in FORBIDDEN if word in said]
            if process.popen is None or process.popen.poll() is not None:
                verdict.deviations.append(f"{process.log}: the server ended")
        return verdict

    def control(self, *arguments: str) -> None:
        """pg_ctl on the server's directory, as its own account."""
        place = find_place(self.postgres.home)
        assert place is not None
        done = place.run(find_binaries().path("pg_ctl"), *arguments, "-D", "data")
        assert done.returncode == 0, done.stderr

    def verify_by_command(self) -> None:
        """`crm-api verify`, as an operator runs it."""
        done = subprocess.run(
            [sys.executable, "-m", "crm_api.cli", "verify"],
            env=self.processes[0].environment | {"DATABASE_URL": self.addresses.owner},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


@asynccontextmanager
async def staged(home: Path, postgres_home: Path) -> AsyncIterator[Stage]:
    """Everything is started, and an organization with a key of full rights is there."""
    # Durable: what PostgreSQL acknowledged must survive an immediate stop.
    server = await asyncio.to_thread(ensure_server, postgres_home)
    proxy = Proxy(server.host, server.port)
    port = await proxy.start()
    secret = secrets.token_hex(32)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("CRM_", "DATABASE_"))}
    environment |= {
        "CRM_DATA_DIR": str(home),
        "CRM_SECRET_KEY": secret,
        "CRM_LOG_LEVEL": "WARNING",
        "CRM_POOL_SIZE": "4",
        "CRM_LIST_POOL_SIZE": "2",
    }
    admin = await asyncpg.connect(server.url())
    await admin.execute("CREATE DATABASE faults")
    await admin.close()
    owner = server.url("faults")
    given = {"data_dir": home, "secret_key": secret, "DATABASE_URL": owner}
    addresses = await prepare(Settings.model_validate(given))
    environment["DATABASE_URL"] = _through(owner, port)
    processes = [
        Process(_free_port(), workers, environment, home / f"server-{workers}.log")
        for workers in (2, 1)
    ]
    try:
        for process in processes:
            process.start()
        await asyncio.gather(*(process.ready() for process in processes))
        async with _organization(addresses, processes[0].url) as organization:
            with Ledger(home / "ledger.jsonl") as ledger:
                traffic = await _traffic(organization, processes, ledger)
                yield Stage(server, addresses, proxy, processes, organization, traffic)
    finally:
        for process in processes:
            if process.popen is not None and process.popen.poll() is None:
                await process.stop()
        await proxy.stop()
        await asyncio.to_thread(remove_server, postgres_home)


def _through(url: str, port: int) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{port}"))


@asynccontextmanager
async def _organization(addresses: Addresses, url: str) -> AsyncIterator[Organization]:
    db = await Database.connect(addresses.application, size=1, list_size=1)
    try:
        with PasswordHasher(memory_kib=8, passes=1) as hasher:
            app = SimpleNamespace(state=SimpleNamespace(db=db, hasher=hasher))
            async with httpx.AsyncClient(base_url=url, timeout=60) as api:
                yield await make_organization(cast("FastAPI", app), api, "faults", ("radio",))
    finally:
        await db.close()


async def _traffic(organization: Organization, processes: list[Process], ledger: Ledger) -> Traffic:
    scopes = await scopes_of_roles(organization)
    key = await make_key(organization, scopes["admin"])
    low_key = await make_key(organization, scopes["front_desk"])
    spec = (await organization.api.get("/openapi.json")).json()
    client, contact = await organization.create_client(), await organization.create_contact()
    people = (await organization.call("admin", "GET", "/v1/users")).json()["data"]
    known = Known(client["id"], contact["id"], people[0]["id"], people[1]["id"])
    return Traffic([one.url for one in processes], key, low_key, spec, known, ledger)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
