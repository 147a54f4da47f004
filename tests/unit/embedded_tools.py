"""What the tests of the embedded server share: a place for it, and a look inside."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from crm_api.core import embedded
from crm_api.core.embedded import Server, find_binaries
from crm_api.core.embedded_host import Place, find_place

# However this process finds its modules, the starters find them too.
PYTHON_PATH = {"PYTHONPATH": os.pathsep.join([str(Path(embedded.__file__).parents[2]), *sys.path])}


def open_folder() -> Path:
    """A directory that every account can pass through; pytest's own is closed to them."""
    path = Path(tempfile.mkdtemp(prefix="crm-embedded-"))
    path.chmod(0o755)
    return path


def ask(server: Server | str, sql: str) -> str:
    url = server if isinstance(server, str) else server.url()
    command = [find_binaries().path("psql"), url, "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", sql]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def place_of(home: Path) -> Place:
    place = find_place(home)
    assert place is not None
    return place


def postmaster(home: Path) -> int:
    return int((place_of(home).data / "postmaster.pid").read_text().splitlines()[0])
