"""How tasks are read from and written to their table, and what follows from clients' dates."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    Integer,
    String,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
)

from crm_api.clients.lookups import client_is_there, client_name
from crm_api.clients.repository import CLIENTS, effective_type
from crm_api.core.db import Statement
from crm_api.identity.repository import view
from crm_api.kit.guard import ORG
from crm_api.kit.listing import Listing, nulls_last
from crm_api.kit.projection import Shape, words
from crm_api.models import CatalogueEntryRow, MembershipRow, OrganizationRow, TaskRow, table_of
from crm_api.tasks.schemas import FollowUp, Task

MAX_TOLD = 50
"""So many of a client's open follow-ups are named."""
TASKS = table_of(TaskRow)
TYPES = table_of(CatalogueEntryRow)
ORGANIZATIONS = table_of(OrganizationRow)
MEMBERSHIPS = table_of(MembershipRow)

TASK_SHAPE = Shape(
    resource=Task,
    table=TASKS,
    expansions={"client": (("clients", "name"), client_name)},
    open_to=client_is_there,
)
TASK_LISTING = Listing(
    shape=TASK_SHAPE,
    filters={},
    sorts={"due_on": nulls_last("due_on", "-infinity", "infinity", "date")},
)

# ------------------------------------------------------------------------ the schedule

_zone = ORGANIZATIONS.c.time_zone
_interval = cast(TYPES.c.data["contact_interval_days"].astext, Integer)


def _local_date(time: ColumnElement[Any]) -> ColumnElement[Any]:
    return cast(func.timezone(_zone, time), Date)


_today = _local_date(func.now())
_due = _local_date(CLIENTS.c.last_activity_at) + _interval
_bucket = case(
    (
        CLIENTS.c.preferences["do_not_contact"].astext == literal_column("'true'"),
        literal_column("'blocked'", Text()),
    ),
    (CLIENTS.c.last_activity_at.is_(None), literal_column("'never'", Text())),
    (_due < _today, literal_column("'overdue'", Text())),
    (_due == _today, literal_column("'due'", Text())),
    else_=literal_column("'upcoming'", Text()),
)
_scheduled = [
    CLIENTS.c.organization_id == ORG,
    CLIENTS.c.lifecycle == "live",
    CLIENTS.c.status != literal_column("'inactive'"),
    ORGANIZATIONS.c.id == ORG,
    TYPES.c.organization_id == ORG,
    TYPES.c.catalogue == literal_column("'types'"),
    TYPES.c.key == cast(effective_type(CLIENTS), Text),
    _interval.is_not(None),
]
FOLLOW_UP_SHAPE = Shape(
    resource=FollowUp,
    table=view(
        "follow_ups",
        select(
            CLIENTS.c.organization_id,
            CLIENTS.c.id,
            CLIENTS.c.lifecycle,
            CLIENTS.c.name,
            TYPES.c.key.label("type"),
            CLIENTS.c.owner_id,
            CLIENTS.c.last_activity_at,
            _interval.label("interval_days"),
            _due.label("due_on"),
            _bucket.label("bucket"),
        ).where(*_scheduled),
    ),
)
FOLLOW_UP_LISTING = Listing(
    shape=FOLLOW_UP_SHAPE,
    filters={},
    sorts={"due_on": nulls_last("due_on", "-infinity", "infinity", "date")},
)


def _has_task(cause: str, due: ColumnElement[Any]) -> ColumnElement[bool]:
    """One is open, or was made since it fell due: what was done or cancelled is not made again."""
    is_open = and_(TASKS.c.state == "open", TASKS.c.lifecycle == "live")
    made = select(literal(1)).where(
        TASKS.c.organization_id == ORG,
        TASKS.c.client_id == CLIENTS.c.id,
        TASKS.c.cause == literal(cause, String()),
        or_(is_open, _local_date(TASKS.c.created_at) >= due),
    )
    return exists(made.correlate(CLIENTS, ORGANIZATIONS, TYPES))


_LIMIT = bindparam("limit", type_=Integer())
_active_owner = [
    MEMBERSHIPS.c.organization_id == ORG,
    MEMBERSHIPS.c.id == CLIENTS.c.owner_id,
    MEMBERSHIPS.c.is_active,
]
_columns = (CLIENTS.c.id, CLIENTS.c.name, CLIENTS.c.owner_id)
DUE_REVIEWS = Statement(
    select(*_columns, CLIENTS.c.review_due_on.label("due_on"))
    .where(
        CLIENTS.c.organization_id == ORG,
        CLIENTS.c.lifecycle == "live",
        CLIENTS.c.status != literal_column("'inactive'"),
        CLIENTS.c.review_due_on <= _today,
        ORGANIZATIONS.c.id == ORG,
        *_active_owner,
        ~_has_task("review", CLIENTS.c.review_due_on),
    )
    .order_by(CLIENTS.c.review_due_on, CLIENTS.c.id)
    .limit(_LIMIT)
)
DUE_FOLLOW_UPS = Statement(
    select(*_columns, _due.label("due_on"))
    .where(
        *_scheduled,
        *_active_owner,
        _bucket.in_([literal_column("'due'"), literal_column("'overdue'")]),
        ~_has_task("follow_up", _due),
    )
    .order_by(_due, CLIENTS.c.id)
    .limit(_LIMIT)
)
"""Clients for which somebody is to do something, and for which there is no task yet."""

OPEN_FOLLOW_UPS = Statement(
    select(TASKS.c.id, TASKS.c.title, TASKS.c.due_on)
    .where(
        TASKS.c.organization_id == ORG,
        TASKS.c.client_id == bindparam("client_id", type_=Uuid()),
        TASKS.c.lifecycle == "live",
        TASKS.c.state == "open",
        TASKS.c.kind.in_(words("follow_up", "action_item")),
    )
    .order_by(TASKS.c.due_on, TASKS.c.id)
    .limit(MAX_TOLD)
)
"""What somebody promised a client, and has not done."""
