"""Many new records in one statement: rows as arrays, one block of the log, one lock of the head.

For imports and first data. Reading JSON back costs PostgreSQL more than the rows themselves, so
each column travels as one array; one that holds the same value throughout travels as that.
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
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB, TSVECTOR
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.sql.expression import CTE

from crm_api.core.access import Actor
from crm_api.core.db import Database, Statement
from crm_api.kit.changes import Entry, block_digest, head_step
from crm_api.kit.guard import ORG
from crm_api.kit.indexing import Rows, new_rows
from crm_api.kit.writing import OF_NEW_ROWS, STAMPED
from crm_api.models import ChangeRow, table_of

_CHANGES: Final = table_of(ChangeRow)
_NUMBERED: Final = "number"
_ORDINAL: Final = "ordinal"
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
    values: dict[str, Any] = {
        "org": actor.organization_id,
        "count": len(bulk.rows),
        "entry_count": len(bulk.entries),
        "block_digest": block_digest([entry.digest for entry in bulk.entries]),
    }
    sets = {bulk.table: bulk.rows, **bulk.others}
    sets |= new_rows(sets, actor.organization_id)
    parts = tuple(_part(t, rows, values) for t, rows in sets.items() if rows)
    ensured = tuple(_part(t, rows, values) for t, rows in bulk.ensured.items() if rows)
    log = _part(_CHANGES, [_log_row(entry) for entry in bulk.entries], values)
    async with db.savepoint():
        await db.fetchrow(actor.organization_id, _statement(parts, ensured, log), values)


# ------------------------------------------------------------------------- values


@dataclass(frozen=True, slots=True)
class _Part:
    """The rows of one table: which columns are arrays, and which hold one value throughout."""

    table: Table
    varying: tuple[str, ...]
    constant: tuple[str, ...]


def _part(table: Table, rows: Rows, values: dict[str, Any]) -> _Part:
    """Sort the columns, and put their parameters into `values`. Nulls are not sent."""
    varying, constant = [], []
    given = STAMPED | (_FROM_HEAD if table is _CHANGES else {"organization_id"})
    for column in table.columns:
        name = column.name
        if name in given:
            continue
        found = [row.get(name) for row in rows]
        first = found[0]
        # The driver looks at each element of an array; most columns of a list are the same.
        same = not column.primary_key and found.count(first) == len(found)
        if same and first is None:
            continue
        # Of a single row all columns are the same, and no array would be left to make rows of.
        if same and len(found) > 1:
            constant.append(name)
            values[_parameter(table, name)] = _array(column.type, [first])[0]
        else:
            varying.append(name)
            values[_parameter(table, name)] = _array(column.type, found)
    return _Part(table, tuple(varying), tuple(constant))


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


def _array_text(items: Sequence[str] | Sequence[int]) -> str:
    """An array literal: an array of arrays would have to be rectangular."""
    if items and isinstance(items[0], int):
        return "{" + ",".join(map(str, items)) + "}"
    quoted = (str(item).replace("\\", "\\\\").replace('"', '\\"') for item in items)
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


# --------------------------------------------------------------------- statements


@lru_cache(maxsize=256)
def _statement(parts: tuple[_Part, ...], ensured: tuple[_Part, ...], log: _Part) -> Statement:
    """One statement for each set of columns; the first table is the one that takes numbers."""
    head = head_step(numbers=_COUNT if _NUMBERED in parts[0].table.c else 0)
    steps = [_insert(part, head) for part in parts]
    steps += [_insert(part, head, ignore=True) for part in ensured]
    return Statement(select(head.c.first).add_cte(*steps, _log(log, head)))


_COUNT: Final = bindparam("count", type_=BigInteger())


def _insert(part: _Part, head: CTE, *, ignore: bool = False) -> CTE:
    table, rows = part.table, _unnested(part)
    values = _values(part, rows)
    values |= {name: head.c.at for name in sorted(OF_NEW_ROWS) if name in table.c}
    if _NUMBERED in table.c:
        # The head counted them all: the first of n gets its number minus n, plus one.
        values[_NUMBERED] = head.c.number - _COUNT + rows.c[_ORDINAL]
    source = select(ORG, *values.values()).select_from(rows.join(head, true()))
    put = pg_insert(table).from_select(["organization_id", *values], source)
    if ignore:
        put = put.on_conflict_do_nothing()
    return put.returning(literal_column("1")).cte(f"{table.name}_put")


def _log(part: _Part, head: CTE) -> CTE:
    rows = _unnested(part)
    values = _values(part, rows) | {
        "position": head.c.first + rows.c[_ORDINAL] - 1,
        "at": head.c.at,
        "block_start": head.c.first,
        "block_hash": head.c.hash,
    }
    source = select(ORG, *values.values()).select_from(rows.join(head, true()))
    put = pg_insert(_CHANGES).from_select(["organization_id", *values], source)
    return put.returning(literal_column("1")).cte("log")


def _unnested(part: _Part) -> Any:
    """The arrays side by side as rows, with the place of each."""
    arrays = [
        bindparam(_parameter(part.table, name), type_=ARRAY(_element(part.table.c[name].type)))
        for name in part.varying
    ]
    return (
        func.unnest(*arrays)
        .table_valued(*part.varying, with_ordinality=_ORDINAL, name=f"{part.table.name}_in")
        .render_derived()
    )


def _values(part: _Part, rows: Any) -> dict[str, ColumnElement[Any]]:
    values: dict[str, ColumnElement[Any]] = {}
    for name in (*part.varying, *part.constant):
        kind = part.table.c[name].type
        if name in part.varying:
            value = rows.c[name]
        else:
            value = bindparam(_parameter(part.table, name), type_=_element(kind))
        as_text = isinstance(kind, ARRAY | Date | DateTime | TSVECTOR)
        values[name] = cast(value, kind) if as_text else value
    return values


def _element(kind: Any) -> Any:
    """How one value of a column travels."""
    if isinstance(kind, ARRAY | Date | DateTime):
        return Text()
    if isinstance(kind, Integer):
        return BigInteger()
    for same in (Uuid, Boolean, LargeBinary, JSONB):
        if isinstance(kind, same):
            return same()
    return Text()
