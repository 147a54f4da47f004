"""The routes of tasks: the table of contents of this slice."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.kit.schemas import Page
from crm_api.queries import Items, ListQuery, OneQuery
from crm_api.records import RecordRoutes
from crm_api.routing import (
    IdempotencyKey,
    IfNoneMatch,
    PathId,
    answers,
    as_list,
    as_one,
    needs,
)
from crm_api.tasks.repository import TASK_SHAPE
from crm_api.tasks.schedule import FollowUpService
from crm_api.tasks.schemas import FollowUp, Task
from crm_api.tasks.service import QUEUES, TaskService

router = APIRouter(prefix="/v1/tasks", tags=["tasks"], route_class=GuardedRoute)
schedule = APIRouter(prefix="/v1/follow-ups", tags=["tasks"], route_class=GuardedRoute)
EXPANSIONS = tuple(TASK_SHAPE.expansions)
Idempotent = Depends(IdempotencyKey())
Declared = Depends(strict_query)


class TaskQuery(ListQuery):
    """A list's query, and the queue."""

    def __init__(self) -> None:
        super().__init__(Task, EXPANSIONS)
        queue = {
            "name": "queue",
            "in": "query",
            "required": False,
            "description": "Only open ones: due today, overdue, upcoming, or your own.",
            "schema": {"type": "string", "enum": [*QUEUES]},
            "example": "overdue",
        }
        self.query_parameters = [*self.query_parameters, queue]


tasks = RecordRoutes(router, Task, TaskService, "task")
tasks.list(
    "List tasks, those first that are due first: filtered, sorted, by queue, page by page.",
    needs("tasks.*:read"),
    TaskQuery(),
)
tasks.create("Note something that is to be done.", needs("tasks.*:create"))
tasks.get("Read one task.", needs("tasks.*:read"), OneQuery(EXPANSIONS, example="id,title"))
tasks.patch(
    "Change some fields (RFC 7396): put off, hand over, complete, cancel.", needs("tasks.*:update")
)
tasks.delete(
    "Delete one softly: your own, or anybody's with the right to that.",
    needs("tasks:delete", "tasks:delete_own"),
)
tasks.restore("Bring a deleted one back.", needs("tasks:restore"))
tasks.act(
    "complete",
    "Say that it is done; by whom and when is kept.",
    needs("tasks.*:update"),
    lambda service, task_id, *asked: service.move_to(task_id, "done", "completed", *asked),
)
tasks.act(
    "reopen",
    "Say that it is to be done after all.",
    needs("tasks.*:update"),
    lambda service, task_id, *asked: service.move_to(task_id, "open", "reopened", *asked),
)
tasks.history(needs("tasks.audit:read"))


@schedule.get(
    "",
    responses=answers(200, Page[FollowUp], "One page of the schedule."),
    openapi_extra=needs("follow_ups.schedule:read", "clients.*:read"),
)
async def list_follow_ups(
    scope: CurrentScope,
    request: Request,
    items: Annotated[Items, Depends(ListQuery(FollowUp))],
) -> Response:
    """List clients by when they are to be contacted next, by the interval of their type."""
    return as_list(await FollowUpService(scope).list(items), request)


@schedule.get(
    "/{client_id}",
    responses=answers(200, FollowUp, "When the client is to be contacted next."),
    openapi_extra=needs("follow_ups.schedule:read", "clients.*:read"),
)
async def get_follow_up(
    scope: CurrentScope,
    client_id: PathId,
    items: Annotated[Items, Depends(OneQuery(example="id,bucket"))],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read when a client is to be contacted next; 404 where its type has no interval."""
    return as_one(await FollowUpService(scope).get(client_id, items), if_none_match)
