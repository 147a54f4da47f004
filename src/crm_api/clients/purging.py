"""Clients that go for good, with all that is theirs: what an import made is taken back so.

Their numbers are never used again, and the log keeps their entries.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Table,
    Uuid,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
)

from crm_api.clients.repository import CHILDREN, CLIENTS, CONTACTS, LINKS
from crm_api.contacts.repository import EMAILS, PHONES
from crm_api.core.db import Statement
from crm_api.kit.changes import Entry, head_step, log_step, log_values, new_entry
from crm_api.kit.guard import ORG
from crm_api.kit.reading import IDS
from crm_api.kit.scope import Scope
from crm_api.kit.service import Present
from crm_api.models import metadata

ACTION: Final = "import_reverted"
_PERSONS: Final = bindparam("persons", type_=ARRAY(Uuid()))
_OF_PERSONS: Final = (EMAILS, PHONES)


def _references(target: Table, own: Collection[Table]) -> Iterator[tuple[Table, str]]:
    """Table and column of whatever else may point to a row of this one."""
    for table in metadata.sorted_tables:
        for key in table.foreign_key_constraints:
            if key.referred_table is target and table not in own:
                yield table, key.column_keys[-1]


def _referred(target: Table, own: Collection[Table]) -> ColumnElement[bool]:
    found = []
    for table, column in _references(target, own):
        rows = table.alias()
        found.append(
            exists(
                select(literal(1)).where(
                    rows.c.organization_id == ORG, rows.c[column] == target.c.id
                )
            ).correlate(target)
        )
    return or_(*found)


_elsewhere = LINKS.alias("elsewhere")


@lru_cache(maxsize=1)
def _uses() -> tuple[Statement, Statement]:
    """Which clients something else refers to; their persons, and which of them are used elsewhere.

    Built when it is first asked: only then are all tables declared.
    """
    clients = select(CLIENTS.c.id).where(
        CLIENTS.c.organization_id == ORG,
        CLIENTS.c.id == func.any(IDS),
        _referred(CLIENTS, (*CHILDREN,)),
    )
    linked = exists(
        select(literal(1)).where(
            _elsewhere.c.organization_id == ORG,
            _elsewhere.c.contact_id == CONTACTS.c.id,
            _elsewhere.c.client_id != LINKS.c.client_id,
        )
    )
    used = or_(
        CONTACTS.c.version != 1,
        CONTACTS.c.lifecycle != "live",
        linked.correlate(CONTACTS, LINKS),
        _referred(CONTACTS, (*_OF_PERSONS, LINKS)),
    )
    persons = (
        select(LINKS.c.client_id, CONTACTS.c.id, used.label("used"))
        .join_from(
            LINKS,
            CONTACTS,
            and_(CONTACTS.c.organization_id == ORG, CONTACTS.c.id == LINKS.c.contact_id),
        )
        .where(LINKS.c.organization_id == ORG, LINKS.c.client_id == func.any(IDS))
    )
    return Statement(clients), Statement(persons)


async def uses(scope: Scope, ids: Collection[UUID]) -> tuple[set[UUID], dict[UUID, list[UUID]]]:
    """Which of these clients cannot go, as they or their persons are used; the others' persons."""
    org = scope.actor.organization_id
    of_clients, of_persons = _uses()
    bound = {"org": org, "ids": list(ids)}
    used = {row["id"] for row in await scope.db.fetch(org, of_clients, bound)}
    persons: dict[UUID, list[UUID]] = {}
    for row in await scope.db.fetch(org, of_persons, bound):
        if row["used"]:
            used.add(row["client_id"])
        persons.setdefault(row["client_id"], []).append(row["id"])
    return used, persons


@lru_cache(maxsize=1)
def _purge() -> Statement:
    head = head_step()
    there = exists(select(head.c.first))
    gone = [
        delete(table)
        .where(table.c.organization_id == ORG, table.c[column] == func.any(ids), there)
        .returning(table.c.organization_id)
        .cte(f"{table.name}_gone")
        for table, column, ids in (
            *((child, "client_id", IDS) for child in CHILDREN),
            *((child, "contact_id", _PERSONS) for child in _OF_PERSONS),
            (CLIENTS, "id", IDS),
            (CONTACTS, "id", _PERSONS),
        )
    ]
    return Statement(select(head.c.first).add_cte(*gone, log_step(head)))


async def purge_clients(
    scope: Scope, clients: Collection[Present], persons: Mapping[UUID, Iterable[UUID]]
) -> None:
    """Remove them and these persons of theirs; within a transaction.

    Raises:
        ReferenceBroken: something refers to one of them all the same.
    """
    if not clients:
        return
    entries: list[Entry] = []
    people: list[UUID] = []
    for present in clients:
        for person in persons.get(present.id, ()):
            people.append(person)
            entries.append(_entry(scope, "contact", person, 2))
        entries.append(_entry(scope, "client", present.id, present.version + 1))
    org = scope.actor.organization_id
    values = log_values(entries) | {
        "org": org,
        "ids": [present.id for present in clients],
        "persons": people,
    }
    async with scope.db.savepoint():
        await scope.db.fetchrow(org, _purge(), values)


def _entry(scope: Scope, singular: str, row_id: UUID, version: int) -> Entry:
    return new_entry(
        scope.actor,
        scope.context,
        resource=singular,
        resource_id=row_id,
        version=version,
        action=f"{singular}.{ACTION}",
        diff={"lifecycle": ("live", None)},
    )
