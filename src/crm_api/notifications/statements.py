"""What the change log tells each user: nothing is written when a client changes.

A notification is what one request did to one client, read from the client's own entries of the log.
What was done by a job, an import of thousands of clients say, is one notification.
"""

from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    Interval,
    Label,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    distinct,
    exists,
    false,
    func,
    literal_column,
    not_,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, aggregate_order_by
from sqlalchemy.orm import aliased
from sqlalchemy.sql.expression import CTE

from crm_api.clients.repository import CLIENT_SHAPE, CLIENTS
from crm_api.clients.schemas import Client
from crm_api.clients.statements import opened
from crm_api.core.access import Rights
from crm_api.core.db import Statement
from crm_api.kit.authors import author_of
from crm_api.kit.fields import mask_of
from crm_api.kit.guard import ORG, GuardKind, guard
from crm_api.kit.projection import Sources, as_json, instant, json_one, words
from crm_api.models import ChangeRow, FollowerRow, NotificationMarkRow, NotificationReadRow
from crm_api.notifications.repository import ME, MEMBER
from crm_api.notifications.schemas import MOST_COUNTED

KEPT_DAYS: Final = 30
"""How far back notifications go; the history goes on."""
TOGETHER_SECONDS: Final = 120
"""What one request does ends within it. Some callers send one request id for all that they do."""
BRIEF: Final = ("id", "number", "name")

_fields = bindparam("fields", type_=ARRAY(Text()))
_entry, _later, _part = (aliased(ChangeRow, name=name) for name in ("entry", "later", "part"))
_OWNER = literal_column("ARRAY['owner_id']", ARRAY(Text()))


def _mine(rights: Rights) -> CTE:
    """The clients that the reader may open and follows (`since` a position) or looks after."""
    owned = select(
        CLIENTS.c.id.label("client_id"),
        cast(None, BigInteger).label("since"),
        true().label("owned"),
    ).where(CLIENTS.c.organization_id == ORG, CLIENTS.c.owner_id == MEMBER)
    followed = select(
        FollowerRow.client_id, FollowerRow.since_position, false().label("owned")
    ).where(FollowerRow.organization_id == ORG, FollowerRow.membership_id == MEMBER)
    both = union_all(owned, followed).subquery("both")
    return (
        select(
            both.c.client_id,
            func.min(both.c.since).label("since"),
            func.bool_or(both.c.owned).label("owned"),
        )
        .join(CLIENTS, CLIENTS.c.id == both.c.client_id)
        .where(*opened(CLIENTS, rights))
        .group_by(both.c.client_id)
        .cte("mine")
    )


def _of_client(rows: Any, client_id: Any) -> list[ColumnElement[bool]]:
    return [
        rows.organization_id == ORG,
        rows.resource.in_(words(Client.singular)),
        rows.resource_id == client_id,
    ]


def _told(rows: Any) -> ColumnElement[bool]:
    """That an entry names a field which the reader may read."""
    told: ColumnElement[bool] = rows.fields.op("&&")(_fields)
    return told


def _bin(rows: Any) -> ColumnElement[Any]:
    width = literal_column(f"'{TOGETHER_SECONDS} seconds'::interval", Interval())
    epoch: ColumnElement[Any] = literal_column("'epoch'::timestamptz", DateTime(timezone=True))
    return func.date_bin(width, rows.at, epoch)


def _together(rows: Any, head: Any) -> list[ColumnElement[bool]]:
    """That an entry is told, and of the same request as another one."""
    return [
        rows.request_id == head.request_id,
        rows.actor_id == head.actor_id,
        _bin(rows) == _bin(head),
        _told(rows),
    ]


def _is_unread(position: Any) -> ColumnElement[bool]:
    """Beyond the mark, which the index reads from, and not marked by itself."""
    mark = select(NotificationMarkRow.read_up_to).where(
        NotificationMarkRow.organization_id == ORG, NotificationMarkRow.membership_id == MEMBER
    )
    single = exists(
        select(NotificationReadRow.position).where(
            NotificationReadRow.organization_id == ORG,
            NotificationReadRow.membership_id == MEMBER,
            NotificationReadRow.position == position,
        )
    )
    return and_(position > func.coalesce(mark.scalar_subquery(), 0), not_(single))


