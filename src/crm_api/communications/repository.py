"""How communications are read from and written to their tables. All SQL of the slice is here."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Integer,
    Text,
    Uuid,
    bindparam,
    func,
    literal_column,
    select,
    update,
)

from crm_api.clients.lookups import client_is_there, client_name
from crm_api.communications.schemas import Communication
from crm_api.core.access import Rights
from crm_api.core.db import Statement
from crm_api.kit.changes import recordset
from crm_api.kit.guard import ORG
from crm_api.kit.indexing import Index, indexed, text_part
from crm_api.kit.listing import Listing, child_filter
from crm_api.kit.projection import Shape, Sources, children, instant, json_list
from crm_api.kit.reading import IDS
from crm_api.models import (
    ClientContactRow,
    ClientRow,
    CommunicationRow,
    CommunicationSearchRow,
    ContactRow,
    HeadRow,
    MembershipRow,
    ParticipantRow,
    TaskRow,
    UserRow,
    WorkflowTreeRow,
    table_of,
)

COMMUNICATIONS = table_of(CommunicationRow)
PARTICIPANTS = table_of(ParticipantRow)
TREES = table_of(WorkflowTreeRow)
CLIENTS = table_of(ClientRow)
CONTACTS = table_of(ContactRow)
LINKS = table_of(ClientContactRow)
MEMBERSHIPS = table_of(MembershipRow)
USERS = table_of(UserRow)
TASKS = table_of(TaskRow)
COMMUNICATION_SEARCH = table_of(CommunicationSearchRow)
indexed(
    Index(
        COMMUNICATIONS,
        COMMUNICATION_SEARCH,
        "communication_id",
        {name: text_part(COMMUNICATIONS, name) for name in ("subject", "body")},
    )
)


def _participants(sources: Sources, *, named: bool) -> ColumnElement[Any]:
    rows = sources.rows(PARTICIPANTS)
    name: ColumnElement[Any] = rows.c.name
    if named:
        contact = select(CONTACTS.c.name).where(
            CONTACTS.c.organization_id == ORG,
            CONTACTS.c.id == rows.c.contact_id,
            CONTACTS.c.lifecycle == "live",
        )
        user = select(USERS.c.name).where(
            MEMBERSHIPS.c.organization_id == ORG,
            MEMBERSHIPS.c.id == rows.c.user_id,
            USERS.c.id == MEMBERSHIPS.c.user_id,
        )
        known = (one.correlate(rows).scalar_subquery() for one in (contact, user))
        name = func.coalesce(rows.c.name, *known)
    columns: list[Any] = ["contact_id", "user_id", name.label("name")]
    return json_list(children(sources, PARTICIPANTS, "communication_id", columns), "cp")


def _action_items(sources: Sources, _: Rights) -> ColumnElement[Any]:
    rows = sources.rows(TASKS)
    inner = (
        select(
            rows.c.id.label("task_id"),
            rows.c.title,
            rows.c.due_on,
            rows.c.assignee_id,
            rows.c.state,
        )
        .where(
            rows.c.organization_id == ORG,
            rows.c.communication_id == sources.main.c.id,
            rows.c.kind == "action_item",
            rows.c.lifecycle == "live",
        )
        .correlate(sources.main)
        .order_by(rows.c.id)
    )
    return json_list(inner, "ai")


COMMUNICATION_SHAPE = Shape(
    resource=Communication,
    table=COMMUNICATIONS,
    expressions={
        "participants": lambda s, _: _participants(s, named=False),
        "action_items": _action_items,
    },
    expansions={
        "client": (("clients", "name"), client_name),
        "participants": (("contacts", "person"), lambda s, _: _participants(s, named=True)),
    },
    open_to=client_is_there,
)


def open_lifecycles(rights: Rights) -> list[str]:
    """Which lifecycles of communications may be opened with these rights."""
    return ["live", "deleted"] if rights.can("communications", "read_deleted") else ["live"]


COMMUNICATION_LISTING = Listing(
    shape=COMMUNICATION_SHAPE,
    filters={
        "contact_id": child_filter(PARTICIPANTS, "communication_id", "contact_id"),
        "user_id": child_filter(PARTICIPANTS, "communication_id", "user_id"),
    },
    sorts={},
)

# ---------------------------------------------------------------- what a decision looks at

_CLIENT = bindparam("client_id", type_=Uuid())
_PARENT = bindparam("parent_id", type_=Uuid())


def _of_client(value: ColumnElement[Any]) -> Any:
    return (
        select(value)
        .where(CLIENTS.c.organization_id == ORG, CLIENTS.c.id == _CLIENT)
        .scalar_subquery()
    )


def _of_parent(value: ColumnElement[Any]) -> Any:
    return (
        select(value)
        .where(
            COMMUNICATIONS.c.organization_id == ORG,
            COMMUNICATIONS.c.id == _PARENT,
            COMMUNICATIONS.c.lifecycle == "live",
        )
        .scalar_subquery()
    )


_there = (
    select(func.array_agg(CONTACTS.c.id))
    .where(
        CONTACTS.c.organization_id == ORG,
        CONTACTS.c.id == func.any(IDS),
        CONTACTS.c.lifecycle == "live",
    )
    .scalar_subquery()
)
_active = (
    select(func.array_agg(MEMBERSHIPS.c.id))
    .where(
        MEMBERSHIPS.c.organization_id == ORG,
        MEMBERSHIPS.c.id == func.any(IDS),
        MEMBERSHIPS.c.is_active,
    )
    .scalar_subquery()
)
FACTS = Statement(
    select(
        _of_client(CLIENTS.c.lifecycle).label("lifecycle"),
        _of_client(CLIENTS.c.version).label("version"),
        _of_client(CLIENTS.c.last_activity_at).label("last_activity_at"),
        _of_parent(COMMUNICATIONS.c.client_id).label("parent_client_id"),
        _of_parent(COMMUNICATIONS.c.workflow).label("parent_workflow"),
        _there.label("contacts"),
        _active.label("users"),
    )
)
"""The client, the parent, and which of these ids are live contacts or active users."""

SERVED_NOW = Statement(
    select(LINKS.c.client_id)
    .where(
        LINKS.c.organization_id == ORG,
        LINKS.c.contact_id == bindparam("contact_id", type_=Uuid()),
        LINKS.c.to_on.is_(None),
        CLIENTS.c.organization_id == ORG,
        CLIENTS.c.id == LINKS.c.client_id,
        CLIENTS.c.lifecycle == "live",
    )
    .distinct()
    .limit(2)
)


def client_beside() -> ColumnElement[Any]:
    """The client of the communication that is loaded, and its latest activity besides this one.

    Each time as the wire shows it.
    """
    this, other = COMMUNICATIONS.alias("this"), COMMUNICATIONS.alias("other")
    latest = (
        select(other.c.occurred_at)
        .where(
            other.c.organization_id == ORG,
            other.c.client_id == this.c.client_id,
            other.c.id != this.c.id,
            other.c.lifecycle == "live",
            other.c.state == "held",
        )
        .correlate(this)
        .order_by(other.c.occurred_at.desc(), other.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    keys: list[Any] = []
    for key, value in (
        ("lifecycle", CLIENTS.c.lifecycle),
        ("version", CLIENTS.c.version),
        ("last_activity_at", instant(CLIENTS.c.last_activity_at)),
        ("latest_other", instant(latest)),
    ):
        keys += [literal_column(f"'{key}'"), value]
    return (
        select(func.json_build_object(*keys))
        .where(
            this.c.organization_id == ORG,
            this.c.id == bindparam("id", type_=Uuid()),
            CLIENTS.c.organization_id == ORG,
            CLIENTS.c.id == this.c.client_id,
        )
        .scalar_subquery()
    )


_start = (
    select(COMMUNICATIONS.c.id, COMMUNICATIONS.c.parent_id)
    .where(COMMUNICATIONS.c.organization_id == ORG, COMMUNICATIONS.c.id == _PARENT)
    .cte("chain", recursive=True)
)
_above = COMMUNICATIONS.alias("above")
_chain = _start.union(
    select(_above.c.id, _above.c.parent_id).where(
        _above.c.organization_id == ORG, _above.c.id == _start.c.parent_id
    )
)
HANGS_UNDER = Statement(
    select(func.count().label("times"))
    .select_from(_chain)
    .where(_chain.c.id == bindparam("id", type_=Uuid()))
)
"""Whether the record is the parent, or somewhere above it."""

# -------------------------------------------------------------------------------- the tree

_workflow = bindparam("workflow", type_=Text())
TREE_START = Statement(
    select(instant(TREES.c.created_at).label("started_at")).where(
        TREES.c.organization_id == ORG,
        TREES.c.client_id == _CLIENT,
        TREES.c.workflow == _workflow,
    )
)
TREE_NODES = Statement(
    select(
        COMMUNICATIONS.c.id,
        COMMUNICATIONS.c.parent_id,
        COMMUNICATIONS.c.kind,
        COMMUNICATIONS.c.direction,
        COMMUNICATIONS.c.state,
        instant(COMMUNICATIONS.c.occurred_at).label("occurred_at"),
        COMMUNICATIONS.c.subject,
    )
    .where(
        COMMUNICATIONS.c.organization_id == ORG,
        COMMUNICATIONS.c.client_id == _CLIENT,
        COMMUNICATIONS.c.workflow == _workflow,
        COMMUNICATIONS.c.lifecycle == "live",
    )
    .order_by(COMMUNICATIONS.c.occurred_at.desc(), COMMUNICATIONS.c.id.desc())
    .limit(bindparam("limit", type_=Integer()))
)

# ------------------------------------------------------------------------- many at once

STANDING = Statement(
    select(CLIENTS.c.id, CLIENTS.c.version, CLIENTS.c.last_activity_at).where(
        CLIENTS.c.organization_id == ORG, CLIENTS.c.id == func.any(IDS)
    )
)
_moved = recordset("moved", {"id": Uuid(), "at": DateTime(timezone=True)})
MOVE_ALL = Statement(
    update(CLIENTS)
    .where(
        CLIENTS.c.organization_id == ORG,
        CLIENTS.c.id == _moved.c.id,
        HeadRow.organization_id == ORG,
    )
    .values(last_activity_at=_moved.c.at, updated_at=HeadRow.last_at)
)
"""Within the transaction of their entries, whose time the head keeps."""
