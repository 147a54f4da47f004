"""Walks over relationships, one bounded statement each: network, ways, hierarchy.

Each step goes to clients that the caller may open, so that nothing is reached through a hidden one.
"""

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    FromClause,
    Integer,
    Numeric,
    Select,
    Text,
    Uuid,
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
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.sql.expression import CTE

from crm_api.core.access import Rights
from crm_api.core.db import Statement
from crm_api.kit.guard import ORG, GuardKind, guard
from crm_api.kit.projection import instant, json_list, words
from crm_api.kit.walks import Tree, looked_up
from crm_api.models import ClientContactRow, ContactRow, table_of
from crm_api.relationships.repository import CLIENTS, RELATIONSHIPS, brief, holds_today, opened
from crm_api.relationships.schemas import MAX_EDGES, MAX_NODES, MAX_PATHS

LINKS, CONTACTS = table_of(ClientContactRow), table_of(ContactRow)
MAX_LEVELS = 32
"""Levels of a hierarchy below its top that are counted together."""
WALKED = 5 * MAX_NODES
"""Steps of a walk: each client is met once for each distance, of which there are five at most."""
SEARCHED = 5000
"""Steps of a search for ways, which tells nothing but the ways."""
BRANCHES = 2
"""Of those through whom a client is reached, so many are followed back: `2 ** 6` ways at most."""

START, _DEPTH = bindparam("id", type_=Uuid()), bindparam("depth", type_=Integer())
_KINDS = bindparam("kinds", type_=ARRAY(Text()))
_ENDED = bindparam("ended", type_=Boolean())


def _live(rows: Any) -> list[ColumnElement[bool]]:
    return [rows.c.organization_id == ORG, rows.c.lifecycle == literal_column("'live'")]


def _hierarchy() -> Any:
    """Who stands below whom today, and as what."""
    below = RELATIONSHIPS.c.child_id == RELATIONSHIPS.c.client_id
    return (
        select(
            RELATIONSHIPS.c.child_id,
            RELATIONSHIPS.c.parent_id,
            case((below, RELATIONSHIPS.c.inverse_kind), else_=RELATIONSHIPS.c.kind).label("kind"),
        )
        .where(*_live(RELATIONSHIPS), holds_today(RELATIONSHIPS))
        .subquery("hierarchy")
    )


CLIENT_TREE = Tree(
    rows=CLIENTS, edges=_hierarchy, told_of_child=("kind",), opened=opened, columns=brief
)


def _asked(rows: Any) -> list[ColumnElement[bool]]:
    """Of the kinds that are asked for, from whichever side; ended ones only where asked for."""
    kinds = [rows.c[name] == func.any(_KINDS) for name in ("kind", "inverse_kind")]
    return [*_live(rows), or_(_KINDS.is_(None), *kinds), or_(_ENDED, holds_today(rows))]


def _step(here: ColumnElement[Any]) -> Select[*tuple[Any, ...]]:
    """From a client to those it is related to: `there`, `relationship_id`."""
    one, other = RELATIONSHIPS.c.client_id, RELATIONSHIPS.c.other_id
    there = case((one == here, other), else_=one)
    inner = select(there.label("there"), RELATIONSHIPS.c.id.label("relationship_id"))
    return inner.where(*_asked(RELATIONSHIPS), or_(one == here, other == here))


def _walked(rights: Rights, most: int) -> tuple[CTE, ColumnElement[bool]]:
    """The clients around the start, `id` and `depth`, and whether there was too much to walk."""
    walk = (
        select(CLIENTS.c.id, literal(0).label("depth"))
        .where(*opened(CLIENTS, rights), CLIENTS.c.id == START)
        .cte("walk", recursive=True)
    )
    steps = looked_up(_step(walk.c.id), "steps")
    there = CLIENT_TREE.open_row(rights, steps.c.there, "there")
    walk = walk.union(
        select(there.c.id, walk.c.depth + 1)
        .select_from(walk.join(steps, true()).join(there, true()))
        .where(walk.c.depth < _DEPTH)
    )
    # PostgreSQL walks no further than is asked for; there is no order but that of the walk.
    seen = select(walk.c.id, walk.c.depth).limit(most + 1).cte("seen")
    layers = select(seen.c.id, func.min(seen.c.depth).label("depth")).group_by(seen.c.id)
    return layers.cte("layers"), select(func.count()).select_from(seen).scalar_subquery() > most


