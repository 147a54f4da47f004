"""What is stored for search, in the statement that writes what it follows from. No path forgets it.

A slice says once, for its table, how the search row follows from the rows of a record; each write
of such rows through `kit.writing` and `kit.bulk` writes the search row along.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Table,
    Text,
    Uuid,
    bindparam,
    cast,
    insert,
    update,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlalchemy.sql.expression import CTE, literal_column, select

from crm_api.core.db import Database, Statement
from crm_api.core.formats.names import all_near_keys, padded, search_words, text_lexemes
from crm_api.core.formats.phones import searched_digits
from crm_api.kit.changes import recordset
from crm_api.kit.guard import ORG
from crm_api.kit.projection import Sources

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Part:
    """A column of the search row that follows from all rows of one table that a record has."""

    table: Table
    column: str
    """Where an update of the main row does not carry this column, the part stays."""
    value: Callable[[Rows, UUID], Any]
    """From these rows, of this organization."""


@dataclass(frozen=True, eq=False)
class Joined:
    """A column that follows from other records too, so that PostgreSQL puts it together."""

    table: Table
    """When its rows are replaced, the column is made anew."""
    expression: Callable[[Sources], ColumnElement[str]]
    of_new: Callable[[Mapping[Table, Rows]], Mapping[str, str]]
    """The same for many new records at once, whose rows are all at hand: id → text."""


@dataclass(frozen=True, eq=False)
class Index:
    """The search row of one kind of record."""

    main: Table
    table: Table
    key: str
    """The column that names the record, here and in its child tables."""
    parts: Mapping[str, Part]
    joined: Mapping[str, Joined] = field(default_factory=dict)

    @property
    def copied(self) -> list[str]:
        """Columns that are those of the main row."""
        made = {"organization_id", self.key, *self.parts, *self.joined}
        return [c.name for c in self.table.columns if c.name not in made]

    def touched(self, row: Mapping[str, Any], children: Mapping[Table, Rows]) -> tuple[str, ...]:
        """The columns that an update makes anew."""
        sets = {**children, self.main: [row]}
        parts = [
            name
            for name, part in self.parts.items()
            if part.table in sets and (part.table is not self.main or part.column in row)
        ]
        joined = [name for name, one in self.joined.items() if one.table in children]
        return (*parts, *joined, *(name for name in self.copied if name in row))

    def values(
        self,
        names: Sequence[str],
        row: Mapping[str, Any],
        children: Mapping[Table, Rows],
        organization_id: UUID,
    ) -> dict[str, Any]:
        """The parameters of `index_step`."""
        made = self.made(names, row, children, organization_id)
        return {_parameter(name): value for name, value in made.items()}

    def made(
        self,
        names: Sequence[str],
        row: Mapping[str, Any],
        children: Mapping[Table, Rows],
        organization_id: UUID,
    ) -> dict[str, Any]:
        """The parts among these columns, from the rows that are written."""
        sets = {**children, self.main: [row]}
        return {
            name: part.value(sets.get(part.table, ()), organization_id)
            for name, part in self.parts.items()
            if name in names
        }


_indexes: dict[Table, Index] = {}


def indexed(index: Index) -> Index:
    """Keep the search row of this kind of record from now on."""
    _indexes[index.main] = index
    return index


def index_of(table: Table) -> Index | None:
    return _indexes.get(table)


def _parameter(name: str) -> str:
    return f"search_{name}"


def _typed(index: Index, name: str) -> ColumnElement[Any]:
    kind = index.table.c[name].type
    if isinstance(kind, TSVECTOR):
        return cast(bindparam(_parameter(name), type_=Text()), TSVECTOR)
    return bindparam(
        _parameter(name), type_=ARRAY(Integer()) if isinstance(kind, ARRAY) else Text()
    )


def index_step(
    index: Index, written: CTE, names: Sequence[str], sources: Sources, *, is_new: bool
) -> CTE:
    """The search row of the main row that was just written; `names` are the columns to make."""
    values: dict[str, Any] = {
        name: one.expression(sources) for name, one in index.joined.items() if name in names
    }
    values |= {name: _typed(index, name) for name in index.parts if name in names}
    values |= {name: written.c[name] for name in index.copied}
    if is_new:
        columns = {"organization_id": ORG, index.key: written.c.id, **values}
        put: Any = insert(index.table).from_select(
            [*columns], select(*columns.values()).select_from(written)
        )
    else:
        put = (
            update(index.table)
            .where(index.table.c.organization_id == ORG, index.table.c[index.key] == written.c.id)
            .values(values)
        )
    made: CTE = put.returning(literal_column("1")).cte("searched")
    return made


def new_rows(sets: Mapping[Table, Rows], organization_id: UUID) -> dict[Table, Rows]:
    """The search rows of all new records in these rows: search table → rows."""
    found: dict[Table, Rows] = {}
    for main, rows in sets.items():
        index = index_of(main)
        if index is not None and rows:
            found[index.table] = _rows_of(index, rows, sets, organization_id)
    return found


def _rows_of(index: Index, rows: Rows, sets: Mapping[Table, Rows], organization_id: UUID) -> Rows:
    children = {part.table for part in index.parts.values()} - {index.main}
    grouped: dict[Table, dict[str, list[Mapping[str, Any]]]] = {}
    for table in children:
        of_table = grouped.setdefault(table, {})
        for child in sets.get(table, ()):
            of_table.setdefault(child[index.key], []).append(child)
    joined = {name: one.of_new(sets) for name, one in index.joined.items()}
    made: list[Mapping[str, Any]] = []
    for row in rows:
        own: dict[str, Any] = {index.key: row["id"]}
        own |= {name: row[name] for name in index.copied if name in row}
        for name, part in index.parts.items():
            own_rows = [row] if part.table is index.main else grouped[part.table].get(row["id"], ())
            own[name] = part.value(own_rows, organization_id)
        made.append(own | {name: texts.get(row["id"], "") for name, texts in joined.items()})
    return made


# ------------------------------------------------------------------- many at once


async def reindex(
    db: Database,
    organization_id: UUID,
    main: Table,
    changed: Sequence[tuple[UUID, Mapping[str, Any], Mapping[Table, Rows]]],
) -> None:
    """The search rows of many records, after their change and in its transaction.

    Args:
        changed: of each record its id, the columns that were set, the children that were replaced.
    """
    index = index_of(main)
    if index is None:
        return
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row_id, row, children in changed:
        names = index.touched(row, children)
        if names:
            made = index.made(names, row, children, organization_id)
            groups.setdefault(names, []).append({index.key: row_id, **made})
    for names, rows in groups.items():
        values = {"org": organization_id, "search_rows": json.dumps(rows, default=str)}
        await db.fetchrow(organization_id, _reindexed(index, names), values)


@lru_cache(maxsize=128)
def _reindexed(index: Index, names: tuple[str, ...]) -> Statement:
    main, table = index.main, index.table
    parts = [name for name in names if name in index.parts]
    kinds: dict[str, Any] = {index.key: Uuid()} | {name: table.c[name].type for name in parts}
    rows = recordset("search_rows", kinds)
    values: dict[str, Any] = {name: rows.c[name] for name in parts}
    values |= {
        name: index.joined[name].expression(Sources(main)) for name in names if name in index.joined
    }
    values |= {name: main.c[name] for name in names if name in index.copied}
    return Statement(
        update(table)
        .where(
            table.c.organization_id == ORG,
            main.c.organization_id == ORG,
            main.c.id == rows.c[index.key],
            table.c[index.key] == main.c.id,
        )
        .values(values)
    )


# -------------------------------------------------------------- what all records have


def name_text(rows: Rows, _: UUID | None = None) -> str:
    return padded(search_words(rows[0]["name"]))


def name_keys(rows: Rows, organization_id: UUID) -> list[int]:
    return all_near_keys(search_words(rows[0]["name"]), organization_id.bytes)


def email_text(rows: Rows, _: UUID) -> str:
    return padded([row["key"] for row in rows])


def phone_text(rows: Rows, _: UUID) -> str:
    return padded([d for row in rows for d in searched_digits(row["e164"], row["national"])])


def reach_parts(main: Table, emails: Table, phones: Table) -> dict[str, Part]:
    """Name, e-mail addresses and phone numbers: what persons and clients are found by alike."""
    return {
        "name": Part(main, "name", name_text),
        "near": Part(main, "name", name_keys),
        "emails": Part(emails, "key", email_text),
        "phones": Part(phones, "e164", phone_text),
    }


def text_part(main: Table, column: str, spelt: Callable[[str], str] = str) -> Part:
    """The words of a text of the main row.

    Args:
        spelt: what of the text is stored.
    """

    def words(rows: Rows, organization_id: UUID) -> str:
        return text_lexemes(spelt(rows[0].get(column) or ""), organization_id.bytes)

    return Part(main, column, words)
