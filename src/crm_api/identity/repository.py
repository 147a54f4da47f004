"""How users, roles and API keys are read and written. Sign-in has its own: `statements`."""

import json
from functools import lru_cache
from typing import Any
from typing import cast as typed

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    FromClause,
    Integer,
    LargeBinary,
    Select,
    Table,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crm_api.core.access import ROLES, Rights
from crm_api.core.db import Statement
from crm_api.identity.schemas import ApiKey, Role, User
from crm_api.identity.scopes import held_by_role
from crm_api.kit.fields import mask_of
from crm_api.kit.guard import ORG, GuardKind, guard
from crm_api.kit.listing import Listing, compare
from crm_api.kit.projection import Shape, Sources, as_json
from crm_api.models import (
    ApiKeyRow,
    InvitationRow,
    MembershipIndexRow,
    MembershipRow,
    OrganizationRow,
    RoleRow,
    SessionRow,
    UserRow,
)

_ID = bindparam("id", type_=Uuid())
_LIVE = literal("live", Text()).label("lifecycle")


def view(name: str, first: Select[*tuple[Any, ...]], *more: Select[*tuple[Any, ...]]) -> Table:
    """Rows of several tables under the names of the wire, for the kit's reads.

    Each part is a select of one organization's rows; the columns `organization_id`, `id` and
    `lifecycle` are what the kit asks of every resource.
    """
    rows = union_all(first, *more) if more else first
    # To the kit it is a table: a name and columns.
    return typed("Table", rows.subquery(name))


# --------------------------------------------------------------------------------------- users

_last_sign_in = (
    select(func.max(SessionRow.created_at))
    .where(
        SessionRow.organization_id == ORG,
        SessionRow.membership_id == MembershipRow.id,
    )
    .correlate(MembershipRow)
    .scalar_subquery()
)
_OPEN = [
    InvitationRow.organization_id == ORG,
    InvitationRow.accepted_at.is_(None),
    InvitationRow.expires_at > func.now(),
]
_members = select(
    MembershipRow.organization_id,
    MembershipRow.id,
    _LIVE,
    UserRow.name,
    RoleRow.name.label("role"),
    MembershipRow.is_active.label("active"),
    UserRow.email,
    UserRow.email_key,
    case((MembershipRow.is_active, "active"), else_="disabled").label("state"),
    MembershipRow.created_at,
    _last_sign_in.label("last_signed_in_at"),
).where(
    MembershipRow.organization_id == ORG,
    UserRow.id == MembershipRow.user_id,
    RoleRow.organization_id == ORG,
    RoleRow.id == MembershipRow.role_id,
)
_invited = select(
    InvitationRow.organization_id,
    InvitationRow.id,
    _LIVE,
    InvitationRow.name,
    RoleRow.name.label("role"),
    literal(False, Boolean()).label("active"),
    InvitationRow.email,
    InvitationRow.email_key,
    literal("invited", Text()).label("state"),
    InvitationRow.created_at,
    cast(null(), DateTime(timezone=True)).label("last_signed_in_at"),
).where(*_OPEN, RoleRow.organization_id == ORG, RoleRow.id == InvitationRow.role_id)

USER_SHAPE = Shape(User, view("directory", _members, _invited))


def lower_name(main: FromClause, _descending: bool) -> ColumnElement[Any]:
    return func.lower(main.c.name, type_=Text())


def _email_filter(main: FromClause, op: str, place: tuple[int, bool]) -> ColumnElement[bool]:
    n, many = place
    return compare(main.c.email_key, op, n, many=many)


USER_LISTING = Listing(USER_SHAPE, {"email": _email_filter}, {"name": lower_name})

