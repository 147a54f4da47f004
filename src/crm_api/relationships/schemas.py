"""The relationship on the wire, and what walks over relationships answer."""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from crm_api.clients.parts import Lifecycle
from crm_api.clients.schemas import Client
from crm_api.core.formats.dates import LocalDate
from crm_api.core.formats.text import Prose
from crm_api.kit.fields import DataClass, Op, Resource, Rule, Write
from crm_api.kit.schemas import ABSENT
from crm_api.relationships.kinds import Kind

NEVER, ON_CREATE = Write.NEVER, Write.ON_CREATE
MAX_NODES, MAX_EDGES, MAX_PATHS = 200, 1000, 5
MAX_TREE = 500
"""How many clients one tree tells."""
_OF_CLIENT = {"number": "identity", "lifecycle": "identity", "name": "name"}


class ClientBrief(BaseModel):
    """A client, as far as you may read it."""

    id: Annotated[UUID, Field(description="Its id.")]
    number: Annotated[
        str, Field(max_length=24, description="Its number.", examples=["C-000123"])
    ] = ABSENT
    lifecycle: Annotated[Lifecycle, Field(description="Whether it is in use.")] = ABSENT
    name: Annotated[
        str, Field(max_length=200, description="Its name.", examples=["Kampala Coffee Ltd"])
    ] = ABSENT


class Relationship(Resource):
    """How two clients are related, as seen from one of them."""

    resource: ClassVar = "relationships"
    singular: ClassVar = "relationship"
    # It is a part of both its clients, and guarded as their other parts are.
    guarded_by: ClassVar = "clients"
    grants: ClassVar = {g: Client.grants[g] for g in ("relations", "audit", "audit_ip")}
    default_sort: ClassVar = "created_at"
    guarded_parts: ClassVar = {"client": _OF_CLIENT, "other": _OF_CLIENT}
    # What the log tells besides fields: name → group.
    logged: ClassVar = {"lifecycle": "relations"}

    id: Annotated[UUID, Rule("relations", NEVER), Field(description="Its id, for ever.")]
    client_id: Annotated[
        UUID,
        Rule("relations", NEVER, refers_to="clients"),
        Field(description="The client from which it is seen."),
    ]
    kind: Annotated[
        Kind,
        Rule("relations", ON_CREATE, filter=Op.EQ),
        Field(description="What the other is to the client.", examples=["subsidiary"]),
    ]
    inverse_kind: Annotated[
        Kind,
        Rule("relations", ON_CREATE, defaulted=True),
        Field(
            description="What the client is to the other; it follows from `kind`, but for a "
            "`parent`, whose client is its `subsidiary` unless this says `branch` or `department`.",
            examples=["parent"],
        ),
    ]
    other_id: Annotated[
        UUID,
        Rule("relations", ON_CREATE, refers_to="clients"),
        Field(description="The other client."),
    ]
    client: Annotated[
        ClientBrief,
        Rule("relations", NEVER),
        Field(description="The client, as far as you may read it."),
    ]
    other: Annotated[
        ClientBrief,
        Rule("relations", NEVER),
        Field(description="The other, as far as you may read it."),
    ]
    from_on: Annotated[
        LocalDate | None,
        Rule("relations"),
        Field(description="The first day, where it is known.", examples=["2026-01-31"]),
    ] = None
    to_on: Annotated[
        LocalDate | None,
        Rule("relations"),
        Field(description="The last day; one that has ended stays visible."),
    ] = None
    current: Annotated[
        bool,
        Rule("relations", NEVER, filter=Op.EQ),
        Field(description="Whether it holds today, in the organization's time zone."),
    ]
    note: Annotated[
        Annotated[str, Prose(4000, 1)] | None,
        Rule("relations", data_class=DataClass.PERSONAL),
        Field(description="What else there is to say.", examples=["Shares the accountant"]),
    ] = None
    created_at: Annotated[
        datetime,
        Rule("relations", NEVER, sort=True),
        Field(description="When it was recorded."),
    ]


