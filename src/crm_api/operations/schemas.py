"""The operation as it stands on the wire."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from crm_api.kit.fields import Op, Resource, Rule, Write

OPEN = ("queued", "running")
FINAL = ("succeeded", "failed", "cancelled")

State = Literal["queued", "running", "succeeded", "failed", "cancelled"]
_COUNT = Field(ge=0, le=2**31 - 1)


class Progress(BaseModel):
    """How far it is."""

    done: Annotated[int, _COUNT, Field(description="Steps, rows or records that are done.")]
    total: Annotated[
        int | None, _COUNT, Field(description="How many there are; null while that is not known.")
    ] = None
    percent: Annotated[
        int | None, Field(ge=0, le=100, description="What that comes to; null without a total.")
    ] = None
    eta_seconds: Annotated[
        int | None, _COUNT, Field(description="Seconds until it ends, at the present speed.")
    ] = None


class OperationError(BaseModel):
    """Why it failed."""

    code: Annotated[
        str,
        Field(
            max_length=64,
            pattern="^[a-z][a-z0-9_]*$",
            description="A code as of a problem document.",
            examples=["forbidden"],
        ),
    ]
    detail: Annotated[
        str, Field(max_length=2000, description="What happened, and what to do about it.")
    ]


class Operation(Resource):
    """A piece of long work. Its author sees it, and who may read everybody's."""

    resource: ClassVar = "operations"
    singular: ClassVar = "operation"
    grants: ClassVar = {"operation": "r r own own"}
    verbs: ClassVar = {"cancel": "AM"}
    author: ClassVar = "created_by"
    default_sort: ClassVar = "-created_at"

    id: Annotated[UUID, Rule("operation", Write.NEVER), Field(description="Its id.")]
    kind: Annotated[
        str,
        Rule("operation", Write.NEVER, filter=Op.EQ),
        Field(description="What kind of work it is.", examples=["client_import"], max_length=64),
    ]
    state: Annotated[
        State,
        Rule("operation", Write.NEVER, filter=Op.EQ),
        Field(description="Waiting, at work, or how it ended.", examples=["running"]),
    ]
    cancel_requested: Annotated[
        bool,
        Rule("operation", Write.NEVER),
        Field(description="Whether it was asked to stop; it does before its next step."),
    ]
    progress: Annotated[
        Progress, Rule("operation", Write.NEVER), Field(description="How far it is.")
    ]
    result: Annotated[
        dict[str, Any] | None,
        Rule("operation", Write.NEVER),
        Field(
            description="What it came to, as its kind counts it; while it runs, so far.",
            examples=[{"created": 527, "duplicate": 5, "invalid": 1}],
        ),
    ] = None
    result_url: Annotated[
        str | None,
        Rule("operation", Write.NEVER),
        Field(
            max_length=500,
            description="Where its outcome is read.",
            examples=["/v1/imports/01890a5d-ac96-774b-bcce-b302099a8057/report"],
        ),
    ] = None
    error: Annotated[
        OperationError | None,
        Rule("operation", Write.NEVER),
        Field(description="Why it failed; what it did before stays done."),
    ] = None
    created_by: Annotated[
        UUID,
        Rule("operation", Write.NEVER, filter=Op.EQ),
        Field(description="The user or API key that started it, in whose name it works."),
    ]
    created_at: Annotated[
        datetime,
        Rule("operation", Write.NEVER, filter=Op.RANGE, sort=True),
        Field(description="When it was asked for."),
    ]
    started_at: Annotated[
        datetime | None,
        Rule("operation", Write.NEVER),
        Field(description="When a worker first took it."),
    ] = None
    finished_at: Annotated[
        datetime | None, Rule("operation", Write.NEVER), Field(description="When it ended.")
    ] = None
