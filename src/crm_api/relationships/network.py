"""What is told of a client by its relationships: its hierarchy, its network, ways, a roll-up."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

from crm_api.core.db import Statement
from crm_api.core.errors import Fault, Refusal
from crm_api.kit.guard import guard_kind, guard_values, require_ok
from crm_api.kit.reading import found_by_id
from crm_api.kit.walks import branches
from crm_api.relationships import statements as sql
from crm_api.relationships.repository import open_clients
from crm_api.relationships.schemas import MAX_TREE
from crm_api.relationships.service import RelationshipService

EMPTY = "[]"


class NetworkService(RelationshipService):
    """Walks over the relationships of one client: each is 404, then 403, then what it found."""

    async def _asked(
        self, statement: Callable[..., Statement], client_id: UUID, values: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        actor = self.actor
        bound = guard_values(actor) | {"id": client_id, **values}
        row: Mapping[str, Any] = await self.scope.db.fetchrow(
            actor.organization_id, statement(actor.rights, guard_kind(actor)), bound
        )
        require_ok(row)
        self.scope.verified = True
        return row

    async def tree(self, client_id: UUID, depth: int) -> str:
        """The hierarchy that the client stands in today."""
        found = await branches(self.scope, sql.CLIENT_TREE, client_id, depth, MAX_TREE)
        if found is None:
            raise self.no_client()
        self.require_read()
        return found.told("client_id", client_id)

    async def graph(self, client_id: UUID, depth: int, kinds: Sequence[str], *, ended: bool) -> str:
        """The network around the client, as JSON."""
        values = {"depth": depth, "kinds": list(kinds) or None, "ended": ended}
        row = await self._asked(sql.graph, client_id, values)
        if row["nodes"] == EMPTY:
            raise self.no_client()
        self.require_read()
        return (
            f'{{"client_id":"{client_id}","nodes":{row["nodes"]},"edges":{row["edges"]},'
            f'"truncated":{_flag(row["truncated"])}}}'
        )

    async def paths(self, client_id: UUID, to_id: UUID, depth: int, *, ended: bool) -> str:
        """The shortest ways from the client to another; 422 for one that may not be opened."""
        await self.require_client(client_id)
        self.require_read()
        if to_id == client_id or not await found_by_id(
            self.scope, open_clients(self.actor.rights), [to_id]
        ):
            detail = "There is no other client with this id."
            fault = Fault("unknown_client", detail, parameter="to")
            raise Refusal("invalid", detail, (fault,))
        values = {"to_id": to_id, "depth": depth, "kinds": None, "ended": ended}
        row = await self._asked(sql.paths, client_id, values)
        return (
            f'{{"client_id":"{client_id}","to_id":"{to_id}","paths":{row["paths"]},'
            f'"nodes":{row["nodes"]},"edges":{row["edges"]},'
            f'"truncated":{_flag(row["truncated"])}}}'
        )

    async def roll_up(self, client_id: UUID) -> str:
        """What the client and all below it come to, as far as the caller reads the parts."""
        row = await self._asked(sql.roll_up, client_id, {})
        if row["clients"] == 0:
            raise self.no_client()
        self.require_read()
        told: dict[str, Any] = {"client_id": str(client_id), **dict(row)}
        truncated = told.pop("truncated")
        told.pop("ok")
        if "exposure" in told:
            told["exposure"] = json.loads(told["exposure"])
        return json.dumps(told | {"truncated": truncated})


def _flag(value: bool) -> str:
    return "true" if value else "false"
