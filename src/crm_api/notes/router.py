"""The routes of notes: the table of contents of this slice."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from crm_api.core.deps import JsonBody
from crm_api.core.jsonbody import Incoming
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.kit.schemas import Create, HistoryPage, Page, Patch
from crm_api.notes.schemas import GROUP_OF, Note
from crm_api.notes.service import NoteService
from crm_api.queries import HistoryQuery, Items, ListQuery, OneQuery
from crm_api.routing import (
    DryRun,
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    PathId,
    answers,
    as_json,
    as_list,
    as_one,
    claim,
    needs,
    tried,
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


@router.get(
    "",
    responses=answers(200, Page[Note], "One page of notes."),
    openapi_extra=READ,
)
async def list_notes(
    scope: CurrentScope,
    request: Request,
    items: Annotated[Items, Depends(ListQuery(Note))],
) -> Response:
    """List the notes of all clients that your role may see."""
    return as_list(await NoteService(scope).list(items), request)


@router.get("/{note_id}", responses=answers(200, Note, "The note."), openapi_extra=READ)
async def get_note(
    scope: CurrentScope,
    note_id: PathId,
    items: Annotated[Items, Depends(OneQuery(example="id,text"))],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one note; of a kind that your role may not read there is none."""
    return as_one(await NoteService(scope).get(note_id, items), if_none_match)


@router.patch(
    "/{note_id}",
    dependencies=[Declared],
    responses=answers(200, Note, "The note after the change."),
    openapi_extra=UPDATE,
)
async def patch_note(
    scope: CurrentScope,
    note_id: PathId,
    body: Annotated[Incoming[Any], Depends(JsonBody(Patch[Note]))],
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Change some fields (RFC 7396); another kind takes the rights to both kinds."""
    patched = NoteService(scope).patch(note_id, body, if_match)
    return as_one(await tried(scope, patched, dry_run=dry_run))


@router.delete(
    "/{note_id}",
    status_code=204,
    dependencies=[Declared],
    responses=answers(204, None, "Deleted."),
    openapi_extra=UPDATE,
)
async def delete_note(
    scope: CurrentScope,
    note_id: PathId,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Delete a note; whoever may change it may."""
    await tried(scope, NoteService(scope).delete(note_id, if_match), dry_run=dry_run)
    return Response(status_code=204)


@router.get(
    "/{note_id}/history",
    responses=answers(200, HistoryPage, "Changes, newest first."),
    openapi_extra=needs("clients.audit:read"),
)
async def get_note_history(
    scope: CurrentScope, note_id: PathId, items: Annotated[Items, Depends(HistoryQuery())]
) -> Response:
    """Who changed what and when; nothing of a time when it was of a kind hidden from you."""
    return as_json(await NoteService(scope).history(note_id, items))
