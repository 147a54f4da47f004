"""How exports are read: straight from the change log, which holds each as one entry."""

import json
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from crm_api.core.access import Rights
from crm_api.exports.schemas import ExportRecord
from crm_api.identity.repository import view
from crm_api.kit.fields import RESOURCES, mask_of, reads_group
from crm_api.kit.guard import ORG
from crm_api.kit.listing import Listing
from crm_api.kit.projection import Expression, Shape, Sources, words
from crm_api.models import ApiKeyRow, ChangeRow, MembershipRow, UserRow

_change = func.jsonb_array_elements(ChangeRow.changes).column_valued("change")
_facts: Any = (
    select(func.jsonb_object_agg(_change.op("->>")(0), _change.op("->")(2)))
    .correlate(ChangeRow)
    .scalar_subquery()
)
"""What stands in the entry, by its name; null once the values are erased."""
_logged = (
    select(
        ChangeRow.organization_id,
        ChangeRow.resource_id.label("id"),
        ChangeRow.at.label("exported_at"),
        ChangeRow.actor_type,
        ChangeRow.actor_id,
        cast(_facts, JSONB).label("facts"),
    )
    .where(ChangeRow.organization_id == ORG, ChangeRow.resource.in_(words("export")))
    .subquery("logged")
)


def _fact(name: str, kind: Any) -> ColumnElement[Any]:
    return cast(_logged.c.facts[name].astext, kind).label(name)


def _part(name: str) -> ColumnElement[Any]:
    value = func.nullif(_logged.c.facts[name], literal_column("'null'::jsonb"), type_=JSONB())
    return value.label(name)


_actor = func.json_build_object(
    literal_column("'type'"),
    _logged.c.actor_type,
    literal_column("'id'"),
    _logged.c.actor_id,
    literal_column("'name'"),
    func.coalesce(UserRow.name, ApiKeyRow.name, literal_column("'system'")),
).label("actor")
_with_actor = (
    _logged.outerjoin(
        MembershipRow,
        and_(MembershipRow.organization_id == ORG, MembershipRow.id == _logged.c.actor_id),
    )
    .outerjoin(UserRow, UserRow.id == MembershipRow.user_id)
    .outerjoin(
        ApiKeyRow, and_(ApiKeyRow.organization_id == ORG, ApiKeyRow.id == _logged.c.actor_id)
    )
)
_exports = select(
    _logged.c.organization_id,
    _logged.c.id,
    literal("live", Text()).label("lifecycle"),
    _logged.c.exported_at,
    _actor,
    _fact("records", Text()),
    _fact("format", Text()),
    _part("filter"),
    _fact("sort", Text()),
    _part("columns"),
    _fact("rows", Integer()),
).select_from(_with_actor)

_rows = view("exports", _exports)


def _told(name: str) -> Expression:
    """A fact for who may read all that the export names; null for others.

    A filter holds values, and the number of rows is what was found by it.
    """

    def expression(sources: Sources, rights: Rights) -> ColumnElement[Any]:
        main = sources.main.c
        named = func.coalesce(main.columns, _NOTHING).op("||")(_fields_of(main.filter))
        every = named.op("||")(func.to_jsonb(func.ltrim(main.sort, literal_column("'-'"))))
        readable = cast(json.dumps(_readable(rights)), JSONB)[main.records]
        return case((every.op("<@")(readable), main[name])).label(name)

    return expression


_NOTHING: ColumnElement[Any] = literal_column("'[]'::jsonb")


def _fields_of(tree: ColumnElement[Any]) -> ColumnElement[Any]:
    """What a filter names; of `attributes.zone` it is `attributes`."""
    path: ColumnElement[Any] = literal_column("'$.**.field'::jsonpath")
    name = func.jsonb_path_query(tree, path).column_valued("named")
    first = func.split_part(name.op("#>>")(literal_column("'{}'")), ".", 1)
    return func.coalesce(select(func.jsonb_agg(first)).scalar_subquery(), _NOTHING)


def _readable(rights: Rights) -> dict[str, list[str]]:
    """Resource → all that these rights read, filter and sort by."""
    found = {}
    for name, cls in RESOURCES.items():
        more = getattr(cls, "extra_filters", {}).items()
        beside = [key for key, (group, _) in more if reads_group(cls, rights, group)]
        found[name] = sorted({*mask_of(cls, rights).read, *beside})
    return found


EXPORT_SHAPE = Shape(
    ExportRecord, _rows, {name: _told(name) for name in ("filter", "sort", "columns", "rows")}
)
EXPORT_LISTING = Listing(EXPORT_SHAPE, {}, {})
