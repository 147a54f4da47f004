"""Many new clients: each decided as a create decides it, all written in one statement."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel, ValidationError
from sqlalchemy import Table

from crm_api.catalogues.service import Catalogues
from crm_api.clients.creating import check_reach, client_entries, client_row, draft_client
from crm_api.clients.drafting import Draft, derive
from crm_api.clients.lookups import rename_people, tag_entries
from crm_api.clients.pairs import with_pairs
from crm_api.clients.people import NewPeople, new_people
from crm_api.clients.repository import CLIENTS, LINKS, TAGS
from crm_api.clients.rules import check_pairs
from crm_api.clients.schemas import Client
from crm_api.core.access import OrganizationContext
from crm_api.core.errors import Fault
from crm_api.core.faults import faults_of
from crm_api.core.jsonbody import Incoming
from crm_api.kit.bulk import Bulk, insert_many
from crm_api.kit.changes import Entry
from crm_api.kit.deciding import Sifted, sift
from crm_api.kit.fields import Write
from crm_api.kit.schemas import Create
from crm_api.kit.scope import Scope

_BODY: Final = Create[Client]


@dataclass(frozen=True, slots=True)
class NewClient:
    """A client that may be written, if what it refers to is there and nobody holds its name."""

    draft: Draft
    people: NewPeople
    row: Mapping[str, Any]
    entries: Sequence[Entry]


def decide_client(
    scope: Scope, body: dict[str, Any], organization: OrganizationContext, known: Catalogues
) -> NewClient | list[Fault]:
    """The client of a create body, or every fault of it. Knows no other row.

    Args:
        organization: the actor's own, or with another default country.
    """
    defaults = {"type": known.default_type}
    incoming = with_pairs(read_body(_BODY, body), _BODY, {})
    sifted = sift(scope, Client, incoming, Write.ON_CREATE, free_defaults=defaults)
    check_pairs(sifted, incoming.raw)
    people = new_people(sifted)
    draft = draft_client(sifted.values, people, organization, known)
    check_reach(draft, people, sifted.faults)
    faults = [*forbidden_faults(sifted), *_of_people(scope, people), *sifted.faults, *draft.faults]
    if faults:
        return [sifted.placed(fault) for fault in faults]
    derive(draft, organization, contact_reach=people.has_reach, primary=people.primary_link_id)
    row = client_row(draft, people)
    return NewClient(draft, people, row, client_entries(scope, draft, people))


def read_body(model: type[BaseModel], body: dict[str, Any]) -> Incoming[Any]:
    """The body as the wire would have brought it."""
    try:
        value = model.__pydantic_validator__.validate_json(json.dumps(body), strict=True)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return Incoming(body, None, faults_of(details, body))
    return Incoming(body, value, ())


def forbidden_faults(sifted: Sifted) -> list[Fault]:
    """What a request would be refused for as a whole: fields that the role may not write."""
    detail = "The importer may not write this field."
    return [Fault("field_not_writable", detail, pointer=f"/{n}") for n in sifted.forbidden]


def _of_people(scope: Scope, people: NewPeople) -> list[Fault]:
    """Persons of one's own only: who is stored already is linked by a request."""
    faults = [
        Fault("unknown_contact", "Name new persons; link stored ones one by one.", f"/contacts/{n}")
        for n, entry in enumerate(people.entries_in)
        if entry.contact_id is not None
    ]
    if missing := people.missing_rights(scope):
        detail = f"This role lacks {', '.join(missing)}."
        faults.append(Fault("field_not_writable", detail, pointer="/contacts"))
    return faults


async def insert_clients(scope: Scope, clients: Sequence[NewClient]) -> None:
    """Write them in this order, or none of them.

    Raises:
        UniqueClash, LockTimedOut, ReferenceBroken: as PostgreSQL found them.
    """
    others: dict[Table, list[Mapping[str, Any]]] = {}
    for client in clients:
        for table, rows in (*client.draft.replaced.items(), *client.people.rows.items()):
            others.setdefault(table, []).extend(rows)
        others.setdefault(LINKS, []).extend(client.people.links)
    bulk = Bulk(
        CLIENTS,
        rows=[client.row for client in clients],
        entries=[entry for client in clients for entry in client.entries],
        others=others,
        ensured=tag_entries([dict(row) for row in others.get(TAGS, ())]),
    )
    known = {person for client in clients for person in client.people.linked_ids}
    if not known:
        await insert_many(scope.db, scope.actor, bulk)
        return
    # The names of persons who were there before are not at hand.
    async with scope.db.transaction(scope.actor.organization_id):
        await insert_many(scope.db, scope.actor, bulk)
        await rename_people(scope, known)
