"""What `make run` makes, in a directory and on a port of the test's own."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from crm_api.core.embedded import remove_server

COMMAND = Path(sys.executable).with_name("crm-api")
PASSWORD = "plum kettle orbit 27"
READY_SECONDS = 60


@dataclass(frozen=True)
class Installation:
    address: str
    environment: dict[str, str]


@contextlib.contextmanager
def installed(home: Path, **settings: str) -> Iterator[Installation]:
    """A running one; `settings` are further variables of its environment."""
    port = free_port()
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("CRM_", "DATABASE_URL"))}
    environment = kept | {
        "CRM_DATA_DIR": str(home / "data"),
        "CRM_PORT": str(port),
        "CRM_DEMO_PASSWORD": PASSWORD,
        "TMPDIR": str(home),
        **settings,
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
