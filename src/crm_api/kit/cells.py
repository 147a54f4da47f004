"""A field's value as cells of a table, and back: the form of exports, which imports read again.

Both ways follow from the field's declaration. Formula signs are the file format's matter
(`core.formats.cells`), not of these texts.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from types import NoneType
from typing import Any, Final, Literal, get_args, get_origin
from uuid import UUID

from crm_api.core.formats.money import Money
from crm_api.kit.fields import Field, Resource
from crm_api.kit.filters import leaf_types

SEPARATOR: Final = "; "
BYTE_ORDER_MARK: Final = "\ufeff"
Cells = tuple[str, ...]

# Made once: `json.dumps` with options builds an encoder for each call.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_TEXTS: Final = (str, UUID, date, datetime)


@dataclass(frozen=True, slots=True)
class Column:
    """The cells of one field: their titles, and how its value, as the wire has it, fills them."""

    field: str
    titles: tuple[str, ...]
    to_cells: Callable[[Any], Cells]
    from_cells: Callable[[Sequence[str]], Any]
    """The value that a create or a patch takes, None for empty cells; ValueError with what is
    expected, and nothing of the cell, where it cannot be read."""


def columns_of(cls: type[Resource], names: Iterable[str]) -> tuple[Column, ...]:
    """The columns of these fields, in their order."""
    return tuple(_column(cls.fields[name]) for name in names)


def row_of(columns: Sequence[Column], document: Mapping[str, Any]) -> list[str]:
    """One record as the cells of its row."""
    return [cell for column in columns for cell in column.to_cells(document[column.field])]


def _column(field: Field) -> Column:
    name = field.name
    kinds = [kind for kind in leaf_types(field.info.annotation) if kind is not NoneType]
    kind = kinds[0] if len(kinds) == 1 else None
    if kind is Money:
        return Column(name, (name, f"{name}_currency"), _money_cells, _money)
    if get_origin(kind) is list:
        return _list_column(name, get_args(kind)[0])
    if kind is bool:
        return Column(name, (name,), _truth_cells, _truth)
    if kind is int:
        return Column(name, (name,), _plain_cells, _number)
    if kind in _TEXTS or get_origin(kind) is Literal:
        return Column(name, (name,), _plain_cells, _plain)
    return Column(name, (name,), _json_cells, _json)


def _list_column(name: str, annotation: Any) -> Column:
    """A list of words, or of objects that one word of theirs can stand for (`cell_key`)."""
    item = next(iter(leaf_types(annotation)))
    key = getattr(item, "cell_key", None)
    if key is not None:
        return Column(name, (name,), partial(_point_cells, key), _listed)
    if item is str or get_origin(item) is Literal:
        return Column(name, (name,), _word_cells, _listed)
    return Column(name, (name,), _json_cells, _json)


# -------------------------------------------------------------------------- values to cells


def _plain_cells(value: Any) -> Cells:
    return ("" if value is None else str(value),)


def _truth_cells(value: bool | None) -> Cells:  # it is the value
    return ({True: "true", False: "false", None: ""}[value],)


def _money_cells(value: Mapping[str, str] | None) -> Cells:
    return ("", "") if value is None else (value["amount"], value["currency"])


def _json_cells(value: Any) -> Cells:
    return (_encode(value) if value else "",)


def _word_cells(words: Sequence[str] | None) -> Cells:
    words = words or ()
    return (SEPARATOR.join(words),) if all(map(_joins, words)) else _json_cells(words)


def _point_cells(key: str, items: Sequence[Mapping[str, Any]] | None) -> Cells:
    """The words alone where they say it all: no labels, no extensions, the first one is primary."""
    items = items or ()
    bare = all(
        item.get("label") is None and item.get("extension") is None and _joins(item[key])
        for item in items
    )
    if bare and (not items or items[0]["is_primary"]):
        return (SEPARATOR.join(item[key] for item in items),)
    return _json_cells(items)


def _joins(word: str) -> bool:
    """Whether the word is found again between separators."""
    return bool(word) and word == word.strip() and ";" not in word and not word.startswith("[")


# -------------------------------------------------------------------------- cells to values


def _plain(cells: Sequence[str]) -> str | None:
    return cells[0] or None


def _truth(cells: Sequence[str]) -> bool | None:
    known = {"true": True, "false": False, "": None}
    text = cells[0].strip().lower()
    if text not in known:
        raise ValueError("true or false is expected")
    return known[text]


def _number(cells: Sequence[str]) -> int | None:
    text = cells[0].strip()
    digits = text.removeprefix("-")
    if not text:
        return None
    if not (digits.isascii() and digits.isdigit() and len(digits) < len(str(2**53))):
        raise ValueError("a whole number is expected")
    return int(text)


def _money(cells: Sequence[str]) -> dict[str, str] | None:
    amount, currency = (cell.strip() for cell in cells)
    if not amount and not currency:
        return None
    if not amount or not currency:
        raise ValueError("an amount and its currency are expected")
    return {"amount": amount, "currency": currency}


def _listed(cells: Sequence[str]) -> Any:
    text = cells[0].strip()
    if text.startswith("["):
        return _json(cells)
    words = [word.strip() for word in text.split(SEPARATOR.strip())]
    return [word for word in words if word] or None


def _json(cells: Sequence[str]) -> Any:
    text = cells[0].strip()
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        raise ValueError("JSON is expected, as it was exported") from None
