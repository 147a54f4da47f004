"""The routes of imports: send a list, decide what its columns are, try it, do it, take it back."""

from typing import Annotated, Any, Final, get_args
from urllib.parse import quote

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import StreamingResponse

from crm_api.core.deps import JsonBody
from crm_api.core.jsonbody import Incoming
from crm_api.core.multipart import FILE, MULTIPART, uploaded
from crm_api.downloads import NAME_OF_FILE
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.imports import jobs  # noqa: F401  # known to whoever serves or works
from crm_api.imports.reports import ImportReports
from crm_api.imports.schemas import Import, ImportEntry, ImportPatch, Preview, ReportPage
from crm_api.imports.service import ImportService
from crm_api.imports.steps import OutcomeName
from crm_api.kit.idempotency import claim_of
from crm_api.kit.schemas import Page
from crm_api.operations.schemas import Operation
from crm_api.queries import Items, ListQuery, OneQuery, PageQuery
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

router = APIRouter(prefix="/v1/imports", tags=["imports"], route_class=GuardedRoute)
Idempotent = Depends(IdempotencyKey())
Declared = Depends(strict_query)
_READ: Final = needs("imports.import:read_own")
_WRITE: Final = needs("clients:import")
OUTCOME: Final = {
    "name": "outcome",
    "in": "query",
    "required": False,
    "description": "Only rows that came to one of these, by commas.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[a-z,]+$"},
    "example": ",".join(get_args(OutcomeName)[-2:]),
}
_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The rows that failed.",
        "headers": NAME_OF_FILE,
        "content": {
            "text/csv": {
                "schema": {"type": "string", "maxLength": 1_000_000_000},
                "example": "\ufeffname,phone,import_errors\r\nPearl Ltd,12,phone: Too short.\r\n",
            }
        },
    }
}
UPLOAD_SECONDS: Final = 90.0
"""After its last byte: for the reading of the file, and the storing of its rows."""


def _upload() -> dict[str, Any]:
    """The multipart body for the document: the file, and what may be said beside it."""
    declared = ImportEntry.model_json_schema()["properties"]
    fields = {}
    for name, schema in declared.items():
        kinds = [kind for kind in schema.pop("anyOf") if kind.get("type") != "null"]
        schema.pop("default")
        fields[name] = schema | kinds[0]
    file = {
        "type": "string",
        "format": "binary",
        "description": "CSV in any usual encoding, or an .xlsx workbook; its first row names the "
        "columns.",
    }
    schema = {
        "type": "object",
        "required": [FILE],
        "properties": {FILE: file, **fields},
        "additionalProperties": False,
    }
    example = {FILE: "name,phone\r\nPearl Ltd,0772 123456\r\n", "default_country": "UG"}
    content = {MULTIPART: {"schema": schema, "example": example}}
    return {"requestBody": {"required": True, "description": "The list.", "content": content}}


@router.get("", responses=answers(200, Page[Import], "One page of imports."), openapi_extra=_READ)
async def list_imports(
    scope: CurrentScope,
    request: Request,
    items: Annotated[Items, Depends(ListQuery(Import))],
) -> Response:
    """List imports, the newest first: your own, or everybody's if your role may read them."""
    return as_list(await ImportService(scope).list(items), request)


@router.post(
    "",
    status_code=201,
    dependencies=[Idempotent, Declared],
    responses=answers(201, Import, "The list, read and not yet taken."),
    openapi_extra=_WRITE | _upload(),
)
async def create_import(scope: CurrentScope, request: Request, dry_run: DryRun = False) -> Response:
    """Send a list: its columns are found, and what they become is suggested. Nothing is taken yet.

    Lists and their reports are kept for 30 days.
    """
    request.state.may_take = UPLOAD_SECONDS
    key = None if dry_run else request.headers.get("idempotency-key")
    async with uploaded(request, ImportEntry.model_fields) as upload:
        path = request.url.path
        kept = claim_of(scope.actor, request.method, path, key, upload.content)
        return as_one(await ImportService(scope).create(upload, kept, dry_run=dry_run))


