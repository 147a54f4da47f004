"""The routes of distribution lists and their members: a table of contents."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from crm_api.core.deps import JsonBody
from crm_api.core.jsonbody import Incoming
from crm_api.downloads import Download, ExportQuery, files
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.kit.batch import BatchResult
from crm_api.kit.schemas import Create, HistoryPage, Page
from crm_api.lists.freezing import Freezing
from crm_api.lists.members import ListsOfClient, MemberService, MembersOfList
from crm_api.lists.schemas import (
    Brought,
    ClientList,
    DistributionList,
    FromSegment,
    ListMember,
    NewMembers,
    Unsubscribe,
)
from crm_api.lists.service import ListService
from crm_api.queries import HistoryQuery, Items, ListQuery, OneQuery
from crm_api.records import RecordRoutes
from crm_api.routing import (
    DryRun,
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    PathId,
    answers,
    as_json,
    as_list,
    as_one,
    claim,
    needs,
    tried,
)

TAGS: list[Any] = ["lists"]
router = APIRouter(prefix="/v1/distribution-lists", tags=TAGS, route_class=GuardedRoute)
members = APIRouter(prefix="/v1/list-members", tags=TAGS, route_class=GuardedRoute)
of_clients = APIRouter(prefix="/v1/clients", tags=TAGS, route_class=GuardedRoute)
Idempotent = Depends(IdempotencyKey())
Declared = Depends(strict_query)
READ, CREATE, UPDATE = (needs(f"lists.list:{action}") for action in ("read", "create", "update"))


lists = RecordRoutes(router, DistributionList, ListService, "list")
lists.list(
    "List the distribution lists by name; archived ones where `lifecycle` asks for them.", READ
)
lists.create("Make a list, with nobody on it.", CREATE)
lists.get("Read one list.", READ)
lists.patch("Change some fields (RFC 7396).", UPDATE)
lists.delete(
    "Delete a list softly: your own, or anybody's with the right to that.",
    needs("lists:delete", "lists:delete_own"),
)
lists.act(
    "archive",
    "Take a list out of use; nobody is added to it.",
    needs("lists:archive"),
    lambda service, *asked: service.archive(*asked),
)
lists.restore(
    "Bring an archived or deleted list back, with all that are on it.", needs("lists:restore")
)
lists.history(
    needs("lists.audit:read"),
    "Who changed what and when, and what segments brought; each member has its own history.",
)


# -------------------------------------------------------------------------------- members


@router.get(
    "/{list_id}/members",
    responses=answers(200, Page[ListMember], "One page of members."),
    openapi_extra=READ,
)
async def list_list_members(
    scope: CurrentScope,
    request: Request,
    list_id: PathId,
    items: Annotated[Items, Depends(ListQuery(ListMember))],
) -> Response:
    """List who is on it, in the order in which they were added."""
    return as_list(await MembersOfList(scope, list_id).list_all(items), request)


@router.post(
    "/{list_id}/members",
    status_code=201,
    dependencies=[Idempotent, Declared],
    responses=answers(201, ListMember, "The member."),
    openapi_extra=CREATE,
)
async def add_list_member(
    scope: CurrentScope,
    request: Request,
    list_id: PathId,
    body: Annotated[Incoming[Any], Depends(JsonBody(Create[ListMember]))],
    dry_run: DryRun = False,
) -> Response:
    """Add a client or a contact; who unsubscribed once stays unsubscribed."""
    key = await claim(scope, request)
    return as_one(await MembersOfList(scope, list_id).add(body, key, dry_run=dry_run))


@router.post(
    "/{list_id}/members/batch",
    status_code=207,
    dependencies=[Idempotent, Declared],
    responses=answers(207, BatchResult, "One result for each, in order."),
    openapi_extra=CREATE,
)
async def batch_list_members(
    scope: CurrentScope,
    request: Request,
    list_id: PathId,
    body: Annotated[Incoming[NewMembers], Depends(JsonBody(NewMembers))],
    dry_run: DryRun = False,
) -> Response:
    """Add up to 200, each by itself."""
    key = await claim(scope, request, dry_run=dry_run)
    adding = MembersOfList(scope, list_id).add_each(body, key)
    found = await tried(scope, adding, dry_run=dry_run)
    return Response(found.body, 207, found.headers, "application/json")


@router.post(
    "/{list_id}/members/from-segment",
    dependencies=[Idempotent, Declared],
    responses=answers(200, Brought, "How many were found, and added."),
    openapi_extra=needs("lists.list:create", "lists.segment:read", "clients.*:read"),
)
async def add_list_members_from_segment(
    scope: CurrentScope,
    request: Request,
    list_id: PathId,
    body: Annotated[Incoming[FromSegment], Depends(JsonBody(FromSegment))],
    dry_run: DryRun = False,
) -> Response:
    """Add the live clients that meet a segment's conditions now: all of them, at most 20,000."""
    key = await claim(scope, request, 200, dry_run=dry_run)
    found = await tried(scope, Freezing(scope).add(list_id, body, key), dry_run=dry_run)
    return Response(found.body, 200, found.headers, "application/json")


