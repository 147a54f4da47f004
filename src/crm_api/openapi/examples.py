"""Examples made from schemas, so that every body and parameter shows one that is valid."""

import re
from collections.abc import Mapping
from typing import Any, Final

from crm_api.openapi.components import REF
from crm_api.openapi.parts import EXAMPLE_ID, TEXT_PATTERN

Json = dict[str, Any]

_BY_FORMAT: Final = {
    "uuid": EXAMPLE_ID,
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00",
    "duration": "PT15M",
    "email": "ada@example.com",
    "uri": "https://example.com/",
    "uri-reference": "/v1/clients",
    "json-pointer": "/name",
    "password": "correct horse battery staple",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
}
_MISSING: Final = object()


def example_of(schema: Mapping[str, Any], definitions: Json, place: str) -> object:
    """An example for the schema; `place` is named when only its author can give one."""
    given = _given(schema)
    if given is not _MISSING:
        return given
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(REF)
        return example_of(definitions[name], definitions, name)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            choices = [part for part in schema[key] if part.get("type") != "null"]
            return example_of(choices[0], definitions, place)
    if "allOf" in schema:
        merged: Json = {}
        for part in schema["allOf"]:
            found = example_of(part, definitions, place)
            merged |= found if isinstance(found, dict) else {}
        return merged
    kind = schema.get("type")
    kind = next(k for k in kind if k != "null") if isinstance(kind, list) else kind
    if kind == "object" or "properties" in schema:
        return _object(schema, definitions, place)
    if kind == "array":
        item = example_of(schema.get("items", {}), definitions, place)
        return [item] * max(1, schema.get("minItems", 1))
    if kind == "string":
        return _string(schema, place)
    return {"boolean": True, "integer": _number(schema), "number": _number(schema)}.get(kind or "")


def _given(schema: Mapping[str, Any]) -> object:
    if schema.get("examples"):
        return schema["examples"][0]
    for key in ("example", "const"):
        if key in schema:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    return schema["default"] if schema.get("default") is not None else _MISSING


def _object(schema: Mapping[str, Any], definitions: Json, place: str) -> Json:
    """The required properties and those with an example of their own, at least one in all."""
    properties: Json = schema.get("properties", {})
    required = set(schema.get("required", ()))
    shown = [n for n, part in properties.items() if n in required or part.get("examples")]
    if not shown and not isinstance(schema.get("additionalProperties"), dict):
        shown = list(properties)[:1]
    return {name: example_of(properties[name], definitions, f"{place}.{name}") for name in shown}


def _string(schema: Mapping[str, Any], place: str) -> str:
    text = _BY_FORMAT.get(schema.get("format", ""), "text")
    text = text.ljust(schema.get("minLength", 0), "x")[: schema.get("maxLength", len(text))]
    pattern = schema.get("pattern", TEXT_PATTERN)
    if not re.search(pattern, text):
        raise ValueError(f"{place} has a pattern of its own: give it `examples`")
    return text


def _number(schema: Mapping[str, Any]) -> int | float:
    low: int | float = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
    high: int | float = schema.get("maximum", schema.get("exclusiveMaximum", low + 2) - 1)
    return min(max(low, 1), high)
