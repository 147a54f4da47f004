"""The queries of routes, documented: projection, paging, sort, filters, search, versions."""

from collections.abc import Sequence
from typing import Any, Final

from fastapi import Request

from crm_api.kit.fields import Op, Resource
from crm_api.kit.filters import OPERATORS, choices, has_money, value_kind
from crm_api.kit.query import DEFAULT_LIMIT, MAX_LIMIT
from crm_api.kit.search import ALL, MAX_TERM
from crm_api.kit.suggesting import DEFAULT_SUGGESTIONS, MAX_SUGGESTIONS

Items = list[tuple[str, str]]


def items_of(request: Request) -> Items:
    """The query string as it came: repeated keys stay apart."""
    return request.query_params.multi_items()


def _parameter(
    name: str, description: str, schema: dict[str, Any], example: Any, **more: Any
) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
        "example": example,
        **more,
    }


_TEXT = {"type": "string", "minLength": 1, "maxLength": 500}
EXPLAIN = _parameter(
    "explain",
    "On a refusal, say which rule refused what.",
    {"type": "string", "enum": ["permission"]},
    "permission",
)


_CURSOR = _parameter(
    "cursor",
    "Where to go on: `next_cursor` of the page before.",
    {"type": "string", "minLength": 1, "maxLength": 1024, "pattern": "^[A-Za-z0-9_-]+$"},
    "AbC123",
)


def _limit(default: int = DEFAULT_LIMIT, most: int = MAX_LIMIT) -> dict[str, Any]:
    schema = {
        "type": "integer",
        "format": "int32",
        "minimum": 1,
        "maximum": most,
        "default": default,
    }
    return _parameter("limit", "How many, at most.", schema, default)


def _term(*, required: bool = False) -> dict[str, Any]:
    text = (
        "What is to be found: parts of names, also misspelt, and of e-mail addresses, numbers and "
        "phone numbers; `*` and `?` are wildcards. Only what your role reads is searched."
    )
    if not required:
        text += (
            " By itself it answers the best hits, some hundreds at most, in their order. With a "
            "filter, `sort` or `count`, every hit counts; a term that has more than "
            f"{ALL.hold - 1:,} is refused then with `too_many_hits`."
        )
    # As elsewhere in the query, control characters are refused when they come.
    schema = {"type": "string", "minLength": 1, "maxLength": MAX_TERM}
    return _parameter("q", text, schema, "jinja bak", required=required)


_INSTANT = "2026-01-31T00:00:00Z"
_LATER = "2030-01-31T00:00:00Z"
"""Any record has such a version: a time that has not come yet is the present."""
_MOMENT = {"type": "string", "format": "date-time", "minLength": 17, "maxLength": 40}
_AS_OF = _parameter(
    "as_of",
    "The record as it was at this time; as it is, where that has not come yet.",
    _MOMENT,
    _LATER,
)
_ENTRY_OR_TIME = {
    "type": "string",
    "minLength": 17,
    "maxLength": 40,
    "pattern": "^[0-9A-Za-z:.+-]+$",
}
ERASED: dict[int | str, dict[str, Any]] = {
    410: {"description": "An erasure took the values of that time."}
}
"""What may happen to whoever looks back."""


class OneQuery:
    """The query of a single resource: `fields`, `expand`, `explain`; of what has a past `as_of`."""

    def __init__(
        self, expansions: Sequence[str] = (), *, past: bool = False, example: str = "id,name"
    ) -> None:
        self.query_parameters = [
            _fields(example),
            *_expand(expansions),
            *([_AS_OF] if past else []),
            EXPLAIN,
        ]

    async def __call__(self, request: Request) -> Items:
        return items_of(request)


def _fields(example: str) -> dict[str, Any]:
    return _parameter(
        "fields",
        "Only these fields, by commas.",
        {"type": "string", "minLength": 1, "maxLength": 2000, "pattern": "^[a-z_, ]+$"},
        example,
    )


def _expand(expansions: Sequence[str]) -> list[dict[str, Any]]:
    if not expansions:
        return []
    text = f"Records to answer along, by commas: {', '.join(expansions)}."
    return [
        _parameter(
            "expand",
            text,
            {"type": "string", "maxLength": 200, "pattern": "^[a-z_, ]+$"},
            expansions[0],
        )
    ]


class SuggestQuery:
    """The query of suggestions: what was typed, and how many."""

    query_parameters = (
        _term(required=True),
        _limit(DEFAULT_SUGGESTIONS, MAX_SUGGESTIONS),
        EXPLAIN,
    )

    async def __call__(self, request: Request) -> Items:
        return items_of(request)


_FIND: Final = (
    "What is to be found: parts of names, also misspelt, and of e-mail addresses, numbers and "
    "phone numbers; of texts all of the words, or how they begin. `key=value` alone is an "
    "attribute, exactly so. Only what your role reads is searched."
)


class FindQuery:
    """The query of a search over many kinds: the term, which kinds, and how many hits."""

    def __init__(self, kinds: dict[str, Any], default: int, most: int) -> None:
        term = _term(required=True) | {"description": _FIND}
        self.query_parameters = [term, kinds, _limit(default, most), EXPLAIN]

    async def __call__(self, request: Request) -> Items:
        return items_of(request)


