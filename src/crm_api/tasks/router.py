"""The routes of tasks: the table of contents of this slice."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from crm_api.core.deps import JsonBody
from crm_api.core.jsonbody import Incoming
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.kit.schemas import Create, HistoryPage, Page, Patch
from crm_api.routing import (
    DryRun,
    HistoryQuery,
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    Items,
    ListQuery,
    OneQuery,
    PathId,
    answers,
    as_json,
    as_list,
    as_one,
    claim,
    needs,
    tried,
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


@router.get(
    "",
    responses=answers(200, Page[Task], "One page of tasks."),
    openapi_extra=needs("tasks.*:read"),
)
async def list_tasks(
    scope: CurrentScope,
    request: Request,
    items: Annotated[Items, Depends(TaskQuery())],
) -> Response:
    """List tasks, those first that are due first: filtered, sorted, by queue, page by page."""
    return as_list(await TaskService(scope).list(items), request)


@router.post(
    "",
    status_code=201,
    dependencies=[Idempotent, Declared],
    responses=answers(201, Task, "The new task."),
    openapi_extra=needs("tasks.*:create"),
)
async def create_task(
    scope: CurrentScope,
    request: Request,
    body: Annotated[Incoming[Any], Depends(JsonBody(Create[Task]))],
    dry_run: DryRun = False,
) -> Response:
    """Note something that is to be done."""
    key = await claim(scope, request)
    return as_one(await TaskService(scope).create(body, key, dry_run=dry_run))


@router.get(
    "/{task_id}",
    responses=answers(200, Task, "The task."),
    openapi_extra=needs("tasks.*:read"),
)
async def get_task(
    scope: CurrentScope,
    task_id: PathId,
    items: Annotated[Items, Depends(OneQuery(EXPANSIONS, example="id,title"))],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one task."""
    return as_one(await TaskService(scope).get(task_id, items), if_none_match)


@router.patch(
    "/{task_id}",
    dependencies=[Declared],
    responses=answers(200, Task, "The task after the change."),
    openapi_extra=needs("tasks.*:update"),
)
async def patch_task(
    scope: CurrentScope,
    task_id: PathId,
    body: Annotated[Incoming[Any], Depends(JsonBody(Patch[Task]))],
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Change some fields (RFC 7396): put off, hand over, complete, cancel."""
    return as_one(await TaskService(scope).patch(task_id, body, if_match, dry_run=dry_run))


@router.delete(
    "/{task_id}",
    status_code=204,
    dependencies=[Declared],
    responses=answers(204, None, "Deleted."),
    openapi_extra=needs("tasks:delete", "tasks:delete_own"),
)
async def delete_task(
    scope: CurrentScope, task_id: PathId, if_match: IfMatch = None, dry_run: DryRun = False
) -> Response:
    """Delete one softly: your own, or anybody's with the right to that."""
    await tried(scope, TaskService(scope).delete(task_id, if_match), dry_run=dry_run)
    return Response(status_code=204)


@router.post(
    "/{task_id}/restore",
    dependencies=[Idempotent, Declared],
    responses=answers(200, Task, "The task."),
    openapi_extra=needs("tasks:restore"),
)
async def restore_task(
    scope: CurrentScope,
    request: Request,
    task_id: PathId,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Bring a deleted one back."""
    key = await claim(scope, request, 200, dry_run=dry_run)
    write = TaskService(scope).restore(task_id, if_match, key)
    return as_one(await tried(scope, write, dry_run=dry_run))


@router.post(
    "/{task_id}/complete",
    dependencies=[Idempotent, Declared],
    responses=answers(200, Task, "The task."),
    openapi_extra=needs("tasks.*:update"),
)
async def complete_task(
    scope: CurrentScope,
    request: Request,
    task_id: PathId,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Say that it is done; by whom and when is kept."""
    key = await claim(scope, request, 200, dry_run=dry_run)
    write = TaskService(scope).move_to(task_id, "done", "completed", if_match, key)
    return as_one(await tried(scope, write, dry_run=dry_run))


@router.post(
    "/{task_id}/reopen",
    dependencies=[Idempotent, Declared],
    responses=answers(200, Task, "The task."),
    openapi_extra=needs("tasks.*:update"),
)
async def reopen_task(
    scope: CurrentScope,
    request: Request,
    task_id: PathId,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Say that it is to be done after all."""
    key = await claim(scope, request, 200, dry_run=dry_run)
    write = TaskService(scope).move_to(task_id, "open", "reopened", if_match, key)
    return as_one(await tried(scope, write, dry_run=dry_run))


@router.get(
    "/{task_id}/history",
    responses=answers(200, HistoryPage, "Changes, newest first."),
    openapi_extra=needs("tasks.audit:read"),
)
async def get_task_history(
    scope: CurrentScope,
    task_id: PathId,
    items: Annotated[Items, Depends(HistoryQuery())],
) -> Response:
    """Who changed what and when, as far as your role may see it."""
    return as_json(await TaskService(scope).history(task_id, items))


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
