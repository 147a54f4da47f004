"""The route of the timeline."""

from typing import Annotated, Final, get_args

from fastapi import APIRouter, Depends, Request, Response

from crm_api.identity.deps import CurrentScope, GuardedRoute
from crm_api.queries import Items, PageQuery
from crm_api.routing import PathId, answers, as_list, needs
from crm_api.timeline.repository import SOURCES
from crm_api.timeline.schemas import EntryKind, TimelinePage
from crm_api.timeline.service import TimelineService

router = APIRouter(prefix="/v1/clients", tags=["timeline"], route_class=GuardedRoute)
KINDS: Final = {
    "name": "kinds",
    "in": "query",
    "required": False,
    "description": "Only these kinds, by commas or repeated; all that your role sees, unless said.",
    "schema": {
        "type": "array",
        "items": {"type": "string", "enum": [*get_args(EntryKind)]},
        "maxItems": 20,
    },
    "style": "form",
    "explode": True,
    "example": ["communication", "note"],
}


@router.get(
    "/{client_id}/timeline",
    responses=answers(200, TimelinePage, "One page of the timeline, newest first."),
    openapi_extra=needs(*dict.fromkeys(one for source in SOURCES for one in source.needs)),
)
async def get_client_timeline(
    scope: CurrentScope,
    request: Request,
    client_id: PathId,
    items: Annotated[Items, Depends(PageQuery(KINDS))],
) -> Response:
    """Read all that is remembered about a client in one order: any of the rights shows its part."""
    return as_list(await TimelineService(scope).page(client_id, items), request)
