"""The routes of contacts: the table of contents of this slice."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import Field

from crm_api.contacts.past import ContactPast
from crm_api.contacts.schemas import Contact, ContactSuggestion, ContactTree, UpsertedContact
from crm_api.contacts.service import ContactService
from crm_api.contacts.verification import Verification
from crm_api.core.deps import JsonBody
from crm_api.core.jsonbody import Incoming
from crm_api.downloads import Download, ExportQuery, files, long_request
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.kit.batch import Batch, BatchResult, run_batch
from crm_api.kit.schemas import Page, Upsert
from crm_api.kit.suggesting import Suggestions
from crm_api.kit.trees import ExportSelection, Search
from crm_api.kit.upserting import Named
from crm_api.queries import ERASED, Items, OneQuery, SuggestQuery
from crm_api.records import RecordRoutes
from crm_api.routing import (
    DryRun,
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    PathId,
    RefId,
    RefSource,
    Whole,
    answers,
    as_json,
    as_one,
    claim,
    needs,
    tried,
)

router = APIRouter(prefix="/v1/contacts", tags=["contacts"], route_class=GuardedRoute)
Idempotent = Depends(IdempotencyKey())
Declared = Depends(strict_query)
Long = Depends(long_request)


contacts = RecordRoutes(router, Contact, ContactService, "contact")
contacts.list("List persons: filtered, sorted, page by page.", needs("contacts.*:read"))
contacts.create(
    "Create a person; link the person to a client at the client.", needs("contacts.*:create")
)


@router.post(
    "/search",
    dependencies=[Declared],
    responses=answers(200, Page[Contact], "One page of contacts."),
    openapi_extra=needs("contacts.*:read"),
)
async def search_contacts(
    scope: CurrentScope,
    body: Annotated[Incoming[Search], Depends(JsonBody(Search))],
) -> Response:
    """List what meets conditions joined by and, or, not; else as the list. Nothing is written."""
    return as_json((await ContactService(scope).search(body)).body)


@router.get(
    "/export",
    responses=files(ContactService.formats, "contacts"),
    openapi_extra=needs("contacts:export"),
)
async def export_contacts(
    scope: CurrentScope,
    items: Annotated[Items, Depends(ExportQuery(Contact, ContactService.formats))],
) -> Response:
    """Take all of the list away as a file, as far as you may read it. Each export is recorded."""
    return Download(await ContactService(scope).export(items))


@router.post(
    "/export",
    dependencies=[Declared, Long],
    responses=files(ContactService.formats, "contacts"),
    openapi_extra=needs("contacts:export"),
)
async def export_found_contacts(
    scope: CurrentScope,
    body: Annotated[Incoming[ExportSelection], Depends(JsonBody(ExportSelection))],
) -> Response:
    """Take what meets a tree of conditions away as a file. Each export is recorded."""
    return Download(await ContactService(scope).export_found(body))


@router.get(
    "/suggest",
    responses=answers(200, Suggestions[ContactSuggestion], "The best hits."),
    openapi_extra=needs("contacts.*:read"),
)
async def suggest_contacts(
    scope: CurrentScope, items: Annotated[Items, Depends(SuggestQuery())]
) -> Response:
    """Suggest live contacts while somebody types, as far as your role may see them."""
    return as_json(await ContactService(scope).suggest(items))


@router.post(
    "/batch",
    status_code=207,
    dependencies=[Idempotent, Declared],
    responses=answers(207, BatchResult, "One result for each operation, in order."),
    openapi_extra=needs("contacts.*:create", "contacts.*:update", "contacts:delete"),
)
async def batch_contacts(
    scope: CurrentScope,
    request: Request,
    body: Annotated[Incoming[Batch], Depends(JsonBody(Batch))],
    dry_run: DryRun = False,
) -> Response:
    """Run up to 200 operations: each by itself, or all or none with `atomic`."""
    key = await claim(scope, request, dry_run=dry_run)
    found = await tried(scope, run_batch(ContactService(scope), body, key), dry_run=dry_run)
    return Response(found.body, 207, found.headers, "application/json")


contacts.get(
    "Read one person, as far as your role may see it; with `as_of` as it was then.",
    needs("contacts.*:read"),
    OneQuery(past=True),
    service=ContactPast,
    more=ERASED,
)
contacts.patch(
    "Change some fields (RFC 7396): absent keeps, null clears, lists are replaced.",
    needs("contacts.*:update"),
)


@router.get(
    "/by-ref/{source}/{external_id:path}",
    responses=answers(200, Contact, "The contact."),
    openapi_extra=needs("contacts.person:read"),
)
async def get_contact_by_ref(
    scope: CurrentScope,
    source: RefSource,
    external_id: RefId,
    items: Annotated[Items, Depends(OneQuery())],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read the contact that another system knows by this id."""
    named = Named(source, external_id)
    return as_one(await ContactService(scope).get_by_ref(named, items), if_none_match)


