"""What `crm-api verify` finds: each column of the log is changed behind its back."""

from typing import TypeAlias

import asyncpg
import pytest
from fastapi import FastAPI

from crm_api.kit.verification import Report, verify_log
from tests.factories import Organization

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
FLIPPED = "set_byte({0}, 3, get_byte({0}, 3) # 1)"
# Column → what an intruder writes into it.
TAMPERED = {
    "position": "position + 1000",
    "id": "gen_random_uuid()",
    "at": "at + interval '1 microsecond'",
    "actor_type": "'system'",
    "actor_id": "gen_random_uuid()",
    "request_id": "request_id || 'x'",
    "resource": "'contact'",
    "resource_id": "gen_random_uuid()",
    "version": "version + 1",
    "action": "'client.updated'",
    "fields": "array_replace(fields, 'name', 'mane')",
    "changes": "jsonb_set(changes, '{0,2}', '\"other\"')",
    "salts": FLIPPED.format("salts"),
    "digests": FLIPPED.format("digests"),
    "block_start": "block_start - 1",
    "block_hash": FLIPPED.format("block_hash"),
}
NOT_COVERED = {"organization_id", "address", "user_agent"}
"""The first puts a row into another log, which has a gap then; the others may be erased alone."""


@pytest.fixture
async def written(radio: Organization) -> Organization:
    """An organization with three writes in its log."""
    for name in ("First", "Second", "Third"):
        await radio.create_client(name=name)
    return radio


async def verified(app: FastAPI, organization: Organization) -> Report:
    return await verify_log(app.state.db, organization.organization_id, lambda _: None)


async def tamper(owner: Owner, organization: Organization, assignment: str, position: int) -> None:
    done = await owner.execute(
        f"UPDATE changes SET {assignment} WHERE organization_id = $1 AND position = $2",
        organization.organization_id,
        position,
    )
    assert done == "UPDATE 1"


async def test_an_untouched_log_is_found_whole(app: FastAPI, written: Organization) -> None:
    report = await verified(app, written)
    assert (report.entries, report.findings) == (3, [])
    assert report.head.startswith("3:")


@pytest.mark.parametrize("column", sorted(TAMPERED))
async def test_a_change_of_any_column_is_found(
    app: FastAPI, written: Organization, owner: Owner, column: str
) -> None:
    await tamper(owner, written, f"{column} = {TAMPERED[column]}", 2)
    report = await verified(app, written)
    assert report.findings
    assert any("position 2:" in finding for finding in report.findings), report.findings


async def test_every_column_is_covered_or_known_not_to_be(owner: Owner) -> None:
    rows = await owner.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'changes'"
    )
    assert {row["column_name"] for row in rows} == TAMPERED.keys() | NOT_COVERED


async def test_a_change_points_to_itself_alone(
    app: FastAPI, written: Organization, owner: Owner
) -> None:
    await tamper(owner, written, f"changes = {TAMPERED['changes']}", 2)
    (finding,) = (await verified(app, written)).findings
    assert finding == "position 2: the value of 'kind' is not what was written"


@pytest.mark.parametrize("column", ["salts", "changes"])
async def test_half_an_erasure_is_found(
    app: FastAPI, written: Organization, owner: Owner, column: str
) -> None:
    await tamper(owner, written, f"{column} = NULL", 2)
    (finding,) = (await verified(app, written)).findings
    assert "only one" in finding


async def test_an_erased_entry_still_stands_in_the_chain(
    app: FastAPI, written: Organization, owner: Owner
) -> None:
    await tamper(owner, written, "changes = NULL, salts = NULL", 2)
    report = await verified(app, written)
    assert (report.findings, report.erased) == ([], 1)


@pytest.mark.parametrize(
    "value", ["'{}'", "'[1]'", "'[[]]'", "'\"text\"'", "'[null, null]'", "'null'"]
)
async def test_values_of_any_shape_are_a_finding_and_no_crash(
    app: FastAPI, written: Organization, owner: Owner, value: str
) -> None:
    await tamper(owner, written, f"changes = {value}::jsonb", 2)
    assert (await verified(app, written)).findings


@pytest.mark.parametrize("position", [1, 2, 3])
async def test_a_missing_entry_is_found(
    app: FastAPI, written: Organization, owner: Owner, position: int
) -> None:
    await owner.execute(
        "DELETE FROM changes WHERE organization_id = $1 AND position = $2",
        written.organization_id,
        position,
    )
    assert (await verified(app, written)).findings


async def test_two_entries_in_each_others_place_are_found(
    app: FastAPI, written: Organization, owner: Owner
) -> None:
    for position, to in ((2, 99), (3, 2), (99, 3)):
        await tamper(owner, written, f"position = {to}, block_start = {to}", position)
    assert (await verified(app, written)).findings


@pytest.mark.parametrize(
    "assignment",
    [
        "position = position - 1",
        f"last_hash = {FLIPPED.format('last_hash')}",
        "last_at = last_at + interval '1 second'",
    ],
)
async def test_a_changed_head_is_found(
    app: FastAPI, written: Organization, owner: Owner, assignment: str
) -> None:
    await owner.execute(
        f"UPDATE heads SET {assignment} WHERE organization_id = $1", written.organization_id
    )
    assert (await verified(app, written)).findings
