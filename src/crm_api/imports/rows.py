"""From the cells of one row to the body that a create would take; what is wrong is said by column.

Nothing is judged here that the API judges: a cell arrives there as it is written.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from crm_api.catalogues.service import Catalogues
from crm_api.clients.bulk import NewClient, decide_client
from crm_api.core.access import OrganizationContext
from crm_api.core.errors import Fault
from crm_api.imports.mapping import Column
from crm_api.imports.reading import BrokenRecord, Record
from crm_api.imports.targets import choice_of, country_of, key_of
from crm_api.kit.scope import Scope

MAX_LABEL: Final = 100
_SEVERAL_EMAILS: Final = re.compile(r"[\s,;|]+")
_SEVERAL_PHONES: Final = re.compile(r"\s*(?:[|\n]|;(?!\s*ext))\s*")
_SEVERAL_WORDS: Final = re.compile(r"\s*[,;|\n]\s*")
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason why a row was not imported. No cell's content is in it."""

    row: int
    line: int
    outcome: str
    """`invalid` or `duplicate`."""
    code: str
    detail: str
    field: str = ""
    """Where in a create body, as a pointer without its first slash."""
    column: str = ""


Key = tuple[str, str | bytes]
"""What is unique: a kind (of a reference with its source) and a value."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row that may be imported."""

    record: Record
    client: NewClient
    keys: Sequence[Key]
    """What must be unique of it."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A mapped column: where it stands, how it is called, which field of the body it becomes."""

    index: int
    title: str
    field: str


@dataclass(slots=True)
class _Body:
    """A create body while it is put together; `places` is pointer → column, where wanted."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, str] | None = None

    def note(self, pointer: str, at: _Place) -> None:
        if self.places is not None:
            self.places.setdefault(pointer, at.title)


def keys_of(client: NewClient) -> list[Key]:
    """References first: who has the row's own is the row itself, imported before."""
    refs = client.draft.after.get("external_refs") or ()
    keys: list[Key] = [(f"reference:{ref['source']}", ref["id"]) for ref in refs]
    keys.append(("name", bytes.fromhex(client.row["identity_digest"])))
    keys += [("email", key) for key in client.draft.email_keys]
    registration = client.draft.row.get("registration_key")
    if registration is not None:
        keys.append(("registration", registration))
    keys += [("contact_email", key) for key in client.people.email_keys]
    return keys


Put = Callable[[_Body, str, _Place], None]


