"""Verification: somebody found out whether an e-mail address or a phone number works."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Table

from crm_api.contacts.reach import Item, Reachability
from crm_api.core.errors import Refusal, refuse_all
from crm_api.core.formats.dates import format_instant
from crm_api.core.jsonbody import Incoming
from crm_api.kit.deciding import require_current
from crm_api.kit.idempotency import Claim, once
from crm_api.kit.replies import Reply, one
from crm_api.kit.upserting import UpsertingService

RowsOf = Callable[[list[Item], str, UUID], list[Item]]


class Verification(BaseModel):
    """What was found out."""

    model_config = ConfigDict(extra="forbid", strict=True)

    reachability: Annotated[
        Reachability,
        Field(description="How it works; `unknown` takes back.", examples=["verified"]),
    ]


class VerifyingService(UpsertingService):
    """A record whose contact points can be verified; who did it stands in the history."""

    reach_group: ClassVar[str]
    point_tables: ClassVar[Mapping[str, tuple[Table, RowsOf]]]
    """Field → its table, and how its items become rows."""

    async def verify(
        self,
        row_id: UUID,
        field: str,
        point_id: UUID,
        incoming: Incoming[Verification],
        if_match: str | None,
        claim: Claim | None,
    ) -> Reply:
        """Set reachability and the time of the check.

        Raises:
            Refusal: 404 for the record, or the entry; 403; 412; 409 not live; 422.
        """
        run = partial(self._verify, row_id, field, str(point_id), incoming, if_match, claim)
        return await once(self.scope, claim, partial(self.settled, run), self.replayed)

    async def _verify(
        self,
        row_id: UUID,
        field: str,
        point_id: str,
        incoming: Incoming[Verification],
        if_match: str | None,
        claim: Claim | None,
    ) -> Reply:
        present = await self.load(row_id, with_seen=True)
        before = present.document[field]
        stored = await self.finished(claim)
        if stored is None and point_id not in {item["id"] for item in before}:
            raise Refusal("not_found", "There is no such entry here.")
        self.require_group(self.reach_group, "update")
        if stored is not None:
            return self.replayed(stored)
        require_current(if_match, present.seen, ())
        self.require_live(present)
        if incoming.value is None:
            raise refuse_all(incoming.faults)
        after = _verified(before, point_id, incoming.value.reachability)
        if after == before:
            return one(present.seen)
        table, rows_of = self.point_tables[field]
        replaced = {table: rows_of(after, self.parent, row_id)}
        diff = {field: (before, after)}
        return await self.update(present, {}, diff, "verified", replaced=replaced, claim=claim)


def _verified(items: list[Item], point_id: str, state: str) -> list[Item]:
    checked_at = None if state == "unknown" else format_instant(datetime.now(UTC))
    found: dict[str, Any] = {"reachability": state, "verified_at": checked_at}
    return [item | found if item["id"] == point_id else item for item in items]
