"""Which column becomes which field: suggested by names and values, decided by a person."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crm_api.catalogues.service import Catalogues
from crm_api.clients.schemas import Client
from crm_api.core.formats.emails import parse_email
from crm_api.core.formats.phones import parse_phone
from crm_api.imports.targets import (
    NUMBER,
    REPEATABLE,
    TARGETS,
    Target,
    choice_of,
    key_of,
    target_of,
    titled,
)
from crm_api.kit.filters import choices

MOST: Final = 0.5
"""The share of a column's values that must be known words for it to be of that vocabulary."""
NEARLY_ALL: Final = 0.8
"""The share of values that must look like addresses or numbers when the name says nothing."""
CATALOGUE_OF: Final = {
    "type": "types",
    "service_tier": "tiers",
    "region": "regions",
    "source": "sources",
}
CHOICES: Final[Mapping[str, frozenset[str]]] = {
    target.name: choices(Client, target.field)
    for target in TARGETS.values()
    if target.how == "choice"
}
_LOOKS_LIKE_PHONE: Final = re.compile(r"\+?[0-9(][0-9 ()./\-]{6,}")
IGNORED: Final = ("", "-", "ignore")
ERRORS: Final = "import_errors"
"""The column of an error file that says what was wrong: left out on the way back."""
OURS: Final = {*TARGETS, ERRORS}


class MappingError(Exception):
    """The mapping cannot be used; the text says what to write.

    `column` is the one that it is about, as a person named it; `plain` says the same, and repeats
    nothing that stands in the list or was sent.
    """

    def __init__(self, text: str, plain: str = "", column: str | None = None) -> None:
        super().__init__(text)
        self.plain = plain or text
        self.column = column


@dataclass(frozen=True, slots=True)
class Column:
    """One column of the file and what becomes of it; `target` is None where it is left out."""

    place: int
    title: str
    target: Target | None


def suggest(
    header: Sequence[str], sample: Sequence[Sequence[str]], known: Catalogues
) -> list[Column]:
    """The best target of each column; those that remain None are left out and said to be."""
    if is_export(header, sample):
        return [Column(place, title, target_of(title)) for place, title in enumerate(header)]
    found: list[Column] = []
    taken: set[str] = set()
    for place, title in enumerate(header):
        values = [row[place].strip() for row in sample if place < len(row) and row[place].strip()]
        target = _suggested(title, values, known)
        if target is not None and target.name in taken and target.how not in REPEATABLE:
            target = None
        if target is not None:
            taken.add(target.name)
        found.append(Column(place, title, target))
    return found if "contact_name" in taken else [_without_person(c) for c in found]


def is_export(header: Sequence[str], sample: Sequence[Sequence[str]]) -> bool:
    """Whether the list is one of ours: clients with their numbers, each column a field."""
    if "number" not in header or any(title not in OURS for title in header):
        return False
    place = header.index("number")
    values = [row[place].strip() for row in sample if place < len(row) and row[place].strip()]
    return bool(values) and _are_numbers(values)


def _without_person(column: Column) -> Column:
    """Nobody is named: a contact's address is then the client's own."""
    if column.target is None or column.target.how != "contact":
        return column
    name = {"contact_email": "email", "contact_phone": "phone"}.get(column.target.name)
    return Column(column.place, column.title, None if name is None else TARGETS[name])


def _suggested(title: str, values: Sequence[str], known: Catalogues) -> Target | None:
    if title == ERRORS:
        return None
    target = titled(title)
    if target is None:
        return _by_values(values)
    if target.how == "match":
        return target if _are_numbers(values) else None
    if target.name in CHOICES:
        return target if _are(values, CHOICES[target.name]) else None
    if target.name == "type":
        # What a list calls type is often the trade: unless the values are types, it is that.
        return target if _are(values, known.types) else TARGETS["industry"]
    if target.name in CATALOGUE_OF:
        return target if _are(values, known.of(CATALOGUE_OF[target.name])) else None
    return target


def _are(values: Sequence[str], vocabulary: Iterable[str]) -> bool:
    words = set(vocabulary)
    hits = sum(choice_of(value) in words or key_of(value) in words for value in values)
    return not values or hits >= MOST * len(values)


def _are_numbers(values: Sequence[str]) -> bool:
    """Of clients; one that is mistyped is told at its row."""
    hits = sum(NUMBER.fullmatch(value.upper()) is not None for value in values)
    return hits >= MOST * len(values)


