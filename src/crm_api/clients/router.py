"""The routes of clients: the table of contents of this slice."""

import json
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from crm_api.clients.duplicates import DuplicateCheck, DuplicateResult, check_duplicates
from crm_api.clients.links import LinkService
from crm_api.clients.of_contacts import ServedClients
from crm_api.clients.parts import ClientSuggestion, ContactLink, LinkEntry, LinkPage, LinkPatch
from crm_api.clients.past import ClientPast
from crm_api.clients.repository import CLIENT_SHAPE
from crm_api.clients.schemas import Client
from crm_api.clients.service import ClientService
from crm_api.contacts.verification import Verification
from crm_api.core.deps import JsonBody
from crm_api.core.jsonbody import Incoming
from crm_api.downloads import Download, ExportQuery, files, long_request
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.kit.batch import Batch, BatchResult, run_batch
from crm_api.kit.schemas import Page
from crm_api.kit.suggesting import Suggestions
from crm_api.kit.trees import ExportSelection, Search
from crm_api.queries import ERASED, Items, ListQuery, OneQuery, SuggestQuery
from crm_api.records import RecordRoutes
from crm_api.routing import (
    DryRun,
    IdempotencyKey,
    IfMatch,
    PathId,
    answers,
    as_json,
    as_list,
    as_one,
    claim,
    needs,
    tried,
)

router = APIRouter(prefix="/v1/clients", tags=["clients"], route_class=GuardedRoute)
of_contacts = APIRouter(prefix="/v1/contacts", tags=["contacts"], route_class=GuardedRoute)
EXPANSIONS = tuple(CLIENT_SHAPE.expansions)
Idempotent = Depends(IdempotencyKey())
Declared = Depends(strict_query)
Long = Depends(long_request)


clients = RecordRoutes(router, Client, ClientService, "client")
clients.list(
    "List clients: filtered, sorted, page by page; live ones unless `lifecycle` says otherwise.",
    needs("clients.*:read"),
    ListQuery(Client, EXPANSIONS),
)
clients.create(
    "Create a client with all that belongs to it: e-mails, phones, sites, contacts; or nothing.",
    needs("clients.*:create"),
)


@router.post(
    "/batch",
    status_code=207,
    dependencies=[Idempotent, Declared],
    responses=answers(207, BatchResult, "One result for each operation, in order.")
    | {404: {}, 412: {}},  # of the item at which an atomic batch failed
    openapi_extra=needs("clients.*:create", "clients.*:update", "clients:delete"),
)
async def batch_clients(
    scope: CurrentScope,
    request: Request,
    body: Annotated[Incoming[Batch], Depends(JsonBody(Batch))],
    dry_run: DryRun = False,
) -> Response:
    """Run up to 200 operations: each by itself, or all or none with `atomic`."""
    key = await claim(scope, request, dry_run=dry_run)
    found = await tried(scope, run_batch(ClientService(scope), body, key), dry_run=dry_run)
    return Response(found.body, 207, found.headers, "application/json")


@router.post(
    "/search",
    dependencies=[Declared],
    responses=answers(200, Page[Client], "One page of clients."),
    openapi_extra=needs("clients.*:read"),
)
async def search_clients(
    scope: CurrentScope,
    body: Annotated[Incoming[Search], Depends(JsonBody(Search))],
) -> Response:
    """List what meets conditions joined by and, or, not; else as the list. Nothing is written."""
    return as_json((await ClientService(scope).search(body)).body)


@router.get(
    "/export",
    responses=files(ClientService.formats, "clients"),
    openapi_extra=needs("clients:export"),
)
async def export_clients(
    scope: CurrentScope,
    items: Annotated[Items, Depends(ExportQuery(Client, ClientService.formats))],
) -> Response:
    """Take all of the list away as a file, as far as you may read it. Each export is recorded."""
    return Download(await ClientService(scope).export(items))


@router.post(
    "/export",
    dependencies=[Declared, Long],
    responses=files(ClientService.formats, "clients"),
    openapi_extra=needs("clients:export"),
)
async def export_found_clients(
    scope: CurrentScope,
    body: Annotated[Incoming[ExportSelection], Depends(JsonBody(ExportSelection))],
) -> Response:
    """Take what meets a tree of conditions away as a file. Each export is recorded."""
    return Download(await ClientService(scope).export_found(body))


@router.post(
    "/duplicates",
    dependencies=[Declared],
    responses=answers(200, DuplicateResult, "One result for each, in order."),
    openapi_extra=needs("clients.*:create", "clients.*:read"),
)
async def find_client_duplicates(
    scope: CurrentScope,
    body: Annotated[Incoming[DuplicateCheck], Depends(JsonBody(DuplicateCheck))],
) -> Response:
    """Ask, before saving, which clients may be the same, and why; nothing is written."""
    return as_json(json.dumps(await check_duplicates(scope, body), ensure_ascii=False))


@router.get(
    "/suggest",
    responses=answers(200, Suggestions[ClientSuggestion], "The best hits."),
    openapi_extra=needs("clients.*:read"),
)
async def suggest_clients(
    scope: CurrentScope, items: Annotated[Items, Depends(SuggestQuery())]
) -> Response:
    """Suggest live clients while somebody types, as far as your role may see them."""
    return as_json(await ClientService(scope).suggest(items))


