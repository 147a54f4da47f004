"""The routes of overrides: what people set over derived values."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response

from crm_api.clients.overrides import OverrideService
from crm_api.clients.parts import OverrideEntry
from crm_api.clients.schemas import Client
from crm_api.core.deps import JsonBody
from crm_api.core.jsonbody import Incoming
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.routing import DryRun, IfMatch, PathId, answers, as_one, needs, tried

router = APIRouter(prefix="/v1/clients", tags=["clients"], route_class=GuardedRoute)
Declared = Depends(strict_query)
DerivedField = Annotated[
    str,
    Path(description="The derived field.", max_length=64, pattern="^[a-z_]+$", examples=["type"]),
]


@router.put(
    "/{client_id}/overrides/{field}",
    dependencies=[Declared],
    responses=answers(200, Client, "The client."),
    openapi_extra=needs("clients.assessment:update"),
)
async def put_client_override(
    scope: CurrentScope,
    client_id: PathId,
    field: DerivedField,
    body: Annotated[Incoming[OverrideEntry], Depends(JsonBody(OverrideEntry))],
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Set a value over a derived one, with a reason."""
    return as_one(
        await tried(
            scope, OverrideService(scope).put(client_id, field, body, if_match), dry_run=dry_run
        )
    )


@router.delete(
    "/{client_id}/overrides/{field}",
    dependencies=[Declared],
    responses=answers(200, Client, "The client."),
    openapi_extra=needs("clients.assessment:update"),
)
async def lift_client_override(
    scope: CurrentScope,
    client_id: PathId,
    field: DerivedField,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Let the derived value hold again."""
    return as_one(
        await tried(scope, OverrideService(scope).lift(client_id, field, if_match), dry_run=dry_run)
    )
