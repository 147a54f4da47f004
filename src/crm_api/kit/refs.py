"""References: the ids of a record in other systems, kept in a child table of its resource.

A pair of source and id belongs to one record of an organization, whatever its lifecycle.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import (
    ColumnElement,
    Table,
    Text,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
)

from crm_api.core.db import Statement
from crm_api.core.formats.text import Key, Line
from crm_api.kit.guard import ORG
from crm_api.kit.listing import Condition, compare
from crm_api.kit.projection import Expression, children, json_list
from crm_api.kit.reading import LIFECYCLES
from crm_api.kit.scope import Scope

MAX_REFS = 20
MAX_VERSION = 2**53


class ExternalRef(BaseModel):
    """The id of this record in another system."""

    model_config = ConfigDict(extra="forbid", strict=True)

    source: Annotated[Key, Field(description="The other system.", examples=["billing"])]
    id: Annotated[str, Line(1, 200), Field(description="Its id there.", examples=["A-17"])]
    version: Annotated[int, Field(ge=0, le=MAX_VERSION, description="Its version there.")] = 0


def refs_of(table: Table, parent: str) -> Expression:
    """The references of the main row, as the wire shows them."""

    def expression(sources: Any, _: Any) -> ColumnElement[Any]:
        rows = sources.rows(table)
        columns: list[Any] = ["source", rows.c.external_id.label("id"), "version"]
        return json_list(children(sources, table, parent, columns), "r")

    return expression


def ref_rows(refs: Sequence[Mapping[str, Any]], parent: str, parent_id: UUID) -> list[Any]:
    """The table rows of references as the wire shows them."""
    return [
        {
            parent: str(parent_id),
            "source": ref["source"],
            "external_id": ref["id"],
            "version": ref["version"],
            "position": n,
        }
        for n, ref in enumerate(refs)
    ]


def has_repeats(refs: Sequence[Mapping[str, Any]]) -> bool:
    return len({(ref["source"], ref["id"]) for ref in refs}) < len(refs)


def ref_keys(refs: Sequence[Mapping[str, Any]] | None) -> list[str]:
    """What must be unique of each reference."""
    return [f"{ref['source']}:{ref['id']}" for ref in refs or ()]


def whole_ref(table: Table) -> ColumnElement[str]:
    """A reference as `ref_keys` writes it."""
    return table.c.source.concat(":").concat(table.c.external_id)


def ref_filter(table: Table, parent: str) -> Condition:
    """`external_refs=billing:A-17`, or a bare id of any source."""

    def condition(main: Any, op: str, at: tuple[int, bool]) -> ColumnElement[bool]:
        n, many = at
        hit = exists(
            select(literal(1)).where(
                table.c.organization_id == ORG,
                table.c[parent] == main.c.id,
                or_(
                    compare(table.c.external_id, "eq", n, many=many),
                    compare(whole_ref(table), "eq", n, many=many),
                ),
            )
        )
        return ~hit if op == "ne" else hit

    return condition


@lru_cache(maxsize=8)
def _holder(table: Table, parent: str, main: Table) -> Statement:
    return Statement(
        select(main.c.id).where(
            table.c.organization_id == ORG,
            table.c.source == bindparam("source", type_=Text()),
            table.c.external_id == bindparam("external_id", type_=Text()),
            main.c.organization_id == ORG,
            main.c.id == table.c[parent],
            main.c.lifecycle == func.any(LIFECYCLES),
        )
    )


async def holder_of(
    scope: Scope,
    table: Table,
    parent: str,
    main: Table,
    ref: ExternalRef,
    lifecycles: Sequence[str],
) -> UUID | None:
    """The record that has this reference, among those of these lifecycles."""
    values = {
        "org": scope.actor.organization_id,
        "source": ref.source,
        "external_id": ref.id,
        "lifecycles": list(lifecycles),
    }
    row = await scope.db.fetchrow(scope.actor.organization_id, _holder(table, parent, main), values)
    return None if row is None else row["id"]
