"""What a declaration says, the table can hold: no field is taken and lost, none is read in vain."""

from collections.abc import Collection
from dataclasses import dataclass

import pytest
from sqlalchemy import Table

from crm_api.clients import drafting as clients
from crm_api.clients.listing import CLIENT_LISTING
from crm_api.clients.repository import CHILDREN
from crm_api.communications import drafting as communications
from crm_api.communications.repository import COMMUNICATION_LISTING
from crm_api.contacts import drafting as contacts
from crm_api.contacts.repository import CONTACT_LISTING
from crm_api.contacts.service import CHILDREN as CONTACT_TABLES
from crm_api.kit.fields import Field
from crm_api.kit.listing import Listing
from crm_api.lists import segments
from crm_api.lists import service as lists
from crm_api.lists.repository import LIST_LISTING, SEGMENT_LISTING
from crm_api.notes import service as notes
from crm_api.notes.repository import NOTE_LISTING
from crm_api.relationships import service as relationships
from crm_api.relationships.repository import RELATIONSHIP_LISTING
from crm_api.tasks import service as tasks
from crm_api.tasks.repository import TASK_LISTING


@dataclass(frozen=True)
class Record:
    """A record with what its slice says about its fields."""

    listing: Listing
    plain: Collection[str]
    settled: Collection[str]
    """Fields that code of their own stores: in other columns, or in a child table."""

    @property
    def fields(self) -> Collection[Field]:
        return self.listing.shape.resource.fields.values()

    @property
    def table(self) -> Table:
        return self.listing.shape.table


CONTACT_CHILDREN = set(CONTACT_TABLES.values())
RECORDS = {
    "clients": Record(CLIENT_LISTING, clients.PLAIN, {*clients.SETTLED, *CHILDREN.values()}),
    "notes": Record(NOTE_LISTING, notes.PLAIN, ()),
    "contacts": Record(CONTACT_LISTING, contacts.PLAIN, CONTACT_CHILDREN),
    "relationships": Record(RELATIONSHIP_LISTING, relationships.PLAIN, ()),
    "communications": Record(COMMUNICATION_LISTING, communications.PLAIN, communications.SETTLED),
    "tasks": Record(TASK_LISTING, tasks.PLAIN, ()),
    "lists": Record(LIST_LISTING, lists.PLAIN, ()),
    "segments": Record(SEGMENT_LISTING, segments.PLAIN, ()),
}
every_record = pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)


@every_record
def test_every_field_is_read_from_a_column_or_an_expression(record: Record) -> None:
    known = {*record.table.c.keys(), *record.listing.shape.expressions}
    assert {f.name for f in record.fields} <= known


@every_record
def test_every_field_that_may_be_written_is_stored(record: Record) -> None:
    writable = {f.name for f in record.fields if f.rule.write}
    assert writable == {*record.plain, *record.settled} & writable


@every_record
def test_field_that_may_be_null_has_a_column_that_may_be(record: Record) -> None:
    plain = [f for f in record.fields if f.name in record.plain]
    assert {f.name: f.nullable for f in plain} == {
        f.name: record.table.c[f.name].nullable for f in plain
    }


@every_record
def test_sort_key_is_never_null(record: Record) -> None:
    """A null compares with nothing: the page after it would be empty."""
    special = record.listing.sorts
    by_column = [f.name for f in record.fields if f.rule.sort and f.name not in special]
    assert not [name for name in by_column if record.table.c[name].nullable]


@every_record
def test_sort_key_has_an_index(record: Record) -> None:
    sorts = {f.name for f in record.fields if f.rule.sort}
    indexes = [*record.table.indexes, *record.table.constraints]
    indexed = {str(part) for index in indexes for part in getattr(index, "columns", ())}
    texts = " ".join([*indexed, *(str(e) for i in record.table.indexes for e in i.expressions)])
    assert not [name for name in sorts if name not in texts]
