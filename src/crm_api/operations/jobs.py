"""The port of long work: a slice registers what a kind does, and queues operations of it.

```python
@job("client_import", needs=("clients", "import"))
async def run(task: Task) -> dict[str, Any]:
    rows = read(task.params["import_id"], after=task.done)
    while chunk := next(rows):
        async with task.step():
            …  # all writes of this chunk
            task.result["created"] = task.result.get("created", 0) + len(chunk)
            task.advance(len(chunk))
    return task.result
```
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

from crm_api.core.access import StaleActor
from crm_api.core.errors import Refusal
from crm_api.core.ids import new_id
from crm_api.kit.changes import lock_head, new_entry
from crm_api.kit.idempotency import Claim, once
from crm_api.kit.replies import Reply, one
from crm_api.kit.scope import Scope
from crm_api.kit.writing import Write, write_one
from crm_api.operations import repository as sql
from crm_api.operations.schemas import Operation
from crm_api.operations.service import OperationService
from crm_api.operations.tasks import Task

__all__ = ["JOBS", "MAX_OPEN", "Job", "Queued", "Task", "accepted", "enqueue", "job"]

MAX_OPEN: Final = 20
"""Operations of one organization that wait or run at a time."""

Run = Callable[[Task], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Job:
    """What is done for the operations of one kind, and the right that it takes throughout."""

    kind: str
    needs: tuple[str, str]
    """A resource and a verb: who queues must hold it, and still hold it at every step."""
    run: Run


@dataclass(frozen=True, slots=True)
class Queued:
    """An operation that waits for its worker, and how its request is answered."""

    id: UUID
    reply: Reply


JOBS: Final[dict[str, Job]] = {}
"""Every kind of work that this process knows."""


def job(kind: str, *, needs: tuple[str, str]) -> Callable[[Run], Run]:
    """Register what does the operations of this kind. It is called anew after each interruption.

    It makes its progress in steps (`Task.step`) and answers the result. What it does outside of
    steps may be done again, and must leave nothing behind.
    """

    def register(run: Run) -> Run:
        if kind in JOBS:
            raise ValueError(f"two jobs are named {kind}")
        JOBS[kind] = Job(kind, needs, run)
        return run

    return register


async def enqueue(
    scope: Scope,
    kind: str,
    params: Mapping[str, Any],
    *,
    total: int | None = None,
    result_url: str | None = None,
    claim: Claim | None = None,
) -> Queued:
    """Queue an operation within the caller's transaction: it is there if all the rest is.

    Args:
        total: how much there is to do, where that is known.
        result_url: the path at which the outcome will be read.
        claim: the request's idempotency key, of status 202.

    Raises:
        Refusal: 403 without the job's right; 409 when too many are open.
    """
    scope.require(*JOBS[kind].needs)
    actor, operation_id = scope.actor, new_id()
    diff = {"kind": (None, kind), "state": (None, "queued")}
    entry = new_entry(
        actor,
        scope.context,
        resource=Operation.singular,
        resource_id=operation_id,
        version=1,
        action=f"{Operation.singular}.created",
        diff=diff,
    )
    row = _new_row(scope, operation_id, kind, params) | {
        "progress_total": total,
        "result_url": result_url,
    }
    write = Write("insert", operation_id, row, [entry])
    org = actor.organization_id
    async with scope.db.transaction(org):
        # First the lock, then the count: two requests must not both find the last place.
        await lock_head(scope.db, actor)
        found = await scope.db.fetchrow(org, sql.COUNT_OPEN, {"org": org})
        if found["open"] >= MAX_OPEN:
            detail = f"{MAX_OPEN} operations of this organization wait or run already."
            raise Refusal("too_many_operations", detail, headers={"Retry-After": "5"})
        written = await write_one(scope, sql.OPERATION_SHAPE, write, "operation_id", claim)
        if written["body"] is None:
            raise StaleActor
        # Heard by the workers when, and only if, this commits.
        await scope.db.fetchrow(org, sql.WAKE, {"organization": str(org)})
    place = f"/v1/operations/{operation_id}"
    return Queued(operation_id, one(written["body"], status=202, location=place))


def _new_row(
    scope: Scope, operation_id: UUID, kind: str, params: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "id": str(operation_id),
        "version": 1,
        "lifecycle": "live",
        "kind": kind,
        "state": "queued",
        "params": params,
        "created_by": str(scope.actor.id),
        "created_by_type": scope.actor.kind,
        "progress_done": 0,
        "cancel_requested": False,
        "attempts": 0,
        "due_at": "now",
    }


async def accepted(
    scope: Scope, claim: Claim | None, queue: Callable[[], Awaitable[Reply]]
) -> Reply:
    """Answer a request that queues; for a repeated idempotency key as the first time.

    `queue` is one transaction that ends with `enqueue(…, claim=claim)`, and answers its reply.
    """
    service = OperationService(scope)
    return await once(scope, claim, partial(service.settled, queue), service.replayed)
