"""Two server processes on one database, started as an operator does, and volleys of requests."""

import asyncio
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from crm_api.installation import Addresses
from tests.contract import product_contract
from tests.factories import Organization
from tests.figures import DONE

START_SECONDS = 60
ANSWER_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a volley."""

    method: str
    path: str
    token: str = ""
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def raw(self) -> bytes:
        content = b"" if self.body is None else json.dumps(self.body).encode()
        head = {"Host": "races.test", "Content-Length": str(len(content))} | dict(self.headers)
        if self.body is not None:
            head["Content-Type"] = "application/json"
        if self.token:
            head["Authorization"] = f"Bearer {self.token}"
        lines = [f"{self.method} {self.path} HTTP/1.1", *(f"{k}: {v}" for k, v in head.items())]
        return "\r\n".join([*lines, "", ""]).encode() + content


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def body(self) -> Any:
        return json.loads(self.text) if self.text else None

    @property
    def code(self) -> str:
        found: str = self.body["code"] if self.status >= 400 else ""
        return found


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Servers:
    """Open connections to both processes; a volley goes out before the first answer is read."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.ports = ports
        self._open: dict[int, Connection] = {}

    async def at_once(self, *calls: Call) -> list[Answer]:
        """Send all, alternating between the processes, and answer in the order of the calls."""
        DONE["volleys at two processes"] += len(calls) > 1
        used = [await self._connection(n) for n in range(len(calls))]
        # The barrier: each request is whole in its socket before anything else happens here.
        for raw, (_, writer) in zip([call.raw() for call in calls], used, strict=True):
            writer.write(raw)
        async with asyncio.timeout(ANSWER_SECONDS):
            answers = await asyncio.gather(*(_answer(reader) for reader, _ in used))
        for call, answer in zip(calls, answers, strict=True):
            keeps_its_word(call, answer)
        return list(answers)

    async def _connection(self, n: int) -> Connection:
        """The n-th one; opened anew where the server has closed it for being idle."""
        known = self._open.get(n)
        if known is not None and not known[0].at_eof():
            return known
        port = self.ports[n % len(self.ports)]
        self._open[n] = await asyncio.open_connection("127.0.0.1", port)
        return self._open[n]

    async def close(self) -> None:
        for _, writer in self._open.values():
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split(" ")[1])
    pairs = (line.partition(": ") for line in head[1:] if line)
    headers = {name.lower(): value for name, _, value in pairs}
    content = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(status, headers, content.decode())


def keeps_its_word(call: Call, answer: Answer) -> None:
    """As `tests.watch` for what is sent through the application: the document says so."""
    path = urlsplit(call.path).path
    if path.startswith("/v1/"):
        told = (answer.status, httpx.Headers(dict(answer.headers)), answer.text)
        faults = product_contract().faults(call.method, path, *told)
        assert not faults, f"{call.method} {path} answered {answer.status}: {faults}"


def call(organization: Organization, role: str, method: str, path: str, **more: Any) -> Call:
    return Call(method, path, organization.tokens[role], **more)


@asynccontextmanager
async def two_servers(addresses: Addresses, secret: str, home: Path) -> AsyncIterator[Servers]:
    """`crm-api serve` twice; what they log is in `home`, and must hold no unhandled exception."""
    ports = [_free_port() for _ in range(2)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("CRM_")}
    environment |= {
        "DATABASE_URL": addresses.owner,
        "CRM_APP_DATABASE_URL": addresses.application,
        "CRM_SECRET_KEY": secret,
        "CRM_DATA_DIR": str(home),
        "CRM_LOG_LEVEL": "WARNING",
        "CRM_JOB_WORKERS": "0",
    }
    processes = [_start(port, environment, home) for port in ports]
    servers = Servers(ports)
    try:
        async with asyncio.timeout(START_SECONDS):
            for port, process in zip(ports, processes, strict=True):
                await _ready(port, process, home)
        yield servers
    finally:
        await servers.close()
        for process in processes:
            process.terminate()
        ends = [await asyncio.to_thread(process.wait, 30) for process in processes]
    # uvicorn ends its work, then hands the signal on to who started it.
    assert set(ends) <= {0, -signal.SIGTERM}, _logs(home)
    assert "unhandled_exception" not in _logs(home), _logs(home)


def _start(port: int, environment: dict[str, str], home: Path) -> "subprocess.Popen[bytes]":
    with (home / f"server-{port}.log").open("wb") as log:
        command = [sys.executable, "-m", "crm_api.cli", "serve", "--port", str(port)]
        return subprocess.Popen(command, env=environment, stdout=log, stderr=log)


async def _ready(port: int, process: "subprocess.Popen[bytes]", home: Path) -> None:
    while True:
        assert process.poll() is None, _logs(home)
        probe = Servers([port])
        try:
            [answer] = await probe.at_once(Call("GET", "/readyz"))
        except (ConnectionError, asyncio.IncompleteReadError):
            await asyncio.sleep(0.1)
        else:
            if answer.status == 200:
                return
        finally:
            await probe.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _logs(home: Path) -> str:
    texts = (path.read_text(errors="replace") for path in sorted(home.glob("server-*.log")))
    return "\n".join(itertools.chain(texts))


def outcome(answers: Sequence[Answer]) -> Counter[tuple[int, str]]:
    """How often each status and code was answered."""
    return Counter((answer.status, answer.code) for answer in answers)
