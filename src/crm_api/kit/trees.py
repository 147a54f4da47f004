"""Lists whose conditions come as a tree in the body: its form, its bounds, and each leaf's rights.

The leaves are those of the query string, read and refused by the same `ListReader`.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, WithJsonSchema
from pydantic.config import JsonDict

from crm_api.core.faults import pointer_of
from crm_api.core.jsonbody import Incoming
from crm_api.kit.fields import Resource
from crm_api.kit.filters import OPERATORS, VERSION, Filter, Junction, Node, value_kind
from crm_api.kit.query import MAX_LIMIT, MAX_VALUES, ListQuery, ListReader
from crm_api.kit.scope import Scope
from crm_api.kit.search import MAX_TERM

MAX_DEPTH: Final = 8
MAX_LEAVES: Final = 100
_OPERATORS: Final = tuple(op for names in OPERATORS.values() for op in names)
_ONE: Final[JsonDict] = {"field": "created_at", "op": "gte", "value": "2026-01-01T00:00:00Z"}
_OTHER: Final[JsonDict] = {"not": {"field": "name", "op": "starts_with", "value": "Test"}}
EXAMPLE: Final[JsonDict] = {"and": [_ONE, _OTHER]}

_STRICT = ConfigDict(extra="forbid", strict=True)
_SCALARS: Final = [
    {"type": "string", "maxLength": 500},
    {"type": "boolean"},
    {"type": "integer", "minimum": -(10**17), "maximum": 10**17},
    {
        "type": "object",
        "additionalProperties": False,
        "required": ["amount", "currency"],
        "properties": {
            "amount": {"type": "string", "maxLength": 24, "pattern": r"^[0-9]+(\.[0-9]{1,4})?$"},
            "currency": {"type": "string", "maxLength": 3, "pattern": "^[A-Za-z]{3}$"},
        },
    },
]
_VALUE: Final = {
    "anyOf": [*_SCALARS, {"type": "array", "maxItems": MAX_VALUES, "items": {"anyOf": _SCALARS}}]
}


class Condition(BaseModel):
    """One condition: a field, an operator, a value; as in the query string of the list."""

    model_config = _STRICT | ConfigDict(json_schema_extra={"examples": [_ONE]})

    field: Annotated[
        str,
        Field(
            max_length=129,
            description="A filterable field; an attribute is `attributes.KEY`.",
            examples=["status"],
        ),
    ]
    op: Annotated[
        Literal["eq", "ne", "in", "gt", "gte", "lt", "lte", "contains", "starts_with", "is_null"],
        Field(description="How the field compares; each takes the operators of its filter."),
    ]
    value: Annotated[
        Any,
        WithJsonSchema(_VALUE),
        Field(
            description="As the field is answered; a list for `in`, and for `ne` if none of them "
            "shall be; true or false for `is_null`; an amount with its currency, or as text with "
            "the body's `currency`.",
            examples=["active"],
        ),
    ]


class AllOf(BaseModel):
    """All of these hold."""

    model_config = _STRICT | ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    parts: Annotated[
        list["Tree"],
        Field(alias="and", min_length=1, max_length=MAX_LEAVES, description="All of them."),
    ]


class AnyOf(BaseModel):
    """Any of these holds."""

    model_config = _STRICT | ConfigDict(json_schema_extra={"examples": [{"or": [_ONE, _OTHER]}]})

    parts: Annotated[
        list["Tree"],
        Field(alias="or", min_length=1, max_length=MAX_LEAVES, description="Any of them."),
    ]


class NotThis(BaseModel):
    """This does not hold: also where the field is empty."""

    model_config = _STRICT | ConfigDict(json_schema_extra={"examples": [_OTHER]})

    part: Annotated["Tree", Field(alias="not", description="What shall not hold.")]


def _kind(sent: Any) -> str:
    """Which of the four forms was meant; anything else is told what a condition looks like."""
    keys = sent if isinstance(sent, dict) else ()
    return next((f"({key})" for key in ("and", "or", "not") if key in keys), "(leaf)")


# The tags are no keys that anybody sends: a fault's place would be taken to go through them.
Tree = Annotated[
    Annotated[Condition, Tag("(leaf)")]
    | Annotated[AllOf, Tag("(and)")]
    | Annotated[AnyOf, Tag("(or)")]
    | Annotated[NotThis, Tag("(not)")],
    Discriminator(_kind),
]


class Selection(BaseModel):
    """Which records: conditions joined by and, or, not; at most 8 levels and 100 conditions."""

    model_config = _STRICT

    version: Annotated[
        Literal[1], Field(description="Of the form of `filter`.", examples=[VERSION])
    ] = VERSION
    filter: Annotated[
        Tree | None, Field(description="The conditions; absent: none.", examples=[EXAMPLE])
    ] = None
    sort: Annotated[
        str | None,
        Field(
            max_length=65,
            pattern="^-?[a-z_]+$",
            description="The order, as in the query string of the list.",
            examples=["name"],
        ),
    ] = None
    fields: Annotated[
        list[Annotated[str, Field(max_length=64, pattern="^[a-z_]+$")]] | None,
        Field(
            min_length=1,
            max_length=200,
            description="Only these fields.",
            examples=[["id", "name"]],
        ),
    ] = None
    currency: Annotated[
        str | None,
        Field(
            max_length=3,
            pattern="^[A-Za-z]{3}$",
            description="The currency of amounts that name none.",
        ),
    ] = None


class Search(Selection):
    """A page of the records that meet a tree of conditions: at most 8 levels, 100 conditions."""

    q: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=MAX_TERM,
            description="What is to be found, as in the query string of the list: by itself the "
            "best hits; with a filter, `sort` or `count` every hit.",
            examples=["kampala"],
        ),
    ] = None
    limit: Annotated[
        int | None, Field(ge=1, le=MAX_LIMIT, description="How many, at most.", examples=[50])
    ] = None
    cursor: Annotated[
        str | None,
        Field(
            max_length=1024,
            description="Where to go on: `next_cursor` of the page before, the rest unchanged.",
        ),
    ] = None
    expand: Annotated[
        list[Annotated[str, Field(max_length=64, pattern="^[a-z_]+$")]] | None,
        Field(min_length=1, max_length=20, description="Records to answer along."),
    ] = None
    count: Annotated[
        Literal["capped", "exact"] | None,
        Field(description="Also answer `total`: up to 10,000, or exactly."),
    ] = None


class ExportSelection(Selection):
    """All records that meet a tree of conditions, as a file."""

    format: Annotated[
        Literal["csv", "xlsx", "ndjson", "vcard"] | None,
        Field(description="The kind of file; CSV unless said.", examples=["csv"]),
    ] = None


class SearchReader(ListReader):
    """Reads the body of one search for one caller."""

    def __init__(
        self,
        cls: type[Resource],
        scope: Scope,
        expansions: Mapping[str, tuple[str, str]],
        incoming: Incoming[Any],
    ) -> None:
        super().__init__(cls, scope, expansions)
        self.found.in_body = True
        self.found.faults += incoming.faults
        # What the model refuses is told once.
        told = {fault.pointer for fault in incoming.faults}
        self._sent = {n: value for n, value in incoming.raw.items() if f"/{n}" not in told}
        currency = self._sent.get("currency")
        self._currency = currency if isinstance(currency, str) else None
        self._needs_currency = False
        self._leaves = 0
        self._outside = 0
        """How many members stand around the one that holds the tree."""

    def read_body(self) -> ListQuery:
        """Check and bind the whole body.

        Raises:
            Refusal: 403 naming every unreadable field with its place, 422 for all faults at once,
                400 for a cursor that does not belong here.
        """
        node = self._node(self._sent.get("filter"), ("filter",))
        self.check_currency(self._currency, needed=self._needs_currency)
        return self.query(dict(_members(self._sent)), _conjoined(node))

    def read_tree(self, sent: Any, place: tuple[str, ...]) -> tuple[Node, ...]:
        """A tree that stands by itself at this place: conditions that all must hold.

        What is wrong with it is noted in `found`.
        """
        self._outside = len(place) - 1
        node = self._node(sent, place)
        if self._needs_currency:
            detail = "Send each amount with its currency."
            self.found.fault(pointer_of(place), "required", detail)
        return _conjoined(node)

    def _node(self, sent: Any, place: tuple[str | int, ...]) -> Node | None:
        """What was sent as conditions; None where something is wrong, which is noted by then.

        The form is the model's to refuse; what has it is read, so that rights come first.
        """
        if not isinstance(sent, dict):
            return None
        for kind in ("and", "or"):
            if isinstance(sent.get(kind), list):
                parts = [self._node(part, (*place, kind, n)) for n, part in enumerate(sent[kind])]
                known = [part for part in parts if part is not None]
                if len(known) < len(parts) or not known:
                    return None
                return Junction(kind, tuple(known)) if len(known) > 1 else known[0]
        if "not" in sent:
            part = self._node(sent["not"], (*place, "not"))
            return None if part is None else Junction("not", (part,))
        return self._leaf(sent, place)

    def _leaf(self, sent: Mapping[str, Any], place: tuple[str | int, ...]) -> Filter | None:
        name, op, at = sent.get("field"), str(sent.get("op")), pointer_of(place)
        is_beyond = self._is_beyond(at, depth=_depth(place) - self._outside)
        if not isinstance(name, str):
            return None
        base, dot, path = name.partition(".")
        if is_beyond or op not in _OPERATORS or "value" not in sent:
            self.reads(at, base)
            return None
        base, key = self.keyed_field(at, base, path if dot else None)
        if not self.offers(at, base, key, op):
            return None
        return self._compared(f"{at}/value", base, key, op, sent["value"])

    def _is_beyond(self, at: str, *, depth: int) -> bool:
        self._leaves += 1
        if depth > MAX_DEPTH:
            self.found.fault(at, "too_deep", f"Conditions nest at most {MAX_DEPTH} levels deep.")
        elif self._leaves == MAX_LEAVES + 1:
            self.found.fault("/filter", "too_many", f"Send at most {MAX_LEAVES} conditions.")
        return depth > MAX_DEPTH or self._leaves > MAX_LEAVES

    def _compared(self, at: str, name: str, path: str | None, op: str, value: Any) -> Filter | None:
        if isinstance(value, list) is not (op == "in") and not (op == "ne" and value):
            form = (
                "Send a list of values." if op == "in" else "Send one value; a list goes with `in`."
            )
            self.found.fault(at, "invalid_value", form)
            return None
        values = value if isinstance(value, list) else [value]
        if not values:
            self.found.fault(at, "too_few_items", "Send at least one value.")
            return None
        if self.is_amount(name, op):
            return self._amounts(at, name, op, values)
        kind = "boolean" if op == "is_null" else value_kind(self.cls, name)
        texts = [_text(kind, one) for one in values]
        return self.valued(at, name, path, op, texts)

    def _amounts(self, at: str, name: str, op: str, values: list[Any]) -> Filter | None:
        """Amounts of one currency: their own, or the body's."""
        pairs = [_amount(one) for one in values]
        currencies = {currency or (self._currency or "").upper() for _, currency in pairs}
        self._needs_currency |= any(currency is None for _, currency in pairs)
        if len(currencies) > 1:
            self.found.fault(at, "invalid_value", "Send amounts of one currency.")
            return None
        return self.valued(at, name, currencies.pop(), op, [text for text, _ in pairs])


