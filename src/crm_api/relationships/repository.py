"""How relationships are read from and written to their table, and what a decision asks of others.

A relationship exists only for who may open both its clients: that is a condition of every read.
"""

from functools import lru_cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Date,
    FromClause,
    Label,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy import cast as as_type
from sqlalchemy.dialects.postgresql import array

from crm_api.clients.repository import CLIENT_SHAPE, open_lifecycles
from crm_api.core.access import Rights
from crm_api.core.db import Statement
from crm_api.kit.fields import mask_of
from crm_api.kit.guard import ORG, GuardKind, guard, guard_kind, guard_values, require_ok
from crm_api.kit.listing import Listing, compare
from crm_api.kit.projection import Shape, Sources, json_one, words
from crm_api.kit.reading import IDS
from crm_api.kit.scope import Scope
from crm_api.kit.walks import looked_up
from crm_api.models import ClientRow, OrganizationRow, RelationshipRow, table_of
from crm_api.relationships.schemas import Relationship

RELATIONSHIPS = table_of(RelationshipRow)
CLIENTS = table_of(ClientRow)
BRIEF = ("id", "number", "lifecycle", "name")
"""What is told of a client beside a relationship, as far as it is read."""

_ZONE = select(OrganizationRow.time_zone).where(OrganizationRow.id == ORG).scalar_subquery()
TODAY = as_type(func.timezone(_ZONE, func.now()), Date)
"""The date in the organization; one look-up for a whole statement."""
_FIRST: ColumnElement[Any] = literal_column("'-infinity'::date", Date())
_LAST: ColumnElement[Any] = literal_column("'infinity'::date", Date())


def begins(rows: Any) -> ColumnElement[Any]:
    return func.coalesce(rows.c.from_on, _FIRST)


def ends(rows: Any) -> ColumnElement[Any]:
    return func.coalesce(rows.c.to_on, _LAST)


def holds_today(rows: Any) -> ColumnElement[bool]:
    return and_(begins(rows) <= TODAY, ends(rows) >= TODAY)


def opened(clients: FromClause, rights: Rights) -> list[ColumnElement[bool]]:
    """That the clients are of this organization, and may be opened with these rights."""
    return [
        clients.c.organization_id == ORG,
        clients.c.lifecycle.in_(words(*open_lifecycles(rights))),
    ]


def brief(clients: FromClause, rights: Rights) -> list[Label[Any]]:
    """The columns that are told of a client; its id is never a secret beside its relationship."""
    read = mask_of(CLIENT_SHAPE.resource, rights).read
    names = [name for name in BRIEF if name == "id" or name in read]
    return CLIENT_SHAPE.columns(Sources(clients), rights, names)


def _end(column: str) -> Any:
    def told(sources: Sources, rights: Rights) -> ColumnElement[Any]:
        clients = CLIENTS.alias(f"of_{column}")
        inner = select(*brief(clients, rights)).where(
            clients.c.organization_id == ORG, clients.c.id == sources.main.c[column]
        )
        return json_one(inner.correlate(sources.main), f"b_{column}")

    return told


def _both_open(rows: FromClause, rights: Rights) -> ColumnElement[bool]:
    """Who may not open one of the clients does not learn that it is related to anybody."""
    found = []
    for column in ("client_id", "other_id"):
        clients = CLIENTS.alias(f"at_{column}")
        there = select(literal(1)).where(*opened(clients, rights), clients.c.id == rows.c[column])
        found.append(exists(there.correlate(rows)))
    return and_(*found)


_COLUMNS = tuple(column.name for column in RELATIONSHIPS.columns)


def _seen(**swapped: str) -> Any:
    columns = [RELATIONSHIPS.c[swapped.get(name, name)].label(name) for name in _COLUMNS]
    return select(*columns).where(RELATIONSHIPS.c.organization_id == ORG)


SEEN = union_all(
    _seen(),
    _seen(client_id="other_id", other_id="client_id", kind="inverse_kind", inverse_kind="kind"),
).subquery("seen")
"""Every relationship twice, once from each of its clients."""

_EXPRESSIONS: Any = {
    "client": _end("client_id"),
    "other": _end("other_id"),
    "current": lambda sources, _: holds_today(sources.main),
}
RELATIONSHIP_SHAPE = Shape(
    Relationship, RELATIONSHIPS, expressions=_EXPRESSIONS, open_to=_both_open
)
# A list reads from it what it would read from a table.
_SEEN_SHAPE = Shape(Relationship, cast("Table", SEEN), expressions=_EXPRESSIONS, open_to=_both_open)


