"""Every place of the document where a text may stand: bodies, queries, headers and paths."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
MAX_DEPTH = 6


@dataclass(frozen=True, slots=True)
class Input:
    """One place for a text in one operation."""

    operation: str
    where: str
    """body, query, header or path."""
    name: str
    """A parameter's name, or the place in the body, as `/emails/0/address`."""

    def __str__(self) -> str:
        return f"{self.operation} {self.where} {self.name}"


def string_inputs(spec: Json) -> Iterator[Input]:
    """All of them, in the order of the document."""
    for path, methods in spec["paths"].items():
        shared = methods.get("parameters", ())
        for method, operation in methods.items():
            if method not in ("get", "post", "put", "patch", "delete"):
                continue
            name = operation["operationId"]
            for given in (*shared, *operation.get("parameters", ())):
                parameter = resolved(spec, given)
                if takes_text(spec, parameter["schema"]):
                    yield Input(name, parameter["in"], parameter["name"])
            for place in body_places(spec, operation):
                yield Input(name, "body", place)
        assert path.startswith("/"), path


def body_places(spec: Json, operation: Json) -> list[str]:
    content = operation.get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    return [] if schema is None else list(dict.fromkeys(_places(spec, schema, "", 0)))


def _places(spec: Json, schema: Json, place: str, depth: int) -> Iterator[str]:
    schema = resolved(spec, schema)
    if depth > MAX_DEPTH:
        return
    for branch in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
        yield from _places(spec, branch, place, depth)
    kinds = schema.get("type", ())
    kinds = [kinds] if isinstance(kinds, str) else list(kinds)
    if "string" in kinds:
        yield place
    if "array" in kinds:
        yield from _places(spec, schema.get("items", {}), f"{place}/0", depth + 1)
    for name, below in schema.get("properties", {}).items():
        yield from _places(spec, below, f"{place}/{name}", depth + 1)
    more = schema.get("additionalProperties")
    if isinstance(more, dict) and more:
        yield from _places(spec, more, f"{place}/any_key", depth + 1)


def takes_text(spec: Json, schema: Json) -> bool:
    """Everything in a URL or a header is a text, whatever its type."""
    return bool(resolved(spec, schema))


def resolved(spec: Json, schema: Json) -> Json:
    while "$ref" in schema:
        found: Any = spec
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        schema = found
    return schema


def with_text(body: Any, place: str, text: str) -> Any:
    """The body with the text at this place; what is missing on the way there is made."""
    changed = copy.deepcopy({} if body is None else body)
    parts = place.split("/")[1:]
    if not parts:
        return text
    here = changed
    for part, following in zip(parts, [*parts[1:], None], strict=True):
        fresh: Any = text if following is None else [] if following == "0" else {}
        if isinstance(here, list):
            if not here or following is None:
                here[:1] = [fresh]
            elif not isinstance(here[0], dict | list):
                here[0] = fresh
            here = here[0]
        else:
            if following is None or not isinstance(here.get(part), dict | list):
                here[part] = fresh
            here = here[part]
    return changed
