"""Files of clients, contacts and communications: what is known of them, never their bytes."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, LargeBinary, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from crm_api.models.base import Base, Tenant, TenantRow, belongs_to


class FileRow(TenantRow, Base):
    """A stored document or a link to one; its kind decides who reads it.

    What it says of its content is that of its latest version.
    """

    __tablename__ = "files"

    version: Mapped[int]
    lifecycle: Mapped[str]
    client_id: Mapped[UUID | None]
    """The client that it belongs to, also where it hangs on a communication with it."""
    contact_id: Mapped[UUID | None]
    communication_id: Mapped[UUID | None]
    kind: Mapped[str]
    name: Mapped[str]
    form: Mapped[str]
    url: Mapped[str | None]
    media_type: Mapped[str | None]
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[bytes | None] = mapped_column(LargeBinary)
    latest_version: Mapped[int]
    created_by: Mapped[UUID]
    created_by_type: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]
    """From then on it is counted when its bytes go."""

    __table_args__ = (
        belongs_to("client_id", "clients", name="fk_files_client"),
        belongs_to("contact_id", "contacts", name="fk_files_contact"),
        belongs_to("communication_id", "communications", name="fk_files_communication"),
        Index("ix_files_client", "organization_id", "client_id", "lifecycle", "created_at", "id"),
        Index("ix_files_contact", "organization_id", "contact_id", "lifecycle", "created_at", "id"),
        Index(
            "ix_files_communication",
            "organization_id",
            "communication_id",
            "lifecycle",
            "created_at",
            "id",
        ),
        Index("ix_files_created_at", "organization_id", "lifecycle", "created_at", "id"),
        Index(
            "ix_files_deleted_at",
            "organization_id",
            "deleted_at",
            postgresql_where=text("deleted_at IS NOT NULL"),
        ),
        CheckConstraint("lifecycle IN ('live', 'deleted')", name="lifecycle"),
        CheckConstraint("(lifecycle = 'deleted') = (deleted_at IS NOT NULL)", name="deleted_at"),
        CheckConstraint("num_nonnulls(client_id, contact_id, communication_id) > 0", name="place"),
        CheckConstraint("num_nonnulls(contact_id, communication_id) < 2", name="one_place"),
        CheckConstraint(
            "kind IN ('general', 'service', 'preference', 'special_requirement', 'escalation')",
            name="kind",
        ),
        CheckConstraint(
            "CASE form WHEN 'link' THEN url IS NOT NULL AND latest_version = 0 "
            "AND num_nonnulls(media_type, size_bytes, sha256) = 0 "
            "WHEN 'document' THEN url IS NULL AND latest_version > 0 "
            "AND num_nulls(media_type, size_bytes, sha256) = 0 ELSE false END",
            name="form",
        ),
        CheckConstraint("created_by_type IN ('user', 'api_key', 'system')", name="created_by_type"),
    )


class FileVersionRow(Tenant, Base):
    """One content of a file, as it was sent; it is never changed."""

    __tablename__ = "file_versions"

    file_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    object_id: Mapped[UUID]
    """Under which its bytes stand in the store: random, told to nobody."""
    kind: Mapped[str]
    """The kind of its file when it was kept: who reads it as a former one must read that too."""
    name: Mapped[str]
    media_type: Mapped[str]
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[bytes] = mapped_column(LargeBinary)
    created_by: Mapped[UUID]
    created_by_type: Mapped[str]
    created_at: Mapped[datetime]

    __table_args__ = (
        belongs_to("file_id", "files", name="fk_file_versions_file"),
        UniqueConstraint("organization_id", "object_id", name="uq_file_versions_object"),
        CheckConstraint("created_by_type IN ('user', 'api_key', 'system')", name="created_by_type"),
    )


class LooseObjectRow(TenantRow, Base):
    """Bytes in the store that no version owns: not yet, or not any more.

    It is committed before the bytes are written, and goes with the commit of their version: what a
    crash leaves behind is found here.
    """

    __tablename__ = "loose_objects"

    since: Mapped[datetime]

    __table_args__ = (Index("ix_loose_objects_since", "organization_id", "since"),)


class FileUsageRow(Tenant, Base):
    """How many bytes an organization's versions come to."""

    __tablename__ = "file_usage"

    used_bytes: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (CheckConstraint("used_bytes >= 0", name="used_bytes"),)
