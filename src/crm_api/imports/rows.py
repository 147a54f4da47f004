"""Rows decided one by one: as a create or a patch would be; what is wrong is said by column.

Nothing is judged here that the API judges: a cell arrives there as it is written.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from crm_api.catalogues.service import Catalogues
from crm_api.clients.bulk import NewClient, decide_client
from crm_api.clients.bulk_changes import ClientChange, decide_change
from crm_api.clients.drafting import Draft
from crm_api.clients.schemas import Client
from crm_api.core.access import OrganizationContext
from crm_api.core.errors import Fault
from crm_api.core.formats.emails import parse_email
from crm_api.core.formats.phones import parse_phone
from crm_api.imports.bodies import Body, BodyMaker, as_new, as_present, site_over
from crm_api.imports.mapping import Column
from crm_api.imports.reading import BrokenRecord, Record
from crm_api.imports.targets import NUMBER
from crm_api.kit.fields import Write, mask_of
from crm_api.kit.scope import Scope
from crm_api.kit.service import Present

MatchBy = Literal["number", "email", "external_ref"]
Key = tuple[str, str | bytes | int]
"""What is unique: a kind (of a reference with its source) and a value."""
MAX_COUNTRIES: Final = 100
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Holder:
    """A stored record that holds a key: its number where it is a client's."""

    number: int | None
    lifecycle: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a row. No cell's content is in it."""

    row: int
    line: int
    outcome: str
    """`invalid`, `duplicate` or `skipped`."""
    code: str
    detail: str
    field: str = ""
    """Where in a create body, as a pointer without its first slash."""
    column: str = ""
    kind: str = ""
    """Of a duplicate: the kind of its key."""
    holder: Holder | None = None
    """Of a duplicate of a stored record: which. Not every reader of a report may know."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A row whose cells were read, and nothing decided yet."""

    record: Record
    body: Body
    match: Key | None = None
    """Which client it is about; None where its cell is empty, or nothing is matched."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row that may become a new client."""

    reading: Reading
    client: NewClient
    keys: Sequence[Key]
    """What must be unique of it."""


def keys_of(client: NewClient) -> list[Key]:
    """References first: who has the row's own is the row itself, imported before."""
    refs = client.draft.after.get("external_refs") or ()
    keys: list[Key] = [(f"reference:{ref['source']}", ref["id"]) for ref in refs]
    keys.append(("name", bytes.fromhex(client.row["identity_digest"])))
    keys += _keys_of_draft(client.draft)
    keys += [("contact_email", key) for key in client.people.email_keys]
    return keys


def keys_of_change(change: ClientChange) -> list[Key]:
    """What must be unique of a change; what was the client's own before is found to be so."""
    digest = change.digest
    names: list[Key] = [] if digest is None else [("name", digest)]
    return names + _keys_of_draft(change.draft)


def _keys_of_draft(draft: Draft) -> list[Key]:
    keys: list[Key] = [("email", key) for key in draft.email_keys]
    registration = draft.row.get("registration_key")
    return keys if registration is None else [*keys, ("registration", registration)]


