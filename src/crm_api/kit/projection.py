"""The field mask as the SQL projection: PostgreSQL builds the JSON from what the caller reads.

A hidden field never leaves the database, and no Python runs for each row.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    DateTime,
    FromClause,
    Label,
    Select,
    Table,
    Text,
    cast,
    func,
    literal_column,
    select,
)

from crm_api.core.access import Rights
from crm_api.kit.fields import Resource
from crm_api.kit.guard import ORG


class Sources:
    """Where the rows of a statement come from: the tables, or the CTEs that just wrote them."""

    def __init__(self, main: FromClause, written: Mapping[str, FromClause] | None = None) -> None:
        self.main = main
        self._written = written or {}

    def rows(self, table: Table) -> FromClause:
        return self._written.get(table.name, table)


Expression = Callable[[Sources, Rights], ColumnElement[Any]]
OpenTo = Callable[[FromClause, Rights], ColumnElement[bool]]


@dataclass(frozen=True, eq=False)
class Shape:
    """How one resource is read from its tables."""

    resource: type[Resource]
    table: Table
    expressions: Mapping[str, Expression] = field(default_factory=dict)
    """Fields that are not simply the column of the same name."""
    expansions: Mapping[str, tuple[tuple[str, str], Expression]] = field(default_factory=dict)
    """`?expand=` key → the (resource, group) it takes, and the expression that answers it."""
    open_to: OpenTo | None = None
    """Which rows exist at all for a reader, where their own lifecycle does not decide alone."""

    def columns(
        self, sources: Sources, rights: Rights, names: Sequence[str], expand: Sequence[str] = ()
    ) -> list[Label[Any]]:
        """The labelled expressions of these fields, in this order; expansions replace or follow."""
        labels = [
            self._expression(name, sources, rights, expanded=name in expand).label(name)
            for name in names
        ]
        extra = [key for key in expand if key not in names]
        return labels + [self.expansions[key][1](sources, rights).label(key) for key in extra]

    def _expression(
        self, name: str, sources: Sources, rights: Rights, *, expanded: bool
    ) -> ColumnElement[Any]:
        if expanded and name in self.expansions:
            return self.expansions[name][1](sources, rights)
        special = self.expressions.get(name)
        return special(sources, rights) if special else wire(sources.main.c[name])


def wire(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """A column as the wire shows it: times as UTC with six fraction digits."""
    return instant(column) if isinstance(column.type, DateTime) else column


# A literal: as a parameter it would travel with each request, once for each time of a record.
_FORMAT = literal_column("""'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'""", Text())


def instant(value: ColumnElement[Any]) -> ColumnElement[str]:
    # The session's time zone is UTC (core.db), so that no conversion stands here.
    return func.to_char(value, _FORMAT)


def words(*values: str) -> list[ColumnElement[str]]:
    """Constants for `in_` and `not_in`: a list of plain values would be expanded at each run."""
    return [literal_column(f"'{value}'", Text()) for value in values]


def as_json(inner: Select[*tuple[Any, ...]], name: str = "doc") -> Select[Any]:
    """The rows of a select as JSON texts, keys in the order of its columns."""
    rows = inner.subquery(name)
    return select(cast(func.row_to_json(literal_column(name)), Text).label("body")).select_from(
        rows
    )


def json_list(inner: Select[*tuple[Any, ...]], name: str) -> ColumnElement[Any]:
    """The rows of a correlated, ordered select as one JSON array; `[]` when there are none."""
    rows = inner.subquery(name)
    return (
        select(
            func.coalesce(
                func.json_agg(func.row_to_json(literal_column(name))), literal_column("'[]'::json")
            )
        )
        .select_from(rows)
        .scalar_subquery()
    )


def json_one(inner: Select[*tuple[Any, ...]], name: str) -> ColumnElement[Any]:
    """The row of a correlated select as one JSON object, or null."""
    rows = inner.subquery(name)
    return select(func.row_to_json(literal_column(name))).select_from(rows).scalar_subquery()


def children(
    sources: Sources, table: Table, parent: str, columns: Sequence[str | Label[Any]]
) -> Select[Any]:
    """The child rows of the main row, ready for `json_list`: wire columns, in stored order."""
    rows = sources.rows(table)
    picked = [wire(rows.c[c]).label(c) if isinstance(c, str) else c for c in columns]
    return (
        select(*picked)
        .where(rows.c.organization_id == ORG, rows.c[parent] == sources.main.c.id)
        .correlate(sources.main)
        .order_by(rows.c.position)
    )


def etag_of(body: bytes | str) -> str:
    """The strong ETag of a representation: a digest of the bytes that this caller sees."""
    raw = body.encode() if isinstance(body, str) else body
    return f'"{hashlib.sha256(raw).hexdigest()[:32]}"'
