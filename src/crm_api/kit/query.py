"""What a list may be asked: filters, sort, paging, projection; parsed, checked, and bound.

Keys map to declared fields only. An unreadable field is refused before any SQL.
"""

import hashlib
import json
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from crm_api.core.errors import Fault, Refusal, refuse_all
from crm_api.core.formats.money import Money
from crm_api.kit.fields import Op, Resource, mask_of
from crm_api.kit.scope import Scope
from crm_api.kit.values import parse_value

DEFAULT_LIMIT, MAX_LIMIT = 50, 200
COUNT_CAP = 10_000
MAX_VALUES = 100
MAX_NAME = 64
PATH = re.compile(r"[a-z][a-z0-9_.\-]{0,63}")
"""The key of an attribute, as attributes are written."""
CURRENCY = re.compile("[A-Za-z]{3}")
CURSOR_SECONDS = 24 * 3600
RESERVED = ("limit", "cursor", "sort", "fields", "expand", "count", "currency", "explain")
OPERATORS = {
    Op.EQ: ("eq", "ne", "in"),
    Op.RANGE: ("gt", "gte", "lt", "lte"),
    Op.TEXT: ("contains", "starts_with"),
    Op.NULL: ("is_null",),
}


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition: a field (`path`: such as an attribute's key), an operator, its values."""

    field: str
    op: str
    values: tuple[Any, ...]
    path: str | None = None

    @property
    def shape(self) -> tuple[str, str, bool, bool]:
        return (self.field, self.op, len(self.values) > 1, self.path is not None)


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A list request that the caller may make."""

    filters: tuple[Filter, ...]
    sort: str
    descending: bool
    limit: int
    names: tuple[str, ...]
    expand: tuple[str, ...]
    count: Literal["capped", "exact"] | None
    after: tuple[str, UUID] | None
    bound_to: bytes


@dataclass(frozen=True, slots=True)
class _Hidden:
    """A field that the caller named and may not read: where it named it, what it lacks."""

    name: str
    parameter: str
    group: str
    needs: str


@dataclass(slots=True)
class _Findings:
    """What is wrong with a request: forbidden names are answered before faulty values."""

    hidden: list[_Hidden] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)

    def fault(self, parameter: str, code: str, detail: str) -> None:
        self.faults.append(Fault(code, detail, parameter=parameter))

    def raise_any(self, role: str, *, explain: bool) -> None:
        if self.hidden:
            raise self._hiding(role, explain=explain)
        if self.faults:
            raise refuse_all(self.faults)

    def _hiding(self, role: str, *, explain: bool) -> Refusal:
        """403 naming every hidden field that was sent, where it was sent."""
        faults = [
            Fault(
                "field_not_readable",
                f"Role {role!r} has no `read` on group `{one.group}` of `{one.name}`."
                if explain
                else f"Your role may not read `{one.name}`.",
                parameter=one.parameter,
            )
            for one in self.hidden
        ]
        why = [{"field": h.name, "group": h.group, "needs": h.needs} for h in self.hidden]
        return Refusal(
            "field_not_readable",
            f"Your role may not read: {', '.join(sorted({h.name for h in self.hidden}))}.",
            faults,
            members={"explanation": why} if explain else {},
        )


def value_kind(cls: type[Resource], name: str) -> str:
    """How the values of a filter on this field are read."""
    special = getattr(cls, "filter_kinds", {}).get(name)
    if special:
        return str(special)
    kinds = set(_leaf_types(cls.fields[name].info.annotation))
    for kind, label in (
        (datetime, "instant"),
        (date, "date"),
        (UUID, "uuid"),
        (bool, "boolean"),
        (int, "integer"),
        (Money, "money"),
    ):
        if kind in kinds:
            return label
    return "text"


def _leaf_types(annotation: Any) -> Iterable[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _leaf_types(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from _leaf_types(part)
    else:
        yield annotation


def choices(cls: type[Resource], name: str) -> frozenset[str]:
    """The values of a closed enum; empty for any other type."""
    if name not in cls.fields:
        return frozenset()
    leaves = _leaf_types(cls.fields[name].info.annotation)
    return frozenset(
        str(arg) for leaf in leaves if get_origin(leaf) is Literal for arg in get_args(leaf)
    )


def _known_value(known: frozenset[str], kind: str, text: str) -> Any:
    """As `parse_value`, within the values of a closed enum."""
    if known and text not in known:
        raise ValueError(f"one of {', '.join(sorted(known))} is expected")
    return parse_value(kind, text)


def has_money(cls: type[Resource]) -> bool:
    """Whether a list of this resource filters by an amount."""
    filtered = (n for n, f in cls.fields.items() if f.rule.filter is not Op.NONE)
    return any(value_kind(cls, name) == "money" for name in filtered)


def split_key(key: str) -> tuple[str, str | None, str]:
    """`created_at[gte]` → (field, path, operator); `attributes.stage` has a path."""
    name, bracket, rest = key.partition("[")
    op = rest[:-1] if bracket and rest.endswith("]") else ("" if bracket else "eq")
    base, dot, path = name.partition(".")
    return base, path if dot else None, op


class ListReader:
    """Reads the query string of one list for one caller."""

    def __init__(
        self, cls: type[Resource], scope: Scope, expansions: dict[str, tuple[str, str]]
    ) -> None:
        self.cls = cls
        self.scope = scope
        self.mask = mask_of(cls, scope.actor.rights)
        self.expansions = expansions
        self.found = _Findings()

    def read(self, items: Sequence[tuple[str, str]], always: Sequence[Filter] = ()) -> ListQuery:
        """Check and bind the whole query; `always` are conditions that its place adds.

        Raises:
            Refusal: 403 for names that the caller may not read, 422 for faults (all at once),
                400 for a cursor that does not belong here.
        """
        single = self._singles(items)
        asked = [(k, v) for k, v in items if k not in RESERVED]
        filters = (*self._filters(asked, single.get("currency")), *always)
        sort, descending = self._sort(single.get("sort"))
        limit = self.limit(single.get("limit"))
        names = self.names(single.get("fields"))
        expand = self.expand(single.get("expand"))
        count = single.get("count")
        if count not in (None, "capped", "exact"):
            self.found.fault("count", "invalid_choice", "`count` is `capped` or `exact`.")
        self.raise_any()
        bound = self._bound_to(filters, sort, descending)
        return ListQuery(
            filters=filters,
            sort=sort,
            descending=descending,
            limit=limit,
            names=names,
            expand=expand,
            count=count,  # type: ignore[arg-type]  # checked just above
            after=self._after(single.get("cursor"), bound),
            bound_to=bound,
        )

    def raise_any(self) -> None:
        self.found.raise_any(self.scope.actor.role, explain=self.scope.explain)

    def singles(self, items: Sequence[tuple[str, str]], allowed: Sequence[str]) -> dict[str, str]:
        """The parameters of a request that takes only these."""
        for key, _ in items:
            if key not in allowed:
                self.found.fault(key[:64], "unknown_parameter", "There is no such parameter here.")
        return self._singles(items)

    def _singles(self, items: Sequence[tuple[str, str]]) -> dict[str, str]:
        single: dict[str, str] = {}
        for key, value in items:
            if key in RESERVED:
                if key in single:
                    self.found.fault(key, "repeated_parameter", "Send this parameter once.")
                single[key] = value
        if single.get("explain", "permission") != "permission":
            self.found.fault("explain", "invalid_choice", "`explain` takes: permission.")
        return single

    def names(self, text: str | None) -> tuple[str, ...]:
        """The fields to answer: `?fields=`, in declared order, or all that the caller reads."""
        if text is None:
            return self.mask.read
        wanted = {name.strip() for name in text.split(",")}
        for name in sorted(wanted):
            self._readable(name)
        return tuple(name for name in self.mask.read if name in wanted)

    def expand(self, text: str | None) -> tuple[str, ...]:
        if text is None:
            return ()
        keys = sorted({key.strip() for key in text.split(",")})
        for key in keys:
            if key not in self.expansions:
                known = ", ".join(sorted(self.expansions)) or "nothing"
                self.found.fault("expand", "invalid_choice", f"Here `expand` takes: {known}.")
            else:
                self._check_expansion(key)
        return tuple(key for key in keys if key in self.expansions)

    def _check_expansion(self, key: str) -> None:
        """Expanding needs the field that is expanded, and the records behind it."""
        resource, group = self.expansions[key]
        own = key if key in self.cls.fields else f"{key}_id"
        if own in self.cls.fields and own not in self.mask.read:
            self._hide(key, "expand", self.cls.fields[own].rule.group)
        elif not self.scope.actor.rights.can(resource, "read", group):
            self._hide(key, "expand", group, resource)

    def _hide(self, name: str, parameter: str, group: str, resource: str | None = None) -> None:
        needs = f"{resource or self.cls.guarded_by}.{group}:read"
        self.found.hidden.append(_Hidden(name, parameter[:64], group, needs))

    def _readable(self, name: str) -> None:
        declared = self.cls.fields.get(name)
        if declared is None:
            known = name.isidentifier() and name.isascii() and len(name) <= MAX_NAME
            what = f"field `{name}`" if known else "such field"
            self.found.fault("fields", "unknown_field", f"There is no {what}.")
        elif name not in self.mask.read:
            self._hide(name, "fields", declared.rule.group)

    def limit(self, text: str | None) -> int:
        if text is None:
            return DEFAULT_LIMIT
        if text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= MAX_LIMIT:
            return int(text)
        self.found.fault(
            "limit", "out_of_range", f"`limit` is a whole number from 1 to {MAX_LIMIT}."
        )
        return DEFAULT_LIMIT

    def _sort(self, text: str | None) -> tuple[str, bool]:
        key = self._default_sort() if text is None else text
        descending, name = key.startswith("-"), key.removeprefix("-")
        declared = self.cls.fields.get(name)
        if text is None:
            return name, descending
        if declared is not None and name not in self.mask.read:
            self._hide(name, "sort", declared.rule.group)
        elif declared is None or not declared.rule.sort:
            offered = ", ".join(n for n in self.mask.read if self.cls.fields[n].rule.sort)
            self.found.fault("sort", "invalid_choice", f"`sort` takes one of: {offered}.")
            return self._default_sort(), False
        return name, descending

    def _default_sort(self) -> str:
        """The declared order; where that would order by a hidden field, another readable one."""
        sortable = [n for n in self.mask.read if self.cls.fields[n].rule.sort]
        declared: str = getattr(self.cls, "default_sort", "name")
        return declared if declared in sortable else next(iter(sortable), "id")

    def _filters(
        self, items: Sequence[tuple[str, str]], currency: str | None
    ) -> tuple[Filter, ...]:
        grouped: dict[str, list[str]] = {}
        for key, value in items:
            grouped.setdefault(key, []).append(value)
        found = [self._filter(key, values) for key, values in grouped.items()]
        filters = [one for one in found if one is not None]
        money = [f for f in filters if value_kind(self.cls, f.field) == "money"]
        self._check_currency(currency, needed=any(f.op != "is_null" for f in money))
        if any(f.op != "is_null" for f in money):
            filters.append(Filter("currency", "eq", ((currency or "").upper(),)))
        return tuple(sorted(filters, key=lambda f: (f.field, f.path or "", f.op)))

    def _check_currency(self, currency: str | None, *, needed: bool) -> None:
        """It belongs to filters on amounts; a list that has none does not know it."""
        if currency is not None and not has_money(self.cls):
            detail = "There is no such parameter here."
            self.found.fault("currency", "unknown_parameter", detail)
        elif needed and currency is None:
            detail = "A money filter needs `currency`, an ISO 4217 code."
            self.found.fault("currency", "required", detail)
        elif currency is not None and not CURRENCY.fullmatch(currency):
            self.found.fault("currency", "invalid_value", "An ISO 4217 code is expected.")

    def _filter(self, key: str, values: list[str]) -> Filter | None:
        name, path, op = split_key(key)
        extra = getattr(self.cls, "extra_filters", {}).get(name)
        declared = self.cls.fields.get(name)
        if declared is not None and name not in self.mask.read:
            self._hide(name, key, declared.rule.group)
            return None
        if extra is None and (declared is None or declared.rule.filter is Op.NONE):
            code = "unknown_parameter" if declared is None else "not_filterable"
            self.found.fault(key[:64], code, "There is no such filter on this list.")
            return None
        group, ops = extra or (declared.rule.group, declared.rule.filter)  # type: ignore[union-attr]  # one of the two is there
        if not self.scope.actor.rights.can(self.cls.guarded_by, "read", group):
            self._hide(name, key, group)
            return None
        offered = [o for flag, names in OPERATORS.items() if flag in ops for o in names]
        if op not in offered:
            self.found.fault(
                key[:64], "invalid_operator", f"This filter takes: {', '.join(offered)}."
            )
            return None
        keyed = name in getattr(self.cls, "keyed_filters", ())
        if (path is not None) != keyed or not (path is None or PATH.fullmatch(path)):
            self.found.fault(key[:64], "unknown_parameter", "There is no such filter on this list.")
            return None
        return self._valued(key, name, path, op, values)

    def _valued(
        self, key: str, name: str, path: str | None, op: str, texts: list[str]
    ) -> Filter | None:
        kind = "boolean" if op == "is_null" else value_kind(self.cls, name)
        if op == "in":
            texts = [part for text in texts for part in text.split(",")]
        if op not in ("eq", "ne", "in") and len(texts) > 1:
            self.found.fault(key[:64], "repeated_parameter", "Send this parameter once.")
            return None
        if len(texts) > MAX_VALUES:
            self.found.fault(key[:64], "too_many", f"At most {MAX_VALUES} values.")
            return None
        values = []
        known = choices(self.cls, name) if op != "is_null" else frozenset()
        for text in texts:
            try:
                values.append(_known_value(known, kind, text))
            except ValueError as error:
                self.found.fault(key[:64], "invalid_value", f"Not a value of this filter: {error}.")
                return None
        return Filter(name, "eq" if op == "in" else op, tuple(dict.fromkeys(values)), path)

    def _bound_to(self, filters: Sequence[Filter], sort: str, descending: bool) -> bytes:
        facts = [
            str(self.scope.actor.organization_id),
            str(self.scope.actor.id),
            self.cls.resource,
            sort,
            descending,
            [(f.field, f.path, f.op, [str(v) for v in f.values]) for f in filters],
        ]
        return hashlib.sha256(json.dumps(facts).encode()).digest()

    def _after(self, cursor: str | None, bound: bytes) -> tuple[str, UUID] | None:
        if cursor is None:
            return None
        raw = self.scope.sealer.unseal(cursor, bound) if len(cursor) <= 1024 else None
        if raw is not None:
            key, row_id, issued = json.loads(raw)
            if time.time() - issued < CURSOR_SECONDS:
                return key, UUID(row_id)
        fault = Fault(
            "invalid_cursor", "This cursor was not issued for this list.", parameter="cursor"
        )
        raise Refusal(
            "invalid_cursor", "The cursor is forged, stale, or of another list.", (fault,)
        )


def seal_cursor(scope: Scope, query: ListQuery, key: str, row_id: UUID) -> str:
    content = json.dumps([key, str(row_id), int(time.time())]).encode()
    return scope.sealer.seal(content, query.bound_to)