@router.get(
    "/{import_id}",
    responses=answers(200, Import, "The import."),
    openapi_extra=_READ,
)
async def get_import(
    scope: CurrentScope,
    import_id: PathId,
    items: Annotated[Items, Depends(OneQuery(example="id,state"))],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read an import: its columns, its settings, how far it is, what it came to."""
    return as_one(await ImportService(scope).get(import_id, items), if_none_match)


@router.patch(
    "/{import_id}",
    dependencies=[Declared],
    responses=answers(200, Import, "The import after the change."),
    openapi_extra=_WRITE,
)
async def patch_import(
    scope: CurrentScope,
    import_id: PathId,
    body: Annotated[Incoming[ImportPatch], Depends(JsonBody(ImportPatch))],
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Decide what its columns become, and what is done with its rows; until it is committed."""
    work = ImportService(scope).patch(import_id, body, if_match)
    return as_one(await tried(scope, work, dry_run=dry_run))


@router.delete(
    "/{import_id}",
    status_code=204,
    dependencies=[Declared],
    responses=answers(204, None, "Removed."),
    openapi_extra=_WRITE,
)
async def delete_import(
    scope: CurrentScope,
    import_id: PathId,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Remove the list and its report. What it brought stays, and can be reverted no more."""
    await tried(scope, ImportService(scope).delete(import_id, if_match), dry_run=dry_run)
    return Response(status_code=204)


@router.get(
    "/{import_id}/preview",
    dependencies=[Declared],
    responses=answers(200, Preview, "The first rows."),
    openapi_extra=_WRITE,
)
async def preview_import(scope: CurrentScope, import_id: PathId) -> Response:
    """See the first 20 rows as they would be taken now: bodies, and what is wrong with them."""
    return as_json(await ImportReports(scope).preview(import_id))


@router.post(
    "/{import_id}/commit",
    status_code=202,
    dependencies=[Idempotent, Declared],
    responses=answers(202, Operation, "The work is queued."),
    openapi_extra=_WRITE,
)
async def commit_import(
    scope: CurrentScope, request: Request, import_id: PathId, dry_run: DryRun = False
) -> Response:
    """Take the rows. With `dry_run` all is decided and only the report is kept.

    What was done stays when it is stopped; commit it again to go on from there. A row finds its
    client by nothing that you may not read.
    """
    key = await claim(scope, request, 202, dry_run=dry_run)
    return as_one(await ImportService(scope).commit(import_id, key, dry_run=dry_run))


@router.get(
    "/{import_id}/report",
    responses=answers(200, ReportPage, "One page of rows."),
    openapi_extra=_READ,
)
async def get_import_report(
    scope: CurrentScope,
    import_id: PathId,
    items: Annotated[Items, Depends(PageQuery(OUTCOME))],
) -> Response:
    """Read what became of each row, and why it failed: by field and column, never by content."""
    return as_json(await ImportReports(scope).report(import_id, items))


@router.get(
    "/{import_id}/errors",
    dependencies=[Declared],
    response_class=StreamingResponse,
    responses=_ERRORS,
    openapi_extra=_READ,
)
async def get_import_errors(scope: CurrentScope, import_id: PathId) -> Response:
    """Take the rows that failed away as CSV, each with its reasons: to be corrected and sent again.

    The column `import_errors` is left out on the way back. The file is named by its list, so that
    the references of its rows are of the same source.
    """
    name, content = await ImportReports(scope).errors(import_id)
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return StreamingResponse(content, headers=headers, media_type="text/csv")


@router.post(
    "/{import_id}/revert",
    status_code=202,
    dependencies=[Idempotent, Declared],
    responses=answers(202, Operation, "The work is queued."),
    openapi_extra=_WRITE,
)
async def revert_import(
    scope: CurrentScope, request: Request, import_id: PathId, dry_run: DryRun = False
) -> Response:
    """Take an import back: what it made goes for good, what it changed becomes what it was.

    Rows whose client was changed or is used elsewhere since stay, and the report says so. Somebody
    else's import takes `clients:delete` too. With `dry_run` nothing is taken back: the operation
    counts what would be, and names up to 100 rows that would stay, with the reason.
    """
    key = await claim(scope, request, 202, dry_run=dry_run)
    return as_one(await ImportService(scope).revert(import_id, key, dry_run=dry_run))
