"""What one request carries through every layer: its actor, its context, its database."""

from dataclasses import dataclass

from crm_api.core.access import Actor, RequestContext
from crm_api.core.db import Database
from crm_api.core.errors import Fault, Refusal
from crm_api.core.sealing import Sealer
from crm_api.kit.guard import verify_actor


@dataclass(slots=True)
class Scope:
    """The scope of one request. A service is constructed with it, so no call lacks its actor."""

    db: Database
    actor: Actor
    context: RequestContext
    sealer: Sealer
    verified: bool = False
    """Whether the principal was compared with the live rows during this request."""
    explain: bool = False
    """`?explain=permission`: say which rule refused which field."""

    async def verify(self) -> None:
        """Ask, before a refusal that no statement decided, whether the principal still holds."""
        if not self.verified:
            await verify_actor(self.db, self.actor)
            self.verified = True

    def require(self, resource: str, verb: str) -> None:
        """Refuse unless the actor holds a resource verb."""
        if not self.actor.rights.can(resource, verb):
            scope = f"{resource}:{verb}"
            fault = Fault("forbidden", f"This needs the right `{scope}`.")
            members = {"explanation": [{"scope": scope, "role": self.actor.role}]}
            raise Refusal(
                "forbidden",
                f"{self.actor.in_words} lacks `{scope}`.",
                (fault,),
                members=members if self.explain else {},
            )
