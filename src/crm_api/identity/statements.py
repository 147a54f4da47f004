"""The statements of sign-in: principals, sessions, refresh tokens, invitations, throttles."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.orm import aliased

from crm_api.core.db import Statement
from crm_api.kit.guard import ORG
from crm_api.models import (
    ApiKeyRow,
    InvitationRow,
    MembershipIndexRow,
    MembershipRow,
    OrganizationRow,
    RefreshTokenRow,
    RoleRow,
    SecurityEventRow,
    SessionRow,
    SignInThrottleRow,
    UserRow,
)

REUSE_SECONDS = 10
"""A refresh token that was rotated this long ago at most is a second tab or a lost reply."""

_ID = bindparam("id", type_=Uuid())
_USER = bindparam("user_id", type_=Uuid())
_MEMBERSHIP = bindparam("membership_id", type_=Uuid())
_SESSION = bindparam("session_id", type_=Uuid())
_EPOCH = bindparam("credential_epoch", type_=BigInteger())


def _principal() -> list[Any]:
    """What every principal's row holds: membership, person, role, organization."""
    return [
        MembershipRow.id.label("membership_id"),
        MembershipRow.epoch,
        UserRow.id.label("user_id"),
        UserRow.name,
        UserRow.credential_epoch,
        RoleRow.id.label("role_id"),
        RoleRow.name.label("role_name"),
        RoleRow.is_builtin.label("role_is_builtin"),
        RoleRow.scopes.label("role_scopes"),
        RoleRow.version.label("role_version"),
        OrganizationRow.id.label("organization_id"),
        OrganizationRow.slug,
        OrganizationRow.presets,
        OrganizationRow.time_zone,
        OrganizationRow.default_country,
        OrganizationRow.currency,
        OrganizationRow.version.label("organization_version"),
    ]


_MEMBER = and_(
    MembershipRow.organization_id == ORG,
    UserRow.id == MembershipRow.user_id,
    RoleRow.organization_id == ORG,
    RoleRow.id == MembershipRow.role_id,
    OrganizationRow.id == ORG,
)

SESSION_PRINCIPAL = Statement(
    select(SessionRow.id.label("session_id"), *_principal()).where(
        SessionRow.organization_id == ORG,
        SessionRow.id == _ID,
        SessionRow.ended_at.is_(None),
        MembershipRow.id == SessionRow.membership_id,
        MembershipRow.is_active,
        _MEMBER,
    )
)
MEMBER_PRINCIPAL = Statement(
    select(*_principal()).where(
        MembershipRow.id == _ID,
        MembershipRow.is_active,
        _MEMBER,
    )
)
KEY_PRINCIPAL = Statement(
    select(
        ApiKeyRow.id.label("key_id"),
        ApiKeyRow.name.label("key_name"),
        ApiKeyRow.scopes.label("key_scopes"),
        ApiKeyRow.secret_digest,
        *_principal(),
    ).where(
        ApiKeyRow.organization_id == ORG,
        ApiKeyRow.id == _ID,
        ApiKeyRow.revoked_at.is_(None),
        or_(ApiKeyRow.expires_at.is_(None), ApiKeyRow.expires_at > func.now()),
        MembershipRow.id == ApiKeyRow.membership_id,
        MembershipRow.is_active,
        _MEMBER,
    )
)
TOUCH_KEY = Statement(
    update(ApiKeyRow)
    .where(
        ApiKeyRow.organization_id == ORG,
        ApiKeyRow.id == _ID,
        or_(
            ApiKeyRow.last_used_at.is_(None),
            ApiKeyRow.last_used_at < func.now() - text("interval '1 minute'"),
        ),
    )
    .values(last_used_at=func.now())
)

# ------------------------------------------------------------------------------------- people

_PERSON = (
    UserRow.id,
    UserRow.email,
    UserRow.email_key,
    UserRow.name,
    UserRow.password_hash,
    UserRow.credential_epoch,
)
PERSON_BY_EMAIL = Statement(
    select(*_PERSON).where(UserRow.email_key == bindparam("email_key", type_=Text()))
)
PERSON_BY_ID = Statement(select(*_PERSON).where(UserRow.id == _USER))
ORGANIZATIONS_OF_PERSON = Statement(
    select(OrganizationRow.id, OrganizationRow.slug)
    .join(MembershipIndexRow, MembershipIndexRow.organization_id == OrganizationRow.id)
    .where(MembershipIndexRow.user_id == _USER)
    .order_by(OrganizationRow.slug)
)
ADD_PERSON = Statement(
    pg_insert(UserRow)
    .values(
        id=_USER,
        email=bindparam("email", type_=Text()),
        email_key=bindparam("email_key", type_=Text()),
        name=bindparam("name", type_=Text()),
        password_hash=bindparam("password_hash", type_=Text()),
        credential_epoch=1,
        created_at=func.now(),
    )
    .on_conflict_do_nothing(index_elements=[UserRow.email_key])
    .returning(UserRow.id)
)
STORE_REHASH = Statement(
    update(UserRow)
    .where(UserRow.id == _USER, UserRow.password_hash == bindparam("stored", type_=Text()))
    .values(password_hash=bindparam("password_hash", type_=Text()))
)
CHANGE_PASSWORD = Statement(
    update(UserRow)
    .where(UserRow.id == _USER, UserRow.credential_epoch == _EPOCH)
    .values(
        password_hash=bindparam("password_hash", type_=Text()),
        credential_epoch=UserRow.credential_epoch + 1,
    )
    .returning(UserRow.credential_epoch)
)

