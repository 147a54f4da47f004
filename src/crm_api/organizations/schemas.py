"""The organization on the wire."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from crm_api.catalogues.schemas import PresetKey
from crm_api.core.formats.places import CountryCode, CurrencyCode, TimeZone
from crm_api.core.formats.text import Line
from crm_api.kit.fields import Resource, Rule, Write


class Organization(Resource):
    """The organization that everything here belongs to."""

    resource: ClassVar = "organization"
    singular: ClassVar = "organization"
    grants: ClassVar = {"settings": "ru - - -"}
    verbs: ClassVar = {"manage": "A"}

    id: Annotated[UUID, Rule("settings", Write.NEVER), Field(description="Its id.")]
    slug: Annotated[
        str,
        Rule("settings", Write.NEVER),
        Field(description="Its short name, for signing in.", examples=["radio"], max_length=63),
    ]
    name: Annotated[
        str,
        Line(1, 200),
        Rule("settings", Write.LATER),
        Field(description="Its name.", examples=["Busoga Radio"]),
    ]
    presets: Annotated[
        list[PresetKey],
        Field(
            min_length=1,
            max_length=5,
            description="The kinds of business; the first one's default type holds. A new one "
            "brings its types and industries; taking one off removes none.",
            examples=[["radio"]],
        ),
        Rule("settings", Write.LATER),
    ]
    time_zone: Annotated[
        TimeZone,
        Rule("settings", Write.LATER),
        Field(description="Its time zone, which decides dates.", examples=["Africa/Kampala"]),
    ]
    default_country: Annotated[
        CountryCode | None,
        Rule("settings", Write.LATER),
        Field(description="The country of phone numbers without a prefix.", examples=["UG"]),
    ] = None
    currency: Annotated[
        CurrencyCode,
        Rule("settings", Write.LATER),
        Field(description="The currency of amounts unless said.", examples=["UGX"]),
    ]
    created_at: Annotated[
        datetime, Rule("settings", Write.NEVER), Field(description="When it was set up.")
    ]
