"""The routes that look back on clients: what changed since, and a version set back."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from crm_api.clients.past import ClientPast, RestoreClientVersion
from crm_api.clients.schemas import Client
from crm_api.core.deps import JsonBody
from crm_api.core.jsonbody import Incoming
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.kit.schemas import VersionDiff
from crm_api.queries import ERASED, DiffQuery, Items
from crm_api.routing import (
    DryRun,
    IdempotencyKey,
    IfMatch,
    PathId,
    answers,
    as_json,
    as_one,
    claim,
    needs,
    tried,
)

router = APIRouter(prefix="/v1/clients", tags=["clients"], route_class=GuardedRoute)
Idempotent = Depends(IdempotencyKey())
Declared = Depends(strict_query)


@router.get(
    "/{client_id}/diff",
    responses={**answers(200, VersionDiff, "The net differences."), **ERASED},
    openapi_extra=needs("clients.audit:read"),
)
async def diff_client(
    scope: CurrentScope,
    client_id: PathId,
    items: Annotated[Items, Depends(DiffQuery())],
) -> Response:
    """What differs between two versions: from its making until now, unless said."""
    return as_json(await ClientPast(scope).diff(client_id, items))


@router.post(
    "/{client_id}/restore-version",
    dependencies=[Idempotent, Declared],
    responses={**answers(200, Client, "The client."), **ERASED},
    openapi_extra=needs("clients.audit:read", "clients.*:update"),
)
async def restore_client_version(
    scope: CurrentScope,
    request: Request,
    client_id: PathId,
    body: Annotated[Incoming[RestoreClientVersion], Depends(JsonBody(RestoreClientVersion))],
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Set fields back to what they were after an entry of the history, or at a time."""
    key = await claim(scope, request, 200, dry_run=dry_run)
    write = ClientPast(scope).restore_version(client_id, body, if_match, key)
    return as_one(await tried(scope, write, dry_run=dry_run))
