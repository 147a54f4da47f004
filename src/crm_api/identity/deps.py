"""The way from a request's credential to its scope, and the second look when it went stale."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final, TypeVar

from fastapi import Depends, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute

from crm_api.core.access import RequestContext, StaleActor
from crm_api.core.db import unavailable
from crm_api.core.deps import declared_query
from crm_api.core.errors import Refusal
from crm_api.core.solving import Handler, plain_handler
from crm_api.identity.resolver import Resolver
from crm_api.kit.scope import Scope
from crm_api.queries import EXPLAIN

T = TypeVar("T")


async def get_scope(request: Request) -> Scope:
    """The scope of this request; one for all dependencies, rebuilt after a stale principal."""
    known: Scope | None = getattr(request.state, "scope", None)
    if known is not None:
        return known
    resolver: Resolver = request.app.state.resolver
    actor, verified = await resolver.actor_of(request.headers.get("authorization"))
    scope = Scope(
        db=request.app.state.db,
        actor=actor,
        context=RequestContext(
            request_id=request.state.request_id,
            address=request.client.host if request.client else None,
            user_agent=(request.headers.get("user-agent") or "")[:200] or None,
        ),
        sealer=request.app.state.sealer,
        verified=verified,
        explain=request.query_params.get("explain") == "permission",
    )
    request.state.scope = scope
    request.state.organization_id = actor.organization_id
    request.state.actor_id = actor.id
    return scope


# The document reads from this that a caller is demanded; which rights, each route says.
get_scope.security_scopes = ()  # type: ignore[attr-defined]  # an attribute for the document alone

CurrentScope = Annotated[Scope, Depends(get_scope)]


async def strict_query(scope: CurrentScope, request: Request) -> None:  # noqa: ARG001  # asked for its order
    """Refuse undeclared query parameters, but not before the caller is known: 401 comes first."""
    await declared_query(request)


strict_query.query_parameters = (EXPLAIN,)  # type: ignore[attr-defined]  # for the document, as above

PAUSES: Final = (0.0, 0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 0.8)
"""Seconds at most before each new try. One follows a change of role; a row of them only a burst of
edits of roles or catalogues, each of which makes stale what was resolved just before."""


class GuardedRoute(APIRoute):
    """A route that decides again when the principal went stale while it was deciding.

    A refusal reached without any statement is held until the guard has confirmed the principal:
    401 comes before every other refusal of a route.
    """

    def get_route_handler(self) -> Any:
        handle = plain_handler(self.dependant) or super().get_route_handler()

        async def guarded(request: Request) -> Response:
            for pause in PAUSES:
                try:
                    return await _decided(handle, request)
                except StaleActor:
                    await asyncio.sleep(pause * random.random())  # noqa: S311  # spreads, hides nothing
                    await _resolve_anew(request)
            detail = "Roles, catalogues or settings change all the time; retry."
            raise Refusal("conflict", detail, headers={"Retry-After": "1"})

        return guarded


async def asked_anew(request: Request, ask: Callable[[Scope], Awaitable[T]]) -> T:
    """What is asked again while a response streams: each time as the caller is and may then.

    Raises:
        Refusal: 401 where session, key or token ended meanwhile; whatever `ask` refuses.
    """
    for pause in PAUSES:
        request.state.scope = None
        try:
            return await ask(await get_scope(request))
        except StaleActor:
            await asyncio.sleep(pause * random.random())  # noqa: S311  # as above
            await _resolve_anew(request)
    raise unavailable("Roles, catalogues or settings change all the time.")


async def _decided(handle: Handler, request: Request) -> Response:
    try:
        return await handle(request)
    except (Refusal, RequestValidationError) as error:
        if not isinstance(error, Refusal) or error.status != 503:
            # Also where nobody has asked yet who calls: a decorator's dependencies, such as the
            # check of the query string, are solved before those of the handler's parameters.
            await (await get_scope(request)).verify()
        raise


async def _resolve_anew(request: Request) -> None:
    """Forget what was cached; the next look either finds the live rights or answers 401."""
    scope: Scope = request.state.scope
    request.app.state.resolver.forget(scope.actor)
    request.state.scope = None
