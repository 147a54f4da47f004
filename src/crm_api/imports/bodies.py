"""From the cells of a row to the body that a create would take: each as it is written.

Nothing is judged here that the API judges.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from crm_api.clients.schemas import Client
from crm_api.clients.sites import STORED
from crm_api.core.errors import Fault
from crm_api.imports.mapping import Column
from crm_api.imports.targets import choice_of, country_of, key_of
from crm_api.kit.cells import columns_of

_SEVERAL_EMAILS: Final = re.compile(r"[\s,;|]+")
_SEVERAL_PHONES: Final = re.compile(r"\s*(?:[|\n]|;(?!\s*ext))\s*")
_SEVERAL_WORDS: Final = re.compile(r"\s*[,;|\n]\s*")
SEVERAL: Final = {"emails": _SEVERAL_EMAILS, "phones": _SEVERAL_PHONES}
MAX_LABEL: Final = 100
_WHOLE: Final = {column.field: column for column in columns_of(Client, Client.fields)}
"""How an export writes each field."""


@dataclass(frozen=True, slots=True)
class Place:
    """A mapped column: where it stands, how it is called, which part of the body it becomes."""

    index: int
    title: str
    field: str
    root: str
    whole: bool
    """Its cell is all of the field, in the form of an export."""


@dataclass(slots=True)
class Body:
    """A create body while it is put together; `places` is pointer → column, where wanted."""

    values: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    places: dict[str, str] | None = None
    added: set[str] = field(default_factory=set)
    """Fields whose cells name some of a list, and say nothing of its other entries."""

    def note(self, pointer: str, at: Place) -> None:
        if self.places is not None:
            self.places.setdefault(pointer, at.title)


Put = Callable[[Body, str, Place], None]


class BodyMaker:
    """Makes the bodies of one list.

    Args:
        industries: key → label of those that are made as rows need them; it learns from each row.
    """

    def __init__(
        self, columns: Sequence[Column], source: str, currency: str, known: dict[str, Any]
    ) -> None:
        self._source = key_of(source)
        self._currency = currency
        self._industries = known
        self.new_industries: dict[str, str] = {}
        self._put: list[tuple[Place, Put]] = [
            (
                Place(c.place, c.title, c.target.field, c.target.root, c.target.how == "cells"),
                getattr(self, f"_put_{c.target.how}"),
            )
            for c in columns
            if c.target is not None and c.target.how != "match"
        ]

    @property
    def places(self) -> list[Place]:
        return [at for at, _ in self._put]

    def body(self, cells: Sequence[str], places: dict[str, str] | None = None) -> Body:
        body = Body(places=places)
        for at, put in self._put:
            cell = cells[at.index] if at.index < len(cells) else ""
            if not at.whole:
                cell = cell.strip()
            if cell and not cell.isspace():
                put(body, cell, at)
        money = body.values.get("credit_limit")
        if isinstance(money, dict):
            money.setdefault("currency", self._currency)
            if "amount" not in money:
                del body.values["credit_limit"]
        return body

    def _put_text(self, body: Body, cell: str, at: Place) -> None:
        body.values[at.field] = cell
        body.note(f"/{at.field}", at)

    def _put_choice(self, body: Body, cell: str, at: Place) -> None:
        self._put_text(body, choice_of(cell), at)

    def _put_number(self, body: Body, cell: str, at: Place) -> None:
        body.values[at.field] = int(cell) if cell.isdecimal() and len(cell) < 10 else cell
        body.note(f"/{at.field}", at)

    def _put_money(self, body: Body, cell: str, at: Place) -> None:
        body.values.setdefault(at.field, {})["amount"] = cell
        body.note(f"/{at.field}", at)

    def _put_currency(self, body: Body, cell: str, at: Place) -> None:
        body.values.setdefault(at.field, {})["currency"] = cell.upper()
        body.note(f"/{at.field}/currency", at)

    def _put_catalogue(self, body: Body, cell: str, at: Place) -> None:
        key = key_of(cell)
        if at.field == "industry" and key not in self._industries:
            self.new_industries[key] = cell[:MAX_LABEL]
            self._industries[key] = {}
        self._put_text(body, key, at)

    def _put_words(self, body: Body, cell: str, at: Place) -> None:
        self._extend(body, _SEVERAL_WORDS.split(cell), at)

    def _put_keys(self, body: Body, cell: str, at: Place) -> None:
        words = [key_of(word) for word in _SEVERAL_WORDS.split(cell) if word]
        self._extend(body, words, at)

    def _put_several(self, body: Body, cell: str, at: Place) -> None:
        body.added.add(at.field)
        self._extend(body, SEVERAL[at.field].split(cell), at)

    def _extend(self, body: Body, items: Sequence[str], at: Place) -> None:
        """The same entry in two columns is one entry."""
        found = body.values.setdefault(at.field, [])
        for item in items:
            if item and item not in found:
                body.note(f"/{at.field}/{len(found)}", at)
                found.append(item)

    def _put_site(self, body: Body, cell: str, at: Place) -> None:
        site = body.values.setdefault("sites", [{"kind": "physical"}])[0]
        body.added.add("sites")
        name = at.field
        site[name] = country_of(cell) if name == "country_code" else cell
        body.note(f"/sites/0/{name}", at)

    def _put_contact(self, body: Body, cell: str, at: Place) -> None:
        link = body.values.setdefault("contacts", [{"contact": {}}])[0]
        body.added.add("contacts")
        name = at.field
        if name == "job_title":
            link[name] = cell
            body.note(f"/contacts/0/{name}", at)
            return
        several = SEVERAL.get(name)
        link["contact"][name] = cell if several is None else [p for p in several.split(cell) if p]
        body.note(f"/contacts/0/contact/{name}", at)

    def _put_reference(self, body: Body, cell: str, at: Place) -> None:
        refs = body.values.setdefault("external_refs", [])
        body.added.add("external_refs")
        # A second reference of the same list needs a source of its own.
        source = self._source if not refs else f"{self._source}_{key_of(at.title)}"[:64]
        body.note(f"/external_refs/{len(refs)}", at)
        refs.append({"source": source, "id": cell, "version": 0})

    def _put_attribute(self, body: Body, cell: str, at: Place) -> None:
        body.values.setdefault("attributes", {})[at.field] = cell
        body.note(f"/attributes/{at.field}", at)

    def _put_cells(self, body: Body, cell: str, at: Place) -> None:
        """An export's form; of addresses and numbers also one that people write."""
        body.note(f"/{at.field}", at)
        several = SEVERAL.get(at.field)
        if several is not None and not cell.lstrip().startswith("["):
            self._extend(body, several.split(cell.strip()), at)
            return
        try:
            value = _WHOLE[at.field].from_cells([cell])
        except ValueError as error:
            said = str(error)
            detail = f"{said[:1].upper()}{said[1:]}."
            body.faults.append(Fault("invalid_cell", detail, pointer=f"/{at.field}"))
            return
        if value not in (None, [], {}):
            body.values[at.field] = value


