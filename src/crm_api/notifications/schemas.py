"""What is answered of followers and notifications, and what is taken in."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from crm_api.kit.schemas import Author

MOST_FOLLOWERS, MOST_COUNTED, MOST_MARKED = 500, 100, 200
Name = Annotated[str, Field(max_length=200, description="Its name.", examples=["Ada Nakato"])]


class Follower(BaseModel):
    """A user who is told of the changes of a client."""

    id: Annotated[UUID, Field(description="The user.")]
    name: Name
    followed_at: Annotated[datetime, Field(description="Since when.")]


class Followers(BaseModel):
    """Who follows a client; its owner is told without that."""

    data: Annotated[
        list[Follower], Field(max_length=MOST_FOLLOWERS, description="The first ones first.")
    ]


class ChangedClient(BaseModel):
    """The client that changed, as far as you may read it."""

    id: Annotated[UUID, Field(description="Its id.")]
    number: Annotated[
        str, Field(max_length=24, description="Its number.", examples=["C-000123"])
    ] = ""
    name: Annotated[
        str, Field(max_length=200, description="Its name.", examples=["Kampala Coffee Ltd"])
    ] = ""


class Notification(BaseModel):
    """What one request of somebody else changed at a client that you follow or look after.

    What a job did, such as an import, is told once for all of your clients.
    """

    id: Annotated[UUID, Field(description="Its id: that of the newest entry of the history.")]
    at: Annotated[datetime, Field(description="When it was changed.")]
    client: Annotated[
        ChangedClient | None, Field(description="The client; null where there are several.")
    ]
    clients: Annotated[
        int, Field(ge=1, le=2**53, description="How many of your clients it changed.")
    ]
    actor: Annotated[
        Author | None, Field(description="Who did it, if you may read the history.")
    ] = None
    actions: Annotated[
        list[Annotated[str, Field(max_length=64, examples=["client.updated"])]],
        Field(max_length=20, description="What was done."),
    ]
    fields: Annotated[
        list[Annotated[str, Field(max_length=64, examples=["stage"])]],
        Field(max_length=200, description="What changed, as far as you may read it."),
    ]
    read: Annotated[bool, Field(description="Whether you marked it as read.")]


class NotificationPage(BaseModel):
    """One page of notifications, newest first."""

    data: Annotated[list[Notification], Field(max_length=200)]
    next_cursor: Annotated[str | None, Field(max_length=1024)]
    has_more: bool


class Unread(BaseModel):
    """How many notifications are unread."""

    unread: Annotated[
        int, Field(ge=0, le=MOST_COUNTED, description=f"Their number, up to {MOST_COUNTED}.")
    ]
    capped: Annotated[bool, Field(description="Whether there are more.")]


class MarkRead(BaseModel):
    """Which notifications were read: some of them, or all up to one."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"up_to": "01890a5d-ac96-774b-bcce-b302099a8057"}]},
    )

    ids: Annotated[
        list[UUID] | None,
        Field(min_length=1, max_length=MOST_MARKED, description="These."),
    ] = None
    up_to: Annotated[UUID | None, Field(description="Or this one, and all that are older.")] = None
