"""Clients that go for good, with all that is theirs: what an import made is taken back so.

Their numbers are never used again, and the log keeps their entries.
"""

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Final
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam

from crm_api.clients.lookups import used_clients, used_persons
from crm_api.clients.repository import CHILDREN, CLIENT_SEARCH, CLIENTS, CONTACTS
from crm_api.contacts.repository import CONTACT_SEARCH, EMAILS, PHONES
from crm_api.core.db import Statement
from crm_api.kit.changes import Entry, log_values, new_entry
from crm_api.kit.purging import removal
from crm_api.kit.reading import IDS
from crm_api.kit.scope import Scope
from crm_api.kit.service import Present

ACTION: Final = "import_reverted"
_PERSONS: Final = bindparam("persons", type_=ARRAY(Uuid()))


async def uses(scope: Scope, ids: Collection[UUID]) -> tuple[set[UUID], dict[UUID, list[UUID]]]:
    """Which of these clients cannot go, as they or their persons are used; the others' persons."""
    org = scope.actor.organization_id
    bound = {"org": org, "ids": list(ids)}
    used = {row["id"] for row in await scope.db.fetch(org, used_clients(), bound)}
    persons: dict[UUID, list[UUID]] = {}
    for row in await scope.db.fetch(org, used_persons(), bound):
        if row["used"]:
            used.add(row["client_id"])
        persons.setdefault(row["client_id"], []).append(row["id"])
    return used, persons


@lru_cache(maxsize=1)
def _purge() -> Statement:
    return removal(
        [
            *((child, "client_id", IDS) for child in (*CHILDREN, CLIENT_SEARCH)),
            *((child, "contact_id", _PERSONS) for child in (EMAILS, PHONES, CONTACT_SEARCH)),
            (CLIENTS, "id", IDS),
            (CONTACTS, "id", _PERSONS),
        ]
    )


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
