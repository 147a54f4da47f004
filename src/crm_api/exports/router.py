"""The routes of the record of exports; exporting itself is a route of what is exported."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from crm_api.exports.schemas import ExportRecord
from crm_api.exports.service import ExportRecords
from crm_api.identity.deps import CurrentScope, GuardedRoute
from crm_api.kit.schemas import Page
from crm_api.queries import Items, ListQuery, OneQuery
from crm_api.routing import IfNoneMatch, PathId, answers, as_list, as_one, needs

router = APIRouter(prefix="/v1/exports", tags=["exports"], route_class=GuardedRoute)


@router.get(
    "",
    responses=answers(200, Page[ExportRecord], "One page of exports."),
    openapi_extra=needs("exports.record:read"),
)
async def list_exports(
    scope: CurrentScope,
    request: Request,
    items: Annotated[Items, Depends(ListQuery(ExportRecord))],
) -> Response:
    """List who took records away, as what, when, and how many; the latest first."""
    return as_list(await ExportRecords(scope).list(items), request)


@router.get(
    "/{export_id}",
    responses=answers(200, ExportRecord, "The export."),
    openapi_extra=needs("exports.record:read"),
)
async def get_export(
    scope: CurrentScope,
    export_id: PathId,
    items: Annotated[Items, Depends(OneQuery(example="id,rows"))],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read the record of one export; its file is nowhere kept."""
    return as_one(await ExportRecords(scope).get(export_id, items), if_none_match)
