"""Proves the change log: recomputes every digest and the whole chain, and says where it breaks."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Integer, bindparam, select

from crm_api.core.db import Database, Statement
from crm_api.kit.changes import SALT_BYTES, block_digest, block_hash, entry_digest, field_digest
from crm_api.kit.guard import ORG
from crm_api.models import ChangeRow, HeadRow

CHUNK = 2_000
MAX_FINDINGS = 50
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_CHANGES = Statement(
    select(ChangeRow)
    .where(
        ChangeRow.organization_id == ORG,
        ChangeRow.position > bindparam("after", type_=BigInteger()),
        ChangeRow.position <= bindparam("last", type_=BigInteger()),
    )
    .order_by(ChangeRow.position)
    .limit(bindparam("limit", type_=Integer()))
)
_HEAD = Statement(
    select(HeadRow.position, HeadRow.last_at, HeadRow.last_hash).where(
        HeadRow.organization_id == ORG
    )
)


@dataclass(slots=True)
class Report:
    """What was proved of one organization's log."""

    entries: int = 0
    erased: int = 0
    """Entries whose values were emptied: their facts still stand in the chain."""
    findings: list[str] = field(default_factory=list)
    head: str = ""
    """Position and hash of the newest write. Kept elsewhere, they show a log that was rewritten."""

    def broken(self, position: int, what: str) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(f"position {position}: {what}")


@dataclass(slots=True)
class _Block:
    """The entries of one write, until the next one starts."""

    start: int
    hash: bytes
    at: datetime
    digests: list[bytes]


async def verify_log(
    db: Database, organization_id: UUID, progress: Callable[[int], None]
) -> Report:
    """Read one organization's log from its first entry to its head; `progress` gets the count.

    The head is read first: what is written meanwhile is left to the next time.
    """
    report = Report()
    previous, last_at, position = b"", datetime.min.replace(tzinfo=UTC), 0
    block: _Block | None = None
    head = await db.fetchrow(organization_id, _HEAD, {"org": organization_id})
    if head is None:
        report.broken(0, "the organization has no head")
        return report
    report.head = f"{head['position']}:{head['last_hash'].hex()}"
    async for row in _rows(db, organization_id, head["position"]):
        report.entries += 1
        if row["position"] != position + 1:
            report.broken(position + 1, "the positions have a gap")
        position = row["position"]
        if row["at"] < last_at:
            report.broken(position, "its time lies before that of the entry before")
        last_at = row["at"]
        _check_fields(report, row)
        if block is None or row["block_start"] != block.start:
            previous = _close(report, block, previous)
            if row["block_start"] != position:
                report.broken(position, "its write began elsewhere")
            block = _Block(row["block_start"], row["block_hash"], row["at"], [])
        if row["block_hash"] != block.hash or row["at"] != block.at:
            report.broken(position, "it disagrees with the other entries of its write")
        block.digests.append(entry_digest(_Facts(row)))
        if report.entries % CHUNK == 0:
            progress(report.entries)
    previous = _close(report, block, previous)
    if head["position"] != position or head["last_hash"] != previous:
        report.broken(position, "the head and the last entry disagree: entries are missing")
    elif report.entries and head["last_at"] != last_at:
        report.broken(position, "the head has another time than the last entry")
    progress(report.entries)
    return report


async def _rows(db: Database, organization_id: UUID, last: int) -> AsyncIterator[Any]:
    # From below the first position on: there shall be nothing before it.
    after = -(2**63)
    while True:
        values = {"org": organization_id, "after": after, "last": last, "limit": CHUNK}
        rows = await db.fetch(organization_id, _CHANGES, values)
        for row in rows:
            yield row
        if len(rows) < CHUNK:
            return
        after = rows[-1]["position"]


class _Facts:
    """A stored row with the names that `entry_digest` reads."""

    def __init__(self, row: Any) -> None:
        self._row = row

    def __getattr__(self, name: str) -> Any:
        return self._row[name]


def _check_fields(report: Report, row: Any) -> None:
    if row["changes"] is None and row["salts"] is None:
        report.erased += 1
        return
    if row["changes"] is None or row["salts"] is None:
        report.broken(row["position"], "only one of its values and salts was erased")
        return
    changes, salts, digests = json.loads(row["changes"]), row["salts"], row["digests"]
    shaped = isinstance(changes, list) and all(isinstance(c, list) and c for c in changes)
    names = [change[0] for change in changes] if shaped else None
    if names != list(row["fields"]) or len(salts) != SALT_BYTES * len(row["fields"]):
        report.broken(row["position"], "its fields and its values do not belong together")
        return
    for n, change in enumerate(changes):
        salt = salts[n * SALT_BYTES : (n + 1) * SALT_BYTES]
        if field_digest(salt, change) != digests[n * 32 : (n + 1) * 32]:
            report.broken(row["position"], f"the value of {change[0]!r} is not what was written")


def _close(report: Report, block: _Block | None, previous: bytes) -> bytes:
    """Check the chain's link of a finished write, and answer its hash."""
    if block is None:
        return previous
    if block.start < 1:
        report.broken(block.start, "there is no such place for a write to begin")
        return block.hash
    microseconds = (block.at - _EPOCH).days * 86_400_000_000 + (
        block.at - _EPOCH
    ).seconds * 1_000_000
    microseconds += (block.at - _EPOCH).microseconds
    expected = block_hash(previous, block.start, microseconds, block_digest(block.digests))
    if expected != block.hash:
        report.broken(block.start, "the chain breaks here")
    return block.hash
