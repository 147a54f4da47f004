"""Records that go for good: what else refers to them, and their removal in one statement.

Their entries stay in the log, and nothing that they were called is used again.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, delete, exists, func, literal, or_, select

from crm_api.core.db import Statement
from crm_api.kit.changes import head_step, log_step
from crm_api.kit.guard import ORG
from crm_api.models import metadata


def _references(target: Table, own: Collection[Table]) -> Iterator[tuple[Table, str]]:
    """Table and column of whatever else may point to a row of this one."""
    for table in metadata.sorted_tables:
        for key in table.foreign_key_constraints:
            if key.referred_table is target and table not in own:
                yield table, key.column_keys[-1]


def referred(target: Table, own: Collection[Table]) -> ColumnElement[bool]:
    """Whether anything refers to a row of this table.

    Args:
        own: the tables of the record's own rows, which go with it.
    """
    found = []
    for table, column in _references(target, own):
        rows = table.alias()
        here = select(literal(1)).where(
            rows.c.organization_id == ORG, rows.c[column] == target.c.id
        )
        found.append(exists(here).correlate(target))
    return or_(*found)


def removal(parts: Sequence[tuple[Table, str, ColumnElement[Any]]]) -> Statement:
    """Remove the rows of each table whose column is one of the ids; logged as one block."""
    head = head_step()
    there = exists(select(head.c.first))
    gone = [
        delete(table)
        .where(table.c.organization_id == ORG, table.c[column] == func.any(ids), there)
        .returning(table.c.organization_id)
        .cte(f"{table.name}_gone")
        for table, column, ids in parts
    ]
    return Statement(select(head.c.first).add_cte(*gone, log_step(head)))
