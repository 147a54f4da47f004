"""What a sent body comes to for this caller: accepted, echoed, forbidden, or faulty; names only.

The order of refusals is fixed: not found, forbidden (verb, then fields), stale version, state,
content. Content faults found while parsing are held here until the earlier questions are answered.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

from crm_api.core.errors import Fault, Refusal, refuse_all
from crm_api.core.faults import faults_of
from crm_api.core.jsonbody import Incoming
from crm_api.kit.fields import Field, Resource, Write, mask_of, seen_value
from crm_api.kit.projection import decided_on, etag_of
from crm_api.kit.scope import Scope

_MISSING = object()


@dataclass(slots=True)
class Sifted:
    """The outcome, field by field. `values` are validated; a merged object is whole."""

    values: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    forbidden: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    unread: set[str] = field(default_factory=set)
    """Fields that were sent but could not be read: no rule may take them for absent."""
    places: Mapping[str, str] = field(default_factory=dict)
    """Field that was not sent itself → the pointer to what it follows from."""

    def fault(self, code: str, detail: str, pointer: str) -> None:
        self.faults.append(Fault(code, detail, pointer=pointer))

    def placed(self, fault: Fault) -> Fault:
        """The fault where the caller wrote what is wrong."""
        place = self.places.get(_top(fault))
        return fault if place is None else replace(fault, pointer=place)


def sift(
    scope: Scope,
    cls: type[Resource],
    incoming: Incoming[Any],
    when: Write,
    *,
    current: Mapping[str, Any] | None = None,
    free_defaults: Mapping[str, Any] | None = None,
    options: Collection[str] = (),
) -> Sifted:
    """Sort what was sent; nothing is raised here.

    Args:
        current: the present document, unmasked; an unwritable but readable field may echo it.
        free_defaults: values that a create sets by itself; who may not set the field may send it.
        options: names that the body takes besides fields.
    """
    found = Sifted(places=incoming.places)
    mask = mask_of(cls, scope.actor.rights)
    writable = mask.create if when is Write.ON_CREATE else mask.update
    handled: set[str] = set()
    for name, value in incoming.raw.items():
        declared = cls.fields.get(name)
        if name in options:
            found.options[name] = value
        elif declared is None:
            continue
        elif name not in writable:
            handled.add(name)
            present = seen_value(cls, scope.actor.rights, name, (current or {}).get(name, _MISSING))
            if name in mask.read and (
                same(present, value) or same((free_defaults or {}).get(name, _MISSING), value)
            ):
                continue
            _refuse_field(found, declared, when)
        elif when is Write.LATER and declared.rule.merges and isinstance(value, dict):
            handled.add(name)
            _merge(found, cls, name, value, (current or {}).get(name))
    left = [fault for fault in incoming.faults if _top(fault) not in handled]
    found.faults += left
    found.unread = {_top(fault) for fault in left}
    for name, sent in incoming.raw.items():
        if name not in writable or name in handled or name in found.unread:
            continue
        if incoming.value is not None:
            found.values[name] = _cleared(cls.fields[name], getattr(incoming.value, name))
        else:
            _read_alone(found, cls, name, sent)
    return found


def _refuse_field(found: Sifted, declared: Field, when: Write) -> None:
    """What no role may write is a fault of content; what another role may is forbidden."""
    if declared.rule.write & when:
        found.forbidden.append(declared.name)
    else:
        detail = "This is set by the system; leave it out."
        found.fault("read_only_field", detail, f"/{declared.name}")


def _top(fault: Fault) -> str:
    return (fault.pointer or "").removeprefix("/").partition("/")[0]


def _cleared(declared: Field, value: Any) -> Any:
    return declared.default if value is None and not declared.info.is_required() else value


def same(present: Any, sent: Any) -> bool:
    """Whether two JSON values are equal, whatever the order of keys."""
    return present is not _MISSING and json.dumps(
        present, sort_keys=True, default=str
    ) == json.dumps(sent, sort_keys=True)


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396."""
    if not isinstance(patch, dict):
        return patch
    merged = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge_patch(merged.get(key), value)
    return merged


@lru_cache(maxsize=256)
def _adapter(cls: type[Resource], name: str) -> TypeAdapter[Any]:
    return TypeAdapter(cls.fields[name].accepted_type)


def _read_alone(found: Sifted, cls: type[Resource], name: str, sent: Any) -> None:
    """One field by itself: the body as a whole is faulty, and all faults shall be told at once."""
    try:
        value = json.dumps(sent)
        read = None if sent is None else _adapter(cls, name).validate_json(value, strict=True)
    except ValidationError as error:
        # The body was not looked at beyond an integer that no parser holds.
        found.unread.add(name)
        _add_faults(found, name, error, sent)
    else:
        found.values[name] = _cleared(cls.fields[name], read)


