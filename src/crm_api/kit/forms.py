"""What a front end needs to show and fill a field: its declaration, told without JSON Schema."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from crm_api.core.access import Rights
from crm_api.kit.fields import Field, Resource, Write, hidden_parts, mask_of

Json = dict[str, Any]

_BOUNDS: Final = {
    "minLength": "min_length",
    "maxLength": "max_length",
    "pattern": "pattern",
    "minimum": "minimum",
    "maximum": "maximum",
    "minItems": "min_items",
    "maxItems": "max_items",
    "maxProperties": "max_items",
    "format": "format",
    "enum": "enum",
    "x-listed-in": "listed_in",
}
"""Keyword of JSON Schema → our word."""


def forms_of(cls: type[Resource], rights: Rights) -> list[Json]:
    """Every field that these rights read or write, in declared order; the others are absent."""
    mask = mask_of(cls, rights)
    readable = frozenset(mask.read)
    return [
        _form(field, cls, rights)
        | {
            "read": name in readable,
            "create": name in mask.create,
            "update": name in mask.update,
        }
        for name, field in cls.fields.items()
        if name in readable or name in mask.create or name in mask.update
    ]


def _form(field: Field, cls: type[Resource], rights: Rights) -> Json:
    rule = field.rule
    schema = TypeAdapter(field.accepted_type).json_schema()
    more = {"catalogue": rule.catalogue, "refers_to": rule.refers_to}
    return {
        "name": field.name,
        "description": field.info.description or "",
        "group": rule.group,
        "required": field.required and bool(rule.write & Write.ON_CREATE),
        "nullable": field.nullable,
        **_without(
            shape_of(schema, schema.get("$defs", {})), hidden_parts(cls, rights, field.name)
        ),
        **{name: value for name, value in more.items() if value is not None},
    }


def _without(shape: Json, parts: frozenset[str]) -> Json:
    if not parts:
        return shape
    return shape | {"fields": [each for each in shape["fields"] if each["name"] not in parts]}


def shape_of(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Json:
    """A JSON schema in the few words of a form, without references.

    `null` is left out, whoever asks for a shape says whether it may be. A model that contains
    itself would not end; no field has such a type.
    """
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return shape_of(definitions[name], definitions)
    branches = [part for part in schema.get("anyOf", ()) if part.get("type") != "null"]
    if len(branches) == 1:
        return shape_of(branches[0], definitions)
    if branches:
        return {"type": "any", "one_of": [shape_of(part, definitions) for part in branches]}
    found: Json = {"type": schema.get("type", "any")}
    found |= {ours: schema[word] for word, ours in _BOUNDS.items() if word in schema}
    if "items" in schema:
        found["items"] = shape_of(schema["items"], definitions)
    if "properties" in schema:
        found["fields"] = list(_properties(schema, definitions))
    for values in _values_of(schema):
        found |= {"type": "map", "values": shape_of(values, definitions)}
    return found


def _properties(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[Json]:
    required = schema.get("required", ())
    for name, part in schema["properties"].items():
        yield {
            "name": name,
            "description": part.get("description", ""),
            "required": name in required,
            "nullable": any(each.get("type") == "null" for each in part.get("anyOf", ())),
            **shape_of(part, definitions),
        }


def _values_of(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """What an object of free keys holds; at most one."""
    yield from schema.get("patternProperties", {}).values()
    if isinstance(schema.get("additionalProperties"), dict):
        yield schema["additionalProperties"]
