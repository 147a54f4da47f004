"""The client as it stands on the wire: each field once, with its group; each group with its roles."""

from datetime import date, datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from crm_api.contacts.reach import Email, EmailsIn, Phone, PhonesIn
from crm_api.contacts.schemas import Contact, ContactEntry
from crm_api.core.formats.dates import LocalDate
from crm_api.core.formats.money import Money
from crm_api.core.formats.places import CountryCode, LanguageTag, TimeZone
from crm_api.core.formats.text import AttributeKey, Key, Line, Prose
from crm_api.core.formats.web import WebUrl
from crm_api.kit.fields import DataClass, Op, Resource, Rule, Write

PERSONAL, FINANCIAL = DataClass.PERSONAL, DataClass.FINANCIAL
NEVER, ON_CREATE = Write.NEVER, Write.ON_CREATE

Lifecycle = Literal["live", "archived", "deleted", "merged", "erased"]
Kind = Literal["organization", "individual"]
Status = Literal["active", "inactive", "prospect", "on_hold"]
Stage = Literal["growing", "mature", "declining", "closed"]
Channel = Literal["email", "sms", "phone", "post", "whatsapp"]
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
SiteKind = Literal["physical", "billing", "service", "mailing", "site"]
ContactRole = Literal["primary", "secondary", "billing", "technical", "emergency"]
ContactFunction = Literal[
    "decision_maker",
    "technical_liaison",
    "administrative",
    "billing_representative",
    "emergency_responder",
]
Channels = Annotated[list[Channel], Field(max_length=5)]
ShortText = Annotated[str, Line(1, 200)]
LongText = Annotated[str, Prose(4000, 1)]
ClockTime = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=5)]

_PART = ConfigDict(extra="forbid", strict=True)


class ExternalRef(BaseModel):
    """The id of this record in another system."""

    model_config = _PART

    source: Annotated[Key, Field(description="The other system.", examples=["billing"])]
    id: Annotated[str, Line(1, 200), Field(description="Its id there.", examples=["A-17"])]
    version: Annotated[int, Field(ge=0, le=2**53, description="Its version there.")] = 0


class SocialProfile(BaseModel):
    """A page of the client on a social network."""

    model_config = _PART

    network: Annotated[Key, Field(description="The network.", examples=["facebook"])]
    url: Annotated[WebUrl, Field(description="The page.")]


class OperatingHours(BaseModel):
    """Opening hours that hold on some days."""

    model_config = _PART

    days: Annotated[list[Day], Field(min_length=1, max_length=7, description="The days.")]
    opens: Annotated[ClockTime, Field(description="Local time.", examples=["08:30"])]
    closes: Annotated[ClockTime, Field(description="Local time.", examples=["17:00"])]


class Preferences(BaseModel):
    """How the client wants to be reached."""

    model_config = _PART

    channels: Annotated[Channels, Field(description="Preferred first.")] = []
    do_not_contact: Annotated[bool, Field(description="Nothing is sent to this client.")] = False
    contact_times: Annotated[ShortText | None, Field(description="When it suits.")] = None
    language: Annotated[LanguageTag | None, Field(description="The language of messages.")] = None
    response_expectation: Annotated[
        ShortText | None, Field(description="How fast they expect an answer.")
    ] = None


class NotificationSettings(BaseModel):
    """By which channels each kind of message goes out."""

    model_config = _PART

    job_status: Annotated[Channels, Field(description="Job status updates.")] = []
    appointment: Annotated[Channels, Field(description="Appointment confirmations.")] = []
    completion: Annotated[Channels, Field(description="Completion notices.")] = []
    billing: Annotated[Channels, Field(description="Billing messages.")] = []
    emergency: Annotated[Channels, Field(description="Emergency alerts.")] = []


class ServiceDetails(BaseModel):
    """What was agreed about the service."""

    model_config = _PART

    sla: Annotated[ShortText | None, Field(description="The service level agreement.")] = None
    response_time_hours: Annotated[
        int | None, Field(ge=0, le=8760, description="Promised response.")
    ] = None
    special_requirements: Annotated[LongText | None, Field(description="What to mind.")] = None
    handling_instructions: Annotated[LongText | None, Field(description="How to handle.")] = None
    equipment: Annotated[LongText | None, Field(description="Systems and equipment.")] = None
    emergency_procedure: Annotated[
        LongText | None, Field(description="Whom to call, what to do.")
    ] = None


class TaxNumber(BaseModel):
    """A tax identification number; checked where its country has a check digit."""

    model_config = _PART

    country: Annotated[CountryCode, Field(description="ISO 3166-1 alpha-2.")]
    type: Annotated[Key, Field(description="Its kind.", examples=["tin"])]
    value: Annotated[str, Line(1, 50), Field(description="The number.")]


