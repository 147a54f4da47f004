"""The route of what forms need."""

from fastapi import APIRouter, Depends, Request, Response

from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.meta.schemas import Meta
from crm_api.meta.service import read_meta
from crm_api.routing import IfNoneMatch, answers, as_one

router = APIRouter(prefix="/v1/meta", tags=["meta"], route_class=GuardedRoute)


@router.get(
    "",
    dependencies=[Depends(strict_query)],
    responses=answers(200, Meta, "What forms need, as your role sees it."),
)
async def get_meta(
    scope: CurrentScope, request: Request, if_none_match: IfNoneMatch = None
) -> Response:
    """Read what forms need: the fields that you read or write, limits, countries, currencies.

    It changes with your role and with releases alone: keep it with its ETag.
    """
    return as_one(await read_meta(scope, request.app.state.settings), if_none_match)
