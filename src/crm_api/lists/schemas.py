"""Distribution lists, their members, and segments on the wire."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from crm_api.core.formats.text import Key, Line, Prose
from crm_api.kit.batch import MAX_OPERATIONS
from crm_api.kit.fields import DataClass, Op, Resource, Rule, Write
from crm_api.kit.filters import VERSION
from crm_api.kit.schemas import ABSENT
from crm_api.kit.trees import EXAMPLE, Tree

MAX_FOUND = 20_000
"""How many clients a segment may bring to a list at once."""
PERSONAL = DataClass.PERSONAL
NEVER, ON_CREATE = Write.NEVER, Write.ON_CREATE
_PART = ConfigDict(extra="forbid", strict=True)
# What admin, manager, front_desk and presenter may: r read, c set on create, u change later.
_GRANTS = {"list": "rcu rcu rcu -", "audit": "r r own -", "audit_ip": "r - - -"}
# An id of an example is that of no record: the tests put a real one in its place.
_ID = "01890a5d-ac96-774b-bcce-b302099a8057"

_OF_SOMEBODY = (("clients", "name"), ("contacts", "person"))
_OF_REACH = (("clients", "reach"), ("contacts", "person_reach"))
_OF_WISHES = (("clients", "preferences"), ("contacts", "person_reach"))
"""Groups that a value speaks of, whichever of the two a member is."""


class DistributionList(Resource):
    """Clients and contacts that are written to together."""

    resource: ClassVar = "lists"
    singular: ClassVar = "distribution_list"
    grants: ClassVar = _GRANTS
    verbs: ClassVar = {
        "archive": "AMF",
        "restore": "AMF",
        "delete": "AM",
        "delete_own": "AMF",
        "read_deleted": "AM",
        "export": "AM",
    }
    # What the log tells besides fields: name → group.
    logged: ClassVar = {"members": "list"}
    patch_example: ClassVar = {"description": "Offers to those who booked last year"}

    id: Annotated[UUID, Rule("list", NEVER), Field(description="Its id, for ever.")]
    lifecycle: Annotated[
        Literal["live", "archived", "deleted"],
        Rule("list", NEVER, filter=Op.EQ),
        Field(description="Whether it is in use."),
    ]
    name: Annotated[
        str,
        Line(1, 200),
        Rule("list", filter=Op.EQ | Op.TEXT, sort=True),
        Field(description="What it is called; no other one is.", examples=["Season's offers"]),
    ]
    description: Annotated[
        Annotated[str, Prose(2000, 1)] | None,
        Rule("list"),
        Field(description="What it is for.", examples=["Offers to those who booked before"]),
    ] = None
    workflow: Annotated[
        Key,
        Rule("list", filter=Op.EQ, defaulted=True, catalogue="workflows"),
        Field(
            description="The workflow that it serves; `customer_relationship` unless sent.",
            examples=["customer_relationship"],
        ),
    ]
    segment_id: Annotated[
        UUID | None,
        Rule("list", NEVER, filter=Op.EQ | Op.NULL, refers_to="segments"),
        Field(description="The segment that it was frozen from."),
    ] = None
    created_by: Annotated[
        UUID,
        Rule("list", NEVER, filter=Op.EQ),
        Field(description="Who made it: a user or an API key."),
    ]
    created_at: Annotated[
        datetime,
        Rule("list", NEVER, filter=Op.RANGE, sort=True),
        Field(description="When it was made."),
    ]


class ListMember(Resource):
    """A client or a contact on a list. What speaks of both kinds is read by who reads both."""

    resource: ClassVar = "list_members"
    singular: ClassVar = "list_member"
    guarded_by: ClassVar = "lists"
    grants: ClassVar = _GRANTS
    default_sort: ClassVar = "created_at"
    create_example: ClassVar = {"client_id": _ID}

    id: Annotated[UUID, Rule("list", NEVER), Field(description="Its id, for ever.")]
    lifecycle: Annotated[
        Literal["live", "deleted"],
        Rule("list", NEVER, filter=Op.EQ),
        Field(description="Whether it is on the list; `deleted`: it was removed."),
    ]
    list_id: Annotated[UUID, Rule("list", NEVER, refers_to="lists"), Field(description="The list.")]
    client_id: Annotated[
        UUID | None,
        Rule("list", ON_CREATE, filter=Op.EQ | Op.NULL, refers_to="clients"),
        Field(description="The client; either this or `contact_id`."),
    ] = None
    contact_id: Annotated[
        UUID | None,
        Rule("list", ON_CREATE, filter=Op.EQ | Op.NULL, refers_to="contacts"),
        Field(description="The contact; either this or `client_id`."),
    ] = None
    name: Annotated[
        str,
        Rule("list", NEVER, needs=_OF_SOMEBODY, data_class=PERSONAL),
        Field(max_length=200, description="How the client or contact is called."),
    ]
    email: Annotated[
        str | None,
        Rule("list", NEVER, needs=_OF_REACH, data_class=PERSONAL),
        Field(max_length=320, description="Its primary e-mail address."),
    ] = None
    phone: Annotated[
        str | None,
        Rule("list", NEVER, needs=_OF_REACH, data_class=PERSONAL),
        Field(max_length=16, description="Its primary phone number, E.164."),
    ] = None
    subscribed: Annotated[
        bool,
        Rule("list", NEVER, filter=Op.EQ),
        Field(description="Whether it did not unsubscribe from this list."),
    ]
    unsubscribed_at: Annotated[
        datetime | None, Rule("list", NEVER), Field(description="When it unsubscribed.")
    ] = None
    unsubscribe_reason: Annotated[
        str | None,
        Rule("list", NEVER, data_class=PERSONAL),
        Field(max_length=500, description="Why, as far as it was told."),
    ] = None
    suppressed: Annotated[
        bool,
        Rule("list", NEVER, filter=Op.EQ, needs=_OF_WISHES),
        Field(description="Whether nothing may be sent to it, subscribed or not."),
    ]
    suppressed_by: Annotated[
        Literal["do_not_contact", "not_live"] | None,
        Rule("list", NEVER, needs=_OF_WISHES),
        Field(description="Why: it does not want to be contacted, or is out of use."),
    ] = None
    segment_id: Annotated[
        UUID | None,
        Rule("list", NEVER, filter=Op.EQ | Op.NULL, refers_to="segments"),
        Field(description="The segment that brought it."),
    ] = None
    created_by: Annotated[
        UUID, Rule("list", NEVER), Field(description="Who added it: a user or an API key.")
    ]
    created_at: Annotated[
        datetime,
        Rule("list", NEVER, filter=Op.RANGE, sort=True),
        Field(description="When it was first added."),
    ]


class ClientList(Resource):
    """A list that reaches a client: the client is on it, or a person who serves it now."""

    resource: ClassVar = "client_lists"
    singular: ClassVar = "client_list"
    guarded_by: ClassVar = "lists"
    grants: ClassVar = {"list": _GRANTS["list"]}

    id: Annotated[UUID, Rule("list", NEVER), Field(description="The membership.")]
    list_id: Annotated[
        UUID, Rule("list", NEVER, filter=Op.EQ, refers_to="lists"), Field(description="The list.")
    ]
    lifecycle: Annotated[
        Literal["live", "archived", "deleted"],
        Rule("list", NEVER, filter=Op.EQ),
        Field(description="Whether the list is in use."),
    ]
    name: Annotated[
        str,
        Rule("list", NEVER, sort=True),
        Field(max_length=200, description="What the list is called."),
    ]
    workflow: Annotated[
        str,
        Rule("list", NEVER, filter=Op.EQ, catalogue="workflows"),
        Field(max_length=64, description="The workflow that the list serves."),
    ]
    via: Annotated[
        Literal["client", "contact"],
        Rule("list", NEVER, filter=Op.EQ),
        Field(description="Who is on the list: the client, or a person who serves it now."),
    ]
    contact_id: Annotated[
        UUID | None,
        Rule("list", NEVER, refers_to="contacts"),
        Field(description="The person, where it is one."),
    ] = None
    contact_name: Annotated[
        str | None,
        Rule("list", NEVER, needs=(("contacts", "person"),), data_class=PERSONAL),
        Field(max_length=200, description="How the person is called."),
    ] = None
    subscribed: Annotated[
        bool,
        Rule("list", NEVER, filter=Op.EQ),
        Field(description="Whether the one on the list did not unsubscribe."),
    ]
    created_at: Annotated[
        datetime,
        Rule("list", NEVER, sort=True),
        Field(description="When it was added to the list."),
    ]


class SavedFilter(BaseModel):
    """Conditions in the form that a search of clients takes; at most 8 levels, 100 conditions."""

    model_config = _PART

    version: Annotated[
        Literal[1], Field(description="Of the form of `filter`.", examples=[VERSION])
    ] = VERSION
    filter: Annotated[Tree, Field(description="The conditions.", examples=[EXAMPLE])]


class Segment(Resource):
    """Conditions under a name. Which clients meet them is found anew, by the reader's rights."""

    resource: ClassVar = "segments"
    singular: ClassVar = "segment"
    guarded_by: ClassVar = "lists"
    grants: ClassVar = {
        "segment": "rcu rcu rcu -",
        **{group: _GRANTS[group] for group in ("audit", "audit_ip")},
    }
    create_example: ClassVar = {
        "name": "Active in hospitality",
        "filter": {
            "version": 1,
            "filter": {
                "and": [
                    {"field": "status", "op": "eq", "value": "active"},
                    {"field": "industry", "op": "eq", "value": "hospitality"},
                ]
            },
        },
    }
    patch_example: ClassVar = {
        "filter": {
            "version": 1,
            "filter": {"field": "status", "op": "in", "value": ["active", "prospect"]},
        }
    }

    id: Annotated[UUID, Rule("segment", NEVER), Field(description="Its id, for ever.")]
    lifecycle: Annotated[
        Literal["live", "deleted"],
        Rule("segment", NEVER, filter=Op.EQ),
        Field(description="Whether it is in use."),
    ]
    name: Annotated[
        str,
        Line(1, 200),
        Rule("segment", filter=Op.EQ | Op.TEXT, sort=True),
        Field(description="What it is called.", examples=["Active in hospitality"]),
    ]
    description: Annotated[
        Annotated[str, Prose(2000, 1)] | None,
        Rule("segment"),
        Field(description="What it is for."),
    ] = None
    filter: Annotated[
        SavedFilter,
        Rule("segment"),
        Field(
            description="The conditions, in their one stable form. Whoever writes them must read "
            "each field that they name, and so must whoever asks for the clients."
        ),
    ]
    visibility: Annotated[
        Literal["organization", "private"],
        Rule("segment", filter=Op.EQ),
        Field(
            description="Who finds it: everybody who reads segments, or its owner alone.",
            examples=["organization"],
        ),
    ] = "organization"
    created_by: Annotated[
        UUID,
        Rule("segment", NEVER, filter=Op.EQ),
        Field(description="Its owner: a user or an API key."),
    ]
    created_at: Annotated[
        datetime,
        Rule("segment", NEVER, filter=Op.RANGE, sort=True),
        Field(description="When it was made."),
    ]


