"""Lists as one statement each: guard, conditions, order, page; compiled once for each shape."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any, TypeGuard
from uuid import UUID

from sqlalchemy import (
    CTE,
    Boolean,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from crm_api.core.access import Rights
from crm_api.core.db import Statement
from crm_api.core.errors import refuse_all
from crm_api.kit.filters import Filter, Node, leaves
from crm_api.kit.guard import ORG, GuardKind, guard, guard_kind, guard_values, require_ok
from crm_api.kit.projection import Shape, Sources, as_json
from crm_api.kit.query import COUNT_CAP, RANK, ListQuery, placed
from crm_api.kit.reading import open_rows
from crm_api.kit.scope import Scope
from crm_api.kit.search import ALL, RANKED, Bounds, SearchTerms, best_hits, hits

Condition = Callable[[Any, str, tuple[int, bool]], ColumnElement[bool]]
"""(main rows, operator, (number of the value parameter, several values)) → the condition."""


@dataclass(frozen=True, eq=False)
class Listing:
    """What a list adds to a shape: how to filter and sort beyond the column of the same name."""

    shape: Shape
    filters: Mapping[str, Condition]
    sorts: Mapping[str, Callable[[Any, bool], ColumnElement[Any]]]
    """Field → (main rows, descending) → the indexed sort expression, never null."""
    search: str | None = None
    """The function that answers `q`."""


@dataclass(frozen=True, slots=True)
class PageRows:
    """One page as PostgreSQL built it: JSON texts joined by commas."""

    data: str
    last: tuple[str, UUID] | None
    total: int | None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What tells one list statement from another; the values are its parameters."""

    filters: tuple[Any, ...]
    """The shapes of the conditions (`kit.filters`)."""
    sort: str
    descending: bool
    paged: bool
    names: tuple[str, ...]
    expand: tuple[str, ...]
    count: str | None
    searched: bool


@lru_cache(maxsize=1024)
def _list(listing: Listing, rights: Rights, kind: GuardKind, asked: _Asked) -> Statement:
    conditions = conditions_of(listing, rights, asked.filters)
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
        columns.append(_count(listing, asked, conditions).label("total"))
    if asked.searched and listing.search is not None:
        found = _hits(listing.search)
        columns.append(select(func.count()).select_from(found).scalar_subquery().label("hits"))
    return Statement(select(*columns).select_from(rows))


def _page(
    listing: Listing, asked: _Asked, conditions: Sequence[ColumnElement[bool]]
) -> Select[Any]:
    """The rows of one page in their order, each with its ordinal and its sort key as text."""
    main = listing.shape.table
    source, rank = _source(listing, asked)
    key, order = order_of(listing, asked.sort, descending=asked.descending, rank=rank)
    ordinal = func.row_number().over(order_by=order)
    page = (
        select(*main.c, cast(key, Text).label("_key"), ordinal.label("_n"))
        .select_from(source)
        .where(*conditions)
    )
    if asked.paged:
        # A row comparison walks the index from here; written as OR it would be linear.
        position = tuple_(key, main.c.id)
        after = cast(bindparam("after_key", type_=Text()), key.type)
        here = tuple_(after, bindparam("after_id", type_=Uuid()))
        page = page.where(position < here if asked.descending else position > here)
    return page.order_by(*order)


def order_of(
    listing: Listing, sort: str, *, descending: bool, rank: ColumnElement[Any] | None = None
) -> tuple[ColumnElement[Any], list[ColumnElement[Any]]]:
    """The sort key of a list, which is never null, and the whole order: the id breaks ties.

    Args:
        rank: of what a search hits, where there is one.
    """
    main = listing.shape.table
    make_sort = listing.sorts.get(sort)
    if sort == RANK and rank is not None:
        key = rank
    else:
        key = make_sort(main, descending) if make_sort else main.c[sort]
    return key, [key.desc(), main.c.id.desc()] if descending else [key, main.c.id]


def _source(listing: Listing, asked: _Asked) -> tuple[FromClause, ColumnElement[Any] | None]:
    """The rows to choose from: the table's own, or those that a search hits, each with its rank.

    The hits come in order, so that a page takes the first of them and looks at no other record.
    """
    main = listing.shape.table
    if not asked.searched or listing.search is None:
        return main, None
    best = best_hits(_hits(listing.search))
    ordered = select(best).order_by(best.c.rank, best.c.id).subquery("hits")
    return main.join(ordered, ordered.c.id == main.c.id), ordered.c.rank


@lru_cache(maxsize=16)
def _hits(function: str) -> CTE:
    """Page, total and their bound look at one search: it is made once."""
    return select(hits(function)).cte("found")


def _count(
    listing: Listing, asked: _Asked, conditions: Sequence[ColumnElement[bool]]
) -> ColumnElement[int]:
    source, _ = _source(listing, asked)
    counted = select(literal(1).label("one")).select_from(source).where(*conditions)
    if asked.count == "capped":
        counted = counted.limit(COUNT_CAP)
    return select(func.count()).select_from(counted.subquery("counted")).scalar_subquery()


