"""Roles: named sets of scopes. Nobody gives away a right that he does not hold himself."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from crm_api.core.access import Rights
from crm_api.core.db import ReferenceBroken, UniqueClash
from crm_api.core.errors import Fault, Refusal
from crm_api.core.ids import NIL, new_id
from crm_api.core.jsonbody import Incoming
from crm_api.identity import repository as sql
from crm_api.identity.editing import Editor, Items, settled, settled_once
from crm_api.identity.scopes import exceeding, is_known
from crm_api.kit.deciding import Sifted, raise_faults
from crm_api.kit.idempotency import Claim, Stored
from crm_api.kit.replies import PageReply, Reply, one
from crm_api.kit.scope import Scope


def check_scopes(sifted: Sifted, rights: Rights, before: Sequence[str] = ()) -> None:
    """Deduplicate and sort the scopes that were sent; note the unknown ones as faults.

    Raises:
        Refusal: 403 for scopes that go beyond the rights of who sends them; those that are there
            already may stay.
    """
    sent = sifted.values.get("scopes")
    if sent is None:
        return
    known = [scope for scope in sent if is_known(scope)]
    beyond = exceeding(rights, [scope for scope in known if scope not in before])
    if beyond:
        detail = "You cannot give a right that you do not hold."
        faults = [
            Fault("forbidden", detail, pointer=f"/scopes/{place}")
            for place, scope in enumerate(sent)
            if scope in beyond
        ]
        raise Refusal("forbidden", detail, tuple(faults))
    for place, scope in enumerate(sent):
        if scope not in known:
            sifted.fault("unknown_scope", "There is no such scope.", f"/scopes/{place}")
    sifted.values["scopes"] = sorted(set(sent))


class Roles:
    """The roles of one organization, as one actor may treat them."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.edit = Editor(scope, sql.ROLE_SHAPE, "role")

    async def list(self, items: Items) -> PageReply:
        return await self.edit.list(sql.ROLE_LISTING, items, {})

    async def get(self, role_id: UUID, items: Items) -> Reply:
        return await self.edit.get(role_id, items)

    # ------------------------------------------------------------------------------------ create

    async def create(self, incoming: Incoming[Any], claim: Claim | None) -> Reply:
        """A role of the organization's own.

        Raises:
            Refusal: 403 for the verb, fields, or scopes beyond one's own; 422; 409 for the name.
        """

        async def attempt() -> Reply:
            await self._creatable(incoming)
            async with self.edit.locked():
                sifted = await self._creatable(incoming)
                await self.edit.confirm()
                return await self._create(sifted.values, claim)

        return await settled_once(self.scope, claim, attempt, self._replay)

    async def _replay(self, stored: Stored) -> Reply:
        self.scope.require("roles", "manage")
        return self.edit.replayed(stored, f"/v1/roles/{stored.resource_id}")

    async def _creatable(self, incoming: Incoming[Any]) -> Sifted:
        self.scope.require("roles", "manage")
        sifted = self.edit.sifted_create(incoming)
        check_scopes(sifted, self.scope.actor.rights)
        raise_faults(sifted)
        await self._refuse_taken(sifted.values["name"], NIL)
        return sifted

    async def _refuse_taken(self, name: str, role_id: UUID) -> None:
        if await self.edit.row(sql.ROLE_LIKE, name=name, id=role_id) is not None:
            raise Refusal("already_exists", "There is a role of this name.")

    async def _create(self, values: Mapping[str, Any], claim: Claim | None) -> Reply:
        role_id = new_id()
        try:
            await self.edit.row(
                sql.ADD_ROLE,
                id=role_id,
                name=values["name"],
                scopes=values["scopes"],
                builtin=False,
            )
        except UniqueClash:
            raise Refusal("already_exists", "There is a role of this name.") from None
        diff = {"name": (None, values["name"]), "scopes": (None, values["scopes"])}
        await self.edit.log(role_id, 1, "created", diff)
        seen = await self.edit.seen(role_id)
        await self.edit.store(claim, role_id, seen)
        return one(seen, status=201, location=f"/v1/roles/{role_id}")

    # ------------------------------------------------------------------------------------- patch

    async def patch(self, role_id: UUID, incoming: Incoming[Any], if_match: str | None) -> Reply:
        """Change name or scopes; it acts on the next request of each member.

        Raises:
            Refusal: 404; 403; 412; 422, for a change of a built-in role too; 409 for the name.
        """

        async def attempt() -> Reply:
            await self._patchable(role_id, incoming, if_match)
            async with self.edit.locked():
                current, values = await self._patchable(role_id, incoming, if_match)
                if values:
                    await self.edit.confirm()
                    await self._patch(role_id, current, values)
                return one(await self.edit.seen(role_id))

        return await settled(attempt)

    async def _patchable(
        self, role_id: UUID, incoming: Incoming[Any], if_match: str | None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        current = await self.edit.whole(role_id)
        self.scope.require("roles", "manage")
        sifted = self.edit.sifted_patch(incoming, current)
        check_scopes(sifted, self.scope.actor.rights, current["scopes"])
        await self.edit.require_match(role_id, if_match, incoming.raw)
        if sifted.values.get("scopes") == current["scopes"]:
            del sifted.values["scopes"]
        if current["builtin"]:
            for name in sifted.values:
                sifted.fault("read_only_field", "A built-in role stays as it is.", f"/{name}")
        raise_faults(sifted)
        if "name" in sifted.values:
            await self._refuse_taken(sifted.values["name"], role_id)
        return current, sifted.values

    async def _patch(
        self, role_id: UUID, current: Mapping[str, Any], values: Mapping[str, Any]
    ) -> None:
        new = {name: values.get(name, current[name]) for name in ("name", "scopes")}
        try:
            row = await self.edit.only(sql.CHANGE_ROLE, id=role_id, **new)
        except UniqueClash:
            raise Refusal("already_exists", "There is a role of this name.") from None
        diff = {name: (current[name], value) for name, value in values.items()}
        await self.edit.log(role_id, row["version"], "updated", diff)

    # ------------------------------------------------------------------------------------ delete

    async def delete(self, role_id: UUID, if_match: str | None) -> None:
        """Remove a role that nobody has and nobody is invited to.

        Raises:
            Refusal: 404; 403; 412; 409 for a built-in role or one in use.
        """

        async def attempt() -> None:
            await self._deletable(role_id, if_match)
            async with self.edit.locked():
                current = await self._deletable(role_id, if_match)
                await self.edit.confirm()
                await self.edit.row(sql.REMOVE_CLOSED_INVITATIONS, id=role_id)
                try:
                    gone = await self.edit.only(sql.REMOVE_ROLE, id=role_id)
                except ReferenceBroken:
                    detail = "Users have this role or are invited to it."
                    raise Refusal("in_use", detail) from None
                diff = {name: (current[name], None) for name in ("name", "scopes")}
                await self.edit.log(role_id, gone["version"] + 1, "deleted", diff)

        await settled(attempt)

    async def _deletable(self, role_id: UUID, if_match: str | None) -> dict[str, Any]:
        current = await self.edit.whole(role_id)
        self.scope.require("roles", "manage")
        await self.edit.require_match(role_id, if_match, {})
        if current["builtin"]:
            raise Refusal("in_use", "A built-in role stays.")
        return current