# ------------------------------------------------------------------- what actions take and answer


class Unsubscribe(BaseModel):
    """Why somebody unsubscribes, as far as it is known."""

    model_config = _PART

    reason: Annotated[
        Annotated[str, Line(1, 500)] | None,
        Field(description="The reason, as it was told.", examples=["Too many messages"]),
    ] = None


class NewMember(BaseModel):
    """A client or a contact to add."""

    model_config = _PART

    client_id: Annotated[UUID | None, Field(description="The client.")] = None
    contact_id: Annotated[UUID | None, Field(description="The contact.")] = None


class NewMembers(BaseModel):
    """Clients and contacts to add, each by itself."""

    model_config = _PART

    members: Annotated[
        list[NewMember],
        Field(
            min_length=1,
            max_length=MAX_OPERATIONS,
            description="Whom to add.",
            examples=[[{"client_id": _ID}]],
        ),
    ]


class FrozenList(BaseModel):
    """The list to make of the clients of a segment."""

    model_config = _PART

    name: Annotated[
        str,
        Line(1, 200),
        Field(description="What it is called; no other one is.", examples=["Guests of May"]),
    ]
    description: Annotated[
        Annotated[str, Prose(2000, 1)] | None, Field(description="What it is for.")
    ] = ABSENT
    workflow: Annotated[
        Key,
        Field(
            description="The workflow that it serves; `customer_relationship` unless sent.",
            examples=["customer_relationship"],
        ),
    ] = ABSENT


class FromSegment(BaseModel):
    """The segment whose clients to add."""

    model_config = _PART

    segment_id: Annotated[UUID, Field(description="The segment.", examples=[_ID])]


class Brought(BaseModel):
    """What a segment brought to a list."""

    found: Annotated[
        int, Field(ge=0, le=MAX_FOUND, description="How many live clients met the conditions.")
    ]
    added: Annotated[
        int, Field(ge=0, le=MAX_FOUND, description="How many of them were not on the list.")
    ]