def _by_values(values: Sequence[str]) -> Target | None:
    if not values:
        return None
    for name, fits in (("email", _is_email), ("phone", _is_phone)):
        if sum(fits(value) for value in values) >= NEARLY_ALL * len(values):
            return TARGETS[name]
    return None


def _is_email(text: str) -> bool:
    try:
        parse_email(text)
    except ValueError:
        return False
    return True


def _is_phone(text: str) -> bool:
    """In international form alone: a column of bare digits may be anything."""
    if not text.startswith("+") or not _LOOKS_LIKE_PHONE.fullmatch(text):
        return False
    try:
        parse_phone(text)
    except ValueError:
        return False
    return True


# ------------------------------------------------------------------ by a person


def read_pairs(texts: Iterable[str]) -> dict[str, str]:
    """`column=field,…`, given once or several times.

    Raises:
        MappingError: a part without `=`.
    """
    pairs: dict[str, str] = {}
    for part in (part for text in texts for part in text.split(",")):
        if not part.strip():
            continue
        column, sign, field = part.rpartition("=")
        if not sign or not column.strip():
            raise MappingError(f"Write column=field instead of {part.strip()!r}.")
        pairs[column.strip()] = field.strip()
    return pairs


def override(columns: Sequence[Column], pairs: Mapping[str, str]) -> list[Column]:
    """The columns with a person's decisions; `column=` leaves a column out.

    Raises:
        MappingError: no such column or field, or one field for two columns.
    """
    chosen: dict[int, Target | None] = {}
    for title, name in pairs.items():
        chosen[_place_of(columns, title)] = _chosen(title, name)
    named = {target.name for target in chosen.values() if target is not None}
    found = [
        Column(c.place, c.title, chosen[c.place])
        if c.place in chosen
        else Column(c.place, c.title, _yielding(c.target, named))
        for c in columns
    ]
    _refuse_twice(found)
    return found


def require_name(columns: Sequence[Column]) -> None:
    """A client without a name is none.

    Raises:
        MappingError: no column becomes the name.
    """
    if any(c.target is not None and c.target.name == "name" for c in columns):
        return
    titles = ", ".join(repr(c.title) for c in columns)
    raise MappingError(
        f"No column is the client's name. The columns are {titles}; write for example "
        f"--mapping '{columns[0].title}=name'.",
        "No column is the client's name: map one to `name`.",
    )


def _yielding(target: Target | None, named: set[str]) -> Target | None:
    """A suggestion gives way to what a person said."""
    if target is not None and target.name in named and target.how not in REPEATABLE:
        return None
    return target


def _place_of(columns: Sequence[Column], title: str) -> int:
    exact = [c.place for c in columns if c.title == title]
    loose = [c.place for c in columns if c.title.casefold() == title.casefold()]
    found = exact or loose
    if len(found) == 1:
        return found[0]
    if title.startswith("#") and title[1:].isdecimal() and 0 < int(title[1:]) <= len(columns):
        return int(title[1:]) - 1
    if found:
        places = ", ".join(f"#{place + 1}" for place in found)
        detail = f"Several columns are called {title!r}; write one of {places} instead."
        plain = "Several columns have this name; write `#` and the position of one instead."
        raise MappingError(detail, plain, title)
    known = ", ".join(repr(c.title) for c in columns)
    plain = "There is no column of this name."
    raise MappingError(f"There is no column {title!r}. The columns are {known}.", plain, title)


def _chosen(title: str, name: str) -> Target | None:
    if name.casefold() in IGNORED:
        return None
    target = target_of(name)
    if target is None or target.is_read_only:
        takes = [known for known, each in TARGETS.items() if not each.is_read_only]
        known = ", ".join([*takes, "attributes.KEY"])
        plain = f"There is no such field to map to. There are: {known}."
        raise MappingError(
            f"There is no field {name!r} to map to. There are: {known}.", plain, title
        )
    return target


def _refuse_twice(columns: Sequence[Column]) -> None:
    seen: dict[str, str] = {}
    for column in columns:
        if column.target is None or column.target.how in REPEATABLE:
            continue
        if column.target.name in seen:
            first = seen[column.target.name]
            raise MappingError(
                f"Both {first!r} and {column.title!r} are mapped to {column.target.name}.",
                f"Another column is mapped to {column.target.name} too.",
                column.title,
            )
        seen[column.target.name] = column.title
