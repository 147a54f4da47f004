"""Reads of one record as one statement each: guard, mask, row; compiled once for each shape."""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Text,
    Uuid,
    bindparam,
    cast,
    false,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from crm_api.core.access import Rights
from crm_api.core.db import Statement
from crm_api.kit.fields import mask_of, open_values, reads_own_alone
from crm_api.kit.guard import ORG, GuardKind, guard, guard_kind, guard_values, require_ok
from crm_api.kit.projection import Shape, Sources, as_json, words
from crm_api.kit.scope import Scope

LIFECYCLES = bindparam("lifecycles", type_=ARRAY(Text()))


IDS = bindparam("ids", type_=ARRAY(Uuid()))


async def found_by_id(
    scope: Scope, statement: Statement, ids: Collection[UUID], **values: Any
) -> dict[UUID, Any]:
    """Which of these records there are: `statement` takes `org`, `ids` and the further values."""
    bound = {"org": scope.actor.organization_id, "ids": list(set(ids)), **values}
    rows = await scope.db.fetch(scope.actor.organization_id, statement, bound)
    return {row["id"]: row for row in rows}


@lru_cache(maxsize=1024)
def _get(
    shape: Shape,
    rights: Rights,
    kind: GuardKind,
    names: tuple[str, ...],
    expand: tuple[str, ...],
) -> Statement:
    def body(of: Sequence[str], expanded: Sequence[str]) -> ColumnElement[Any]:
        inner = (
            select(*shape.columns(Sources(shape.table), rights, of, expanded))
            .select_from(shape.table)
            .where(*_this_row(shape, rights))
        )
        return as_json(inner).scalar_subquery()

    default = readable(shape, rights)
    columns = [guard(kind).label("ok"), body(names, expand).label("body")]
    if names != default or expand:
        # The ETag is of the full default representation, whatever was asked for.
        columns.append(body(default, ()).label("full"))
    return Statement(select(*columns))


def readable(shape: Shape, rights: Rights) -> tuple[str, ...]:
    """The fields of the caller's representation; who may only write is told the id."""
    return mask_of(shape.resource, rights).read or ("id",)


def _this_row(shape: Shape, reader: Rights | None) -> list[ColumnElement[bool]]:
    return [
        shape.table.c.organization_id == ORG,
        shape.table.c.id == bindparam("id", type_=Uuid()),
        shape.table.c.lifecycle == func.any(LIFECYCLES),
        *(open_rows(shape, reader) if reader is not None else []),
    ]


def open_rows(shape: Shape, reader: Rights) -> list[ColumnElement[bool]]:
    """Which rows exist at all for a reader, besides what their lifecycle decides.

    For who reads only what it made no record of somebody else exists, and none of a group that it
    does not read.
    """
    cls, rows, found = shape.resource, shape.table, []
    if reads_own_alone(cls, reader):
        found.append(rows.c[cls.author] == bindparam("me", type_=Uuid()))
    if cls.row_groups is not None:
        seen = open_values(cls, reader)
        found.append(rows.c[cls.row_groups.field].in_(words(*seen)) if seen else false())
    if shape.open_to is not None:
        found.append(shape.open_to(rows, reader))
    return found


def has_open_rows(shape: Shape) -> bool:
    """Whether rights decide on rows: only then is a statement compiled for each set of them."""
    return bool(shape.resource.author or shape.resource.row_groups or shape.open_to)


async def get_one(
    scope: Scope,
    shape: Shape,
    row_id: UUID,
    lifecycles: Sequence[str],
    names: tuple[str, ...] | None = None,
    expand: tuple[str, ...] = (),
) -> tuple[str, str] | None:
    """(body, full body) of one row, masked by the caller's rights; None where there is none."""
    actor = scope.actor
    wanted = names or readable(shape, actor.rights)
    statement = _get(shape, actor.rights, guard_kind(actor), wanted, expand)
    values = guard_values(actor) | {"id": row_id, "lifecycles": list(lifecycles)}
    row = await scope.db.fetchrow(actor.organization_id, statement, values)
    require_ok(row)
    scope.verified = True
    if row["body"] is None:
        return None
    body = row["body"]
    return body, row["full"] if len(row) > 2 else body  # ok, body, full


@lru_cache(maxsize=256)
def _load(
    shape: Shape,
    kind: GuardKind,
    aside: tuple[tuple[str, Any], ...],
    full: Rights,
    masked: Rights | None,
    reader: Rights | None,
) -> Statement:
    main = shape.table
    names = tuple(shape.resource.fields)
    here = _this_row(shape, reader)
    document = as_json(
        select(*shape.columns(Sources(main), full, names)).select_from(main).where(*here)
    ).scalar_subquery()
    row = as_json(select(*beside(shape)).select_from(main).where(*here), "stored")
    columns = [
        guard(kind).label("ok"),
        document.label("document"),
        row.scalar_subquery().label("row"),
        *(cast(build(), Text).label(name) for name, build in aside),
    ]
    if masked is not None:
        seen = readable(shape, masked)
        inner = select(*shape.columns(Sources(main), masked, seen)).select_from(main)
        columns.append(as_json(inner.where(*here)).scalar_subquery().label("seen"))
    return Statement(select(*columns))


def beside(shape: Shape) -> list[ColumnElement[Any]]:
    """The columns that are no field of the document, or stand in it in another form."""
    told = shape.resource.fields.keys() - shape.expressions.keys() - {"id", "lifecycle"}
    return [column for column in shape.table.columns if column.name not in told]


async def load_one(
    scope: Scope,
    shape: Shape,
    row_id: UUID,
    full: Rights,
    *,
    aside: tuple[tuple[str, Any], ...] = (),
    with_seen: bool = False,
) -> Mapping[str, Any] | None:
    """What a write decides on, in any lifecycle: the whole document, its row, extra look-ups.

    The row holds what the document does not tell as it is stored.

    Keys: `document`, `row`, each of `aside`, and `seen` (the caller's own representation).
    """
    actor = scope.actor
    masked = actor.rights if with_seen else None
    reader = actor.rights if has_open_rows(shape) else None
    statement = _load(shape, guard_kind(actor), aside, full, masked, reader)
    every = ["live", "archived", "deleted", "merged", "erased"]
    values = guard_values(actor) | {"id": row_id, "lifecycles": every}
    row = await scope.db.fetchrow(actor.organization_id, statement, values)
    require_ok(row)
    scope.verified = True
    return None if row["document"] is None else row
