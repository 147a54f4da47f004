"""Reads the database afterwards, as its owner, and holds it against the ledger."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import UUID

import asyncpg

from tests.assurance.faults.ledger import Write

Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

_LOG = """
SELECT request_id, count(DISTINCT block_start) AS blocks, array_agg(resource_id::text) AS resources,
    string_agg(changes::text, ' ') AS changes
FROM changes WHERE organization_id = $1 GROUP BY request_id
"""
_KEYS = "SELECT path, key FROM idempotency_records WHERE organization_id = $1"
_CLIENTS = "SELECT id::text, remarks FROM clients WHERE organization_id = $1"
_CONTACTS = "SELECT id::text, honorific AS remarks FROM contacts WHERE organization_id = $1"


@dataclass(slots=True)
class Verdict:
    """What the ledger and the database say of each other."""

    counts: Counter[str] = field(default_factory=Counter)
    deviations: list[str] = field(default_factory=list)

    def wrong(self, write: Write, what: str) -> None:
        self.deviations.append(f"{write.operation} {write.id} ({write.attempts}): {what}")


async def judge(owner: Owner, organization_id: UUID, writes: Sequence[Write]) -> Verdict:
    """Every acknowledged write is there with its change, once; every refused one left no trace."""
    verdict = Verdict()
    log = {row["request_id"]: row for row in await owner.fetch(_LOG, organization_id)}
    keys = Counter((row["path"], row["key"]) for row in await owner.fetch(_KEYS, organization_id))
    rows = {
        row["id"]: row["remarks"]
        for query in (_CLIENTS, _CONTACTS)
        for row in await owner.fetch(query, organization_id)
    }
    for write in writes:
        verdict.counts[write.outcome] += 1
        verdict.counts["attempts"] += len(write.attempts)
        found = [log[one] for one in write.attempts if one in log]
        blocks = sum(row["blocks"] for row in found)
        if write.outcome == "unknown":
            verdict.wrong(write, "it was never decided")
        elif write.outcome == "acknowledged":
            if blocks != 1:
                verdict.wrong(write, f"acknowledged, and {blocks} times in the log")
                continue
            _in_place(verdict, write, found[0], keys, rows)
        elif blocks or keys[write.path, write.key]:
            verdict.wrong(write, f"answered {write.status}, and it left a trace")
    _last_marks_stand(verdict, writes, rows)
    return verdict


def _in_place(
    verdict: Verdict,
    write: Write,
    entry: asyncpg.Record,
    keys: Counter[tuple[str, str]],
    rows: dict[str, str | None],
) -> None:
    if write.key and keys[write.path, write.key] != 1:
        verdict.wrong(write, f"its reply is stored {keys[write.path, write.key]} times")
    if write.resource_id and write.resource_id not in entry["resources"]:
        verdict.wrong(write, "the log knows it of another record")
    if write.operation in ("create_client", "create_contact") and write.resource_id not in rows:
        verdict.wrong(write, "acknowledged, and the record is not there")
    if write.mark and write.mark not in entry["changes"]:
        verdict.wrong(write, "the log holds another value")


def _last_marks_stand(
    verdict: Verdict, writes: Sequence[Write], rows: dict[str, str | None]
) -> None:
    """A record is patched by one writer, one write after the other: the last one is what stands."""
    last = {
        write.resource_id: write
        for write in writes
        if write.operation.startswith("PATCH") and write.outcome == "acknowledged"
    }
    for resource_id, write in last.items():
        if rows.get(resource_id) != write.mark:
            verdict.wrong(write, "the record holds another value than the last acknowledged one")
