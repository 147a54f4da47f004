"""One page of a timeline in one statement.

Each kind brings at most a page of its own, from its index and below the cursor; what is left to
sort is these few rows, however many there are behind them.
"""

from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Integer,
    Label,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    literal_column,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by

from crm_api.clients.repository import CLIENTS
from crm_api.clients.statements import opened
from crm_api.core.access import Rights
from crm_api.core.db import Statement
from crm_api.kit.authors import author_of, type_of
from crm_api.kit.guard import GuardKind, guard
from crm_api.kit.projection import as_json, instant
from crm_api.kit.query import DEFAULT_LIMIT, MAX_LIMIT
from crm_api.timeline.repository import BY_KIND, CLIENT_ID, Rows
from crm_api.timeline.schemas import MOST_TOLD

_LIMIT: Final = bindparam("limit", type_=Integer())
_POSITION: Final = tuple_(
    cast(bindparam("after_at", type_=Text()), DateTime(timezone=True)),
    bindparam("after_id", type_=Uuid()),
)


@lru_cache(maxsize=512)
def timeline_page(
    rights: Rights, kind: GuardKind, kinds: tuple[str, ...], *, paged: bool, long: bool
) -> Statement:
    """`ok`, `there` (the client may be opened), `data`, and where the page ends.

    Args:
        kinds: those that these rights show at all.
        long: more than a page of the usual length. As a constant of the statement, so that the
            plan that is kept for it knows how few rows are wanted.
    """
    most = MAX_LIMIT if long else DEFAULT_LIMIT
    found = [BY_KIND[name].rows(rights) for name in kinds]
    newest = [_newest(rows, most + 1, paged=paged) for rows in found if rows is not None]
    entries = union_all(*newest).subquery("entries")
    order = (entries.c.at.desc(), entries.c.id.desc())
    ordinal = func.row_number().over(order_by=order)
    page = select(entries, ordinal.label("n")).order_by(*order).limit(_LIMIT + 1).subquery("page")
    document = as_json(select(*_shown(page)).correlate(page)).correlate(page).scalar_subquery()
    last = page.c.n == _LIMIT
    in_order = aggregate_order_by(literal(","), page.c.n)
    there = exists(select(literal(1)).where(*opened(CLIENTS, rights), CLIENTS.c.id == CLIENT_ID))
    return Statement(
        select(
            guard(kind).label("ok"),
            there.label("there"),
            func.string_agg(case((page.c.n <= _LIMIT, document)), in_order).label("data"),
            func.max(case((last, instant(page.c.at)))).label("last_at"),
            func.max(case((last, cast(page.c.id, Text)))).label("last_id"),
            func.count().label("found"),
        ).select_from(page)
    )


def _newest(rows: Rows, most: int, *, paged: bool) -> Any:
    chosen = rows.select
    if paged:
        # A row comparison walks the index from here; written as OR it would be linear.
        chosen = chosen.where(tuple_(rows.at, rows.id) < _POSITION)
    ordered = chosen.order_by(rows.at.desc(), rows.id.desc())
    return select(ordered.limit(literal_column(str(most), Integer())).subquery())


def _shown(page: Any) -> list[Label[Any]]:
    """An entry as the wire shows it; authors are looked up for the rows of the page alone."""
    name = func.unnest(page.c.fields).column_valued("name")
    told = select(func.array_agg(name)).where(
        name == func.any(bindparam("fields", type_=ARRAY(Text())))
    )
    author = author_of(func.coalesce(page.c.by_type, type_of(page.c.by_id)), page.c.by_id)
    none: ColumnElement[Any] = literal_column("'{}'", ARRAY(Text()))
    return [
        page.c.kind.label("kind"),
        page.c.id.label("id"),
        instant(page.c.at).label("at"),
        page.c.type.label("type"),
        page.c.title.label("title"),
        func.left(page.c.summary, literal_column(str(MOST_TOLD))).label("summary"),
        page.c.state.label("state"),
        func.coalesce(told.correlate(page).scalar_subquery(), none).label("fields"),
        case((page.c.by_id.is_not(None), author)).label("by"),
        page.c.href.label("href"),
    ]
