"""The routes of clients by the ids that other systems know them by."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response

from crm_api.clients.repository import CLIENT_SHAPE
from crm_api.clients.schemas import Client, UpsertedClient
from crm_api.clients.service import ClientService
from crm_api.core.deps import JsonBody
from crm_api.core.jsonbody import Incoming
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.kit.schemas import Upsert
from crm_api.kit.upserting import Named
from crm_api.queries import Items, OneQuery
from crm_api.routing import (
    DryRun,
    IfMatch,
    IfNoneMatch,
    RefId,
    RefSource,
    answers,
    as_one,
    needs,
    tried,
)

router = APIRouter(prefix="/v1/clients", tags=["clients"], route_class=GuardedRoute)
EXPANSIONS = tuple(CLIENT_SHAPE.expansions)
Declared = Depends(strict_query)


@router.get(
    "/by-ref/{source}/{external_id:path}",
    responses=answers(200, Client, "The client."),
    openapi_extra=needs("clients.card:read"),
)
async def get_client_by_ref(
    scope: CurrentScope,
    source: RefSource,
    external_id: RefId,
    items: Annotated[Items, Depends(OneQuery(EXPANSIONS))],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read the client that another system knows by this id."""
    named = Named(source, external_id)
    return as_one(await ClientService(scope).get_by_ref(named, items), if_none_match)


@router.put(
    "/by-ref/{source}/{external_id:path}",
    dependencies=[Declared],
    responses={
        **answers(200, UpsertedClient, "The client that had the reference, changed or not."),
        **answers(201, UpsertedClient, "The new client of this reference."),
    },
    openapi_extra=needs("clients.*:create", "clients.*:update"),
)
async def upsert_client(
    scope: CurrentScope,
    source: RefSource,
    external_id: RefId,
    body: Annotated[Incoming[Any], Depends(JsonBody(Upsert[Client]))],
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Make the client of this reference, or merge into it; what is not newer is not applied."""
    named = Named(source, external_id)
    write = ClientService(scope).upsert(named, body, if_match)
    found = await tried(scope, write, dry_run=dry_run)
    return as_one(replace(found, status=200) if dry_run else found)