class RowReader:
    """Decides rows one after another. Not for several threads at once."""

    def __init__(  # each keyword is one setting of the import
        self,
        scope: Scope,
        columns: Sequence[Column],
        known: Catalogues,
        *,
        source: str,
        default_country: str | None = None,
        match_by: MatchBy | None = None,
    ) -> None:
        self.scope = scope
        self._columns = columns
        self._match_by = match_by
        self._organization = scope.actor.organization
        self._country = default_country or self._organization.default_country
        self._by_country: dict[str | None, OrganizationContext] = {}
        # Industries are made as rows need them; what this file brings counts as known from then on.
        industries: dict[str, Any] = dict(known.industries)
        self._known = replace(known, industries=industries)
        self._maker = BodyMaker(columns, source, self._organization.currency, industries)
        self._numbered = next(
            (c for c in columns if c.target is not None and c.target.how == "match"), None
        )

    def decide(self, record: Record | BrokenRecord) -> Row | list[Finding]:
        """The row as a new client, or why it is none."""
        reading = self.read(record)
        return self.decide_new(reading) if isinstance(reading, Reading) else reading

    def read(self, record: Record | BrokenRecord) -> Reading | list[Finding]:
        """The body of a row, or why there is none."""
        if isinstance(record, BrokenRecord):
            number, line = record.number, record.line
            return [Finding(number, line, "invalid", record.code, record.detail)]
        if faults := self._unreadable(record):
            return self.findings(record, faults)
        body = self._maker.body(record.cells)
        try:
            match = self._match(record, body)
        except ValueError as error:
            return self.findings(record, [Fault("invalid_match", str(error), self._matching)])
        return Reading(record, body, match)

    def decide_new(self, reading: Reading) -> Row | list[Finding]:
        """The row as a new client; what only the system sets is left out."""
        body = self.new_body(reading)
        organization = self._organization_of(body)
        decided = decide_client(self.scope, body, organization, self._known)
        faults = reading.body.faults
        if isinstance(decided, NewClient) and not faults:
            return Row(reading, decided, keys_of(decided))
        more = [] if isinstance(decided, NewClient) else decided
        return self.findings(reading.record, [*faults, *more])

    def decide_change(
        self, reading: Reading, present: Present
    ) -> ClientChange | list[Finding] | None:
        """The row as a change of this client; None where it changes nothing."""
        body = self.change_body(reading, present.document)
        organization = self._organization_of(body)
        faults = [*reading.body.faults, *_moved_on(body, present.document)]
        decided: ClientChange | list[Fault] | None = None
        if not faults:
            decided = decide_change(self.scope, present, body, organization, self._known)
        faults += decided if isinstance(decided, list) else []
        if faults:
            return self.findings(reading.record, faults)
        return decided if isinstance(decided, ClientChange) else None

    def is_seen(self, reading: Reading, present: Present) -> bool:
        """Whether the importer reads all that the row would change."""
        hidden = reading.body.values.keys() - set(mask_of(Client, self.scope.actor.rights).read)
        return not hidden or not hidden & self.change_body(reading, present.document).keys()

    def new_industries(self, drafts: Iterable[Draft]) -> dict[str, str]:
        """Key → label of the industries that these clients need and that were not there."""
        labels = self._maker.new_industries
        used = dict.fromkeys(str(draft.after.get("industry")) for draft in drafts)
        return {key: labels[key] for key in used if key in labels}

    # ------------------------------------------------------------------ the body

    def new_body(self, reading: Reading) -> dict[str, Any]:
        """The body of a create."""
        added = reading.body.added
        body = {
            name: value if name in added else as_new(name, value)
            for name, value in reading.body.values.items()
            if Client.fields[name].rule.write & Write.ON_CREATE
        }
        if "sites" in added and "country_code" not in body["sites"][0] and self._country:
            first, *rest = body["sites"]
            body["sites"] = [first | {"country_code": self._country}, *rest]
        return body

    def change_body(self, reading: Reading, present: Mapping[str, Any]) -> dict[str, Any]:
        """The body of a patch: cells that name one of a list leave its other entries alone.

        Persons and references are made with new clients alone.
        """
        body = {
            name: value if name in reading.body.added else as_present(name, value, present[name])
            for name, value in reading.body.values.items()
        }
        for name in reading.body.added & body.keys():
            match name:
                case "emails" | "phones":
                    new = [item for item in body[name] if not self._holds(present, name, item)]
                    body[name] = [*present[name], *new]
                case "sites":
                    body[name] = site_over(body[name][0], present[name], self._country)
                case _:
                    del body[name]
        return body

    def _holds(self, present: Mapping[str, Any], name: str, text: str) -> bool:
        try:
            if name == "emails":
                key = parse_email(text).key
                return any(parse_email(item["address"]).key == key for item in present[name])
            phone = parse_phone(text, None, self._country)
        except ValueError:
            return False
        same = (phone.e164, phone.extension)
        return any((item["e164"], item["extension"]) == same for item in present[name])

    def _organization_of(self, body: Mapping[str, Any]) -> OrganizationContext:
        """The organization with the country in which the row's numbers are to be read."""
        country = _country_of(body) or self._country
        found = self._by_country.get(country)
        if found is None:
            found = replace(self._organization, default_country=country)
            if len(self._by_country) < MAX_COUNTRIES:
                self._by_country[country] = found
        return found

    # ----------------------------------------------------------------- which client

    @property
    def _matching(self) -> str:
        """Where a body holds what the clients are found by."""
        return {"email": "/emails", "external_ref": "/external_refs"}.get(
            self._match_by or "", "/number"
        )

    def _match(self, record: Record, body: Body) -> Key | None:
        """Raises ValueError for a cell that names no client in any way."""
        match self._match_by:
            case "number" if self._numbered is not None:
                return _numbered(record, self._numbered.place)
            case "email" if emails := body.values.get("emails"):
                first = emails[0]
                address = first.get("address") if isinstance(first, dict) else first
                return ("email", parse_email(str(address)).key)
            case "external_ref" if refs := body.values.get("external_refs"):
                if not isinstance(refs[0], dict):
                    raise ValueError("Write references as an export does.")  # noqa: TRY004  # a fault of content
                return (f"reference:{refs[0].get('source')}", str(refs[0].get("id")))
        return None

    def unmatched(self, reading: Reading) -> list[Finding]:
        """The findings of a row that is about no client."""
        detail = "The cell that says which client it is, is empty."
        if reading.match is not None:
            detail = "There is no client that this row is about."
        return self.findings(reading.record, [Fault("not_matched", detail, self._matching)])

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

    def findings(self, record: Record, faults: Sequence[Fault]) -> list[Finding]:
        """What is wrong, at its columns."""
        places: dict[str, str] = {}
        self._maker.body(record.cells, places)
        places |= {f"#{c.place}": c.title for c in self._columns}
        # What is missing has no cell: the column where it was expected.
        for at in self._maker.places:
            places.setdefault(f"/{at.root}", at.title)
        places.setdefault("/emails", places.get("/phones", ""))
        if self._numbered is not None:
            places.setdefault("/number", self._numbered.title)
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

    def title_of(self, name: str) -> str:
        """The first column that becomes this field."""
        return next(
            (c.title for c in self._columns if c.target is not None and c.target.field == name), ""
        )


