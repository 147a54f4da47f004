"""Writes as one statement each: head, row, children, log and reply, committed before the reply.

The caller read the aggregate, decided in Python, and hands over what shall be; the statement
applies it only if the row still has the version that the decision was made on.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    LargeBinary,
    Table,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.sql.expression import CTE

from crm_api.core.access import Rights
from crm_api.core.db import Statement
from crm_api.kit.changes import Entry, head_step, log_step, log_values, recordset
from crm_api.kit.guard import ORG, GuardKind, guard, guard_kind, guard_values
from crm_api.kit.idempotency import Claim, record_step, record_values
from crm_api.kit.indexing import Rows, index_of, index_step, new_rows
from crm_api.kit.projection import Shape, Sources, as_json
from crm_api.kit.reading import readable
from crm_api.kit.scope import Scope
from crm_api.models import HeadRow

STAMPED = frozenset(
    {
        "created_at",
        "updated_at",
        "type_since",
        "type_override_at",
        "due_at",
        "finished_at",
        "recorded_at",
        "done_at",
        "unsubscribed_at",
    }
)
"""Columns that take the write's own time, which only the head knows."""
OF_NEW_ROWS = STAMPED - {"type_override_at", "finished_at", "done_at", "unsubscribed_at"}
"""Those that a new row takes, whatever is said of it."""


@dataclass(frozen=True, slots=True)
class Following:
    """A value of another record that follows from the write. Its version stays.

    The record must be live, and the value the one that the decision was made on: else nothing is
    written, and the decision is made again.
    """

    table: Table
    row_id: UUID
    column: str
    before: Any
    after: Any
    """As the driver takes them."""


@dataclass(frozen=True, slots=True)
class Write:
    """One write of one aggregate. Values are JSON-ready; bytes stand as hex."""

    operation: Literal["insert", "update"]
    row_id: UUID
    row: Mapping[str, Any]
    """Column → value: all of an insert, the changed ones of an update."""
    entries: Sequence[Entry]
    expected_version: int = 0
    replaced: Mapping[Table, Rows] = field(default_factory=dict)
    """Child table → all its rows of this aggregate from now on."""
    added: Mapping[Table, Rows] = field(default_factory=dict)
    """Other table → rows to insert besides (new contacts of a new client)."""
    ensured: Mapping[Table, Rows] = field(default_factory=dict)
    """Other table → rows that shall exist (a tag's catalogue entry)."""
    numbers: int = 0
    """How many human numbers this write takes."""
    following: Following | None = None


def typed(table: Table) -> dict[str, Any]:
    """How each column travels in a JSON parameter: bytes as hex text, the rest as itself."""
    return {
        c.name: Text() if isinstance(c.type, LargeBinary) else c.type
        for c in table.columns
        if c.name != "organization_id"
    }


