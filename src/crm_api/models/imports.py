"""Imports: a list that was sent, its rows as they were read, and what became of each."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from crm_api.models.base import Base, Json, Tenant, TenantRow, belongs_to


class ImportRow(TenantRow, Base):
    """One list on its way in: how it is read, and what is to become of its rows."""

    __tablename__ = "imports"

    version: Mapped[int]
    lifecycle: Mapped[str]
    file_name: Mapped[str]
    format: Mapped[str]
    encoding: Mapped[str | None]
    delimiter: Mapped[str | None]
    sheet: Mapped[str | None]
    row_count: Mapped[int]
    empty_count: Mapped[int]
    columns: Mapped[Json]
    """Position, title and target of each column."""
    mapping: Mapped[Json]
    """What a person decided over the suggestions: column → target."""
    mode: Mapped[str]
    match_by: Mapped[str | None]
    on_duplicate: Mapped[str]
    default_country: Mapped[str | None]
    source: Mapped[str]
    phase: Mapped[str]
    """What was last asked for; how far that is, its operation says."""
    operation_id: Mapped[UUID | None]
    summary: Mapped[Json | None] = mapped_column(nullable=True)
    created_by: Mapped[UUID]
    created_at: Mapped[datetime]

    __table_args__ = (
        CheckConstraint("format IN ('csv', 'xlsx')", name="format"),
        CheckConstraint("mode IN ('create', 'update', 'upsert')", name="mode"),
        CheckConstraint("match_by IN ('number', 'email', 'external_ref')", name="match_by"),
        CheckConstraint("on_duplicate IN ('skip', 'update', 'report')", name="on_duplicate"),
        CheckConstraint("phase IN ('uploaded', 'check', 'import', 'revert')", name="phase"),
        Index("ix_imports_created_at", "organization_id", "lifecycle", "created_at", "id"),
    )


class ImportPartRow(Tenant, Base):
    """Some hundred rows of a list, as the process that read the file answered them.

    They are stored while the file is read, before there is an import: no key refers to it.
    """

    __tablename__ = "import_parts"

    import_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime]


class ImportRecordRow(Tenant, Base):
    """What became of one row of a list."""

    __tablename__ = "import_records"

    import_id: Mapped[UUID] = mapped_column(primary_key=True)
    row: Mapped[int] = mapped_column(primary_key=True)
    line: Mapped[int]
    outcome: Mapped[str]
    client_id: Mapped[UUID | None]
    client_version: Mapped[int | None]
    """The client's version after the import: with another one somebody has changed it since."""
    before: Mapped[Json | None] = mapped_column(nullable=True)
    """Of an updated client: field → its former value, for what the import changed."""
    findings: Mapped[Json | None] = mapped_column(nullable=True)
    reverted: Mapped[str | None]
    """Whether the row was taken back: `done`, or the code of why it was not."""

    __table_args__ = (
        belongs_to("import_id", "imports", name="fk_import_records_import"),
        CheckConstraint(
            "outcome IN ('created', 'updated', 'unchanged', 'skipped', 'duplicate', 'invalid')",
            name="outcome",
        ),
    )