# ------------------------------------------------------------------------------------ sessions

# The rows are locked against a change of state or of password that runs at the same time: either
# that comes first and this finds nothing, or it comes later and ends the new session.
MEMBER_SIGNING_IN = Statement(
    select(*_principal())
    .where(
        _MEMBER,
        MembershipRow.user_id == _USER,
        MembershipRow.is_active,
        UserRow.credential_epoch == _EPOCH,
    )
    .with_for_update(read=True, of=[UserRow, MembershipRow])
)
ADD_SESSION = Statement(
    insert(SessionRow).values(
        organization_id=ORG, id=_SESSION, membership_id=_MEMBERSHIP, created_at=func.now()
    )
)
ADD_REFRESH_TOKEN = Statement(
    insert(RefreshTokenRow).values(
        organization_id=ORG,
        id=_ID,
        session_id=_SESSION,
        secret_digest=bindparam("digest", type_=LargeBinary()),
        created_at=func.now(),
        expires_at=func.now()
        + func.make_interval(0, 0, 0, bindparam("lives_days", type_=Integer())),
    )
)
REFRESHING = Statement(
    select(
        RefreshTokenRow.secret_digest,
        RefreshTokenRow.rotated_at.is_not(None).label("rotated"),
        (
            RefreshTokenRow.rotated_at > func.now() - text(f"interval '{REUSE_SECONDS} seconds'")
        ).label("just_rotated"),
        SessionRow.id.label("session_id"),
        *_principal(),
    ).where(
        RefreshTokenRow.organization_id == ORG,
        RefreshTokenRow.id == _ID,
        RefreshTokenRow.expires_at > func.now(),
        SessionRow.organization_id == ORG,
        SessionRow.id == RefreshTokenRow.session_id,
        SessionRow.ended_at.is_(None),
        MembershipRow.id == SessionRow.membership_id,
        MembershipRow.is_active,
        _MEMBER,
    )
)
ROTATE = Statement(
    update(RefreshTokenRow)
    .where(
        RefreshTokenRow.organization_id == ORG,
        RefreshTokenRow.id == _ID,
        RefreshTokenRow.rotated_at.is_(None),
    )
    .values(rotated_at=func.now())
    .returning(RefreshTokenRow.id)
)


def _end(*which: ColumnElement[bool]) -> Statement:
    return Statement(
        update(SessionRow)
        .where(SessionRow.organization_id == ORG, SessionRow.ended_at.is_(None), *which)
        .values(ended_at=func.now(), end_reason=bindparam("reason", type_=Text()))
        .returning(SessionRow.id)
    )


END_SESSION = _end(SessionRow.id == _SESSION)
END_SESSIONS_OF_MEMBER = _end(SessionRow.membership_id == _MEMBERSHIP)
ADD_SECURITY_EVENT = Statement(
    insert(SecurityEventRow).values(
        organization_id=ORG,
        id=_ID,
        at=func.now(),
        kind=bindparam("kind", type_=Text()),
        membership_id=_MEMBERSHIP,
        detail=cast(bindparam("detail", type_=Text()), JSONB),
    )
)

_LIMIT_ROWS = bindparam("limit", type_=Integer())
_LONG_ENDED = SessionRow.ended_at < func.now() - text("interval '30 days'")
_dead_tokens = (
    select(RefreshTokenRow.id)
    .join(
        SessionRow,
        and_(
            SessionRow.organization_id == RefreshTokenRow.organization_id,
            SessionRow.id == RefreshTokenRow.session_id,
        ),
    )
    .where(
        RefreshTokenRow.organization_id == ORG,
        SessionRow.organization_id == ORG,
        or_(RefreshTokenRow.expires_at < func.now() - text("interval '1 day'"), _LONG_ENDED),
    )
    .limit(_LIMIT_ROWS)
    .with_for_update(skip_locked=True, of=RefreshTokenRow)
)
REMOVE_DEAD_TOKENS = Statement(
    delete(RefreshTokenRow)
    .where(RefreshTokenRow.organization_id == ORG, RefreshTokenRow.id.in_(_dead_tokens))
    .returning(RefreshTokenRow.id)
)
_Later = aliased(SessionRow, name="later")
_dead_sessions = (
    select(SessionRow.id)
    .where(
        SessionRow.organization_id == ORG,
        # A session that just begins gets its first token in the same transaction.
        or_(_LONG_ENDED, SessionRow.created_at < func.now() - text("interval '1 day'")),
        ~exists(
            select(RefreshTokenRow.id).where(
                RefreshTokenRow.organization_id == ORG,
                RefreshTokenRow.session_id == SessionRow.id,
            )
        ),
        # The last one tells when the person signed in last.
        exists(
            select(_Later.id).where(
                _Later.organization_id == ORG,
                _Later.membership_id == SessionRow.membership_id,
                _Later.created_at > SessionRow.created_at,
            )
        ),
    )
    .limit(_LIMIT_ROWS)
    .with_for_update(skip_locked=True)
)
REMOVE_DEAD_SESSIONS = Statement(
    delete(SessionRow)
    .where(SessionRow.organization_id == ORG, SessionRow.id.in_(_dead_sessions))
    .returning(SessionRow.id)
)

