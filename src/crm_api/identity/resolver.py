"""From the `Authorization` header to the actor, through a bounded cache; no SQL text here.

What is cached may be stale: the guard of each statement compares it with the live rows, and a
stale actor is forgotten and resolved anew. Only the way from nothing to an actor asks here.
"""

import asyncio
import contextvars
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from crm_api.core.access import Actor
from crm_api.core.db import Database, LockTimedOut, Serialization
from crm_api.core.errors import Refusal
from crm_api.core.tokens import (
    Claims,
    InvalidToken,
    SecretKind,
    VerifiedTokens,
    parse_secret,
    same_digest,
)
from crm_api.identity import statements as sql
from crm_api.identity.principals import key_actor, user_actor

log = structlog.get_logger()

TOUCH_SECONDS: Final = 60.0
_KEY_PREFIX: Final = f"{SecretKind.API_KEY.value}_"


@dataclass(slots=True)
class _Known:
    """An actor as last seen; for an API key with the digest of its secret and its last touch."""

    actor: Actor
    digest: bytes | None = None
    touched: float | None = None


class Resolver:
    """Finds the actor of a request. One for each process; not for threads."""

    def __init__(
        self,
        db: Database,
        tokens: VerifiedTokens,
        *,
        capacity: int = 8192,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db = db
        self._tokens = tokens
        self._capacity = capacity
        self._clock = clock
        self._known: OrderedDict[UUID, _Known] = OrderedDict()
        self._touches: set[asyncio.Task[None]] = set()

    async def actor_of(self, authorization: str | None) -> tuple[Actor, bool]:
        """The actor, and whether it was compared with the live rows just now.

        Raises:
            Refusal: 401 for a credential that is missing or does not hold.
        """
        scheme, _, credential = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not credential:
            raise Refusal("unauthenticated", headers={"WWW-Authenticate": "Bearer"})
        if credential.startswith(_KEY_PREFIX):
            return await self._of_key(credential)
        return await self._of_token(credential)

    def forget(self, actor: Actor) -> None:
        """Look this principal up anew next time."""
        self._known.pop(actor.stamps.credential_id, None)

    async def close(self) -> None:
        """Let the last-used times that are on their way arrive."""
        if self._touches:
            await asyncio.wait(self._touches, timeout=2)

    async def _of_token(self, token: str) -> tuple[Actor, bool]:
        claims = self._tokens.claims(token)
        known = self._known.get(claims.session_id)
        if known is not None and _is_of(known.actor, claims):
            self._known.move_to_end(claims.session_id)
            return known.actor, False
        org = claims.organization_id
        values = {"org": org, "id": claims.session_id}
        row = await self._db.fetchrow(org, sql.SESSION_PRINCIPAL, values)
        if row is None:
            raise InvalidToken("session")
        actor = user_actor(row)
        if not _is_of(actor, claims):
            raise InvalidToken("epoch")
        self._remember(_Known(actor))
        return actor, True

    async def _of_key(self, text: str) -> tuple[Actor, bool]:
        secret = parse_secret(text, SecretKind.API_KEY)
        known = self._known.get(secret.id)
        # A wrong secret for a known key goes the long way: it costs the guesser the round trip,
        # and it takes nothing away from who holds the right one.
        if (
            known is not None
            and known.actor.organization_id == secret.organization_id
            and same_digest(known.digest, secret.digest)
        ):
            self._known.move_to_end(secret.id)
            self._touch(known)
            return known.actor, False
        org = secret.organization_id
        row = await self._db.fetchrow(org, sql.KEY_PRINCIPAL, {"org": org, "id": secret.id})
        stored = None if row is None else row["secret_digest"]
        if row is None or not same_digest(stored, secret.digest):
            raise InvalidToken("key")
        found = _Known(key_actor(row), secret.digest)
        self._remember(found)
        self._touch(found)
        return found.actor, True

    def _remember(self, known: _Known) -> None:
        key = known.actor.stamps.credential_id
        before = self._known.get(key)
        if before is not None and known.touched is None:
            known.touched = before.touched
        self._known[key] = known
        self._known.move_to_end(key)
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)

    def _touch(self, known: _Known) -> None:
        now = self._clock()
        if known.touched is not None and now - known.touched < TOUCH_SECONDS:
            return
        known.touched = now
        # An empty context: the task must not run inside a transaction of the request's own.
        task = asyncio.create_task(self._store_touch(known.actor), context=contextvars.Context())
        self._touches.add(task)
        task.add_done_callback(self._touches.discard)

    async def _store_touch(self, actor: Actor) -> None:
        org = actor.organization_id
        try:
            await self._db.fetchrow(org, sql.TOUCH_KEY, {"org": org, "id": actor.id})
        except (Refusal, LockTimedOut, Serialization) as error:
            # A note of when a key was last used is worth no failed request.
            log.warning("key_touch_failed", error=type(error).__name__)


def _is_of(actor: Actor, claims: Claims) -> bool:
    """Whether a token speaks of this very actor. Its role is not asked: the live one counts."""
    return (
        actor.organization_id == claims.organization_id
        and actor.id == claims.membership_id
        and actor.user_id == claims.user_id
        and actor.stamps.credential_epoch == claims.credential_epoch
    )