class RowReader:
    """Decides rows one after another. Not for several threads at once."""

    def __init__(
        self,
        scope: Scope,
        columns: Sequence[Column],
        known: Catalogues,
        *,
        source: str,
        default_country: str | None = None,
    ) -> None:
        self.scope = scope
        self._columns = columns
        self._source = key_of(source)
        self._organization = scope.actor.organization
        self._country = default_country or self._organization.default_country
        self._by_country: dict[str | None, OrganizationContext] = {}
        # Industries are made as rows need them; what this file brings counts as known from then on.
        self._known = replace(known, industries=dict(known.industries))
        self._new: dict[str, str] = {}
        self._put: list[tuple[_Place, Put]] = [
            (_Place(c.place, c.title, c.target.field), getattr(self, f"_put_{c.target.how}"))
            for c in columns
            if c.target is not None
        ]

    def decide(self, record: Record | BrokenRecord) -> Row | list[Finding]:
        """The row as a client, or why it is none."""
        if isinstance(record, BrokenRecord):
            number, line = record.number, record.line
            return [Finding(number, line, "invalid", record.code, record.detail)]
        faults = self._unreadable(record)
        if not faults:
            body = self._body(record.cells)
            organization = self._organization_of(body)
            decided = decide_client(self.scope, body, organization, self._known)
            if isinstance(decided, NewClient):
                return Row(record, decided, keys_of(decided))
            faults = decided
        return self._findings(record, faults)

    def new_industries(self, clients: Sequence[NewClient]) -> dict[str, str]:
        """Key → label of the industries that these clients need and that were not there."""
        used = {str(client.draft.after.get("industry")) for client in clients}
        return {key: label for key, label in self._new.items() if key in used}

    # ------------------------------------------------------------------ the body

    def _body(self, cells: Sequence[str], places: dict[str, str] | None = None) -> dict[str, Any]:
        body = _Body(places=places)
        for at, put in self._put:
            cell = cells[at.index].strip() if at.index < len(cells) else ""
            if cell:
                put(body, cell, at)
        site = body.values.get("sites")
        if site and "country_code" not in site[0] and self._country is not None:
            site[0]["country_code"] = self._country
        return body.values

    def _organization_of(self, body: Mapping[str, Any]) -> OrganizationContext:
        """The organization with the country in which the row's numbers are to be read."""
        site = body.get("sites")
        country = site[0].get("country_code") if site else None
        country = country or self._country
        found = self._by_country.get(country)
        if found is None:
            found = replace(self._organization, default_country=country)
            if len(self._by_country) < MAX_LABEL:
                self._by_country[country] = found
        return found

    def _put_text(self, body: _Body, cell: str, at: _Place) -> None:
        body.values[at.field] = cell
        body.note(f"/{at.field}", at)

    def _put_choice(self, body: _Body, cell: str, at: _Place) -> None:
        self._put_text(body, choice_of(cell), at)

    def _put_number(self, body: _Body, cell: str, at: _Place) -> None:
        body.values[at.field] = int(cell) if cell.isdecimal() and len(cell) < 10 else cell
        body.note(f"/{at.field}", at)

    def _put_money(self, body: _Body, cell: str, at: _Place) -> None:
        body.values[at.field] = {"amount": cell, "currency": self._organization.currency}
        body.note(f"/{at.field}", at)

    def _put_catalogue(self, body: _Body, cell: str, at: _Place) -> None:
        key = key_of(cell)
        if at.field == "industry" and key not in self._known.industries:
            self._new[key] = cell[:MAX_LABEL]
            self._known.industries[key] = {}  # type: ignore[index]  # our own copy
        self._put_text(body, key, at)

    def _put_words(self, body: _Body, cell: str, at: _Place) -> None:
        self._extend(body, _SEVERAL_WORDS.split(cell), at)

    def _put_keys(self, body: _Body, cell: str, at: _Place) -> None:
        words = [key_of(word) for word in _SEVERAL_WORDS.split(cell) if word]
        self._extend(body, words, at)

    def _put_several(self, body: _Body, cell: str, at: _Place) -> None:
        separator = _SEVERAL_EMAILS if at.field == "emails" else _SEVERAL_PHONES
        self._extend(body, separator.split(cell), at)

    def _extend(self, body: _Body, items: Sequence[str], at: _Place) -> None:
        """The same entry in two columns is one entry."""
        found = body.values.setdefault(at.field, [])
        for item in items:
            if item and item not in found:
                body.note(f"/{at.field}/{len(found)}", at)
                found.append(item)

    def _put_site(self, body: _Body, cell: str, at: _Place) -> None:
        site = body.values.setdefault("sites", [{"kind": "physical"}])[0]
        name = at.field
        site[name] = country_of(cell) if name == "country_code" else cell
        body.note(f"/sites/0/{name}", at)

    def _put_contact(self, body: _Body, cell: str, at: _Place) -> None:
        link = body.values.setdefault("contacts", [{"contact": {}}])[0]
        name = at.field
        if name == "job_title":
            link[name] = cell
            body.note(f"/contacts/0/{name}", at)
            return
        several = {"emails": _SEVERAL_EMAILS, "phones": _SEVERAL_PHONES}.get(name)
        link["contact"][name] = cell if several is None else [p for p in several.split(cell) if p]
        body.note(f"/contacts/0/contact/{name}", at)

    def _put_reference(self, body: _Body, cell: str, at: _Place) -> None:
        refs = body.values.setdefault("external_refs", [])
        # A second reference of the same list needs a source of its own.
        source = self._source if not refs else f"{self._source}_{key_of(at.title)}"[:64]
        body.note(f"/external_refs/{len(refs)}", at)
        refs.append({"source": source, "id": cell, "version": 0})

    def _put_attribute(self, body: _Body, cell: str, at: _Place) -> None:
        body.values.setdefault("attributes", {})[at.field] = cell
        body.note(f"/attributes/{at.field}", at)

    # -------------------------------------------------------------- what is wrong

    def _unreadable(self, record: Record) -> list[Fault]:
        """Cells beyond the last column, or of bytes that are no text."""
        surplus = record.cells[len(self._columns) :]
        if any(cell.strip() for cell in surplus):
            detail = "The row has more cells than there are columns."
            return [Fault("too_many_cells", detail)]
        return [
            Fault("undecodable", "The cell holds bytes that are no text.", pointer=f"#{n}")
            for n, cell in enumerate(record.cells)
            if not cell.isascii() and _LONE_SURROGATE.search(cell)
        ]

    def _findings(self, record: Record, faults: Sequence[Fault]) -> list[Finding]:
        places: dict[str, str] = {}
        self._body(record.cells, places)
        places |= {f"#{c.place}": c.title for c in self._columns}
        # What is missing has no cell: the column where it was expected.
        for at, _ in self._put:
            places.setdefault(f"/{at.field}", at.title)
        places.setdefault("/emails", places.get("/phones", ""))
        return [
            Finding(
                record.number,
                record.line,
                "invalid",
                fault.code,
                fault.detail,
                "" if (fault.pointer or "").startswith("#") else (fault.pointer or "")[1:],
                _column_of(places, fault.pointer or ""),
            )
            for fault in faults
        ]

    def duplicate(self, record: Record, code: str, name: str, detail: str) -> Finding:
        """The finding of a row whose `name` is taken."""
        column = self._title_of(name)
        return Finding(record.number, record.line, "duplicate", code, detail, name, column)

    def _title_of(self, name: str) -> str:
        return next(
            (c.title for c in self._columns if c.target is not None and c.target.field == name), ""
        )


def _column_of(places: Mapping[str, str], pointer: str) -> str:
    """The column behind a pointer, or behind the nearest place above it."""
    while pointer:
        if pointer in places:
            return places[pointer]
        pointer = pointer.rpartition("/")[0]
    return ""
