"""The system as an actor: imports and first data write in its name, under the rights of a role."""

import secrets

from crm_api.core.access import Actor, OrganizationContext, RequestContext, Stamps
from crm_api.core.db import Database
from crm_api.core.ids import new_id
from crm_api.core.sealing import Sealer
from crm_api.identity.principals import shared_rights
from crm_api.identity.scopes import held_by_role
from crm_api.kit.scope import Scope


def system_scope(db: Database, organization: OrganizationContext, role: str, purpose: str) -> Scope:
    """A scope for one piece of work; all that it writes has one request id, told by its purpose.

    In the log its id is the organization's own. No guard knows a system: whoever starts the process
    is trusted.

    Args:
        role: a built-in role.
    """
    actor = Actor(
        kind="system",
        id=organization.id,
        name="system",
        organization=organization,
        role=role,
        rights=shared_rights(held_by_role(role)),
        stamps=Stamps(organization.id, 0, 0, 0, organization.version),
    )
    # The sealer is for cursors, and none of this scope leaves the process.
    sealer = Sealer(secrets.token_bytes(32))
    return Scope(db, actor, RequestContext(f"{purpose}-{new_id()}"), sealer, verified=True)
