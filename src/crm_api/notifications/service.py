"""Following clients, and what those who follow are told; mine only, by what I may read today."""

import hashlib
from functools import partial
from typing import Any
from uuid import UUID

from crm_api.clients.schemas import Client
from crm_api.clients.service import ClientService
from crm_api.clients.statements import standing_of
from crm_api.core.db import Statement
from crm_api.core.errors import Fault, Refusal, refuse_all
from crm_api.core.jsonbody import Incoming
from crm_api.kit.guard import guard_kind, guard_values, require_ok
from crm_api.kit.history import position_of, visible_fields
from crm_api.kit.idempotency import Claim, Stored, find, once, store
from crm_api.kit.query import ListReader
from crm_api.kit.reading import found_by_id
from crm_api.kit.replies import Reply, as_text, one
from crm_api.kit.scope import Scope
from crm_api.kit.service import Items
from crm_api.notifications import repository as sql
from crm_api.notifications.schemas import MOST_COUNTED, MarkRead
from crm_api.notifications.statements import count_unread, notifications

PARAMETERS = ("limit", "cursor", "unread", "explain")


class NotificationService:
    """What one user follows and is told; an API key acts for who made it."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.clients = ClientService(scope)

    async def _require_client(self, client_id: UUID) -> None:
        if await standing_of(self.scope, client_id) is None:
            raise self.clients.not_found()
        self.clients.require_read()

    async def _fetch(self, statement: Statement, **values: Any) -> Any:
        actor = self.scope.actor
        bound = guard_values(actor) | values
        return await self.scope.db.fetchrow(actor.organization_id, statement, bound)

    # -------------------------------------------------------------- followers

    async def follow(self, client_id: UUID) -> None:
        """From now on; who follows already goes on as before.

        Raises:
            Refusal: 404; 403 for who may not read clients.
        """
        await self._require_client(client_id)
        await self._fetch(sql.FOLLOW, id=client_id)

    async def unfollow(self, client_id: UUID) -> None:
        """What was told of the client so far is gone with it, but for its owner."""
        await self._require_client(client_id)
        await self._fetch(sql.UNFOLLOW, id=client_id)

    async def followers(self, client_id: UUID) -> str:
        await self._require_client(client_id)
        if not self.scope.actor.rights.can("users", "read", "directory"):
            detail = f"Your role {self.scope.actor.role!r} lacks `users.directory:read`."
            fault = Fault("forbidden", "This needs `users.directory:read`.")
            raise Refusal("forbidden", detail, (fault,))
        row = await self._fetch(sql.FOLLOWERS, id=client_id)
        return f'{{"data":{row["data"]}}}'

    # ---------------------------------------------------------- notifications

    async def list(self, items: Items) -> tuple[str, str | None]:
        """One page, newest first, and the cursor of the next one."""
        self.clients.require_read()
        reader = ListReader(Client, self.scope, {}, PARAMETERS)
        single = reader.singles(items, PARAMETERS)
        limit = reader.limit(single.get("limit"))
        asked = single.get("unread", "false")
        if asked not in ("true", "false"):
            reader.found.fault("unread", "invalid_choice", "`unread` is `true` or `false`.")
        reader.raise_any()
        bound = self._bound_to(asked)
        actor = self.scope.actor
        row = await self._fetch(
            notifications(actor.rights, guard_kind(actor), unread=asked == "true"),
            fields=visible_fields(Client, self.scope),
            before=position_of(self.scope, single.get("cursor"), bound),
            limit=limit,
        )
        require_ok(row)
        self.scope.verified = True
        cursor = None
        if row["found"] > limit:
            cursor = self.scope.sealer.seal(str(row["last"]).encode(), bound)
        shown, more = (f'"{cursor}"', "true") if cursor else ("null", "false")
        data = row["data"] or ""
        return f'{{"data":[{data}],"next_cursor":{shown},"has_more":{more}}}', cursor

    def _bound_to(self, asked: str) -> bytes:
        actor = self.scope.actor
        facts = f"{actor.organization_id}{actor.id}notifications{asked}"
        return hashlib.sha256(facts.encode()).digest()

    async def unread(self) -> str:
        """How many there are that were not marked as read."""
        self.clients.require_read()
        actor = self.scope.actor
        row = await self._fetch(
            count_unread(actor.rights, guard_kind(actor)),
            fields=visible_fields(Client, self.scope),
        )
        require_ok(row)
        self.scope.verified = True
        count = int(row["unread"])
        capped = count > MOST_COUNTED
        return as_text({"unread": min(count, MOST_COUNTED), "capped": capped})

    # --------------------------------------------------------------- marking

    async def mark(self, incoming: Incoming[MarkRead], claim: Claim | None) -> Reply:
        """Mark some, or all up to one; what is none of mine, or no more, is passed over."""
        return await once(self.scope, claim, partial(self._mark, incoming, claim), _replayed)

    async def _mark(self, incoming: Incoming[MarkRead], claim: Claim | None) -> Reply:
        self.clients.require_read()
        await self.scope.verify()
        stored = None if claim is None else await find(self.scope, claim)
        if stored is not None:
            return _replayed(stored)
        body = incoming.value
        faults = [*incoming.faults, *_choice(body)]
        if body is None or faults:
            raise refuse_all(faults)
        ids = [body.up_to] if body.up_to is not None else body.ids or []
        async with self.scope.db.transaction(self.scope.actor.organization_id):
            found = await found_by_id(self.scope, sql.POSITIONS, ids)
            positions = [row["position"] for row in found.values()]
            if body.up_to is None:
                await self._fetch(sql.MARK_SINGLE, positions=positions)
            elif positions:
                await self._fetch(sql.MARK_UP_TO, position=positions[0])
                await self._fetch(sql.FORGET_SINGLE, position=positions[0])
            told = await self.unread()
            if claim is not None:
                await store(self.scope, claim, "notification", None, {"text": told})
        return one(told)


def _choice(body: MarkRead | None) -> list[Fault]:
    if body is None or (body.ids is None) != (body.up_to is None):
        return []
    return [Fault("required", "Send either `ids` or `up_to`.", pointer="")]


def _replayed(stored: Stored) -> Reply:
    return one(stored.reply["text"], status=stored.status, replayed=True)
