"""Pydantic's findings as our own faults: stable codes, RFC 6901 pointers, never a sent value."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, get_args

from pydantic_core import ErrorDetails
from pydantic_core.core_schema import ErrorType

from crm_api.core.errors import Fault

MAX_FAULTS: Final = 100
MAX_SEGMENT: Final = 64

_BUILT_IN: Final = frozenset(get_args(ErrorType))

_CODES: Final = {
    "missing": "required",
    "extra_forbidden": "unknown_field",
    "model_type": "object_type",
    "model_attributes_type": "object_type",
    "dataclass_type": "object_type",
    "dict_type": "object_type",
    "mapping_type": "object_type",
    "list_type": "array_type",
    "set_type": "array_type",
    "frozen_set_type": "array_type",
    "tuple_type": "array_type",
    "deque_type": "array_type",
    "iterable_type": "array_type",
    "too_short": "too_few_items",
    "too_long": "too_many_items",
    "enum": "not_one_of",
    "literal_error": "not_one_of",
    "union_tag_invalid": "not_one_of",
    "union_tag_not_found": "discriminator_required",
    "int_from_float": "int_type",
    # Which of these pydantic names depends on how far it got into the text.
    "date_from_datetime_parsing": "date_parsing",
    "date_from_datetime_inexact": "date_parsing",
    "datetime_from_date_parsing": "datetime_parsing",
    "datetime_object_invalid": "datetime_parsing",
    "value_error": "invalid",
    "assertion_error": "invalid",
    "invalid_key": "invalid_key",
    "none_required": "invalid",
    "missing_sentinel_error": "invalid",
}

# Only facts of the schema may appear in braces here: pydantic's own messages quote what was sent
# (a union's tag, the odd character of a UUID), and a fault must never do that.
_DETAILS: Final = {
    "missing": "This field is required.",
    "extra_forbidden": "There is no such field here.",
    "object_type": "Send a JSON object.",
    "array_type": "Send a JSON array.",
    "string_type": "Send a string.",
    "string_too_short": "Send at least {min_length} characters.",
    "string_too_long": "Send at most {max_length} characters.",
    "string_pattern_mismatch": "The text does not have the form `{pattern}`.",
    "string_unicode": "Send valid Unicode text.",
    "too_short": "Send at least {min_length} items.",
    "too_long": "Send at most {max_length} items.",
    "enum": "Send one of: {expected}.",
    "literal_error": "Send one of: {expected}.",
    "union_tag_invalid": "The {discriminator} is none of: {expected_tags}.",
    "union_tag_not_found": "The object needs its {discriminator} to tell its kind.",
    "bool_type": "Send true or false.",
    "bool_parsing": "Send true or false.",
    "int_type": "Send a whole number.",
    "int_parsing": "Send a whole number.",
    "int_parsing_size": "The whole number is out of bounds.",
    "int_from_float": "Send a whole number.",
    "float_type": "Send a number.",
    "float_parsing": "Send a number.",
    "finite_number": "Send a finite number.",
    "greater_than": "The value must be greater than {gt}.",
    "greater_than_equal": "The value must be {ge} or more.",
    "less_than": "The value must be less than {lt}.",
    "less_than_equal": "The value must be {le} or less.",
    "multiple_of": "The value must be a multiple of {multiple_of}.",
    "date_type": "Send a date as YYYY-MM-DD.",
    "date_parsing": "Send a date as YYYY-MM-DD.",
    "date_from_datetime_inexact": "Send a date as YYYY-MM-DD, without a time.",
    "datetime_type": "Send an RFC 3339 time such as 2026-01-31T12:00:00Z.",
    "datetime_parsing": "Send an RFC 3339 time such as 2026-01-31T12:00:00Z.",
    "timezone_aware": "Send the time with its offset, such as 2026-01-31T12:00:00Z.",
    "time_type": "Send a time as HH:MM:SS.",
    "time_parsing": "Send a time as HH:MM:SS.",
    "uuid_type": "Send a UUID.",
    "uuid_parsing": "Send a UUID.",
    "uuid_version": "Send a UUID of version {expected_version}.",
    "decimal_type": "Send a decimal number as a string.",
    "decimal_parsing": "Send a decimal number as a string.",
    "decimal_max_digits": "Send at most {max_digits} digits.",
    "decimal_max_places": "Send at most {decimal_places} decimal places.",
    "decimal_whole_digits": "Send at most {whole_digits} digits before the point.",
    "url_type": "Send a URL.",
    "url_parsing": "Send a valid URL.",
    "url_too_long": "Send at most {max_length} characters.",
    "url_scheme": "The URL's scheme must be {expected_schemes}.",
    "invalid_key": "The keys of this object must be strings.",
}

_BRANCH_ONLY: Final = frozenset({"none_required", "missing_sentinel_error"})


class _Facts(dict[str, object]):
    """A finding's facts. A missing one must not turn an answer about a fault into a fault."""

    def __missing__(self, key: str) -> str:
        return key.replace("_", " ")