def _add_faults(found: Sifted, name: str, error: ValidationError, sent: Any) -> None:
    details = error.errors(include_url=False, include_input=False)
    for fault in faults_of(details, sent):
        found.fault(fault.code, fault.detail, f"/{name}{fault.pointer or ''}")


def _merge(found: Sifted, cls: type[Resource], name: str, sent: Any, present: Any) -> None:
    whole = merge_patch(present, sent)
    try:
        found.values[name] = _adapter(cls, name).validate_json(json.dumps(whole), strict=True)
    except ValidationError as error:
        _add_faults(found, name, error, whole)


def require_fields(scope: Scope, cls: type[Resource], sifted: Sifted, action: str) -> None:
    """403 naming every field that was sent and that the caller may not write."""
    if not sifted.forbidden:
        return
    faults = tuple(
        sifted.placed(
            Fault("field_not_writable", _why(scope, cls, name, action), pointer=f"/{name}")
        )
        for name in sifted.forbidden
    )
    members: dict[str, Any] = {}
    if scope.explain:
        members["explanation"] = [
            {
                "field": name,
                "group": cls.fields[name].rule.group,
                "needs": f"{cls.guarded_by}.{cls.fields[name].rule.group}:{action}",
                "role": scope.actor.role,
            }
            for name in sifted.forbidden
        ]
    names = ", ".join(sifted.forbidden)
    raise Refusal(
        "field_not_writable",
        f"{scope.actor.in_words} may not {action}: {names}.",
        faults,
        members=members,
    )


def _why(scope: Scope, cls: type[Resource], name: str, action: str) -> str:
    if not scope.explain:
        return f"{scope.actor.in_words} may not write this field."
    return f"Role {scope.actor.role!r} has no `{action}` on group `{cls.fields[name].rule.group}`."


def require_some(scope: Scope, cls: type[Resource], action: str) -> None:
    """403 for who may write no field at all: the verb comes before the fields."""
    mask = mask_of(cls, scope.actor.rights)
    if mask.create if action == "create" else mask.update:
        return
    scope_name = f"{cls.guarded_by}.*:{action}"
    detail = f"{scope.actor.in_words} may not {action} {cls.resource}."
    members = (
        {"explanation": [{"scope": scope_name, "role": scope.actor.role}]} if scope.explain else {}
    )
    raise Refusal(
        "forbidden", detail, (Fault("forbidden", f"This needs `{scope_name}`."),), members=members
    )


def require_row(scope: Scope, cls: type[Resource], value: Any, *actions: str) -> None:
    """403 for who may not do all of this to rows of this value's group, naming group and right."""
    if cls.row_groups is None or value not in cls.row_groups.groups:
        return
    field, group = cls.row_groups.field, cls.row_groups.groups[value]
    lacking = [a for a in actions if not scope.actor.rights.can(cls.guarded_by, a, group)]
    if not lacking:
        return
    needs = f"{cls.guarded_by}.{group}:{lacking[0]}"
    detail = (
        f"A {cls.singular} of {field} `{value}` belongs to group `{group}`: it needs `{needs}`."
    )
    fault = Fault("forbidden", detail, pointer=f"/{field}")
    members = {"explanation": [{"scope": needs, "role": scope.actor.role}]} if scope.explain else {}
    text = f"{scope.actor.in_words} lacks `{needs}`."
    raise Refusal("forbidden", text, (fault,), members=members)


def require_current(if_match: str | None, seen: str, sent: Collection[str]) -> None:
    """412 unless the caller's representation is the one that it decided on.

    Args:
        seen: the caller's present representation; the values of sent, readable fields are told.
    """
    if if_match is None or if_match.strip() == "*":
        return
    etag = etag_of(seen)
    if decided_on(etag) in map(decided_on, if_match.split(",")):
        return
    document = json.loads(seen)
    current = {name: document[name] for name in sent if name in document}
    raise Refusal(
        "version_conflict",
        "The record changed since you read it.",
        (Fault("version_conflict", "This is not the current ETag.", header="If-Match"),),
        headers={"ETag": etag},
        members={"current_etag": etag, "current": current},
    )


def require_absent(if_match: str | None) -> None:
    """412 for the version of a record that is not there."""
    if if_match is not None:
        detail = "There is no such record yet."
        raise Refusal(
            "version_conflict", detail, (Fault("version_conflict", detail, header="If-Match"),)
        )


def raise_faults(sifted: Sifted) -> None:
    """422 with every fault at once."""
    if sifted.faults:
        raise refuse_all(sifted.placed(fault) for fault in sifted.faults)
