"""What every operation shares: errors, response headers, security, the document's head."""

from http import HTTPStatus
from typing import Any, Final

from crm_api.core.errors import PROBLEMS
from crm_api.core.problems import MEDIA_TYPE, PAGES, slug_of

Json = dict[str, Any]

EXAMPLE_ID: Final = "01890a5d-ac96-774b-bcce-b302099a8057"
# Every text is free of NUL, which PostgreSQL cannot hold; a stricter pattern is the field's own.
TEXT_PATTERN: Final = "^[^\\u0000]*$"

CONTACT: Final = {
    "name": "CRM API maintainers",
    "url": "https://crm-api.example/support",
    "email": "support@crm-api.example",
}
LICENSE: Final = {"name": "Apache-2.0", "identifier": "Apache-2.0"}
SERVERS: Final = [
    {
        "url": "/",
        "description": "Production: the host that serves this document",
        "x-internal": False,
    }
]

SECURITY_SCHEMES: Final[Json] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": (
            "An access token from `POST /v1/auth/login`, or an API key (`crm_…`). Access tokens "
            "are JWTs that follow RFC8725: one algorithm, typed, audience and expiry required. "
            "`x-required-scopes` of an operation are those that the caller's role must hold."
        ),
    }
}


def _text(description: str, example: str, length: int, **more: str) -> Json:
    schema: Json = {"type": "string", "maxLength": length, "pattern": TEXT_PATTERN, **more}
    return {"description": description, "schema": schema, "example": example}


# Always there where they are documented; the others depend on the case.
_ALWAYS: Final = frozenset(
    {
        *("X-Request-Id", "RateLimit", "RateLimit-Policy"),
        *("Location", "Allow", "WWW-Authenticate"),
    }
)
_HEADERS: Final[Json] = {
    "X-Request-Id": _text(
        "The id of this request, also in the server's log; quote it in reports.", EXAMPLE_ID, 64
    ),
    "RateLimit": _text(
        "Requests left (`r`) and seconds until the quota is whole again (`t`).",
        '"default";r=59999;t=1',
        100,
    ),
    "RateLimit-Policy": _text(
        "The quota (`q`) per window of seconds (`w`).", '"default";q=60000;w=60', 100
    ),
    "Retry-After": {
        "description": "Seconds to wait before the next try.",
        "schema": {"type": "integer", "format": "int32", "minimum": 0, "maximum": 86400},
        "example": 2,
    },
    "ETag": _text(
        "A digest of the representation that this caller sees; send it as `If-Match`.",
        '"5d41402abc4b2a76b9719d911017c592"',
        100,
    ),
    "Location": _text(
        "Where the record, or the running operation, is found.",
        f"/v1/clients/{EXAMPLE_ID}",
        2048,
        format="uri-reference",
    ),
    "Link": _text(
        "The next page (RFC 8288); absent on the last one.",
        '</v1/clients?cursor=c2VhbGVk>; rel="next"',
        4096,
    ),
    "Allow": _text("The methods that this path offers.", "GET, HEAD, PATCH", 100),
    "WWW-Authenticate": _text("How to authenticate (RFC 6750).", "Bearer", 200),
    "Idempotency-Replayed": {
        "description": "Present and true when an earlier answer to the same key is repeated.",
        "schema": {"type": "boolean"},
        "example": True,
    },
    "Deprecation": _text("When the operation became deprecated (RFC 9745).", "@1767225600", 40),
    "Sunset": _text(
        "When the operation will cease to answer (RFC 8594).",
        "Fri, 31 Dec 2027 23:59:59 GMT",
        40,
    ),
}

HEADERS: Final[Json] = {
    name: {"required": True, **header} if name in _ALWAYS else header
    for name, header in _HEADERS.items()
}

_FAULT: Final[Json] = {
    "type": "object",
    "description": "One thing that is wrong with the request, and where.",
    "required": ["code", "detail"],
    "properties": {
        "pointer": {
            "type": "string",
            "format": "json-pointer",
            "maxLength": 2500,
            "description": "The place in the body (RFC 6901); empty for the body as a whole.",
            "examples": ["/emails/0/value"],
        },
        "parameter": {
            "type": "string",
            "maxLength": 64,
            "pattern": TEXT_PATTERN,
            "description": "The path or query parameter.",
            "examples": ["limit"],
        },
        "header": {
            "type": "string",
            "maxLength": 64,
            "pattern": TEXT_PATTERN,
            "description": "The request header.",
            "examples": ["If-Match"],
        },
        "code": {
            "type": "string",
            "maxLength": 64,
            "pattern": "^[a-z][a-z0-9_]*$",
            "description": "What is wrong, for programs; stable.",
            "examples": ["required"],
        },
        "detail": {
            "type": "string",
            "maxLength": 2000,
            "pattern": TEXT_PATTERN,
            "description": "What is wrong, for people; never repeats what was sent.",
            "examples": ["This field is required."],
        },
    },
}

