"""The communication on the wire: what was said, with whom, when, and what follows."""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from crm_api.clients.parts import ClientName
from crm_api.core.formats.dates import Instant, LocalDate
from crm_api.core.formats.text import Key, Line, Prose
from crm_api.kit.fields import DataClass, Op, Resource, Rule, Write
from crm_api.tasks.schemas import TaskState, Title

Kind = Literal["call", "email", "meeting", "sms", "letter", "visit", "service", "other"]
State = Literal["planned", "held", "cancelled", "void"]
Outcome = Literal[
    "connected",
    "voicemail",
    "no_answer",
    "busy",
    "wrong_number",
    "message_left",
    "declined",
    "delivered",
    "bounced",
    "other",
]
MAX_PARTICIPANTS, MAX_ACTION_ITEMS = 50, 20
PERSONAL = DataClass.PERSONAL
NEVER, ON_CREATE = Write.NEVER, Write.ON_CREATE
_PART = ConfigDict(extra="forbid", strict=True)


class Participant(BaseModel):
    """Who took part: a contact, a user, or somebody of whom only the name is known."""

    model_config = _PART

    contact_id: Annotated[UUID | None, Field(description="A contact.")] = None
    user_id: Annotated[UUID | None, Field(description="A user.")] = None
    name: Annotated[
        Annotated[str, Line(1, 200)] | None,
        Field(
            description="Of anybody else; of the others it is told with `expand=participants`.",
            examples=["Ada Nakato"],
        ),
    ] = None


class ActionItemEntry(BaseModel):
    """Something to be done that was agreed: it becomes a task."""

    model_config = _PART

    title: Annotated[Title, Field(description="What is to be done.", examples=["Send the offer"])]
    due_on: Annotated[
        LocalDate | None, Field(description="Until when.", examples=["2030-01-31"])
    ] = None
    assignee_id: Annotated[UUID | None, Field(description="By whom; you, unless said.")] = None


class ActionItem(BaseModel):
    """What was agreed, and the task that it became."""

    task_id: Annotated[UUID, Field(description="The task.")]
    title: Annotated[str, Field(max_length=200, description="What is to be done.")]
    due_on: Annotated[date | None, Field(description="Until when.")] = None
    assignee_id: Annotated[UUID | None, Field(description="By whom.")] = None
    state: Annotated[TaskState, Field(description="Whether it is still to be done.")]


