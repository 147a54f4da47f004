"""Attribute pairs: `key=value` typed in a remark, and the keys that stand for a field of their own.

A pair of such a key is a write to the field, with the rights and rules of one. Pure functions.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

from pydantic import BaseModel

from crm_api.core.jsonbody import Incoming, validate_body

TYPED: Final = {"stage": "stage"}
"""Key of an attribute → the field that holds its value."""
REASONS: Final = {"stage": "stage_reason"}
"""Such a field → the field that says why."""
MAX_VALUE, MAX_REASON = 400, 500
_PAIR: Final = re.compile(
    r"(?<![^\s(,;])"  # a word of its own: no part of an address
    r"(?P<key>[a-z][a-z0-9_.\-]{0,63})=(?:\"(?P<quoted>[^\"\n]+)\"|(?P<bare>[^\s\"=,;()][^\s\",;()]*))"
)

Pairs = Mapping[str, str]


def pairs_in(text: object) -> dict[str, str]:
    """The pairs of a text; of two with one key the latter. A value is quoted, or one word."""
    if not isinstance(text, str) or "=" not in text:
        return {}
    found = {}
    for match in _PAIR.finditer(text):
        value = (match["quoted"] or match["bare"].rstrip(".:!?")).strip()
        if 0 < len(value) <= MAX_VALUE:
            found[match["key"]] = value
    return found


def pair_of(text: str) -> tuple[str, str] | None:
    """The pair that a text is, where it is one and nothing else."""
    if _PAIR.fullmatch(text.strip()) is None:
        return None
    return next(iter(pairs_in(text).items()), None)


def moved_pairs(before: object, after: object, attributes: Pairs) -> dict[str, str | None]:
    """What the pairs of a text come to when it changes: a merge patch of the attributes.

    One that is gone from the text is gone with it, unless another value took its place since.
    """
    old, new = pairs_in(before), pairs_in(after)
    gone = dict.fromkeys(k for k in old if k not in new and attributes.get(k) == old[k])
    return {**gone, **{key: value for key, value in new.items() if old.get(key) != value}}


def reason_in(text: str) -> str | None:
    """A remark as the reason of what it says: on one line."""
    return " ".join(text.split())[:MAX_REASON].rstrip() or None


def with_pairs(
    incoming: Incoming[Any], model: type[BaseModel], present: Mapping[str, Any]
) -> Incoming[Any]:
    """The body with its pairs written out: as attributes, and as the fields that they stand for.

    What the body says outright wins over what is typed in a remark.

    Args:
        present: the document as it stands; empty for a new record.
    """
    raw = incoming.raw
    if not any(name in raw for name in ("remarks", "attributes")):
        return incoming
    said = dict(raw)
    remark, held = raw.get("remarks"), present.get("attributes", {})
    moved = moved_pairs(present.get("remarks"), remark, held) if "remarks" in raw else {}
    for key in TYPED.keys() & moved.keys():
        if TYPED[key] in raw:
            del moved[key]
    sent = raw.get("attributes", {})
    if moved and isinstance(sent, dict):
        said["attributes"] = moved | sent
    said |= dict(_written_through(said, moved, remark, held))
    if said == raw:
        return incoming
    places = {name: _place(name, raw) for name in said if name not in raw}
    return replace(validate_body(model, json.dumps(said).encode()), places=places)


def _place(name: str, raw: Mapping[str, Any]) -> str:
    """Where that was said which this field follows from."""
    keys = {field: key for key, field in TYPED.items()}
    sent = raw.get("attributes")
    said = name in keys and isinstance(sent, dict) and keys[name] in sent
    return f"/attributes/{keys[name]}" if said else "/remarks"


def _written_through(
    said: Mapping[str, Any], moved: Mapping[str, Any], remark: Any, held: Pairs
) -> Iterator[tuple[str, Any]]:
    """The fields that follow from pairs, unless the body says them itself."""
    attributes = said.get("attributes", {})
    if attributes is None:
        # All pairs are cleared, and so are those of fields.
        attributes = dict.fromkeys(key for key in TYPED if key in held)
    if not isinstance(attributes, dict):
        return
    for key, field in TYPED.items():
        if key not in attributes or field in said:
            continue
        yield field, attributes[key]
        reason = REASONS[field]
        if key in moved and isinstance(remark, str) and reason not in said:
            yield reason, reason_in(remark)


def contradicted(raw: Mapping[str, Any]) -> list[str]:
    """The keys whose pair says another value than the field beside it."""
    attributes = raw.get("attributes")
    if not isinstance(attributes, dict):
        return []
    return [k for k, f in TYPED.items() if k in attributes and f in raw and attributes[k] != raw[f]]


def own_pairs(attributes: Mapping[str, str], fields: Mapping[str, Any]) -> dict[str, str]:
    """The attributes with the pairs of fields as those stand, in the order of their keys."""
    found = {key: value for key, value in attributes.items() if key not in TYPED}
    found |= {key: fields[field] for key, field in TYPED.items() if fields.get(field) is not None}
    return dict(sorted(found.items()))