_PROBLEM: Final[Json] = {
    "type": "object",
    "description": (
        "Any error (RFC 9457). Branch on `code`; further members, such as `candidates`, are "
        "described on the page that `type` names."
    ),
    "required": ["type", "title", "status", "detail", "code", "request_id", "errors"],
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "maxLength": 300,
            "description": "A page that explains the code.",
            "examples": [f"{PAGES}/not-found"],
        },
        "title": {
            "type": "string",
            "maxLength": 200,
            "pattern": TEXT_PATTERN,
            "description": "The code in a few words.",
            "examples": ["There is no such record"],
        },
        "status": {
            "type": "integer",
            "format": "int32",
            "minimum": 400,
            "maximum": 599,
            "description": "The HTTP status.",
            "examples": [404],
        },
        "detail": {
            "type": "string",
            "maxLength": 2000,
            "pattern": TEXT_PATTERN,
            "description": "What happened in this case.",
            "examples": ["There is no such record."],
        },
        "code": {
            "type": "string",
            "maxLength": 64,
            "pattern": "^[a-z][a-z0-9_]*$",
            "description": "The kind of error, for programs; stable.",
            "examples": ["not_found"],
        },
        "request_id": {
            "type": "string",
            "maxLength": 64,
            "pattern": "^[0-9A-Za-z-]*$",
            "description": "As in the header `X-Request-Id`.",
            "examples": [EXAMPLE_ID],
        },
        "errors": {
            "type": "array",
            "maxItems": 100,
            "items": {"$ref": "#/components/schemas/Fault"},
            "description": "Every fault that was found, all at once.",
        },
    },
}

PROBLEM_SCHEMAS: Final[Json] = {"Fault": _FAULT, "Problem": _PROBLEM}

# status: (the component's name, the code shown as the example, further headers)
_ERRORS: Final[dict[int, tuple[str, str, tuple[str, ...]]]] = {
    400: ("BadRequest", "malformed_request", ()),
    401: ("Unauthenticated", "unauthenticated", ("WWW-Authenticate",)),
    403: ("Forbidden", "forbidden", ()),
    404: ("NotFound", "not_found", ()),
    405: ("MethodNotAllowed", "method_not_allowed", ("Allow",)),
    409: ("Conflict", "conflict", ("Retry-After",)),
    412: ("PreconditionFailed", "version_conflict", ("ETag",)),
    413: ("BodyTooLarge", "body_too_large", ()),
    414: ("UriTooLong", "uri_too_long", ()),
    415: ("UnsupportedMediaType", "unsupported_media_type", ()),
    422: ("Invalid", "invalid", ()),
    429: ("RateLimited", "rate_limited", ("Retry-After",)),
    431: ("HeadersTooLarge", "headers_too_large", ()),
    500: ("InternalError", "internal_error", ()),
    503: ("Unavailable", "unavailable", ("Retry-After",)),
}

COMMON_HEADERS: Final = ("X-Request-Id", "RateLimit", "RateLimit-Policy")


# What FastAPI writes where a route declares a status and no description.
STANDARD_PHRASES: Final = frozenset(status.phrase for status in HTTPStatus)


def header_refs(*names: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def headers_of(status: int) -> set[str]:
    return {*COMMON_HEADERS, *(_ERRORS[status][2] if status in _ERRORS else ())}


def problem_reply(status: int, description: str = "") -> Json:
    """An error response in full; for a status without an entry, with its first code as example."""
    _, code, headers = _ERRORS.get(status, ("", _any_code(status), ()))
    problem = PROBLEMS[code]
    errors = []
    if status == 422:
        errors = [{"pointer": "/name", "code": "required", "detail": "This field is required."}]
    example = {
        "type": f"{PAGES}/{slug_of(code)}",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.advice,
        "code": code,
        "request_id": EXAMPLE_ID,
        "errors": errors,
    }
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": description or f"{problem.title}.",
        "headers": header_refs(*COMMON_HEADERS, *headers),
        "content": {MEDIA_TYPE: {"schema": schema, "example": example}},
    }


def problem_ref(status: int) -> Json:
    """The shared response where there is one, the response in full elsewhere."""
    if status in _ERRORS:
        return {"$ref": f"#/components/responses/{_ERRORS[status][0]}"}
    return problem_reply(status)


def shared_replies(statuses: set[int]) -> Json:
    """The components for those statuses that are used: an unused component is a finding."""
    return {
        _ERRORS[status][0]: problem_reply(status)
        for status in sorted(statuses)
        if status in _ERRORS
    }


def _any_code(status: int) -> str:
    return next((code for code, p in PROBLEMS.items() if p.status == status), "internal_error")
