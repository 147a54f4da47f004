"""schemathesis against a real server: all phases, all checks, once as each role.

It knows nothing of this product but the document. `make assurance` runs it; the short profile takes
the coverage of a part of the operations, another part for each role, the long one of all of them.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from crm_api.installation import Addresses
from tests.assurance.golden import ROLES
from tests.assurance.profile import NAME, PROFILE
from tests.assurance.servers import Servers, two_servers
from tests.assurance.world import World, make_world
from tests.conftest import SECRET
from tests.factories import Organization
from tests.figures import Figures

Json = dict[str, Any]
CONFIG = Path(__file__).with_name("schemathesis.toml")
COVERED_SHARE = 16
"""In the short profile every n-th operation is covered, counted from another one for each role."""

EXAMPLES = 3
"""For each operation, in the phases that generate."""

pytestmark = pytest.mark.skipif(NAME == "test", reason="minutes: make assurance")


@pytest.fixture(scope="module")
async def servers(
    database: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Servers]:
    async with two_servers(database, SECRET, tmp_path_factory.mktemp("schemathesis")) as found:
        yield found


@pytest.fixture
async def world_of_its_own(radio: Organization) -> World:
    """Whatever an administrator may delete, a run deletes."""
    return await make_world(radio)


async def run(port: int, key: str, home: Path, *options: str) -> Json:
    """The report of one run; its words where it found something."""
    report = home / "report.json"
    command = [
        *(str(Path(sys.executable).with_name("st")), "--config-file", str(CONFIG)),
        *("run", f"http://127.0.0.1:{port}/openapi.json", "-H", f"Authorization: Bearer {key}"),
        # All checks are on; naming them here would override what the file says of an operation.
        *("--max-examples", str(EXAMPLES), "--continue-on-failure"),
        *("--report", "json", "--report-json-path", str(report), "--no-color", "--warnings", "off"),
        *options,
    ]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=home, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-12_000:] + done.stderr[-2_000:]
    found: Json = json.loads(report.read_text())
    return found


def covered(spec: Json, role: str) -> Sequence[str]:
    """The options that name the operations which this role covers."""
    names = [o["operationId"] for methods in spec["paths"].values() for o in methods.values()]
    chosen = names if NAME == "long" else names[ROLES.index(role) :: COVERED_SHARE]
    return [part for name in chosen for part in ("--include-operation-id", name)]


@pytest.mark.parametrize("role", ROLES)
async def test_document_and_server_agree(
    servers: Servers,
    world_of_its_own: World,
    spec: Json,
    tmp_path: Path,
    figures: Figures,
    role: str,
) -> None:
    key, port = world_of_its_own.keys[role], servers.ports[0]
    reports = [
        await run(port, key, tmp_path, "--phases", "examples,fuzzing,stateful"),
        await run(port, key, tmp_path, "--phases", "coverage", *covered(spec, role)),
    ]
    for report in reports:
        figures.add("cases of schemathesis", report["test_cases"]["generated"])
        figures.add("failures of schemathesis", report["test_cases"]["with_failures"])
    cases = sum(report["test_cases"]["generated"] for report in reports)
    assert cases >= PROFILE.schemathesis_cases // len(ROLES)
