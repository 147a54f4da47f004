"""The guard: the part of each statement that proves the principal is still what we take it for.

It costs five look-ups by primary key inside the request's own round trip. Where it fails nothing
is read or written; the caller resolves the principal anew and decides again.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Uuid,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    true,
)

from crm_api.core.access import Actor, StaleActor
from crm_api.core.db import Database, Statement
from crm_api.models import (
    ApiKeyRow,
    MembershipRow,
    OrganizationRow,
    RoleRow,
    SessionRow,
    UserRow,
)

GuardKind = Literal["user", "member", "api_key", "system"]
"""A `member` is a user whose session does not matter: what it started goes on after sign-out."""

ORG = bindparam("org", type_=Uuid())
"""The organization's parameter: every statement carries it on every tenant table."""


def guard_kind(actor: Actor) -> GuardKind:
    return "member" if actor.kind == "user" and not actor.signed_in else actor.kind


def guard(kind: GuardKind) -> ColumnElement[bool]:
    """True where the principal of the parameters still holds; always true for the system."""
    if kind == "system":
        return true()
    credential = bindparam("g_credential", type_=Uuid())
    shared = [
        MembershipRow.organization_id == ORG,
        MembershipRow.is_active,
        MembershipRow.epoch == bindparam("g_epoch", type_=BigInteger()),
        RoleRow.organization_id == ORG,
        RoleRow.id == MembershipRow.role_id,
        RoleRow.version == bindparam("g_role_version", type_=BigInteger()),
        OrganizationRow.id == ORG,
        OrganizationRow.version == bindparam("g_org_version", type_=BigInteger()),
    ]
    if kind == "user":
        own = [
            SessionRow.organization_id == ORG,
            SessionRow.id == credential,
            SessionRow.ended_at.is_(None),
            MembershipRow.id == SessionRow.membership_id,
            UserRow.id == MembershipRow.user_id,
            UserRow.credential_epoch == bindparam("g_credential_epoch", type_=BigInteger()),
        ]
    elif kind == "member":
        own = [MembershipRow.id == credential]
    else:
        own = [
            ApiKeyRow.organization_id == ORG,
            ApiKeyRow.id == credential,
            ApiKeyRow.revoked_at.is_(None),
            or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > func.now()),
            MembershipRow.id == ApiKeyRow.membership_id,
        ]
    return exists(select(MembershipRow.id).where(and_(*own, *shared)))


def guard_values(actor: Actor) -> dict[str, Any]:
    """The parameters of the guard, `org`, and `me` (whose rows are one's own)."""
    stamps = actor.stamps
    return {
        "org": actor.organization_id,
        "me": actor.id,
        "g_credential": stamps.credential_id,
        "g_epoch": stamps.membership_epoch,
        "g_credential_epoch": stamps.credential_epoch,
        "g_role_version": stamps.role_version,
        "g_org_version": stamps.organization_version,
    }


@lru_cache(maxsize=8)
def _probe(kind: GuardKind) -> Statement:
    return Statement(select(guard(kind).label("ok")))


async def verify_actor(db: Database, actor: Actor) -> None:
    """Ask the guard alone, before a refusal that no statement has decided.

    Raises:
        StaleActor: what we knew of the principal no longer holds.
    """
    row = await db.fetchrow(actor.organization_id, _probe(guard_kind(actor)), guard_values(actor))
    require_ok(row)


def require_ok(row: Mapping[str, Any] | None) -> None:
    if row is None or not row["ok"]:
        raise StaleActor
