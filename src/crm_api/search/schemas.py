"""What a search over everything answers: hits of many kinds in one form."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field

DEFAULT_HITS, MAX_HITS = 20, 50
MOST_SHOWN = 254
"""Letters of a snippet."""
HitKind = Literal["client", "contact", "communication", "note", "file"]


class SnippetPart(BaseModel):
    """A piece of a text."""

    text: Annotated[str, Field(max_length=MOST_SHOWN, description="The piece.", examples=["offer"])]
    hit: Annotated[bool, Field(description="Whether it is what was looked for.")]


class Hit(BaseModel):
    """A record that holds what was looked for."""

    kind: Annotated[HitKind, Field(description="What it is.", examples=["communication"])]
    id: Annotated[UUID, Field(description="The record.")]
    title: Annotated[
        str | None,
        Field(
            max_length=200,
            description="Its name or subject; null where it has none, or it is not yours to read.",
            examples=["Offer for the morning show"],
        ),
    ]
    matched: Annotated[
        Literal["name", "number", "email", "phone", "contact", "attribute", "text"],
        Field(description="What holds it; `name` also where it is misspelt."),
    ]
    snippet: Annotated[
        list[SnippetPart],
        Field(max_length=41, description="The text around it, in pieces that follow each other."),
    ]
    client_id: Annotated[
        UUID | None,
        Field(description="The client that a communication, note or file belongs to."),
    ]
    at: Annotated[
        datetime | None,
        Field(description="When a communication was, a note was written, or a file was added."),
    ]
    href: Annotated[
        str,
        Field(
            max_length=200,
            pattern="^/v1/[a-z0-9/-]+$",
            description="Where the record is.",
            examples=["/v1/communications/01890a5d-ac96-774b-bcce-b302099a8057"],
        ),
    ]


class Hits(BaseModel):
    """The best hits, the best first; there are no further pages."""

    data: Annotated[list[Hit], Field(max_length=MAX_HITS)]