_NEW: Final[Mapping[str, tuple[str, ...]]] = {
    "emails": ("address", "label", "is_primary"),
    "phones": ("e164", "label", "extension", "is_primary"),
    "sites": (*STORED, "is_primary"),
}
"""What of a stored entry belongs to a new one."""


def as_new(name: str, value: Any) -> Any:
    """A list of stored entries as entries of another record: without what is each one's own."""
    parts = _NEW.get(name)
    if parts is None or not isinstance(value, list):
        return value
    return [
        {part: item[part] for part in parts if part in item} if isinstance(item, dict) else item
        for item in value
    ]


def as_present(name: str, value: Any, present: Any) -> Any:
    """A list of bare words as the entries that it stands for, where it is just those."""
    if name not in SEVERAL or not isinstance(value, list) or not present:
        return value
    whole = _WHOLE[name]
    return present if whole.from_cells(whole.to_cells(present)) == value else value


def site_over(
    site: Mapping[str, Any], present: Sequence[Mapping[str, Any]], country: str | None
) -> list[Any]:
    """The sites with the cells of an address over the one that they mean: the first physical."""
    sites = [dict(each) for each in present]
    meant = next((each for each in sites if each["kind"] == "physical"), None)
    if meant is None:
        return [*sites, {"country_code": country, **site}]
    meant |= site
    # It follows from the address, and is not to be sent back with another one.
    del meant["address_quality"]
    return sites
