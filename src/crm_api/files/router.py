"""The routes of files: the table of contents of this slice."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BeforeValidator, WithJsonSchema

from crm_api.core.deps import JsonBody
from crm_api.core.jsonbody import Incoming
from crm_api.core.multipart import FILE, MULTIPART, uploaded
from crm_api.core.uploads import Upload
from crm_api.files.lookups import PLACES, Place
from crm_api.files.schemas import File, FileVersionPage
from crm_api.files.service import FileService
from crm_api.files.serving import BYTES, RangeQuery, served
from crm_api.files.storing import DocumentService
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.kit.idempotency import Claim, claim_of
from crm_api.kit.schemas import Create, Page
from crm_api.notes.schemas import GROUP_OF
from crm_api.queries import Items, ListQuery, PageQuery
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
)

TAGS: Final[list[Any]] = ["files"]
router = APIRouter(prefix="/v1/files", tags=TAGS, route_class=GuardedRoute)
of_places = APIRouter(prefix="/v1", tags=TAGS, route_class=GuardedRoute)
Idempotent = Depends(IdempotencyKey())
Declared = Depends(strict_query)
MAX_NUMBER: Final = 2**31 - 1


def _number_or_none(text: object) -> int:
    """What is no number is that of no version, so that it meets the same 404."""
    sent = str(text)
    number = int(sent) if sent.isascii() and sent.isdigit() and len(sent) <= 10 else 0
    return number if number <= MAX_NUMBER else 0


Number = Annotated[
    int,
    BeforeValidator(_number_or_none),
    WithJsonSchema({"type": "integer", "format": "int32", "minimum": 1, "maximum": MAX_NUMBER}),
    Path(description="The number of the version.", examples=[1]),
]
UPLOADED: Final = ("kind", "name")
"""What is said beside a file."""
UPLOAD_PATHS: Final = (
    *(f"/v1/{place.shape.resource.resource}/*/files" for place in PLACES),
    "/v1/files/*/versions",
)
UPLOAD_SECONDS: Final = 90.0
"""After its last byte: for the storing of its bytes."""
_GROUPS: Final = tuple(dict.fromkeys(GROUP_OF.values()))
_READS, _CREATES, _UPDATES = (
    [f"clients.{group}:{action}" for group in _GROUPS] for action in ("read", "create", "update")
)
READ, UPDATE = needs(*_READS), needs(*_UPDATES)
"""One of them is enough for some kind of file."""


def _upload(*fields: str) -> dict[str, Any]:
    """The multipart body for the document: the file, and what may be said beside it."""
    declared = Create[File].model_json_schema()["properties"]
    content = {"type": "string", "format": "binary", "description": "The file, with its name."}
    schema = {
        "type": "object",
        "required": [FILE],
        "properties": {FILE: content, **{name: declared[name] for name in fields}},
        "additionalProperties": False,
    }
    body = {MULTIPART: {"schema": schema, "example": {FILE: "Minutes of the first meeting."}}}
    return {"requestBody": {"required": True, "description": "The document.", "content": body}}


def _documents(scope: CurrentScope, request: Request) -> DocumentService:
    return DocumentService(scope, request.app.state.storage)


@asynccontextmanager
async def _sent(
    service: DocumentService, request: Request, fields: Sequence[str], *, dry_run: bool
) -> AsyncIterator[tuple[Upload, Claim | None]]:
    """The upload, and the claim of its `Idempotency-Key`."""
    request.state.may_take = UPLOAD_SECONDS
    key = None if dry_run else request.headers.get("idempotency-key")
    most = service.storage.max_bytes
    async with uploaded(request, fields, otherwise="file", most_bytes=most) as upload:
        path = request.url.path
        yield upload, claim_of(service.actor, request.method, path, key, upload.content)


# ------------------------------------------------------------------- where files hang


def _add_list(place: Place) -> None:
    @of_places.get(
        f"{_base(place)}/files",
        name=f"list_{place.name}_files",
        description=f"List the files of a {place.name} that your role may see, the latest first.",
        responses=answers(200, Page[File], "One page of files."),
        openapi_extra=needs(*_READS, *_besides(place)),
    )
    async def list_files(
        scope: CurrentScope,
        request: Request,
        place_id: Annotated[PathId, Path(alias=place.column)],
        items: Annotated[Items, Depends(ListQuery(File))],
    ) -> Response:
        return as_list(await FileService(scope).list_of(place, place_id, items), request)


def _add_upload(place: Place) -> None:
    @of_places.post(
        f"{_base(place)}/files",
        status_code=201,
        name=f"upload_{place.name}_file",
        description=f"Keep a document with a {place.name}; its kind decides who reads it.",
        dependencies=[Idempotent, Declared],
        responses=answers(201, File, "The new file."),
        openapi_extra=needs(*_CREATES, *_besides(place)) | _upload(*UPLOADED),
    )
    async def upload_file(
        scope: CurrentScope,
        request: Request,
        place_id: Annotated[PathId, Path(alias=place.column)],
        dry_run: DryRun = False,
    ) -> Response:
        service = _documents(scope, request)
        async with _sent(service, request, UPLOADED, dry_run=dry_run) as (upload, key):
            return as_one(await service.add(place, place_id, upload, key, dry_run=dry_run))


def _add_link(place: Place) -> None:
    @of_places.post(
        f"{_base(place)}/file-links",
        status_code=201,
        name=f"create_{place.name}_file_link",
        description=f"Keep a link to a document with a {place.name}; it is never fetched.",
        dependencies=[Idempotent, Declared],
        responses=answers(201, File, "The new file."),
        openapi_extra=needs(*_CREATES, *_besides(place)),
    )
    async def create_link(
        scope: CurrentScope,
        request: Request,
        place_id: Annotated[PathId, Path(alias=place.column)],
        body: Annotated[Incoming[Any], Depends(JsonBody(Create[File]))],
        dry_run: DryRun = False,
    ) -> Response:
        key = await claim(scope, request)
        service = FileService(scope)
        return as_one(await service.link(place, place_id, body, key, dry_run=dry_run))


def _base(place: Place) -> str:
    return f"/{place.shape.resource.resource}/{{{place.column}}}"


def _besides(place: Place) -> list[str]:
    return [place.needs] if place.needs else []


# The same wherever files hang (`files.lookups`).
for _place in PLACES:
    _add_list(_place)
    _add_upload(_place)
    _add_link(_place)

# ------------------------------------------------------------------------- files


files = RecordRoutes(router, File, FileService, "file")
files.list("List the files that your role may see, wherever they hang.", READ)
files.get(
    "Read what is known of a file; of a kind that your role may not read there is none.", READ
)
files.patch("Change some fields (RFC 7396); another kind takes the rights to both kinds.", UPDATE)
files.delete(
    "Delete a file; whoever may change it may. After a time it goes for good, with its bytes.",
    UPDATE,
)
files.restore(
    "Bring a deleted file back, with all its versions.",
    needs("clients:restore", "clients:read_deleted", *_UPDATES),
)
files.history(
    needs("clients.audit:read"),
    "Who changed what and when; nothing of a time when it was of a kind hidden from you.",
)


@router.get(
    "/{file_id}/content",
    dependencies=[Depends(RangeQuery()), Declared],
    responses=BYTES,
    response_class=Response,
    openapi_extra=READ,
)
async def download_file(scope: CurrentScope, request: Request, file_id: PathId) -> Response:
    """Take the latest version of a document away, or a part of it."""
    service = _documents(scope, request)
    return await served(request, service, await service.content(file_id, None))


@router.get(
    "/{file_id}/versions",
    responses=answers(200, FileVersionPage, "One page of versions."),
    openapi_extra=READ,
)
async def list_file_versions(
    scope: CurrentScope, file_id: PathId, items: Annotated[Items, Depends(PageQuery())]
) -> Response:
    """List what a document was and is, the latest first."""
    return as_json(await FileService(scope).versions(file_id, items))


@router.post(
    "/{file_id}/versions",
    status_code=201,
    dependencies=[Idempotent, Declared],
    responses=answers(201, File, "The file with its new version."),
    openapi_extra=UPDATE | _upload(),
)
async def upload_file_version(
    scope: CurrentScope,
    request: Request,
    file_id: PathId,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Keep what a document has become; what it was is kept too."""
    service = _documents(scope, request)
    async with _sent(service, request, (), dry_run=dry_run) as (upload, key):
        return as_one(await service.add_version(file_id, upload, if_match, key, dry_run=dry_run))


@router.get(
    "/{file_id}/versions/{number}/content",
    dependencies=[Depends(RangeQuery()), Declared],
    responses=BYTES,
    response_class=Response,
    openapi_extra=READ,
)
async def download_file_version(
    scope: CurrentScope, request: Request, file_id: PathId, number: Number
) -> Response:
    """Take one version of a document away, or a part of it."""
    service = _documents(scope, request)
    return await served(request, service, await service.content(file_id, number))
