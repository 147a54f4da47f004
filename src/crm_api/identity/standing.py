"""Who started long work, as it may act now: whether or not it is still signed in."""

from uuid import UUID

from crm_api.core.access import Actor
from crm_api.core.db import Database
from crm_api.identity import statements as sql
from crm_api.identity.principals import key_actor, standing_member


async def standing_actor(
    db: Database, organization_id: UUID, kind: str, principal_id: UUID
) -> Actor | None:
    """The user or API key with its rights of this moment.

    None where it may not act any more: the member is disabled, the key revoked or expired.
    """
    statement, build = (
        (sql.MEMBER_PRINCIPAL, standing_member)
        if kind == "user"
        else (sql.KEY_PRINCIPAL, key_actor)
    )
    values = {"org": organization_id, "id": principal_id}
    row = await db.fetchrow(organization_id, statement, values)
    return None if row is None else build(row)