def _entries(mine: CTE, *conditions: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """The entries of one of these clients that are told to the reader, newest first."""
    moved = exists(
        select(_later.position).where(
            *_of_client(_later, _entry.resource_id),
            _later.position > _entry.position,
            _later.fields.op("&&")(_OWNER),
        )
    )
    kept = literal_column(f"'{KEPT_DAYS} days'::interval", Interval())
    columns: list[Any] = [
        _entry.position,
        _entry.id,
        _entry.at,
        _entry.request_id,
        _entry.actor_type,
        _entry.actor_id,
        _entry.action,
        _entry.fields,
    ]
    return (
        select(*columns)
        .where(
            *_of_client(_entry, mine.c.client_id),
            _entry.at > func.now() - kept,
            _entry.actor_id.not_in([ME, MEMBER]),
            _told(_entry),
            # Who looks after a client since yesterday is not told of the year before.
            or_(_entry.position > mine.c.since, and_(mine.c.owned, not_(moved))),
            *conditions,
        )
        .correlate(mine)
        .order_by(_entry.position.desc())
    )


def _requests(mine: CTE, *conditions: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """The newest entry of each request at one of these clients, newest first."""
    newer = exists(
        select(_part.position).where(
            *_of_client(_part, _entry.resource_id),
            _part.position > _entry.position,
            *_together(_part, _entry),
        )
    )
    return _entries(mine, _entry.address.is_not(None), not_(newer), *conditions)


def _jobs(mine: CTE) -> tuple[CTE, Select[*tuple[Any, ...]]]:
    """All entries of jobs, which have no address, and the newest of each with its `clients`."""
    each = _entries(mine, _entry.address.is_(None)).lateral("each")
    done = select(mine.c.client_id, *each.c).select_from(mine.join(each, true())).cte("done")
    folded = (
        select(
            func.max(done.c.position).label("position"),
            func.count(distinct(done.c.client_id)).label("clients"),
        )
        .group_by(done.c.request_id, done.c.actor_id)
        .subquery("folded")
    )
    newest = select(*done.c, folded.c.clients, true().label("by_job")).join(
        folded, folded.c.position == done.c.position
    )
    return done, newest


def _shown(rights: Rights, page: Any, done: CTE) -> list[Label[Any]]:
    """A notification as the wire shows it; who did it is a matter of the history."""
    names = [n for n in BRIEF if n == "id" or n in mask_of(Client, rights).read]
    brief = (
        select(*CLIENT_SHAPE.columns(Sources(CLIENTS), rights, names))
        .where(CLIENTS.c.organization_id == ORG, CLIENTS.c.id == page.c.client_id)
        .correlate(page)
    )
    same = [*_of_client(_part, page.c.client_id), *_together(_part, page.c)]
    of_job = [done.c.request_id == page.c.request_id, done.c.actor_id == page.c.actor_id]
    actor = author_of(page.c.actor_type, page.c.actor_id).label("actor")
    return [
        page.c.id.label("id"),
        instant(page.c.at).label("at"),
        case((page.c.clients == 1, json_one(brief, "c"))).label("client"),
        page.c.clients.label("clients"),
        *([actor] if rights.can(Client.guarded_by, "read", "audit") else []),
        _either(page, _distinct(_part.action, same), _distinct(done.c.action, of_job)).label(
            "actions"
        ),
        _either(page, _named(_part, same), _named(done.c, of_job)).label("fields"),
        page.c.is_read.label("read"),
    ]


def _either(
    page: Any, of_request: Select[*tuple[Any, ...]], of_job: Select[*tuple[Any, ...]]
) -> ColumnElement[Any]:
    found = [one.correlate(page).scalar_subquery() for one in (of_request, of_job)]
    return case((page.c.by_job, found[1]), else_=found[0])


def _distinct(column: Any, conditions: list[ColumnElement[bool]]) -> Select[*tuple[Any, ...]]:
    return select(func.json_agg(distinct(column))).where(*conditions)


def _named(rows: Any, conditions: list[ColumnElement[bool]]) -> Select[*tuple[Any, ...]]:
    """The fields that entries name, as far as the reader reads them."""
    field = func.unnest(rows.fields).column_valued("field")
    found = _distinct(field, [*conditions, field == func.any(_fields)])
    return found.select_from(_part if rows is _part else rows.fields.table)


@lru_cache(maxsize=256)
def notifications(rights: Rights, kind: GuardKind, *, unread: bool) -> Statement:
    """A page: `data` as JSON texts joined by commas, `found`, `last` (position of the last)."""
    mine, limit = _mine(rights), bindparam("limit", type_=Integer())
    before = bindparam("before", type_=BigInteger())

    def asked(position: Any) -> list[ColumnElement[bool]]:
        here = or_(before.is_(None), position < before)
        return [here, _is_unread(position)] if unread else [here]

    of_one = _requests(mine, *asked(_entry.position)).limit(limit + 1).lateral("of_one")
    one = literal_column("1", BigInteger()).label("clients")
    requests = select(mine.c.client_id, *of_one.c, one, false().label("by_job"))
    done, newest = _jobs(mine)
    every = union_all(
        requests.select_from(mine.join(of_one, true())),
        newest.where(*asked(done.c.position)),
    ).subquery("every")
    ordinal = func.row_number().over(order_by=every.c.position.desc()).label("n")
    page = (
        select(*every.c, ordinal, not_(_is_unread(every.c.position)).label("is_read"))
        .order_by(every.c.position.desc())
        .limit(limit + 1)
        .subquery("page")
    )
    document = as_json(select(*_shown(rights, page, done)).correlate(page), "shown")
    in_order: Any = aggregate_order_by(literal_column("','"), page.c.n)
    body = case((page.c.n <= limit, document.correlate(page).scalar_subquery()))
    return Statement(
        select(
            func.string_agg(body, in_order).label("data"),
            func.max(case((page.c.n == limit, page.c.position))).label("last"),
            func.count().label("found"),
            guard(kind).label("ok"),
        ).select_from(page)
    )


@lru_cache(maxsize=256)
def count_unread(rights: Rights, kind: GuardKind) -> Statement:
    """How many are unread; of more than are counted, one more."""
    mine = _mine(rights)
    most = literal_column(str(MOST_COUNTED + 1), Integer())
    of_one = _requests(mine, _is_unread(_entry.position)).limit(most).lateral("of_one")
    done, newest = _jobs(mine)
    found = union_all(
        select(of_one.c.position).select_from(mine.join(of_one, true())).limit(most),
        newest.with_only_columns(done.c.position).where(_is_unread(done.c.position)),
    ).subquery("found")
    count = select(func.least(func.count(), most)).select_from(found).scalar_subquery()
    return Statement(select(guard(kind).label("ok"), count.label("unread")))
