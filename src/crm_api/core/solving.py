"""Calls a route with what it declares, in the few forms that our routes use; FastAPI documents it.

FastAPI's own resolver takes every form there is, and costs a third of a read's Python (50 of 160
µs). A route of any other form is left to it.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from inspect import iscoroutinefunction, signature
from operator import attrgetter
from types import NoneType
from typing import Any, Final, cast, get_args
from uuid import UUID

from fastapi import Request, Response
from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.params import Param, Path

Handler = Callable[[Request], Awaitable[Response]]
Call = Callable[..., Awaitable[Any]]

_SCALARS: Final = {bool, int, str, UUID, NoneType}


@dataclass(frozen=True, slots=True)
class _Step:
    """An async callable, and what it takes: the request, and answers of earlier steps."""

    call: Call
    request_name: str | None
    needs: tuple[tuple[str, Call], ...]

    def arguments(self, request: Request, answers: Mapping[Call, Any]) -> dict[str, Any]:
        found = {name: answers[call] for name, call in self.needs}
        if self.request_name is not None:
            found[self.request_name] = request
        return found


@dataclass(frozen=True, slots=True)
class _Parameter:
    """One value of the path, the query or the headers."""

    field: ModelField
    received: Callable[[Request], Mapping[str, Any]]

    def read(self, request: Request) -> tuple[Any, list[Any]]:
        """The value and what is wrong with it."""
        field = self.field
        sent = self.received(request).get(field.alias)
        if sent is None:
            return field.default, []
        return field.validate(sent, loc=(cast("Param", field.field_info).in_.value, field.alias))


def plain_handler(dependant: Dependant) -> Handler | None:
    """What runs this route, or None for FastAPI to run it.

    Plain are async dependencies that take the request and one another, parameters of the route's
    own in path, query and headers, and a `Response` for an answer.
    """
    below = [each for part in dependant.dependencies for each in _in_order(part)]
    if not all(_is_plain(each) and not _fields(each) for each in below):
        return None
    if not (_is_plain(dependant) and all(map(_is_scalar, _fields(dependant)))):
        return None
    answer = signature(cast("Call", dependant.call)).return_annotation
    if not (isinstance(answer, type) and issubclass(answer, Response)):
        return None
    steps = list({each.call: _step(each) for each in below}.values())
    endpoint = _step(dependant)
    kinds = (
        (dependant.path_params, attrgetter("path_params")),
        (dependant.query_params, attrgetter("query_params")),
        (dependant.header_params, attrgetter("headers")),
    )
    parameters = [_Parameter(field, received) for fields, received in kinds for field in fields]

    async def handle(request: Request) -> Response:
        answers: dict[Call, Any] = {}
        for step in steps:
            answers[step.call] = await step.call(**step.arguments(request, answers))
        arguments = endpoint.arguments(request, answers)
        faults: list[Any] = []
        for parameter in parameters:
            arguments[parameter.field.name], wrong = parameter.read(request)
            faults += wrong
        if faults:
            raise RequestValidationError(faults)
        response: Response = await endpoint.call(**arguments)
        return response

    return handle


def _in_order(dependant: Dependant) -> Iterator[Dependant]:
    """The dependant after all that it depends on."""
    for part in dependant.dependencies:
        yield from _in_order(part)
    yield dependant


def _step(dependant: Dependant) -> _Step:
    needs = tuple(
        (part.name, cast("Call", part.call)) for part in dependant.dependencies if part.name
    )
    return _Step(cast("Call", dependant.call), dependant.request_param_name, needs)


def _fields(dependant: Dependant) -> list[ModelField]:
    return [*dependant.path_params, *dependant.query_params, *dependant.header_params]


def _is_scalar(field: ModelField) -> bool:
    """One value under one name, from the path or with a default."""
    annotation, info = field.field_info.annotation, field.field_info
    kinds = set(get_args(annotation) or (annotation,))
    given = isinstance(info, Path) or not info.is_required()
    return given and info.validation_alias in (None, field.alias) and kinds <= _SCALARS


def _is_plain(dependant: Dependant) -> bool:
    """Async, without a body of FastAPI's, cookies, scopes of OAuth, or objects but the request."""
    others = (
        dependant.body_params,
        dependant.cookie_params,
        dependant.websocket_param_name,
        dependant.http_connection_param_name,
        dependant.response_param_name,
        dependant.background_tasks_param_name,
        dependant.security_scopes_param_name,
        dependant.own_oauth_scopes,
        dependant.parent_oauth_scopes,
        dependant.concurrency,
    )
    call = dependant.call
    by_object = getattr(type(call), "__call__", None)  # noqa: B004  # the method itself is looked at
    return not any(others) and (iscoroutinefunction(call) or iscoroutinefunction(by_object))
