"""Many new records in one statement: rows as arrays, one block of the log, one lock of the head.

For imports and first data. Reading JSON back costs PostgreSQL more than the rows themselves, so
each column travels as one array; a column that is null throughout does not travel at all.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    bindparam,
    cast,
    func,
    insert,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.sql.expression import CTE

from crm_api.core.access import Actor
from crm_api.core.db import Database, Statement
from crm_api.kit.changes import Entry, block_digest, head_step
from crm_api.kit.guard import ORG
from crm_api.kit.writing import STAMPED, Rows
from crm_api.models import ChangeRow, table_of

_CHANGES: Final = table_of(ChangeRow)
_NUMBERED: Final = "number"
_ORDINAL: Final = "ordinal"
_OF_A_NEW_ROW: Final = STAMPED - {"type_override_at"}
_FROM_HEAD: Final = frozenset({"organization_id", "position", "at", "block_start", "block_hash"})


@dataclass(frozen=True, slots=True)
class Bulk:
    """New records of one kind, in the order of their numbers, with all that comes with them."""

    table: Table
    rows: Rows
    entries: Sequence[Entry]
    others: Mapping[Table, Rows]
    """Other table → rows to insert besides: children, persons."""
    ensured: Mapping[Table, Rows]
    """Other table → rows that shall exist: what stands there stays as it is."""


async def insert_many(db: Database, actor: Actor, bulk: Bulk) -> None:
    """Write them all, or nothing.

    Nothing is looked up: the caller has decided that all is well, and constraints have the last
    word.

    Raises:
        UniqueClash, LockTimedOut, ReferenceBroken: as PostgreSQL found them; nothing was written.
    """
    log = [_log_row(entry) for entry in bulk.entries]
    sets = {bulk.table: bulk.rows, **bulk.others}
    shapes = tuple((table, _present(table, rows)) for table, rows in sets.items() if rows)
    ensured = tuple((table, _present(table, rows)) for table, rows in bulk.ensured.items() if rows)
    values: dict[str, Any] = {
        "org": actor.organization_id,
        "count": len(bulk.rows),
        "entry_count": len(log),
        "block_digest": block_digest([entry.digest for entry in bulk.entries]),
    }
    for table, names in shapes:
        values |= _arrays(table, names, sets[table])
    for table, names in ensured:
        values |= _arrays(table, names, bulk.ensured[table])
    values |= _arrays(_CHANGES, _LOGGED, log)
    async with db.savepoint():
        await db.fetchrow(actor.organization_id, _statement(shapes, ensured), values)


# ------------------------------------------------------------------------- values


def _present(table: Table, rows: Rows) -> tuple[str, ...]:
    """The columns that some row sets, in the table's order; the others stay null."""
    given = {name for row in rows for name, value in row.items() if value is not None}
    return tuple(c.name for c in table.columns if c.name in given and c.name not in STAMPED)


def _arrays(table: Table, names: Sequence[str], rows: Rows) -> dict[str, list[Any]]:
    return {
        _parameter(table, name): _array(table.c[name].type, [row.get(name) for row in rows])
        for name in names
    }


def _parameter(table: Table, name: str) -> str:
    return f"{table.name}__{name}"


def _array(kind: Any, values: list[Any]) -> list[Any]:
    """The values as the driver takes them in an array of this type."""
    if isinstance(kind, JSONB):
        return _as_json(values)
    if isinstance(kind, ARRAY):
        return [None if value is None else _array_text(value) for value in values]
    if isinstance(kind, LargeBinary):
        return [bytes.fromhex(value) if isinstance(value, str) else value for value in values]
    if isinstance(kind, Date | DateTime):
        return [None if value is None else str(value) for value in values]
    return values


def _as_json(values: list[Any]) -> list[str | None]:
    """Texts of the values; the defaults of a record are one object, which is written once."""
    texts: list[str | None] = []
    last: Any = None
    text: str | None = None
    for value in values:
        if value is not last or text is None:
            last, text = value, _json_text(value)
        texts.append(text)
    return texts


def _json_text(value: Any) -> str | None:
    if value is None or isinstance(value, _Ready):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