MEMBER = Statement(
    select(
        MembershipRow.id,
        MembershipRow.user_id,
        MembershipRow.is_active,
        MembershipRow.version,
        RoleRow.name.label("role_name"),
        RoleRow.is_builtin.label("role_is_builtin"),
        RoleRow.scopes.label("role_scopes"),
    ).where(
        MembershipRow.organization_id == ORG,
        MembershipRow.id == _ID,
        RoleRow.organization_id == ORG,
        RoleRow.id == MembershipRow.role_id,
    )
)
OTHER_ADMINS = Statement(
    select(func.count().label("count"))
    .select_from(MembershipRow)
    .where(
        MembershipRow.organization_id == ORG,
        MembershipRow.id != _ID,
        MembershipRow.is_active,
        RoleRow.organization_id == ORG,
        RoleRow.id == MembershipRow.role_id,
        RoleRow.is_builtin,
        RoleRow.name == bindparam("role", type_=Text()),
    )
)
BELONGS_ELSEWHERE = Statement(
    select(
        exists(
            select(MembershipIndexRow.user_id).where(
                MembershipIndexRow.user_id == bindparam("user_id", type_=Uuid()),
                MembershipIndexRow.organization_id != ORG,
            )
        ).label("elsewhere")
    )
)
RENAME_PERSON = Statement(
    update(UserRow)
    .where(UserRow.id == bindparam("user_id", type_=Uuid()))
    .values(name=bindparam("name", type_=Text()))
)
CHANGE_MEMBER = Statement(
    update(MembershipRow)
    .where(MembershipRow.organization_id == ORG, MembershipRow.id == _ID)
    .values(
        role_id=func.coalesce(bindparam("role_id", type_=Uuid()), MembershipRow.role_id),
        is_active=func.coalesce(bindparam("active", type_=Boolean()), MembershipRow.is_active),
        # Only what bears on the rights makes the cached actors stale.
        epoch=MembershipRow.epoch + bindparam("epoch_step", type_=BigInteger()),
        version=MembershipRow.version + 1,
    )
    .returning(MembershipRow.version)
)
MEMBER_WITH_EMAIL = Statement(
    select(MembershipRow.id).where(
        MembershipRow.organization_id == ORG,
        MembershipRow.user_id == UserRow.id,
        UserRow.email_key == bindparam("email_key", type_=Text()),
    )
)
WITHDRAW_INVITATION = Statement(
    update(InvitationRow).where(*_OPEN, InvitationRow.id == _ID).values(expires_at=func.now())
)
WITHDRAW_INVITATIONS_OF = Statement(
    update(InvitationRow)
    .where(*_OPEN, InvitationRow.email_key == bindparam("email_key", type_=Text()))
    .values(expires_at=func.now())
    .returning(InvitationRow.id)
)
ADD_INVITATION = Statement(
    insert(InvitationRow)
    .values(
        organization_id=ORG,
        id=_ID,
        email=bindparam("email", type_=Text()),
        email_key=bindparam("email_key", type_=Text()),
        name=bindparam("name", type_=Text()),
        role_id=bindparam("role_id", type_=Uuid()),
        secret_digest=bindparam("digest", type_=LargeBinary()),
        invited_by=bindparam("invited_by", type_=Uuid()),
        created_at=func.now(),
        expires_at=func.now()
        + func.make_interval(0, 0, 0, bindparam("lives_days", type_=Integer())),
    )
    .returning(InvitationRow.expires_at)
)


@lru_cache(maxsize=8)
def me(kind: GuardKind) -> Statement:
    """The caller's e-mail address (null for a key) and organization, with the guard."""
    email = (
        select(UserRow.email)
        .where(UserRow.id == bindparam("user_id", type_=Uuid()))
        .scalar_subquery()
    )
    return Statement(
        select(
            guard(kind).label("ok"),
            email.label("email"),
            OrganizationRow.name.label("organization_name"),
        ).where(OrganizationRow.id == ORG)
    )


ORGANIZATION_VERSION = Statement(select(OrganizationRow.version).where(OrganizationRow.id == ORG))

# --------------------------------------------------------------------------------------- roles

_roles = view(
    "named_roles",
    select(
        RoleRow.organization_id,
        RoleRow.id,
        _LIVE,
        RoleRow.name,
        RoleRow.scopes,
        RoleRow.is_builtin.label("builtin"),
        RoleRow.version,
    ).where(RoleRow.organization_id == ORG),
)


def _role_scopes(sources: Sources, _: Rights) -> ColumnElement[Any]:
    """Those of the built-in roles are what this release declares, not what was once stored."""
    main = sources.main
    declared = json.dumps({role: sorted(held_by_role(role)) for role in ROLES})
    return case(
        (main.c.builtin, cast(literal(declared, Text()), JSONB)[main.c.name]),
        else_=func.to_jsonb(main.c.scopes),
    )


ROLE_SHAPE = Shape(Role, _roles, {"scopes": _role_scopes})
ROLE_LISTING = Listing(ROLE_SHAPE, {}, {"name": lower_name})

