"""Domain errors as data: one exception, one catalogue of codes. No HTTP, no framework here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Problem:
    """What a code means: its status, its title, and what the reader can do about it."""

    status: int
    title: str
    advice: str
    members: Mapping[str, str] = field(default_factory=dict)
    """Name → meaning of each member that its documents may carry besides the standard ones."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with a request. `pointer` is an RFC 6901 pointer into the body."""

    code: str
    detail: str
    pointer: str | None = None
    parameter: str | None = None
    header: str | None = None

    def as_json(self) -> dict[str, str]:
        place = {"pointer": self.pointer, "parameter": self.parameter, "header": self.header}
        return {k: v for k, v in place.items() if v is not None} | {
            "code": self.code,
            "detail": self.detail,
        }


_EXPLAINED: Mapping[str, str] = {
    "explanation": "With `explain=permission`: the rule that refused, field by field or the right that is missing.",
}
_BLOCKED: Mapping[str, str] = {
    "candidates": "Who is in the way, as far as you may see it, and whether each is live.",
    "next": "The calls that you may make now, such as opening, linking or restoring one.",
}
_RELATED: Mapping[str, str] = {
    "existing": "The relationship that is in the way, as far as you may see it.",
    "next": "The calls that you may make now: opening or ending it.",
}
_STALE: Mapping[str, str] = {
    "current_etag": "The ETag of the record as it is now.",
    "current": "The present values of the fields that you sent and may read.",
}

