"""What each statement reads: EXPLAIN (ANALYZE, BUFFERS) as the role that serves requests."""

import json
import random
from collections.abc import Mapping
from typing import Any

import asyncpg

from benchmarks.marks import (
    ACTOR,
    CLIENT,
    NUMBER,
    ORGANIZATION,
    SESSION,
    VERSION,
    filled,
)
from benchmarks.stand import Stand
from benchmarks.statements import Call, Recorded

# A prepared statement turns to its generic plan after five runs, if at all.
RUNS = 8


async def explain(stand: Stand, recorded: Recorded) -> dict[str, list[dict[str, Any]]]:
    """Operation → buffers and milliseconds of each of its statements, plan included."""
    connection = await asyncpg.connect(
        stand.addresses.application,
        server_settings={
            "app.organization_id": str(stand.big.actor.organization_id),
            "jit": "off",
            "timezone": "UTC",
        },
    )
    try:
        return {
            name: [await _explained(connection, stand, call) for call in calls]
            for name, calls in recorded.calls.items()
        }
    finally:
        await connection.close()


async def _explained(
    connection: "asyncpg.Connection[asyncpg.Record]", stand: Stand, call: Call
) -> dict[str, Any]:
    mode = "force_custom_plan" if call.custom_plans else "auto"
    await connection.execute(f"SET plan_cache_mode = {mode}")
    await connection.execute(f"PREPARE it AS {call.sql}")
    text = ""
    try:
        for _ in range(RUNS):
            transaction = connection.transaction()
            await transaction.start()
            text = await connection.fetchval(
                f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE it({_literals(stand, call)})"
            )
            await transaction.rollback()
    finally:
        await connection.execute("DEALLOCATE it")
    found = json.loads(text)[0]
    return {
        "buffers": _buffers(found["Plan"]),
        "planning_ms": found["Planning Time"],
        "execution_ms": found["Execution Time"],
        "plan": found,
    }


def _buffers(plan: Mapping[str, Any]) -> int:
    """Of the tree, and of the CTEs that write: they run after it and are not in its sum."""
    own = int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
    below = sum(_buffers(child) for child in plan.get("Plans", ()))
    return max(own, below)


def _literals(stand: Stand, call: Call) -> str:
    actor = stand.big.actor
    marks = {
        NUMBER: f"{random.randrange(100_000_000_000, 899_000_000_000):012d}",
        CLIENT: f"{random.randrange(1, stand.big.clients):012d}",
        ORGANIZATION: str(actor.organization_id),
        SESSION: str(actor.stamps.credential_id),
        ACTOR: str(actor.id),
        VERSION: "1",
    }
    return ", ".join(_literal(filled(value, marks)) for value in call.arguments)


def _literal(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'"
    if isinstance(value, list | tuple):
        # Of no type yet, so that each parameter takes it as its own.
        value = "{" + ",".join(json.dumps(str(item), ensure_ascii=False) for item in value) + "}"
    text = str(value).replace("'", "''")
    return f"'{text}'"