_ROLE_COLUMNS = (
    RoleRow.id,
    RoleRow.name.label("role_name"),
    RoleRow.is_builtin.label("role_is_builtin"),
    RoleRow.scopes.label("role_scopes"),
    RoleRow.version,
)
ROLE_BY_NAME = Statement(
    select(*_ROLE_COLUMNS).where(
        RoleRow.organization_id == ORG, RoleRow.name == bindparam("name", type_=Text())
    )
)
# Names that differ in case alone would be told apart by nobody.
ROLE_LIKE = Statement(
    select(RoleRow.id).where(
        RoleRow.organization_id == ORG,
        RoleRow.id != _ID,
        func.lower(RoleRow.name) == func.lower(bindparam("name", type_=Text())),
    )
)
ADD_ROLE = Statement(
    insert(RoleRow).values(
        organization_id=ORG,
        id=_ID,
        name=bindparam("name", type_=Text()),
        is_builtin=bindparam("builtin", type_=Boolean()),
        scopes=bindparam("scopes", type_=ARRAY(Text())),
        version=1,
    )
)
CHANGE_ROLE = Statement(
    update(RoleRow)
    .where(RoleRow.organization_id == ORG, RoleRow.id == _ID)
    .values(
        name=bindparam("name", type_=Text()),
        scopes=bindparam("scopes", type_=ARRAY(Text())),
        version=RoleRow.version + 1,
    )
    .returning(RoleRow.version)
)
ROLE_VERSION = Statement(
    select(RoleRow.version).where(RoleRow.organization_id == ORG, RoleRow.id == _ID)
)
# What is left of closed invitations would hold the role for ever; the change log has them.
REMOVE_CLOSED_INVITATIONS = Statement(
    delete(InvitationRow).where(
        InvitationRow.organization_id == ORG,
        InvitationRow.role_id == _ID,
        or_(InvitationRow.accepted_at.is_not(None), InvitationRow.expires_at <= func.now()),
    )
)
REMOVE_ROLE = Statement(
    delete(RoleRow)
    .where(RoleRow.organization_id == ORG, RoleRow.id == _ID)
    .returning(RoleRow.version)
)

# ---------------------------------------------------------------------------------------- keys

KEY_SHAPE = Shape(
    ApiKey,
    view(
        "keys",
        select(
            ApiKeyRow.organization_id,
            ApiKeyRow.id,
            _LIVE,
            ApiKeyRow.name,
            ApiKeyRow.scopes,
            ApiKeyRow.membership_id.label("created_by"),
            ApiKeyRow.created_at,
            ApiKeyRow.expires_at,
            # To the minute, so that the ETag of a busy key does not move with each request.
            func.date_trunc("minute", ApiKeyRow.last_used_at, type_=DateTime(timezone=True)).label(
                "last_used_at"
            ),
        ).where(ApiKeyRow.organization_id == ORG, ApiKeyRow.revoked_at.is_(None)),
    ),
)
KEY_LISTING = Listing(KEY_SHAPE, {}, {"name": lower_name})
ADD_KEY = Statement(
    insert(ApiKeyRow).values(
        organization_id=ORG,
        id=_ID,
        name=bindparam("name", type_=Text()),
        scopes=bindparam("scopes", type_=ARRAY(Text())),
        secret_digest=bindparam("digest", type_=LargeBinary()),
        membership_id=bindparam("membership_id", type_=Uuid()),
        created_at=func.now(),
        expires_at=bindparam("expires_at", type_=DateTime(timezone=True)),
    )
)
REVOKE_KEY = Statement(
    update(ApiKeyRow)
    .where(ApiKeyRow.organization_id == ORG, ApiKeyRow.id == _ID, ApiKeyRow.revoked_at.is_(None))
    .values(revoked_at=func.now())
    .returning(ApiKeyRow.id)
)
CREATOR_OF_KEY = Statement(
    select(ApiKeyRow.membership_id).where(ApiKeyRow.organization_id == ORG, ApiKeyRow.id == _ID)
)

# ------------------------------------------------------------------------- inside a cold write


@lru_cache(maxsize=512)
def representation(shape: Shape, rights: Rights) -> Statement:
    """One record as these rights see it, without the guard, which the write has asked before."""
    names = mask_of(shape.resource, rights).read
    rows = shape.table
    return Statement(
        as_json(
            select(*shape.columns(Sources(rows), rights, names))
            .select_from(rows)
            .where(rows.c.organization_id == ORG, rows.c.id == _ID)
        )
    )