def _nodes(rights: Rights, chosen: Any) -> ColumnElement[Any]:
    rows = CLIENTS.alias("node_row")
    row = select(*brief(rows, rights)).where(*opened(rows, rights), rows.c.id == chosen.c.id)
    node = looked_up(row, "node")
    inner = (
        select(*node.c, chosen.c.depth.label("depth"))
        .select_from(chosen.join(node, true()))
        .order_by(chosen.c.depth, chosen.c.id)
    )
    return json_list(inner, "n")


_EDGE = ("id", "client_id", "other_id", "kind", "inverse_kind", "from_on", "to_on")


def _edges(rows: Any) -> list[ColumnElement[Any]]:
    return [*(rows.c[name] for name in _EDGE), holds_today(rows).label("current")]


@lru_cache(maxsize=256)
def graph(rights: Rights, kind: GuardKind) -> Statement:
    """`ok`, `nodes`, `edges`, `truncated` of the network around a client."""
    layers, endless = _walked(rights, WALKED)
    found = (
        select(layers.c.id, layers.c.depth)
        .order_by(layers.c.depth, layers.c.id)
        .limit(MAX_NODES + 1)
        .cte("found")
    )
    chosen = (
        select(found.c.id, found.c.depth)
        .order_by(found.c.depth, found.c.id)
        .limit(MAX_NODES)
        .cte("chosen")
    )
    one, two = chosen.alias("one"), chosen.alias("two")
    of_one = looked_up(
        select(*RELATIONSHIPS.c).where(
            *_asked(RELATIONSHIPS), RELATIONSHIPS.c.client_id == one.c.id
        ),
        "of_one",
    )
    between = (
        select(*of_one.c)
        .select_from(one.join(of_one, true()).join(two, two.c.id == of_one.c.other_id))
        .limit(MAX_EDGES + 1)
        .cte("between")
    )
    shown = select(*_edges(between)).order_by(between.c.id).limit(MAX_EDGES)
    sizes = [
        (select(func.count()).select_from(cte).scalar_subquery() > most)
        for cte, most in ((found, MAX_NODES), (between, MAX_EDGES))
    ]
    return Statement(
        select(
            guard(kind).label("ok"),
            _nodes(rights, chosen).label("nodes"),
            json_list(shown, "e").label("edges"),
            or_(endless, *sizes).label("truncated"),
        )
    )


def _ways(layers: CTE) -> CTE:
    """The shortest ways, from their end back to the start: `nodes`, `steps`, `depth`."""
    goal = bindparam("to_id", type_=Uuid())
    back = (
        select(
            layers.c.id,
            layers.c.depth,
            array[Any]([layers.c.id], type_=Uuid()).label("nodes"),
            cast(literal_column("'{}'"), ARRAY(Uuid())).label("steps"),
        )
        .where(layers.c.id == goal)
        .cte("back", recursive=True)
    )
    step = _step(back.c.id)
    there, relationship_id = step.selected_columns
    # Looked up in a hash (`IS TRUE` keeps it from becoming a join that begins at the layers).
    nearer = tuple_(there, back.c.depth - 1).in_(select(layers.c.id, layers.c.depth))
    through = (
        step.where(nearer.is_(True)).order_by(relationship_id).limit(BRANCHES).lateral("through")
    )
    return back.union_all(
        select(
            through.c.there,
            back.c.depth - 1,
            func.array_prepend(through.c.there, back.c.nodes),
            func.array_prepend(through.c.relationship_id, back.c.steps),
        ).select_from(back.join(through, true()))
    )


