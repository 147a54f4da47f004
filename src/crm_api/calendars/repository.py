"""How feeds are kept, and what one of them tells: all within the rights of its user."""

from functools import lru_cache
from typing import Any

from sqlalchemy import Uuid, bindparam, exists, func, literal, literal_column, select, text

from crm_api.calendars.schemas import CalendarFeed
from crm_api.clients.lookups import client_is_there
from crm_api.core.access import Rights
from crm_api.core.db import Statement
from crm_api.kit.guard import ORG
from crm_api.kit.listing import Listing
from crm_api.kit.projection import Shape
from crm_api.models import (
    ApiKeyRow,
    CalendarFeedRow,
    ClientRow,
    CommunicationRow,
    ParticipantRow,
    TaskRow,
    table_of,
)

FEEDS = table_of(CalendarFeedRow)
TASKS = table_of(TaskRow)
COMMUNICATIONS = table_of(CommunicationRow)
PARTICIPANTS = table_of(ParticipantRow)
CLIENTS = table_of(ClientRow)
API_KEYS = table_of(ApiKeyRow)

FEED_SHAPE = Shape(CalendarFeed, FEEDS)
FEED_LISTING = Listing(FEED_SHAPE, filters={}, sorts={})
MAX_ENTRIES = 500
_ID = bindparam("id", type_=Uuid())
_USER = bindparam("user_id", type_=Uuid())

FIND_FEED = Statement(
    select(FEEDS.c.user_id, FEEDS.c.secret_digest).where(
        FEEDS.c.organization_id == ORG, FEEDS.c.id == _ID, FEEDS.c.lifecycle == "live"
    )
)
KEY_CREATOR = Statement(
    select(API_KEYS.c.membership_id).where(API_KEYS.c.organization_id == ORG, API_KEYS.c.id == _ID)
)


def _client_name(client_id: Any, rights: Rights) -> Any:
    """The name of the client, as far as the user reads names."""
    if not rights.can("clients", "read", "name"):
        return literal_column("NULL::text").label("client")
    name = select(CLIENTS.c.name).where(CLIENTS.c.organization_id == ORG, CLIENTS.c.id == client_id)
    return name.correlate(client_id.table).scalar_subquery().label("client")


@lru_cache(maxsize=64)
def due_tasks(rights: Rights) -> Statement:
    """The open tasks of a user that have a date, those first that are due first."""
    return Statement(
        select(
            TASKS.c.id,
            TASKS.c.title,
            TASKS.c.note,
            TASKS.c.due_on,
            TASKS.c.remind_at,
            TASKS.c.created_at,
            _client_name(TASKS.c.client_id, rights),
        )
        .where(
            TASKS.c.organization_id == ORG,
            TASKS.c.assignee_id == _USER,
            TASKS.c.state == "open",
            TASKS.c.due_on.is_not(None),
            TASKS.c.lifecycle == "live",
            client_is_there(TASKS, rights),
        )
        .order_by(TASKS.c.due_on, TASKS.c.id)
        .limit(literal_column(str(MAX_ENTRIES)))
    )


@lru_cache(maxsize=64)
def planned_meetings(rights: Rights) -> Statement:
    """What is planned from a month ago on, and a user takes part in, or has logged."""
    takes_part = exists(
        select(literal(1)).where(
            PARTICIPANTS.c.organization_id == ORG,
            PARTICIPANTS.c.communication_id == COMMUNICATIONS.c.id,
            PARTICIPANTS.c.user_id == _USER,
        )
    )
    return Statement(
        select(
            COMMUNICATIONS.c.id,
            COMMUNICATIONS.c.kind,
            COMMUNICATIONS.c.subject,
            COMMUNICATIONS.c.occurred_at,
            COMMUNICATIONS.c.duration_minutes,
            COMMUNICATIONS.c.recorded_at,
            _client_name(COMMUNICATIONS.c.client_id, rights),
        )
        .where(
            COMMUNICATIONS.c.organization_id == ORG,
            COMMUNICATIONS.c.lifecycle == "live",
            COMMUNICATIONS.c.occurred_at > func.now() - text("interval '30 days'"),
            COMMUNICATIONS.c.state == "planned",
            takes_part | (COMMUNICATIONS.c.recorded_by == _USER),
            client_is_there(COMMUNICATIONS, rights),
        )
        .order_by(COMMUNICATIONS.c.occurred_at, COMMUNICATIONS.c.id)
        .limit(literal_column(str(MAX_ENTRIES)))
    )