# --------------------------------------------------------------------------------- invitations

_InviterRole = aliased(RoleRow, name="inviter_role")
# One that was sent by somebody who is disabled since is no longer open.
OPEN_INVITATION = Statement(
    select(
        InvitationRow.id,
        InvitationRow.email,
        InvitationRow.email_key,
        InvitationRow.name,
        InvitationRow.role_id,
        InvitationRow.secret_digest,
        RoleRow.name.label("role_name"),
        RoleRow.is_builtin.label("role_is_builtin"),
        RoleRow.scopes.label("role_scopes"),
        _InviterRole.name.label("inviter_role_name"),
        _InviterRole.is_builtin.label("inviter_role_is_builtin"),
        _InviterRole.scopes.label("inviter_role_scopes"),
        OrganizationRow.slug,
        OrganizationRow.name.label("organization_name"),
    ).where(
        InvitationRow.organization_id == ORG,
        InvitationRow.id == _ID,
        InvitationRow.accepted_at.is_(None),
        InvitationRow.expires_at > func.now(),
        RoleRow.organization_id == ORG,
        RoleRow.id == InvitationRow.role_id,
        MembershipRow.organization_id == ORG,
        MembershipRow.id == InvitationRow.invited_by,
        MembershipRow.is_active,
        _InviterRole.organization_id == ORG,
        _InviterRole.id == MembershipRow.role_id,
        OrganizationRow.id == ORG,
    )
)
TAKE_INVITATION = Statement(
    update(InvitationRow)
    .where(
        InvitationRow.organization_id == ORG,
        InvitationRow.id == _ID,
        InvitationRow.accepted_at.is_(None),
        InvitationRow.expires_at > func.now(),
    )
    .values(accepted_at=func.now())
    .returning(InvitationRow.role_id)
)
ADD_MEMBERSHIP = Statement(
    insert(MembershipRow).values(
        organization_id=ORG,
        id=_MEMBERSHIP,
        user_id=_USER,
        role_id=bindparam("role_id", type_=Uuid()),
        is_active=True,
        epoch=1,
        version=1,
        created_at=func.now(),
    )
)
ADD_TO_INDEX = Statement(
    pg_insert(MembershipIndexRow)
    .values(user_id=_USER, organization_id=ORG)
    .on_conflict_do_nothing()
)
REMOVE_FROM_INDEX = Statement(
    delete(MembershipIndexRow).where(
        MembershipIndexRow.user_id == _USER, MembershipIndexRow.organization_id == ORG
    )
)

# ----------------------------------------------------------------------------------- throttles

_SUBJECT = bindparam("subject", type_=LargeBinary())
_LIMIT = bindparam("limit", type_=Integer())
_WINDOW = text("interval '15 minutes'")
_OLD = (
    func.greatest(SignInThrottleRow.window_started_at, SignInThrottleRow.blocked_until)
    < func.now() - _WINDOW
)
_FAILURES = case((_OLD, 1), else_=SignInThrottleRow.failures + 1)
# 30 seconds at the limit, twice as long with each further failure, an hour at most.
_PAUSE = func.make_interval(
    0,
    0,
    0,
    0,
    0,
    0,
    func.least(3600, 30 * func.power(2, func.least(_FAILURES - _LIMIT, 20))),
)

BLOCKED_SECONDS = Statement(
    select(
        cast(
            func.ceil(
                func.extract("epoch", func.max(SignInThrottleRow.blocked_until) - func.now())
            ),
            Integer,
        ).label("seconds")
    ).where(
        SignInThrottleRow.subject.in_(
            [bindparam("account", type_=LargeBinary()), bindparam("address", type_=LargeBinary())]
        ),
        SignInThrottleRow.blocked_until > func.now(),
    )
)
COUNT_FAILURE = Statement(
    pg_insert(SignInThrottleRow)
    .values(subject=_SUBJECT, failures=1, window_started_at=func.now(), blocked_until=None)
    .on_conflict_do_update(
        index_elements=[SignInThrottleRow.subject],
        set_={
            "failures": _FAILURES,
            "window_started_at": case(
                (_OLD, func.now()), else_=SignInThrottleRow.window_started_at
            ),
            "blocked_until": case((_FAILURES >= _LIMIT, func.now() + _PAUSE), else_=None),
        },
    )
)
FORGET_FAILURES = Statement(delete(SignInThrottleRow).where(SignInThrottleRow.subject == _SUBJECT))
FORGET_OLD_FAILURES = Statement(delete(SignInThrottleRow).where(_OLD))