clients.get(
    "Read one client, as far as your role may see it; with `as_of` as it was then.",
    needs("clients.*:read"),
    OneQuery(EXPANSIONS, past=True),
    service=ClientPast,
    more=ERASED,
)
clients.patch(
    "Change some fields (RFC 7396): absent keeps, null clears, lists are replaced.",
    needs("clients.*:update"),
)
clients.delete(
    "Delete a client softly: it can be restored, and reports still count it.",
    needs("clients:delete"),
)
clients.act(
    "archive",
    "Take a client out of use; lists show it only when asked for.",
    needs("clients:archive"),
    lambda service, *asked: service.archive(*asked),
)
clients.restore("Bring an archived or deleted client back into use.", needs("clients:restore"))
clients.history(needs("clients.audit:read"))


@router.get(
    "/{client_id}/contacts",
    dependencies=[Declared],
    responses=answers(200, LinkPage, "The links."),
    openapi_extra=needs("clients.reach:read"),
)
async def list_client_contacts(scope: CurrentScope, client_id: PathId) -> Response:
    """List the persons of a client, former ones too."""
    return as_json(await LinkService(scope).list_of(client_id))


@router.post(
    "/{client_id}/contacts",
    status_code=201,
    dependencies=[Idempotent, Declared],
    responses=answers(201, ContactLink, "The new link."),
    openapi_extra=needs("clients.reach:update"),
)
async def link_client_contact(
    scope: CurrentScope,
    request: Request,
    client_id: PathId,
    body: Annotated[Incoming[LinkEntry], Depends(JsonBody(LinkEntry))],
    dry_run: DryRun = False,
) -> Response:
    """Link a person, or make a new one and link it; the first is primary."""
    key = await claim(scope, request, dry_run=dry_run)
    link = await tried(scope, LinkService(scope).add(client_id, body, key), dry_run=dry_run)
    return as_one(replace(link, status=200) if dry_run else link)


@router.patch(
    "/{client_id}/contacts/{link_id}",
    dependencies=[Declared],
    responses=answers(200, ContactLink, "The link after the change."),
    openapi_extra=needs("clients.reach:update"),
)
async def patch_client_contact(
    scope: CurrentScope,
    client_id: PathId,
    link_id: PathId,
    body: Annotated[Incoming[LinkPatch], Depends(JsonBody(LinkPatch))],
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Change roles, function, title or dates; making one primary demotes the other."""
    return as_one(
        await tried(
            scope, LinkService(scope).change(client_id, link_id, body, if_match), dry_run=dry_run
        )
    )


@router.delete(
    "/{client_id}/contacts/{link_id}",
    status_code=204,
    dependencies=[Declared],
    responses=answers(204, None, "Unlinked."),
    openapi_extra=needs("clients.reach:update"),
)
async def unlink_client_contact(
    scope: CurrentScope,
    client_id: PathId,
    link_id: PathId,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Remove a link; the primary one only when nobody else is left."""
    await tried(scope, LinkService(scope).remove(client_id, link_id, if_match), dry_run=dry_run)
    return Response(status_code=204)


@router.post(
    "/{client_id}/emails/{email_id}/verify",
    dependencies=[Idempotent, Declared],
    responses=answers(200, Client, "The client."),
    openapi_extra=needs("clients.reach:update"),
)
async def verify_client_email(
    scope: CurrentScope,
    request: Request,
    client_id: PathId,
    email_id: PathId,
    body: Annotated[Incoming[Verification], Depends(JsonBody(Verification))],
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Say how an e-mail address works: somebody tried."""
    key = await claim(scope, request, 200, dry_run=dry_run)
    service = ClientService(scope)
    return as_one(
        await tried(
            scope,
            service.verify(client_id, "emails", email_id, body, if_match, key),
            dry_run=dry_run,
        )
    )


@router.post(
    "/{client_id}/phones/{phone_id}/verify",
    dependencies=[Idempotent, Declared],
    responses=answers(200, Client, "The client."),
    openapi_extra=needs("clients.reach:update"),
)
async def verify_client_phone(
    scope: CurrentScope,
    request: Request,
    client_id: PathId,
    phone_id: PathId,
    body: Annotated[Incoming[Verification], Depends(JsonBody(Verification))],
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Say how a phone number works: somebody tried."""
    key = await claim(scope, request, 200, dry_run=dry_run)
    service = ClientService(scope)
    return as_one(
        await tried(
            scope,
            service.verify(client_id, "phones", phone_id, body, if_match, key),
            dry_run=dry_run,
        )
    )


@of_contacts.get(
    "/{contact_id}/clients",
    responses=answers(200, Page[Client], "One page of clients."),
    openapi_extra=needs("clients.reach:read"),
)
async def list_contact_clients(
    scope: CurrentScope,
    request: Request,
    contact_id: PathId,
    items: Annotated[Items, Depends(ListQuery(Client, EXPANSIONS))],
) -> Response:
    """List the clients that a person serves or served, as far as your role may see them."""
    return as_list(await ServedClients(scope).list_of(contact_id, items), request)
