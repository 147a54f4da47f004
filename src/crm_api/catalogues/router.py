"""The routes of catalogues: the organization's own types, industries, tags and the like."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from crm_api.catalogues.editing import CatalogueService
from crm_api.catalogues.schemas import CatalogueEntry, EntryPage
from crm_api.core.deps import JsonBody
from crm_api.core.jsonbody import Incoming
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.kit.schemas import Create, Patch
from crm_api.queries import Items, ListQuery, OneQuery
from crm_api.routing import IdempotencyKey, IfMatch, IfNoneMatch, answers, as_list, as_one, claim

router = APIRouter(prefix="/v1/catalogues", tags=["catalogues"], route_class=GuardedRoute)
Declared = Depends(strict_query)
Idempotent = Depends(IdempotencyKey())

CATALOGUE = "types, industries, tiers, regions, tags, sources, or workflows."
# Plain texts: one that names nothing is the same 404 as an entry that does not exist.
InCatalogue = Annotated[str, Path(description=CATALOGUE, max_length=64, examples=["industries"])]
EntryKey = Annotated[str, Path(description="The entry's key.", max_length=64, examples=["retail"])]


class EntryQuery(ListQuery):
    """A list's query, less the catalogue that the path names, plus `usage`."""

    def __init__(self) -> None:
        super().__init__(CatalogueEntry)
        usage = {
            "name": "usage",
            "in": "query",
            "required": False,
            "description": "Also count the live clients that have each entry.",
            "schema": {"type": "boolean", "default": False},
            "example": True,
        }
        named = self.query_parameters
        self.query_parameters = [
            *(p for p in named if p["name"].partition("[")[0] != "catalogue"),
            usage,
        ]


@router.get("/{catalogue}", responses=answers(200, EntryPage, "One page of the catalogue."))
async def list_catalogue_entries(
    scope: CurrentScope,
    request: Request,
    catalogue: InCatalogue,
    items: Annotated[Items, Depends(EntryQuery())],
) -> Response:
    """List the entries of a catalogue in their order."""
    return as_list(await CatalogueService(scope, catalogue).list(items), request)


@router.post(
    "/{catalogue}",
    status_code=201,
    dependencies=[Declared, Idempotent],
    responses=answers(201, CatalogueEntry, "The new entry."),
)
async def create_catalogue_entry(
    scope: CurrentScope,
    request: Request,
    catalogue: InCatalogue,
    body: Annotated[Incoming[Any], Depends(JsonBody(Create[CatalogueEntry]))],
) -> Response:
    """Add an entry to a catalogue."""
    key = await claim(scope, request)
    return as_one(await CatalogueService(scope, catalogue).create(body, key))


@router.get("/{catalogue}/{key}", responses=answers(200, CatalogueEntry, "The entry."))
async def get_catalogue_entry(
    scope: CurrentScope,
    catalogue: InCatalogue,
    key: EntryKey,
    items: Annotated[Items, Depends(OneQuery(example="key,label"))],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one entry."""
    return as_one(await CatalogueService(scope, catalogue).get(key, items), if_none_match)


@router.patch(
    "/{catalogue}/{key}",
    dependencies=[Declared],
    responses=answers(200, CatalogueEntry, "The entry after the change."),
)
async def patch_catalogue_entry(
    scope: CurrentScope,
    catalogue: InCatalogue,
    key: EntryKey,
    body: Annotated[Incoming[Any], Depends(JsonBody(Patch[CatalogueEntry]))],
    if_match: IfMatch = None,
) -> Response:
    """Change label, place, or what the product does with an entry; the key stays."""
    return as_one(await CatalogueService(scope, catalogue).patch(key, body, if_match))


@router.delete(
    "/{catalogue}/{key}",
    status_code=204,
    dependencies=[Declared],
    responses=answers(204, None, "Deleted."),
)
async def delete_catalogue_entry(
    scope: CurrentScope, catalogue: InCatalogue, key: EntryKey, if_match: IfMatch = None
) -> Response:
    """Delete an entry that no client has."""
    await CatalogueService(scope, catalogue).delete(key, if_match)
    return Response(status_code=204)
