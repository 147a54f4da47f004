"""What files hang on, one line for each: a record that exists only for who may open it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Uuid,
    bindparam,
    cast,
    exists,
    literal,
    null,
    or_,
    select,
)

from crm_api.clients.repository import CLIENT_SHAPE, CLIENTS
from crm_api.clients.repository import open_lifecycles as open_clients
from crm_api.communications.repository import COMMUNICATION_SHAPE
from crm_api.communications.repository import open_lifecycles as open_communications
from crm_api.contacts.repository import CONTACT_SHAPE
from crm_api.contacts.repository import open_lifecycles as open_contacts
from crm_api.core.access import Rights
from crm_api.core.db import Statement
from crm_api.kit.guard import ORG, GuardKind, guard, guard_kind, guard_values, require_ok
from crm_api.kit.projection import Shape, words
from crm_api.kit.scope import Scope

_THIS: Final = bindparam("id", type_=Uuid())


@dataclass(frozen=True, eq=False)
class Place:
    """A kind of record on which files hang; the table of files has a column `<name>_id` for it."""

    shape: Shape
    lifecycles: Callable[[Rights], list[str]]
    client: Callable[[FromClause], ColumnElement[Any]]
    """The client to which what hangs there belongs, where there is one."""
    group: str | None = None
    """The group that must be read besides the one of the file's kind."""

    @property
    def name(self) -> str:
        return self.shape.resource.singular

    @property
    def column(self) -> str:
        return f"{self.name}_id"

    @property
    def needs(self) -> str | None:
        """The right to read what is there, as a scope."""
        return f"{self.shape.resource.resource}.{self.group}:read" if self.group else None

    def reads(self, rights: Rights) -> bool:
        return not self.group or rights.can(self.shape.resource.resource, "read", self.group)

    def seen(self, rights: Rights) -> list[str]:
        """The lifecycles in which files that hang there exist; none where it is not read."""
        return self.lifecycles(rights) if self.reads(rights) else []


PLACES: Final = (
    Place(CLIENT_SHAPE, open_clients, lambda rows: rows.c.id),
    # Whom a person serves is told to readers of the client's `reach` alone.
    Place(CONTACT_SHAPE, open_contacts, lambda _: cast(null(), Uuid), "person"),
    Place(COMMUNICATION_SHAPE, open_communications, lambda rows: rows.c.client_id, "communication"),
)


def _opened(place: Place, rows: FromClause, rights: Rights) -> list[ColumnElement[bool]]:
    """That a record of the place exists for who has these rights."""
    found = [
        rows.c.organization_id == ORG,
        rows.c.lifecycle.in_(words(*place.lifecycles(rights))),
    ]
    return [*found, *([place.shape.open_to(rows, rights)] if place.shape.open_to else [])]


def with_open_places(files: FromClause, rights: Rights) -> ColumnElement[bool]:
    """That all that a file hangs on may be opened and read: else the file does not exist."""
    found: ColumnElement[bool] = literal(value=True)
    for place in PLACES:
        column, rows = files.c[place.column], place.shape.table.alias(f"of_{place.name}")
        here: ColumnElement[bool] = column.is_(None)
        if place.reads(rights):
            there = select(literal(1)).where(*_opened(place, rows, rights), rows.c.id == column)
            here = or_(here, exists(there.correlate(files)))
        found = found & here
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """A record to which a file is to be added, as it is now."""

    lifecycle: str
    client_id: UUID | None
    client_lifecycle: str | None


@lru_cache(maxsize=256)
def _standing(place: Place, rights: Rights, kind: GuardKind) -> Statement:
    rows, clients = place.shape.table.alias("place"), CLIENTS.alias("its")
    found = (
        select(rows.c.lifecycle, place.client(rows).label("client_id"))
        .where(*_opened(place, rows, rights), rows.c.id == _THIS)
        .subquery("found")
    )
    client = (
        select(clients.c.lifecycle)
        .where(clients.c.organization_id == ORG, clients.c.id == found.c.client_id)
        .correlate(found)
        .scalar_subquery()
    )
    one = select(guard(kind).label("ok")).subquery("one")
    joined = one.outerjoin(found, literal(value=True))
    return Statement(
        select(one.c.ok, *found.c, client.label("client_lifecycle")).select_from(joined)
    )


async def standing_of(scope: Scope, place: Place, row_id: UUID) -> Standing | None:
    """None where the caller may not open the record."""
    actor = scope.actor
    statement = _standing(place, actor.rights, guard_kind(actor))
    values = guard_values(actor) | {"id": row_id}
    row = await scope.db.fetchrow(actor.organization_id, statement, values)
    require_ok(row)
    scope.verified = True
    if row["lifecycle"] is None:
        return None
    return Standing(row["lifecycle"], row["client_id"], row["client_lifecycle"])
