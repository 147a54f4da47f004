"""The answer of `GET /v1/meta` on the wire."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

from crm_api.catalogues.schemas import Catalogue, PresetKey
from crm_api.core.formats.address_rules import AddressLine

Code = Annotated[str, Field(max_length=64)]
Name = Annotated[str, Field(max_length=200)]
Count = Annotated[int, Field(ge=0, le=2**53)]
Kind = Literal["string", "integer", "number", "boolean", "array", "object", "map", "any"]
Listed = Literal["countries", "currencies", "languages", "time_zones"]


class Shape(BaseModel):
    """What a value looks like. A member that does not apply is absent."""

    type: Annotated[
        Kind,
        Field(
            description="Its kind: `object` has `fields`, `map` free keys and `values`, `array` "
            "`items`, `any` is one of `one_of`.",
            examples=["string"],
        ),
    ]
    format: Annotated[
        Code, Field(description="Of a string: uuid, date, date-time, email, uri.")
    ] = ""
    enum: Annotated[list[Code], Field(max_length=200, description="All values that it has.")] = []
    listed_in: Annotated[
        Listed | None, Field(description="The list of this answer that holds its values.")
    ] = None
    pattern: Annotated[
        str | None, Field(max_length=1000, description="What it matches (ECMA-262).")
    ] = None
    min_length: Annotated[Count | None, Field(description="Characters, at least.")] = None
    max_length: Annotated[Count | None, Field(description="Characters, at most.")] = None
    minimum: Annotated[
        int | None, Field(ge=-(2**53), le=2**53, description="The least number.")
    ] = None
    maximum: Annotated[
        int | None, Field(ge=-(2**53), le=2**53, description="The greatest number.")
    ] = None
    min_items: Annotated[Count | None, Field(description="Items, at least.")] = None
    max_items: Annotated[Count | None, Field(description="Items or keys, at most.")] = None
    items: Annotated["Shape | None", Field(description="Each item of an array.")] = None
    values: Annotated["Shape | None", Field(description="Each value of a map.")] = None
    fields: Annotated[
        list["PartForm"], Field(max_length=100, description="The members of an object.")
    ] = []
    one_of: Annotated[
        list["Shape"], Field(max_length=10, description="The shapes that are taken.")
    ] = []


class PartForm(Shape):
    """One member of an object."""

    name: Annotated[Code, Field(description="Its key.", examples=["address"])]
    description: Annotated[
        str, Field(max_length=1000, description="What it is.", examples=["The address."])
    ]
    required: Annotated[bool, Field(description="Whether it must be sent.", examples=[True])]
    nullable: Annotated[bool, Field(description="Whether null empties it.", examples=[False])]


class FieldForm(PartForm):
    """One field that you read or write."""

    group: Annotated[Code, Field(description="Its group.", examples=["name"])]
    catalogue: Annotated[
        Catalogue | None, Field(description="The catalogue whose keys it holds.")
    ] = None
    refers_to: Annotated[Code | None, Field(description="The resource whose id it holds.")] = None
    read: Annotated[bool, Field(description="You are answered it.", examples=[True])]
    create: Annotated[bool, Field(description="You may set it on create.", examples=[True])]
    update: Annotated[bool, Field(description="You may change it later.", examples=[False])]


class ResourceForm(BaseModel):
    """One resource, as far as you read or write it."""

    fields: Annotated[
        list[FieldForm], Field(max_length=200, description="Its fields, in the order of the wire.")
    ]


class Limits(BaseModel):
    """The bounds of this installation."""

    body_bytes: Annotated[Count, Field(description="The largest body of a request.")]
    file_bytes: Annotated[Count, Field(description="The largest file that is kept.")]
    body_depth: Annotated[Count, Field(description="Levels of nesting in a body.")]
    page_default: Annotated[Count, Field(description="Records of a page unless said.")]
    page_max: Annotated[Count, Field(description="Records of a page, at most.")]
    count_capped: Annotated[Count, Field(description="How far `count=capped` counts.")]
    cursor_seconds: Annotated[Count, Field(description="How long a cursor is good.")]
    filter_values: Annotated[Count, Field(description="Values of one filter, at most.")]
    batch_operations: Annotated[Count, Field(description="Operations of a batch, at most.")]
    idempotency_key_length: Annotated[Count, Field(description="Characters, at most.")]
    idempotency_key_hours: Annotated[Count, Field(description="How long a key is remembered.")]
    request_seconds: Annotated[Count, Field(description="After which a request is ended.")]
    requests_per_minute: Annotated[Count, Field(description="Of one caller, for each worker.")]
    access_token_seconds: Annotated[Count, Field(description="Life of an access token.")]
    password_length: Annotated[Count, Field(description="Characters of a new password, at least.")]


class Named(BaseModel):
    """A code and its name."""

    code: Annotated[Code, Field(description="What the wire holds.", examples=["sw"])]
    name: Annotated[Name, Field(description="Its English name.", examples=["Swahili"])]


class Currency(Named):
    """A currency that amounts may have."""

    digits: Annotated[int, Field(ge=0, le=4, description="Digits behind the point.", examples=[2])]


class PostalCode(BaseModel):
    """What a country's postal codes look like."""

    pattern: Annotated[
        str, Field(max_length=2000, description="Of the whole code.", examples=["^(?:\\d{5})$"])
    ]
    example: Annotated[
        str | None, Field(max_length=20, description="One of them.", examples=["26133"])
    ] = None