class BillingDetails(BaseModel):
    """Where invoices go."""

    model_config = _PART

    legal_name: Annotated[ShortText | None, Field(description="The name on invoices.")] = None
    site_id: Annotated[UUID | None, Field(description="One of the client's sites.")] = None
    email: Annotated[ShortText | None, Field(description="Where invoices are mailed.")] = None
    purchase_order_required: Annotated[
        bool, Field(description="Invoices need a purchase order.")
    ] = False
    reference: Annotated[ShortText | None, Field(description="Their reference.")] = None


class Site(BaseModel):
    """One address of the client."""

    id: Annotated[UUID, Field(description="Its id; send it back to keep the entry when editing.")]
    kind: Annotated[SiteKind, Field(description="What the place is.")]
    label: Annotated[str | None, Field(max_length=200)] = None
    country_code: Annotated[str | None, Field(max_length=2)] = None
    country_area: Annotated[str | None, Field(max_length=200)] = None
    city: Annotated[str | None, Field(max_length=200)] = None
    postal_code: Annotated[str | None, Field(max_length=20)] = None
    street_address: Annotated[str | None, Field(max_length=500)] = None
    notes: Annotated[str | None, Field(max_length=4000)] = None
    service_area: Annotated[str | None, Field(max_length=200)] = None
    address_quality: Annotated[
        Literal["complete", "incomplete", "unverified_format"],
        Field(description="Whether the country would find it."),
    ]
    is_primary: Annotated[bool, Field(description="Exactly one site is primary.")]


class SiteEntry(BaseModel):
    """One address as it is sent; what was answered may be sent back."""

    model_config = _PART

    id: Annotated[UUID | None, Field(description="The entry that this one replaces.")] = None
    kind: Annotated[SiteKind, Field(description="What the place is.")] = "physical"
    label: Annotated[ShortText | None, Field(description="Its name among people.")] = None
    country_code: Annotated[
        Annotated[str, Line(2, 2)] | None, Field(description="ISO 3166-1 alpha-2.", examples=["UG"])
    ] = None
    country_area: Annotated[ShortText | None, Field(description="State, province or region.")] = (
        None
    )
    city: Annotated[ShortText | None, Field(description="City or town.")] = None
    postal_code: Annotated[
        Annotated[str, Line(1, 20)] | None, Field(description="Postal code.")
    ] = None
    street_address: Annotated[
        Annotated[str, Prose(500, 1)] | None, Field(description="Street and number.")
    ] = None
    notes: Annotated[LongText | None, Field(description="How to find or enter it.")] = None
    service_area: Annotated[ShortText | None, Field(description="The area that it belongs to.")] = (
        None
    )
    address_quality: Annotated[
        Annotated[str, Line(1, 32)] | None, Field(description="Only what was answered.")
    ] = None
    is_primary: Annotated[bool | None, Field(description="At most one; else the first is.")] = None


class ContactLink(BaseModel):
    """The link to a person: in which roles, since when."""

    id: Annotated[UUID, Field(description="The id of the link.")]
    contact_id: Annotated[UUID, Field(description="The person.")]
    roles: Annotated[list[ContactRole], Field(max_length=5, description="Roles at this client.")]
    function: Annotated[ContactFunction | None, Field(description="What the person decides.")] = (
        None
    )
    job_title: Annotated[str | None, Field(max_length=200)] = None
    from_on: Annotated[date | None, Field(description="First day.")] = None
    to_on: Annotated[date | None, Field(description="Last day; a former person stays visible.")] = (
        None
    )
    contact: Annotated[
        Contact | None,
        Field(description="With `expand=contacts`: the person, as far as you may see."),
    ] = None


class LinkEntry(BaseModel):
    """A link as it is sent: an existing `contact_id`, or a new `contact`."""

    model_config = _PART

    contact_id: Annotated[UUID | None, Field(description="A person that is known.")] = None
    contact: Annotated[ContactEntry | None, Field(description="A new person.")] = None
    roles: Annotated[
        list[ContactRole], Field(max_length=5, description="Roles at this client.")
    ] = []
    function: Annotated[ContactFunction | None, Field(description="What the person decides.")] = (
        None
    )
    job_title: Annotated[ShortText | None, Field(description="Title at this client.")] = None
    from_on: Annotated[LocalDate | None, Field(description="First day.")] = None
    to_on: Annotated[LocalDate | None, Field(description="Last day.")] = None


class LinkPatch(BaseModel):
    """What may change of a link."""

    model_config = _PART

    roles: Annotated[
        list[ContactRole] | None, Field(max_length=5, description="Roles at this client.")
    ] = None
    function: Annotated[ContactFunction | None, Field(description="What the person decides.")] = (
        None
    )
    job_title: Annotated[ShortText | None, Field(description="Title at this client.")] = None
    from_on: Annotated[LocalDate | None, Field(description="First day.")] = None
    to_on: Annotated[LocalDate | None, Field(description="Last day.")] = None


