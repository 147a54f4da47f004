"""A small application with one of each kind of operation, on the real ground layer."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, Header, Path, Query, Request
from pydantic import MISSING, BaseModel, ConfigDict, Field
from pydantic.config import JsonDict
from starlette.responses import JSONResponse, Response, StreamingResponse

from crm_api.core.deps import JsonBody, declared_query
from crm_api.core.docs_page import docs_router
from crm_api.core.errors import Refusal, refuse_all
from crm_api.core.http import HttpSettings, HttpStack
from crm_api.core.jsonbody import Incoming
from crm_api.core.pages import router as pages_router
from crm_api.core.probes import probes_router
from crm_api.core.problems import install_problem_handlers
from crm_api.openapi.document import build_document

ORGANIZATION = "01890a5d-ac96-774b-bcce-b302099a8001"
ACTOR = "01890a5d-ac96-774b-bcce-b302099a8002"
NAME: JsonDict = {"x-access": {"read": ["name"], "write": ["name"]}}


class Money(BaseModel):
    """An amount in a currency."""

    model_config = ConfigDict(extra="forbid")

    amount: Annotated[str, Field(max_length=24, pattern=r"^-?\d+(\.\d+)?$", examples=["99.95"])]
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$", max_length=3, examples=["UGX"])]


class Email(BaseModel):
    """An e-mail address of a client."""

    model_config = ConfigDict(extra="forbid")

    value: Annotated[str, Field(max_length=254, examples=["ada@example.com"])]
    type: Literal["work", "home"] = "work"


class Widget(BaseModel):
    """A thing that is kept."""

    model_config = ConfigDict(
        json_schema_serialization_defaults_required=True,
        json_schema_extra={"x-access": {"id": {"read": ["*"]}}},
    )

    id: UUID
    name: Annotated[str, Field(max_length=200, json_schema_extra=NAME)]
    stage: Literal["lead", "active"] | None
    price: Money | None
    emails: Annotated[list[Email], Field(max_length=20)]
    count: int
    created_at: dt.datetime
    custom: dict[str, Any]


class WidgetPage(BaseModel):
    """One page of widgets."""

    data: Annotated[list[Widget], Field(max_length=200)]
    next_cursor: Annotated[str, Field(max_length=1024)] | None
    has_more: bool


class CreateWidget(BaseModel):
    """A new widget."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=200, min_length=1, examples=["Acme"])]
    count: Annotated[int, Field(ge=0, le=1000)] = 0
    price: Money | None = None
    emails: Annotated[list[Email], Field(max_length=20)] = []
    password: Annotated[str, Field(min_length=15, max_length=64, examples=["x" * 15])] | None = None


