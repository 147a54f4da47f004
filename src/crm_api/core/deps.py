"""Dependencies that every slice's routes share: the JSON body and the strict query string."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar, cast, get_origin
from urllib.parse import parse_qsl

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel

from crm_api.core.errors import Fault, Refusal
from crm_api.core.faults import MAX_FAULTS
from crm_api.core.jsonbody import Incoming, validate_body

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"

T = TypeVar("T", bound=BaseModel)


def media_types_of(method: str) -> tuple[str, ...]:
    """What a JSON body may be called: on a merge (PATCH, upsert) also RFC 7396's own type."""
    return (MERGE_PATCH, JSON) if method in ("PATCH", "PUT") else (JSON,)


class JsonBody(Generic[T]):
    """`body: Annotated[Incoming[ClientCreate], Depends(JsonBody(ClientCreate))]`.

    Content faults are left in `Incoming.faults`, for the service decides first whether the caller
    may write. What is not JSON raises 400, so name this dependency after the one for the actor:
    FastAPI solves them in the order of the parameters.
    """

    def __init__(self, model: type[T]) -> None:
        self.json_model = model

    async def __call__(self, request: Request) -> Incoming[T]:
        _check_content_type(request)
        return validate_body(self.json_model, await request.body())


def _check_content_type(request: Request) -> None:
    allowed = media_types_of(request.method)
    name, _, parameters = request.headers.get("content-type", "").lower().partition(";")
    charset = parameters.strip().removeprefix("charset=").strip('"')
    coding = request.headers.get("content-encoding", "identity").lower()
    if name.strip() in allowed and charset in ("", "utf-8", "utf8") and coding == "identity":
        return
    headers = {"Accept-Patch": ", ".join(allowed)} if request.method == "PATCH" else {}
    detail = f"Send {' or '.join(allowed)} in UTF-8, not compressed."
    raise Refusal("unsupported_media_type", detail, headers=headers)


def dependants_of(dependant: Dependant) -> Iterator[Dependant]:
    """A route's dependant and all below it, in the order in which they are solved."""
    yield dependant
    for below in dependant.dependencies:
        yield from dependants_of(below)


def query_parameters_of(dependant: Dependant) -> list[dict[str, Any]]:
    """The OpenAPI parameter objects that dependencies bring in an attribute `query_parameters`."""
    return [
        parameter
        for each in dependants_of(dependant)
        for parameter in cast("list[dict[str, Any]]", getattr(each.call, "query_parameters", ()))
    ]


async def declared_query(request: Request) -> None:
    """Refuses a query parameter that the route does not declare, and a scalar that is repeated.

    Routes whose query has an open form (lists with filters) check it by themselves. Name this
    dependency after the one for the actor: who may not call is told so first.
    """
    query = request.scope["query_string"]
    if not query:
        return
    declared = _declared(request)
    faults: dict[str, Fault] = {}
    seen: set[str] = set()
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name not in declared:
            shown = name if len(name) <= 64 and name.isprintable() else None
            faults[name] = Fault(
                "unknown_parameter", "There is no such parameter.", parameter=shown
            )
        elif name in seen and not declared[name].repeats:
            faults[name] = Fault("repeated_parameter", "Send this once.", parameter=name)
        elif declared[name].choices and value not in declared[name].choices:
            known = ", ".join(declared[name].choices)
            detail = f"`{name}` takes: {known}."
            faults[name] = Fault("invalid_choice", detail, parameter=name)
        seen.add(name)
    if faults:
        raise Refusal("invalid", "The query is not valid.", tuple(faults.values())[:MAX_FAULTS])


@dataclass(frozen=True, slots=True)
class _Declared:
    """What the document says of a query parameter. Those with a type are checked by FastAPI."""

    repeats: bool
    choices: Sequence[str] = ()


def _declared(request: Request) -> Mapping[str, _Declared]:
    return _declared_by_endpoint(request.app)[request.scope["endpoint"]]


@lru_cache(maxsize=8)
def _declared_by_endpoint(app: Any) -> Mapping[Any, Mapping[str, _Declared]]:
    """For each endpoint its query parameters."""
    found: dict[Any, Mapping[str, _Declared]] = {}
    for context in iter_route_contexts(app.routes):
        dependant: Dependant | None = getattr(context, "dependant", None)
        if dependant is None:
            continue
        declared = {
            field.alias: _Declared(get_origin(field.field_info.annotation) in (list, set, tuple))
            for each in dependants_of(dependant)
            for field in each.query_params
        }
        for parameter in query_parameters_of(dependant):
            if parameter["in"] == "query":
                schema = parameter.get("schema", {})
                repeats = schema.get("type") == "array"
                declared[parameter["name"]] = _Declared(repeats, tuple(schema.get("enum", ())))
        found[context.endpoint] = declared
    return found
