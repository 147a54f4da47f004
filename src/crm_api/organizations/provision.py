"""How an organization begins: its row, head, built-in roles and first catalogue entries."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from crm_api.catalogues.presets import PRESETS
from crm_api.catalogues.repository import ENSURE_ENTRIES
from crm_api.core.access import OrganizationContext
from crm_api.core.db import Database, UniqueClash
from crm_api.core.errors import Refusal
from crm_api.core.ids import new_id
from crm_api.identity.provision import add_builtin_roles
from crm_api.organizations import repository as sql
from crm_api.organizations.service import first_entries


async def provision_organization(  # noqa: PLR0913  # by name, as the columns of its row
    db: Database,
    *,
    slug: str,
    name: str,
    presets: Sequence[str],
    time_zone: str,
    currency: str,
    default_country: str | None = None,
    is_demo: bool = False,
    organization_id: UUID | None = None,
) -> UUID:
    """A new organization without people, in one transaction, as the application's role.

    The values are taken as they are: the command line has checked them.

    Raises:
        Refusal: `already_exists` for a slug that is taken.
        ValueError: no preset, or one that does not exist.
    """
    unknown = [key for key in presets if key not in PRESETS]
    if unknown or not presets:
        known = ", ".join(PRESETS)
        raise ValueError(f"presets are one or more of: {known}")
    organization_id = organization_id or new_id()
    org = {"org": organization_id}
    values = {
        "slug": slug,
        "name": name,
        "presets": list(presets),
        "time_zone": time_zone,
        "default_country": default_country,
        "currency": currency,
        "is_demo": is_demo,
    }
    async with db.transaction(organization_id):
        try:
            await db.fetchrow(organization_id, sql.ADD_ORGANIZATION, org | values)
        except UniqueClash:
            raise Refusal("already_exists", "There is an organization of this slug.") from None
        await db.fetchrow(organization_id, sql.ADD_HEAD, org)
        await add_builtin_roles(db, organization_id)
        rows = org | {"entry_rows": first_entries(presets)}
        await db.fetchrow(organization_id, ENSURE_ENTRIES, rows)
    return organization_id


async def find_organization(db: Database, slug: str) -> UUID | None:
    """The id of the organization with this slug."""
    row = await db.fetchrow(None, sql.FIND_ORGANIZATION, {"slug": slug})
    return None if row is None else row["id"]


async def list_organizations(db: Database) -> list[Any]:
    """`id`, `slug` and `is_demo` of every organization, by slug: for the command line."""
    return await db.fetch(None, sql.LIST_ORGANIZATIONS)


async def find_context(db: Database, slug: str) -> OrganizationContext | None:
    """What a job of the command line needs to know of the organization with this slug."""
    row = await db.fetchrow(None, sql.FIND_CONTEXT, {"slug": slug})
    if row is None:
        return None
    return OrganizationContext(
        row["id"],
        row["slug"],
        tuple(row["presets"]),
        row["time_zone"],
        row["default_country"],
        row["currency"],
        row["version"],
    )
