"""Signing in with a password: throttled, and answered alike for known and unknown people."""

from uuid import UUID

from crm_api.core.access import RequestContext
from crm_api.core.db import Database, Row
from crm_api.core.errors import Refusal
from crm_api.core.formats.emails import parse_email
from crm_api.core.passwords import PasswordHasher
from crm_api.identity import statements as sql
from crm_api.identity.schemas import LoginBody
from crm_api.identity.sessions import Pair, Sessions
from crm_api.identity.throttle import Throttle, Turn

MAX_SLUGS = 50


def account_key(email: str) -> str:
    """The key of an address; of a text that is none, something that is nobody's key."""
    try:
        return parse_email(email).key
    except ValueError:
        # NUL is the one character that PostgreSQL takes in no parameter.
        return email.strip().lower().replace("\0", "\ufffd")


class SignIn:
    """Proves who somebody is. It has no actor: that is what it is about to find."""

    def __init__(
        self, db: Database, hasher: PasswordHasher, throttle: Throttle, sessions: Sessions
    ) -> None:
        self._db = db
        self._hasher = hasher
        self._throttle = throttle
        self._sessions = sessions

    async def login(self, body: LoginBody, context: RequestContext) -> Pair:
        """A new session for who knows the password.

        Raises:
            Refusal: 401 for anything that is wrong, 409 to ask for the organization, 429, 503.
        """
        key = account_key(body.email)
        async with self._throttle.turn(key, context.address) as turn:
            person = await self._proved(key, body.password, turn)
            organization_id = await self._chosen(person["id"], body.organization, turn)
            pair = await self._sessions.open(
                organization_id, person["id"], person["credential_epoch"]
            )
            if pair is None:
                await turn.failed()
                raise Refusal("invalid_credentials")
            await turn.succeeded()
        await self._renew_hash(person, body.password)
        return pair

    async def _proved(self, key: str, password: str, turn: Turn) -> Row:
        person: Row | None = await self._db.fetchrow(None, sql.PERSON_BY_EMAIL, {"email_key": key})
        stored = None if person is None else person["password_hash"]
        if not await self._hasher.verify(stored, password) or person is None:
            await turn.failed()
            raise Refusal("invalid_credentials")
        return person

    async def _chosen(self, user_id: UUID, slug: str | None, turn: Turn) -> UUID:
        """The organization to sign in to. Its existence is told to its members only."""
        rows = await self._db.fetch(None, sql.ORGANIZATIONS_OF_PERSON, {"user_id": user_id})
        found = [row for row in rows if slug is None or row["slug"] == slug]
        if len(found) == 1:
            chosen: UUID = found[0]["id"]
            return chosen
        if not found:
            await turn.failed()
            raise Refusal("invalid_credentials")
        await turn.succeeded()
        slugs = [row["slug"] for row in found][:MAX_SLUGS]
        raise Refusal("organization_required", members={"organizations": slugs})

    async def _renew_hash(self, person: Row, password: str) -> None:
        """Hashes of an older cost are made anew while the password is at hand."""
        stored = person["password_hash"]
        if not self._hasher.needs_rehash(stored):
            return
        values = {
            "user_id": person["id"],
            "stored": stored,
            "password_hash": await self._hasher.hash(password),
        }
        await self._db.fetchrow(None, sql.STORE_REHASH, values)