class Override(BaseModel):
    """A value that a person set over a derived one."""

    value: Annotated[str, Field(max_length=64)]
    reason: Annotated[str, Field(max_length=500)]
    by: Annotated[UUID | None, Field(description="Who set it.")] = None
    at: Annotated[datetime, Field(description="When it was set.")]
    expires_at: Annotated[datetime | None, Field(description="Until when it holds.")] = None


class OverrideEntry(BaseModel):
    """An override as it is sent."""

    model_config = _PART

    value: Annotated[
        Key, Field(description="The value that shall hold.", examples=["active_advertiser"])
    ]
    reason: Annotated[
        str, Line(1, 500), Field(description="Why.", examples=["Signed today, contract follows"])
    ]
    expires_at: Annotated[
        datetime | None, Field(description="Until when it holds; absent: until lifted.")
    ] = None


class DerivedStatus(BaseModel):
    """A derived value and what stands over it."""

    effective: Annotated[str, Field(max_length=64, description="What holds.")]
    derived: Annotated[str, Field(max_length=64, description="What the facts say.")]
    source: Annotated[Literal["rule", "override"], Field(description="Where the value comes from.")]
    since: Annotated[datetime, Field(description="Since when it holds.")]
    rule: Annotated[str, Field(max_length=64, description="The rule that derives it.")]
    evidence: Annotated[
        list[Annotated[str, Field(max_length=64)]],
        Field(max_length=50, description="The records that prove it, where you may see them."),
    ] = []
    override: Annotated[Override | None, Field(description="Where you may see it.")] = None


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
    filter_kinds: ClassVar = {name: "text" for name in extra_filters}
    keyed_filters: ClassVar = ("attributes",)
    default_sort: ClassVar = "name"
    # What the history tells besides fields: name → group.
    logged: ClassVar = {"type_override": "assessment"}
    # Parts of a value that take another group than the field: field → part → group.
    guarded_parts: ClassVar = {"type_status": {"override": "assessment", "evidence": "airing"}}
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
        Rule("card", NEVER, filter=Op.RANGE | Op.NULL, sort=True),
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
        Field(max_length=20, description="Its ids in other systems."),
    ] = []
    merged_into: Annotated[
        UUID | None, Rule("card", NEVER), Field(description="The client that it was merged into.")
    ] = None
    created_at: Annotated[
        datetime,
        Rule("card", NEVER, filter=Op.RANGE, sort=True),
        Field(description="When the record was made."),
    ]
    updated_at: Annotated[
        datetime,
        Rule("stamp", NEVER, filter=Op.RANGE, sort=True),
        Field(description="When anything of it last changed."),
    ]
    type: Annotated[
        Key,
        Rule("classification", filter=Op.EQ, defaulted=True),
        Field(description="A type of the organization's presets.", examples=["prospect"]),
    ]
    type_status: Annotated[
        DerivedStatus, Rule("classification", NEVER), Field(description="How the type came about.")
    ]
    status: Annotated[
        Status,
        Rule("classification", filter=Op.EQ, defaulted=True),
        Field(description="Where the relation stands.", examples=["active"]),
    ]
    status_reason: Annotated[
        Annotated[str, Line(1, 500)] | None,
        Rule("classification"),
        Field(description="Why the status was changed.", examples=["Asked for a break"]),
    ] = None
    industry: Annotated[
        Key | None,
        Rule("classification", filter=Op.EQ | Op.NULL),
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
        Rule("assessment", filter=Op.EQ | Op.NULL),
        Field(description="A key of the tiers catalogue."),
    ] = None
    region: Annotated[
        Key | None,
        Rule("assessment", filter=Op.EQ | Op.NULL),
        Field(description="A key of the regions catalogue."),
    ] = None
    owner_id: Annotated[
        UUID | None,
        Rule("assessment", filter=Op.EQ | Op.NULL),
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
        Rule("lead", filter=Op.EQ | Op.NULL),
        Field(description="A key of the sources catalogue.", examples=["referral"]),
    ] = None
    source_detail: Annotated[
        Annotated[str, Line(1, 200)] | None,
        Rule("lead"),
        Field(description="More on where it came from."),
    ] = None
    referred_by_id: Annotated[
        UUID | None, Rule("lead"), Field(description="The client that recommended us.")
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
        Field(max_length=500, description="Links to persons; edit them at `/contacts`."),
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
        list[Key], Rule("remarks"), Field(max_length=50, description="Tags; new ones are made.")
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
            description="Pairs of key and value.",
            examples=[{"shoe_size": "44"}],
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


class LinkPage(BaseModel):
    """The links of one client."""

    data: Annotated[list[ContactLink], Field(max_length=500)]
    next_cursor: Annotated[str | None, Field(max_length=1024)]
    has_more: bool
