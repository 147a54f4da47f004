"""Many records read for decisions, and what was decided written in one statement, with its log."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
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
    exists,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql.expression import CTE

from crm_api.core.access import Actor, Rights
from crm_api.core.db import Database, Serialization, Statement
from crm_api.kit.changes import Entry, head_step, log_step, log_values, recordset
from crm_api.kit.guard import ORG
from crm_api.kit.indexing import Rows, reindex
from crm_api.kit.projection import Shape, Sources, as_json
from crm_api.kit.reading import IDS, beside, found_by_id
from crm_api.kit.scope import Scope
from crm_api.kit.writing import changed_columns, inserted, replaced, typed
from crm_api.models import HeadRow


@lru_cache(maxsize=16)
def _load_many(
    shape: Shape, aside: tuple[tuple[str, Callable[[ColumnElement[Any]], Any]], ...], full: Rights
) -> Statement:
    main = shape.table
    shown = select(*shape.columns(Sources(main), full, tuple(shape.resource.fields)))
    document = as_json(shown.correlate(main)).correlate(main).scalar_subquery()
    stored = as_json(select(*beside(shape)).correlate(main), "stored")
    columns = [
        main.c.id,
        document.label("document"),
        stored.correlate(main).scalar_subquery().label("row"),
        *(cast(build(main.c.id), Text).label(name) for name, build in aside),
    ]
    ids = main.c.id == func.any(IDS)
    return Statement(select(*columns).where(main.c.organization_id == ORG, ids))


async def load_many(
    scope: Scope,
    shape: Shape,
    ids: Collection[UUID],
    full: Rights,
    *,
    aside: tuple[tuple[str, Callable[[ColumnElement[Any]], Any]], ...] = (),
) -> dict[UUID, Any]:
    """What a write of many records decides on, as `load_one` answers it for each; no guard."""
    return await found_by_id(scope, _load_many(shape, aside, full), ids)


@dataclass(frozen=True, slots=True)
class Change:
    """What one row of a table becomes. Values are as in `kit.writing.Write`."""

    row_id: UUID
    expected_version: int
    row: Mapping[str, Any]
    entries: Sequence[Entry]
    replaced: Mapping[Table, Rows] = field(default_factory=dict)


async def update_many(
    db: Database,
    actor: Actor,
    table: Table,
    parent: str,
    changes: Sequence[Change],
    ensured: Mapping[Table, Rows],
) -> None:
    """Apply them all, or none of them. No guard: the caller's transaction asked who may.

    Args:
        parent: the column of child tables that names such a row.

    Raises:
        Serialization: one of the rows moved on since it was read: decide again.
        UniqueClash, LockTimedOut, ReferenceBroken: as PostgreSQL found them.
    """
    tables = tuple({each: None for change in changes for each in change.replaced})
    values = log_values([entry for change in changes for entry in change.entries])
    values |= {
        "org": actor.organization_id,
        "row_count": len(changes),
        "rows": json.dumps([_sent(change) for change in changes], default=str),
    }
    for each in tables:
        theirs = [change for change in changes if each in change.replaced]
        rows = [row for change in theirs for row in change.replaced[each]]
        values[each.name] = json.dumps(rows, default=str)
        values[_parents(each)] = [change.row_id for change in theirs]
    values |= {t.name: json.dumps(list(rows), default=str) for t, rows in ensured.items()}
    statement = _statement(table, parent, tables, tuple(ensured))
    async with db.savepoint():
        row = await db.fetchrow(actor.organization_id, statement, values)
        if row["written"] != len(changes):
            raise Serialization("40001")
        changed = [(change.row_id, change.row, change.replaced) for change in changes]
        await reindex(db, actor.organization_id, table, changed)


def _sent(change: Change) -> dict[str, Any]:
    """One element of the JSON parameter: the columns, and which of them are meant."""
    about = {"id": change.row_id, "_expected": change.expected_version}
    return {**change.row, **about, "_sent": dict.fromkeys(change.row, 1)}


def _parents(table: Table) -> str:
    return f"{table.name}_of"


@lru_cache(maxsize=128)
def _statement(
    table: Table, parent: str, tables: tuple[Table, ...], ensured: tuple[Table, ...]
) -> Statement:
    counted = select(func.count()).select_from(_targets(table)).scalar_subquery()
    head = head_step(counted == bindparam("row_count", type_=Integer()))
    rows = recordset("rows", typed(table) | {"_sent": JSONB()})
    written = (
        update(table)
        .where(
            table.c.organization_id == ORG,
            table.c.id == rows.c.id,
            head.c.first.is_not(None),
        )
        .values(changed_columns(table, rows, rows.c["_sent"], head))
        .returning(table.c.id)
        .cte("written")
    )
    steps = []
    for each in tables:
        parents = bindparam(_parents(each), type_=ARRAY(Uuid()))
        steps.append(replaced(each, each.c[parent] == func.any(parents), head))
    steps += [inserted(each, each.name, head, ignore=True) for each in ensured]
    count = select(func.count()).select_from(written).scalar_subquery()
    return Statement(select(count.label("written")).add_cte(*steps, log_step(head)))


def _targets(table: Table) -> CTE:
    """The rows that still are what they were, locked after the head, always in the same order."""
    lock = (
        select(HeadRow.organization_id)
        .where(HeadRow.organization_id == ORG)
        .with_for_update()
        .cte("lock")
    )
    rows = recordset("rows", typed(table) | {"_expected": Integer()})
    return (
        select(table.c.id)
        .join_from(table, rows, table.c.id == rows.c.id)
        .where(
            table.c.organization_id == ORG,
            table.c.version == rows.c["_expected"],
            exists(select(literal(1)).select_from(lock)),
        )
        .order_by(table.c.id)
        .with_for_update(of=table)
        .cte("target")
    )