class Communication(Resource):
    """A call, e-mail, meeting, message, letter or visit: planned, held, cancelled or void."""

    resource: ClassVar = "communications"
    singular: ClassVar = "communication"
    # What admin, manager, front_desk and presenter may: r read, c set on create, u change later.
    grants: ClassVar = {
        "communication": "rcu rcu rcu -",
        "audit": "r r own -",
        "audit_ip": "r - - -",
    }
    verbs: ClassVar = {"delete": "AM", "delete_own": "AMF", "restore": "AM", "read_deleted": "AM"}
    extra_filters: ClassVar = {
        "contact_id": ("communication", Op.EQ),
        "user_id": ("communication", Op.EQ),
    }
    filter_kinds: ClassVar = dict.fromkeys(extra_filters, "uuid")
    default_sort: ClassVar = "-occurred_at"
    expanded: ClassVar = {"client": ClientName | None}
    # Ids of an example would be those of no record.
    create_example: ClassVar = {
        "kind": "call",
        "direction": "out",
        "outcome": "connected",
        "duration_minutes": 12,
        "subject": "Offer for the morning show",
        "participants": [{"name": "Ada Nakato"}],
        "action_items": [{"title": "Send the offer", "due_on": "2030-01-31"}],
        "follow_up_on": "2030-02-07",
    }
    patch_example: ClassVar = {"outcome": "connected", "body": "They want to start in spring"}

    id: Annotated[UUID, Rule("communication", NEVER), Field(description="Its id, for ever.")]
    lifecycle: Annotated[
        Literal["live", "deleted"],
        Rule("communication", NEVER, filter=Op.EQ),
        Field(description="Whether it is in use."),
    ]
    client_id: Annotated[
        UUID | None,
        Rule("communication", ON_CREATE, filter=Op.EQ | Op.NULL, refers_to="clients"),
        Field(description="The client that it belongs to."),
    ] = None
    kind: Annotated[
        Kind,
        Rule("communication", filter=Op.EQ),
        Field(description="What it is.", examples=["call"]),
    ]
    direction: Annotated[
        Literal["in", "out"],
        Rule("communication", filter=Op.EQ),
        Field(description="Whether they came to us or we to them.", examples=["in"]),
    ] = "out"
    state: Annotated[
        State,
        Rule("communication", filter=Op.EQ, defaulted=True),
        Field(
            description="Held unless sent, planned where it lies ahead; `void` was entered in "
            "error. Only what is held counts as activity.",
            examples=["held"],
        ),
    ]
    occurred_at: Annotated[
        Instant,
        Rule("communication", filter=Op.RANGE, sort=True, defaulted=True),
        Field(description="When it takes or took place; now, unless sent."),
    ]
    recorded_at: Annotated[
        datetime, Rule("communication", NEVER), Field(description="When it was logged.")
    ]
    recorded_by: Annotated[
        UUID,
        Rule("communication", NEVER, filter=Op.EQ),
        Field(description="Who logged it: a user or an API key."),
    ]
    subject: Annotated[
        Annotated[str, Line(1, 200)] | None,
        Rule("communication", data_class=PERSONAL),
        Field(description="What it was about.", examples=["Offer for the morning show"]),
    ] = None
    body: Annotated[
        Annotated[str, Prose(20_000, 1)] | None,
        Rule("communication", data_class=PERSONAL),
        Field(description="What was said or written."),
    ] = None
    outcome: Annotated[
        Outcome | None,
        Rule("communication", filter=Op.EQ | Op.NULL),
        Field(description="What came of it.", examples=["connected"]),
    ] = None
    duration_minutes: Annotated[
        Annotated[int, Field(ge=0, le=10_080)] | None,
        Rule("communication"),
        Field(description="How long it took.", examples=[12]),
    ] = None
    participants: Annotated[
        list[Participant],
        Rule("communication", data_class=PERSONAL),
        Field(max_length=MAX_PARTICIPANTS, description="Who took part."),
    ] = []
    action_items: Annotated[
        list[ActionItem],
        Rule(
            "communication",
            ON_CREATE,
            accepts=Annotated[list[ActionItemEntry], Field(max_length=MAX_ACTION_ITEMS)],
            needs=(("tasks", "task"),),
        ),
        Field(max_length=MAX_ACTION_ITEMS, description="What was agreed: each is a task."),
    ] = []
    follow_up_on: Annotated[
        LocalDate | None,
        Rule("communication", ON_CREATE),
        Field(description="When to come back to it: made a task.", examples=["2030-02-07"]),
    ] = None
    workflow: Annotated[
        Key | None,
        Rule("communication", ON_CREATE, filter=Op.EQ | Op.NULL, catalogue="workflows"),
        Field(
            description="The client's tree in which it hangs; that of its parent, else "
            "`customer_relationship`, unless sent.",
            examples=["customer_relationship"],
        ),
    ] = None
    parent_id: Annotated[
        UUID | None,
        Rule("communication", filter=Op.EQ | Op.NULL, refers_to="communications"),
        Field(description="What it answers or belongs to, in the same tree."),
    ] = None


class LoggedNode(BaseModel):
    """One communication in its place."""

    id: Annotated[UUID, Field(description="The communication.")]
    parent_id: Annotated[UUID | None, Field(description="What it hangs under.")] = None
    depth: Annotated[int, Field(ge=1, le=1000, description="Steps from the root.")]
    kind: Annotated[Kind, Field(description="What it is.")]
    direction: Annotated[Literal["in", "out"], Field(description="In or out.")]
    state: Annotated[State, Field(description="Planned, held, cancelled or void.")]
    occurred_at: Annotated[datetime, Field(description="When.")]
    subject: Annotated[str | None, Field(max_length=200, description="What it was about.")] = None


MAX_NODES = 500


class CommunicationTree(BaseModel):
    """What belongs to one workflow of a client, each directly after what it hangs under."""

    client_id: Annotated[UUID, Field(description="The client.")]
    workflow: Annotated[str, Field(max_length=64, description="The workflow.")]
    started_at: Annotated[
        datetime | None, Field(description="When its first was logged; null before.")
    ] = None
    nodes: Annotated[
        list[LoggedNode],
        Field(max_length=MAX_NODES, description="The newest; siblings by their time."),
    ]
    truncated: Annotated[bool, Field(description="Whether there are older ones.")]
