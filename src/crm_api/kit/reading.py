"""Reads as one statement each: the guard, the mask, the rows; compiled once for each shape."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Integer,
    Select,
    Table,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    or_,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from crm_api.core.access import Rights
from crm_api.core.db import Statement
from crm_api.kit.fields import mask_of
from crm_api.kit.guard import ORG, GuardKind, guard, guard_values, require_ok
from crm_api.kit.projection import Shape, Sources, as_json
from crm_api.kit.query import COUNT_CAP, ListQuery
from crm_api.kit.scope import Scope

Condition = Callable[[Any, str, tuple[int, bool]], ColumnElement[bool]]
"""(main rows, operator, (number of the value parameter, several values)) → the condition."""

LIFECYCLES = bindparam("lifecycles", type_=ARRAY(Text()))


IDS = bindparam("ids", type_=ARRAY(Uuid()))


async def found_by_id(
    scope: Scope, statement: Statement, ids: Collection[UUID], **values: Any
) -> dict[UUID, Any]:
    """Which of these records there are: `statement` takes `org`, `ids` and the further values."""
    bound = {"org": scope.actor.organization_id, "ids": list(set(ids)), **values}
    rows = await scope.db.fetch(scope.actor.organization_id, statement, bound)
    return {row["id"]: row for row in rows}


@dataclass(frozen=True, eq=False)
class Listing:
    """What a list adds to a shape: how to filter and sort beyond the column of the same name."""

    shape: Shape
    filters: Mapping[str, Condition]
    sorts: Mapping[str, Callable[[Any, bool], ColumnElement[Any]]]
    """Field → (main rows, descending) → the indexed sort expression, never null."""


@dataclass(frozen=True, slots=True)
class PageRows:
    """One page as PostgreSQL built it: JSON texts joined by commas."""

    data: str
    last: tuple[str, UUID] | None
    total: int | None


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
        *_open_to(shape, shape.table, reader),
    ]


def _open_to(shape: Shape, rows: Any, reader: Rights | None) -> list[ColumnElement[bool]]:
    if shape.open_to is None or reader is None:
        return []
    return [shape.open_to(rows, reader)]


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
    statement = _get(shape, actor.rights, actor.kind, wanted, expand)
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
    this_row = _this_row(shape, reader)
    names = tuple(shape.resource.fields)
    document = as_json(
        select(*shape.columns(Sources(main), full, names)).select_from(main).where(*this_row)
    ).scalar_subquery()
    row = as_json(select(*_beside(shape)).select_from(main).where(*this_row), "stored")
    columns = [
        guard(kind).label("ok"),
        document.label("document"),
        row.scalar_subquery().label("row"),
        *(cast(build(), Text).label(name) for name, build in aside),
    ]
    if masked is not None:
        seen = readable(shape, masked)
        inner = select(*shape.columns(Sources(main), masked, seen)).select_from(main)
        columns.append(as_json(inner.where(*this_row)).scalar_subquery().label("seen"))
    return Statement(select(*columns))


def _beside(shape: Shape) -> list[ColumnElement[Any]]:
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
    # Only where it matters: one statement for all rights is compiled once.
    reader = actor.rights if shape.open_to is not None else None
    statement = _load(shape, actor.kind, aside, full, masked, reader)
    every = ["live", "archived", "deleted", "merged", "erased"]
    values = guard_values(actor) | {"id": row_id, "lifecycles": every}
    row = await scope.db.fetchrow(actor.organization_id, statement, values)
    require_ok(row)
    scope.verified = True
    return None if row["document"] is None else row


@dataclass(frozen=True, slots=True)
class _Asked:
    """What tells one list statement from another; the values are its parameters."""

    filters: tuple[tuple[str, str, bool, bool], ...]
    sort: str
    descending: bool
    paged: bool
    names: tuple[str, ...]
    expand: tuple[str, ...]
    count: str | None


@lru_cache(maxsize=1024)
def _list(listing: Listing, rights: Rights, kind: GuardKind, asked: _Asked) -> Statement:
    main = listing.shape.table
    conditions = [
        main.c.organization_id == ORG,
        *(_condition(listing, main, n, one) for n, one in enumerate(asked.filters)),
        *_open_to(listing.shape, main, rights),
    ]
    limit = bindparam("limit", type_=Integer())
    rows = _page(listing, asked, conditions).limit(limit + 1).subquery("page")
    shown = listing.shape.columns(Sources(rows), rights, asked.names, asked.expand)
    document = as_json(select(*shown).correlate(rows)).correlate(rows).scalar_subquery()
    ordinal, key = rows.c["_n"], rows.c["_key"]
    texts = case((ordinal <= limit, document))
    last = ordinal == limit
    columns: list[ColumnElement[Any]] = [
        func.string_agg(texts, aggregate_order_by(literal(","), ordinal)).label("data"),
        func.max(case((last, key))).label("last_key"),
        func.max(case((last, cast(rows.c.id, Text)))).label("last_id"),
        func.count().label("found"),
        guard(kind).label("ok"),
    ]
    if asked.count is not None:
        columns.append(_count(asked.count, conditions).label("total"))
    return Statement(select(*columns).select_from(rows))


def _page(
    listing: Listing, asked: _Asked, conditions: Sequence[ColumnElement[bool]]
) -> Select[Any]:
    """The rows of one page in their order, each with its ordinal and its sort key as text."""
    main = listing.shape.table
    make_sort = listing.sorts.get(asked.sort)
    key = make_sort(main, asked.descending) if make_sort else main.c[asked.sort]
    order = [key.desc(), main.c.id.desc()] if asked.descending else [key, main.c.id]
    ordinal = func.row_number().over(order_by=order)
    page = select(*main.c, cast(key, Text).label("_key"), ordinal.label("_n")).where(*conditions)
    if asked.paged:
        # A row comparison walks the index from here; written as OR it would be linear.
        position = tuple_(key, main.c.id)
        after = cast(bindparam("after_key", type_=Text()), key.type)
        here = tuple_(after, bindparam("after_id", type_=Uuid()))
        page = page.where(position < here if asked.descending else position > here)
    return page.order_by(*order)


def _count(kind: str, conditions: Sequence[ColumnElement[bool]]) -> ColumnElement[int]:
    counted = select(literal(1).label("one")).where(*conditions)
    if kind == "capped":
        counted = counted.limit(COUNT_CAP)
    return select(func.count()).select_from(counted.subquery("counted")).scalar_subquery()


def _condition(
    listing: Listing, main: Any, n: int, one: tuple[str, str, bool, bool]
) -> ColumnElement[bool]:
    name, op, many, keyed = one
    # Only custom filters read a typed value themselves; the column tells the type otherwise.
    special = listing.filters.get(name)
    if special is not None:
        if keyed:
            return special((main, bindparam(f"p{n}", type_=Text())), op, (n, many))
        return special(main, op, (n, many))
    return compare(main.c[name], op, n, many=many)


def compare(column: ColumnElement[Any], op: str, n: int, *, many: bool) -> ColumnElement[bool]:
    """One condition on one column; its value is the parameter `f<n>`."""
    kind = Text() if isinstance(column.type, Text) else column.type
    if op == "is_null":
        return column.is_(None) == bindparam(f"f{n}", type_=Boolean())
    if many:
        hit = column == func.any(bindparam(f"f{n}", type_=ARRAY(kind)))
        return or_(~hit, column.is_(None)) if op == "ne" else hit
    value = bindparam(f"f{n}", type_=kind)
    match op:
        case "eq":
            return column == value
        case "ne":
            return column.is_distinct_from(value)
        case "gt":
            return column > value
        case "gte":
            return column >= value
        case "lt":
            return column < value
        case "lte":
            return column <= value
        case "starts_with":
            return func.starts_with(column, value)
        case "contains":
            # strpos has no wildcards, so `%` and `_` are literal.
            return func.strpos(column, value) > 0
    raise ValueError(op)


def child_filter(table: Table, parent: str, column: str) -> Condition:
    """The main row has a child whose column compares so."""

    def condition(main: Any, op: str, at: tuple[int, bool]) -> ColumnElement[bool]:
        n, many = at
        hit: ColumnElement[bool] = exists(
            select(literal(1)).where(
                table.c.organization_id == ORG,
                table.c[parent] == main.c.id,
                compare(table.c[column], "eq" if op == "ne" else op, n, many=many),
            )
        )
        return ~hit if op == "ne" else hit

    return condition


async def list_rows(
    scope: Scope,
    listing: Listing,
    query: ListQuery,
    binds: Mapping[str, Callable[[Any], Any]],
) -> PageRows:
    """One page. `binds` turns a filter's value into what its column compares with."""
    actor = scope.actor
    asked = _Asked(
        tuple(f.shape for f in query.filters),
        query.sort,
        query.descending,
        query.after is not None,
        query.names,
        query.expand,
        query.count,
    )
    statement = _list(listing, actor.rights, actor.kind, asked)
    values = guard_values(actor) | {"limit": query.limit}
    for n, one in enumerate(query.filters):
        bind = binds.get(one.field)
        bound = [bind(value) if bind else value for value in one.values]
        values[f"f{n}"] = bound if len(one.values) > 1 else bound[0]
        if one.path is not None:
            values[f"p{n}"] = one.path
    if query.after is not None:
        values["after_key"], values["after_id"] = query.after
    row = await scope.db.fetchrow(actor.organization_id, statement, values, lists=True)
    require_ok(row)
    scope.verified = True
    more = row["found"] > query.limit
    return PageRows(
        data=row["data"] or "",
        last=(row["last_key"], UUID(row["last_id"])) if more else None,
        total=row["total"] if query.count else None,
    )
