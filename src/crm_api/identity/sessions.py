"""Sessions: opened with a pair of tokens, renewed by rotation, ended for a reason."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_api.core.access import RequestContext
from crm_api.core.db import Database
from crm_api.core.errors import Refusal
from crm_api.core.ids import new_id
from crm_api.core.tokens import (
    InvalidToken,
    SecretKind,
    TokenSigner,
    new_secret,
    parse_secret,
    same_digest,
)
from crm_api.identity import statements as sql
from crm_api.identity.principals import claims_of

REUSED = "refresh_reused"


def _bound(digest: bytes, credential_epoch: int) -> bytes:
    """What is stored of a refresh token: it dies with the password it was issued under.

    A change of password cannot reach the sessions of other organizations, which row security
    hides; but it moves the epoch, and then no stored digest fits any more, in any of them.
    """
    return hashlib.sha256(digest + credential_epoch.to_bytes(8, "big")).digest()


@dataclass(frozen=True, slots=True)
class Pair:
    """What a person who signed in receives."""

    access_token: str
    refresh_token: str
    expires_in: int
    organization: str

    def as_json(self) -> dict[str, Any]:
        return {
            "access_token": self.access_token,
            "refresh_token": self.refresh_token,
            "token_type": "bearer",
            "expires_in": self.expires_in,
            "organization": self.organization,
        }

    def __repr__(self) -> str:
        return f"Pair(organization={self.organization!r}, tokens=<hidden>)"


class Sessions:
    """Opens, renews and ends sessions; who may is decided before."""

    def __init__(self, db: Database, signer: TokenSigner, refresh_days: int) -> None:
        self._db = db
        self._signer = signer
        self._refresh_days = refresh_days

    async def open(
        self, organization_id: UUID, user_id: UUID, credential_epoch: int
    ) -> Pair | None:
        """A new session for a person whose password was proved at this epoch.

        None when the membership is not active, or the password changed meanwhile. Inside a
        transaction it joins it.
        """
        async with self._db.transaction(organization_id):
            member = await self._db.fetchrow(
                organization_id,
                sql.MEMBER_SIGNING_IN,
                {"org": organization_id, "user_id": user_id, "credential_epoch": credential_epoch},
            )
            if member is None:
                return None
            session_id = new_id()
            await self._db.fetchrow(
                organization_id,
                sql.ADD_SESSION,
                {
                    "org": organization_id,
                    "session_id": session_id,
                    "membership_id": member["membership_id"],
                },
            )
            return await self._issue(member, session_id)

    async def _issue(self, member: Mapping[str, Any], session_id: UUID) -> Pair:
        organization_id = member["organization_id"]
        token_id = new_id()
        secret = new_secret(SecretKind.REFRESH, organization_id, token_id)
        await self._db.fetchrow(
            organization_id,
            sql.ADD_REFRESH_TOKEN,
            {
                "org": organization_id,
                "id": token_id,
                "session_id": session_id,
                "digest": _bound(secret.digest, member["credential_epoch"]),
                "lives_days": self._refresh_days,
            },
        )
        claims = claims_of({**member, "session_id": session_id})
        return Pair(
            access_token=self._signer.issue_access(claims),
            refresh_token=secret.text,
            expires_in=self._signer.access_seconds,
            organization=member["slug"],
        )

    async def renew(self, refresh_token: str, context: RequestContext) -> Pair:
        """A new pair for a token that was never used.

        Raises:
            Refusal: 401 for a token that does not hold, and when it was used long ago, which ends
                the session; 409 when another request used it just now.
        """
        parsed = parse_secret(refresh_token, SecretKind.REFRESH)
        org = parsed.organization_id
        async with self._db.transaction(org):
            row = await self._db.fetchrow(org, sql.REFRESHING, {"org": org, "id": parsed.id})
            stored = None if row is None else row["secret_digest"]
            epoch = 0 if row is None else row["credential_epoch"]
            holds = same_digest(stored, _bound(parsed.digest, epoch))
            if row is None or not holds:
                raise InvalidToken("refresh")
            answer = await self._answer(row, parsed.id, context)
        # Raised out here: inside, the refusal would undo the end of the session.
        if isinstance(answer, Refusal):
            raise answer
        return answer

    async def _answer(
        self, row: Mapping[str, Any], token_id: UUID, context: RequestContext
    ) -> Pair | Refusal:
        org = row["organization_id"]
        if row["rotated"] and not row["just_rotated"]:
            await self._end_family(row, context)
            return Refusal(REUSED)
        taken = None
        if not row["rotated"]:
            # Of twenty at once each waits here for the row, and then finds it rotated.
            taken = await self._db.fetchrow(org, sql.ROTATE, {"org": org, "id": token_id})
        if taken is None:
            return Refusal("already_rotated")
        return await self._issue(row, row["session_id"])

    async def _end_family(self, row: Mapping[str, Any], context: RequestContext) -> None:
        org = row["organization_id"]
        await self.end(org, row["session_id"], REUSED)
        detail = {
            "session_id": str(row["session_id"]),
            "request_id": context.request_id,
            "address": context.address,
        }
        await self._db.fetchrow(
            org,
            sql.ADD_SECURITY_EVENT,
            {
                "org": org,
                "id": new_id(),
                "kind": REUSED,
                "membership_id": row["membership_id"],
                "detail": json.dumps(detail),
            },
        )

    async def end(self, organization_id: UUID, session_id: UUID, reason: str) -> None:
        values = {"org": organization_id, "session_id": session_id, "reason": reason}
        await self._db.fetchrow(organization_id, sql.END_SESSION, values)

    async def end_all(self, organization_id: UUID, membership_id: UUID, reason: str) -> None:
        """End every session of a member."""
        values = {"org": organization_id, "membership_id": membership_id, "reason": reason}
        await self._db.fetchrow(organization_id, sql.END_SESSIONS_OF_MEMBER, values)
