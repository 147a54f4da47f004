"""The routes of notes: the table of contents of this slice."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from crm_api.core.deps import JsonBody
from crm_api.core.jsonbody import Incoming
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.kit.schemas import Create, Page
from crm_api.notes.schemas import GROUP_OF, Note
from crm_api.notes.service import NoteService
from crm_api.queries import Items, ListQuery, OneQuery
from crm_api.records import RecordRoutes
from crm_api.routing import (
    DryRun,
    IdempotencyKey,
    PathId,
    answers,
    as_list,
    as_one,
    claim,
    needs,
)

router = APIRouter(prefix="/v1/notes", tags=["notes"], route_class=GuardedRoute)
of_clients = APIRouter(prefix="/v1/clients", tags=["notes"], route_class=GuardedRoute)
Declared = Depends(strict_query)
GROUPS = tuple(dict.fromkeys(GROUP_OF.values()))
READ, CREATE, UPDATE = (
    needs(*(f"clients.{group}:{action}" for group in GROUPS))
    for action in ("read", "create", "update")
)
"""One of them is enough for some kind of note."""


@of_clients.get(
    "/{client_id}/notes",
    responses=answers(200, Page[Note], "One page of notes."),
    openapi_extra=READ,
)
async def list_client_notes(
    scope: CurrentScope,
    request: Request,
    client_id: PathId,
    items: Annotated[Items, Depends(ListQuery(Note))],
) -> Response:
    """List the notes of a client that your role may see: pinned ones first, then the latest."""
    return as_list(await NoteService(scope).list_of(client_id, items), request)


@of_clients.post(
    "/{client_id}/notes",
    status_code=201,
    dependencies=[Depends(IdempotencyKey()), Declared],
    responses=answers(201, Note, "The new note."),
    openapi_extra=CREATE,
)
async def create_client_note(
    scope: CurrentScope,
    request: Request,
    client_id: PathId,
    body: Annotated[Incoming[Any], Depends(JsonBody(Create[Note]))],
    dry_run: DryRun = False,
) -> Response:
    """Write something down about a client; its kind decides who reads it."""
    key = await claim(scope, request)
    return as_one(await NoteService(scope).create(client_id, body, key, dry_run=dry_run))


notes = RecordRoutes(router, Note, NoteService, "note")
notes.list("List the notes of all clients that your role may see.", READ)
notes.get(
    "Read one note; of a kind that your role may not read there is none.",
    READ,
    OneQuery(example="id,text"),
)
notes.patch("Change some fields (RFC 7396); another kind takes the rights to both kinds.", UPDATE)
notes.delete("Delete a note; whoever may change it may.", UPDATE)
notes.history(
    needs("clients.audit:read"),
    "Who changed what and when; nothing of a time when it was of a kind hidden from you.",
)
