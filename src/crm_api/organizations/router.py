"""The routes of the organization's own settings."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from crm_api.core.deps import JsonBody
from crm_api.core.jsonbody import Incoming
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.kit.schemas import Patch
from crm_api.organizations.schemas import Organization
from crm_api.organizations.service import OrganizationService
from crm_api.queries import Items, OneQuery
from crm_api.routing import IfMatch, IfNoneMatch, answers, as_one

router = APIRouter(prefix="/v1/organization", tags=["organization"], route_class=GuardedRoute)


@router.get("", responses=answers(200, Organization, "The organization."))
async def get_organization(
    scope: CurrentScope,
    items: Annotated[Items, Depends(OneQuery())],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read the organization's settings."""
    return as_one(await OrganizationService(scope).get(items), if_none_match)


@router.patch(
    "",
    dependencies=[Depends(strict_query)],
    responses=answers(200, Organization, "The organization after the change."),
)
async def patch_organization(
    scope: CurrentScope,
    body: Annotated[Incoming[Any], Depends(JsonBody(Patch[Organization]))],
    if_match: IfMatch = None,
) -> Response:
    """Change settings: name, presets, time zone, default country, currency."""
    return as_one(await OrganizationService(scope).patch(body, if_match))