@lru_cache(maxsize=256)
def paths(rights: Rights, kind: GuardKind) -> Statement:
    """`ok`, `paths`, `nodes`, `edges`, `truncated`: the ways from a client to another."""
    layers, endless = _walked(rights, SEARCHED)
    back = _ways(layers)
    ways = (
        select(back.c.nodes, back.c.steps)
        .where(back.c.depth == 0)
        .order_by(back.c.steps)
        .limit(MAX_PATHS)
        .cte("ways")
    )
    told = select(ways.c.nodes.label("client_ids"), ways.c.steps.label("relationship_ids"))
    on_them = exists(select(ways.c.nodes).where(layers.c.id == func.any(ways.c.nodes)))
    chosen = select(layers.c.id, layers.c.depth).where(on_them).cte("chosen")
    taken = select(func.unnest(ways.c.steps).label("id")).distinct().cte("taken")
    one = looked_up(
        select(*RELATIONSHIPS.c).where(*_live(RELATIONSHIPS), RELATIONSHIPS.c.id == taken.c.id),
        "one",
    )
    shown = select(*_edges(one)).select_from(taken.join(one, true())).order_by(one.c.id)
    nothing = ~exists(select(ways.c.nodes))
    return Statement(
        select(
            guard(kind).label("ok"),
            json_list(told.order_by(ways.c.steps), "w").label("paths"),
            _nodes(rights, chosen).label("nodes"),
            json_list(shown, "e").label("edges"),
            (nothing & endless).label("truncated"),
        )
    )


# ----------------------------------------------------------------- hierarchy


@lru_cache(maxsize=256)
def roll_up(rights: Rights, kind: GuardKind) -> Statement:
    """`ok`, and of a client with all below it what the caller may read: a column for each part."""
    down = (
        select(CLIENTS.c.id, literal(0).label("depth"))
        .where(*opened(CLIENTS, rights), CLIENTS.c.id == START)
        .cte("down", recursive=True)
    )
    edge = CLIENT_TREE.edges_of("parent_id", down.c.id, "edge")
    below = CLIENT_TREE.open_row(rights, edge.c.child_id, "below")
    down = down.union(
        select(below.c.id, down.c.depth + 1)
        .select_from(down.join(edge, true()).join(below, true()))
        .where(down.c.depth < MAX_LEVELS)
    )
    found = select(down.c.id).limit(WALKED + 1).cte("found")
    chosen = select(found.c.id).limit(WALKED).cte("chosen")
    facts = ("last_activity_at", "credit_limit", "credit_limit_scale", "credit_limit_currency")
    row = select(*(CLIENTS.c[name] for name in facts)).where(
        CLIENTS.c.organization_id == ORG, CLIENTS.c.id == chosen.c.id
    )
    one = looked_up(row, "one")
    them = chosen.join(one, true())
    size = select(func.count()).select_from(found).scalar_subquery()
    columns = [
        guard(kind).label("ok"),
        func.least(size, WALKED).label("clients"),
        (size > WALKED).label("truncated"),
    ]
    if rights.can("clients", "read", "reach") and rights.can("contacts", "read", "person"):
        columns.append(_persons(chosen).label("contacts"))
    if rights.can("clients", "read", "card"):
        latest = select(instant(func.max(one.c.last_activity_at))).select_from(them)
        columns.append(latest.scalar_subquery().label("last_activity_at"))
    if rights.can("clients", "read", "finance"):
        columns.append(_exposure(one, them).label("exposure"))
    return Statement(select(*columns))


def _persons(chosen: CTE) -> ColumnElement[Any]:
    """How many persons serve the clients now; one of several clients counts once."""
    serving = looked_up(
        select(LINKS.c.contact_id).where(
            LINKS.c.organization_id == ORG,
            LINKS.c.client_id == chosen.c.id,
            LINKS.c.to_on.is_(None),
        ),
        "serving",
    )
    person = looked_up(
        select(CONTACTS.c.id).where(
            CONTACTS.c.organization_id == ORG,
            CONTACTS.c.id == serving.c.contact_id,
            CONTACTS.c.lifecycle.in_(words("live")),
        ),
        "person",
    )
    return (
        select(func.count(person.c.id.distinct()))
        .select_from(chosen.join(serving, true()).join(person, true()))
        .scalar_subquery()
    )


def _exposure(one: Any, them: FromClause) -> ColumnElement[Any]:
    amount = func.round(
        cast(func.sum(one.c.credit_limit), Numeric()) / literal_column("10000.0"),
        func.max(one.c.credit_limit_scale),
    )
    currency = one.c.credit_limit_currency
    sums = (
        select(cast(amount, Text).label("amount"), currency.label("currency"))
        .select_from(them)
        .where(one.c.credit_limit.is_not(None))
        .group_by(currency)
        .order_by(currency)
    )
    return json_list(sums, "x")
