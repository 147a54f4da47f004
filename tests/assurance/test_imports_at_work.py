"""Imports by real workers: killed at any point, every row is taken once; nobody else waits long."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from crm_api.installation import Addresses
from crm_api.kit.verification import verify_log
from tests.api.imports.lists import List, sent
from tests.assurance.profile import PROFILE
from tests.assurance.workers import Workers, until, workers_of
from tests.conftest import SECRET
from tests.factories import Organization

ROWS = 6000
EVERY = 10
"""Each tenth row says what the row before it said, each tenth but one has no address."""
KILLS = PROFILE.kills
SHORT_SECONDS, LONG_SECONDS = 0.6, 120.0
WAIT_SECONDS = 1.0
"""What another user's create may take, on a machine that the whole suite uses at a time."""


@pytest.fixture
async def workers(database: Addresses, tmp_path: Path) -> AsyncIterator[Workers]:
    async with workers_of(database, SECRET, tmp_path) as found:
        yield found


def a_list(rows: int) -> str:
    lines = ["id,name,email,type"]
    for n in range(1, rows + 1):
        name = n - 1 if n % EVERY == 0 else n
        address = "none" if n % EVERY == EVERY - 1 else f"c{name}@many.example"
        # A row that copies one of no address is a client of its own.
        lines.append(f"{n},Client {name},{address},trade {n % 7}")
    return "\r\n".join(lines)


async def queued(organization: Organization, rows: int) -> tuple[List, str]:
    found = await sent(organization, a_list(rows))
    answer = await found.call("POST", "/commit")
    assert answer.status_code == 202, answer.text
    return found, answer.headers["location"]


async def state_of(organization: Organization, location: str) -> Any:
    return (await organization.call("manager", "GET", location)).json()


async def ended(organization: Organization, location: str) -> Any:
    async def final() -> bool:
        found = await state_of(organization, location)
        return found["state"] not in ("queued", "running")

    await until(final)
    return await state_of(organization, location)


async def exact(found: List, owner: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Every row has one outcome, and what it says is what is there."""
    organization = found.organization
    invalid = len([n for n in range(1, ROWS + 1) if n % EVERY == EVERY - 1])
    assert await found.counts() == {"created": ROWS - invalid, "invalid": invalid}
    numbers = await owner.fetch(
        "SELECT row, client_id FROM import_records WHERE import_id = $1 ORDER BY row",
        found.document["id"],
    )
    assert [row["row"] for row in numbers] == list(range(1, ROWS + 1))
    made = {row["client_id"] for row in numbers} - {None}
    there = await owner.fetch(
        "SELECT id, number FROM clients WHERE organization_id = $1 ORDER BY number",
        organization.organization_id,
    )
    assert {row["id"] for row in there} == made
    assert [row["number"] for row in there] == list(range(1, len(there) + 1))
    report = await verify_log(
        organization.app.state.db, organization.organization_id, lambda _: None
    )
    assert not report.findings


async def test_an_import_whose_workers_are_killed_is_as_if_they_were_not(
    radio: Organization, workers: Workers, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    found, location = await queued(radio, ROWS)
    seed = random.randrange(2**32)
    points = random.Random(seed)  # points in time, no secrets
    for _ in range(KILLS):
        process = await workers.start(SHORT_SECONDS)
        await asyncio.sleep(points.uniform(0.0, 0.9))
        process.kill()
        await asyncio.to_thread(process.wait)
        if (await state_of(radio, location))["state"] not in ("queued", "running"):
            break
    await workers.start(SHORT_SECONDS)
    operation = await ended(radio, location)
    if operation["state"] == "failed":
        # Five deaths in a row without a step between them: given up, and gone on from by request.
        assert operation["error"]["code"] == "internal_error", f"seed {seed}: {operation}"
        assert (await found.read())["state"] == "import_stopped"
        location = (await found.call("POST", "/commit")).headers["location"]
        operation = await ended(radio, location)
    assert operation["state"] == "succeeded", f"seed {seed}: {operation}"
    await exact(found, owner)


async def test_another_user_creates_while_a_list_is_imported(
    radio: Organization, workers: Workers
) -> None:
    _, location = await queued(radio, ROWS)
    await workers.start(LONG_SECONDS)
    waits: list[float] = []
    while (await state_of(radio, location))["state"] in ("queued", "running"):
        began = time.monotonic()
        await radio.create_client("front_desk")
        waits.append(time.monotonic() - began)
    assert (await state_of(radio, location))["state"] == "succeeded"
    assert len(waits) > 3
    assert max(waits) < WAIT_SECONDS, sorted(waits)[-5:]