@router.put(
    "/by-ref/{source}/{external_id:path}",
    dependencies=[Declared],
    responses={
        **answers(200, UpsertedContact, "The contact that had the reference, changed or not."),
        **answers(201, UpsertedContact, "The new contact of this reference."),
    },
    openapi_extra=needs("contacts.*:create", "contacts.*:update"),
)
async def upsert_contact(
    scope: CurrentScope,
    source: RefSource,
    external_id: RefId,
    body: Annotated[Incoming[Any], Depends(JsonBody(Upsert[Contact]))],
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Make the contact of this reference, or merge into it; what is not newer is not applied."""
    named = Named(source, external_id)
    write = ContactService(scope).upsert(named, body, if_match)
    found = await tried(scope, write, dry_run=dry_run)
    return as_one(replace(found, status=200) if dry_run else found)


contacts.delete(
    "Delete a person softly; refused while the person serves a client.", needs("contacts:delete")
)
contacts.restore("Bring a deleted person back.", needs("contacts:restore"))
contacts.history(needs("contacts.audit:read"))


@router.get(
    "/{contact_id}/tree",
    dependencies=[Declared],
    responses=answers(200, ContactTree, "The line of reporting."),
    openapi_extra=needs("contacts.coding:read"),
)
async def get_contact_tree(
    scope: CurrentScope,
    contact_id: PathId,
    depth: Annotated[
        Annotated[int, Field(ge=1, le=15)],
        Whole,
        Query(description="Levels above, and levels below the person."),
    ] = 10,
) -> Response:
    """Read whom a person reports to, and who reports to it, from the top."""
    return as_json(await ContactService(scope).tree(contact_id, depth))


@router.post(
    "/{contact_id}/emails/{email_id}/verify",
    dependencies=[Idempotent, Declared],
    responses=answers(200, Contact, "The contact."),
    openapi_extra=needs("contacts.person_reach:update"),
)
async def verify_contact_email(
    scope: CurrentScope,
    request: Request,
    contact_id: PathId,
    email_id: PathId,
    body: Annotated[Incoming[Verification], Depends(JsonBody(Verification))],
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Say how an e-mail address works: somebody tried."""
    key = await claim(scope, request, 200, dry_run=dry_run)
    service = ContactService(scope)
    return as_one(
        await tried(
            scope,
            service.verify(contact_id, "emails", email_id, body, if_match, key),
            dry_run=dry_run,
        )
    )


@router.post(
    "/{contact_id}/phones/{phone_id}/verify",
    dependencies=[Idempotent, Declared],
    responses=answers(200, Contact, "The contact."),
    openapi_extra=needs("contacts.person_reach:update"),
)
async def verify_contact_phone(
    scope: CurrentScope,
    request: Request,
    contact_id: PathId,
    phone_id: PathId,
    body: Annotated[Incoming[Verification], Depends(JsonBody(Verification))],
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Say how a phone number works: somebody tried."""
    key = await claim(scope, request, 200, dry_run=dry_run)
    service = ContactService(scope)
    return as_one(
        await tried(
            scope,
            service.verify(contact_id, "phones", phone_id, body, if_match, key),
            dry_run=dry_run,
        )
    )
