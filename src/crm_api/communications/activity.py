"""What communications say of their client: its last activity, and the trees they hang in."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_api.clients.schemas import Client
from crm_api.communications.repository import TREE_NODES, TREE_START
from crm_api.communications.schemas import MAX_NODES
from crm_api.core.formats.dates import format_instant
from crm_api.kit.changes import Entry, new_entry
from crm_api.kit.replies import as_text
from crm_api.kit.scope import Scope

Row = Mapping[str, Any]
ACTIVITY_MOVED = f"{Client.singular}.activity_moved"


def moved_entry(
    scope: Scope, client_id: UUID, version: int, before: datetime | None, after: datetime | None
) -> Entry:
    """The client's own entry: from it come its history, its past, and what is synchronized."""
    told = tuple(None if time is None else format_instant(time) for time in (before, after))
    return new_entry(
        scope.actor,
        scope.context,
        resource=Client.singular,
        resource_id=client_id,
        version=version,
        action=ACTIVITY_MOVED,
        diff={"last_activity_at": (told[0], told[1])},
    )


async def read_tree(scope: Scope, client_id: UUID, workflow: str) -> str:
    """The newest of one workflow of a client, each directly after what it hangs under."""
    org = scope.actor.organization_id
    values = {"org": org, "client_id": client_id, "workflow": workflow}
    start = await scope.db.fetchrow(org, TREE_START, values)
    rows = await scope.db.fetch(org, TREE_NODES, values | {"limit": MAX_NODES + 1})
    nodes = [{**row, "depth": depth} for depth, row in _in_place(rows[:MAX_NODES][::-1])]
    return as_text(
        {
            "client_id": client_id,
            "workflow": workflow,
            "started_at": start and start["started_at"],
            "nodes": nodes,
            "truncated": len(rows) > MAX_NODES,
        }
    )


def _in_place(rows: Sequence[Row]) -> Iterator[tuple[int, Row]]:
    """Depth first; what hangs under nothing that is here hangs at the root."""
    here = {row["id"] for row in rows}
    below: dict[UUID | None, list[Row]] = {}
    for row in rows:
        parent = row["parent_id"] if row["parent_id"] in here else None
        below.setdefault(parent, []).append(row)
    waiting = [(1, row) for row in reversed(below.get(None, ()))]
    while waiting:
        depth, row = waiting.pop()
        yield depth, row
        waiting += [(depth + 1, child) for child in reversed(below.get(row["id"], ()))]
