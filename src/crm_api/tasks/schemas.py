"""The task on the wire."""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from crm_api.clients.parts import ClientName
from crm_api.core.formats.dates import Instant, LocalDate
from crm_api.core.formats.text import Line, Prose
from crm_api.kit.fields import DataClass, Op, Resource, Rule, Write

TaskKind = Literal["follow_up", "action_item", "review", "renewal", "other"]
TaskState = Literal["open", "done", "cancelled"]
Title = Annotated[str, Line(1, 200)]
PERSONAL = DataClass.PERSONAL
NEVER, ON_CREATE = Write.NEVER, Write.ON_CREATE


class Task(Resource):
    """Something that somebody is to do."""

    resource: ClassVar = "tasks"
    singular: ClassVar = "task"
    # What admin, manager, front_desk and presenter may: r read, c set on create, u change later.
    grants: ClassVar = {"task": "rcu rcu rcu -", "audit": "r r own -", "audit_ip": "r - - -"}
    verbs: ClassVar = {"delete": "AM", "delete_own": "AMF", "restore": "AM", "read_deleted": "AM"}
    default_sort: ClassVar = "due_on"
    expanded: ClassVar = {"client": ClientName | None}
    # Ids of an example would be those of no record.
    create_example: ClassVar = {
        "title": "Send the offer",
        "kind": "other",
        "due_on": "2030-01-31",
        "remind_at": "2030-01-30T07:00:00Z",
    }
    patch_example: ClassVar = {"due_on": "2030-02-07", "note": "They asked for another week"}

    id: Annotated[UUID, Rule("task", NEVER), Field(description="Its id, for ever.")]
    lifecycle: Annotated[
        Literal["live", "deleted"],
        Rule("task", NEVER, filter=Op.EQ),
        Field(description="Whether it is in use."),
    ]
    title: Annotated[
        Title,
        Rule("task", filter=Op.TEXT, data_class=PERSONAL),
        Field(description="What is to be done.", examples=["Send the offer"]),
    ]
    note: Annotated[
        Annotated[str, Prose(4000, 1)] | None,
        Rule("task", data_class=PERSONAL),
        Field(description="More on it."),
    ] = None
    kind: Annotated[
        TaskKind,
        Rule("task", filter=Op.EQ),
        Field(description="What it came from.", examples=["follow_up"]),
    ] = "other"
    state: Annotated[
        TaskState,
        Rule("task", Write.LATER, filter=Op.EQ, defaulted=True),
        Field(description="Whether it is still to be done.", examples=["done"]),
    ]
    due_on: Annotated[
        LocalDate | None,
        Rule("task", filter=Op.EQ | Op.RANGE | Op.NULL, sort=True),
        Field(description="The day on which it is due.", examples=["2026-01-31"]),
    ] = None
    remind_at: Annotated[
        Instant | None,
        Rule("task", filter=Op.RANGE | Op.NULL),
        Field(description="When to remind of it.", examples=["2026-01-30T07:00:00Z"]),
    ] = None
    assignee_id: Annotated[
        UUID | None,
        Rule("task", filter=Op.EQ | Op.NULL, refers_to="users"),
        Field(description="The user who is to do it."),
    ] = None
    client_id: Annotated[
        UUID | None,
        Rule("task", ON_CREATE, filter=Op.EQ | Op.NULL, refers_to="clients"),
        Field(description="The client that it is about."),
    ] = None
    contact_id: Annotated[
        UUID | None,
        Rule("task", ON_CREATE, filter=Op.EQ | Op.NULL, refers_to="contacts"),
        Field(description="The contact that it is about."),
    ] = None
    communication_id: Annotated[
        UUID | None,
        Rule("task", NEVER, filter=Op.EQ | Op.NULL, refers_to="communications"),
        Field(description="The communication that it follows from."),
    ] = None
    cause: Annotated[
        str | None,
        Rule("task", NEVER, filter=Op.EQ | Op.NULL),
        Field(description="What the system made it for.", max_length=64),
    ] = None
    created_by: Annotated[
        UUID,
        Rule("task", NEVER, filter=Op.EQ),
        Field(description="Who made it: a user, an API key, or the system."),
    ]
    created_at: Annotated[
        datetime,
        Rule("task", NEVER, filter=Op.RANGE, sort=True),
        Field(description="When it was made."),
    ]
    done_at: Annotated[
        datetime | None, Rule("task", NEVER), Field(description="When it was done.")
    ] = None
    done_by: Annotated[UUID | None, Rule("task", NEVER), Field(description="Who did it.")] = None


class FollowUp(Resource):
    """When a client is to be contacted next, by the interval of its type."""

    resource: ClassVar = "follow_ups"
    singular: ClassVar = "follow_up"
    grants: ClassVar = {"schedule": "r r r -"}
    default_sort: ClassVar = "due_on"

    id: Annotated[UUID, Rule("schedule", NEVER), Field(description="The client.")]
    name: Annotated[str, Rule("schedule", NEVER), Field(description="Its name.", max_length=200)]
    type: Annotated[
        str,
        Rule("schedule", NEVER, filter=Op.EQ, catalogue="types"),
        Field(description="Its type.", max_length=64),
    ]
    owner_id: Annotated[
        UUID | None,
        Rule("schedule", NEVER, filter=Op.EQ | Op.NULL, refers_to="users"),
        Field(description="The user who looks after it."),
    ] = None
    last_activity_at: Annotated[
        datetime | None, Rule("schedule", NEVER), Field(description="Its latest activity.")
    ] = None
    interval_days: Annotated[
        int,
        Rule("schedule", NEVER),
        Field(ge=1, le=3650, description="How often to be in touch with clients of its type."),
    ]
    due_on: Annotated[
        date | None,
        Rule("schedule", NEVER, filter=Op.RANGE | Op.NULL, sort=True),
        Field(description="The day of its last activity, and the interval; null before any."),
    ] = None
    bucket: Annotated[
        Literal["due", "overdue", "upcoming", "never", "blocked"],
        Rule("schedule", NEVER, filter=Op.EQ),
        Field(
            description="Due today, overdue, upcoming; never: without any activity; blocked: it "
            "does not want to be contacted."
        ),
    ]