class PatchWidget(BaseModel):
    """The fields to change; those left out are kept."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(max_length=200)] | MISSING = MISSING
    price: Money | MISSING | None = MISSING


class Login(BaseModel):
    """Who signs in."""

    model_config = ConfigDict(extra="forbid")

    email: Annotated[str, Field(max_length=254, examples=["ada@example.com"])]
    password: Annotated[str, Field(max_length=1024, examples=["correct horse battery staple"])]


class Tokens(BaseModel):
    """A pair of tokens."""

    access_token: Annotated[str, Field(max_length=4096)]
    refresh_token: Annotated[str, Field(max_length=200)]


class Caller:
    """Any bearer token but `bad` is somebody."""

    def __init__(self, *scopes: str) -> None:
        self.security_scopes = scopes

    async def __call__(self, request: Request) -> str:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token in ("", "bad"):
            raise Refusal("unauthenticated")
        request.state.organization_id = UUID(ORGANIZATION)
        request.state.actor_id = UUID(ACTOR)
        return token


class WidgetQuery:
    """What a list takes beside the usual: filters, as ready parameter objects."""

    query_parameters = (
        {
            "name": "tags",
            "in": "query",
            "description": "Any of these tags.",
            "required": False,
            "schema": {"type": "array", "maxItems": 20, "items": {"type": "string"}},
            "example": ["vip"],
        },
        {
            "name": "created_at[gte]",
            "in": "query",
            "description": "Created at this time or later.",
            "schema": {"type": "string", "format": "date-time"},
        },
    )

    async def __call__(self, request: Request) -> None:
        return None


WidgetId = Annotated[UUID, Path()]
IfMatch = Annotated[str | None, Header(max_length=100, description="The ETag last read.")]
Key = Annotated[
    str | None,
    Header(max_length=200, description="A value of your own; the same one repeats the answer."),
]
routes = APIRouter(prefix="/v1", tags=["widgets"])


def _widget(widget_id: object = ACTOR) -> dict[str, Any]:
    return {"id": str(widget_id), "name": "Acme", "emails": []}


@routes.get("/widgets", responses={200: {"model": WidgetPage}})
async def list_widgets(
    caller: Annotated[str, Depends(Caller("widget:read"))],
    query: Annotated[None, Depends(WidgetQuery())],
    checked: Annotated[None, Depends(declared_query)],
    limit: Annotated[int, Query(ge=1, le=200, description="At most this many.")] = 50,
) -> Response:
    """Widgets, a page at a time."""
    return JSONResponse({"data": [_widget()] * limit, "next_cursor": None, "has_more": False})


@routes.get(
    "/widgets/export",
    responses={
        200: {"content": {"text/csv": {"schema": {"type": "string"}, "example": "name\r\nAcme"}}}
    },
)
async def export_widgets(caller: Annotated[str, Depends(Caller("widget:read"))]) -> Response:
    """All widgets as CSV."""

    async def rows() -> AsyncIterator[bytes]:
        for number in range(2000):
            yield f"{number},Acme\r\n".encode()

    return StreamingResponse(rows(), media_type="text/csv")


@routes.get("/widgets/{widget_id}", responses={200: {"model": Widget}, 304: {}})
async def get_widget(
    widget_id: WidgetId, caller: Annotated[str, Depends(Caller("widget:read"))]
) -> Response:
    """One widget."""
    return JSONResponse(_widget(widget_id), headers={"ETag": '"1"'})


@routes.post("/widgets", status_code=201, responses={201: {"model": Widget}})
async def create_widget(
    caller: Annotated[str, Depends(Caller("widget:write"))],
    body: Annotated[Incoming[CreateWidget], Depends(JsonBody(CreateWidget))],
    idempotency_key: Key = None,
) -> Response:
    """Create a widget."""
    if body.faults:
        raise refuse_all(body.faults)
    return JSONResponse(_widget(), 201, {"Location": f"/v1/widgets/{ACTOR}", "ETag": '"1"'})


@routes.patch(
    "/widgets/{widget_id}",
    responses={200: {"model": Widget}, 409: {"description": "The name is taken."}},
)
async def patch_widget(
    widget_id: WidgetId,
    caller: Annotated[str, Depends(Caller("widget:write"))],
    body: Annotated[Incoming[PatchWidget], Depends(JsonBody(PatchWidget))],
    if_match: IfMatch = None,
) -> Response:
    """Change a widget."""
    if body.faults:
        raise refuse_all(body.faults)
    return JSONResponse(_widget(widget_id), headers={"ETag": '"2"'})


@routes.delete("/widgets/{widget_id}", status_code=204)
async def delete_widget(
    widget_id: WidgetId,
    caller: Annotated[str, Depends(Caller("widget:delete"))],
    if_match: IfMatch = None,
) -> Response:
    """Delete a widget."""
    return Response(status_code=204)


@routes.post("/auth/login", tags=["sign-in"], responses={200: {"model": Tokens}})
async def login(body: Annotated[Incoming[Login], Depends(JsonBody(Login))]) -> Response:
    """Sign in."""
    if body.faults:
        raise refuse_all(body.faults)
    return JSONResponse({"access_token": "x" * 20, "refresh_token": "y"})


async def widget_created(event: Widget) -> None:
    """A widget was created."""


odd = APIRouter(include_in_schema=False)


@odd.get("/slow")
async def slow(seconds: float) -> Response:
    await asyncio.sleep(seconds)
    return JSONResponse({"slept": seconds})


@odd.get("/broken")
async def broken() -> Response:
    raise ValueError("canary-in-an-exception")


@odd.get("/events")
async def events() -> Response:
    async def stream() -> AsyncIterator[bytes]:
        for number in range(3):
            yield f"data: {number} {'x' * 2000}\n\n".encode()

    return StreamingResponse(stream(), media_type="text/event-stream")


@odd.get("/stalling")
async def stalling() -> Response:
    async def stream() -> AsyncIterator[bytes]:
        yield b"first"
        await asyncio.sleep(30)
        yield b"never"

    return StreamingResponse(stream(), media_type="application/octet-stream")


@odd.post("/raw")
async def raw(request: Request) -> Response:
    return JSONResponse({"read": len(await request.body())})


@odd.post("/unread")
async def unread() -> Response:
    return JSONResponse({"read": 0})


async def _ready() -> Mapping[str, bool]:
    return {"database": True}


def toy_app(settings: HttpSettings | None = None) -> FastAPI:
    app = FastAPI(
        title="Toy API",
        version="1.0.0",
        description="One of each kind of operation.",
        redirect_slashes=False,
        openapi_url=None,
    )
    for router in (routes, odd, pages_router, probes_router(_ready)):
        app.include_router(router)
    app.include_router(docs_router(app.title, lambda: build_document(app)))
    app.webhooks.post("widget.created", tags=["webhooks"])(widget_created)
    install_problem_handlers(app)
    app.add_middleware(HttpStack, settings=settings or HttpSettings())
    return app
