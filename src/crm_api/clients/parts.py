"""The parts of a client: its sites, links, preferences and other values, in and out."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from crm_api.contacts.schemas import Contact, ContactEntry
from crm_api.core.formats.dates import Instant, LocalDate
from crm_api.core.formats.emails import EmailAddress
from crm_api.core.formats.places import CountryCode, LanguageTag
from crm_api.core.formats.text import Key, Line, Prose
from crm_api.core.formats.web import WebUrl
from crm_api.kit.fields import DataClass, Write
from crm_api.kit.suggesting import Suggestion

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
MAX_LINKS = 500
"""Persons of one client, former ones too: the document promises that one reply holds them."""
ShortText = Annotated[str, Line(1, 200)]
LongText = Annotated[str, Prose(4000, 1)]
ClockTime = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", max_length=5)]

_PART = ConfigDict(extra="forbid", strict=True)


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
    email: Annotated[EmailAddress | None, Field(description="Where invoices are mailed.")] = None
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


class ClientName(BaseModel):
    """The client, as it is called."""

    id: Annotated[UUID, Field(description="Its id.")]
    name: Annotated[str, Field(max_length=200, description="Its name.")]


class Owner(BaseModel):
    """With `expand=owner`: the user who looks after the client, if anybody does."""

    id: Annotated[UUID, Field(description="The user.")]
    name: Annotated[str, Field(max_length=200, description="The name.", examples=["Ada Nakato"])]


class ContactLink(BaseModel):
    """The link to a person: in which roles, since when."""

    # Who may write links and not read them is answered the id alone.
    model_config = ConfigDict(json_schema_extra={"required": ["id"]})

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

    model_config = _PART | ConfigDict(
        json_schema_extra={
            "examples": [{"contact": {"name": "Ada Nakato"}, "roles": ["billing"]}],
        }
    )

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
        Instant | None, Field(description="Until when it holds; absent: until lifted.")
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


class LinkPage(BaseModel):
    """The links of one client."""

    data: Annotated[list[ContactLink], Field(max_length=MAX_LINKS)]
    next_cursor: Annotated[str | None, Field(max_length=1024)]
    has_more: bool


class ClientSuggestion(Suggestion):
    """A client that holds what was typed; a key that you may not read is absent."""

    number: Annotated[str, Field(description="Its number.", max_length=24, examples=["C-000123"])]
