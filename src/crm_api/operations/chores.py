"""What the worker does by itself: records that are kept for a time go, what falls due is made."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from uuid import UUID

import structlog

from crm_api.core.db import Database, Statement
from crm_api.identity.statements import REMOVE_DEAD_SESSIONS, REMOVE_DEAD_TOKENS
from crm_api.kit.idempotency import REMOVE_EXPIRED
from crm_api.operations.repository import REMOVE_OLD

log = structlog.get_logger()

BATCH: Final = 500
"""Rows of one statement: nobody waits for it."""
MAX_BATCHES: Final = 200

_chores: dict[str, Statement] = {
    "operations": REMOVE_OLD,
    "idempotency_records": REMOVE_EXPIRED,
    "refresh_tokens": REMOVE_DEAD_TOKENS,
    "sessions": REMOVE_DEAD_SESSIONS,
}


def chore(name: str, statement: Statement) -> None:
    """Have the worker run this too: a DELETE of at most `limit` rows that returns one for each."""
    if name in _chores:
        raise ValueError(f"two chores are named {name}")
    _chores[name] = statement


Routine = Callable[[Database, UUID], Awaitable[int]]
_routines: dict[str, Routine] = {}


def routine(name: str) -> Callable[[Routine], Routine]:
    """Have the worker do this too, for each organization; it answers how much it did.

    It may come at any time, from several workers at once, and again after it broke off.
    """

    def register(run: Routine) -> Routine:
        if name in _routines:
            raise ValueError(f"two routines are named {name}")
        _routines[name] = run
        return run

    return register


async def do_routines(db: Database, organization_id: UUID) -> Mapping[str, int]:
    """What comes round by itself in one organization; how much of each was to be done."""
    done = {name: await run(db, organization_id) for name, run in _routines.items()}
    if any(done.values()):
        log.info("routines_done", organization_id=str(organization_id), **done)
    return done


async def tidy(db: Database, organization_id: UUID) -> Mapping[str, int]:
    """Remove what one organization keeps no longer; how many rows of each kind."""
    removed: dict[str, int] = {}
    for name, statement in _chores.items():
        for _ in range(MAX_BATCHES):
            values = {"org": organization_id, "limit": BATCH}
            rows = await db.fetch(organization_id, statement, values)
            removed[name] = removed.get(name, 0) + len(rows)
            if len(rows) < BATCH:
                break
    if any(removed.values()):
        log.info("tidied", organization_id=str(organization_id), **removed)
    return removed