class HistoryQuery:
    """The query of a history: paging alone."""

    query_parameters = (_limit(), _CURSOR, EXPLAIN)

    async def __call__(self, request: Request) -> Items:
        return items_of(request)


class PageQuery:
    """The query of a page that is no list of records: paging, and what its route adds."""

    def __init__(self, *more: dict[str, Any]) -> None:
        self.query_parameters = [_limit(), _CURSOR, *more, EXPLAIN]

    async def __call__(self, request: Request) -> Items:
        return items_of(request)


class DiffQuery:
    """The query of a comparison: two versions."""

    query_parameters = (
        _parameter(
            "from", "The entry of the history, or the time, to begin at.", _ENTRY_OR_TIME, _LATER
        ),
        _parameter(
            "to",
            "The entry, or the time, to end at; now unless said.",
            _ENTRY_OR_TIME,
            _LATER,
        ),
        EXPLAIN,
    )

    async def __call__(self, request: Request) -> Items:
        return items_of(request)


class ListQuery:
    """The query of a list, documented from the declaration: paging, sort, projection, filters."""

    def __init__(self, cls: type[Resource], expansions: Sequence[str] = ()) -> None:
        self.cls = cls
        sorts = [n for n, f in cls.fields.items() if f.rule.sort]
        directions = [s for n in sorts for s in (n, f"-{n}")]
        self.query_parameters = [
            *([_term()] if cls.searched else []),
            _limit(),
            _CURSOR,
            _parameter(
                "sort",
                "The order; `-` is descending. The id breaks ties, nothing comes last."
                + (" With `q` the best hits come first, unless this is sent." * bool(cls.searched)),
                {"type": "string", "enum": directions},
                directions[0],
            ),
            _fields(",".join([*cls.fields][:2])),
            *_expand(expansions),
            _parameter(
                "count",
                "Also answer `total`: up to 10,000, or exactly.",
                {"type": "string", "enum": ["capped", "exact"]},
                "capped",
            ),
            EXPLAIN,
            *self._filters(),
        ]

    def _filters(self) -> list[dict[str, Any]]:
        found = []
        for name, field in self.cls.fields.items():
            if field.rule.filter is not Op.NONE:
                found += _filter_parameters(self.cls, name, field.rule.filter)
        keyed = getattr(self.cls, "keyed_filters", ())
        for name, (_, ops) in getattr(self.cls, "extra_filters", {}).items():
            if name not in keyed:
                found += _filter_parameters(self.cls, name, ops)
        if has_money(self.cls):
            found.append(
                _parameter(
                    "currency",
                    "The currency of money filters, ISO 4217.",
                    {"type": "string", "minLength": 3, "maxLength": 3, "pattern": "^[A-Za-z]{3}$"},
                    "UGX",
                )
            )
        return found

    async def __call__(self, request: Request) -> Items:
        return items_of(request)


_KINDS: dict[str, tuple[dict[str, Any], Any]] = {
    "uuid": (
        {"type": "string", "format": "uuid", "minLength": 36, "maxLength": 36},
        "01890a5d-ac96-774b-bcce-b302099a8057",
    ),
    "date": ({"type": "string", "format": "date", "minLength": 10, "maxLength": 10}, "2026-01-31"),
    "instant": (
        {"type": "string", "format": "date-time", "minLength": 17, "maxLength": 40},
        _INSTANT,
    ),
    "integer": (
        {"type": "integer", "format": "int64", "minimum": -(10**17), "maximum": 10**17},
        30,
    ),
    "boolean": ({"type": "boolean"}, True),
    "money": (
        {"type": "string", "maxLength": 24, "pattern": "^[0-9]+(\\.[0-9]{1,4})?$"},
        "1000.00",
    ),
    "text": (_TEXT, "kampala"),
}


def _filter_parameters(cls: type[Resource], name: str, ops: Op) -> list[dict[str, Any]]:
    """One parameter for each operator; plain equality may be repeated (any of them)."""
    schema, example = _KINDS[value_kind(cls, name)]
    closed = sorted(choices(cls, name))
    if closed:
        schema, example = {"type": "string", "enum": closed}, closed[0]
    found = []
    for flag, names in OPERATORS.items():
        if not flag & ops:
            continue
        for op in names:
            key = name if op == "eq" else f"{name}[{op}]"
            if op == "is_null":
                found.append(
                    _parameter(key, f"Whether `{name}` is empty.", {"type": "boolean"}, True)
                )
            elif op in ("eq", "ne"):
                array = {"type": "array", "items": schema, "maxItems": 100}
                text = f"`{name}` is {'any of these' if op == 'eq' else 'none of these'}."
                found.append(_parameter(key, text, array, [example], style="form", explode=True))
            elif op == "in":
                found.append(
                    _parameter(
                        key, f"`{name}` is one of these, by commas.", _TEXT, _as_sent(example)
                    )
                )
            else:
                found.append(_parameter(key, f"`{name}` {_WORDS[op]} this.", schema, example))
    return found


def _as_sent(example: Any) -> str:
    """A value as it stands in a URL."""
    return str(example).lower() if isinstance(example, bool) else str(example)


_WORDS = {
    "gt": "is greater than",
    "gte": "is at least",
    "lt": "is less than",
    "lte": "is at most",
    "contains": "contains",
    "starts_with": "starts with",
}
