"""Organizations, people, memberships, roles, sessions, keys."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    ForeignKey,
    Index,
    LargeBinary,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from crm_api.models.base import Base, Json, TenantRow, belongs_to


class OrganizationRow(Base):
    """The tenant. Global: sign-in must find it before any organization is set."""

    __tablename__ = "organizations"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    presets: Mapped[list[str]] = mapped_column(ARRAY(Text))
    time_zone: Mapped[str]
    default_country: Mapped[str | None]
    currency: Mapped[str]
    version: Mapped[int] = mapped_column(default=1)
    """Moves with each change of settings; every request's guard compares it."""
    is_demo: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime]


class UserRow(Base):
    """A person, who may belong to several organizations. Global, as its e-mail is unique."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str]
    email_key: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    password_hash: Mapped[str | None]
    credential_epoch: Mapped[int] = mapped_column(default=1)
    """Moves with each change of password: every older token is dead, in every organization."""
    created_at: Mapped[datetime]


class MembershipIndexRow(Base):
    """Which organizations a person belongs to, for sign-in. Global; says nothing else."""

    __tablename__ = "memberships_index"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"), primary_key=True)
    organization_id: Mapped[UUID] = mapped_column(ForeignKey("organizations.id"), primary_key=True)


class SignInThrottleRow(Base):
    """Failed sign-ins per account and per address, as digests. A control record; global."""

    __tablename__ = "sign_in_throttles"

    subject: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    failures: Mapped[int]
    window_started_at: Mapped[datetime]
    blocked_until: Mapped[datetime | None]


class RoleRow(TenantRow, Base):
    """A named set of scopes. The built-in ones take theirs from the declarations of the code."""

    __tablename__ = "roles"

    name: Mapped[str]
    is_builtin: Mapped[bool]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    version: Mapped[int] = mapped_column(default=1)

    __table_args__ = (UniqueConstraint("organization_id", "name"),)


class MembershipRow(TenantRow, Base):
    """A person in an organization, with a role."""

    __tablename__ = "memberships"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    role_id: Mapped[UUID]
    is_active: Mapped[bool] = mapped_column(default=True)
    epoch: Mapped[int] = mapped_column(default=1)
    """Moves with each change of role or state."""
    version: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[datetime]

    __table_args__ = (
        UniqueConstraint("organization_id", "user_id"),
        belongs_to("role_id", "roles", name="fk_memberships_role"),
    )


class InvitationRow(TenantRow, Base):
    """A one-time invitation of an e-mail address to a role."""

    __tablename__ = "invitations"

    email: Mapped[str]
    email_key: Mapped[str]
    name: Mapped[str]
    role_id: Mapped[UUID]
    secret_digest: Mapped[bytes] = mapped_column(LargeBinary)
    invited_by: Mapped[UUID]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]

    __table_args__ = (belongs_to("role_id", "roles", name="fk_invitations_role"),)


class SessionRow(TenantRow, Base):
    """One sign-in: a family of refresh tokens, and what every access token is checked against."""

    __tablename__ = "sessions"

    membership_id: Mapped[UUID]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]

    __table_args__ = (
        belongs_to("membership_id", "memberships", name="fk_sessions_membership"),
        Index("ix_sessions_membership", "organization_id", "membership_id"),
    )


class RefreshTokenRow(TenantRow, Base):
    """One refresh token of a session; only its digest is kept."""

    __tablename__ = "refresh_tokens"

    session_id: Mapped[UUID]
    secret_digest: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    rotated_at: Mapped[datetime | None]

    __table_args__ = (
        belongs_to("session_id", "sessions", name="fk_refresh_tokens_session"),
        Index("ix_refresh_tokens_session", "organization_id", "session_id"),
    )


class ApiKeyRow(TenantRow, Base):
    """An integration's credential: scopes that never exceed its creator's live rights."""

    __tablename__ = "api_keys"

    name: Mapped[str]
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    secret_digest: Mapped[bytes] = mapped_column(LargeBinary)
    membership_id: Mapped[UUID]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]

    __table_args__ = (belongs_to("membership_id", "memberships", name="fk_api_keys_membership"),)


class SecurityEventRow(TenantRow, Base):
    """What an administrator must be able to see later: a killed token family, a reused token."""

    __tablename__ = "security_events"

    at: Mapped[datetime]
    kind: Mapped[str]
    membership_id: Mapped[UUID | None]
    detail: Mapped[Json]

    __table_args__ = (CheckConstraint("length(kind) <= 64", name="kind_length"),)
