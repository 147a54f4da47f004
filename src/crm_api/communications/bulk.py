"""Many communications at once, each decided as a single one is: for first data."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_api.communications.activity import moved_entry
from crm_api.communications.drafting import (
    NO_FACTS,
    Draft,
    apply,
    settle_place,
    settle_time,
    tasks_of,
)
from crm_api.communications.repository import (
    COMMUNICATIONS,
    MOVE_ALL,
    PARTICIPANTS,
    STANDING,
    TASKS,
    TREES,
)
from crm_api.communications.schemas import Communication
from crm_api.core.errors import refuse_all
from crm_api.core.formats.dates import parse_instant
from crm_api.core.ids import new_id
from crm_api.core.jsonbody import validate_body
from crm_api.kit.bulk import Bulk, insert_many
from crm_api.kit.changes import Entry, lock_head, new_entry
from crm_api.kit.deciding import sift
from crm_api.kit.fields import Write
from crm_api.kit.schemas import Create
from crm_api.kit.scope import Scope
from crm_api.tasks.drafting import NewTask


@dataclass(frozen=True, slots=True)
class Logged:
    """One that may be written, if what it refers to is there."""

    draft: Draft
    tasks: Sequence[NewTask]


def decide_communication(
    scope: Scope, body: dict[str, Any], workflows: Collection[str], assignee: UUID
) -> Logged:
    """The communication of a create body; it looks at no other record.

    Raises:
        Refusal: every fault of the body.
    """
    incoming = validate_body(Create[Communication], json.dumps(body).encode())
    sifted = sift(scope, Communication, incoming, Write.ON_CREATE)
    draft = Draft(new_id(), {})
    apply(draft, sifted, {"participants": [], **sifted.values})
    settle_time(draft, sifted)
    settle_place(draft, sifted, NO_FACTS, workflows)
    if sifted.faults:
        raise refuse_all(sifted.faults)
    return Logged(draft, tasks_of(draft, sifted.values, assignee))


async def insert_communications(scope: Scope, logged: Sequence[Logged]) -> None:
    """Write them all with what follows from them, or none.

    Raises:
        UniqueClash, LockTimedOut, ReferenceBroken: as PostgreSQL found them.
    """
    org = scope.actor.organization_id
    tasks = [task for one in logged for task in one.tasks]
    trees = {(one.draft.after["client_id"], one.draft.after["workflow"]) for one in logged}
    async with scope.db.transaction(org):
        await lock_head(scope.db, scope.actor)
        moved, told = await _moved(scope, logged)
        bulk = Bulk(
            COMMUNICATIONS,
            rows=[one.draft.row(scope.actor.id) for one in logged],
            entries=[
                *(_created(scope, one.draft) for one in logged),
                *(task.entry(scope) for task in tasks),
                *told,
            ],
            others={
                PARTICIPANTS: [row for one in logged for row in one.draft.participant_rows()],
                TASKS: [task.row(scope.actor.id) for task in tasks],
            },
            ensured={TREES: [{"client_id": c, "workflow": w} for c, w in sorted(trees)]},
        )
        await insert_many(scope.db, scope.actor, bulk)
        await scope.db.fetchrow(org, MOVE_ALL, {"org": org, "moved": json.dumps(moved)})


async def _moved(
    scope: Scope, logged: Sequence[Logged]
) -> tuple[Sequence[dict[str, Any]], Sequence[Entry]]:
    """The clients whose last activity moves, and what their log says of it."""
    latest: dict[UUID, datetime] = {}
    for draft in (one.draft for one in logged):
        if draft.after["state"] == "held":
            client, time = UUID(draft.after["client_id"]), parse_instant(draft.after["occurred_at"])
            latest[client] = max(latest.get(client, time), time)
    org = scope.actor.organization_id
    rows = await scope.db.fetch(org, STANDING, {"org": org, "ids": [*latest]})
    moving = [
        (row, latest[row["id"]])
        for row in rows
        if row["last_activity_at"] is None or row["last_activity_at"] < latest[row["id"]]
    ]
    entries = [
        moved_entry(scope, row["id"], row["version"], row["last_activity_at"], time)
        for row, time in moving
    ]
    return [{"id": str(row["id"]), "at": time.isoformat()} for row, time in moving], entries


def _created(scope: Scope, draft: Draft) -> Entry:
    return new_entry(
        scope.actor,
        scope.context,
        resource=Communication.singular,
        resource_id=draft.id,
        version=1,
        action=f"{Communication.singular}.created",
        diff=draft.diff(),
    )