def describe(error: Mapping[str, Any]) -> tuple[str, str]:
    """The stable code and the detail of one finding; our own validators' pass as they are."""
    kind: str = error["type"]
    code = _CODES.get(kind, kind)
    if kind not in _BUILT_IN:
        return code, error["msg"]
    template = _DETAILS.get(kind) or _DETAILS.get(code) or "This value is not valid here."
    return code, template.format_map(_Facts(error.get("ctx", ())))


def pointer_of(segments: Iterable[str | int]) -> str:
    """An RFC 6901 pointer. It stops above a key that is too long or unprintable to repeat."""
    parts: list[str] = []
    for segment in segments:
        text = str(segment)
        if len(text) > MAX_SEGMENT or not text.isprintable():
            break
        parts.append("/" + text.replace("~", "~0").replace("/", "~1"))
    return "".join(parts)


def faults_of(errors: Sequence[ErrorDetails], sent: object) -> tuple[Fault, ...]:
    """At most MAX_FAULTS faults. `sent` is the parsed body: it tells a real key from a union's tag.

    A union reports each branch that failed; a branch that only says "another type" is dropped
    where a better reason is known for the same place or below it.
    """
    found: dict[tuple[str, str], tuple[str, bool]] = {}
    reached: set[str] = set()
    for error in errors:
        kind = error["type"]
        pointer = pointer_of(_path_in(sent, error["loc"], missing=kind == "missing"))
        code, detail = describe(error)
        weak = kind in _BRANCH_ONLY or code.endswith("_type")
        found.setdefault((pointer, code), (detail, weak))
        if not weak:
            reached.add(pointer)
        above = pointer.rpartition("/")[0]
        while above and above not in reached:
            reached.add(above)
            above = above.rpartition("/")[0]
    kept = [
        Fault(code, detail, pointer=pointer)
        for (pointer, code), (detail, weak) in found.items()
        if not (weak and pointer in reached)
    ]
    named = {fault.pointer for fault in kept if fault.code != "invalid"}
    return tuple(fault for fault in kept if fault.code != "invalid" or fault.pointer not in named)[
        :MAX_FAULTS
    ]


def _path_in(sent: object, loc: Sequence[str | int], *, missing: bool) -> list[str | int]:
    """The part of `loc` that is in the body, plus the last name when that is what is missing."""
    path: list[str | int] = []
    here: Any = sent
    last = len(loc) - 1
    for place, segment in enumerate(loc):
        if _holds(here, segment):
            here = here[segment]
        elif not (missing and place == last):
            continue
        path.append(segment)
    return path


def _holds(here: object, segment: str | int) -> bool:
    if isinstance(here, list):
        return isinstance(segment, int) and 0 <= segment < len(here)
    return isinstance(here, dict) and segment in here
