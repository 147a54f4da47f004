"""What a change of the API document breaks for those who generated a client from the last release.

`python tools/breaking.py` compares `openapi/openapi.json` with the newest document in
`openapi/released/`, and lists what is gone or became narrower. Additions are no findings, also of a
value that a reply may have: who reads an enum must bear a value that is new.

A tool of our own: oasdiff is no package of any registry that we lock, and optic (428 packages, a
minute) neither sees that a property of a reply is gone which was never promised, as all of ours
that depend on the caller's role, nor that a request must carry a new member.
"""

import json
import re
import sys
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parent.parent
CURRENT: Final = ROOT / "openapi" / "openapi.json"
RELEASED: Final = ROOT / "openapi" / "released"
UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
EXACT: Final = ("pattern", "const")

Json = dict[str, Any]


def main() -> None:
    released = last_release(RELEASED)
    if released is None:
        sys.exit(f"There is no document in {RELEASED.relative_to(ROOT)}: see its README.md.")
    old, new = (json.loads(path.read_text("utf-8")) for path in (released, CURRENT))
    found = list(dict.fromkeys(breaks(old, new)))
    if found:
        name = released.relative_to(ROOT)
        listed = "\n".join(f"  {line}" for line in found)
        sys.exit(
            f"This breaks clients that were made from {name}:\n{listed}\n"
            "/v1 only grows: keep the old beside the new, or make it a new major version."
        )


def last_release(folder: Path) -> Path | None:
    """The document of the highest version, by its name: `0.1.0.json`."""
    found = [path for path in folder.glob("*.json") if re.fullmatch(r"\d+(\.\d+)+", path.stem)]
    return max(found, key=lambda path: [int(n) for n in path.stem.split(".")], default=None)


def breaks(old: Json, new: Json) -> Iterator[str]:
    """Every break, one sentence each, in the order of the old document."""
    comparison = Comparison(old, new)
    for path, operations in old["paths"].items():
        for method, operation in operations.items():
            name = f"{method.upper()} {path}"
            present = new["paths"].get(path, {}).get(method)
            if present is None:
                yield f"{name} is gone."
            else:
                yield from comparison.operation(name, operation, present)


