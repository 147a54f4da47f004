"""What must be unique about a row, and who has it already: another row, or a stored record."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from crm_api.clients.conflicts import INACTIVE
from crm_api.clients.repository import open_lifecycles
from crm_api.clients.schemas import Client
from crm_api.core.db import Statement
from crm_api.imports import lookups as sql
from crm_api.imports.rows import Holder, Key
from crm_api.kit.fields import mask_of
from crm_api.kit.scope import Scope

FIELDS: Final[Mapping[str, str]] = {
    "reference": "external_refs",
    "name": "name",
    "email": "emails",
    "registration": "registration_number",
    "contact_email": "contacts",
    "client": "number",
}
CODES: Final[Mapping[str, str]] = {
    "reference": "reference_in_use",
    "name": "duplicate_name",
    "email": "email_in_use",
    "registration": "registration_number_in_use",
    "contact_email": "email_in_use",
    "client": "repeated_client",
}
_HAS: Final[Mapping[str, str]] = {
    "reference": "has this reference: it was imported before",
    "name": "has this name",
    "email": "has this e-mail address",
    "registration": "has this registration number",
    "contact_email": "has a contact with this e-mail address",
    "client": "is about the same client",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A stored record that holds a key; of a contact there is no client."""

    client_id: UUID | None
    holder: Holder


@dataclass(frozen=True, slots=True)
class Clash:
    """A claim that is taken: by an earlier row, or by a stored record."""

    kind: str
    row: int | None
    found: Found | None

    @property
    def field(self) -> str:
        return FIELDS[self.kind]

    @property
    def code(self) -> str:
        inactive = self.found is not None and self.found.holder.lifecycle in INACTIVE
        return "email_in_use_inactive" if self.kind == "email" and inactive else CODES[self.kind]

    def is_readable(self, scope: Scope, kind: str) -> bool:
        """Whether its holder may be chosen: by nothing that the importer could not ask for.

        Args:
            kind: of the client that wants the key.
        """
        made_of = {self.field}
        if self.kind == "name" and kind == "individual":
            made_of |= {"emails", "phones"}
        return made_of <= set(mask_of(Client, scope.actor.rights).read)

    def detail(self, scope: Scope) -> str:
        """What may be said of it to whom it concerns."""
        if self.found is None:
            return f"Row {self.row} of this file {_HAS[self.kind]}."
        return told(scope, self.kind, self.found.holder)


def told(scope: Scope, kind: str, holder: Holder) -> str:
    """Who holds a key, as far as the reader may know."""
    if kind == "contact_email":
        return "Another contact has this e-mail address."
    if holder.lifecycle not in open_lifecycles(scope.actor.rights):
        return f"A record that is not visible to you {_HAS[kind]}."
    live = holder.lifecycle == "live"
    if holder.number is None or "number" not in mask_of(Client, scope.actor.rights).read:
        return (
            f"{'Another client' if live else f'A client that is {holder.lifecycle}'} {_HAS[kind]}."
        )
    state = "" if live else f", which is {holder.lifecycle},"
    return f"Client C-{holder.number:06d}{state} {_HAS[kind]}."


@dataclass(slots=True)
class Claims:
    """What the rows of one file have taken so far: key → row."""

    rows: dict[Key, int] = field(default_factory=dict)

    def clashes(
        self,
        keys: Iterable[Key],
        pending: Mapping[Key, int],
        found: Mapping[Key, Found],
        own: UUID | None = None,
    ) -> list[Clash]:
        """All of the keys that are taken; a known reference alone says enough.

        Args:
            pending: what earlier rows of the same step take.
            own: the client that the row is about, which may keep what it has.
        """
        clashes: list[Clash] = []
        for key in keys:
            kind = key[0].partition(":")[0]
            earlier = self.rows.get(key, pending.get(key))
            if earlier is not None:
                clashes.append(Clash(kind, earlier, None))
            elif key in found and (own is None or found[key].client_id != own):
                clashes.append(Clash(kind, None, found[key]))
            if clashes and kind == "reference":
                break
        return clashes


# ---------------------------------------------------------------- the stored ones


async def find_holders(scope: Scope, keys: Iterable[Key]) -> dict[Key, Found]:
    """Who has these among the stored records: one look-up for each kind."""
    wanted: dict[str, list[Any]] = {}
    for kind, value in keys:
        wanted.setdefault(kind, []).append(value)
    found: dict[Key, Found] = {}
    for kind, values in wanted.items():
        statement, bound = _look_up(kind, values)
        bound["org"] = scope.actor.organization_id
        for hit in await scope.db.fetch(scope.actor.organization_id, statement, bound):
            holder = Holder(hit.get("number"), hit["lifecycle"])
            found[kind, hit["key"]] = Found(hit.get("id"), holder)
    return found


def _look_up(kind: str, values: Sequence[Any]) -> tuple[Statement, dict[str, Any]]:
    if kind == "name":
        return sql.NAMES, {"digests": values}
    if kind == "number":
        return sql.NUMBERS, {"numbers": values}
    if kind.startswith("reference:"):
        return sql.REFERENCES, {"keys": values, "source": kind.partition(":")[2]}
    statements = {
        "email": sql.EMAILS,
        "registration": sql.REGISTRATIONS,
        "contact_email": sql.CONTACT_EMAILS,
    }
    return statements[kind], {"keys": values}
