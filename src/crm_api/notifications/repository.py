"""Who follows which client, and how far each user has read what the change log tells of them."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Uuid,
    bindparam,
    cast,
    delete,
    func,
    literal_column,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert

from crm_api.clients.schemas import Client
from crm_api.core.db import Statement
from crm_api.kit.guard import ORG
from crm_api.kit.projection import instant, json_list, words
from crm_api.kit.reading import IDS
from crm_api.models import (
    ApiKeyRow,
    ChangeRow,
    FollowerRow,
    HeadRow,
    MembershipRow,
    NotificationMarkRow,
    NotificationReadRow,
    UserRow,
    table_of,
)
from crm_api.notifications.schemas import MOST_FOLLOWERS

ME: ColumnElement[Any] = bindparam("me", type_=Uuid())
_client_id = bindparam("id", type_=Uuid())
_key_owner = (
    select(ApiKeyRow.membership_id)
    .where(ApiKeyRow.organization_id == ORG, ApiKeyRow.id == ME)
    .scalar_subquery()
)
MEMBER: ColumnElement[Any] = func.coalesce(_key_owner, ME)
"""Whose notifications they are: an API key has those of who made it."""
_FOLLOWERS = table_of(FollowerRow)

FOLLOW = Statement(
    insert(FollowerRow)
    .from_select(
        ["organization_id", "client_id", "membership_id", "since_position", "created_at"],
        select(ORG, cast(_client_id, Uuid), MEMBER, HeadRow.position, func.now()).where(
            HeadRow.organization_id == ORG
        ),
    )
    .on_conflict_do_nothing()
)
UNFOLLOW = Statement(
    delete(FollowerRow).where(
        FollowerRow.organization_id == ORG,
        FollowerRow.client_id == _client_id,
        FollowerRow.membership_id == MEMBER,
    )
)
FOLLOWERS = Statement(
    select(
        json_list(
            select(
                FollowerRow.membership_id.label("id"),
                UserRow.name.label("name"),
                instant(_FOLLOWERS.c.created_at).label("followed_at"),
            )
            .where(
                FollowerRow.organization_id == ORG,
                FollowerRow.client_id == _client_id,
                MembershipRow.organization_id == ORG,
                MembershipRow.id == FollowerRow.membership_id,
                MembershipRow.is_active,
                UserRow.id == MembershipRow.user_id,
            )
            .order_by(FollowerRow.created_at, FollowerRow.membership_id)
            .limit(literal_column(str(MOST_FOLLOWERS), Integer())),
            "f",
        ).label("data")
    )
)

# -------------------------------------------------------------------- marking

_of_clients = [
    ChangeRow.organization_id == ORG,
    ChangeRow.resource.in_(words(Client.singular)),
]
POSITIONS = Statement(
    select(ChangeRow.id, ChangeRow.position).where(*_of_clients, ChangeRow.id == func.any(IDS))
)
MARK_UP_TO = Statement(
    insert(NotificationMarkRow)
    .from_select(
        ["organization_id", "membership_id", "read_up_to"],
        select(ORG, MEMBER, cast(bindparam("position", type_=BigInteger()), BigInteger)),
    )
    .on_conflict_do_update(
        index_elements=["organization_id", "membership_id"],
        set_={
            "read_up_to": func.greatest(
                NotificationMarkRow.read_up_to, bindparam("position", type_=BigInteger())
            )
        },
    )
)
FORGET_SINGLE = Statement(
    delete(NotificationReadRow).where(
        NotificationReadRow.organization_id == ORG,
        NotificationReadRow.membership_id == MEMBER,
        NotificationReadRow.position <= bindparam("position", type_=BigInteger()),
    )
)
_positions = func.unnest(bindparam("positions", type_=ARRAY(BigInteger()))).column_valued("p")
MARK_SINGLE = Statement(
    insert(NotificationReadRow)
    .from_select(["organization_id", "membership_id", "position"], select(ORG, MEMBER, _positions))
    .on_conflict_do_nothing()
)
