"""JSON schemas finished: one name each, a bound on everything, rights moved to their properties."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from crm_api.openapi.parts import TEXT_PATTERN

Json = dict[str, Any]

REF: Final = "#/components/schemas/"
MAX_SAFE_INTEGER: Final = (1 << 53) - 1  # beyond it a JavaScript client rounds (RFC 7493 §2.2)
_INT32: Final = (1 << 31) - 1
_MAX_TEXT: Final = 10_000
_MAX_ITEMS: Final = 1_000
_MAX_KEYS: Final = 100
_LENGTHS: Final = {
    "uuid": 36,
    "date": 10,
    "date-time": 40,
    "time": 20,
    "duration": 60,
    "email": 254,
    "uri": 2048,
    "uri-reference": 2048,
    "ipv4": 15,
    "ipv6": 45,
    "binary": 1_073_741_824,
}
_LISTS: Final = ("anyOf", "oneOf", "allOf", "prefixItems")
_SINGLE: Final = ("items", "additionalProperties", "not", "contentSchema", "propertyNames")


def request_schemas(models: Iterable[type[BaseModel]]) -> tuple[dict[type[BaseModel], Json], Json]:
    """For each model the reference to its schema as a body is validated, and the definitions."""
    wanted = list(dict.fromkeys(models))
    if not wanted:
        return {}, {}
    found, rest = models_json_schema(
        [(model, "validation") for model in wanted], ref_template=REF + "{model}"
    )
    return {model: dict(found[model, "validation"]) for model in wanted}, rest.get("$defs", {})


def subschemas(schema: Json) -> Iterator[Json]:
    """The schema and all that it is made of, without following references."""
    yield schema
    for key in ("properties", "patternProperties"):
        for part in schema.get(key, {}).values():
            yield from subschemas(part)
    for key in _LISTS:
        for part in schema.get(key, ()):
            yield from subschemas(part)
    for key in _SINGLE:
        if isinstance(schema.get(key), dict):
            yield from subschemas(schema[key])


def refer(value: object, rename: Callable[[str], str]) -> None:
    """Rename every reference to a schema, also in a discriminator's mapping."""
    if isinstance(value, list):
        for part in value:
            refer(part, rename)
    if not isinstance(value, dict):
        return
    for key, part in value.items():
        if isinstance(part, str) and part.startswith(REF):
            value[key] = REF + rename(part.removeprefix(REF))
        else:
            refer(part, rename)


def plain_name(name: str) -> str:
    """`Page[Client]`, which pydantic writes `Page_Client_`, as `PageClient`."""
    if "__" in name.strip("_"):
        raise ValueError(f"two models share a name, which became {name}: give one another name")
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[^A-Za-z0-9]+", name))


def named_plainly(definitions: Json, *places: object) -> Json:
    """The definitions under their plain names; `places` hold further references to them."""
    renamed = {plain_name(name): schema for name, schema in definitions.items()}
    if len(renamed) != len(definitions):
        raise ValueError(f"two models have one plain name among {sorted(definitions)}")
    for place in (renamed, *places):
        refer(place, plain_name)
    return renamed


def merged(answers: Json, requests: Json, *places: object) -> Json:
    """One set of definitions. What differs between sending and receiving is named `…Request`."""
    differing = {name for name in requests if name in answers and answers[name] != requests[name]}
    while True:
        more = {
            name
            for name, schema in requests.items()
            if name in answers and name not in differing and differing & set(_referred(schema))
        }
        if not more:
            break
        differing |= more

    def rename(name: str) -> str:
        return f"{name}Request" if name in differing else name

    for place in (requests, *places):
        refer(place, rename)
    result = answers | {rename(name): schema for name, schema in requests.items()}
    if len(result) != len(set(answers) | {rename(name) for name in requests}):
        raise ValueError(f"a model is already named like one of {sorted(map(rename, differing))}")
    return dict(sorted(result.items()))


