"""Whether the store holds what the rows tell of: `crm-api verify`, and what a restore proves."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from crm_api.core.db import Database
from crm_api.core.objects import MissingObject, ObjectStore
from crm_api.files import repository as sql
from crm_api.files.storing import object_key


@dataclass(frozen=True, slots=True)
class FilesReport:
    """What one organization's versions come to."""

    versions: int
    findings: Sequence[str]
    """What is missing or shorter than it was, and a count that is not what is there."""
    unowned: int
    """Objects of which no row tells: they harm nobody."""


async def check_files(db: Database, organization_id: UUID, objects: ObjectStore) -> FilesReport:
    """Hold every version against the store, by its length; servers may go on.

    Raises:
        StoreError: the store does not answer.
    """
    org = {"org": organization_id}
    # The store first: what comes meanwhile is asked for by itself.
    sizes = await objects.sizes(str(organization_id))
    owned = {
        object_key(organization_id, row["object_id"]): row["size_bytes"]
        for row in await db.fetch(organization_id, sql.OWNED, org)
    }
    loose = {
        object_key(organization_id, row["id"])
        for row in await db.fetch(organization_id, sql.LOOSE_ONES, org)
    }
    findings = [
        f"{key}: its {size} bytes are not in the store"
        for key, size in owned.items()
        if sizes.get(key) != size and not await _is_there(objects, key, size)
    ]
    used = await db.fetchrow(organization_id, sql.USED, org)
    if used["counted"] != used["stored"]:
        findings.append(f"{used['counted']} bytes are counted, {used['stored']} are told of")
    return FilesReport(len(owned), findings, len(sizes.keys() - owned.keys() - loose))


async def _is_there(objects: ObjectStore, key: str, size: int) -> bool:
    try:
        await objects.read(key, 0, size)
    except MissingObject:
        return False
    return size > 0
