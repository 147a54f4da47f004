"""The routes that look back on contacts: what changed since, and a version set back."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response

from crm_api.contacts.past import ContactPast
from crm_api.contacts.schemas import Contact
from crm_api.core.deps import JsonBody
from crm_api.core.jsonbody import Incoming
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.kit.schemas import RestoreVersion, VersionDiff
from crm_api.queries import ERASED, DiffQuery, Items
from crm_api.routing import (
    DryRun,
    IdempotencyKey,
    IfMatch,
    PathId,
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


@router.get(
    "/{contact_id}/diff",
    responses={**answers(200, VersionDiff, "The net differences."), **ERASED},
    openapi_extra=needs("contacts.audit:read"),
)
async def diff_contact(
    scope: CurrentScope,
    contact_id: PathId,
    items: Annotated[Items, Depends(DiffQuery())],
) -> Response:
    """What differs between two versions: from its making until now, unless said."""
    return as_json(await ContactPast(scope).diff(contact_id, items))


@router.post(
    "/{contact_id}/restore-version",
    dependencies=[Idempotent, Declared],
    responses={**answers(200, Contact, "The contact."), **ERASED},
    openapi_extra=needs("contacts.audit:read", "contacts.*:update"),
)
async def restore_contact_version(
    scope: CurrentScope,
    request: Request,
    contact_id: PathId,
    body: Annotated[Incoming[RestoreVersion], Depends(JsonBody(RestoreVersion))],
    if_match: IfMatch = None,
    dry_run: DryRun = False,
) -> Response:
    """Set fields back to what they were after an entry of the history, or at a time."""
    key = await claim(scope, request, 200, dry_run=dry_run)
    write = ContactPast(scope).restore_version(contact_id, body, if_match, key)
    return as_one(await tried(scope, write, dry_run=dry_run))