def _referred(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        for part in schema.values():
            if isinstance(part, str) and part.startswith(REF):
                yield part.removeprefix(REF)
            else:
                yield from _referred(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _referred(part)


def without_null(schema: Json) -> Json:
    """The schema of a parameter: it is left out, never null, and its description stands outside."""
    rest = {key: part for key, part in schema.items() if key not in ("title", "description")}
    choices = [part for part in rest.pop("anyOf", ()) if part.get("type") != "null"]
    if len(choices) == 1:
        return {**choices[0], **rest}
    return rest | ({"anyOf": choices} if choices else {"type": rest.get("type", "string")})


def reachable(definitions: Json, *places: object) -> Json:
    """The definitions that `places` refer to, also through each other."""
    found: set[str] = set()
    waiting = [name for place in places for name in _referred(place)]
    while waiting:
        name = waiting.pop()
        if name not in found and name in definitions:
            found.add(name)
            waiting.extend(_referred(definitions[name]))
    return {name: schema for name, schema in definitions.items() if name in found}


def finish(schema: Json) -> None:
    """Make a schema complete, in place: bounds, formats, rights; and drop the derived titles."""
    for part in list(subschemas(schema)):
        part.pop("title", None)
        if part.get("default", "") is None:
            del part["default"]  # in a body, leaving out and sending null are two things
        _resolve_by_name(part)
        _spread_access(part)
        kinds = _kinds(part)
        if "string" in kinds:
            _bound_string(part)
        if "integer" in kinds:
            _bound_integer(part)
        if "array" in kinds:
            part.setdefault("maxItems", _MAX_ITEMS)
        if "object" in kinds and part.get("additionalProperties") and "properties" not in part:
            part.setdefault("maxProperties", _MAX_KEYS)


def unbounded(schema: Json) -> Iterator[str]:
    """What `finish` would have to make up, for a gate on request bodies: those say their bounds."""
    for name, part in _named(schema, ""):
        kinds = _kinds(part)
        fixed = "enum" in part or "const" in part
        if "string" in kinds and not fixed and not {"maxLength", "format"} & part.keys():
            yield f"{name}: a string without maxLength"
        if "array" in kinds and "maxItems" not in part:
            yield f"{name}: an array without maxItems"
        bounded = {"maximum", "exclusiveMaximum"} & part.keys()
        if "integer" in kinds and not fixed and not bounded:
            yield f"{name}: an integer without bounds"


def _named(schema: Json, name: str) -> Iterator[tuple[str, Json]]:
    yield name, schema
    for key, part in schema.get("properties", {}).items():
        yield from _named(part, f"{name}/{key}")
    for key in _LISTS:
        for part in schema.get(key, ()):
            yield from _named(part, name)
    for key in _SINGLE:
        if isinstance(schema.get(key), dict):
            yield from _named(schema[key], f"{name}/*")


def _kinds(schema: Mapping[str, Any]) -> set[str]:
    kind = schema.get("type", ())
    return {kind} if isinstance(kind, str) else set(kind)


def _resolve_by_name(schema: Json) -> None:
    """`x-ref` names the model of a property that is a plain object in the code, as an expansion."""
    name = schema.pop("x-ref", None)
    if name is None:
        return
    nullable = any(part.get("type") == "null" for part in schema.get("anyOf", ()))
    for key in ("anyOf", "type", "additionalProperties", "default"):
        schema.pop(key, None)
    reference = {"$ref": REF + name}
    schema.update({"anyOf": [reference, {"type": "null"}]} if nullable else reference)


def _spread_access(schema: Json) -> None:
    """`x-access` of a model is a mapping by property; a generated client reads it per property."""
    properties = schema.get("properties")
    if properties is None or "x-access" not in schema:
        return
    for name, access in schema.pop("x-access").items():
        if name not in properties:
            raise ValueError(f"x-access names {name!r}, which is no property")
        properties[name]["x-access"] = access


def _bound_string(schema: Json) -> None:
    if "enum" in schema or "const" in schema:
        return
    schema.setdefault("maxLength", _LENGTHS.get(schema.get("format", ""), _MAX_TEXT))
    if "format" not in schema:
        schema.setdefault("pattern", TEXT_PATTERN)


def _bound_integer(schema: Json) -> None:
    if "exclusiveMinimum" not in schema:
        schema.setdefault("minimum", -MAX_SAFE_INTEGER)
    if "exclusiveMaximum" not in schema:
        schema.setdefault("maximum", MAX_SAFE_INTEGER)
    low: int = schema["minimum"] if "minimum" in schema else schema["exclusiveMinimum"]
    high: int = schema["maximum"] if "maximum" in schema else schema["exclusiveMaximum"]
    small = low >= -_INT32 - 1 and high <= _INT32
    schema.setdefault("format", "int32" if small else "int64")
