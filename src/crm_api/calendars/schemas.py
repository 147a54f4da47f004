"""The calendar feed on the wire."""

from datetime import datetime
from typing import Annotated, ClassVar
from uuid import UUID

from pydantic import Field

from crm_api.identity.schemas import extended
from crm_api.kit.fields import Op, Resource, Rule, Write


class CalendarFeed(Resource):
    """An address at which a calendar program reads what a user has to do."""

    resource: ClassVar = "calendar_feeds"
    singular: ClassVar = "calendar_feed"
    grants: ClassVar = {"feed": "r own own -"}
    verbs: ClassVar = {"subscribe": "AMF", "manage": "A"}
    author: ClassVar = "created_by"
    default_sort: ClassVar = "-created_at"

    id: Annotated[UUID, Rule("feed", Write.NEVER), Field(description="Its id, for ever.")]
    user_id: Annotated[
        UUID,
        Rule("feed", Write.NEVER, filter=Op.EQ, refers_to="users"),
        Field(description="Whose tasks and meetings it tells."),
    ]
    created_by: Annotated[
        UUID,
        Rule("feed", Write.NEVER, filter=Op.EQ),
        Field(description="Who made it: the user, or an API key of the user."),
    ]
    created_at: Annotated[
        datetime,
        Rule("feed", Write.NEVER, filter=Op.RANGE, sort=True),
        Field(description="When it was made."),
    ]


NewCalendarFeed = extended(
    CalendarFeed,
    "NewCalendarFeed",
    "The new feed with its address, which is shown this once.",
    url=(
        Annotated[str, Field(max_length=200)],
        "Where it is read, below the address of the API; whoever knows it reads the feed.",
    ),
)
