"""Operations as their readers treat them: read, list, cancel."""

import json
from dataclasses import replace
from functools import partial
from typing import ClassVar
from uuid import UUID

from crm_api.core.errors import Refusal
from crm_api.kit.changes import Diff
from crm_api.kit.fields import Resource
from crm_api.kit.idempotency import Claim, once
from crm_api.kit.listing import Listing
from crm_api.kit.replies import Reply
from crm_api.kit.service import Items, Present, RecordService
from crm_api.operations.repository import OPERATION_LISTING
from crm_api.operations.schemas import FINAL, OPEN, Operation

POLL_SECONDS = 2


class OperationService(RecordService):
    """The operations of one organization, as one actor may treat them."""

    resource: ClassVar[type[Resource]] = Operation
    listing: ClassVar[Listing] = OPERATION_LISTING
    parent: ClassVar[str] = "operation_id"

    def lifecycles(self) -> list[str]:
        return ["live"]

    async def get(self, row_id: UUID, items: Items) -> Reply:
        """One operation; while it is under way with `Retry-After`, for those who poll."""
        reply = await super().get(row_id, items)
        if json.loads(reply.body).get("state") not in OPEN:
            return reply
        return replace(reply, headers=reply.headers | {"Retry-After": str(POLL_SECONDS)})

    async def cancel(self, operation_id: UUID, claim: Claim | None) -> Reply:
        """Stop it: one that waits at once (200), one at work before its next step (202).

        Raises:
            Refusal: 403 for somebody else's without the right; 409 when it has ended.
        """

        async def attempt() -> Reply:
            present = await self.load(operation_id)
            self._require_cancel(present)
            stored = await self.finished(claim)
            if stored is not None:
                return self.replayed(stored)
            return await self._cancelled(present, claim)

        return await once(self.scope, claim, partial(self.settled, attempt), self.replayed)

    def _require_cancel(self, present: Present) -> None:
        if present.row["created_by"] != str(self.actor.id):
            self.scope.require(Operation.resource, "cancel")

    async def _cancelled(self, present: Present, claim: Claim | None) -> Reply:
        state = present.row["state"]
        if state in FINAL:
            raise Refusal("operation_finished", f"It has ended before: {state}.")
        if present.row["cancel_requested"]:
            return self._accepted(await self.unchanged(present.id))
        if state == "queued":
            ended = {"state": "cancelled", "finished_at": "now"}
            kept = claim and replace(claim, status=200)
            diff: Diff = {"state": (state, "cancelled")}
            return await self.update(present, ended, diff, "cancelled", claim=kept)
        kept = claim and replace(claim, status=202)
        diff = {"cancel_requested": (False, True)}
        asked = {"cancel_requested": True}
        return self._accepted(
            await self.update(present, asked, diff, "cancel_requested", claim=kept)
        )

    def _accepted(self, reply: Reply) -> Reply:
        place = f"{self.path}/{json.loads(reply.body)['id']}"
        return replace(reply, status=202, location=place)
