"""What a list may be asked: filters, sort, paging, projection; parsed, checked, and bound.

Keys map to declared fields only. An unreadable field is refused before any SQL.
"""

import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID

from crm_api.core.access import Actor
from crm_api.core.errors import Fault, Refusal, refuse_all
from crm_api.kit.fields import Op, Resource, mask_of, reads_group
from crm_api.kit.filters import (
    MANY,
    OPERATORS,
    Filter,
    Node,
    canonical,
    choices,
    has_money,
    known_value,
    value_kind,
)
from crm_api.kit.scope import Scope
from crm_api.kit.search import NOTHING, BadTerm, SearchTerms, read_terms, searchable

DEFAULT_LIMIT, MAX_LIMIT = 50, 200
COUNT_CAP = 10_000
MAX_VALUES = 100
MAX_NAME = 64
PATH = re.compile(r"[a-z][a-z0-9_.\-]{0,63}")
"""The key of an attribute, as attributes are written."""
CURRENCY = re.compile("[A-Za-z]{3}")
CURSOR_SECONDS = 24 * 3600
RESERVED = ("limit", "cursor", "sort", "fields", "expand", "count", "currency", "explain", "q")
RANK = "rank"
"""The order of a search: by how well a record is hit. No field, and not for `sort`."""


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A list request that the caller may make."""

    filters: tuple[Node, ...]
    """All of them hold."""
    sort: str
    descending: bool
    limit: int
    names: tuple[str, ...]
    expand: tuple[str, ...]
    count: Literal["capped", "exact"] | None
    after: tuple[str, UUID] | None
    bound_to: bytes
    q: SearchTerms | None
    in_body: bool
    """Whether it was sent as a body, so that faults point into that."""


def placed(code: str, detail: str, place: str, *, in_body: bool) -> Fault:
    """A fault at a parameter of the query, or at a member of the body."""
    if in_body:
        return Fault(code, detail, pointer=place if place.startswith("/") else f"/{place}")
    return Fault(code, detail, parameter=place[:MAX_NAME])


@dataclass(frozen=True, slots=True)
class _Hidden:
    """A field that the caller named and may not read: where it named it, what it lacks."""

    name: str
    place: str
    group: str
    needs: str


@dataclass(slots=True)
class _Findings:
    """What is wrong with a request: forbidden names are answered before faulty values."""

    hidden: list[_Hidden] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    in_body: bool = False
    """Whether places are pointers into the body, and not parameters of the query."""

    def fault(self, place: str, code: str, detail: str) -> None:
        self.faults.append(self._placed(code, detail, place))

    def _placed(self, code: str, detail: str, place: str) -> Fault:
        return placed(code, detail, place, in_body=self.in_body)

    def raise_any(self, actor: Actor, *, explain: bool) -> None:
        if self.hidden:
            raise self._hiding(actor, explain=explain)
        if self.faults:
            raise refuse_all(self.faults)

    def _hiding(self, actor: Actor, *, explain: bool) -> Refusal:
        """403 naming every hidden field that was sent, where it was sent."""
        faults = [
            self._placed(
                "field_not_readable",
                f"Role {actor.role!r} has no `read` on group `{one.group}` of `{one.name}`."
                if explain
                else f"{actor.in_words} may not read `{one.name}`.",
                one.place,
            )
            for one in self.hidden
        ]
        why = [{"field": h.name, "group": h.group, "needs": h.needs} for h in self.hidden]
        return Refusal(
            "field_not_readable",
            f"{actor.in_words} may not read: {', '.join(sorted({h.name for h in self.hidden}))}.",
            faults,
            members={"explanation": why} if explain else {},
        )


def split_key(key: str) -> tuple[str, str | None, str]:
    """`created_at[gte]` → (field, path, operator); `attributes.stage` has a path."""
    name, bracket, rest = key.partition("[")
    op = rest[:-1] if bracket and rest.endswith("]") else ("" if bracket else "eq")
    base, dot, path = name.partition(".")
    return base, path if dot else None, op


class ListReader:
    """Reads the query string of one list for one caller."""

    def __init__(
        self,
        cls: type[Resource],
        scope: Scope,
        expansions: Mapping[str, tuple[str, str]],
        reserved: Sequence[str] = RESERVED,
    ) -> None:
        self.cls = cls
        self.reserved = reserved
        self.scope = scope
        self.mask = mask_of(cls, scope.actor.rights)
        self.expansions = expansions
        self.found = _Findings()

    def read(self, items: Sequence[tuple[str, str]], always: Sequence[Node] = ()) -> ListQuery:
        """Check and bind the whole query; `always` are conditions that its place adds.

        Raises:
            Refusal: 403 for names that the caller may not read, 422 for faults (all at once),
                400 for a cursor that does not belong here.
        """
        single = self._singles(items)
        asked = [(k, v) for k, v in items if k not in self.reserved]
        return self.query(single, (*self._filters(asked, single.get("currency")), *always))

    def query(self, single: Mapping[str, str], filters: tuple[Node, ...]) -> ListQuery:
        """The request with these conditions; whatever was found wrong so far is raised here."""
        terms = self.terms(single["q"]) if "q" in single else None
        sort, descending = self._sort(single.get("sort"), RANK if terms else None)
        limit = self.limit(single.get("limit"))
        names = self.names(single.get("fields"))
        expand = self.expand(single.get("expand"))
        count = single.get("count")
        if count not in (None, "capped", "exact"):
            self.found.fault("count", "invalid_choice", "`count` is `capped` or `exact`.")
        self.raise_any()
        bound = self._bound_to(filters, sort, descending, terms)
        return ListQuery(
            filters=filters,
            sort=sort,
            descending=descending,
            limit=limit,
            names=names,
            expand=expand,
            count=count,  # type: ignore[arg-type]  # checked just above
            after=unsealed_position(self.scope, single.get("cursor"), bound),
            bound_to=bound,
            q=terms,
            in_body=self.found.in_body,
        )

    def raise_any(self) -> None:
        self.found.raise_any(self.scope.actor, explain=self.scope.explain)

    def singles(self, items: Sequence[tuple[str, str]], allowed: Sequence[str]) -> dict[str, str]:
        """The parameters of a request that takes only these."""
        for key, _ in items:
            if key not in allowed:
                self.found.fault(key, "unknown_parameter", "There is no such parameter here.")
        return self._singles(items)

    def _singles(self, items: Sequence[tuple[str, str]]) -> dict[str, str]:
        single: dict[str, str] = {}
        for key, value in items:
            if key in self.reserved:
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

    def _hide(self, name: str, place: str, group: str, resource: str | None = None) -> None:
        needs = f"{resource or self.cls.guarded_by}.{group}:read"
        self.found.hidden.append(_Hidden(name, place, group, needs))

    def _readable(self, name: str) -> None:
        declared = self.cls.fields.get(name)
        if declared is None:
            known = name.isidentifier() and name.isascii() and len(name) <= MAX_NAME
            what = f"field `{name}`" if known else "such field"
            self.found.fault("fields", "unknown_field", f"There is no {what}.")
        elif name not in self.mask.read:
            self._hide(name, "fields", declared.rule.group)

    def demand(self, needed: Sequence[str], names: Sequence[str]) -> None:
        """Refuse unless these fields are among those that shall be answered."""
        for name in needed:
            if name not in self.mask.read:
                self._hide(name, "format", self.cls.fields[name].rule.group)
            elif name not in names:
                self.found.fault("fields", "required", f"This format needs `{name}`.")
        self.raise_any()

    def terms(self, text: str | None) -> SearchTerms:
        """What `q` asks, as far as the caller may search; nothing, where that is a fault."""
        columns = searchable(self.cls, self.scope.actor.rights)
        if not self.cls.searched:
            self.found.fault("q", "unknown_parameter", "There is no such parameter here.")
        elif not columns:
            (resource, group), *_ = next(iter(self.cls.searched.values()))
            self._hide("q", "q", group, resource)
        elif text is None:
            self.found.fault("q", "required", "Send what is to be found.")
        else:
            try:
                return read_terms(text, columns, self.scope.actor.organization_id)
            except BadTerm as error:
                self.found.fault("q", error.code, str(error))
        return NOTHING

    def limit(self, text: str | None, default: int = DEFAULT_LIMIT, most: int = MAX_LIMIT) -> int:
        if text is None:
            return default
        if text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= most:
            return int(text)
        self.found.fault("limit", "out_of_range", f"`limit` is a whole number from 1 to {most}.")
        return default

    def _sort(self, text: str | None, best: str | None) -> tuple[str, bool]:
        if text is None and best is not None:
            return best, False
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
        if declared.removeprefix("-") in sortable:
            return declared
        return next(iter(sortable), "id")

    def _filters(
        self, items: Sequence[tuple[str, str]], currency: str | None
    ) -> tuple[Filter, ...]:
        grouped: dict[str, list[str]] = {}
        for key, value in items:
            grouped.setdefault(key, []).append(value)
        found = [self._filter(key, values, currency) for key, values in grouped.items()]
        filters = [one for one in found if one is not None]
        self.check_currency(currency, needed=any(self.is_amount(f.field, f.op) for f in filters))
        return tuple(sorted(filters, key=lambda f: (f.field, f.path or "", f.op)))

    def is_amount(self, name: str, op: str) -> bool:
        """Whether the values of this condition are amounts of a currency."""
        return op != "is_null" and value_kind(self.cls, name) == "money"

    def check_currency(self, currency: str | None, *, needed: bool) -> None:
        """It belongs to filters on amounts; a list that has none does not know it."""
        if currency is not None and not has_money(self.cls):
            detail = "There is no such parameter here."
            self.found.fault("currency", self.unknown, detail)
        elif needed and currency is None:
            detail = "A money filter needs `currency`, an ISO 4217 code."
            self.found.fault("currency", "required", detail)
        elif currency is not None and not CURRENCY.fullmatch(currency):
            self.found.fault("currency", "invalid_value", "An ISO 4217 code is expected.")

    @property
    def unknown(self) -> str:
        return "unknown_field" if self.found.in_body else "unknown_parameter"

    def _filter(self, key: str, values: list[str], currency: str | None) -> Filter | None:
        name, path, op = split_key(key)
        name, path = self.keyed_field(key, name, path)
        if not self.offers(key, name, path, op):
            return None
        if op == "in":
            values = [part for text in values for part in text.split(",")]
        if op not in ("eq", *MANY) and len(values) > 1:
            self.found.fault(key, "repeated_parameter", "Send this parameter once.")
            return None
        if self.is_amount(name, op):
            path = (currency or "").upper()
        return self.valued(key, name, path, op, values)

    def keyed_field(self, place: str, name: str, path: str | None) -> tuple[str, str | None]:
        """What is asked: a key that stands for a field of its own is that field."""
        field = getattr(self.cls, "keyed_fields", {}).get((name, path))
        return (field, None) if field is not None and self.reads(place, name) else (name, path)

    def reads(self, place: str, name: str) -> bool:
        """Whether the caller may read what stands under this name; a hidden one is noted."""
        declared = self.cls.fields.get(name)
        extra = getattr(self.cls, "extra_filters", {}).get(name)
        if declared is not None and name not in self.mask.read:
            self._hide(name, place, declared.rule.group)
            return False
        if extra and not reads_group(self.cls, self.scope.actor.rights, extra[0]):
            self._hide(name, place, extra[0])
            return False
        return True

    def offers(self, place: str, name: str, path: str | None, op: str) -> bool:
        """Whether this list has such a condition for this caller; what is wrong is noted."""
        extra = getattr(self.cls, "extra_filters", {}).get(name)
        declared = self.cls.fields.get(name)
        if not self.reads(place, name):
            return False
        if extra is None and (declared is None or declared.rule.filter is Op.NONE):
            code = self.unknown if declared is None else "not_filterable"
            self.found.fault(place, code, "There is no such filter on this list.")
            return False
        ops = extra[1] if extra else declared.rule.filter  # type: ignore[union-attr]  # one of the two is there
        offered = [o for flag, names in OPERATORS.items() if flag in ops for o in names]
        if op not in offered:
            detail = f"This filter takes: {', '.join(offered)}."
            self.found.fault(place, "invalid_operator", detail)
            return False
        keyed = name in getattr(self.cls, "keyed_filters", ())
        if (path is not None) != keyed or not (path is None or PATH.fullmatch(path)):
            self.found.fault(place, self.unknown, "There is no such filter on this list.")
            return False
        return True

    def valued(
        self, place: str, name: str, path: str | None, op: str, texts: Sequence[str]
    ) -> Filter | None:
        """The condition with its values read from their texts; None where one is no value."""
        kind = "boolean" if op == "is_null" else value_kind(self.cls, name)
        if len(texts) > MAX_VALUES:
            self.found.fault(place, "too_many", f"At most {MAX_VALUES} values.")
            return None
        values = []
        known = choices(self.cls, name) if op != "is_null" else frozenset()
        for text in texts:
            try:
                values.append(known_value(known, kind, text))
            except ValueError as error:
                detail = f"Not a value of this filter: {error}."
                self.found.fault(place, "invalid_value", detail)
                return None
        return Filter(name, "eq" if op == "in" else op, tuple(dict.fromkeys(values)), path)

    def _bound_to(
        self, filters: Sequence[Node], sort: str, descending: bool, terms: SearchTerms | None
    ) -> bytes:
        facts = [
            str(self.scope.actor.organization_id),
            str(self.scope.actor.id),
            self.cls.resource,
            sort,
            descending,
            canonical(self.cls, filters),
            terms and terms.text,
        ]
        return hashlib.sha256(json.dumps(facts).encode()).digest()


def unsealed_position(scope: Scope, cursor: str | None, bound: bytes) -> tuple[str, UUID] | None:
    """Where a page goes on: the sort key and the id of the last row before it.

    Raises:
        Refusal: the cursor was not issued for this list, or too long ago.
    """
    if cursor is None:
        return None
    raw = scope.sealer.unseal(cursor, bound) if len(cursor) <= 1024 else None
    if raw is not None:
        key, row_id, issued = json.loads(raw)
        if time.time() - issued < CURSOR_SECONDS:
            return key, UUID(row_id)
    fault = Fault("invalid_cursor", "This cursor was not issued for this list.", parameter="cursor")
    raise Refusal("invalid_cursor", "The cursor is forged, stale, or of another list.", (fault,))


def seal_position(scope: Scope, bound: bytes, key: str, row_id: UUID) -> str:
    """The cursor that stands for a position of the list that is bound to these facts."""
    return scope.sealer.seal(json.dumps([key, str(row_id), int(time.time())]).encode(), bound)


def seal_cursor(scope: Scope, query: ListQuery, key: str, row_id: UUID) -> str:
    return seal_position(scope, query.bound_to, key, row_id)
