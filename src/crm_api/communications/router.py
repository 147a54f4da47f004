"""The routes of communications: the table of contents of this slice."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from crm_api.catalogues.presets import DEFAULT_WORKFLOW
from crm_api.communications.repository import COMMUNICATION_SHAPE
from crm_api.communications.schemas import Communication, CommunicationTree
from crm_api.communications.service import CommunicationService, Place
from crm_api.core.deps import JsonBody
from crm_api.core.formats.text import Key
from crm_api.core.jsonbody import Incoming
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.kit.schemas import Create, Page
from crm_api.queries import Items, ListQuery, OneQuery
from crm_api.records import RecordRoutes
from crm_api.routing import (
    DryRun,
    IdempotencyKey,
    PathId,
    answers,
    as_json,
    as_list,
    as_one,
    claim,
    needs,
)

TAGS: list[Any] = ["communications"]
router = APIRouter(prefix="/v1/communications", tags=TAGS, route_class=GuardedRoute)
of_clients = APIRouter(prefix="/v1/clients", tags=TAGS, route_class=GuardedRoute)
of_contacts = APIRouter(prefix="/v1/contacts", tags=TAGS, route_class=GuardedRoute)
EXPANSIONS = tuple(COMMUNICATION_SHAPE.expansions)
Idempotent = Depends(IdempotencyKey())
Declared = Depends(strict_query)
Logged = Annotated[Incoming[Any], Depends(JsonBody(Create[Communication]))]
Listed = Annotated[Items, Depends(ListQuery(Communication, EXPANSIONS))]


communications = RecordRoutes(router, Communication, CommunicationService, "communication")
communications.list(
    "List communications, the newest first: filtered, sorted, page by page.",
    needs("communications.*:read"),
    ListQuery(Communication, EXPANSIONS),
)
communications.create(
    "Log one with all that follows: tasks, the client's tree, its last activity; or nothing.",
    needs("communications.*:create"),
)
communications.get(
    "Read one communication.",
    needs("communications.*:read"),
    OneQuery(EXPANSIONS, example="id,kind"),
)
communications.patch(
    "Change some fields (RFC 7396): hold or cancel what was planned, void what was an error.",
    needs("communications.*:update"),
)
communications.delete(
    "Delete one softly: your own, or anybody's with the right to that.",
    needs("communications:delete", "communications:delete_own"),
)
communications.restore(
    "Bring a deleted one back; it counts again.", needs("communications:restore")
)
communications.history(needs("communications.audit:read"))


@of_clients.get(
    "/{client_id}/communications",
    responses=answers(200, Page[Communication], "One page of communications."),
    openapi_extra=needs("communications.*:read"),
)
async def list_client_communications(
    scope: CurrentScope, request: Request, client_id: PathId, items: Listed
) -> Response:
    """List the communications of a client, the newest first."""
    return as_list(await CommunicationService(scope).list_of_client(client_id, items), request)


@of_clients.post(
    "/{client_id}/communications",
    status_code=201,
    dependencies=[Idempotent, Declared],
    responses=answers(201, Communication, "The new communication."),
    openapi_extra=needs("communications.*:create"),
)
async def log_client_communication(
    scope: CurrentScope,
    request: Request,
    client_id: PathId,
    body: Logged,
    dry_run: DryRun = False,
) -> Response:
    """Log a communication with this client, with all that follows from it."""
    key, place = await claim(scope, request), Place(client_id=client_id)
    return as_one(await CommunicationService(scope).create(body, key, place, dry_run=dry_run))


@of_clients.get(
    "/{client_id}/communications/tree",
    dependencies=[Declared],
    responses=answers(200, CommunicationTree, "The tree."),
    openapi_extra=needs("communications.*:read"),
)
async def get_client_communication_tree(
    scope: CurrentScope,
    client_id: PathId,
    workflow: Annotated[
        Key,
        Query(description="A key of the workflows catalogue.", examples=[DEFAULT_WORKFLOW]),
    ] = DEFAULT_WORKFLOW,
) -> Response:
    """Read what belongs to one workflow of a client, each after what it hangs under."""
    return as_json(await CommunicationService(scope).tree(client_id, workflow))


@of_contacts.get(
    "/{contact_id}/communications",
    responses=answers(200, Page[Communication], "One page of communications."),
    openapi_extra=needs("communications.*:read", "contacts.person:read"),
)
async def list_contact_communications(
    scope: CurrentScope, request: Request, contact_id: PathId, items: Listed
) -> Response:
    """List the communications in which a person took part, the newest first."""
    return as_list(await CommunicationService(scope).list_of_contact(contact_id, items), request)


@of_contacts.post(
    "/{contact_id}/communications",
    status_code=201,
    dependencies=[Idempotent, Declared],
    responses=answers(201, Communication, "The new communication."),
    openapi_extra=needs("communications.*:create", "contacts.person:read"),
)
async def log_contact_communication(
    scope: CurrentScope,
    request: Request,
    contact_id: PathId,
    body: Logged,
    dry_run: DryRun = False,
) -> Response:
    """Log a communication with this person; with the client, too, where the person serves one."""
    key, place = await claim(scope, request), Place(contact_id=contact_id)
    return as_one(await CommunicationService(scope).create(body, key, place, dry_run=dry_run))
