"""Two valid values for a field that the table of values does not name, made from its schema.

So that a field which is declared needs no further line here; one whose values must exist somewhere
else (a reference, a catalogue's key) is named in the table.
"""

import secrets
from collections.abc import Collection, Mapping
from typing import Any

from pydantic import TypeAdapter

from crm_api.kit.fields import Resource

Json = Mapping[str, Any]
BY_FORMAT: Mapping[str, tuple[str, str]] = {
    "date": ("2026-01-31", "2026-02-01"),
    "date-time": ("2099-01-01T00:00:00.000000Z", "2099-01-02T00:00:00.000000Z"),
}


def samples_of(cls: type[Resource], named: Collection[str]) -> dict[str, tuple[Any, Any]]:
    """Field → a first and a second value, for every field that is not named yet."""
    return {
        name: pair_of(TypeAdapter(field.accepted_type).json_schema(), f"{cls.__name__}.{name}")
        for name, field in cls.fields.items()
        if name not in named
    }


def pair_of(schema: Json, place: str) -> tuple[Any, Any]:
    for branch in schema.get("anyOf", ()):
        if branch.get("type") != "null":
            return pair_of(branch, place)
    if "enum" in schema:
        return schema["enum"][0], schema["enum"][-1]
    match schema.get("type"):
        case "boolean":
            return True, True
        case "integer":
            low = max(schema.get("minimum", 1), 1)
            return low, min(low + 1, schema.get("maximum", low + 1))
        case "array":
            first, second = pair_of(schema["items"], place)
            return [first], [second]
        case "string" if "format" not in schema:
            room = schema.get("maxLength", 20)
            return secrets.token_hex(10)[:room], secrets.token_hex(10)[:room]
        case "string" if schema["format"] in BY_FORMAT:
            return BY_FORMAT[schema["format"]]
    raise ValueError(f"{place}: name two of its values in tests/assurance/values.py")
