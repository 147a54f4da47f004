"""The route of what the stage of a client prompts."""

import json

from fastapi import APIRouter, Depends, Response

from crm_api.clients.service import ClientService
from crm_api.clients.stages import StagePrompts, prompts_of
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.routing import PathId, answers, as_json, needs

router = APIRouter(prefix="/v1/clients", tags=["clients"], route_class=GuardedRoute)


@router.get(
    "/{client_id}/prompts",
    dependencies=[Depends(strict_query)],
    responses=answers(200, StagePrompts, "The prompts."),
    openapi_extra=needs("clients.classification:read"),
)
async def list_client_prompts(scope: CurrentScope, client_id: PathId) -> Response:
    """What the stage of a client asks for: a growing one for contacts, a declining one for care."""
    service = ClientService(scope)
    seen = await service.get(client_id, ())
    service.require_group("classification", "read")
    return as_json(prompts_of(json.loads(seen.body)).model_dump_json())
