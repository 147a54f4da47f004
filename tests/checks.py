"""What many tests look at: a refusal's document, and the change log as PostgreSQL holds it."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
import httpx

from crm_api.kit.changes import (
    SALT_BYTES,
    block_digest,
    block_hash,
    entry_digest,
    field_digest,
)

DIGEST_BYTES = 32
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


def refused(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal, whose frame RFC 9457 and the conventions fix."""
    assert response.status_code == status, response.text
    problem: dict[str, Any] = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["code"] == code, problem
    assert problem["status"] == status
    assert problem["request_id"] == response.headers["x-request-id"]
    assert {"type", "title", "detail", "errors"} <= problem.keys()
    return problem


def pointers(problem: dict[str, Any]) -> set[str]:
    return {fault["pointer"] for fault in problem["errors"]}


def codes(problem: dict[str, Any]) -> dict[str, str]:
    """Place of each fault → its code."""
    return {
        fault.get("pointer") or fault.get("parameter") or fault.get("header", ""): fault["code"]
        for fault in problem["errors"]
    }


async def change_count(owner: Owner, organization_id: UUID) -> int:
    found = await owner.fetchval(
        "SELECT count(*) FROM changes WHERE organization_id = $1", organization_id
    )
    return int(found)


async def assert_chain(owner: Owner, organization_id: UUID) -> int:
    """The log is gapless, every digest holds, each block continues the one before; its length."""
    rows = await owner.fetch(
        "SELECT * FROM changes WHERE organization_id = $1 ORDER BY position", organization_id
    )
    assert [row["position"] for row in rows] == list(range(1, len(rows) + 1))
    previous, before = b"", None
    for block in _blocks(rows):
        first = block[0]
        assert first["block_hash"] == _linked(previous, block), f"block {first['block_start']}"
        assert all(row["block_hash"] == first["block_hash"] for row in block)
        assert before is None or first["at"] >= before, "time ran backwards"
        previous, before = first["block_hash"], first["at"]
        for row in block:
            _assert_digests(row)
    head = await owner.fetchrow("SELECT * FROM heads WHERE organization_id = $1", organization_id)
    assert head is not None
    assert head["position"] == len(rows)
    assert not rows or head["last_hash"] == previous
    return len(rows)


def _blocks(rows: Sequence[asyncpg.Record]) -> list[list[asyncpg.Record]]:
    found: dict[int, list[asyncpg.Record]] = {}
    for row in rows:
        found.setdefault(row["block_start"], []).append(row)
    assert all(block[0]["position"] == start for start, block in found.items())
    return list(found.values())


def _linked(previous: bytes, block: Sequence[asyncpg.Record]) -> bytes:
    micros = (block[0]["at"] - EPOCH) // timedelta(microseconds=1)
    digest = block_digest([entry_digest(_Stored(row)) for row in block])
    return block_hash(previous, block[0]["block_start"], micros, digest)


class _Stored:
    """A stored row with attributes, as `entry_digest` reads an entry."""

    def __init__(self, row: asyncpg.Record) -> None:
        self.__dict__.update(row.items())


def _assert_digests(row: asyncpg.Record) -> None:
    changes = json.loads(row["changes"])
    assert [change[0] for change in changes] == list(row["fields"])
    for n, change in enumerate(changes):
        salt = row["salts"][n * SALT_BYTES : (n + 1) * SALT_BYTES]
        digest = row["digests"][n * DIGEST_BYTES : (n + 1) * DIGEST_BYTES]
        assert digest == field_digest(salt, change), f"{row['position']}: {change[0]}"
