"""An export on the wire, as the change log tells of it.

What was asked for is told to who may read all of it: `filter`, `sort`, `columns` and `rows` are
null for others.
"""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import Field

from crm_api.kit.fields import Op, Resource, Rule, Write
from crm_api.kit.schemas import Author

NEVER = Write.NEVER


class ExportRecord(Resource):
    """An export that was made: its file is nowhere kept."""

    resource: ClassVar = "exports"
    singular: ClassVar = "export"
    # What admin, manager, front_desk and presenter may: r read.
    grants: ClassVar = {"record": "r r - -"}
    default_sort: ClassVar = "-exported_at"

    id: Annotated[UUID, Rule("record", NEVER), Field(description="Its id, for ever.")]
    exported_at: Annotated[
        datetime,
        Rule("record", NEVER, filter=Op.RANGE, sort=True),
        Field(description="When it was made."),
    ]
    actor: Annotated[Author, Rule("record", NEVER), Field(description="Who made it.")]
    records: Annotated[
        Literal["clients", "contacts", "list_members"] | None,
        Rule("record", NEVER, filter=Op.EQ),
        Field(description="What was exported."),
    ] = None
    format: Annotated[
        Literal["csv", "xlsx", "ndjson", "vcard"] | None,
        Rule("record", NEVER, filter=Op.EQ),
        Field(description="The kind of file."),
    ] = None
    filter: Annotated[
        dict[str, Any] | None,
        Rule("record", NEVER),
        Field(
            description="Which records, in the form of a search: `version` and `filter`. Like "
            "`sort`, `columns` and `rows` it is null for who may not read all that they name.",
            examples=[
                {"version": 1, "filter": {"field": "lifecycle", "op": "eq", "value": "live"}}
            ],
        ),
    ] = None
    sort: Annotated[
        str | None, Rule("record", NEVER), Field(max_length=65, description="Their order.")
    ] = None
    columns: Annotated[
        list[Annotated[str, Field(max_length=64)]] | None,
        Rule("record", NEVER),
        Field(max_length=200, description="The fields of each."),
    ] = None
    rows: Annotated[
        int | None,
        Rule("record", NEVER),
        Field(ge=0, le=2**53, description="How many records."),
    ] = None
