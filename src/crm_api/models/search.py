"""Search: one narrow row for each client and contact, with one text for each right.

The rows follow from other tables, in the statement that writes those (`kit.indexing`).
"""

from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, ColumnElement, Index, Integer, literal_column
from sqlalchemy.orm import Mapped, mapped_column

from crm_api.models.base import Base, Tenant, belongs_to

_GRAMS = "gin_trgm_ops"
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


def _begins(name: str) -> Index:
    """For names that begin so: the order of bytes, whatever the database's own is."""
    return Index(
        name,
        "organization_id",
        "lifecycle",
        "name",
        postgresql_ops={"name": "text_pattern_ops"},
    )


def _contains(name: str, *more: "str | ColumnElement[str]") -> Index:
    """For all that contains so. The organization is a key of it, so that others cost nothing."""
    return Index(
        name,
        "organization_id",
        "name",
        "emails",
        "phones",
        "near",
        *more,
        postgresql_using="gin",
        postgresql_ops=dict.fromkeys(
            ("name", "emails", "phones", "people", "shown_number"), _GRAMS
        ),
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
        _begins("ix_client_search_begins"),
        _contains(
            "ix_client_search_contains",
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
        _begins("ix_contact_search_begins"),
        _contains("ix_contact_search_contains"),
    )