@router.get(
    "/{list_id}/members/export",
    responses=files(MemberService.formats, "members"),
    openapi_extra=needs("lists:export"),
)
async def export_list_members(
    scope: CurrentScope,
    list_id: PathId,
    items: Annotated[Items, Depends(ExportQuery(ListMember, MemberService.formats))],
) -> Response:
    """Take away all to whom something may be sent. Each export is recorded.

    Who unsubscribed or is suppressed is left out, unless the query says something of `subscribed`
    or `suppressed`, such as `suppressed[in]=true,false`.
    """
    return Download(await MembersOfList(scope, list_id).export_all(items))


@members.get(
    "/{member_id}",
    responses=answers(200, ListMember, "The member."),
    openapi_extra=READ,
)
async def get_list_member(
    scope: CurrentScope,
    member_id: PathId,
    items: Annotated[Items, Depends(OneQuery(example="id,list_id"))],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one member."""
    return as_one(await MemberService(scope).get(member_id, items), if_none_match)


@members.delete(
    "/{member_id}",
    status_code=204,
    dependencies=[Declared],
    responses=answers(204, None, "Removed."),
    openapi_extra=UPDATE,
)
async def remove_list_member(
    scope: CurrentScope,
    member_id: PathId,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Take somebody off a list; that it unsubscribed stays known."""
    await tried(scope, MemberService(scope).remove(member_id, if_match), dry_run=dry_run)
    return Response(status_code=204)


@members.post(
    "/{member_id}/unsubscribe",
    dependencies=[Idempotent, Declared],
    responses=answers(200, ListMember, "The member."),
    openapi_extra=UPDATE,
)
async def unsubscribe_list_member(
    scope: CurrentScope,
    request: Request,
    member_id: PathId,
    body: Annotated[Incoming[Unsubscribe], Depends(JsonBody(Unsubscribe))],
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Note that somebody wants nothing more by this list; it stays on it."""
    key = await claim(scope, request, 200, dry_run=dry_run)
    done = MemberService(scope).unsubscribe(member_id, body, if_match, key)
    return as_one(await tried(scope, done, dry_run=dry_run))


@members.post(
    "/{member_id}/resubscribe",
    dependencies=[Idempotent, Declared],
    responses=answers(200, ListMember, "The member."),
    openapi_extra=UPDATE,
)
async def resubscribe_list_member(
    scope: CurrentScope,
    request: Request,
    member_id: PathId,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Note that somebody wants to hear of it again: to be added again does not say so."""
    key = await claim(scope, request, 200, dry_run=dry_run)
    done = MemberService(scope).resubscribe(member_id, if_match, key)
    return as_one(await tried(scope, done, dry_run=dry_run))


@members.get(
    "/{member_id}/history",
    responses=answers(200, HistoryPage, "Changes, newest first."),
    openapi_extra=needs("lists.audit:read"),
)
async def get_list_member_history(
    scope: CurrentScope, member_id: PathId, items: Annotated[Items, Depends(HistoryQuery())]
) -> Response:
    """Who added, removed or unsubscribed it, and when; what a segment brought its list tells."""
    return as_json(await MemberService(scope).history(member_id, items))


@of_clients.get(
    "/{client_id}/distribution-lists",
    responses=answers(200, Page[ClientList], "One page of lists."),
    openapi_extra=READ,
)
async def list_client_lists(
    scope: CurrentScope,
    request: Request,
    client_id: PathId,
    items: Annotated[Items, Depends(ListQuery(ClientList))],
) -> Response:
    """List what reaches a client: by itself, or through a person who serves it now."""
    return as_list(await ListsOfClient(scope).list_of(client_id, items), request)
