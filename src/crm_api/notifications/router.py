"""The routes of followers and notifications: the table of contents of this slice."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request, Response

from crm_api.core.deps import JsonBody
from crm_api.core.jsonbody import Incoming
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.kit.replies import PageReply
from crm_api.notifications.schemas import Followers, MarkRead, NotificationPage, Unread
from crm_api.notifications.service import NotificationService
from crm_api.queries import Items, PageQuery
from crm_api.routing import (
    IdempotencyKey,
    PathId,
    answers,
    as_json,
    as_list,
    claim,
    needs,
)

router = APIRouter(prefix="/v1/notifications", tags=["notifications"], route_class=GuardedRoute)
of_clients = APIRouter(prefix="/v1/clients", tags=["notifications"], route_class=GuardedRoute)
Declared = Depends(strict_query)
READ = needs("clients.*:read")
UNREAD: Final = {
    "name": "unread",
    "in": "query",
    "required": False,
    "description": "Whether to answer only those that were not marked as read.",
    "schema": {"type": "boolean", "default": False},
    "example": True,
}


@of_clients.get(
    "/{client_id}/followers",
    dependencies=[Declared],
    responses=answers(200, Followers, "The followers."),
    openapi_extra=needs("clients.*:read", "users.directory:read"),
)
async def list_client_followers(scope: CurrentScope, client_id: PathId) -> Response:
    """List who is told of the changes of a client; its owner is told without following."""
    return as_json(await NotificationService(scope).followers(client_id))


@of_clients.put(
    "/{client_id}/followers/me",
    status_code=204,
    dependencies=[Declared],
    responses=answers(204, None, "You follow the client."),
    openapi_extra=READ,
)
async def follow_client(scope: CurrentScope, client_id: PathId) -> Response:
    """Follow a client: from now on you are told what others change."""
    await NotificationService(scope).follow(client_id)
    return Response(status_code=204)


@of_clients.delete(
    "/{client_id}/followers/me",
    status_code=204,
    dependencies=[Declared],
    responses=answers(204, None, "You do not follow the client."),
    openapi_extra=READ,
)
async def unfollow_client(scope: CurrentScope, client_id: PathId) -> Response:
    """Stop following a client; whoever looks after it is told all the same."""
    await NotificationService(scope).unfollow(client_id)
    return Response(status_code=204)


@router.get(
    "",
    responses=answers(200, NotificationPage, "One page of notifications, newest first."),
    openapi_extra=READ,
)
async def list_notifications(
    scope: CurrentScope,
    request: Request,
    items: Annotated[Items, Depends(PageQuery(UNREAD))],
) -> Response:
    """List what others changed at clients that you follow or look after, of the last 30 days."""
    return as_list(PageReply(*await NotificationService(scope).list(items)), request)


@router.get(
    "/unread",
    dependencies=[Declared],
    responses=answers(200, Unread, "The number."),
    openapi_extra=READ,
)
async def count_unread_notifications(scope: CurrentScope) -> Response:
    """Count the notifications that you have not marked as read."""
    return as_json(await NotificationService(scope).unread())


@router.post(
    "/read",
    dependencies=[Depends(IdempotencyKey()), Declared],
    responses=answers(200, Unread, "What is unread now."),
    openapi_extra=READ,
)
async def mark_notifications_read(
    scope: CurrentScope,
    request: Request,
    body: Annotated[Incoming[MarkRead], Depends(JsonBody(MarkRead))],
) -> Response:
    """Mark notifications as read: some, or all up to one."""
    key = await claim(scope, request, 200)
    reply = await NotificationService(scope).mark(body, key)
    return Response(reply.body, reply.status, reply.headers, "application/json")
