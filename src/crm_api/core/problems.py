"""Refusals as RFC 9457 problem documents, and the handlers that turn every exception into one."""

import http
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from crm_api.core.db import Disturbed
from crm_api.core.errors import Fault, Refusal
from crm_api.core.faults import MAX_FAULTS, describe, pointer_of
from crm_api.core.logs import get_logger

MEDIA_TYPE: Final = "application/problem+json"
PAGES: Final = "/problems"

_CODE_OF_STATUS: Final = {
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "body_too_large",
    415: "unsupported_media_type",
    422: "invalid",
    429: "rate_limited",
    503: "unavailable",
}

log = get_logger(__name__)


def slug_of(code: str) -> str:
    return code.replace("_", "-")


def problem_document(refusal: Refusal, request_id: str, base_url: str = "") -> dict[str, Any]:
    """The members in the order in which a person reads them; extension members come last."""
    problem = refusal.problem
    document: dict[str, Any] = {
        "type": f"{base_url}{PAGES}/{slug_of(refusal.code)}",
        "title": problem.title,
        "status": problem.status,
        "detail": refusal.detail or problem.advice,
        "code": refusal.code,
        "request_id": request_id,
        "errors": [fault.as_json() for fault in refusal.faults[:MAX_FAULTS]],
    }
    return document | {k: v for k, v in refusal.members.items() if k not in document}


def problem_response(refusal: Refusal, request_id: str, base_url: str = "") -> Response:
    headers = dict(refusal.headers)
    given = {name.lower() for name in headers}
    if refusal.status == http.HTTPStatus.UNAUTHORIZED and "www-authenticate" not in given:
        refused = refusal.code == "invalid_token"
        headers["WWW-Authenticate"] = 'Bearer error="invalid_token"' if refused else "Bearer"
    if refusal.status in (429, 503) and "retry-after" not in given:
        headers["Retry-After"] = "1"
    body = to_json(problem_document(refusal, request_id, base_url), fallback=str)
    return Response(body, refusal.status, headers, MEDIA_TYPE)


def request_id_of(scope: Scope) -> str:
    """The id that the middleware gave; empty only where the middleware is not installed."""
    found: str = scope.get("state", {}).get("request_id", "")
    return found


def methods_of(scope: Scope) -> list[str]:
    """Every method that some route offers at this path, HEAD beside GET."""
    path = scope["path"].removeprefix(scope.get("root_path", ""))
    methods: set[str] = set()
    for context in iter_route_contexts(scope["app"].routes):
        pattern = getattr(context, "path_regex", None)
        if pattern is not None and context.methods and pattern.match(path):
            methods |= context.methods
    return sorted(methods | {"HEAD"} if "GET" in methods else methods)


def refusal_of_http(error: HTTPException, scope: Scope) -> Refusal:
    """Starlette's own 404 and 405, and whatever a library raises; their texts are not repeated."""
    headers: Mapping[str, str] = error.headers or {}
    if error.status_code == http.HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(methods_of(scope))
        detail = f"This path offers {allowed}."
        return Refusal("method_not_allowed", detail, headers={"Allow": allowed})
    if error.status_code == http.HTTPStatus.NOT_FOUND:
        return Refusal("not_found", "There is nothing at this path.", headers=headers)
    unknown = "internal_error" if error.status_code >= 500 else "malformed_request"
    return Refusal(_CODE_OF_STATUS.get(error.status_code, unknown), headers=headers)


def refusal_of_parameters(errors: Sequence[Mapping[str, Any]]) -> Refusal:
    """Path faults are 404, since such a record cannot exist; the others are 422, all at once."""
    if any(error["loc"][:1] == ("path",) for error in errors):
        return Refusal("not_found", "There is no such record.")
    faults = tuple(_parameter_fault(error) for error in errors[:MAX_FAULTS])
    return Refusal("invalid", "The parameters are not valid.", faults)


def _parameter_fault(error: Mapping[str, Any]) -> Fault:
    code, detail = describe(error)
    if code == "required":
        detail = "This parameter is required."
    place, *names = error["loc"]
    name = str(names[0]) if names else ""
    if place == "header":
        return Fault(code, detail, header=name)
    if place == "body":
        return Fault(code, detail, pointer=pointer_of(names))
    return Fault(code, detail, parameter=name)


Handler = Callable[[Request, Exception], Awaitable[Response]]


def install_problem_handlers(app: FastAPI, base_url: str = "") -> None:
    """Let `app` answer every exception with a problem document.

    `base_url` precedes the type's path, such as `https://crm.example`; empty makes it relative,
    which RFC 9457 §3.1.1 resolves against the request's own URL.
    """

    def answering(refusal_of: Callable[[Request, Any], Refusal]) -> Handler:
        async def handle(request: Request, error: Exception) -> Response:
            refusal = refusal_of(request, error)
            return problem_response(refusal, request_id_of(request.scope), base_url)

        return handle

    def broken(_: Request, error: Exception) -> Refusal:
        log.error("unhandled_exception", exc_info=error)
        return Refusal("internal_error")

    app.add_exception_handler(Refusal, answering(lambda _, error: error))
    app.add_exception_handler(Disturbed, answering(lambda _, error: error.refusal()))
    app.add_exception_handler(
        HTTPException, answering(lambda request, error: refusal_of_http(error, request.scope))
    )
    app.add_exception_handler(
        RequestValidationError, answering(lambda _, error: refusal_of_parameters(error.errors()))
    )
    app.add_exception_handler(Exception, answering(broken))