class TreeNode(ClientBrief):
    """One client of a hierarchy; those below follow their parent."""

    parent_id: Annotated[UUID | None, Field(description="Its parent in this tree.")]
    kind: Annotated[
        Literal["subsidiary", "branch", "department"] | None,
        Field(description="What it is to its parent."),
    ]
    depth: Annotated[int, Field(ge=0, le=64, description="Steps below the first one.")]


class ClientTree(BaseModel):
    """The hierarchy that a client stands in today, as far as you may open its clients."""

    client_id: Annotated[UUID, Field(description="The client that was asked for.")]
    nodes: Annotated[
        list[TreeNode],
        Field(max_length=MAX_TREE + 32, description="From the top, each before those below it."),
    ]
    truncated: Annotated[bool, Field(description="Whether there is more than is told.")]


class GraphNode(ClientBrief):
    """One client of a network."""

    depth: Annotated[int, Field(ge=0, le=6, description="Steps from the client asked for.")]


class GraphEdge(BaseModel):
    """One relationship of a network."""

    id: Annotated[UUID, Field(description="The relationship.")]
    client_id: Annotated[UUID, Field(description="The client from which it is told.")]
    other_id: Annotated[UUID, Field(description="The other client.")]
    kind: Annotated[Kind, Field(description="What the other is to the client.")]
    inverse_kind: Annotated[Kind, Field(description="What the client is to the other.")]
    from_on: Annotated[date | None, Field(description="The first day.")]
    to_on: Annotated[date | None, Field(description="The last day.")]
    current: Annotated[bool, Field(description="Whether it holds today.")]


class ClientGraph(BaseModel):
    """The network around a client, as far as you may open its clients."""

    client_id: Annotated[UUID, Field(description="The client in the middle.")]
    nodes: Annotated[list[GraphNode], Field(max_length=MAX_NODES, description="The nearest first.")]
    edges: Annotated[
        list[GraphEdge], Field(max_length=MAX_EDGES, description="All between these clients.")
    ]
    truncated: Annotated[bool, Field(description="Whether there is more than is told.")]


class ClientPath(BaseModel):
    """One way from a client to another."""

    client_ids: Annotated[
        list[UUID], Field(max_length=7, description="From the one to the other, step by step.")
    ]
    relationship_ids: Annotated[
        list[UUID], Field(max_length=6, description="The relationship of each step.")
    ]


class ClientPaths(BaseModel):
    """Through whom two clients know each other: the shortest ways."""

    client_id: Annotated[UUID, Field(description="Where the ways begin.")]
    to_id: Annotated[UUID, Field(description="Where they end.")]
    paths: Annotated[
        list[ClientPath], Field(max_length=MAX_PATHS, description="None where none is known.")
    ]
    nodes: Annotated[
        list[GraphNode], Field(max_length=MAX_NODES, description="The clients on them.")
    ]
    edges: Annotated[
        list[GraphEdge], Field(max_length=MAX_EDGES, description="The relationships on them.")
    ]
    truncated: Annotated[
        bool, Field(description="Whether the network was too large to be looked through.")
    ]


class Exposure(BaseModel):
    """A sum of credit limits."""

    amount: Annotated[
        str,
        Field(
            max_length=40,
            pattern=r"^[0-9]+(\.[0-9]{1,4})?$",
            description="The sum.",
            examples=["1500000"],
        ),
    ]
    currency: Annotated[
        str, Field(min_length=3, max_length=3, description="ISO 4217.", examples=["UGX"])
    ]


class RollUp(BaseModel):
    """A client with all that stand below it today; what you may not read is absent."""

    client_id: Annotated[UUID, Field(description="The client at the top.")]
    clients: Annotated[
        int, Field(ge=1, le=MAX_NODES * 5, description="How many, this one included.")
    ]
    contacts: Annotated[
        int, Field(ge=0, le=2**53, description="How many persons serve them now.")
    ] = ABSENT
    last_activity_at: Annotated[
        datetime | None, Field(description="The latest activity of any of them.")
    ] = ABSENT
    exposure: Annotated[
        list[Exposure], Field(max_length=200, description="Their credit limits, by currency.")
    ] = ABSENT
    truncated: Annotated[bool, Field(description="Whether there is more than is counted.")]