def value_of(table: Table, name: str, source: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.decode(source, "hex") if isinstance(table.c[name].type, LargeBinary) else source


def inserted(
    table: Table, name: str, head: CTE, *conditions: ColumnElement[bool], ignore: bool = False
) -> CTE:
    """Insert the rows of the JSON parameter `name` into the table."""
    rows = recordset(name, typed(table))
    names = [c.name for c in table.columns if c.name != "organization_id"]
    values = [head.c.at if n in OF_NEW_ROWS else value_of(table, n, rows.c[n]) for n in names]
    source = select(ORG, *values).select_from(rows.join(head, true())).where(*conditions)
    if ignore:
        put = (
            pg_insert(table)
            .from_select(["organization_id", *names], source)
            .on_conflict_do_nothing()
        )
        return put.returning(table.c.organization_id).cte(f"{name}_put")
    return (
        insert(table)
        .from_select(["organization_id", *names], source)
        .returning(*table.c)
        .cte(f"{name}_put")
    )


def replaced(table: Table, theirs: ColumnElement[bool], head: CTE) -> CTE:
    """All child rows anew: the old ones go first, so that a unique value may change its row.

    Args:
        theirs: which rows are those of the written records.
    """
    name = table.name
    gone = (
        delete(table)
        .where(table.c.organization_id == ORG, theirs, exists(select(head.c.first)))
        .returning(table.c.organization_id)
        .cte(f"{name}_gone")
    )
    all_gone = select(func.count()).select_from(gone).scalar_subquery() >= 0
    return inserted(table, name, head, all_gone)


def _insert_row(table: Table, head: CTE) -> CTE:
    rows = recordset("row", typed(table))
    names = [c.name for c in table.columns if c.name != "organization_id"]
    values: list[ColumnElement[Any]] = []
    for name in names:
        if name in ("created_at", "updated_at", "type_since"):
            values.append(head.c.at)
        elif name == "number":
            values.append(head.c.number)
        elif name in STAMPED:
            values.append(case((rows.c[name].is_not(None), head.c.at)))
        else:
            values.append(value_of(table, name, rows.c[name]))
    source = select(ORG, *values).select_from(rows.join(head, true()))
    return (
        insert(table)
        .from_select(["organization_id", *names], source)
        .returning(*table.c)
        .cte("written")
    )


def changed_columns(
    table: Table, rows: FromClause, sent: ColumnElement[Any], head: CTE
) -> dict[str, ColumnElement[Any]]:
    """What an update sets: the columns that are keys of `sent`, with the values of `rows`."""
    values: dict[str, ColumnElement[Any]] = {"version": table.c.version + 1}
    if "updated_at" in table.c:
        values["updated_at"] = head.c.at
    fixed = ("organization_id", "id", "version", "number", "created_at", "updated_at")
    for c in table.columns:
        if c.name in fixed:
            continue
        new = value_of(table, c.name, rows.c[c.name])
        if c.name in STAMPED:
            new = case((rows.c[c.name].is_not(None), head.c.at))
        values[c.name] = case((func.jsonb_exists(sent, c.name), new), else_=c)
    return values


def _update_row(table: Table, head: CTE) -> CTE:
    """Set the columns that the JSON parameter carries; one statement whatever they are."""
    sent = cast(bindparam("row", type_=Text()), JSONB)
    rows = recordset("rows", typed(table))
    values = changed_columns(table, rows, sent, head)
    return (
        update(table)
        .where(
            table.c.organization_id == ORG,
            table.c.id == bindparam("id", type_=Uuid()),
            head.c.first.is_not(None),
            # Never sent; it brings the parameter's one row into the FROM clause.
            rows.c.version.is_(None),
        )
        .values(values)
        .returning(*table.c)
        .cte("written")
    )


def _locked_head() -> CTE:
    return (
        select(HeadRow.organization_id)
        .where(HeadRow.organization_id == ORG)
        .with_for_update()
        .cte("lock")
    )


def _locked_target(table: Table, lock: CTE) -> CTE:
    """The row, locked after the head, if it still has the version that was decided on."""
    return (
        select(table.c.id)
        .where(
            table.c.organization_id == ORG,
            table.c.id == bindparam("id", type_=Uuid()),
            table.c.version == bindparam("expected_version", type_=Integer()),
            exists(select(lock.c.organization_id)),
        )
        .with_for_update()
        .cte("target")
    )


def _locked_other(table: Table, column: str, lock: CTE) -> CTE:
    """The other record, locked after the head, if it is as the decision found it."""
    before = bindparam("other_before", type_=table.c[column].type)
    return (
        select(table.c.id)
        .where(
            table.c.organization_id == ORG,
            table.c.id == bindparam("other_id", type_=Uuid()),
            table.c.lifecycle == "live",
            table.c[column].is_not_distinct_from(before),
            exists(select(lock.c.organization_id)),
        )
        .with_for_update()
        .cte("other")
    )


def _update_other(table: Table, column: str, head: CTE) -> CTE:
    values: dict[str, ColumnElement[Any]] = {
        column: bindparam("other_after", type_=table.c[column].type)
    }
    if "updated_at" in table.c:
        values["updated_at"] = head.c.at
    return (
        update(table)
        .where(
            table.c.organization_id == ORG,
            table.c.id == bindparam("other_id", type_=Uuid()),
            head.c.first.is_not(None),
            table.c[column].is_distinct_from(values[column]),
        )
        .values(values)
        .returning(table.c.id)
        .cte("followed")
    )


@dataclass(frozen=True, slots=True)
class _Asked:
    """What tells one write statement from another; the values are its parameters."""

    operation: str
    parent: str
    replaced: tuple[Table, ...]
    added: tuple[Table, ...]
    ensured: tuple[Table, ...]
    numbers: int
    claimed: bool
    indexed: tuple[str, ...]
    """The columns of the search row that are made."""
    following: tuple[Table, str] | None


@lru_cache(maxsize=512)
def _write(shape: Shape, rights: Rights, kind: GuardKind, asked: _Asked) -> Statement:
    table = shape.table
    allowed = guard(kind)
    lock = _locked_head()
    still = [] if asked.following is None else [_locked_other(*asked.following, lock)]
    if asked.operation == "update":
        still.append(_locked_target(table, lock))
    head = head_step(allowed, *(exists(select(s.c.id)) for s in still), numbers=asked.numbers)
    if asked.operation == "insert":
        written = _insert_row(table, head)
        puts = {t.name: inserted(t, t.name, head) for t in asked.replaced}
    else:
        written = _update_row(table, head)
        mine = bindparam("id", type_=Uuid())
        puts = {t.name: replaced(t, t.c[asked.parent] == mine, head) for t in asked.replaced}
    added = {t.name: inserted(t, t.name, head) for t in asked.added}
    ensured = [inserted(t, t.name, head, ignore=True) for t in asked.ensured]
    names = readable(shape, rights)
    near = Sources(written, puts | added)
    body = as_json(select(*shape.columns(near, rights, names)).select_from(written)).cte("reply")
    steps = [*puts.values(), *added.values(), *ensured, log_step(head)]
    index = index_of(table)
    if index is not None and asked.indexed:
        is_new = asked.operation == "insert"
        steps.append(index_step(index, written, asked.indexed, near, is_new=is_new))
    if asked.following is not None:
        steps.append(_update_other(*asked.following, head))
    if asked.claimed:
        steps.append(
            record_step(head, select(body.c.body).scalar_subquery(), bindparam("id", type_=Uuid()))
        )
    final = select(
        allowed.label("ok"),
        select(body.c.body).scalar_subquery().label("body"),
    )
    return Statement(final.add_cte(*steps))


def _searched(
    shape: Shape, write: Write, organization_id: UUID
) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The columns of the search row that follow from this write, and their values."""
    index = index_of(shape.table)
    if index is None:
        return (), {}
    if write.operation == "insert":
        names = (*index.parts, *index.joined)
    else:
        names = index.touched(write.row, write.replaced)
    return names, index.values(names, write.row, write.replaced, organization_id)


async def write_one(
    scope: Scope, shape: Shape, write: Write, parent: str, claim: Claim | None
) -> Mapping[str, Any]:
    """Run the write: `ok` (the guard held) and `body` (the caller's representation, or None).

    A null body with a true `ok` means that the row moved on since it was read: decide again.

    Raises:
        UniqueClash, LockTimedOut, ReferenceBroken: as PostgreSQL found them; nothing was written.
    """
    actor = scope.actor
    added = {**write.added, **new_rows(write.added, actor.organization_id)}
    indexed, searched = _searched(shape, write, actor.organization_id)
    asked = _Asked(
        write.operation,
        parent,
        tuple(write.replaced),
        tuple(added),
        tuple(write.ensured),
        write.numbers,
        claim is not None,
        indexed,
        None if write.following is None else (write.following.table, write.following.column),
    )
    statement = _write(shape, actor.rights, guard_kind(actor), asked)
    values = guard_values(actor) | log_values(write.entries) | searched
    values |= {"id": write.row_id, "expected_version": write.expected_version}
    for rows in (write.replaced, added, write.ensured):
        values |= {
            table.name: json.dumps(list(found), default=str) for table, found in rows.items()
        }
    row = json.dumps(write.row, default=str)
    values |= (
        {"row": f"[{row}]"} if write.operation == "insert" else {"row": row, "rows": f"[{row}]"}
    )
    if write.following is not None:
        values |= {
            "other_id": write.following.row_id,
            "other_before": write.following.before,
            "other_after": write.following.after,
        }
    if claim is not None:
        values |= record_values(claim, shape.resource.singular)
    async with scope.db.savepoint():
        found: Mapping[str, Any] = await scope.db.fetchrow(actor.organization_id, statement, values)
    return found
