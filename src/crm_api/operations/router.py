"""The routes of operations: follow long work, stop it."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from crm_api.identity.deps import CurrentScope, GuardedRoute, asked_anew, strict_query
from crm_api.kit.replies import Reply
from crm_api.kit.schemas import Page
from crm_api.operations.events import EVENT_STREAM, follow, require_room
from crm_api.operations.schemas import Operation
from crm_api.operations.service import OperationService
from crm_api.queries import Items, ListQuery, OneQuery
from crm_api.routing import (
    DryRun,
    IdempotencyKey,
    IfNoneMatch,
    PathId,
    answers,
    as_list,
    as_one,
    claim,
    needs,
    tried,
)

router = APIRouter(prefix="/v1/operations", tags=["operations"], route_class=GuardedRoute)
Idempotent = Depends(IdempotencyKey())
Declared = Depends(strict_query)

_READ: Final = needs("operations.operation:read_own")
_WAIT: Final = {"headers": {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}}
_ONE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": Operation, "description": "The operation.", **_WAIT},
    304: _WAIT,
}
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "Its events, until it ends.",
        "content": {
            "text/event-stream": {
                "example": 'retry: 2000\n\nevent: operation\ndata: {"state":"running"}\n\n'
            }
        },
    }
}


@router.get(
    "",
    responses=answers(200, Page[Operation], "One page of operations."),
    openapi_extra=_READ,
)
async def list_operations(
    scope: CurrentScope,
    request: Request,
    items: Annotated[Items, Depends(ListQuery(Operation))],
) -> Response:
    """List long work, the newest first: your own, or everybody's if your role may read it."""
    return as_list(await OperationService(scope).list(items), request)


@router.get("/{operation_id}", responses=_ONE, openapi_extra=_READ)
async def get_operation(
    scope: CurrentScope,
    operation_id: PathId,
    items: Annotated[Items, Depends(OneQuery(example="id,state"))],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read how far it is, and what it came to. While it is under way, `Retry-After` says when."""
    return as_one(await OperationService(scope).get(operation_id, items), if_none_match)


@router.post(
    "/{operation_id}/cancel",
    dependencies=[Idempotent, Declared],
    responses=answers(200, Operation, "It waited, and is cancelled.")
    | answers(202, Operation, "It is at work, and stops before its next step."),
    openapi_extra=_READ,
)
async def cancel_operation(
    scope: CurrentScope,
    request: Request,
    operation_id: PathId,
    dry_run: DryRun = False,
) -> Response:
    """Stop it; what it did until then stays. For another one's this needs `operations:cancel`."""
    key = await claim(scope, request, dry_run=dry_run)
    work = OperationService(scope).cancel(operation_id, key)
    return as_one(await tried(scope, work, dry_run=dry_run))


@router.get(
    "/{operation_id}/events",
    dependencies=[Declared],
    response_class=StreamingResponse,
    responses=_STREAM,
    openapi_extra=_READ,
)
async def stream_operation_events(
    scope: CurrentScope, request: Request, operation_id: PathId
) -> Response:
    """Follow it as server-sent events: one for each change, until it ends or ten minutes passed.

    Reconnect then, as every reader of such streams does by itself. Your rights are asked anew for
    each event; the stream ends where they end.
    """
    # What is refused is refused now, as for any other request.
    await OperationService(scope).get(operation_id, ())
    require_room(scope.actor.id)

    async def read() -> Reply:
        return await asked_anew(request, lambda live: OperationService(live).get(operation_id, ()))

    return StreamingResponse(follow(scope.actor.id, read), media_type=EVENT_STREAM)
