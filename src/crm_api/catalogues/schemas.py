"""A catalogue entry on the wire, and the names of the catalogues."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from crm_api.core.formats.text import Key, Line
from crm_api.identity.schemas import extended, page_of
from crm_api.kit.fields import Op, Resource, Rule, Write

Catalogue = Literal["types", "industries", "tiers", "regions", "tags", "sources", "workflows"]
Level = Literal["high", "medium", "low"]
Status = Literal["active", "inactive", "prospect", "on_hold"]
PresetKey = Literal["radio", "jobs", "bookings", "recruitment", "relationship"]

ONLY_IN: dict[str, Catalogue] = {
    "engagement_level": "types",
    "contact_interval_days": "types",
    "default_status": "types",
    "statuses": "types",
    "derived_only": "types",
    "presets": "types",
    "emergency_contact_required": "tiers",
    "stages": "workflows",
}
"""Field → the one catalogue whose entries have it; elsewhere it is null."""


class CatalogueEntry(Resource):
    """One word of a catalogue. Records hold its key; people read its label."""

    resource: ClassVar = "catalogues"
    singular: ClassVar = "catalogue_entry"
    grants: ClassVar = {"entries": "rcu rcu r r"}
    verbs: ClassVar = {"delete": "AM"}
    default_sort: ClassVar = "position"
    # As an industry; other catalogues have members of their own.
    create_example: ClassVar = {"key": "aviation", "label": "Aviation", "position": 3}
    patch_example: ClassVar = {"label": "Hotels and restaurants"}

    catalogue: Annotated[
        Catalogue,
        Rule("entries", Write.NEVER, filter=Op.EQ),
        Field(description="Where it belongs.", examples=["types"]),
    ]
    key: Annotated[
        Key,
        Rule("entries", Write.ON_CREATE, filter=Op.EQ, sort=True),
        Field(description="What records hold; it never changes.", examples=["hospitality"]),
    ]
    label: Annotated[
        str,
        Line(1, 100),
        Rule("entries", filter=Op.TEXT, sort=True, defaulted=True),
        Field(
            description="What people read; made of the key unless sent.", examples=["Hospitality"]
        ),
    ]
    position: Annotated[
        int,
        Field(ge=0, le=100_000, description="Its place; at the end unless sent.", examples=[3]),
        Rule("entries", sort=True, defaulted=True),
    ]
    engagement_level: Annotated[
        Level | None,
        Rule("entries"),
        Field(description="Of a type: how closely to look after such clients.", examples=["high"]),
    ] = None
    contact_interval_days: Annotated[
        Annotated[int, Field(ge=1, le=3650)] | None,
        Rule("entries"),
        Field(description="Of a type: days between contacts; null is as needed.", examples=[30]),
    ] = None
    default_status: Annotated[
        Status | None,
        Rule("entries", Write.NEVER),
        Field(description="Of a type: the status of a new client.", examples=["active"]),
    ] = None
    statuses: Annotated[
        Annotated[list[Status], Field(max_length=4)] | None,
        Rule("entries", Write.NEVER),
        Field(description="Of a type: the statuses that go with it.", examples=[["active"]]),
    ] = None
    derived_only: Annotated[
        bool | None,
        Rule("entries", Write.NEVER),
        Field(description="Of a type: it follows from facts and is not sent.", examples=[False]),
    ] = None
    presets: Annotated[
        Annotated[list[PresetKey], Field(max_length=5)] | None,
        Rule("entries", Write.NEVER),
        Field(description="Of a type: the presets that brought it.", examples=[["radio"]]),
    ] = None
    emergency_contact_required: Annotated[
        bool | None,
        Rule("entries"),
        Field(description="Of a tier: its clients need an emergency contact.", examples=[False]),
    ] = None
    stages: Annotated[
        Annotated[list[Key], Field(max_length=50)] | None,
        # A new one has none yet; who sends them sends at least one.
        Rule("entries", accepts=Annotated[list[Key], Field(min_length=1, max_length=50)]),
        Field(description="Of a workflow: its stages, in order.", examples=[["growing", "mature"]]),
    ] = None


CountedEntry = extended(
    CatalogueEntry,
    "CountedEntry",
    "An entry of a list.",
    usage_count=(
        Annotated[int, Field(ge=0, le=2**53)],
        "With `usage=true`: how many live clients have it.",
    ),
)
EntryPage = page_of(CountedEntry, "EntryPage", "One page of a catalogue.")
