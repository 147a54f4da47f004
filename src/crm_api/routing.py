"""What all routes share: their parameters, and how a service's answer becomes a response."""

from collections.abc import Awaitable
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Header, Path, Query, Request, Response
from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from crm_api.core.formats.text import LINE_PATTERN
from crm_api.core.ids import id_or_nil
from crm_api.kit.idempotency import Claim, claim_of
from crm_api.kit.replies import PageReply, Reply
from crm_api.kit.scope import Scope

T = TypeVar("T")

EXAMPLE_ETAG = '"5d41402abc4b2a76b9719d911017c592"'
PathId = Annotated[UUID, BeforeValidator(id_or_nil)]
"""An id in a path; a malformed one is the id of no record."""

RefSource = Annotated[
    str,
    WithJsonSchema({"type": "string", "maxLength": 64, "pattern": "^[a-z][a-z0-9_]*$"}),
    Path(description="The other system.", examples=["billing"]),
]
RefId = Annotated[
    str,
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 200, "pattern": LINE_PATTERN}),
    Path(description="The id there, URL-encoded; it may hold slashes.", examples=["A-17"]),
]
"""What is no reference is that of no record, or a fault of content: not the router's to judge."""

IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=400,
        description="The ETag that the change was decided on; a stale one is 412.",
        examples=[EXAMPLE_ETAG],
    ),
]
IfNoneMatch = Annotated[
    str | None,
    Header(
        alias="If-None-Match",
        max_length=400,
        description="An ETag that you hold; 304 when it is still current.",
        examples=[EXAMPLE_ETAG],
    ),
]


def _flag(value: object) -> object:
    """A switch that is misread would store what was to be tried."""
    if value not in ("true", "false", False):
        raise PydanticCustomError("bool_parsing", "Send true or false.")
    return value


Flag = BeforeValidator(_flag)
"""In the annotation of a switch of the query string."""

DryRun = Annotated[
    bool,
    Flag,
    Query(description="Check everything and answer what would be; store nothing."),
]


def _whole(value: object) -> object:
    """Digits alone: Python's own reading takes `1_0` and blanks as well."""
    if isinstance(value, str) and not (value.isascii() and value.isdigit()):
        raise PydanticCustomError("int_parsing", "Send a whole number.")
    return value


Whole = BeforeValidator(_whole)
"""In the annotation of an integer of the query string."""


async def claim(
    scope: Scope, request: Request, status: int = 201, *, dry_run: bool = False
) -> Claim | None:
    """The claim of this request's `Idempotency-Key`, if it carries one and does something.

    Args:
        status: what the request answers when it succeeds.
    """
    if dry_run:
        return None
    keys = request.headers.getlist("idempotency-key")
    key = None if not keys else ",".join(keys)
    body = await request.body()
    return claim_of(scope.actor, request.method, request.url.path, key, body, status)


async def tried(scope: Scope, write: Awaitable[T], *, dry_run: bool) -> T:
    """What a write comes to; a dry one is checked and answered in full, then undone."""
    if dry_run:
        async with scope.db.rehearsal(scope.actor.organization_id):
            return await write
    return await write


class IdempotencyKey:
    """Documents the header; `claim` reads it, as it needs the scope too."""

    query_parameters = (  # ready-made parameters of any place, as everywhere
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "Makes a retry safe: the same key and body get the same answer.",
            "schema": {
                "type": "string",
                "minLength": 1,
                "maxLength": 255,
                "pattern": "^[\\x20-\\x7e]+$",
            },
            "example": "4f9a1f0e-3b0e-4f4a-9c59-8f0f6f5f6a10",
        },
    )

    async def __call__(self) -> None:
        """Nothing to do. It is here so that FastAPI needs no thread, as for a plain class."""


def as_one(reply: Reply, if_none_match: str | None = None) -> Response:
    """A single resource; 304 when the caller holds it already."""
    headers = {"ETag": reply.etag, **reply.headers}
    if reply.location is not None and reply.status in (201, 202):  # Created, Accepted
        headers["Location"] = reply.location
    if if_none_match is not None:
        held = [part.strip().removeprefix("W/") for part in if_none_match.split(",")]
        if reply.etag in held or "*" in held:
            return Response(status_code=304, headers=headers)
    return Response(reply.body, reply.status, headers, "application/json")


def as_list(reply: PageReply, request: Request) -> Response:
    """One page; `Link: rel="next"` repeats the cursor as an address."""
    headers = {}
    if reply.next_cursor is not None:
        following = request.url.include_query_params(cursor=reply.next_cursor)
        headers["Link"] = f'<{following.path}?{following.query}>; rel="next"'
    return Response(reply.body, 200, headers, "application/json")


def as_json(body: str) -> Response:
    return Response(body, 200, {}, "application/json")


def answers(status: int, model: Any, description: str) -> dict[int | str, dict[str, Any]]:
    """The documented success of a route."""
    return (
        {status: {"model": model, "description": description}}
        if model
        else {status: {"description": description}}
    )


def needs(*scopes: str) -> dict[str, list[str]]:
    """The rights that a route asks for, for the document; the service is what enforces them."""
    return {"x-required-scopes": list(scopes)}
