"""The import on the wire: the list, its columns, what is to become of its rows, what became."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import MISSING, BaseModel, ConfigDict, Field

from crm_api.core.formats.file_names import MAX_LENGTH as MAX_NAME
from crm_api.core.formats.places import CountryCode
from crm_api.core.formats.text import Key, Line
from crm_api.imports.rows import MatchBy
from crm_api.imports.steps import MAX_NEW_ENTRIES, Mode, OnDuplicate, OutcomeName
from crm_api.kit.fields import DataClass, Op, Resource, Rule, Write

NEVER = Write.NEVER
MAX_TITLE = 200
State = Literal[
    "uploaded", "checking", "checked", "importing", "imported", "import_stopped",
    "reverting", "reverted", "revert_stopped",
]  # fmt: skip
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Title = Annotated[str, Field(max_length=MAX_TITLE)]
_ABSENT: Any = MISSING


class ImportColumn(BaseModel):
    """A column of the list."""

    position: Annotated[int, Field(ge=1, le=1000, description="Its place, from 1.")]
    title: Annotated[Title, Field(description="Its name in the list.", examples=["Company"])]
    target: Annotated[
        str | None,
        Field(max_length=80, description="What it becomes; null leaves it out.", examples=["name"]),
    ] = None
    suggested: Annotated[
        str | None, Field(max_length=80, description="What name and values suggest.")
    ] = None


class ImportSummary(BaseModel):
    """How many rows came to what, so far."""

    rows: Count = 0
    created: Count = 0
    updated: Count = 0
    unchanged: Count = 0
    skipped: Count = 0
    duplicate: Count = 0
    invalid: Count = 0
    industries: Annotated[
        list[Annotated[str, Field(max_length=64)]],
        Field(
            max_length=MAX_NEW_ENTRIES,
            description="Industries that were made for it; after a revert, those that stay.",
        ),
    ] = []
    reverted: Annotated[Count, Field(description="Rows that were taken back.")] = 0
    revert_refused: Annotated[Count, Field(description="Rows that stayed as they are.")] = 0


class Import(Resource):
    """A list that was sent. Its author sees it, and who may read everybody's."""

    resource: ClassVar = "imports"
    singular: ClassVar = "import"
    # What admin, manager, front_desk and presenter may: r read. To write takes `clients:import`.
    grants: ClassVar = {"import": "r r own own"}
    author: ClassVar = "created_by"
    default_sort: ClassVar = "-created_at"

    id: Annotated[UUID, Rule("import", NEVER), Field(description="Its id.")]
    file_name: Annotated[
        str,
        Rule("import", NEVER, data_class=DataClass.PERSONAL),
        Field(
            max_length=MAX_NAME, description="The file as it was sent.", examples=["clients.csv"]
        ),
    ]
    format: Annotated[
        Literal["csv", "xlsx"], Rule("import", NEVER), Field(description="What it was found to be.")
    ]
    encoding: Annotated[
        str | None,
        Rule("import", NEVER),
        Field(max_length=20, description="Of text: how it is encoded.", examples=["utf-8"]),
    ] = None
    delimiter: Annotated[
        str | None,
        Rule("import", NEVER),
        Field(max_length=1, description="Of text: what separates cells.", examples=[","]),
    ] = None
    sheet: Annotated[
        str | None,
        Rule("import", NEVER),
        Field(max_length=200, description="Of a workbook: the sheet that is read."),
    ] = None
    row_count: Annotated[
        Count, Rule("import", NEVER), Field(description="Rows below the names of the columns.")
    ]
    empty_count: Annotated[
        Count, Rule("import", NEVER), Field(description="Rows besides that hold nothing.")
    ]
    columns: Annotated[
        list[ImportColumn],
        Rule("import", NEVER),
        Field(max_length=1000, description="Its columns, and what becomes of each."),
    ]
    mapping: Annotated[
        dict[Title, Annotated[str, Field(max_length=80)]],
        Rule("import", NEVER),
        Field(
            max_length=1000,
            description="What was decided over the suggestions: column → field.",
            examples=[{"Company": "name", "Colour": "ignore"}],
        ),
    ]
    mode: Annotated[
        Mode,
        Rule("import", NEVER),
        Field(description="Whether rows make clients, change them, or both.", examples=["create"]),
    ]
    match_by: Annotated[
        MatchBy | None,
        Rule("import", NEVER),
        Field(description="By what a row finds its client, to change it.", examples=["number"]),
    ] = None
    on_duplicate: Annotated[
        OnDuplicate,
        Rule("import", NEVER),
        Field(description="What becomes of a new client that is there already."),
    ]
    default_country: Annotated[
        CountryCode | None,
        Rule("import", NEVER),
        Field(description="In which numbers and addresses are read.", examples=["UG"]),
    ] = None
    source: Annotated[
        Key,
        Rule("import", NEVER),
        Field(description="Of the references that it brings.", examples=["clients"]),
    ]
    state: Annotated[
        State, Rule("import", NEVER), Field(description="How far it is.", examples=["uploaded"])
    ]
    summary: Annotated[
        ImportSummary | None,
        Rule("import", NEVER),
        Field(description="What its rows came to, so far."),
    ] = None
    operation_id: Annotated[
        UUID | None, Rule("import", NEVER), Field(description="The latest work on it.")
    ] = None
    created_by: Annotated[
        UUID,
        Rule("import", NEVER, filter=Op.EQ),
        Field(description="The user or API key that sent it."),
    ]
    created_at: Annotated[
        datetime,
        Rule("import", NEVER, filter=Op.RANGE, sort=True),
        Field(description="When it was sent."),
    ]


