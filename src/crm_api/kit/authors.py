"""Who made a row: a user, an API key, or the system itself, with the name that it has today."""

from typing import Any

from sqlalchemy import ColumnElement, Text, case, exists, func, literal_column, select

from crm_api.kit.guard import ORG
from crm_api.models import ApiKeyRow, MembershipRow, UserRow


def author_of(kind: ColumnElement[Any], principal_id: ColumnElement[Any]) -> ColumnElement[Any]:
    """An `Author` as JSON: `type`, `id`, `name`; looked up for each row by primary keys."""
    user = select(UserRow.name).where(
        MembershipRow.organization_id == ORG,
        MembershipRow.id == principal_id,
        UserRow.id == MembershipRow.user_id,
    )
    key = select(ApiKeyRow.name).where(
        ApiKeyRow.organization_id == ORG, ApiKeyRow.id == principal_id
    )
    names = [rows.correlate(principal_id.table).scalar_subquery() for rows in (user, key)]
    return func.json_build_object(
        literal_column("'type'"),
        kind,
        literal_column("'id'"),
        principal_id,
        literal_column("'name'"),
        func.coalesce(*names, literal_column("'system'")),
    )


def type_of(principal_id: ColumnElement[Any]) -> ColumnElement[str]:
    """What kind of principal it is, where only its id is kept."""
    user, key = (
        exists(
            select(rows.id).where(rows.organization_id == ORG, rows.id == principal_id)
        ).correlate(principal_id.table)
        for rows in (MembershipRow, ApiKeyRow)
    )
    return case(
        (user, literal_column("'user'")),
        (key, literal_column("'api_key'")),
        else_=literal_column("'system'", Text()),
    )
