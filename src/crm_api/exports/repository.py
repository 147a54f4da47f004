"""How exports are read: straight from the change log, which holds each as one entry."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Text,
    and_,
    cast,
    func,
    literal,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from crm_api.exports.schemas import ExportRecord
from crm_api.identity.repository import view
from crm_api.kit.guard import ORG
from crm_api.kit.listing import Listing
from crm_api.kit.projection import Shape, words
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

EXPORT_SHAPE = Shape(ExportRecord, view("exports", _exports))
EXPORT_LISTING = Listing(EXPORT_SHAPE, {}, {})
