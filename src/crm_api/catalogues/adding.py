"""Catalogue entries that come with other records, such as the industries of an import, and go."""

import json
from collections.abc import Collection, Mapping
from typing import Final

from crm_api.catalogues import repository as sql
from crm_api.catalogues.schemas import Catalogue, CatalogueEntry
from crm_api.kit.changes import append, lock_head, new_entry
from crm_api.kit.scope import Scope

LAST_POSITION: Final = 100_000
FIRST: Final = 1
"""The version of an entry that was made and never changed."""
SHOWN: Final = ("key", "label", "position")


async def add_entries(scope: Scope, catalogue: Catalogue, labels: Mapping[str, str]) -> list[str]:
    """Make the entries (key → label) that are not there, at the end; answers the keys made.

    A catalogue that is looked up by caches, which all are but the tags, tells them by the
    organization's version. Who may do this is decided by the caller.
    """
    org = scope.actor.organization_id
    values = {"org": org, "catalogue": catalogue}
    async with scope.db.transaction(org):
        await lock_head(scope.db, scope.actor)
        present = await scope.db.fetch(org, sql.KEYS, values)
        known = {row["key"] for row in present}
        added = {key: label for key, label in labels.items() if key not in known}
        if not added:
            return []
        first = (await scope.db.fetchrow(org, sql.NEXT_POSITION, values))["position"]
        rows = [
            {
                "catalogue": catalogue,
                "key": key,
                "label": label,
                "position": min(first + place, LAST_POSITION),
                "data": {},
            }
            for place, (key, label) in enumerate(added.items())
        ]
        entries = {"org": org, "entry_rows": json.dumps(rows)}
        await scope.db.fetchrow(org, sql.ENSURE_ENTRIES, entries)
        await scope.db.fetchrow(org, sql.MOVE_VERSION, values)
        log = [
            new_entry(
                scope.actor,
                scope.context,
                resource=CatalogueEntry.singular,
                resource_id=sql.entry_id(org, catalogue, row["key"]),
                version=FIRST,
                action=f"{CatalogueEntry.singular}.created",
                diff={name: (None, row[name]) for name in SHOWN},
            )
            for row in rows
        ]
        await append(scope.db, scope.actor, log)
    return list(added)


async def remove_unused(scope: Scope, catalogue: Catalogue, keys: Collection[str]) -> set[str]:
    """Remove of these entries those that nobody has, and nobody changed; answers their keys.

    Who may do this is decided by the caller.
    """
    if not keys:
        return set()
    org = scope.actor.organization_id
    async with scope.db.transaction(org):
        await lock_head(scope.db, scope.actor)
        bound = {"org": org, "catalogue": catalogue, "keys": list(keys)}
        gone = await scope.db.fetch(org, sql.removal_of_unused(catalogue), bound)
        if not gone:
            return set()
        await scope.db.fetchrow(org, sql.MOVE_VERSION, {"org": org})
        log = [
            new_entry(
                scope.actor,
                scope.context,
                resource=CatalogueEntry.singular,
                resource_id=sql.entry_id(org, catalogue, row["key"]),
                version=FIRST + 1,
                action=f"{CatalogueEntry.singular}.deleted",
                diff={name: (row[name], None) for name in SHOWN},
            )
            for row in gone
        ]
        await append(scope.db, scope.actor, log)
    return {row["key"] for row in gone}
