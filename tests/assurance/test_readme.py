"""The README's tour, pasted line by line into bash against a real server with demo data."""

import asyncio
import contextlib
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import asyncpg
import pytest

from crm_api.core.embedded import Server, ensure_server, remove_server
from tests.architecture.sources import ROOT
from tests.assurance.tour import Shell, matches, parts_of

README = ROOT / "README.md"
COMMAND = Path(sys.executable).with_name("crm-api")
PASSWORD = "plum kettle orbit 27"
ADDRESS = "http://127.0.0.1:8000"
READY_SECONDS = 60


@dataclass(frozen=True)
class Installation:
    """What `make run` makes, in a directory and on a port of the test's own."""

    address: str
    environment: dict[str, str]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    home = tmp_path_factory.mktemp("readme")
    port = free_port()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CRM_", "DATABASE_URL"))}
    environment = kept | {
        "CRM_DATA_DIR": str(home / "data"),
        "CRM_PORT": str(port),
        "CRM_DEMO_PASSWORD": PASSWORD,
        "TMPDIR": str(home),
    }
    try:
        subprocess.run([COMMAND, "demo"], env=environment, check=True, capture_output=True)
        with serving(environment, port):
            yield Installation(f"http://127.0.0.1:{port}", environment)
    finally:
        remove_server(home / "data" / "postgres")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def serving(environment: dict[str, str], port: int) -> Iterator[None]:
    server = subprocess.Popen(
        [COMMAND, "serve"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not is_ready(port):
            assert server.poll() is None, "the server ended at its start"
            assert time.monotonic() < deadline, "the server does not answer"
            time.sleep(0.1)
        yield
    finally:
        server.terminate()
        server.wait(timeout=30)


def is_ready(port: int) -> bool:
    try:
        with urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


def test_tour_answers_what_the_readme_says(installation: Installation) -> None:
    shell = Shell(ROOT, installation.environment)
    wrong = []
    for title, commands in parts_of(README).items():
        for command in commands:
            line = command.line.replace(ADDRESS, installation.address)
            printed = shell.run(line.replace(".venv/bin/crm-api", str(COMMAND)))
            expected = command.answer
            same = len(printed) == len(expected) and all(map(matches, expected, printed))
            if not same:
                wrong.append(f"{title}: {command.line}\n  said {expected}\n  got  {printed}")
    shell.close()
    assert not wrong, "\n".join(wrong)


def test_embedded_data_moves_to_another_server_as_the_readme_says(
    installation: Installation, tmp_path: Path
) -> None:
    """The new owner is no superuser: row-level security binds it, and it restores all the same."""
    data = Path(installation.environment["CRM_DATA_DIR"])
    url = asyncio.run(own_database(ensure_server(data / "postgres")))
    block = re.search(
        r"\*\*To move to a server.*?```sh\n(.*?)```", README.read_text("utf-8"), re.DOTALL
    )
    assert block is not None
    text = block[1].replace(".venv/bin/crm-api", str(COMMAND))
    text = re.sub(r"postgresql://\S+", url, text).replace(".data/", f"{data}/")
    shell = Shell(tmp_path, installation.environment | {"COLUMNS": "200"})
    taken, set_up, restored = [shell.run(line) for line in text.splitlines()]
    shell.close()
    assert len([line for line in taken if "; head " in line]) == 5
    assert set_up == []
    proved = [line for line in restored if "the chain holds" in line]
    assert len(proved) == 5
    assert not [line for line in proved if " 0 entries" in line]
    assert restored[-1] == "crm.zip is restored: every row and every head is what it was."


async def own_database(server: Server) -> str:
    """An empty database whose owner may create roles and nothing more; its URL."""
    admin = await asyncpg.connect(server.url())
    await admin.execute("CREATE ROLE mine LOGIN CREATEROLE NOSUPERUSER PASSWORD 'mine'")
    await admin.execute("CREATE DATABASE mine OWNER mine")
    await admin.close()
    return f"postgresql://mine:mine@{server.host}:{server.port}/mine"


def test_tour_visits_what_it_promises() -> None:
    titles = " ".join(parts_of(README))
    asked = "Sign in|List|Create|three roles|Why|duplicate|Change|may not write|History|Archive"
    assert not [words for words in asked.split("|") if words not in titles]
    assert not [words for words in ("twice", "Import", "log") if words not in titles]


def test_tour_starts_the_server_as_the_test_does() -> None:
    text = README.read_text("utf-8")
    assert f"CRM_DEMO_PASSWORD='{PASSWORD}' make run" in text
    assert f"export CRM={ADDRESS} CRM_DEMO_PASSWORD='{PASSWORD}'" in text
