"""The routes of relationships: the table of contents of this slice."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import Field

from crm_api.core.deps import JsonBody
from crm_api.core.jsonbody import Incoming
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.kit.schemas import Create, Page
from crm_api.queries import Items, ListQuery, OneQuery
from crm_api.records import RecordRoutes
from crm_api.relationships.kinds import Kind
from crm_api.relationships.network import NetworkService
from crm_api.relationships.pictures import MEDIA_TYPES, Format, chosen_format, pictured
from crm_api.relationships.schemas import (
    ClientGraph,
    ClientPaths,
    ClientTree,
    Relationship,
    RollUp,
)
from crm_api.relationships.service import RelationshipService, RelationshipsOfClient
from crm_api.routing import (
    DryRun,
    Flag,
    IdempotencyKey,
    PathId,
    Whole,
    answers,
    as_json,
    as_list,
    as_one,
    claim,
    needs,
)

router = APIRouter(prefix="/v1/relationships", tags=["relationships"], route_class=GuardedRoute)
of_clients = APIRouter(prefix="/v1/clients", tags=["relationships"], route_class=GuardedRoute)
Declared = Depends(strict_query)
READ, CREATE, UPDATE = (
    needs(f"clients.relations:{action}") for action in ("read", "create", "update")
)
Ended = Annotated[
    bool,
    Flag,
    Query(description="Whether relationships that do not hold today count too."),
]
_PICTURES: Final[dict[str, Any]] = {
    media: {
        "schema": {"type": "string", "maxLength": 2_000_000, "pattern": "^[^\\u0000]*$"},
        "example": example,
    }
    for media, example in (
        ("image/svg+xml", '<svg xmlns="http://www.w3.org/2000/svg"></svg>'),
        ("text/vnd.mermaid", 'flowchart LR\n  c0["Kampala Coffee Ltd"]\n'),
        ("text/vnd.graphviz", 'digraph relationships {\n  c0 [label="Kampala Coffee Ltd"];\n}\n'),
    )
}


@of_clients.get(
    "/{client_id}/relationships",
    responses=answers(200, Page[Relationship], "One page of relationships."),
    openapi_extra=READ,
)
async def list_client_relationships(
    scope: CurrentScope,
    request: Request,
    client_id: PathId,
    items: Annotated[Items, Depends(ListQuery(Relationship))],
) -> Response:
    """List how a client is related to others, as seen from it; ended relationships too."""
    return as_list(await RelationshipsOfClient(scope).list_of(client_id, items), request)


@of_clients.post(
    "/{client_id}/relationships",
    status_code=201,
    dependencies=[Depends(IdempotencyKey()), Declared],
    responses=answers(201, Relationship, "The new relationship."),
    openapi_extra=CREATE,
)
async def create_client_relationship(
    scope: CurrentScope,
    request: Request,
    client_id: PathId,
    body: Annotated[Incoming[Any], Depends(JsonBody(Create[Relationship]))],
    dry_run: DryRun = False,
) -> Response:
    """Relate a client to another: `kind` says what the other is to this one."""
    key = await claim(scope, request)
    service = RelationshipService(scope)
    return as_one(await service.create(client_id, body, key, dry_run=dry_run))


@of_clients.get(
    "/{client_id}/tree",
    dependencies=[Declared],
    responses=answers(200, ClientTree, "The hierarchy."),
    openapi_extra=READ,
)
async def get_client_tree(
    scope: CurrentScope,
    client_id: PathId,
    depth: Annotated[
        Annotated[int, Field(ge=1, le=15)],
        Whole,
        Query(description="Levels above, and levels below the client."),
    ] = 10,
) -> Response:
    """Read the hierarchy that a client stands in today, from its top."""
    return as_json(await NetworkService(scope).tree(client_id, depth))


@of_clients.get(
    "/{client_id}/graph",
    dependencies=[Declared],
    responses={200: {"model": ClientGraph, "description": "The network.", "content": _PICTURES}},
    openapi_extra=READ,
)
async def get_client_graph(
    scope: CurrentScope,
    client_id: PathId,
    kinds: Annotated[
        list[Kind],
        Query(
            default_factory=list,
            max_length=11,
            description="Only these kinds, from whichever side they are seen.",
        ),
    ],
    depth: Annotated[
        Annotated[int, Field(ge=1, le=4)],
        Whole,
        Query(description="Steps from the client, at most."),
    ] = 1,
    ended: Ended = False,
    format: Annotated[
        Format | None, Query(description="The form of the answer; it wins over `Accept`.")
    ] = None,
    accept: Annotated[str, Header(include_in_schema=False)] = "application/json",
) -> Response:
    """Read or draw the network around a client: JSON, SVG, Mermaid or Graphviz DOT."""
    found = await NetworkService(scope).graph(client_id, depth, kinds, ended=ended)
    wanted = format or chosen_format(accept)
    headers = {"Vary": "Accept"}
    return Response(pictured(found, wanted), 200, headers, MEDIA_TYPES[wanted])


@of_clients.get(
    "/{client_id}/paths",
    dependencies=[Declared],
    responses=answers(200, ClientPaths, "The ways."),
    openapi_extra=READ,
)
async def list_client_paths(
    scope: CurrentScope,
    client_id: PathId,
    to: Annotated[UUID, Query(description="The client that they lead to.")],
    depth: Annotated[
        Annotated[int, Field(ge=1, le=6)], Whole, Query(description="Steps of a way, at most.")
    ] = 4,
    ended: Ended = False,
) -> Response:
    """Find through whom two clients know each other: the shortest ways, at most five."""
    found = NetworkService(scope).paths(client_id, to, depth, ended=ended)
    return as_json(await found)


@of_clients.get(
    "/{client_id}/roll-up",
    dependencies=[Declared],
    responses=answers(200, RollUp, "What it comes to."),
    openapi_extra=READ,
)
async def get_client_roll_up(scope: CurrentScope, client_id: PathId) -> Response:
    """Sum up a client with all that stand below it: persons, latest activity, exposure."""
    return as_json(await NetworkService(scope).roll_up(client_id))


relationships = RecordRoutes(router, Relationship, RelationshipService, "relationship")
relationships.get(
    "Read one relationship, as seen from the client at which it was recorded.",
    READ,
    OneQuery(example="id,kind"),
)
relationships.patch("Change its dates or note (RFC 7396); end it by its last day.", UPDATE)
relationships.delete(
    "Delete what was recorded in error; what has ended keeps its place with a last day.", UPDATE
)
relationships.history(needs("clients.audit:read"))
