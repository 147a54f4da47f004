"""Rows of an import taken back: new clients go, changed ones become what they were."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Table

from crm_api.catalogues.service import known_entries
from crm_api.clients.bulk_changes import (
    ClientChange,
    decide_change,
    load_clients,
    reference_faults,
    update_clients,
)
from crm_api.clients.pairs import own_pairs
from crm_api.clients.purging import ACTION, purge_clients, uses
from crm_api.clients.repository import EMAILS, PHONES, SITES
from crm_api.clients.schemas import Client
from crm_api.clients.sites import site_rows
from crm_api.contacts.reach import Settled, stored_email_rows, stored_phone_rows
from crm_api.core.db import ReferenceBroken, UniqueClash
from crm_api.imports.bodies import as_new
from crm_api.imports.claims import find_holders
from crm_api.imports.rows import keys_of_change
from crm_api.kit.changes import lock_head
from crm_api.kit.scope import Scope
from crm_api.kit.service import Present

REASONED: Final = frozenset({"status", "stage"})
"""Fields whose change asks for a reason."""
DONE: Final = "done"
CHANGED, USED, GONE = "changed_since", "used_elsewhere", "gone"
IN_THE_WAY = "in_the_way"


async def revert_rows(scope: Scope, rows: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Row → `done`, or the code of why it stays; within a transaction, under the lock.

    Args:
        rows: `row`, `outcome`, `client_id`, `client_version`, `before`.
    """
    await lock_head(scope.db, scope.actor)
    presents = await load_clients(scope, [row["client_id"] for row in rows])
    found: dict[int, str] = {}
    made: dict[int, Present] = {}
    changed: dict[int, tuple[Present, Mapping[str, Any]]] = {}
    for row in rows:
        present = presents.get(row["client_id"])
        if present is None:
            found[row["row"]] = GONE
        elif present.version != row["client_version"]:
            found[row["row"]] = CHANGED
        elif row["outcome"] == "created":
            made[row["row"]] = present
        else:
            changed[row["row"]] = (present, json.loads(row["before"]))
    found |= await _purge(scope, made)
    for number, (present, before) in changed.items():
        found[number] = await _restore(scope, present, before)
    return found


async def _purge(scope: Scope, made: Mapping[int, Present]) -> dict[int, str]:
    used, persons = await uses(scope, [present.id for present in made.values()])
    going = {number: present for number, present in made.items() if present.id not in used}
    found = {number: DONE if number in going else USED for number in made}
    try:
        await purge_clients(scope, [*going.values()], persons)
    except ReferenceBroken:
        # Something that no declared key tells of: which client it is about, each tells by itself.
        for number, present in going.items():
            try:
                await purge_clients(scope, [present], persons)
            except ReferenceBroken:
                found[number] = USED
    return found


async def _restore(scope: Scope, present: Present, before: Mapping[str, Any]) -> str:
    """Give the client its former values, as far as whoever reverts may write them."""
    known = await known_entries(scope.db, scope.actor.organization)
    own = own_pairs(present.document["attributes"], {})
    document = {**present.document, "attributes": own}
    body = {name: _sent(name, value, document) for name, value in before.items()}
    for name in REASONED & body.keys():
        # Such a change asks for a reason, and this one is the change back.
        reason = f"{name}_reason"
        body[reason] = body.get(reason) or present.document[reason] or ACTION
    organization = scope.actor.organization
    decided = decide_change(scope, present, body, organization, known, typed=False)
    if decided is None:
        return DONE
    if isinstance(decided, list):
        return decided[0].code
    _make_exact(decided, before)
    if code := await _in_the_way(scope, decided):
        return code
    try:
        await update_clients(scope, [decided], ACTION)
    except UniqueClash:
        return IN_THE_WAY
    return DONE


def _sent(name: str, value: Any, document: Mapping[str, Any]) -> Any:
    """A former value as a patch takes it."""
    if Client.fields[name].rule.merges and isinstance(value, dict):
        # What came with the import has no former value.
        return dict.fromkeys(document[name]) | value
    return as_new(name, value)


def _make_exact(change: ClientChange, before: Mapping[str, Any]) -> None:
    """The values themselves, with ids and marks that no patch may set."""
    draft = change.draft
    for name in REASONED & before.keys():
        draft.after[f"{name}_reason"] = draft.before[f"{name}_reason"]
    draft.after |= before
    for name, (table, rows) in _ENTRIES.items():
        if name in before:
            draft.replaced[table] = rows(before[name], "client_id", change.present.id)


def _stored_sites(items: list[Any], _: str, client_id: UUID) -> list[Any]:
    return site_rows(Settled(items, [], []), client_id)


_ENTRIES: Final[Mapping[str, tuple[Table, Any]]] = {
    "emails": (EMAILS, stored_email_rows),
    "phones": (PHONES, stored_phone_rows),
    "sites": (SITES, _stored_sites),
}


async def _in_the_way(scope: Scope, change: ClientChange) -> str:
    """Somebody took the former name or address meanwhile, or what it refers to is gone."""
    keys = keys_of_change(change)
    found = await find_holders(scope, keys)
    if any(found[key].client_id != change.present.id for key in keys if key in found):
        return IN_THE_WAY
    faults = await reference_faults(scope, change.draft)
    return faults[0].code if faults else ""
