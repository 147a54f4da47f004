"""Search: one narrow row for each record that is found by its texts, apart for each right.

The rows follow from other tables, in the statement that writes those (`kit.indexing`).
"""

from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Index, Integer, literal_column
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.orm import Mapped, mapped_column

from crm_api.models.base import Base, Tenant, belongs_to

_SHOWN_NUMBER = "'c-' || lpad(number::text, greatest(6, length(number::text)), '0')"
"""A client's number as people type it, in small letters."""


class SearchColumns:
    """What both have: texts of words with a space at either end of each, and how names are near."""

    lifecycle: Mapped[str]
    name: Mapped[str]
    near: Mapped[list[int]] = mapped_column(ARRAY(Integer))
    """Of each word of the name, and of it without each one of its letters (`near_keys`)."""
    emails: Mapped[str]
    phones: Mapped[str]


# A new row waits in a list that each search reads whole: it shall stay short.
_SHORT_LIST = {"gin_pending_list_limit": 64}


def _indexes(table: str, key: str, *more: "str | ColumnElement[str]") -> tuple[Index, ...]:
    """For names that begin so, for texts that contain so, and for names that are near.

    The organization is a key of them, so that the rows of others cost nothing. What names begin
    with is compared by bytes, whatever the order of the database, and answered by the index alone.
    """
    options = _SHORT_LIST
    grams = ("name", "emails", "phones", "people", "shown_number")
    return (
        Index(
            f"ix_{table}_begins",
            "organization_id",
            "lifecycle",
            "name",
            key,
            postgresql_ops={"name": "text_pattern_ops"},
        ),
        Index(
            f"ix_{table}_contains",
            "organization_id",
            "name",
            "emails",
            "phones",
            *more,
            postgresql_using="gin",
            postgresql_with=options,
            postgresql_ops=dict.fromkeys(grams, "gin_trgm_ops"),
        ),
        # Its keys tell the organizations apart by themselves.
        Index(f"ix_{table}_near", "near", postgresql_using="gin", postgresql_with=options),
    )


class ClientSearchRow(Tenant, SearchColumns, Base):
    """What a client is found by."""

    __tablename__ = "client_search"

    client_id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(BigInteger)
    people: Mapped[str]
    """The names of its persons."""

    __table_args__ = (
        belongs_to("client_id", "clients", name="fk_client_search_client"),
        Index("ix_client_search_number", "organization_id", "number"),
        *_indexes(
            "client_search",
            "client_id",
            "people",
            literal_column(f"({_SHOWN_NUMBER})").label("shown_number"),
        ),
    )


class ContactSearchRow(Tenant, SearchColumns, Base):
    """What a person is found by."""

    __tablename__ = "contact_search"

    contact_id: Mapped[UUID] = mapped_column(primary_key=True)

    __table_args__ = (
        belongs_to("contact_id", "contacts", name="fk_contact_search_contact"),
        *_indexes("contact_search", "contact_id"),
    )


class CommunicationSearchRow(Tenant, Base):
    """What a communication is found by: its words, each with the salt of its organization."""

    __tablename__ = "communication_search"

    communication_id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[UUID | None]
    lifecycle: Mapped[str]
    subject: Mapped[str] = mapped_column(TSVECTOR)
    body: Mapped[str] = mapped_column(TSVECTOR)

    __table_args__ = (
        belongs_to("communication_id", "communications", name="fk_communication_search_record"),
        Index(
            "ix_communication_search_words",
            literal_column("(subject || body)").label("words"),
            postgresql_using="gin",
            postgresql_with=_SHORT_LIST,
        ),
    )


class NoteSearchRow(Tenant, Base):
    """What a note is found by, and the kind that decides who finds it."""

    __tablename__ = "note_search"

    note_id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[UUID]
    lifecycle: Mapped[str]
    kind: Mapped[str]
    text: Mapped[str] = mapped_column(TSVECTOR)

    __table_args__ = (
        belongs_to("note_id", "notes", name="fk_note_search_record"),
        Index(
            "ix_note_search_words",
            "text",
            postgresql_using="gin",
            postgresql_with=_SHORT_LIST,
        ),
    )


class FileSearchRow(Tenant, Base):
    """What a file is found by; its kind, and all that it hangs on, decide who finds it."""

    __tablename__ = "file_search"

    file_id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[UUID | None]
    contact_id: Mapped[UUID | None]
    communication_id: Mapped[UUID | None]
    lifecycle: Mapped[str]
    kind: Mapped[str]
    name: Mapped[str] = mapped_column(TSVECTOR)

    __table_args__ = (
        belongs_to("file_id", "files", name="fk_file_search_record"),
        Index(
            "ix_file_search_words",
            "name",
            postgresql_using="gin",
            postgresql_with=_SHORT_LIST,
        ),
    )
