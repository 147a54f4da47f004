"""The routes of segments: a table of contents."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from crm_api.clients.repository import CLIENT_SHAPE
from crm_api.clients.schemas import Client
from crm_api.clients.service import ClientService
from crm_api.core.deps import JsonBody
from crm_api.core.jsonbody import Incoming
from crm_api.downloads import Download, ExportQuery, files
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.kit.schemas import Create, HistoryPage, Page, Patch
from crm_api.lists.freezing import Freezing
from crm_api.lists.schemas import DistributionList, FrozenList, Segment
from crm_api.lists.segments import SegmentClients, SegmentService
from crm_api.queries import HistoryQuery, Items, ListQuery, OneQuery
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

router = APIRouter(prefix="/v1/segments", tags=["segments"], route_class=GuardedRoute)
EXPANSIONS = tuple(CLIENT_SHAPE.expansions)
Idempotent = Depends(IdempotencyKey())
Declared = Depends(strict_query)
READ, CREATE, UPDATE = (needs(f"lists.segment:{action}") for action in ("read", "create", "update"))


@router.get(
    "",
    responses=answers(200, Page[Segment], "One page of segments."),
    openapi_extra=READ,
)
async def list_segments(
    scope: CurrentScope,
    request: Request,
    items: Annotated[Items, Depends(ListQuery(Segment))],
) -> Response:
    """List the segments by name: your own, and those that are not private."""
    return as_list(await SegmentService(scope).list(items), request)


@router.post(
    "",
    status_code=201,
    dependencies=[Idempotent, Declared],
    responses=answers(201, Segment, "The new segment."),
    openapi_extra=CREATE,
)
async def create_segment(
    scope: CurrentScope,
    request: Request,
    body: Annotated[Incoming[Any], Depends(JsonBody(Create[Segment]))],
    dry_run: DryRun = False,
) -> Response:
    """Keep the conditions of a search of clients under a name."""
    key = await claim(scope, request)
    return as_one(await SegmentService(scope).create(body, key, dry_run=dry_run))


@router.get("/{segment_id}", responses=answers(200, Segment, "The segment."), openapi_extra=READ)
async def get_segment(
    scope: CurrentScope,
    segment_id: PathId,
    items: Annotated[Items, Depends(OneQuery())],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one segment."""
    return as_one(await SegmentService(scope).get(segment_id, items), if_none_match)


@router.patch(
    "/{segment_id}",
    dependencies=[Declared],
    responses=answers(200, Segment, "The segment after the change."),
    openapi_extra=UPDATE,
)
async def patch_segment(
    scope: CurrentScope,
    segment_id: PathId,
    body: Annotated[Incoming[Any], Depends(JsonBody(Patch[Segment]))],
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Change some fields (RFC 7396); conditions are replaced as a whole."""
    patched = SegmentService(scope).patch(segment_id, body, if_match)
    return as_one(await tried(scope, patched, dry_run=dry_run))


@router.delete(
    "/{segment_id}",
    status_code=204,
    dependencies=[Declared],
    responses=answers(204, None, "Deleted."),
    openapi_extra=needs("lists:delete", "lists:delete_own"),
)
async def delete_segment(
    scope: CurrentScope,
    segment_id: PathId,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Delete a segment softly: your own, or anybody's with the right to that."""
    await tried(scope, SegmentService(scope).delete(segment_id, if_match), dry_run=dry_run)
    return Response(status_code=204)


@router.post(
    "/{segment_id}/restore",
    dependencies=[Idempotent, Declared],
    responses=answers(200, Segment, "The segment."),
    openapi_extra=needs("lists:restore"),
)
async def restore_segment(
    scope: CurrentScope,
    request: Request,
    segment_id: PathId,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Bring a deleted segment back."""
    key = await claim(scope, request, 200, dry_run=dry_run)
    restored = SegmentService(scope).restore(segment_id, if_match, key)
    return as_one(await tried(scope, restored, dry_run=dry_run))


@router.get(
    "/{segment_id}/history",
    responses=answers(200, HistoryPage, "Changes, newest first."),
    openapi_extra=needs("lists.audit:read"),
)
async def get_segment_history(
    scope: CurrentScope, segment_id: PathId, items: Annotated[Items, Depends(HistoryQuery())]
) -> Response:
    """Who changed what and when, as far as your role may see it."""
    return as_json(await SegmentService(scope).history(segment_id, items))


@router.get(
    "/{segment_id}/clients",
    responses=answers(200, Page[Client], "One page of clients.") | {409: {}},
    openapi_extra=needs("lists.segment:read", "clients.*:read"),
)
async def list_segment_clients(
    scope: CurrentScope,
    request: Request,
    segment_id: PathId,
    items: Annotated[Items, Depends(ListQuery(Client, EXPANSIONS))],
) -> Response:
    """List the clients that meet its conditions now, as any list of clients.

    Whoever asks must read each field that the conditions name; where they name what is no longer
    there, such as a deleted entry of a catalogue, the answer is 409 `segment_outdated`.
    """
    return as_list(await SegmentClients(scope).list_of(segment_id, items), request)


@router.get(
    "/{segment_id}/clients/export",
    responses=files(ClientService.formats, "clients") | {409: {}},
    openapi_extra=needs("lists.segment:read", "clients:export"),
)
async def export_segment_clients(
    scope: CurrentScope,
    segment_id: PathId,
    items: Annotated[Items, Depends(ExportQuery(Client, ClientService.formats))],
) -> Response:
    """Take the clients that meet its conditions away as a file. Each export is recorded."""
    return Download(await SegmentClients(scope).export_of(segment_id, items))


@router.post(
    "/{segment_id}/freeze",
    status_code=201,
    dependencies=[Idempotent, Declared],
    responses=answers(201, DistributionList, "The new list."),
    openapi_extra=needs("lists.list:create", "lists.segment:read", "clients.*:read"),
)
async def freeze_segment(
    scope: CurrentScope,
    request: Request,
    segment_id: PathId,
    body: Annotated[Incoming[FrozenList], Depends(JsonBody(FrozenList))],
    dry_run: DryRun = False,
) -> Response:
    """Make a list of the live clients that meet its conditions at this moment: at most 20,000.

    Whoever may read lists then reads who is on it, whatever the conditions asked.
    """
    key = await claim(scope, request)
    return as_one(await Freezing(scope).freeze(segment_id, body, key, dry_run=dry_run))