def conditions_of(
    listing: Listing, rights: Rights, shapes: Sequence[Any]
) -> list[ColumnElement[bool]]:
    """The organization's rows that exist for a reader and meet conditions of these shapes."""
    main = listing.shape.table
    numbers = count()
    found = [_node(listing, main, numbers, one) for one in shapes]
    return [main.c.organization_id == ORG, *found, *open_rows(listing.shape, rights)]


def _node(
    listing: Listing, main: Any, numbers: Iterator[int], shape: tuple[Any, ...]
) -> ColumnElement[bool]:
    """A leaf, or a junction; leaves are numbered in their order."""
    kind, parts = shape[0], shape[1]
    if isinstance(parts, str):
        return _condition(listing, main, next(numbers), shape)
    found = [_node(listing, main, numbers, part) for part in parts]
    if kind == "not":
        # A comparison with nothing is neither true nor false: "not this" holds there too.
        return found[0].is_not(true())
    return and_(*found) if kind == "and" else or_(*found)


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


def condition_values(
    nodes: Sequence[Node], binds: Mapping[str, Callable[[Any], Any]]
) -> dict[str, Any]:
    """The parameters of `conditions_of`; `binds` makes of a value what its column compares with."""
    values: dict[str, Any] = {}
    for n, one in enumerate(leaves(nodes)):
        bind = binds.get(one.field)
        bound = [bind(value) if bind else value for value in one.values]
        values[f"f{n}"] = bound if len(one.values) > 1 else bound[0]
        if one.path is not None:
            values[f"p{n}"] = one.path
    return values


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


def nulls_last(
    column: str, low: str, high: str, kind: str
) -> Callable[[Any, bool], ColumnElement[Any]]:
    """A sort key; nulls last either way needs a sentinel, and an index, for each direction."""

    def key(main: Any, descending: bool) -> ColumnElement[Any]:  # the signature of `Listing.sorts`
        sentinel: ColumnElement[Any] = literal_column(f"'{low if descending else high}'::{kind}")
        return func.coalesce(main.c[column], sentinel)

    return key


def amount_filter(amount: str, currency: str) -> Condition:
    """An amount compares within its currency; `ne` holds for every other one, and for none."""

    def condition(where: Any, op: str, at: tuple[int, bool]) -> ColumnElement[bool]:
        if op == "is_null":
            return compare(where.c[amount], op, at[0], many=False)
        main, code = where
        n, many = at
        hit = compare(main.c[amount], "eq" if op == "ne" else op, n, many=many)
        hit = and_(main.c[currency] == code, hit)
        return hit.is_not(true()) if op == "ne" else hit

    return condition


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


def _chooses_lifecycle(node: Node) -> TypeGuard[Filter]:
    """A service adds such a condition to every list, and a search looks nowhere else."""
    return isinstance(node, Filter) and node.field == "lifecycle" and node.op == "eq"


def _searched(query: ListQuery, terms: SearchTerms) -> tuple[Bounds, dict[str, Any]]:
    """How far a search goes, and its parameters.

    Its own order asks for the best hits; a condition, another order and a total ask for all.
    """
    lifecycles = [one for one in query.filters if _chooses_lifecycle(one)]
    is_whole = query.sort != RANK or query.count or len(lifecycles) < len(query.filters)
    bounds = ALL if is_whole else RANKED
    among = set.intersection(*(set(one.values) for one in lifecycles))
    return bounds, terms.values(sorted(among), bounds)


def _require_all(query: ListQuery, bounds: Bounds, found: int) -> None:
    """Refuse what would be answered from a part of the hits as if that were all of them."""
    if bounds is not ALL or found < ALL.hold:
        return
    detail = (
        f"This has more than {ALL.hold - 1:,} hits: make it longer, or leave out filters, "
        "`sort` and `count`, for the best hits alone."
    )
    raise refuse_all([placed("too_many_hits", detail, "q", in_body=query.in_body)])


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
        query.q is not None,
    )
    statement = _list(listing, actor.rights, guard_kind(actor), asked)
    values = guard_values(actor) | {"limit": query.limit}
    values |= condition_values(query.filters, binds)
    if query.after is not None:
        values["after_key"], values["after_id"] = query.after
    bounds = RANKED
    if query.q is not None:
        bounds, searched = _searched(query, query.q)
        values |= searched
    row = await scope.db.fetchrow(actor.organization_id, statement, values, lists=True)
    require_ok(row)
    scope.verified = True
    if query.q is not None:
        _require_all(query, bounds, row["hits"])
    more = row["found"] > query.limit
    return PageRows(
        data=row["data"] or "",
        last=(row["last_key"], UUID(row["last_id"])) if more else None,
        total=row["total"] if query.count else None,
    )
