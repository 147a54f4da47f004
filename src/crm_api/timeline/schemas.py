"""What a timeline answers: entries of many kinds in one form, which a front end can draw."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from crm_api.kit.schemas import Author

MOST_TOLD = 300
"""So many letters of a text are told; the record has all of it."""
EntryKind = Literal["communication", "note", "file", "task", "relationship", "change"]


class TimelineEntry(BaseModel):
    """One thing that happened or was written down, and where to read all of it."""

    kind: Annotated[EntryKind, Field(description="What is told.", examples=["communication"])]
    id: Annotated[UUID, Field(description="The record, or the entry of the history.")]
    at: Annotated[
        datetime,
        Field(
            description="When it took or takes place; of what has no time of its own, when it was "
            "recorded."
        ),
    ]
    type: Annotated[
        str,
        Field(
            max_length=64,
            description="The kind of the communication, note, file, task or relationship; of a "
            "change what was done.",
            examples=["call"],
        ),
    ]
    title: Annotated[
        str | None,
        Field(
            max_length=200,
            description="The subject, the title, or the name of the other client.",
            examples=["Offer for the morning show"],
        ),
    ]
    summary: Annotated[
        str | None,
        Field(max_length=MOST_TOLD, description="The beginning of its text."),
    ]
    state: Annotated[
        str | None,
        Field(
            max_length=16,
            description="Of a communication and a task, as there.",
            examples=["held"],
        ),
    ]
    fields: Annotated[
        list[Annotated[str, Field(max_length=64, examples=["stage"])]],
        Field(max_length=200, description="Of a change: what changed, as far as you may read it."),
    ]
    by: Annotated[
        Author | None, Field(description="Who recorded it, where that is known and yours to see.")
    ]
    href: Annotated[
        str,
        Field(
            max_length=200,
            pattern="^/v1/[a-z0-9/-]+$",
            description="Where the record is; of a change the history that it stands in.",
            examples=["/v1/communications/01890a5d-ac96-774b-bcce-b302099a8057"],
        ),
    ]


class TimelinePage(BaseModel):
    """One page of a timeline, newest first."""

    data: Annotated[list[TimelineEntry], Field(max_length=200)]
    next_cursor: Annotated[str | None, Field(max_length=1024)]
    has_more: bool
