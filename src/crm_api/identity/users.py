"""Users: invited, given a role, disabled, enabled; the last administrator stays."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from crm_api.core.db import Row
from crm_api.core.errors import Fault, Refusal
from crm_api.core.formats.dates import format_instant
from crm_api.core.formats.emails import parse_email
from crm_api.core.ids import new_id
from crm_api.core.jsonbody import Incoming
from crm_api.core.tokens import SecretKind, new_secret
from crm_api.identity import repository as sql
from crm_api.identity import statements as sign_in_sql
from crm_api.identity.editing import Editor, Items, settled, settled_once, with_members
from crm_api.identity.principals import ADMIN, role_scopes
from crm_api.identity.scopes import exceeding
from crm_api.identity.sign_in import account_key
from crm_api.kit.deciding import Sifted, raise_faults
from crm_api.kit.idempotency import Claim, Stored
from crm_api.kit.replies import PageReply, Reply, one
from crm_api.kit.scope import Scope

INVITATION_DAYS = 7


class Users:
    """The people of one organization, as one actor may treat them."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.edit = Editor(scope, sql.USER_SHAPE, "user")

    # ------------------------------------------------------------------------------------- reads

    async def list(self, items: Items) -> PageReply:
        return await self.edit.list(sql.USER_LISTING, items, {"email": account_key})

    async def get(self, user_id: UUID, items: Items) -> Reply:
        return await self.edit.get(user_id, items)

    # ------------------------------------------------------------------------------------ invite

    async def invite(self, incoming: Incoming[Any], claim: Claim | None) -> Reply:
        """A one-time invitation; an open one of the same address is withdrawn.

        Raises:
            Refusal: 403; 422; 409 when the address belongs to a user already.
        """

        async def attempt() -> Reply:
            await self._invitable(incoming)
            async with self.edit.locked():
                return await self._invite(await self._invitable(incoming), claim)

        return await settled_once(self.scope, claim, attempt, self._replay)

    async def _replay(self, stored: Stored) -> Reply:
        self.scope.require("users", "manage")
        return self.edit.replayed(stored, f"/v1/users/{stored.resource_id}")

    async def _invitable(self, incoming: Incoming[Any]) -> tuple[dict[str, Any], Row]:
        self.scope.require("users", "manage")
        sifted = self.edit.sifted_create(incoming)
        role = await self._role(sifted)
        raise_faults(sifted)
        key = parse_email(sifted.values["email"]).key
        if await self.edit.row(sql.MEMBER_WITH_EMAIL, email_key=key) is not None:
            raise Refusal("already_exists", "This address belongs to a user already; see the list.")
        if role is None:  # a required field: the fault was raised above
            raise self.edit.missing()
        return sifted.values, role

    async def _role(self, sifted: Sifted) -> Row | None:
        """The role that is to be given: one that exists, with no right that the giver lacks."""
        name = sifted.values.get("role")
        if name is None:
            return None
        role = await self.edit.row(sql.ROLE_BY_NAME, name=name)
        if role is None:
            sifted.fault("unknown_role", "There is no role of this name.", "/role")
        else:
            self._refuse_escalation(role)
        return role

    def _refuse_escalation(self, role: Mapping[str, Any]) -> None:
        if exceeding(self.scope.actor.rights, role_scopes(role)):
            detail = "This role may do more than you may: you cannot give it."
            raise Refusal("forbidden", detail, (Fault("forbidden", detail, pointer="/role"),))

    def _refuse_outranked(self, member: Mapping[str, Any]) -> None:
        if exceeding(self.scope.actor.rights, role_scopes(member)):
            detail = "This person may do more than you may: somebody who may as much must do it."
            raise Refusal("forbidden", detail, (Fault("forbidden", detail),))

    async def _invite(self, decided: tuple[Mapping[str, Any], Row], claim: Claim | None) -> Reply:
        values, role = decided
        await self.edit.confirm()
        email = parse_email(values["email"])
        await self.edit.row(sql.WITHDRAW_INVITATIONS_OF, email_key=email.key)
        user_id = new_id()
        secret = new_secret(SecretKind.INVITATION, self.edit.org, user_id)
        added = await self.edit.only(
            sql.ADD_INVITATION,
            id=user_id,
            email=email.address,
            email_key=email.key,
            name=values["name"],
            role_id=role["id"],
            digest=secret.digest,
            invited_by=await self.edit.membership_id(),
            lives_days=INVITATION_DAYS,
        )
        diff = {
            "name": (None, values["name"]),
            "role": (None, role["role_name"]),
            "active": (None, False),
            "email": (None, email.address),
            "state": (None, "invited"),
        }
        await self.edit.log(user_id, 1, "invited", diff)
        seen = await self.edit.seen(user_id)
        await self.edit.store(claim, user_id, seen)
        body = with_members(
            seen,
            invitation_token=secret.text,
            invitation_expires_at=format_instant(added["expires_at"]),
        )
        return one(body, full=seen, status=201, location=f"/v1/users/{user_id}")

    # ------------------------------------------------------------------------------------- patch

    async def patch(self, user_id: UUID, incoming: Incoming[Any], if_match: str | None) -> Reply:
        """Change name or role; a new role acts on the person's next request.

        Raises:
            Refusal: 404; 403; 412; 409 for the last administrator or an open invitation; 422.
        """

        async def attempt() -> Reply:
            await self._patchable(user_id, incoming, if_match)
            async with self.edit.locked():
                decided = await self._patchable(user_id, incoming, if_match)
                if decided is not None:
                    await self._patch(*decided)
                return one(await self.edit.seen(user_id))

        return await settled(attempt)

    async def _patchable(
        self, user_id: UUID, incoming: Incoming[Any], if_match: str | None
    ) -> tuple[dict[str, Any], Row, Row | None, dict[str, Any]] | None:
        """The record, its membership, the new role, the changes; None when nothing changes."""
        current = await self.edit.whole(user_id)
        self.scope.require("users", "manage")
        sifted = self.edit.sifted_patch(incoming, current)
        role = await self._role(sifted)
        member = await self.edit.row(sql.MEMBER, id=user_id)
        if member is not None:
            self._refuse_outranked(member)
        await self.edit.require_match(user_id, if_match, incoming.raw)
        if member is None:
            detail = "The invitation is not accepted yet; disable it and invite again."
            raise Refusal("not_live", detail)
        if role is not None and _is_admin(member) and member["is_active"]:
            await self._refuse_last_admin(user_id)
        if "name" in sifted.values:
            await self._refuse_shared_name(member)
        raise_faults(sifted)
        return (current, member, role, sifted.values) if sifted.values else None

    async def _refuse_last_admin(self, user_id: UUID) -> None:
        """Counted anew under the lock, where no other demotion runs beside this one."""
        others = await self.edit.only(sql.OTHER_ADMINS, id=user_id, role=ADMIN)
        if not others["count"]:
            raise Refusal("last_admin", "This is the last active administrator.")

    async def _refuse_shared_name(self, member: Mapping[str, Any]) -> None:
        """A person has one name: no organization changes what another one shows."""
        row = await self.edit.only(sql.BELONGS_ELSEWHERE, user_id=member["user_id"])
        if row["elsewhere"]:
            raise Refusal("conflict", "The name of this person is not yours to change.")

    async def _patch(
        self,
        current: Mapping[str, Any],
        member: Mapping[str, Any],
        role: Mapping[str, Any] | None,
        values: Mapping[str, Any],
    ) -> None:
        await self.edit.confirm()
        if "name" in values:
            await self.edit.row(sql.RENAME_PERSON, user_id=member["user_id"], name=values["name"])
        changed = await self.edit.only(
            sql.CHANGE_MEMBER,
            id=member["id"],
            role_id=None if role is None else role["id"],
            active=None,
            epoch_step=0 if role is None else 1,
        )
        diff = {name: (current[name], value) for name, value in values.items()}
        await self.edit.log(member["id"], changed["version"], "updated", diff)

    # --------------------------------------------------------------------------- disable, enable

    async def disable(self, user_id: UUID, if_match: str | None) -> Reply:
        """End the person's sessions here, let its keys rest, or withdraw the invitation."""

        async def attempt() -> Reply:
            await self._disablable(user_id, if_match)
            async with self.edit.locked():
                current, member = await self._disablable(user_id, if_match)
                if member is None:
                    return await self._withdraw(user_id, current)
                if member["is_active"]:
                    await self._disable(member, current)
                return one(await self.edit.seen(user_id))

        return await settled(attempt)

    async def _disablable(
        self, user_id: UUID, if_match: str | None
    ) -> tuple[dict[str, Any], Row | None]:
        current = await self.edit.whole(user_id)
        self.scope.require("users", "manage")
        member = await self.edit.row(sql.MEMBER, id=user_id)
        if member is not None:
            self._refuse_outranked(member)
        await self.edit.require_match(user_id, if_match, {})
        if member is not None and _is_admin(member) and member["is_active"]:
            await self._refuse_last_admin(user_id)
        return current, member

    async def _disable(self, member: Mapping[str, Any], current: Mapping[str, Any]) -> None:
        await self.edit.confirm()
        version = await self._set_active(member, active=False)
        await self.edit.row(sign_in_sql.REMOVE_FROM_INDEX, user_id=member["user_id"])
        await self.edit.row(
            sign_in_sql.END_SESSIONS_OF_MEMBER, membership_id=member["id"], reason="disabled"
        )
        diff = {"active": (True, False), "state": (current["state"], "disabled")}
        await self.edit.log(member["id"], version, "disabled", diff)

    async def _set_active(self, member: Mapping[str, Any], *, active: bool) -> int:
        row = await self.edit.only(
            sql.CHANGE_MEMBER, id=member["id"], role_id=None, active=active, epoch_step=1
        )
        version: int = row["version"]
        return version

    async def _withdraw(self, user_id: UUID, current: Mapping[str, Any]) -> Reply:
        await self.edit.confirm()
        seen = await self.edit.seen(user_id)
        await self.edit.row(sql.WITHDRAW_INVITATION, id=user_id)
        diff = {"state": (current["state"], "disabled")}
        await self.edit.log(user_id, 1, "withdrawn", diff)
        return one(seen.replace('"state":"invited"', '"state":"disabled"'))

    async def enable(self, user_id: UUID, if_match: str | None) -> Reply:
        """Let a disabled person sign in again, with the role of before."""

        async def attempt() -> Reply:
            await self._enablable(user_id, if_match)
            async with self.edit.locked():
                current, member = await self._enablable(user_id, if_match)
                if not member["is_active"]:
                    await self.edit.confirm()
                    version = await self._set_active(member, active=True)
                    await self.edit.row(sign_in_sql.ADD_TO_INDEX, user_id=member["user_id"])
                    diff = {"active": (False, True), "state": (current["state"], "active")}
                    await self.edit.log(user_id, version, "enabled", diff)
                return one(await self.edit.seen(user_id))

        return await settled(attempt)

    async def _enablable(self, user_id: UUID, if_match: str | None) -> tuple[dict[str, Any], Row]:
        current = await self.edit.whole(user_id)
        self.scope.require("users", "manage")
        member = await self.edit.row(sql.MEMBER, id=user_id)
        if member is not None:
            self._refuse_outranked(member)
        await self.edit.require_match(user_id, if_match, {})
        if member is None:
            raise Refusal("not_live", "The invitation is not accepted yet.")
        return current, member


def _is_admin(member: Mapping[str, Any]) -> bool:
    return bool(member["role_is_builtin"]) and member["role_name"] == ADMIN