def _listing(shape: Shape) -> Listing:
    filters = {
        "current": lambda main, op, at: compare(holds_today(main), op, at[0], many=at[1]),
    }
    return Listing(shape=shape, filters=filters, sorts={})


RELATIONSHIP_LISTING, SEEN_LISTING = _listing(RELATIONSHIP_SHAPE), _listing(_SEEN_SHAPE)

# ------------------------------------------------------------- beside a write

_given_from: ColumnElement[Any] = func.coalesce(bindparam("from_on", type_=Date()), _FIRST)
_given_to: ColumnElement[Any] = func.coalesce(bindparam("to_on", type_=Date()), _LAST)
_child, _parent = bindparam("child_id", type_=Uuid()), bindparam("parent_id", type_=Uuid())


def _others(rows: Any) -> list[ColumnElement[bool]]:
    """The live relationships but the one that is decided on."""
    return [
        rows.c.organization_id == ORG,
        rows.c.lifecycle == literal_column("'live'"),
        rows.c.id != bindparam("id", type_=Uuid()),
    ]


IN_THE_WAY = Statement(
    select(RELATIONSHIPS.c.id, RELATIONSHIPS.c.child_id)
    .where(
        *_others(RELATIONSHIPS),
        or_(
            RELATIONSHIPS.c.child_id == _child,
            RELATIONSHIPS.c.pair_key == bindparam("pair_key", type_=Text()),
        ),
        begins(RELATIONSHIPS) <= _given_to,
        ends(RELATIONSHIPS) >= _given_from,
    )
    .order_by(RELATIONSHIPS.c.id)
    .limit(1)
)
"""The relationship that says the same, or names another parent, for some day of the period."""

_start = select(
    as_type(_parent, Uuid()).label("id"),
    array[Any]([as_type(_parent, Uuid())], type_=Uuid()).label("path"),
    _given_from.label("first"),
    _given_to.label("last"),
).cte("above", recursive=True)
_step = looked_up(
    select(RELATIONSHIPS.c.parent_id, RELATIONSHIPS.c.from_on, RELATIONSHIPS.c.to_on).where(
        *_others(RELATIONSHIPS), RELATIONSHIPS.c.child_id == _start.c.id
    ),
    "step",
)
_first, _last = func.greatest(_start.c.first, begins(_step)), func.least(_start.c.last, ends(_step))
_above = _start.union_all(
    select(_step.c.parent_id, func.array_append(_start.c.path, _step.c.parent_id), _first, _last)
    .select_from(_start.join(_step, true()))
    .where(_start.c.id != _child, _first <= _last)
)
CYCLE = Statement(
    select(_above.c.path)
    .where(_above.c.id == _child)
    .order_by(func.cardinality(_above.c.path))
    .limit(1)
)
"""The way from the parent up to the child, all of whose steps hold on one day of the period.

It ends: on no day is there a cycle yet.
"""


@lru_cache(maxsize=256)
def open_clients(rights: Rights) -> Statement:
    """Of these ids those that may be opened: `id`, `lifecycle`, and `told` as JSON."""
    told = json_one(select(*brief(CLIENTS, rights)).correlate(CLIENTS), "told")
    return Statement(
        select(CLIENTS.c.id, CLIENTS.c.lifecycle, as_type(told, Text).label("told")).where(
            *opened(CLIENTS, rights), CLIENTS.c.id == func.any(IDS)
        )
    )


@lru_cache(maxsize=256)
def _standing(rights: Rights, kind: GuardKind) -> Statement:
    lifecycle = select(CLIENTS.c.lifecycle).where(
        *opened(CLIENTS, rights), CLIENTS.c.id == bindparam("id", type_=Uuid())
    )
    return Statement(
        select(guard(kind).label("ok"), lifecycle.scalar_subquery().label("lifecycle"))
    )


async def standing_of(scope: Scope, client_id: UUID) -> str | None:
    """The lifecycle of a client; None where the caller may not open it."""
    actor = scope.actor
    values = guard_values(actor) | {"id": client_id}
    row = await scope.db.fetchrow(
        actor.organization_id, _standing(actor.rights, guard_kind(actor)), values
    )
    require_ok(row)
    scope.verified = True
    return None if row["lifecycle"] is None else str(row["lifecycle"])
