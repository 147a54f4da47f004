"""The import of a list by the product's own command, against COPY and set SQL of the same rows."""

import csv
import io
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from benchmarks.dataset import Connection
from benchmarks.stand import HOME, Stand, Tenant
from crm_api.models import (
    ChangeRow,
    ClientEmailRow,
    ClientPhoneRow,
    ClientRefRow,
    ClientRow,
    ClientSearchRow,
    ClientSiteRow,
)

LIMIT_SECONDS = 120
_WORDS = ("Golden", "Silver", "Green", "Harbor", "Summit", "Prairie", "Cedar", "Union", "Liberty")
_TRADES = ("Diner", "Bakery", "Hardware", "Books", "Garage", "Florist", "Dental", "Market")
_CITIES = (
    ("New York", "NY", "100", "212"),
    ("Los Angeles", "CA", "900", "310"),
    ("Chicago", "IL", "606", "312"),
    ("Houston", "TX", "770", "713"),
    ("Seattle", "WA", "981", "206"),
)
_PHONES = ("{0}/{1}-{2}", "({0}) {1}-{2}", "+1 {0} {1} {2}", "{0}-{1}-{2}")
_OF_NEW_CLIENTS = (
    "client_id IN (SELECT id FROM clients WHERE organization_id = '{org}' AND number > {number})"
)
_ROWS: dict[Any, str] = {
    ClientRow: "number > {number}",
    ClientEmailRow: _OF_NEW_CLIENTS,
    ClientPhoneRow: _OF_NEW_CLIENTS,
    ClientSiteRow: _OF_NEW_CLIENTS,
    ClientRefRow: _OF_NEW_CLIENTS,
    ClientSearchRow: _OF_NEW_CLIENTS,
    ChangeRow: "position > {position}",
}
"""Table → which of its rows an import wrote: those after what the head held before."""


def write_list(rows: int) -> Path:
    """A list as people keep them: names, phones in four spellings, e-mails, addresses."""
    chance = random.Random(rows)
    path = HOME / "import.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("name", "phone", "email", "street", "city", "state", "zip", "country"))
        for n in range(rows):
            city, state, area_zip, area = chance.choice(_CITIES)
            phone = chance.choice(_PHONES).format(
                area, chance.randint(220, 989), f"{chance.randint(0, 9999):04d}"
            )
            name = f"{chance.choice(_WORDS)} {chance.choice(_TRADES)} {n}"
            street = f"{chance.randint(1, 999)} Main Street"
            zip_code = f"{area_zip}{chance.randint(1, 40):02d}"
            email = f"owner{n}@shop{n % 997}.example.com"
            writer.writerow((name, phone, email, street, city, state, zip_code, "US"))
    return path


async def measure_import(stand: Stand, rows: int, pairs: int) -> dict[str, Any]:
    """Ours and the floor in turn, each into an organization that nobody else writes to."""
    path = write_list(rows)
    found: dict[str, Any] = {"rows": rows, "ours": [], "floor": [], "cpu_us": [], "created": []}
    for n in range(pairs):
        source, target = stand.tenants[-1 - 2 * n], stand.tenants[-2 - 2 * n]
        owner = await asyncpg.connect(stand.addresses.owner)
        try:
            before = await _head(owner, source)
            seconds, cpu = _run_command(stand, path, source)
            number, _ = await _head(owner, source)
            found["ours"].append(seconds)
            found["cpu_us"].append(cpu / rows * 1e6)
            found["created"].append(number - before[0])
            copies = await _copy_out(owner, source, before)
        finally:
            await owner.close()
        found["floor"].append(await _copy_in(stand, target, copies))
    return found


async def _head(owner: Connection, tenant: Tenant) -> tuple[int, int]:
    row = await owner.fetchrow(
        "SELECT client_number, position FROM heads WHERE organization_id = $1",
        tenant.actor.organization_id,
    )
    assert row is not None
    return row["client_number"], row["position"]


def _run_command(stand: Stand, path: Path, tenant: Tenant) -> tuple[float, float]:
    """Seconds by the clock, and of computing, of the whole command."""
    command = [
        *(sys.executable, "-m", "crm_api.cli", "import", "clients", str(path)),
        *("--organization", tenant.actor.organization.slug, "--default-country", "US"),
    ]
    before = os.times()
    began = time.monotonic()
    done = subprocess.run(
        command,
        env=os.environ | stand.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=LIMIT_SECONDS,
    )
    seconds = time.monotonic() - began
    after = os.times()
    if done.returncode != 0:
        raise RuntimeError(f"The import failed:\n{done.stdout[-1000:]}\n{done.stderr[-2000:]}")
    cpu = (
        after.children_user + after.children_system - before.children_user - before.children_system
    )
    return seconds, cpu


def _names(row: Any) -> list[str]:
    return [c.name for c in row.__table__.columns if c.name != "organization_id"]


async def _copy_out(owner: Connection, tenant: Tenant, before: tuple[int, int]) -> dict[Any, bytes]:
    """What the import wrote, table by table, as COPY takes it."""
    found: dict[Any, bytes] = {}
    org = tenant.actor.organization_id
    number, position = before
    for row, condition in _ROWS.items():
        written = condition.format(org=org, number=number, position=position)
        output = io.BytesIO()
        await owner.copy_from_query(
            f"SELECT {', '.join(_names(row))} FROM {row.__tablename__} "
            f"WHERE organization_id = '{org}' AND {written}",
            output=output,
            format="binary",
        )
        found[row] = output.getvalue()
    return found


async def _copy_in(stand: Stand, tenant: Tenant, copies: dict[Any, bytes]) -> float:
    """Seconds of COPY into a staging table and one INSERT … SELECT for each, as the application."""
    org: UUID = tenant.actor.organization_id
    connection = await asyncpg.connect(
        stand.addresses.application,
        server_settings={"app.organization_id": str(org), "jit": "off"},
        command_timeout=LIMIT_SECONDS,
    )
    try:
        began = time.monotonic()
        async with connection.transaction():
            for row, content in copies.items():
                await _copy_table(connection, org, row, content)
        return time.monotonic() - began
    finally:
        await connection.close()


async def _copy_table(connection: Connection, org: UUID, row: Any, content: bytes) -> None:
    table, names = row.__tablename__, _names(row)
    columns = ", ".join(names)
    await connection.execute(
        f"CREATE TEMPORARY TABLE staged_{table} ON COMMIT DROP AS "
        f"SELECT {columns} FROM {table} WITH NO DATA"
    )
    await connection.copy_to_table(
        f"staged_{table}", source=io.BytesIO(content), columns=names, format="binary"
    )
    await connection.execute(
        f"INSERT INTO {table} (organization_id, {columns}) SELECT '{org}', {columns} "
        f"FROM staged_{table}"
    )
