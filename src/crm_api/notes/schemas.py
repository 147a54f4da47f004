"""The note on the wire: which kind of it belongs to which group of the client."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from crm_api.clients.schemas import Client
from crm_api.core.formats.text import Key, Prose
from crm_api.kit.fields import DataClass, Op, Resource, RowGroups, Rule, Write
from crm_api.kit.schemas import Author

Kind = Literal["general", "service", "preference", "special_requirement", "escalation"]
GROUP_OF = {
    "general": "remarks",
    "service": "service",
    "preference": "preferences",
    "special_requirement": "service",
    "escalation": "assessment",
}
BY_KIND = "by_kind"
NEVER = Write.NEVER


class Note(Resource):
    """What somebody wrote down about a client; its kind decides who reads and who changes it."""

    resource: ClassVar = "notes"
    singular: ClassVar = "note"
    # A note is a part of its client: one of the group that its kind speaks of.
    guarded_by: ClassVar = "clients"
    row_groups: ClassVar = RowGroups("kind", GROUP_OF)
    grants: ClassVar = {
        group: Client.grants[group]
        for group in (*dict.fromkeys(GROUP_OF.values()), "audit", "audit_ip")
    }
    default_sort: ClassVar = "-pinned"
    # What the log tells besides fields: name → group.
    logged: ClassVar = {"lifecycle": BY_KIND}

    id: Annotated[UUID, Rule(BY_KIND, NEVER), Field(description="Its id, for ever.")]
    client_id: Annotated[
        UUID,
        Rule(BY_KIND, NEVER, filter=Op.EQ, refers_to="clients"),
        Field(description="The client that it is about."),
    ]
    kind: Annotated[
        Kind,
        Rule(BY_KIND, filter=Op.EQ, defaulted=True),
        Field(
            description="What it is about; `general` unless said. Who may read and change it "
            "follows: `general` as `remarks`, `service` and `special_requirement` as `service`, "
            "`preference` as `preferences`, `escalation` as `assessment` of the client.",
            examples=["preference"],
        ),
    ]
    text: Annotated[
        str,
        Prose(10_000, 1),
        Rule(BY_KIND, data_class=DataClass.PERSONAL),
        Field(
            description="What was written down. In a general note a pair such as `stage=mature` "
            "writes the client's stage, and the text is its reason: who reads the stage reads it.",
            examples=["Call after lunch"],
        ),
    ]
    pinned: Annotated[
        bool,
        Rule(BY_KIND, filter=Op.EQ, sort=True),
        Field(description="Whether it comes before the others."),
    ] = False
    workflow: Annotated[
        Key,
        Rule(BY_KIND, filter=Op.EQ, defaulted=True, catalogue="workflows"),
        Field(
            description="A key of the workflows catalogue; `customer_relationship` unless said.",
            examples=["customer_relationship"],
        ),
    ]
    created_by: Annotated[Author, Rule(BY_KIND, NEVER), Field(description="Who wrote it.")]
    created_at: Annotated[
        datetime,
        Rule(BY_KIND, NEVER, filter=Op.RANGE, sort=True),
        Field(description="When it was written."),
    ]
    updated_at: Annotated[
        datetime, Rule(BY_KIND, NEVER), Field(description="When it was last changed.")
    ]
