"""The system as an actor: imports, first data and jobs write under the rights of a role."""

import secrets

from crm_api.core.access import Actor, RequestContext, Stamps
from crm_api.core.db import Database
from crm_api.core.ids import new_id
from crm_api.core.sealing import Sealer
from crm_api.identity.principals import organization_of, shared_rights
from crm_api.identity.scopes import held_by_role
from crm_api.kit.scope import Scope
from crm_api.organizations import repository as sql


async def system_scope(db: Database, slug: str, role: str, purpose: str) -> Scope | None:
    """A scope in which the system does one thing; None where no organization has this slug.

    All that it writes has one request id, which begins with the purpose. Its id in the log is the
    organization's own: no guard knows a system, whoever starts the process is trusted.

    Args:
        role: a built-in role.
    """
    row = await db.fetchrow(None, sql.CONTEXT, {"slug": slug})
    if row is None:
        return None
    organization = organization_of(row)
    actor = Actor(
        kind="system",
        id=organization.id,
        name="system",
        organization=organization,
        role=role,
        rights=shared_rights(held_by_role(role)),
        stamps=Stamps(organization.id, 0, 0, 0, organization.version),
    )
    context = RequestContext(f"{purpose}-{new_id()}")
    # No cursor of it leaves the process.
    return Scope(db, actor, context, Sealer(secrets.token_bytes(32)), verified=True)
