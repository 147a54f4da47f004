"""Walks from one record up to the top and down again, bounded and masked, as one statement."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    Label,
    Select,
    Table,
    Uuid,
    bindparam,
    case,
    exists,
    func,
    literal,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by, array
from sqlalchemy.sql.expression import CTE
from sqlalchemy.sql.selectable import LateralFromClause

from crm_api.core.access import Rights
from crm_api.core.db import Statement
from crm_api.kit.guard import GuardKind, guard, guard_kind, guard_values, require_ok
from crm_api.kit.projection import json_list
from crm_api.kit.scope import Scope

_START, _DEPTH = bindparam("id", type_=Uuid()), bindparam("depth", type_=Integer())
_MOST = bindparam("most", type_=Integer())


def looked_up(inner: Select[*tuple[Any, ...]], name: str) -> LateralFromClause:
    """A look-up for each row of what it is joined to, by its index whatever the statistics say.

    `OFFSET 0` keeps PostgreSQL from taking it for a join: a walk begins with few rows, of which the
    planner knows nothing, and a whole table read for each step is seconds.
    """
    return inner.offset(literal_column("0", Integer())).lateral(name)


@dataclass(frozen=True, eq=False)
class Tree:
    """What stands above what, and how it is told."""

    rows: Table
    edges: Callable[[], Any]
    """The organization's rows of `child_id`, `parent_id` and what is told of a child."""
    told_of_child: tuple[str, ...]
    opened: Callable[[FromClause, Rights], list[ColumnElement[bool]]]
    """That records are of this organization, and may be opened with these rights."""
    columns: Callable[[FromClause, Rights], list[Label[Any]]]

    def open_row(self, rights: Rights, row_id: ColumnElement[Any], name: str) -> LateralFromClause:
        """The record of this id, where it may be opened."""
        rows = self.rows.alias(f"{name}_row")
        found = select(rows.c.id).where(*self.opened(rows, rights), rows.c.id == row_id)
        return looked_up(found, name)

    def edges_of(self, end: str, row_id: ColumnElement[Any], name: str) -> LateralFromClause:
        """What stands above (`child_id` is the record) or below (`parent_id` is)."""
        edges = self.edges()
        return looked_up(select(*edges.c).where(edges.c[end] == row_id), name)


@dataclass(frozen=True, slots=True)
class Branches:
    """A tree as PostgreSQL told it: a JSON array, each node before those below it."""

    nodes: str
    truncated: bool

    def told(self, of: str, row_id: UUID) -> str:
        """The whole answer as JSON; `of` is the name of the record's id in it."""
        more = "true" if self.truncated else "false"
        return f'{{"{of}":"{row_id}","nodes":{self.nodes},"truncated":{more}}}'


def _climbed(tree: Tree, rights: Rights) -> CTE:
    """The record and what stands above it: `id`, `level`; one level more than is told."""
    up = (
        select(tree.rows.c.id, literal(0).label("level"))
        .where(*tree.opened(tree.rows, rights), tree.rows.c.id == _START)
        .cte("up", recursive=True)
    )
    edge = tree.edges_of("child_id", up.c.id, "edge")
    above = tree.open_row(rights, edge.c.parent_id, "above")
    return up.union_all(
        select(above.c.id, up.c.level + 1)
        .select_from(up.join(edge, true()).join(above, true()))
        .where(up.c.level <= _DEPTH)
    )


def _descended(tree: Tree, rights: Rights, top: CTE) -> CTE:
    """What stands below the top: `id`, `depth`, `path`; level by level, one more than is told."""
    start: array[Any] = array([top.c.id], type_=Uuid())
    down = select(top.c.id, literal(0).label("depth"), start.label("path")).cte(
        "down", recursive=True
    )
    edge = tree.edges_of("parent_id", down.c.id, "edge")
    below = tree.open_row(rights, edge.c.child_id, "below")
    return down.union_all(
        select(below.c.id, down.c.depth + 1, func.array_append(down.c.path, below.c.id))
        .select_from(down.join(edge, true()).join(below, true()))
        .where(down.c.depth <= select(top.c.level).scalar_subquery() + _DEPTH)
    )


@lru_cache(maxsize=256)
def _statement(tree: Tree, rights: Rights, kind: GuardKind) -> Statement:
    up = _climbed(tree, rights)
    top = (
        select(up.c.id, up.c.level)
        .where(up.c.level <= _DEPTH)
        .order_by(up.c.level.desc())
        .limit(1)
        .cte("top")
    )
    down = _descended(tree, rights, top)
    found = select(down.c.id, down.c.depth, down.c.path).limit(_MOST + 1).cte("found")
    level = select(top.c.level).scalar_subquery()
    over = up.alias("over_it")
    way = (
        select(func.array_agg(aggregate_order_by(over.c.id, over.c.level.desc())))
        .where(over.c.level >= up.c.level, over.c.level <= level)
        .correlate(up)
        .scalar_subquery()
    )
    # However wide the tree, the record itself and the way to it are told.
    told = (
        select(found.c.id, found.c.depth, found.c.path)
        .where(found.c.depth <= level + _DEPTH)
        .union(select(up.c.id, level - up.c.level, way).where(up.c.level <= level))
        .subquery("told")
    )
    size = select(func.count()).select_from(found).scalar_subquery()
    beyond = exists(select(found.c.id).where(found.c.depth > level + _DEPTH))
    higher = exists(select(up.c.id).where(up.c.level > _DEPTH))
    return Statement(
        select(
            guard(kind).label("ok"),
            exists(select(up.c.id)).label("found"),
            _nodes(tree, rights, told).label("nodes"),
            ((size > _MOST) | beyond | higher).label("truncated"),
        )
    )


def _nodes(tree: Tree, rights: Rights, told: Any) -> ColumnElement[Any]:
    rows = tree.rows.alias("node_row")
    row = select(*tree.columns(rows, rights)).where(
        *tree.opened(rows, rights), rows.c.id == told.c.id
    )
    node, edge = looked_up(row, "node"), tree.edges_of("child_id", told.c.id, "edge")
    # The first one may have a parent that is not told.
    below = [case((told.c.depth > 0, edge.c[name])).label(name) for name in tree.told_of_child]
    parent = told.c.path[told.c.depth].label("parent_id")
    inner = (
        select(*node.c, parent, *below, told.c.depth.label("depth"))
        .select_from(told.join(node, true()).outerjoin(edge, true()))
        .order_by(told.c.path)
    )
    return json_list(inner, "n")


async def branches(
    scope: Scope, tree: Tree, row_id: UUID, depth: int, most: int
) -> Branches | None:
    """The tree around a record: `depth` levels up, from there down to `depth` below it.

    Args:
        most: of so many records, the nearest to the top; the way to the record is always told.
    """
    actor = scope.actor
    bound = guard_values(actor) | {"id": row_id, "depth": depth, "most": most}
    statement = _statement(tree, actor.rights, guard_kind(actor))
    row = await scope.db.fetchrow(actor.organization_id, statement, bound)
    require_ok(row)
    scope.verified = True
    return Branches(row["nodes"], bool(row["truncated"])) if row["found"] else None
