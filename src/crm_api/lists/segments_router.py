"""The routes of segments: a table of contents."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from crm_api.clients.repository import CLIENT_SHAPE
from crm_api.clients.schemas import Client
from crm_api.clients.service import ClientService
from crm_api.core.deps import JsonBody
from crm_api.core.jsonbody import Incoming
from crm_api.downloads import Download, ExportQuery, files
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.kit.schemas import Page
from crm_api.lists.freezing import Freezing
from crm_api.lists.schemas import DistributionList, FrozenList, Segment
from crm_api.lists.segments import SegmentClients, SegmentService
from crm_api.queries import Items, ListQuery
from crm_api.records import RecordRoutes
from crm_api.routing import (
    DryRun,
    IdempotencyKey,
    PathId,
    answers,
    as_list,
    as_one,
    claim,
    needs,
)

router = APIRouter(prefix="/v1/segments", tags=["segments"], route_class=GuardedRoute)
EXPANSIONS = tuple(CLIENT_SHAPE.expansions)
Idempotent = Depends(IdempotencyKey())
Declared = Depends(strict_query)
READ, CREATE, UPDATE = (needs(f"lists.segment:{action}") for action in ("read", "create", "update"))


segments = RecordRoutes(router, Segment, SegmentService, "segment")
segments.list("List the segments by name: your own, and those that are not private.", READ)
segments.create("Keep the conditions of a search of clients under a name.", CREATE)
segments.get("Read one segment.", READ)
segments.patch("Change some fields (RFC 7396); conditions are replaced as a whole.", UPDATE)
segments.delete(
    "Delete a segment softly: your own, or anybody's with the right to that.",
    needs("lists:delete", "lists:delete_own"),
)
segments.restore("Bring a deleted segment back.", needs("lists:restore"))
segments.history(needs("lists.audit:read"))


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