class Country(Named):
    """A country, and what a form for an address in it shows."""

    has_rules: Annotated[
        bool,
        Field(description="Whether more is known of it than the general form.", examples=[True]),
    ]
    lines: Annotated[
        list[AddressLine],
        Field(max_length=4, description="Lines, in the order that the country writes them."),
    ]
    required_lines: Annotated[
        list[AddressLine],
        Field(max_length=4, description="Lines without which an address is incomplete."),
    ]
    postal_code: Annotated[
        PostalCode | None, Field(description="Null where there are no codes or no rule.")
    ] = None


class CatalogueLink(BaseModel):
    """A list of words that the organization keeps."""

    name: Annotated[Catalogue, Field(description="Its name.", examples=["industries"])]
    href: Annotated[
        str,
        Field(
            max_length=200,
            description="Where its entries are.",
            examples=["/v1/catalogues/industries"],
            json_schema_extra={"format": "uri-reference"},
        ),
    ]


class PresetType(BaseModel):
    """A type of client that a preset brings."""

    key: Annotated[Code, Field(description="What records hold.", examples=["prospect"])]
    label: Annotated[Name, Field(description="What people read.", examples=["Prospect"])]
    derived_only: Annotated[bool, Field(description="It follows from facts and is not sent.")]


class Preset(BaseModel):
    """A kind of business."""

    key: Annotated[PresetKey, Field(description="Its key.", examples=["radio"])]
    types: Annotated[
        list[PresetType], Field(max_length=50, description="Its types; the first is the default.")
    ]
    complete: Annotated[
        list[Code],
        Field(
            max_length=20,
            description="What a complete profile holds beside a name and a way to be reached.",
            examples=[["industry", "site:physical"]],
        ),
    ]


class Meta(BaseModel):
    """What forms need, as your role sees it. It changes with your role and with releases alone."""

    resources: Annotated[
        dict[str, ResourceForm],
        Field(max_length=200, description="The resources of which you read or write anything."),
    ]
    catalogues: Annotated[
        list[CatalogueLink], Field(max_length=20, description="The catalogues, if you read them.")
    ]
    limits: Annotated[Limits, Field(description="The bounds of this installation.")]
    locales: Annotated[
        list[Code],
        Field(max_length=20, description="Languages of our texts.", examples=[["en"]]),
    ]
    presets: Annotated[list[Preset], Field(max_length=20, description="The kinds of business.")]
    countries: Annotated[
        list[Country], Field(max_length=300, description="Every country, by name.")
    ]
    currencies: Annotated[
        list[Currency], Field(max_length=300, description="Every currency, by code.")
    ]
    languages: Annotated[
        list[Named],
        Field(
            max_length=300,
            description="Languages of two letters, by name; other BCP 47 tags are taken too.",
        ),
    ]
    time_zones: Annotated[
        list[Code],
        Field(max_length=1000, description="Every time zone.", examples=[["Africa/Kampala"]]),
    ]
