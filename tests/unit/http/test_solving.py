"""The short way to a route: it answers as FastAPI's own, and leaves to it what it does not know."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import httpx
import pytest
from fastapi import APIRouter, Cookie, Depends, FastAPI, Header, Query, Request, Response
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import BaseModel

from crm_api.core.config import Settings
from crm_api.core.solving import plain_handler
from crm_api.identity.deps import GuardedRoute
from crm_api.main import create_app


class Short(APIRoute):
    def get_route_handler(self) -> Any:
        return plain_handler(self.dependant) or super().get_route_handler()


calls: list[str] = []


async def who(request: Request) -> str:
    calls.append("who")
    return request.headers.get("x-who", "nobody")


async def greeting(name: Annotated[str, Depends(who)]) -> str:
    return f"hello {name}"


class Marked:
    async def __call__(self, request: Request) -> str:
        return request.url.path


Who = Annotated[str, Depends(who)]


def build(route_class: type[APIRoute]) -> FastAPI:
    router = APIRouter(route_class=route_class)

    @router.get("/things/{thing_id}", dependencies=[Depends(greeting)])
    async def read(
        *,
        name: Who,
        hello: Annotated[str, Depends(greeting)],
        path: Annotated[str, Depends(Marked())],
        request: Request,
        thing_id: UUID,
        many: Annotated[int, Query(ge=1)] = 7,
        dry_run: bool = False,
        if_match: Annotated[str | None, Header(alias="If-Match", max_length=5)] = None,
        x_plain: Annotated[str | None, Header()] = None,
    ) -> Response:
        facts = (name, hello, path, request.method, thing_id, many, dry_run, if_match, x_plain)
        return Response(repr(facts))

    app = FastAPI()
    app.router.routes.extend(router.routes)
    return app


ID = "01930000-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (f"/things/{ID}", {}),
        (f"/things/{ID}", {"X-Who": "Ann", "If-Match": '"a"', "X-Plain": "p"}),
        (f"/things/{ID}?many=3&dry_run=true", {}),
        (f"/things/{ID}?many=3&many=4", {}),
        (f"/things/{ID}?many=0&dry_run=perhaps", {"If-Match": "123456"}),
        (f"/things/{ID}?many=", {}),
        (f"/things/{ID}?many=\u0661", {}),
        ("/things/none", {"If-Match": ""}),
        ("/things/none?many=x", {}),
    ],
)
async def test_short_way_answers_as_fastapi_does(path: str, headers: dict[str, str]) -> None:
    answers = []
    for route_class in (APIRoute, Short):
        calls.clear()
        transport = httpx.ASGITransport(build(route_class))
        async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
            found = await client.get(path, headers=headers)
        answers.append((found.status_code, found.text, tuple(calls)))
    assert answers[0] == answers[1]
    assert calls == ["who"]  # once, however many need it


class Item(BaseModel):
    name: str


other = APIRouter()


def sync() -> None:
    pass


async def asks(limit: int = 5) -> int:
    return limit


async def stream() -> AsyncIterator[int]:
    yield 1


@other.post("/body")
async def body(item: Item) -> Response:
    return Response()


@other.get("/cookie")
async def cookie(crumb: Annotated[str | None, Cookie()] = None) -> Response:
    return Response()


@other.get("/required")
async def required(limit: int) -> Response:
    return Response()


@other.get("/several")
async def several(tag: Annotated[list[str] | None, Query()] = None) -> Response:
    return Response()


@other.get("/model")
async def model(asked: Annotated[Item | None, Query()] = None) -> Response:
    return Response()


@other.get("/thread", dependencies=[Depends(sync)])
async def thread() -> Response:
    return Response()


@other.get("/class", dependencies=[Depends(Item)])
async def by_class() -> Response:
    return Response()


@other.get("/nested", dependencies=[Depends(asks)])
async def nested() -> Response:
    return Response()


@other.get("/stream", dependencies=[Depends(stream)])
async def streamed() -> Response:
    return Response()


@other.get("/injected")
async def injected(response: Response) -> Response:
    return Response()


@other.get("/serialized")
async def serialized() -> Item:
    return Item(name="")


@other.get("/sync")
def in_thread() -> Response:
    return Response()


FORMS = [route for route in other.routes if isinstance(route, APIRoute)]


@pytest.mark.parametrize("route", FORMS, ids=lambda route: route.path)
def test_any_other_form_is_left_to_fastapi(route: APIRoute) -> None:
    assert plain_handler(route.dependant) is None


LONG_WAY = {
    "/v1/clients/{client_id}/graph": "it takes several kinds, of a closed list",
    "/v1/clients/{client_id}/paths": "it cannot be asked without `to`",
}
"""Routes that FastAPI runs, since their form needs it; they walk for milliseconds anyway."""


def test_every_route_goes_the_short_way_with_all_its_dependencies(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path), "postgresql://nowhere")
    contexts = [c for c in iter_route_contexts(app.routes) if isinstance(c.route, GuardedRoute)]
    assert len(contexts) > 40
    for context in contexts:
        route = context.original_route
        assert isinstance(route, GuardedRoute)
        is_long = plain_handler(route.dependant) is None
        assert is_long == (route.path in LONG_WAY), route.path
        # A router that is included with further dependencies would not run them here.
        effective = getattr(context, "dependant", None)
        assert effective is not None
        assert effective.dependencies == route.dependant.dependencies, route.path
