"""What people do with their own account: change the password, accept an invitation, sign out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_api.core.access import Actor, RequestContext
from crm_api.core.db import Database, UniqueClash
from crm_api.core.errors import Fault, Refusal, refuse_all
from crm_api.core.ids import new_id
from crm_api.core.passwords import PasswordHasher, PasswordPolicy
from crm_api.core.tokens import InvalidToken, SecretKind, parse_secret, same_digest
from crm_api.identity import statements as sql
from crm_api.identity.editing import confirm_actor
from crm_api.identity.principals import inviter_rights, member_actor, role_scopes
from crm_api.identity.schemas import AcceptInvitationBody, PasswordBody
from crm_api.identity.scopes import exceeding
from crm_api.identity.sessions import Pair, Sessions
from crm_api.identity.throttle import Throttle
from crm_api.kit.changes import append, lock_head, new_entry
from crm_api.kit.scope import Scope


@dataclass(frozen=True, slots=True)
class Accepted:
    """Where a person now belongs."""

    organization: str
    user_id: UUID
    email: str

    def as_json(self) -> dict[str, Any]:
        return {
            "organization": self.organization,
            "user_id": str(self.user_id),
            "email": self.email,
        }


class Accounts:
    """The account of whoever holds its password, its session, or an invitation to it."""

    def __init__(
        self,
        db: Database,
        hasher: PasswordHasher,
        policy: PasswordPolicy,
        throttle: Throttle,
        sessions: Sessions,
    ) -> None:
        self._db = db
        self._hasher = hasher
        self._policy = policy
        self._throttle = throttle
        self._sessions = sessions

    # ------------------------------------------------------------------------------- signing out

    async def log_out(self, scope: Scope) -> None:
        """End the session: its access and refresh tokens are dead from now on, everywhere."""
        actor = self._person(scope)
        await scope.verify()
        await self._sessions.end(actor.organization_id, actor.stamps.credential_id, "logout")

    @staticmethod
    def _person(scope: Scope) -> Actor:
        if scope.actor.kind != "user":
            detail = "This is for people who signed in, not for API keys."
            raise Refusal("forbidden", detail, (Fault("forbidden", detail),))
        return scope.actor

    # ------------------------------------------------------------------------------ the password

    async def change_password(self, scope: Scope, body: PasswordBody) -> Pair:
        """A new password, and a new session in place of all that there were.

        Raises:
            Refusal: 422 for a wrong present password or a weak new one; 429, 503.
        """
        actor = self._person(scope)
        await scope.verify()
        person = await self._db.fetchrow(None, sql.PERSON_BY_ID, {"user_id": actor.user_id})
        async with self._throttle.turn(person["email_key"], scope.context.address) as turn:
            if not await self._hasher.verify(person["password_hash"], body.current_password):
                await turn.failed()
                raise _fault("wrong_password", "This is not the password.", "/current_password")
            await turn.succeeded()
        if body.new_password == body.current_password:
            raise _fault("password_unchanged", "Choose another password.", "/new_password")
        about = (person["email"], person["name"], actor.organization.slug)
        self._refuse_weak(body.new_password, about, "/new_password")
        return await self._replace(scope, person, await self._hasher.hash(body.new_password))

    async def _replace(self, scope: Scope, person: Mapping[str, Any], password_hash: str) -> Pair:
        actor, org = scope.actor, scope.actor.organization_id
        async with self._db.transaction(org):
            await lock_head(self._db, actor)
            await confirm_actor(self._db, actor)
            changed = await self._db.fetchrow(
                org,
                sql.CHANGE_PASSWORD,
                {
                    "user_id": person["id"],
                    "credential_epoch": person["credential_epoch"],
                    "password_hash": password_hash,
                },
            )
            if changed is None:
                raise Refusal("conflict", "The password was changed at the same time.")
            await self._sessions.end_all(org, actor.id, "password_changed")
            pair = await self._sessions.open(org, person["id"], changed["credential_epoch"])
            if pair is None:
                raise InvalidToken("membership")
            entry = new_entry(
                actor,
                scope.context,
                resource="user",
                resource_id=actor.id,
                version=1,
                action="user.password_changed",
                diff={},
            )
            await append(self._db, actor, [entry])
        return pair

    def _refuse_weak(self, password: str, about: Iterable[str], pointer: str) -> None:
        faults = self._policy.faults(password, about=about, pointer=pointer)
        if faults:
            raise refuse_all(faults)

    # ---------------------------------------------------------------------------- the invitation

    async def accept_invitation(
        self, body: AcceptInvitationBody, context: RequestContext
    ) -> Accepted:
        """Join an organization. A person who is known keeps name and password.

        Raises:
            Refusal: 401 for a token that does not hold (any more), 422 for a missing or weak
                password of a new person, or for one that is not the known person's; 429, 503.
        """
        parsed = parse_secret(body.token, SecretKind.INVITATION)
        org = parsed.organization_id
        invitation = await self._db.fetchrow(
            org, sql.OPEN_INVITATION, {"org": org, "id": parsed.id}
        )
        stored = None if invitation is None else invitation["secret_digest"]
        holds = same_digest(stored, parsed.digest)
        if invitation is None or not holds:
            raise InvalidToken("invitation")
        if exceeding(inviter_rights(invitation), role_scopes(invitation)):
            # Who sent it has lost the right to give this role since: so has the invitation.
            raise InvalidToken("inviter")
        known = await self._db.fetchrow(
            None, sql.PERSON_BY_EMAIL, {"email_key": invitation["email_key"]}
        )
        name = body.name or invitation["name"]
        password_hash = None
        if known is None:
            if body.password is None:
                raise _fault("required", "A new person chooses a password.", "/password")
            about = (invitation["email"], name, invitation["organization_name"])
            self._refuse_weak(body.password, about, "/password")
            password_hash = await self._hasher.hash(body.password)
        elif body.password is not None:
            await self._refuse_other(body.password, known, context)
        return await self._join(org, invitation, name, password_hash, context)

    async def _refuse_other(
        self, password: str, person: Mapping[str, Any], context: RequestContext
    ) -> None:
        """Who sends a password means to sign in with it.

        Passed over in silence, the password of the account would open the organization: and that
        may be one which somebody else chose who had the same address invited before.
        """
        async with self._throttle.turn(person["email_key"], context.address) as turn:
            if not await self._hasher.verify(person["password_hash"], password):
                await turn.failed()
                detail = (
                    "This address has an account already: send its password. If you never made "
                    "one, do not join; tell who invited you."
                )
                raise _fault("wrong_password", detail, "/password")
            await turn.succeeded()

    async def _join(
        self,
        org: UUID,
        invitation: Mapping[str, Any],
        name: str,
        password_hash: str | None,
        context: RequestContext,
    ) -> Accepted:
        member = member_actor(org, invitation["id"], invitation["name"])
        async with self._db.transaction(org):
            await lock_head(self._db, member)
            taken = await self._db.fetchrow(
                org, sql.TAKE_INVITATION, {"org": org, "id": invitation["id"]}
            )
            if taken is None:
                raise InvalidToken("invitation")
            person = await self._person_of(invitation, name, password_hash)
            member = member_actor(org, invitation["id"], person["name"], person["id"])
            await self._add_member(org, member, person["id"], taken["role_id"])
            entry = new_entry(
                member,
                context,
                resource="user",
                resource_id=member.id,
                version=1,
                action="user.accepted",
                diff={
                    "name": (invitation["name"], person["name"]),
                    "active": (False, True),
                    "state": ("invited", "active"),
                },
            )
            await append(self._db, member, [entry])
        return Accepted(invitation["slug"], member.id, person["email"])

    async def _person_of(
        self, invitation: Mapping[str, Any], name: str, password_hash: str | None
    ) -> Mapping[str, Any]:
        """The person of the address, made where there is none.

        Raises:
            Refusal: 409 where another organization made it meanwhile, with another password.
        """
        key, made = invitation["email_key"], new_id()
        if password_hash is not None:
            values = {
                "user_id": made,
                "email": invitation["email"],
                "email_key": key,
                "name": name,
                "password_hash": password_hash,
            }
            await self._db.fetchrow(None, sql.ADD_PERSON, values)
        found: Mapping[str, Any] = await self._db.fetchrow(
            None, sql.PERSON_BY_EMAIL, {"email_key": key}
        )
        if password_hash is not None and found["id"] != made:
            raise Refusal("conflict", "This address got an account at the same time; retry.")
        return found

    async def _add_member(self, org: UUID, member: Actor, user_id: UUID, role_id: UUID) -> None:
        values = {"org": org, "membership_id": member.id, "user_id": user_id, "role_id": role_id}
        try:
            await self._db.fetchrow(org, sql.ADD_MEMBERSHIP, values)
        except UniqueClash:
            raise Refusal("already_exists", "You belong to this organization already.") from None
        await self._db.fetchrow(org, sql.ADD_TO_INDEX, {"org": org, "user_id": user_id})


def _fault(code: str, detail: str, pointer: str) -> Refusal:
    return refuse_all([Fault(code, detail, pointer=pointer)])
