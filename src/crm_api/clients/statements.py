"""What the slices above ask of a client before they hang a row on it: is it there, is it live."""

from functools import lru_cache
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, Uuid, bindparam, exists, literal, select

from crm_api.clients.repository import CLIENTS, open_lifecycles
from crm_api.core.access import Rights
from crm_api.core.db import Statement
from crm_api.kit.guard import ORG, GuardKind, guard, guard_kind, guard_values, require_ok
from crm_api.kit.projection import words
from crm_api.kit.scope import Scope


def opened(clients: FromClause, rights: Rights) -> list[ColumnElement[bool]]:
    """That the clients are of this organization, and may be opened with these rights."""
    return [
        clients.c.organization_id == ORG,
        clients.c.lifecycle.in_(words(*open_lifecycles(rights))),
    ]


def with_open_client(rows: FromClause, rights: Rights) -> ColumnElement[bool]:
    """That a row's client may be opened: for who may not, the row does not exist."""
    clients = CLIENTS.alias("of_row")
    there = select(literal(1)).where(*opened(clients, rights), clients.c.id == rows.c.client_id)
    return exists(there.correlate(rows))


@lru_cache(maxsize=256)
def _standing(rights: Rights, kind: GuardKind) -> Statement:
    lifecycle = select(CLIENTS.c.lifecycle).where(
        *opened(CLIENTS, rights), CLIENTS.c.id == bindparam("id", type_=Uuid())
    )
    return Statement(
        select(guard(kind).label("ok"), lifecycle.scalar_subquery().label("lifecycle"))
    )


async def standing_of(scope: Scope, client_id: UUID) -> str | None:
    """The lifecycle of a client; None where the caller may not open it."""
    actor = scope.actor
    values = guard_values(actor) | {"id": client_id}
    statement = _standing(actor.rights, guard_kind(actor))
    row = await scope.db.fetchrow(actor.organization_id, statement, values)
    require_ok(row)
    scope.verified = True
    return None if row["lifecycle"] is None else str(row["lifecycle"])
