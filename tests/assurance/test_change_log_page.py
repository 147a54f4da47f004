"""The change log, verified by docs/adr/0004 alone: nothing here comes from the product's code."""

import hashlib
import json
import re
import struct
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import Any

import asyncpg

from crm_api.kit.changes import block_digest, block_hash, entry_digest, field_digest
from tests.architecture.sources import ROOT
from tests.factories import Organization

PAGE = ROOT / "docs" / "adr" / "0004-change-log-format.md"
SALT, DIGEST = 16, 32
MICROSECOND = timedelta(microseconds=1)
FACTS = (
    *("id", "actor_type", "actor_id", "request_id", "resource", "resource_id"),
    *("version", "action", "fields"),
)


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha256(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


def big_endian(number: int) -> bytes:
    return struct.pack(">q", number)


def entry_of(row: asyncpg.Record) -> bytes:
    if row["changes"] is not None:
        for n, change in enumerate(json.loads(row["changes"])):
            found = sha256(row["salts"][n * SALT : (n + 1) * SALT], canonical(change))
            assert found == row["digests"][n * DIGEST : (n + 1) * DIGEST]
            assert change[0] == row["fields"][n]
    facts = [row[name] if isinstance(row[name], int | list) else str(row[name]) for name in FACTS]
    return sha256(canonical([*facts, row["digests"].hex()]))


async def verify(owner: "asyncpg.Connection[asyncpg.Record]", organization_id: Any) -> int:
    """Check the whole chain; the number of its blocks."""
    query = "SELECT * FROM changes WHERE organization_id = $1 ORDER BY position"
    rows = await owner.fetch(query, organization_id)
    assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
    previous, blocks = b"", 0
    last = datetime(1970, 1, 1, tzinfo=UTC)
    for start, found in groupby(rows, key=lambda row: row["block_start"]):
        block = list(found)
        at = block[0]["at"]
        assert block[0]["position"] == start
        assert {row["at"] for row in block} == {at}
        assert at >= last
        micros = (at - datetime(1970, 1, 1, tzinfo=UTC)) // MICROSECOND
        digest = sha256(*(entry_of(row) for row in block))
        previous = sha256(previous, big_endian(start), big_endian(micros), digest)
        assert {row["block_hash"] for row in block} == {previous}
        last, blocks = at, blocks + 1
    head = await owner.fetchrow("SELECT * FROM heads WHERE organization_id = $1", organization_id)
    assert head is not None
    assert (head["position"], head["last_at"], head["last_hash"]) == (len(rows), last, previous)
    return blocks


async def write_much(radio: Organization) -> None:
    """Words of all kinds, several rows in one write, a cold write, a batch."""
    person = {"contact": {"name": 'Ñandú "Q" O\'Neil', "emails": ["nandu@example.com"]}}
    client = await radio.create_client(
        name="Zoë & Söhne / 東京\u2009株式会社 😀",
        remarks='Tab\tand line\nbreak, back\\slash, "quotes", \u007e',
        attributes={"b": "2", "a.c": "é", "a": "1"},
        credit_limit={"amount": "500000.50", "currency": "UGX"},
        contacts=[person],
    )
    path = f"/v1/clients/{client['id']}"
    await radio.call("manager", "PATCH", path, json={"payment_terms_days": 30, "tags": ["x", "y"]})
    await radio.call("manager", "POST", f"{path}/contacts", json={"contact": {"name": "Ben"}})
    one = {"op": "update", "id": client["id"], "body": {"remarks": None}}
    two = {"op": "create", "body": {"name": "Two", "emails": ["two@example.com"]}}
    body = {"atomic": True, "operations": [one, two]}
    assert (await radio.call("admin", "POST", "/v1/clients/batch", json=body)).status_code == 207
    await radio.call("admin", "PATCH", "/v1/organization", json={"currency": "KES"})


async def test_log_verifies_by_the_page_alone(
    radio: Organization, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await write_much(radio)
    assert await verify(owner, radio.organization_id) >= 6


async def test_chain_verifies_after_values_were_erased(
    radio: Organization, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await write_much(radio)
    erase = "UPDATE changes SET changes = NULL, salts = NULL WHERE organization_id = $1"
    await owner.execute(f"{erase} AND resource = 'contact'", radio.organization_id)
    assert await verify(owner, radio.organization_id) >= 6


def test_vector_of_the_page_is_what_the_code_computes() -> None:
    block = re.search(r"```text\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert block is not None
    lines = (
        re.split(r"\s{2,}|(?<=digest) |(?<=hash) ", line, maxsplit=1)
        for line in block[1].splitlines()
    )
    vector = {name: value.strip() for name, value in lines}
    change = json.loads(vector["change"])
    digest = field_digest(bytes.fromhex(vector["salt"]), change)
    assert digest.hex() == vector["field digest"]
    *facts, digests = json.loads(vector["facts"])
    assert digests == digest.hex()
    row = dict(zip(FACTS, facts, strict=True)) | {"digests": digest}
    entry = entry_digest(_Row(row))
    assert entry.hex() == vector["entry digest"]
    assert block_digest([entry]).hex() == vector["block digest"]
    assert vector["previous"] == "(none)"
    link = block_hash(b"", int(vector["first"]), int(vector["at"]), block_digest([entry]))
    assert link.hex() == vector["block hash"]


class _Row:
    """A row by attributes, as `entry_digest` takes it."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.__dict__ |= values
