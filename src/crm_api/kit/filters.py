"""Conditions of lists as data: leaves, and trees of them with a stable form that can be stored.

A query string and a tree come to the same leaves here; what they mean in SQL is `kit.listing`'s.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin
from uuid import UUID

from crm_api.core.formats.dates import format_instant
from crm_api.core.formats.money import Money
from crm_api.kit.fields import Op, Resource
from crm_api.kit.values import parse_value

VERSION: Final = 1
"""Of the form in which a tree is sent and stored. It only grows: another form is another number."""
OPERATORS = {
    Op.EQ: ("eq", "ne", "in"),
    Op.RANGE: ("gt", "gte", "lt", "lte"),
    Op.TEXT: ("contains", "starts_with"),
    Op.NULL: ("is_null",),
}
MANY: Final = ("ne", "in")
"""The operators that take several values: none of them, any of them."""


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition: a field, an operator, its values.

    `path` is what the field alone does not say: an attribute's key, an amount's currency.
    """

    field: str
    op: str
    values: tuple[Any, ...]
    path: str | None = None

    @property
    def shape(self) -> tuple[str, str, bool, bool]:
        return (self.field, self.op, len(self.values) > 1, self.path is not None)


@dataclass(frozen=True, slots=True)
class Junction:
    """Conditions joined: all of them, any of them, or not the one."""

    kind: Literal["and", "or", "not"]
    parts: "tuple[Node, ...]"

    @property
    def shape(self) -> tuple[str, tuple[Any, ...]]:
        return (self.kind, tuple(part.shape for part in self.parts))


Node = Filter | Junction


def leaves(nodes: Iterable[Node]) -> Iterator[Filter]:
    """The leaves in the order in which their parameters are numbered."""
    for node in nodes:
        if isinstance(node, Filter):
            yield node
        else:
            yield from leaves(node.parts)


# --------------------------------------------------------------------------- kinds of values


def value_kind(cls: type[Resource], name: str) -> str:
    """How the values of a filter on this field are read."""
    special = getattr(cls, "filter_kinds", {}).get(name)
    if special:
        return str(special)
    kinds = set(leaf_types(cls.fields[name].info.annotation))
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


def leaf_types(annotation: Any) -> Iterator[Any]:
    """What a type is made of, without its bounds and without the alternatives' union."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from leaf_types(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for part in get_args(annotation):
            yield from leaf_types(part)
    else:
        yield annotation


def choices(cls: type[Resource], name: str) -> frozenset[str]:
    """The values of a closed enum; empty for any other type."""
    if name not in cls.fields:
        return frozenset()
    found = leaf_types(cls.fields[name].info.annotation)
    return frozenset(
        str(arg) for leaf in found if get_origin(leaf) is Literal for arg in get_args(leaf)
    )


def known_value(known: frozenset[str], kind: str, text: str) -> Any:
    """As `parse_value`, within the values of a closed enum."""
    if known and text not in known:
        raise ValueError(f"one of {', '.join(sorted(known))} is expected")
    return parse_value(kind, text)


def has_money(cls: type[Resource]) -> bool:
    """Whether a list of this resource filters by an amount."""
    filtered = (n for n, f in cls.fields.items() if f.rule.filter is not Op.NONE)
    return any(value_kind(cls, name) == "money" for name in filtered)


# ---------------------------------------------------------------------------- the stable form


def canonical(cls: type[Resource], nodes: Sequence[Node]) -> dict[str, Any] | None:
    """The one JSON form of conditions that all must hold; None for no condition.

    Reading it gives the same conditions again, and their form is this very JSON. Values stand in
    one spelling, several of them sorted; `in` with one value is `eq`.
    """
    if not nodes:
        return None
    root = nodes[0] if len(nodes) == 1 else Junction("and", tuple(nodes))
    return {"version": VERSION, "filter": _form(cls, root)}


def _form(cls: type[Resource], node: Node) -> dict[str, Any]:
    if isinstance(node, Filter):
        return _leaf_form(cls, node)
    parts = [_form(cls, part) for part in node.parts]
    return {"not": parts[0]} if node.kind == "not" else {node.kind: parts}


def _leaf_form(cls: type[Resource], leaf: Filter) -> dict[str, Any]:
    is_money = leaf.op != "is_null" and _is_money(cls, leaf.field)
    currency = leaf.path if is_money else None
    values = sorted((_value_form(value, currency) for value in leaf.values), key=json.dumps)
    op = "in" if leaf.op == "eq" and len(values) > 1 else leaf.op
    field = leaf.field if leaf.path is None or is_money else f"{leaf.field}.{leaf.path}"
    return {"field": field, "op": op, "value": values if len(values) > 1 else values[0]}


def _is_money(cls: type[Resource], name: str) -> bool:
    return name in cls.fields and value_kind(cls, name) == "money"


def _value_form(value: Any, currency: str | None) -> Any:
    """A value that was read, as JSON in the spelling that is read again."""
    if currency is not None:
        return {"amount": _amount(value), "currency": currency}
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, date | UUID):
        return str(value)
    return value


def _amount(ten_thousandths: int) -> str:
    amount = f"{Decimal(ten_thousandths) / 10_000:f}"
    return amount.rstrip("0").rstrip(".") if "." in amount else amount