def _depth(place: tuple[str | int, ...]) -> int:
    """How deep a condition stands: one that is the whole tree is one level deep."""
    return sum(isinstance(step, str) for step in place)


def _conjoined(node: Node | None) -> tuple[Node, ...]:
    """The conditions that all must hold: those of an outer `and` stand side by side."""
    if node is None:
        return ()
    return node.parts if isinstance(node, Junction) and node.kind == "and" else (node,)


def _members(sent: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The other members as the query string would have them; of another type they are faults."""
    for name in ("q", "sort", "cursor", "count"):
        if isinstance(sent.get(name), str):
            yield name, sent[name]
    if type(sent.get("limit")) is int:
        yield "limit", str(sent["limit"])
    for name in ("fields", "expand"):
        if isinstance(sent.get(name), list) and sent[name]:
            yield name, ",".join(item for item in sent[name] if isinstance(item, str))


def _text(kind: str, value: Any) -> str:
    """A value as the query string would have it; of another JSON type, a text that is none."""
    if kind == "boolean":
        return {True: "true", False: "false"}[value] if isinstance(value, bool) else ""
    if kind == "integer":
        return str(value) if type(value) is int else ""
    return value if isinstance(value, str) else ""


def _amount(value: Any) -> tuple[str, str | None]:
    """An amount and its currency, which may be left to the body."""
    if isinstance(value, dict) and value.keys() == {"amount", "currency"}:
        amount, currency = value["amount"], value["currency"]
        if isinstance(amount, str) and isinstance(currency, str) and len(currency) == len("UGX"):
            return amount, currency.upper()
        return "", ""
    return (value, None) if isinstance(value, str) else ("", "")
