"""What goes for good: deleted files after their time, and bytes that no version owns."""

from functools import partial
from typing import Final
from uuid import UUID

from crm_api.core.access import OrganizationContext
from crm_api.core.db import Database
from crm_api.core.objects import ObjectStore
from crm_api.files import repository as sql
from crm_api.files.storing import remove_loose
from crm_api.kit.changes import lock_head, log_values, new_entry
from crm_api.operations.chores import routine
from crm_api.organizations.system import system_scope

BATCH: Final = 100
MAX_BATCHES: Final = 100
ON_ITS_WAY_SECONDS: Final = 3600
"""So long an upload may take from its last byte on: until then its bytes are not swept."""


def sweep_with(objects: ObjectStore, kept_days: int) -> None:
    """Have the worker of this process sweep."""
    routine("files_purged")(partial(purge_deleted, kept_days=kept_days))
    routine("bytes_swept")(partial(sweep_loose, objects=objects))


async def purge_deleted(db: Database, organization_id: UUID, *, kept_days: int) -> int:
    """Remove the rows of files that were deleted so long ago; their bytes are loose then."""
    done = 0
    for _ in range(MAX_BATCHES):
        async with db.transaction(organization_id):
            found = await _purge_some(db, organization_id, kept_days)
        done += found
        if found < BATCH:
            break
    return done


async def _purge_some(db: Database, organization_id: UUID, kept_days: int) -> int:
    # Nothing but the id is asked of the organization.
    context = OrganizationContext(organization_id, "", (), "UTC", None, "", 0)
    scope = system_scope(db, context, "admin", "files-purged")
    # First the lock, then the look: none of them may be restored meanwhile.
    await lock_head(db, scope.actor)
    asked = {"org": organization_id, "days": kept_days, "limit": BATCH}
    rows = await db.fetch(organization_id, sql.PURGEABLE, asked)
    if not rows:
        return 0
    entries = [
        new_entry(
            scope.actor,
            scope.context,
            resource="file",
            resource_id=row["id"],
            version=row["version"] + 1,
            action="file.purged",
            diff={"lifecycle": ("deleted", None)},
        )
        for row in rows
    ]
    values = {"org": organization_id, "ids": [row["id"] for row in rows]}
    await db.fetchrow(organization_id, sql.LOOSEN, values)
    await db.fetchrow(organization_id, sql.PURGE, values | log_values(entries))
    return len(rows)


async def sweep_loose(
    db: Database, organization_id: UUID, *, objects: ObjectStore, older: int = ON_ITS_WAY_SECONDS
) -> int:
    """Remove bytes that nobody owns, one after the other; what cannot be removed stays told of."""
    done = 0
    for _ in range(MAX_BATCHES):
        asked = {"org": organization_id, "seconds": older, "limit": BATCH}
        rows = await db.fetch(organization_id, sql.NEXT_LOOSE, asked)
        swept = [await remove_loose(db, organization_id, row["id"], objects) for row in rows]
        done += sum(swept)
        if not all(swept) or len(rows) < BATCH:
            break
    return done
