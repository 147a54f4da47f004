"""The client on the wire: each field once, with its group; each group once, with its roles."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from crm_api.clients.pairs import TYPED
from crm_api.clients.parts import (
    MAX_LINKS,
    BillingDetails,
    ContactLink,
    DerivedStatus,
    Kind,
    Lifecycle,
    LinkEntry,
    NotificationSettings,
    OperatingHours,
    Owner,
    Preferences,
    ServiceDetails,
    Site,
    SiteEntry,
    SocialProfile,
    Stage,
    Status,
    TaxNumber,
)
from crm_api.contacts.reach import Email, EmailsIn, Phone, PhonesIn
from crm_api.core.formats.dates import LocalDate
from crm_api.core.formats.money import Money
from crm_api.core.formats.places import CountryCode, LanguageTag, TimeZone
from crm_api.core.formats.text import AttributeKey, Key, Line, Prose
from crm_api.core.formats.web import WebUrl
from crm_api.identity.schemas import extended
from crm_api.kit.fields import DataClass, Op, Resource, Rule, Write
from crm_api.kit.refs import MAX_REFS, ExternalRef

PERSONAL, FINANCIAL = DataClass.PERSONAL, DataClass.FINANCIAL
NEVER, ON_CREATE = Write.NEVER, Write.ON_CREATE


class Client(Resource):
    """An organization or individual that is served."""

    resource: ClassVar = "clients"
    singular: ClassVar = "client"
    # What admin, manager, front_desk and presenter may: r read, c set on create, u change later.
    grants: ClassVar = {
        "identity": "r r r r",
        "name": "rcu rcu rc r",
        "card": "rc rc r -",
        "stamp": "r r - -",
        "classification": "rcu rcu r r",
        "assessment": "rcu rcu r -",
        "profile": "rcu rcu rcu r",
        "lead": "rcu rcu rcu -",
        "audience": "rcu rcu rcu -",
        "reach": "rcu rcu rcu -",
        "preferences": "rcu rcu rcu -",
        "service": "rcu rcu r -",
        "registration": "rcu rcu rc -",
        "remarks": "rcu rcu rcu -",
        "billing": "rcu rcu r -",
        "finance": "rcu rcu - -",
        # Who is related to whom: the fields stand in `relationships/schemas.py`.
        "relations": "rcu rcu r -",
        # The facts behind a derived type (campaigns); its evidence is told by this group.
        "airing": "rcu rcu r r",
        "audit": "r r own -",
        "audit_ip": "r - - -",
    }
    verbs: ClassVar = {
        "archive": "AM",
        "restore": "AM",
        "delete": "A",
        "read_archived": "AMF",
        "read_deleted": "A",
        "duplicate_override": "AM",
        "import": "AM",
        "export": "AM",
        "merge": "AM",
        "erase": "A",
    }
    # Filters beyond the fields of the same name: name → (group, operators).
    extra_filters: ClassVar = {
        "country_code": ("reach", Op.EQ),
        "city": ("reach", Op.EQ | Op.TEXT),
        "emails": ("reach", Op.EQ | Op.TEXT),
        "phones": ("reach", Op.EQ | Op.TEXT),
        "external_refs": ("card", Op.EQ),
        "tags": ("remarks", Op.EQ),
        "attributes": ("remarks", Op.EQ),
    }
    filter_kinds: ClassVar = dict.fromkeys(extra_filters, "text")
    keyed_filters: ClassVar = ("attributes",)
    default_sort: ClassVar = "name"
    searched: ClassVar = {
        "name": (("clients", "name"),),
        "number": (("clients", "identity"),),
        "emails": (("clients", "reach"),),
        "phones": (("clients", "reach"),),
        "people": (("clients", "reach"), ("contacts", "person")),
    }
    # What the history tells besides fields: name → group.
    logged: ClassVar = {"type_override": "assessment"}
    # Parts of a value that take another group than the field: field → part → group.
    guarded_parts: ClassVar = {
        "type_status": {"override": "assessment", "evidence": "airing"},
        "attributes": {"stage": "classification"},
    }
    # A key of a filter that stands for a field of its own.
    keyed_fields: ClassVar = {("attributes", key): field for key, field in TYPED.items()}
    expanded: ClassVar = {"owner": Owner | None}
    create_example: ClassVar = {
        "name": "Kampala Coffee Ltd",
        "industry": "hospitality",
        "emails": ["hello@kampala-coffee.example.com"],
        "phones": [{"country": "UG", "national": "0772 123456", "label": "work"}],
        "sites": [{"kind": "physical", "country_code": "UG", "city": "Kampala"}],
        "contacts": [{"contact": {"name": "Ada Nakato"}, "roles": ["primary"]}],
        "tags": ["coffee"],
    }
    patch_example: ClassVar = {
        "stage": "growing",
        "products_services": "Speciality coffee",
        "phones": [{"e164": "+256772123456", "label": "work"}],
        "remarks": "Prefers to meet in the morning",
    }
    create_options: ClassVar = {
        "allow_duplicate": (
            bool,
            "Create although the name exists; needs `clients:duplicate_override`.",
        ),
        "on_inactive": (
            Literal["create"],
            "Take an e-mail address from the archived client that holds it.",
        ),
    }
    patch_options: ClassVar = {
        "allow_duplicate": (
            bool,
            "Rename although the name exists; needs `clients:duplicate_override`.",
        ),
    }

    id: Annotated[UUID, Rule("identity", NEVER), Field(description="Its id, for ever.")]
    number: Annotated[
        str,
        Rule("identity", NEVER, sort=True),
        Field(
            description="Its number among people; never used again.",
            examples=["C-000123"],
            max_length=24,
        ),
    ]
    lifecycle: Annotated[
        Lifecycle, Rule("identity", NEVER, filter=Op.EQ), Field(description="Whether it is in use.")
    ]
    kind: Annotated[
        Kind,
        Rule("name", ON_CREATE, filter=Op.EQ, defaulted=True),
        Field(description="An organization or a person; set once.", examples=["organization"]),
    ]
    name: Annotated[
        str,
        Line(1, 200),
        Rule("name", filter=Op.EQ | Op.TEXT, sort=True, data_class=PERSONAL),
        Field(description="The registered name.", examples=["Kampala Coffee Ltd"]),
    ]
    profile_state: Annotated[
        Literal["draft", "complete"],
        Rule("card", NEVER, filter=Op.EQ),
        Field(description="Whether all that the preset asks for is there."),
    ]
    registered_on: Annotated[
        LocalDate,
        Rule("card", ON_CREATE, filter=Op.EQ | Op.RANGE, sort=True, defaulted=True),
        Field(description="The day it was added; today unless said.", examples=["2026-01-31"]),
    ]
    last_activity_at: Annotated[
        datetime | None,
        Rule("card", NEVER, filter=Op.RANGE | Op.NULL, sort=True, decides=False),
        Field(description="The latest interaction or transaction."),
    ] = None
    engagement_level: Annotated[
        Literal["high", "medium", "low"] | None,
        Rule("card", NEVER),
        Field(description="How closely its type is to be looked after."),
    ] = None
    external_refs: Annotated[
        list[ExternalRef],
        Rule("card", ON_CREATE),
        Field(max_length=MAX_REFS, description="Its ids in other systems."),
    ] = []
    merged_into: Annotated[
        UUID | None,
        Rule("card", NEVER, refers_to="clients"),
        Field(description="The client that it was merged into."),
    ] = None
    created_at: Annotated[
        datetime,
        Rule("card", NEVER, filter=Op.RANGE, sort=True),
        Field(description="When the record was made."),
    ]
    updated_at: Annotated[
        datetime,
        Rule("stamp", NEVER, filter=Op.RANGE, sort=True, moves_with_all=True, decides=False),
        Field(description="When anything of it last changed."),
    ]
    type: Annotated[
        Key,
        Rule("classification", filter=Op.EQ, defaulted=True, catalogue="types"),
        Field(description="A type of the organization's presets.", examples=["prospect"]),
    ]
    type_status: Annotated[
        DerivedStatus, Rule("classification", NEVER), Field(description="How the type came about.")
    ]
    status: Annotated[
        Status,
        Rule("classification", filter=Op.EQ, defaulted=True),
        Field(description="Where the relation stands.", examples=["prospect"]),
    ]
    status_reason: Annotated[
        Annotated[str, Line(1, 500)] | None,
        Rule("classification"),
        Field(description="Why the status was changed.", examples=["Asked for an offer"]),
    ] = None
    industry: Annotated[
        Key | None,
        Rule("classification", filter=Op.EQ | Op.NULL, catalogue="industries"),
        Field(description="A key of the industries catalogue.", examples=["hospitality"]),
    ] = None
    stage: Annotated[
        Stage | None,
        Rule("classification", filter=Op.EQ | Op.NULL),
        Field(description="The stage of the relationship.", examples=["growing"]),
    ] = None
    stage_reason: Annotated[
        Annotated[str, Line(1, 500)] | None,
        Rule("classification"),
        Field(description="Why this stage."),
    ] = None
    business_size: Annotated[
        Literal["small", "medium", "large"] | None,
        Rule("assessment", filter=Op.EQ | Op.NULL),
        Field(description="The size of the business.", examples=["small"]),
    ] = None
    service_tier: Annotated[
        Key | None,
        Rule("assessment", filter=Op.EQ | Op.NULL, catalogue="tiers"),
        Field(description="A key of the tiers catalogue."),
    ] = None
    region: Annotated[
        Key | None,
        Rule("assessment", filter=Op.EQ | Op.NULL, catalogue="regions"),
        Field(description="A key of the regions catalogue."),
    ] = None
    owner_id: Annotated[
        UUID | None,
        Rule("assessment", filter=Op.EQ | Op.NULL, refers_to="users"),
        Field(description="The user who looks after it."),
    ] = None
    potential: Annotated[
        Literal["low", "medium", "high"] | None,
        Rule("assessment", filter=Op.EQ | Op.NULL),
        Field(description="What it may become.", examples=["high"]),
    ] = None
    last_reviewed_on: Annotated[
        LocalDate | None, Rule("assessment"), Field(description="The day of the last review.")
    ] = None
    review_due_on: Annotated[
        LocalDate,
        Rule("assessment", NEVER, filter=Op.RANGE, sort=True),
        Field(description="Three months after the last review, or after registration."),
    ]
    products_services: Annotated[
        Annotated[str, Prose(4000, 1)] | None,
        Rule("profile"),
        Field(description="What the client offers.", examples=["Speciality coffee"]),
    ] = None
    website: Annotated[WebUrl | None, Rule("profile"), Field(description="Its web site.")] = None
    social_profiles: Annotated[
        list[SocialProfile], Rule("profile"), Field(max_length=20, description="Its social pages.")
    ] = []
    source: Annotated[
        Key | None,
        Rule("lead", filter=Op.EQ | Op.NULL, catalogue="sources"),
        Field(description="A key of the sources catalogue.", examples=["referral"]),
    ] = None
    source_detail: Annotated[
        Annotated[str, Line(1, 200)] | None,
        Rule("lead"),
        Field(description="More on where it came from."),
    ] = None
    referred_by_id: Annotated[
        UUID | None,
        Rule("lead", refers_to="clients"),
        Field(description="The client that recommended us."),
    ] = None
    target_audience: Annotated[
        Annotated[str, Prose(4000, 1)] | None,
        Rule("audience"),
        Field(description="Whom the client addresses."),
    ] = None
    operating_hours: Annotated[
        list[OperatingHours],
        Rule("audience"),
        Field(max_length=21, description="When it can be reached."),
    ] = []
    time_zone: Annotated[
        TimeZone | None,
        Rule("audience"),
        Field(description="Its time zone.", examples=["Africa/Kampala"]),
    ] = None
    languages: Annotated[
        list[LanguageTag],
        Rule("audience"),
        Field(max_length=20, description="Languages spoken there.", examples=[["en", "lg"]]),
    ] = []
    emails: Annotated[
        list[Email],
        Rule("reach", accepts=EmailsIn, data_class=PERSONAL),
        Field(max_length=20, description="E-mail addresses, unique among clients."),
    ] = []
    phones: Annotated[
        list[Phone],
        Rule("reach", accepts=PhonesIn, data_class=PERSONAL),
        Field(max_length=20, description="Phone numbers."),
    ] = []
    sites: Annotated[
        list[Site],
        Rule(
            "reach", accepts=Annotated[list[SiteEntry], Field(max_length=50)], data_class=PERSONAL
        ),
        Field(max_length=50, description="Addresses."),
    ] = []
    contacts: Annotated[
        list[ContactLink],
        Rule(
            "reach",
            ON_CREATE,
            accepts=Annotated[list[LinkEntry], Field(max_length=50)],
            data_class=PERSONAL,
        ),
        Field(max_length=MAX_LINKS, description="Links to persons; edit them at `/contacts`."),
    ] = []
    primary_contact: Annotated[
        ContactLink | None, Rule("reach", NEVER), Field(description="The link that is primary.")
    ] = None
    preferences: Annotated[
        Preferences,
        Rule("preferences", merges=True),
        Field(default_factory=Preferences, description="How it wants to be reached."),
    ]
    notification_settings: Annotated[
        NotificationSettings,
        Rule("preferences", merges=True),
        Field(default_factory=NotificationSettings, description="Which messages go out how."),
    ]
    service: Annotated[
        ServiceDetails,
        Rule("service", merges=True),
        Field(default_factory=ServiceDetails, description="What was agreed about the service."),
    ]
    registration_country: Annotated[
        CountryCode | None,
        Rule("registration"),
        Field(description="Where it is registered.", examples=["UG"]),
    ] = None
    registration_number: Annotated[
        Annotated[str, Line(1, 50)] | None,
        Rule("registration"),
        Field(description="Its number in the company register; unique with its country."),
    ] = None
    tax_numbers: Annotated[
        list[TaxNumber], Rule("registration"), Field(max_length=10, description="Tax numbers.")
    ] = []
    tags: Annotated[
        list[Key],
        Rule("remarks", catalogue="tags"),
        Field(max_length=50, description="Tags; new ones are made."),
    ] = []
    remarks: Annotated[
        Annotated[str, Prose(10_000, 1)] | None,
        Rule("remarks", data_class=PERSONAL),
        Field(description="Free remarks.", examples=["Prefers to meet in the morning"]),
    ] = None
    attributes: Annotated[
        dict[AttributeKey, Annotated[str, Line(1, 400)]],
        Rule("remarks", merges=True),
        Field(
            default_factory=dict,
            max_length=100,
            description="Pairs of key and value; those that are typed in `remarks` are added. "
            "`stage` is the field of that name: it is written as the field is.",
            examples=[{"shoe_size": "44"}],
        ),
    ]
    workflow_attributes: Annotated[
        dict[
            Key,
            Annotated[dict[AttributeKey, Annotated[str, Line(1, 400)]], Field(max_length=100)],
        ],
        Rule("remarks", merges=True),
        Field(
            default_factory=dict,
            max_length=50,
            description="Pairs of other workflows than `customer_relationship`, by their keys; "
            "`stage` is one of the workflow's stages.",
            examples=[{}],
        ),
    ]
    billing_details: Annotated[
        BillingDetails,
        Rule("billing", merges=True, data_class=FINANCIAL),
        Field(default_factory=BillingDetails, description="Where invoices go."),
    ]
    credit_limit: Annotated[
        Money | None,
        Rule("finance", filter=Op.EQ | Op.RANGE | Op.NULL, sort=True, data_class=FINANCIAL),
        Field(description="How much it may owe."),
    ] = None
    payment_terms_days: Annotated[
        int | None,
        Rule("finance", data_class=FINANCIAL),
        Field(ge=0, le=3650, description="Days until an invoice is due.", examples=[30]),
    ] = None


UpsertedClient = extended(
    Client,
    "UpsertedClient",
    "The client after the delivery, and whether the delivery changed it.",
    applied=(bool, "False where its version is not newer than the one that the reference holds."),
)