PROBLEMS: dict[str, Problem] = {
    # 400
    "malformed_request": Problem(
        400,
        "The request cannot be read",
        "Send valid UTF-8 JSON with unique keys, at most 32 levels deep.",
    ),
    "body_incomplete": Problem(
        400,
        "The body did not arrive in time",
        "Nothing was done. Send the request again, with the same `Idempotency-Key`.",
    ),
    "invalid_cursor": Problem(
        400,
        "The cursor is not valid here",
        "Start again without `cursor`; a cursor belongs to one caller, one filter and one sort.",
    ),
    # 401
    "unauthenticated": Problem(
        401,
        "Sign in first",
        "Send `Authorization: Bearer <access token or API key>`; refresh the token when it has expired.",
    ),
    "invalid_credentials": Problem(
        401,
        "The credentials are not right",
        "Check e-mail and password; after several failures wait for the time in `Retry-After`.",
    ),
    "invalid_token": Problem(
        401, "The token is not valid", "Sign in again, or refresh the access token."
    ),
    "refresh_reused": Problem(
        401,
        "This refresh token was used before",
        "The whole session was ended as a precaution. Sign in again.",
    ),
    # 403
    "forbidden": Problem(
        403,
        "Your role does not allow this",
        "Ask an administrator for the right that is named, or add `?explain=permission` to see the rule.",
        _EXPLAINED,
    ),
    "field_not_writable": Problem(
        403,
        "A field may not be changed by your role",
        "Leave out the fields that are named; `GET /v1/me/permissions` lists what you may write.",
        _EXPLAINED,
    ),
    "field_not_readable": Problem(
        403,
        "A field may not be read by your role",
        "Leave out the fields that are named; `GET /v1/me/permissions` lists what you may read.",
        _EXPLAINED,
    ),
    # 404, 405
    "not_found": Problem(
        404,
        "There is no such record",
        "Check the id; records of other organizations do not exist for you.",
    ),
    "method_not_allowed": Problem(
        405, "This method is not offered here", "See the `Allow` header for the methods that are."
    ),
    # 409
    "conflict": Problem(
        409, "The record changed or clashes with another", "Read it again, then retry."
    ),
    "duplicate_name": Problem(
        409,
        "A client with this name exists",
        "Open or link the candidate, or send `allow_duplicate: true` when your role allows it.",
        _BLOCKED,
    ),
    "email_in_use": Problem(
        409,
        "This e-mail address belongs to another record",
        "Open the record that holds it, or use another address.",
        _BLOCKED,
    ),
    "email_in_use_inactive": Problem(
        409,
        "This e-mail address belongs to an archived record",
        "Restore that record, or send `on_inactive: create` to take the address from it.",
        _BLOCKED,
    ),
    "registration_number_in_use": Problem(
        409,
        "This registration number belongs to another client",
        "Open the client that holds it.",
        _BLOCKED,
    ),
    "reference_in_use": Problem(
        409,
        "This external reference belongs to another record",
        "Open the record that holds it.",
        _BLOCKED,
    ),
    "primary_required": Problem(
        409, "There must be one primary contact", "Make another contact primary first."
    ),
    "not_live": Problem(
        409, "The record is not live", "Restore it first.", {"next": _BLOCKED["next"]}
    ),
    "open_follow_ups": Problem(
        409,
        "The client has open follow-ups",
        "Finish or cancel those that are given in `open_follow_ups`, then close the client.",
        {"open_follow_ups": "What is open, each as far as you may read it."},
    ),
    "still_linked": Problem(
        409, "The record is still linked", "Remove the links that are named first."
    ),
    "idempotency_in_progress": Problem(
        409,
        "The same request is still running",
        "Wait for the time in `Retry-After`, then send it again unchanged.",
    ),
    "last_admin": Problem(
        409, "The last administrator stays", "Make somebody else an administrator first."
    ),
    "organization_required": Problem(
        409,
        "You belong to several organizations",
        "Send `organization` with one of the slugs that are listed.",
        {"organizations": "The slugs of those to which you belong."},
    ),
    "already_rotated": Problem(
        409, "The refresh token was just rotated", "Use the pair that the other request received."
    ),
    "second_parent": Problem(
        409,
        "The client has a parent already",
        "End the relationship that is given in `existing`, or choose a period after it.",
        _RELATED,
    ),
    "already_related": Problem(
        409,
        "The clients are related in this way already",
        "Change the relationship that is given in `existing`.",
        _RELATED,
    ),
    "already_exists": Problem(
        409, "It exists already", "Use the one that exists, or choose another name."
    ),
    "too_many_operations": Problem(
        409,
        "Too many operations are open",
        "Wait until one of them ends, or cancel one: `GET /v1/operations?state=queued`.",
    ),
    "operation_finished": Problem(
        409, "The operation has ended", "Read it; what it did stays, and can be undone only there."
    ),
    "import_under_way": Problem(
        409, "The import is at work", "Wait until its operation ends, or cancel that first."
    ),
    "import_done": Problem(
        409, "The import has been done", "Upload the list again to import it anew, or revert it."
    ),
    "nothing_to_revert": Problem(
        409, "There is nothing to take back", "An import can be reverted once it has run."
    ),
    "file_is_link": Problem(
        409,
        "The file is a link",
        "Its content is elsewhere, and is never fetched: open or change its `url`.",
    ),
    "file_quota_exceeded": Problem(
        409,
        "The organization's files take all the room they may",
        "Delete files: their room is free when they go for good. An operator may raise `CRM_FILE_QUOTA_BYTES`.",
    ),
    "segment_outdated": Problem(
        409,
        "The segment names what is no longer there",
        "Change its conditions: the faults name what they ask for.",
    ),
    "in_use": Problem(409, "It is still in use", "Change the records that use it first."),
    # 410
    "version_erased": Problem(
        410,
        "The values of that time were erased",
        "Ask for the fields that were not erased by `fields`, or for a later time.",
    ),
    # 412, 413, 414, 415, 416, 429, 431
    "version_conflict": Problem(
        412,
        "The record has changed since you read it",
        "Compare the current values that are given, then retry with the current ETag.",
        _STALE,
    ),
    "body_too_large": Problem(
        413,
        "The body is too large",
        "Send less in one request; the limits are in the API document.",
    ),
    "uri_too_long": Problem(414, "The URL is too long", "Use `POST` search, or fewer filters."),
    "unsupported_media_type": Problem(
        415,
        "This content type is not read here",
        "Send one of the types that the API document names, such as `application/json`.",
    ),
    "range_not_satisfiable": Problem(
        416,
        "There is nothing in this range",
        "`Content-Range` says how many bytes there are; ask for a part of them, or for all.",
    ),
    "rate_limited": Problem(429, "Too many requests", "Wait for the time in `Retry-After`."),
    "headers_too_large": Problem(431, "The headers are too large", "Send smaller headers."),
    # 422
    "invalid": Problem(
        422, "The content is not valid", "Mend every fault that is listed; each names its place."
    ),
    "unreadable_file": Problem(
        422, "The file cannot be read", "Send a CSV file in UTF-8, or an .xlsx workbook."
    ),
    "file_too_long": Problem(
        422, "The file has too many rows", "Split it, and import the parts one after another."
    ),
    "file_too_complex": Problem(
        422,
        "The file takes too much memory or time to read",
        "Split it, or save it as CSV in UTF-8.",
    ),
    "idempotency_mismatch": Problem(
        422, "The idempotency key was used for another request", "Use a new key for a new request."
    ),
    "read_only_field": Problem(
        422, "A field is set by the system", "Leave out the field, or send its present value."
    ),
    "derived_value": Problem(
        422, "This value follows from facts", "Set an override with a reason instead."
    ),
    "unknown_field": Problem(
        422, "There is no such field", "Check the spelling against the API document."
    ),
    "status_reason_required": Problem(
        422, "A change of status needs a reason", "Send `status_reason` with it."
    ),
    "contact_method_required": Problem(
        422,
        "A client needs a way to be reached",
        "Send an e-mail address or a phone number, of the client or of one of its contacts.",
    ),
    "relationship_cycle": Problem(
        422,
        "A client would stand above itself",
        "Follow `path`: end one of its relationships first, or choose another parent.",
        {
            "path": "The clients from the one that would be the parent up to the one that would be "
            "its child, each as far as you may see it."
        },
    ),
    "emergency_contact_required": Problem(
        422,
        "This service tier needs an emergency contact",
        "Link a contact with the role `emergency` first, or choose another tier.",
    ),
    "export_too_large": Problem(
        422,
        "The file cannot hold all of it",
        "Export as CSV or NDJSON, which have no such bound, or choose fewer records or fields.",
    ),
    # 500, 503
    "internal_error": Problem(500, "Something broke on our side", "Report the `request_id`."),
    "unavailable": Problem(
        503,
        "The service cannot answer right now",
        "Retry after the time in `Retry-After`, with the same `Idempotency-Key`.",
        {"checks": "On `/readyz`: what was looked at, and whether it is well."},
    ),
}


@dataclass(eq=False)
class Refusal(Exception):
    """A request that is refused. `code` is a key of PROBLEMS; its status and title come from there.

    `members` are extension members of the problem document (RFC 9457 §3.2), such as `candidates`.
    `detail` and the faults may name only fields that the caller sent or can read, and never a value.
    """

    code: str
    detail: str = ""
    faults: Sequence[Fault] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    members: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__(self.code)
        self.problem = PROBLEMS[self.code]

    @property
    def status(self) -> int:
        return self.problem.status


def refuse_all(faults: Iterable[Fault]) -> Refusal:
    """One 422 for all content faults; its code is the fault's own when they all share a known one."""
    found = tuple(faults)
    codes = {fault.code for fault in found}
    only = codes.pop() if len(codes) == 1 else "invalid"
    code = only if only in PROBLEMS and PROBLEMS[only].status == 422 else "invalid"
    return Refusal(
        code,
        found[0].detail if len(found) == 1 else f"{len(found)} faults, each listed with its place.",
        found,
    )