class Comparison:
    """Two documents side by side; a pair of schemas is compared once for each direction."""

    def __init__(self, old: Json, new: Json) -> None:
        self._documents = (old, new)
        self._seen: set[tuple[str, str, bool]] = set()

    def operation(self, name: str, old: Json, new: Json) -> Iterator[str]:
        if old["operationId"] != new["operationId"]:
            yield f"{name}: the operation {old['operationId']} is now {new['operationId']}."
        if any(not need for need in old["security"]) and all(new["security"]):
            yield f"{name} now needs a credential."
        yield from self._parameters(name, old, new)
        yield from self._body(name, old, new)
        yield from self._replies(name, old, new)

    # --- what is sent may be wider, never narrower

    def _parameters(self, name: str, old: Json, new: Json) -> Iterator[str]:
        before, after = (
            {(p["in"], p["name"]): p for p in each.get("parameters", ())} for each in (old, new)
        )
        for key, parameter in before.items():
            place = f"{name}: the {key[0]} parameter {key[1]}"
            if key not in after:
                yield f"{place} is gone."
                continue
            if after[key].get("required") and not parameter.get("required"):
                yield f"{place} is now required."
            yield from self._sent(place, parameter["schema"], after[key]["schema"])
        for key in after.keys() - before.keys():
            if after[key].get("required"):
                yield f"{name}: the {key[0]} parameter {key[1]} is new and required."

    def _body(self, name: str, old: Json, new: Json) -> Iterator[str]:
        before, after = (each.get("requestBody") for each in (old, new))
        if before is None:
            if after is not None and after.get("required"):
                yield f"{name} now needs a body."
            return
        if after is None:
            yield f"{name} no longer takes a body."
            return
        for media, content in before["content"].items():
            if media not in after["content"]:
                yield f"{name} no longer takes {media}."
                continue
            present = after["content"][media]["schema"]
            yield from self._sent(f"{name}: the body", content["schema"], present)

    # --- what is answered may be more, never less

    def _replies(self, name: str, old: Json, new: Json) -> Iterator[str]:
        for status, reply in old["responses"].items():
            place = f"{name}: the {status}"
            if status not in new["responses"]:
                if status.startswith("2"):
                    yield f"{place} is gone."
                continue
            before, (_, after) = self._at(0, reply)[1], self._at(1, new["responses"][status])
            for header in before.get("headers", {}):
                if header not in after.get("headers", {}):
                    yield f"{place} no longer has the header {header}."
            for media, content in before.get("content", {}).items():
                if media not in after.get("content", {}):
                    yield f"{place} is no longer {media}."
                    continue
                present = after["content"][media]["schema"]
                yield from self._answered(place, content["schema"], present)

    def _sent(self, place: str, old: Json, new: Json) -> Iterator[str]:
        return self._schemas(place, old, new, is_sent=True)

    def _answered(self, place: str, old: Json, new: Json) -> Iterator[str]:
        return self._schemas(place, old, new, is_sent=False)

    def _schemas(self, place: str, old: Json, new: Json, *, is_sent: bool) -> Iterator[str]:
        (old_name, old), (new_name, new) = self._at(0, old), self._at(1, new)
        if old_name or new_name:
            pair = (old_name, new_name, is_sent)
            if pair in self._seen:
                return
            self._seen.add(pair)
            place = f"{'the request' if is_sent else 'the reply'} {old_name or new_name}"
        yield from (f"{place}: {text}." for text in _changed(old, new))
        yield from (f"{place}: {text}." for text in (_narrowed(old, new) if is_sent else ()))
        if is_sent:
            yield from self._new_demands(place, old, new)
        yield from self._members(place, old, new, is_sent=is_sent)
        yield from self._choices(place, old, new, is_sent=is_sent)
        for key in ("items", "additionalProperties"):
            if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
                yield from self._schemas(f"{place}[]", old[key], new[key], is_sent=is_sent)

    def _new_demands(self, place: str, old: Json, new: Json) -> Iterator[str]:
        for name in new.get("required", ()):
            if name not in old.get("required", ()):
                yield f"{place}: the member {name} is now required."

    def _members(self, place: str, old: Json, new: Json, *, is_sent: bool) -> Iterator[str]:
        present: Json = new.get("properties", {})
        promised = () if is_sent else old.get("required", ())
        for name, schema in old.get("properties", {}).items():
            if name not in present:
                yield f"{place}: the member {name} is gone."
                continue
            if name in promised and name not in new.get("required", ()):
                yield f"{place}: the member {name} may now be absent."
            yield from self._schemas(f"{place}.{name}", schema, present[name], is_sent=is_sent)

    def _choices(self, place: str, old: Json, new: Json, *, is_sent: bool) -> Iterator[str]:
        """Each alternative by its kind: of a request none may go, of a reply none may come."""
        before, after = self._by_kind(0, old), self._by_kind(1, new)
        if not ({"anyOf", "oneOf"} & (old.keys() | new.keys())):
            return
        narrow, wide = (after, before) if is_sent else (before, after)
        for kind in wide.keys() - narrow.keys():
            yield f"{place} {'no longer takes' if is_sent else 'may now be'} {kind}."
        for kind in before.keys() & after.keys():
            yield from self._schemas(place, before[kind], after[kind], is_sent=is_sent)

    def _by_kind(self, document: int, schema: Json) -> dict[str, Json]:
        parts = schema.get("anyOf") or schema.get("oneOf") or [schema]
        return {_kind(self._at(document, part)[1]): part for part in parts}

    def _at(self, document: int, part: Json) -> tuple[str, Json]:
        """The name and content of what a reference means; no name for what stands in place."""
        if "$ref" not in part:
            return "", part
        found: Any = self._documents[document]
        for step in part["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return part["$ref"].rpartition("/")[2], found


def _kind(schema: Mapping[str, Any]) -> str:
    """What tells alternatives apart: their type, and for texts their format."""
    kind = schema.get("type", "anything")
    kind = " or ".join(kind) if isinstance(kind, list) else str(kind)
    return f"{kind} ({schema['format']})" if "format" in schema else kind


def _types(schema: Json) -> set[str]:
    kind = schema.get("type", ())
    return {kind} if isinstance(kind, str) else set(kind)


def _changed(old: Json, new: Json) -> Iterator[str]:
    """What no reader and no sender of the old kind goes along with."""
    if _types(old) and _types(new) and _types(old) != _types(new):
        before, after = (" or ".join(sorted(_types(each))) for each in (old, new))
        yield f"the type {before} is now {after}"
    elif "format" in old and old["format"] != new.get("format") and "type" in new:
        yield f"the format {old['format']} is now {new.get('format', 'free')}"
    if "enum" in old and "enum" in new:
        gone = [str(value) for value in old["enum"] if value not in new["enum"]]
        yield from (f"the value {value} is gone" for value in gone)


def _narrowed(old: Json, new: Json) -> Iterator[str]:
    """What may be sent no longer."""
    if "enum" in new and "enum" not in old:
        yield "only a list of values is taken now"
    for word in chain(UPPER, LOWER):
        if word in new and (word not in old or _beyond(word, old[word], new[word])):
            yield f"{word} is now {new[word]}, it was {old.get(word, 'without bound')}"
    for word in EXACT:
        if word in new and old.get(word) != new[word] and "enum" not in old:
            yield f"{word} is now {new[word]}, it was {old.get(word, 'free')}"
    if new.get("additionalProperties") is False and old.get("additionalProperties", True) is True:
        yield "further members are no longer taken"


def _beyond(word: str, old: float, new: float) -> bool:
    return new < old if word in UPPER else new > old


if __name__ == "__main__":
    main()
