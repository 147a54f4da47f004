"""What must be unique about a row, and who has it already: another row, or a stored record."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from crm_api.clients.conflicts import INACTIVE, visible_lifecycles
from crm_api.core.db import Statement
from crm_api.imports import repository as sql
from crm_api.imports.rows import Key, Row
from crm_api.kit.scope import Scope

FIELDS: Final[Mapping[str, str]] = {
    "reference": "external_refs",
    "name": "name",
    "email": "emails",
    "registration": "registration_number",
    "contact_email": "contacts",
}
CODES: Final[Mapping[str, str]] = {
    "reference": "reference_in_use",
    "name": "duplicate_name",
    "email": "email_in_use",
    "registration": "registration_number_in_use",
    "contact_email": "email_in_use",
}
_HAS: Final[Mapping[str, str]] = {
    "reference": "has this reference: it was imported before",
    "name": "has this name",
    "email": "has this e-mail address",
    "registration": "has this registration number",
    "contact_email": "has a contact with this e-mail address",
}


@dataclass(frozen=True, slots=True)
class Holder:
    """A stored record: its number where it is a client's that the importer may open."""

    number: int | None
    lifecycle: str


@dataclass(frozen=True, slots=True)
class Clash:
    """A claim that is taken."""

    kind: str
    code: str
    detail: str

    @property
    def field(self) -> str:
        return FIELDS[self.kind]


@dataclass(slots=True)
class Claims:
    """What the rows of one file have taken so far: key → row."""

    rows: dict[Key, int] = field(default_factory=dict)

    def clashes(
        self, row: Row, pending: Mapping[Key, int], holders: Mapping[Key, Holder]
    ) -> list[Clash]:
        """Everything of the row that is taken; a known reference alone says enough."""
        found: list[Clash] = []
        for key in row.keys:
            kind = key[0].partition(":")[0]
            earlier = self.rows.get(key, pending.get(key))
            if earlier is not None:
                found.append(Clash(kind, CODES[kind], f"Row {earlier} of this file {_HAS[kind]}."))
            elif key in holders:
                found.append(_held(kind, holders[key]))
            if found and kind == "reference":
                break
        return found


def _held(kind: str, holder: Holder) -> Clash:
    code = CODES[kind]
    if kind == "email" and holder.lifecycle in INACTIVE:
        code = "email_in_use_inactive"
    if holder.number is None:
        return Clash(kind, code, f"A record that is {holder.lifecycle} {_HAS[kind]}.")
    state = "" if holder.lifecycle == "live" else f", which is {holder.lifecycle},"
    return Clash(kind, code, f"Client C-{holder.number:06d}{state} {_HAS[kind]}.")


# ---------------------------------------------------------------- the stored ones


async def find_holders(scope: Scope, rows: Iterable[Row]) -> dict[Key, Holder]:
    """Who has what these rows want, among the stored records: one look-up for each kind."""
    wanted: dict[str, list[Any]] = {}
    for row in rows:
        for kind, value in row.keys:
            wanted.setdefault(kind, []).append(value)
    found: dict[Key, Holder] = {}
    for kind, values in wanted.items():
        statement, bound = _look_up(kind, values)
        bound["org"] = scope.actor.organization_id
        for hit in await scope.db.fetch(scope.actor.organization_id, statement, bound):
            found[kind, hit["key"]] = _holder(scope, hit)
    return found


def _look_up(kind: str, values: Sequence[Any]) -> tuple[Statement, dict[str, Any]]:
    if kind == "name":
        return sql.NAMES, {"digests": values}
    if kind.startswith("reference:"):
        return sql.REFERENCES, {"keys": values, "source": kind.partition(":")[2]}
    statements = {
        "email": sql.EMAILS,
        "registration": sql.REGISTRATIONS,
        "contact_email": sql.CONTACT_EMAILS,
    }
    return statements[kind], {"keys": values}


def _holder(scope: Scope, hit: Mapping[str, Any]) -> Holder:
    visible = hit["lifecycle"] in visible_lifecycles(scope)
    return Holder(hit.get("number") if visible else None, hit["lifecycle"])
