"""API keys: made, shown once, listed without their secret, revoked."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from crm_api.core.formats.dates import format_instant
from crm_api.core.ids import new_id
from crm_api.core.jsonbody import Incoming
from crm_api.core.tokens import SecretKind, new_secret
from crm_api.identity import repository as sql
from crm_api.identity.editing import Editor, Items, settled, settled_once
from crm_api.identity.roles import check_scopes
from crm_api.kit.deciding import Sifted, raise_faults
from crm_api.kit.idempotency import Claim, Stored
from crm_api.kit.replies import PageReply, Reply, one, with_members
from crm_api.kit.scope import Scope


class ApiKeys:
    """The API keys of one organization, as one actor may treat them."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.edit = Editor(scope, sql.KEY_SHAPE, "API key")

    async def list(self, items: Items) -> PageReply:
        return await self.edit.list(sql.KEY_LISTING, items, {})

    async def get(self, key_id: UUID, items: Items) -> Reply:
        return await self.edit.get(key_id, items)

    async def create(self, incoming: Incoming[Any], claim: Claim | None) -> Reply:
        """A key whose secret this reply alone holds.

        Raises:
            Refusal: 403 for the verb, fields, or scopes beyond one's own; 422.
        """

        async def attempt() -> Reply:
            self._creatable(incoming)
            async with self.edit.locked():
                await self.edit.confirm()
                return await self._create(self._creatable(incoming).values, claim)

        return await settled_once(self.scope, claim, attempt, self._replay)

    async def _replay(self, stored: Stored) -> Reply:
        self.scope.require("api_keys", "manage")
        return self.edit.replayed(stored, f"/v1/api-keys/{stored.resource_id}")

    def _creatable(self, incoming: Incoming[Any]) -> Sifted:
        self.scope.require("api_keys", "manage")
        sifted = self.edit.sifted_create(incoming)
        check_scopes(sifted, self.scope.actor.rights)
        expires_at = sifted.values.get("expires_at")
        if expires_at is not None and expires_at <= datetime.now(UTC):
            sifted.fault("in_the_past", "Send a time that is yet to come.", "/expires_at")
        raise_faults(sifted)
        return sifted

    async def _create(self, values: Mapping[str, Any], claim: Claim | None) -> Reply:
        key_id = new_id()
        secret = new_secret(SecretKind.API_KEY, self.edit.org, key_id)
        creator = await self.edit.membership_id()
        expires_at = values.get("expires_at")
        await self.edit.row(
            sql.ADD_KEY,
            id=key_id,
            name=values["name"],
            scopes=values["scopes"],
            digest=secret.digest,
            membership_id=creator,
            expires_at=expires_at,
        )
        diff = {
            "name": (None, values["name"]),
            "scopes": (None, values["scopes"]),
            "created_by": (None, str(creator)),
            "expires_at": (None, expires_at and format_instant(expires_at)),
        }
        await self.edit.log(key_id, 1, "created", diff)
        seen = await self.edit.seen(key_id)
        await self.edit.store(claim, key_id, seen)
        body = with_members(seen, key=secret.text)
        return one(body, full=seen, status=201, location=f"/v1/api-keys/{key_id}")

    async def revoke(self, key_id: UUID, if_match: str | None) -> None:
        """Refuse the key from its next request on, for ever."""

        async def attempt() -> None:
            await self._revocable(key_id, if_match)
            async with self.edit.locked():
                current = await self._revocable(key_id, if_match)
                await self.edit.confirm()
                if await self.edit.row(sql.REVOKE_KEY, id=key_id) is None:
                    raise self.edit.missing()
                diff = {name: (current[name], None) for name in ("name", "scopes")}
                await self.edit.log(key_id, 2, "revoked", diff)

        await settled(attempt)

    async def _revocable(self, key_id: UUID, if_match: str | None) -> dict[str, Any]:
        current = await self.edit.whole(key_id)
        self.scope.require("api_keys", "manage")
        await self.edit.require_match(key_id, if_match, {})
        return current
