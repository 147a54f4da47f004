"""The change log, its head, and the idempotency records that commit with each effect."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    CheckConstraint,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from crm_api.models.base import Base, Tenant


class HeadRow(Tenant, Base):
    """One row for each organization: its counters, and the end of its chain.

    Every write locks it first, which makes positions gapless and in the order of the commits.
    """

    __tablename__ = "heads"

    position: Mapped[int] = mapped_column(BigInteger)
    last_at: Mapped[datetime]
    last_hash: Mapped[bytes] = mapped_column(LargeBinary)
    client_number: Mapped[int] = mapped_column(BigInteger)


class ChangeRow(Tenant, Base):
    """One change of one resource. Append-only: the application role may not update or delete.

    `changes` holds the values and `salts` 16 bytes for each field; both may be emptied by an
    erasure. `digests` (32 bytes for each field) and the block's hash stay, so the fact stays
    provable. The format is written down in docs/adr and cannot change.
    """

    __tablename__ = "changes"

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    id: Mapped[UUID]
    at: Mapped[datetime]
    actor_type: Mapped[str]
    actor_id: Mapped[UUID]
    request_id: Mapped[str]
    address: Mapped[str | None]
    user_agent: Mapped[str | None]
    resource: Mapped[str]
    resource_id: Mapped[UUID]
    version: Mapped[int]
    action: Mapped[str]
    fields: Mapped[list[str]] = mapped_column(ARRAY(Text))
    changes: Mapped[list[object] | None] = mapped_column(JSONB)
    """[field, before, after] of each field."""
    salts: Mapped[bytes | None] = mapped_column(LargeBinary)
    digests: Mapped[bytes] = mapped_column(LargeBinary)
    block_start: Mapped[int] = mapped_column(BigInteger)
    """The first position of the write that this change belongs to."""
    block_hash: Mapped[bytes] = mapped_column(LargeBinary)

    __table_args__ = (
        UniqueConstraint("organization_id", "id", name="uq_changes_id"),
        Index("ix_changes_resource", "organization_id", "resource", "resource_id", "position"),
        # What a timeline tells of the client's own changes.
        Index(
            "ix_changes_of_client",
            "organization_id",
            "resource_id",
            "at",
            "id",
            postgresql_where=text(
                "resource = 'client'::text AND action <> 'client.activity_moved'::text"
            ),
        ),
        # Whom a client no longer knows: links of the past are found by it.
        Index(
            "ix_changes_unlinked",
            "organization_id",
            "position",
            postgresql_where=text("action = 'client.contact_unlinked'::text"),
        ),
        CheckConstraint("length(digests) = 32 * cardinality(fields)", name="one_digest_a_field"),
    )


class IdempotencyRow(Tenant, Base):
    """The stored reply of a request with an Idempotency-Key; kept for 24 hours."""

    __tablename__ = "idempotency_records"

    principal_id: Mapped[UUID] = mapped_column(primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[bytes] = mapped_column(LargeBinary)
    status: Mapped[int] = mapped_column(SmallInteger)
    resource: Mapped[str]
    resource_id: Mapped[UUID | None]
    reply: Mapped[object] = mapped_column(JSON)
    """The text as it was answered: its ETag is a digest of these very bytes."""
    created_at: Mapped[datetime]

    __table_args__ = (Index("ix_idempotency_records_created_at", "organization_id", "created_at"),)