class _Ready(str):
    """JSON that is text already."""

    __slots__ = ()


def _array_text(items: Sequence[str]) -> str:
    """An array literal: an array of arrays would have to be rectangular."""
    quoted = (item.replace("\\", "\\\\").replace('"', '\\"') for item in items)
    return "{" + ",".join(f'"{item}"' for item in quoted) + "}"


def _log_row(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "actor_type": entry.actor_type,
        "actor_id": entry.actor_id,
        "request_id": entry.request_id,
        "address": entry.address,
        "user_agent": entry.user_agent,
        "resource": entry.resource,
        "resource_id": entry.resource_id,
        "version": entry.version,
        "action": entry.action,
        "fields": entry.fields,
        "changes": _Ready(entry.document),
        "salts": entry.salts,
        "digests": entry.digests,
    }


_LOGGED: Final = tuple(c.name for c in _CHANGES.columns if c.name not in _FROM_HEAD)


# --------------------------------------------------------------------- statements

_Shapes = tuple[tuple[Table, tuple[str, ...]], ...]


@lru_cache(maxsize=256)
def _statement(shapes: _Shapes, ensured: _Shapes) -> Statement:
    """One statement for each set of columns; the first table is the one that takes numbers."""
    count = bindparam("count", type_=BigInteger())
    head = head_step(numbers=count)
    steps = [_insert(table, names, head) for table, names in shapes]
    steps += [_insert(table, names, head, ignore=True) for table, names in ensured]
    return Statement(select(head.c.first).add_cte(*steps, _log(head)))


def _insert(table: Table, names: tuple[str, ...], head: CTE, *, ignore: bool = False) -> CTE:
    rows = _unnested(table, names)
    values = {name: _column(table, name, rows) for name in names}
    values |= {name: head.c.at for name in sorted(_OF_A_NEW_ROW) if name in table.c}
    if _NUMBERED in table.c:
        # The head counted them all: the first of n gets its number minus n, plus one.
        count = bindparam("count", type_=BigInteger())
        values[_NUMBERED] = head.c.number - count + rows.c[_ORDINAL]
    source = select(ORG, *values.values()).select_from(rows.join(head, true()))
    columns = ["organization_id", *values]
    if ignore:
        put = pg_insert(table).from_select(columns, source).on_conflict_do_nothing()
    else:
        put = insert(table).from_select(columns, source)  # type: ignore[assignment]  # the plain one
    return put.returning(literal_column("1")).cte(f"{table.name}_put")


def _log(head: CTE) -> CTE:
    rows = _unnested(_CHANGES, _LOGGED)
    values: dict[str, Any] = {name: _column(_CHANGES, name, rows) for name in _LOGGED}
    values |= {
        "position": head.c.first + rows.c[_ORDINAL] - 1,
        "at": head.c.at,
        "block_start": head.c.first,
        "block_hash": head.c.hash,
    }
    source = select(ORG, *values.values()).select_from(rows.join(head, true()))
    put = insert(_CHANGES).from_select(["organization_id", *values], source)
    return put.returning(literal_column("1")).cte("log")


def _unnested(table: Table, names: tuple[str, ...]) -> Any:
    """The arrays side by side as rows, with the place of each."""
    arrays = [
        bindparam(_parameter(table, name), type_=ARRAY(_element(table.c[name].type)))
        for name in names
    ]
    return (
        func.unnest(*arrays)
        .table_valued(*names, with_ordinality=_ORDINAL, name=f"{table.name}_in")
        .render_derived()
    )


def _element(kind: Any) -> Any:
    """How one value of a column travels inside an array."""
    if isinstance(kind, ARRAY | Date | DateTime):
        return Text()
    if isinstance(kind, Integer):
        return BigInteger()
    for same in (Uuid, Boolean, LargeBinary, JSONB):
        if isinstance(kind, same):
            return same()
    return Text()


def _column(table: Table, name: str, rows: Any) -> ColumnElement[Any]:
    kind = table.c[name].type
    source: ColumnElement[Any] = rows.c[name]
    return cast(source, kind) if isinstance(kind, ARRAY | Date | DateTime) else source