def _numbered(record: Record, place: int) -> Key | None:
    cell = record.cells[place].strip() if place < len(record.cells) else ""
    if not cell:
        return None
    found = NUMBER.fullmatch(cell.upper())
    if found is None:
        raise ValueError("Write a client's number as C-000123.")
    return ("number", int(found[1]))


def _country_of(body: Mapping[str, Any]) -> str | None:
    """Of the first site, where the body says one; it may hold anything yet."""
    sites = body.get("sites")
    first = sites[0] if isinstance(sites, list) and sites else None
    country = first.get("country_code") if isinstance(first, dict) else None
    return country if isinstance(country, str) else None


def _moved_on(body: Mapping[str, Any], present: Mapping[str, Any]) -> list[Fault]:
    """An export holds the time of the last change: with another one it is out of date."""
    return [
        Fault(
            "version_conflict",
            "The client changed since it was exported; export it anew, or leave out this column.",
            pointer=f"/{name}",
        )
        for name, field in Client.fields.items()
        if field.rule.moves_with_all and name in body and body[name] != present[name]
    ]


def _column_of(places: Mapping[str, str], pointer: str) -> str:
    """The column behind a pointer, or behind the nearest place above it."""
    while pointer:
        if pointer in places:
            return places[pointer]
        pointer = pointer.rpartition("/")[0]
    return ""
