"""The follow-up schedule of clients, and the tasks that fall due by themselves (C3, C12)."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from crm_api.clients.stages import blocks_closing
from crm_api.core.access import OrganizationContext
from crm_api.core.db import Database, Statement
from crm_api.core.errors import Fault, Refusal
from crm_api.kit.bulk import Bulk, insert_many
from crm_api.kit.changes import lock_head
from crm_api.kit.scope import Scope
from crm_api.kit.service import RecordService
from crm_api.operations.chores import routine
from crm_api.organizations.system import system_scope
from crm_api.tasks.drafting import NewTask
from crm_api.tasks.repository import (
    DUE_FOLLOW_UPS,
    DUE_REVIEWS,
    FOLLOW_UP_LISTING,
    OPEN_FOLLOW_UPS,
    TASKS,
)
from crm_api.tasks.schemas import FollowUp

MADE_OF = ("name", "card", "classification", "assessment", "preferences")
"""Groups of a client that the schedule tells of: who lacks one would learn of it here."""
CAUSES: dict[str, tuple[Statement, str]] = {
    "review": (DUE_REVIEWS, "Review {}"),
    "follow_up": (DUE_FOLLOW_UPS, "Follow up {}"),
}
"""Cause, which is the kind too → whom it is due for, and what the task says."""
BATCH, MAX_BATCHES = 100, 10


class FollowUpService(RecordService):
    """When each client of one organization is to be contacted next."""

    resource = FollowUp
    listing = FOLLOW_UP_LISTING

    def lifecycles(self) -> list[str]:
        return ["live"]

    def require_read(self) -> None:
        super().require_read()
        rights = self.actor.rights
        missing = [group for group in MADE_OF if not rights.can("clients", "read", group)]
        if missing:
            needs = ", ".join(f"`clients.{group}:read`" for group in missing)
            raise Refusal("forbidden", f"This needs {needs}.", (Fault("forbidden", needs),))


@routine("due_tasks")
async def make_due_tasks(db: Database, organization_id: UUID) -> int:
    """The tasks of reviews and follow-ups that are due, for the owners of the clients.

    Each is made once: of a cause a client has one open task, and what was done since it fell due is
    not made again. At most a thousand of each cause in one round.
    """
    made = 0
    for cause in CAUSES:
        for _ in range(MAX_BATCHES):
            found = await _make_some(db, organization_id, cause)
            made += found
            if found < BATCH:
                break
    return made


async def _make_some(db: Database, organization_id: UUID, cause: str) -> int:
    # Nothing but the id is asked of the organization: the statements know its time zone.
    context = OrganizationContext(organization_id, "", (), "UTC", None, "", 0)
    scope = system_scope(db, context, "admin", "due-tasks")
    statement, title = CAUSES[cause]
    async with db.transaction(organization_id):
        # First the lock, then the look: two workers must not both find that a task is missing.
        await lock_head(db, scope.actor)
        rows = await db.fetch(organization_id, statement, {"org": organization_id, "limit": BATCH})
        tasks = [
            NewTask(
                title.format(row["name"]),
                cause,
                row["due_on"],
                row["owner_id"],
                row["id"],
                {"cause": cause},
            )
            for row in rows
        ]
        if tasks:
            new = [task.row(scope.actor.id) for task in tasks]
            entries = [task.entry(scope) for task in tasks]
            await insert_many(db, scope.actor, Bulk(TASKS, new, entries, {}, {}))
    return len(tasks)


@blocks_closing
async def open_follow_ups(scope: Scope, client_id: UUID) -> Sequence[Mapping[str, Any]]:
    """The open ones; who may not read tasks is told no more than that there are some."""
    org = scope.actor.organization_id
    rows = await scope.db.fetch(org, OPEN_FOLLOW_UPS, {"org": org, "client_id": client_id})
    if not scope.actor.rights.can("tasks", "read", "task"):
        return [{}] if rows else []
    return [
        {
            "id": str(row["id"]),
            "title": row["title"],
            "due_on": None if row["due_on"] is None else row["due_on"].isoformat(),
        }
        for row in rows
    ]
