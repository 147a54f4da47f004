"""Calendar feeds: made with a key that is told once, read by who knows it, revoked at once."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from crm_api.calendars.ical import calendar
from crm_api.calendars.repository import (
    FEED_LISTING,
    FEED_SHAPE,
    FIND_FEED,
    KEY_CREATOR,
    due_tasks,
    planned_meetings,
)
from crm_api.calendars.schemas import CalendarFeed
from crm_api.core.access import StaleActor
from crm_api.core.db import Database
from crm_api.core.errors import Refusal
from crm_api.core.ids import new_id
from crm_api.core.tokens import InvalidToken, SecretKind, new_secret, parse_secret, same_digest
from crm_api.identity.standing import standing_actor
from crm_api.kit.idempotency import Claim, once
from crm_api.kit.replies import Reply, one, with_members
from crm_api.kit.service import RecordService
from crm_api.kit.writing import Write, write_one

Rows = Sequence[Mapping[str, Any]]


class CalendarFeedService(RecordService):
    """The feeds of one organization, as one actor may treat them."""

    resource = CalendarFeed
    listing = FEED_LISTING
    parent = "feed_id"

    @property
    def path(self) -> str:
        return "/v1/calendar-feeds"

    def lifecycles(self) -> list[str]:
        return ["live"]

    async def create(self, claim: Claim | None) -> Reply:
        """A feed of one's own; this reply alone holds its address."""
        self.scope.require("calendar_feeds", "subscribe")
        return await once(self.scope, claim, partial(self._create, claim), self.replayed)

    async def _create(self, claim: Claim | None) -> Reply:
        org, feed_id, user_id = self.actor.organization_id, new_id(), self.actor.id
        if self.actor.kind == "api_key":
            found = await self.scope.db.fetchrow(org, KEY_CREATOR, {"org": org, "id": user_id})
            user_id = found["membership_id"]
        secret = new_secret(SecretKind.CALENDAR, org, feed_id)
        row = {
            "id": str(feed_id),
            "version": 1,
            "lifecycle": "live",
            "user_id": str(user_id),
            "created_by": str(self.actor.id),
            "secret_digest": secret.digest.hex(),
        }
        told = {name: (None, row[name]) for name in ("user_id", "created_by")}
        write = Write("insert", feed_id, row, [self.entry(feed_id, 1, "created", told)])
        found = await write_one(self.scope, FEED_SHAPE, write, self.parent, claim)
        if found["body"] is None:
            raise StaleActor
        self.scope.verified = True
        body: str = found["body"]
        address = with_members(body, url=f"/v1/calendar/{secret.text}.ics")
        return one(address, full=body, status=201, location=f"{self.path}/{feed_id}")

    async def revoke(self, feed_id: UUID, if_match: str | None) -> None:
        """From now on nobody reads it: one's own, or anybody's with the right to that."""
        present = await self.load(feed_id)
        is_own = present.document["created_by"] == str(self.actor.id)
        verb = "subscribe" if is_own else "manage"
        await self.move(feed_id, verb, "revoked", "deleted", ("live",), if_match)


async def read_feed(db: Database, key: str) -> str:
    """The calendar of whoever made the feed, by that user's rights of this moment.

    Raises:
        Refusal: 404 for whatever is no key of a live feed, or of a user who may not act any more:
            who guesses learns nothing.
    """
    missing = Refusal("not_found", "There is no such calendar.")
    try:
        secret = parse_secret(key, SecretKind.CALENDAR)
    except InvalidToken:
        raise missing from None
    org = secret.organization_id
    row = await db.fetchrow(org, FIND_FEED, {"org": org, "id": secret.id})
    is_same = same_digest(None if row is None else row["secret_digest"], secret.digest)
    if row is None or not is_same:
        raise missing
    actor = await standing_actor(db, org, "user", row["user_id"])
    if actor is None or not actor.rights.can("calendar_feeds", "subscribe"):
        raise missing
    rights, values = actor.rights, {"org": org, "user_id": row["user_id"]}
    tasks: Rows = ()
    meetings: Rows = ()
    if rights.can("tasks", "read", "task"):
        tasks = await db.fetch(org, due_tasks(rights), values)
    if rights.can("communications", "read", "communication"):
        meetings = await db.fetch(org, planned_meetings(rights), values)
    return calendar(tasks, meetings)
