"""The route of global search."""

from typing import Annotated, Final, get_args

from fastapi import APIRouter, Depends, Response

from crm_api.identity.deps import CurrentScope, GuardedRoute
from crm_api.queries import FindQuery, Items
from crm_api.routing import answers, as_json, needs
from crm_api.search.schemas import DEFAULT_HITS, MAX_HITS, HitKind, Hits
from crm_api.search.service import SearchService

router = APIRouter(prefix="/v1/search", tags=["search"], route_class=GuardedRoute)
KINDS: Final = {
    "name": "kinds",
    "in": "query",
    "required": False,
    "description": "Only these kinds, by commas or repeated; all that your role finds, unless "
    "said.",
    "schema": {
        "type": "array",
        "items": {"type": "string", "enum": [*get_args(HitKind)]},
        "maxItems": 20,
    },
    "style": "form",
    "explode": True,
    "example": ["client", "communication"],
}


@router.get(
    "",
    responses=answers(200, Hits, "The best hits."),
    openapi_extra=needs("clients.*:read", "contacts.*:read", "communications.communication:read"),
)
async def search_everything(
    scope: CurrentScope,
    items: Annotated[Items, Depends(FindQuery(KINDS, DEFAULT_HITS, MAX_HITS))],
) -> Response:
    """Look for a term in all that your role may see; `key=value` for clients with an attribute."""
    return as_json(await SearchService(scope).search(items))