class ImportEntry(BaseModel):
    """What may be said of a list beside the file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    default_country: Annotated[
        CountryCode | None,
        Field(description="In which numbers and addresses are read.", examples=["UG"]),
    ] = None
    source: Annotated[
        Annotated[str, Line(1, 64)] | None,
        Field(
            description="Of the references that it brings; else the file's name, without the "
            "`-errors` of rows that come back."
        ),
    ] = None
    sheet: Annotated[
        Annotated[str, Line(1, 200)] | None,
        Field(description="Of a workbook; else the first that is not empty."),
    ] = None
    mode: Annotated[
        Mode | None, Field(description="Whether rows make clients, change them, or both.")
    ] = None
    match_by: Annotated[
        MatchBy | None, Field(description="By what a row finds its client, to change it.")
    ] = None
    on_duplicate: Annotated[
        OnDuplicate | None,
        Field(description="What becomes of a new client that is there already."),
    ] = None


class ImportPatch(BaseModel):
    """What may change of an import before it runs (RFC 7396)."""

    model_config = ConfigDict(extra="forbid", strict=True)

    mapping: Annotated[
        dict[Title, Annotated[str, Field(max_length=80)] | None] | MISSING,
        Field(
            max_length=1000,
            description="Column → field; `ignore` leaves it out, null lets the suggestion hold.",
            examples=[{"name": "name", "email": "ignore"}],
        ),
    ] = _ABSENT
    mode: Annotated[
        Mode | MISSING, Field(description="Whether rows make clients, change them, or both.")
    ] = _ABSENT
    match_by: Annotated[
        MatchBy | MISSING | None, Field(description="By what a row finds its client.")
    ] = _ABSENT
    on_duplicate: Annotated[
        OnDuplicate | MISSING,
        Field(description="What becomes of a new client that is there already."),
    ] = _ABSENT
    default_country: Annotated[
        CountryCode | MISSING | None,
        Field(description="In which numbers and addresses are read.", examples=["UG"]),
    ] = _ABSENT


class RowError(BaseModel):
    """One thing that is wrong with a row. It never holds a cell."""

    code: Annotated[str, Field(max_length=64, examples=["invalid_phone"])]
    detail: Annotated[str, Field(max_length=2000, description="What to do about it.")]
    field: Annotated[
        str | None,
        Field(max_length=200, description="Where in a client's body.", examples=["phones/0"]),
    ] = None
    column: Annotated[
        str | None, Field(max_length=MAX_TITLE, description="In which column.", examples=["Phone"])
    ] = None


class ReportRow(BaseModel):
    """What became of one row, or in a dry run would become of it."""

    row: Annotated[Count, Field(description="Its number, from 1.")]
    line: Annotated[Count, Field(description="Its first line in the file.")]
    outcome: Annotated[OutcomeName, Field(description="What it came to.")]
    client_id: Annotated[UUID | None, Field(description="The client.")] = None
    errors: Annotated[list[RowError], Field(max_length=1000, description="Why not.")]
    reverted: Annotated[
        str | None,
        Field(
            max_length=64,
            description="`done` if it was taken back, else why not.",
            examples=["changed_since"],
        ),
    ] = None


class ReportPage(BaseModel):
    """One page of a report, in the order of the rows."""

    data: Annotated[list[ReportRow], Field(max_length=200)]
    next_cursor: Annotated[str | None, Field(max_length=1024)]
    has_more: bool


class PreviewRow(BaseModel):
    """One row as it would be taken now."""

    row: Annotated[Count, Field(description="Its number, from 1.")]
    line: Annotated[Count, Field(description="Its first line in the file.")]
    outcome: Annotated[OutcomeName, Field(description="What it would come to.")]
    client_id: Annotated[UUID | None, Field(description="The client that it would change.")] = None
    body: Annotated[
        dict[str, Any] | None,
        Field(description="As a create or a patch would send it.", examples=[{"name": "Pearl"}]),
    ] = None
    errors: Annotated[list[RowError], Field(max_length=1000, description="Why not.")]


class Preview(BaseModel):
    """The first rows as they would be taken now."""

    data: Annotated[list[PreviewRow], Field(max_length=20)]
