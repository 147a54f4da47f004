"""One operation at work: its rights of this moment, and steps that commit with their progress."""

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from crm_api.core.access import StaleActor
from crm_api.core.db import Statement
from crm_api.identity.standing import standing_actor
from crm_api.kit.scope import Scope
from crm_api.operations import repository as sql


class Interrupted(Exception):
    """The work ends here; what its steps did stays. Let it pass, it is for the worker."""


class LeaseLost(Interrupted):
    """Another worker has this operation now, so that nothing more is committed by this one."""


class Cancelled(Interrupted):
    """Somebody asked the operation to stop."""


class Stopped(Interrupted):
    """The worker is told to end; another one goes on from here."""


class Withdrawn(Interrupted):
    """Whoever started the operation may not do this any more; the text says why."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """An operation that this worker holds, as it was when it was taken."""

    organization_id: UUID
    id: UUID
    token: UUID
    kind: str
    params: Mapping[str, Any]
    created_by: UUID
    created_by_type: Literal["user", "api_key"]
    done: int
    total: int | None
    result: Mapping[str, Any] | None
    attempts: int
    cancel_requested: bool

    @property
    def key(self) -> dict[str, Any]:
        """The parameters of every statement that asks for the lease."""
        return {"org": self.organization_id, "id": self.id, "token": self.token}


@dataclass(slots=True)
class Task:
    """What a job is given. It goes on from `done`, wherever an earlier worker was stopped."""

    scope: Scope
    claimed: Claimed
    lease_seconds: float
    stopping: asyncio.Event
    done: int
    """How much was done and committed: rows, records, whatever the job counts."""
    total: int | None
    result: dict[str, Any]
    """Counts and the like: committed with each step, and found again by the next worker."""
    _open: bool = field(default=False, repr=False)

    @property
    def id(self) -> UUID:
        return self.claimed.id

    @property
    def params(self) -> Mapping[str, Any]:
        return self.claimed.params

    def advance(self, count: int = 1) -> None:
        """So much more is done. It commits with the step that it is said in."""
        if not self._open:
            raise RuntimeError("progress is made within a step")
        self.done += count

    @asynccontextmanager
    async def step(self) -> AsyncIterator[None]:
        """One transaction: who may, the effect, the progress; all of it, or nothing.

        What fails within leaves `done`, `total` and `result` as they were before.

        Raises:
            Interrupted: there is nothing more to do here, see its kinds.
            StaleActor: the rights changed; the worker begins anew under those of now.
        """
        if self.stopping.is_set():
            raise Stopped
        before = (self.done, self.total, copy.deepcopy(self.result))
        try:
            async with self.scope.db.transaction(self.claimed.organization_id):
                await self._enter()
                self._open = True
                yield
                await self._keep(before[0])
        except BaseException:
            self.done, self.total, self.result = before
            raise
        finally:
            self._open = False

    async def _enter(self) -> None:
        """Ask early what the end of the step asks again; no lock is taken before the head's."""
        held = await self._row(sql.HELD)
        if held is None:
            raise LeaseLost
        if held["cancel_requested"]:
            raise Cancelled
        claimed = self.claimed
        actor = await standing_actor(
            self.scope.db, claimed.organization_id, claimed.created_by_type, claimed.created_by
        )
        if actor is None:
            raise withdrawn(claimed)
        if actor.rights != self.scope.actor.rights:
            raise StaleActor
        # Settings and catalogues may have moved meanwhile, by this very work too.
        self.scope.actor = actor
        self.scope.verified = True

    async def _keep(self, before: int) -> None:
        found = await self._row(
            sql.KEEP,
            before=before,
            done=self.done,
            total=self.total,
            result=as_json(self.result),
            seconds=self.lease_seconds,
        )
        if found is None:
            raise LeaseLost

    async def _row(self, statement: Statement, **values: Any) -> Any:
        claimed = self.claimed
        return await self.scope.db.fetchrow(
            claimed.organization_id, statement, claimed.key | values
        )


def withdrawn(claimed: Claimed) -> Withdrawn:
    """Why somebody who started an operation may not act at all any more."""
    if claimed.created_by_type == "user":
        return Withdrawn("The user who started this is disabled.")
    return Withdrawn("The API key that started this was revoked, or has expired.")


def as_json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False, default=str)
