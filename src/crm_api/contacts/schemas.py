"""The contact as it stands on the wire. It knows no client: a link belongs to the client."""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from crm_api.contacts.reach import Email, EmailsIn, Phone, PhonesIn
from crm_api.core.formats.places import LanguageTag
from crm_api.core.formats.text import Line
from crm_api.identity.schemas import extended
from crm_api.kit.fields import DataClass, Op, Resource, Rule, Write
from crm_api.kit.refs import MAX_REFS, ExternalRef
from crm_api.kit.schemas import ABSENT
from crm_api.kit.suggesting import Suggestion

PERSONAL = DataClass.PERSONAL
Languages = Annotated[list[LanguageTag], Field(max_length=20)]


class ContactEntry(BaseModel):
    """A new person inside another request: the quick form."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[
        str, Line(1, 200), Field(description="The person's name.", examples=["Ada Nakato"])
    ]
    honorific: Annotated[
        Annotated[str, Line(1, 50)] | None, Field(description="Form of address.")
    ] = None
    languages: Annotated[Languages, Field(description="Languages the person speaks.")] = []
    emails: Annotated[EmailsIn, Field(description="E-mail addresses, unique among contacts.")] = []
    phones: Annotated[PhonesIn, Field(description="Phone numbers.")] = []


class ClientLink(BaseModel):
    """A client that the person serves or served."""

    id: Annotated[UUID, Field(description="The id of the link.")]
    client_id: Annotated[UUID, Field(description="The client.")]
    roles: Annotated[
        list[Annotated[str, Field(max_length=32)]], Field(max_length=5, description="Roles there.")
    ]
    function: Annotated[
        str | None, Field(max_length=64, description="What the person decides.")
    ] = None
    job_title: Annotated[str | None, Field(max_length=200, description="Title there.")] = None
    from_on: Annotated[date | None, Field(description="First day.")] = None
    to_on: Annotated[date | None, Field(description="Last day.")] = None


class PersonNode(BaseModel):
    """One person of a line of reporting; those below follow whom they report to."""

    id: Annotated[UUID, Field(description="The person.")]
    lifecycle: Annotated[
        Literal["live", "deleted", "merged", "erased"], Field(description="Whether it is in use.")
    ] = ABSENT
    name: Annotated[
        str, Field(max_length=200, description="The person's name.", examples=["Ada Nakato"])
    ] = ABSENT
    parent_id: Annotated[UUID | None, Field(description="Whom the person reports to.")]
    depth: Annotated[int, Field(ge=0, le=64, description="Steps below the first one.")]


class ContactTree(BaseModel):
    """The line of reporting that a person stands in, as far as you may open its persons."""

    contact_id: Annotated[UUID, Field(description="The person that was asked for.")]
    nodes: Annotated[
        list[PersonNode],
        Field(max_length=600, description="From the top, each before those below it."),
    ]
    truncated: Annotated[bool, Field(description="Whether there is more than is told.")]


class Contact(Resource):
    """A person."""

    resource: ClassVar = "contacts"
    singular: ClassVar = "contact"
    # What admin, manager, front_desk and presenter may: r read, c set on create, u change later.
    grants: ClassVar = {
        "person": "rcu rcu rcu -",
        "person_reach": "rcu rcu rcu -",
        "coding": "rcu rcu r -",
        "audit": "r r own -",
        "audit_ip": "r - - -",
    }
    verbs: ClassVar = {"delete": "A", "restore": "A", "read_deleted": "A", "export": "AM"}
    extra_filters: ClassVar = {
        "emails": ("person_reach", Op.EQ | Op.TEXT),
        "phones": ("person_reach", Op.EQ | Op.TEXT),
        "external_refs": ("person", Op.EQ),
    }
    filter_kinds: ClassVar = dict.fromkeys(extra_filters, "text")
    default_sort: ClassVar = "name"
    searched: ClassVar = {
        "name": (("contacts", "person"),),
        "emails": (("contacts", "person_reach"),),
        "phones": (("contacts", "person_reach"),),
    }

    id: Annotated[UUID, Rule("person", Write.NEVER), Field(description="Its id, for ever.")]
    lifecycle: Annotated[
        Literal["live", "deleted", "merged", "erased"],
        Rule("person", Write.NEVER, filter=Op.EQ),
        Field(description="Whether it is in use."),
    ]
    name: Annotated[
        str,
        Line(1, 200),
        Rule("person", filter=Op.EQ | Op.TEXT, sort=True, data_class=PERSONAL),
        Field(description="The person's name.", examples=["Ada Nakato"]),
    ]
    honorific: Annotated[
        Annotated[str, Line(1, 50)] | None,
        Rule("person"),
        Field(description="Form of address.", examples=["Dr"]),
    ] = None
    languages: Annotated[
        list[LanguageTag],
        Rule("person"),
        Field(max_length=20, description="Languages the person speaks.", examples=[["en"]]),
    ] = []
    external_refs: Annotated[
        list[ExternalRef],
        Rule("person", Write.ON_CREATE),
        Field(max_length=MAX_REFS, description="Ids of the person in other systems."),
    ] = []
    created_at: Annotated[
        datetime,
        Rule("person", Write.NEVER, filter=Op.RANGE, sort=True),
        Field(description="When the record was made."),
    ]
    links: Annotated[
        list[ClientLink],
        Rule("person", Write.NEVER, needs=(("clients", "reach"),)),
        Field(max_length=500, description="Clients that the person serves or served."),
    ] = []
    emails: Annotated[
        list[Email],
        Rule("person_reach", accepts=EmailsIn, data_class=PERSONAL),
        Field(max_length=20, description="E-mail addresses, unique among contacts."),
    ] = []
    phones: Annotated[
        list[Phone],
        Rule("person_reach", accepts=PhonesIn, data_class=PERSONAL),
        Field(max_length=20, description="Phone numbers."),
    ] = []
    do_not_contact: Annotated[
        bool, Rule("person_reach"), Field(description="Nothing is sent to this person.")
    ] = False
    owner_id: Annotated[
        UUID | None,
        Rule("coding", filter=Op.EQ | Op.NULL, refers_to="users"),
        Field(description="The user who looks after the person."),
    ] = None
    reports_to_id: Annotated[
        UUID | None,
        Rule("coding", filter=Op.EQ | Op.NULL, refers_to="contacts"),
        Field(description="The contact whom the person reports to."),
    ] = None


class ContactSuggestion(Suggestion):
    """A person who holds what was typed; a key that you may not read is absent."""


UpsertedContact = extended(
    Contact,
    "UpsertedContact",
    "The contact after the delivery, and whether the delivery changed it.",
    applied=(bool, "False where its version is not newer than the one that the reference holds."),
)
