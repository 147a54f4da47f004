"""One operation from claim to end: under a lease, with live rights, tried again if that helps."""

import asyncio
import json
import secrets
import time
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID, uuid4

import structlog

from crm_api.core.access import RequestContext, StaleActor
from crm_api.core.db import Database, Disturbed, Statement
from crm_api.core.errors import Refusal
from crm_api.core.logs import request_id
from crm_api.core.sealing import Sealer
from crm_api.identity.principals import author_actor
from crm_api.identity.standing import standing_actor
from crm_api.kit.changes import append, lock_head, new_entry
from crm_api.kit.scope import Scope
from crm_api.operations import repository as sql
from crm_api.operations.jobs import JOBS
from crm_api.operations.schemas import Operation
from crm_api.operations.tasks import (
    Cancelled,
    Claimed,
    LeaseLost,
    Stopped,
    Task,
    Withdrawn,
    as_json,
    withdrawn,
)

log = structlog.get_logger()

MAX_ATTEMPTS: Final = 5
"""Tries without any progress, after which an operation has failed."""
MAX_PAUSE: Final = 60.0
LEASE_SECONDS: Final = 15.0
_OURS = (Refusal, Disturbed)


@dataclass(frozen=True, slots=True)
class Timing:
    """The clocks of a worker, in seconds; tests make them short."""

    lease: float = LEASE_SECONDS
    """After so long without a sign of life another worker takes the operation."""
    sweep: float = 5.0
    """Between two looks at every organization: what NOTIFY did not tell, what was given up."""
    pause: float = 1.0
    """Before the second try; it doubles with each further one."""
    grace: float = 20.0
    """For what is at work when the worker is told to end."""
    chores: float = 3600.0
    """Between two rounds of tidying up."""


class Runner:
    """Takes operations and does them, one after the other. Many may work side by side."""

    def __init__(self, db: Database, timing: Timing, stopping: asyncio.Event) -> None:
        self._db = db
        self._timing = timing
        self._stopping = stopping
        # The sealer is for cursors, and none of a job's scope leaves the process.
        self._sealer = Sealer(secrets.token_bytes(32))

    async def run_next(self, organization_id: UUID) -> bool:
        """Do one operation of this organization that is due; False when there is none."""
        claimed = await self._claim(organization_id)
        if claimed is None:
            return False
        facts = {
            "organization_id": str(organization_id),
            "operation_id": str(claimed.id),
            "kind": claimed.kind,
            "attempt": claimed.attempts,
        }
        log.info("operation_begun", **facts)
        token, began = request_id.set(f"operation-{claimed.id}"), time.monotonic()
        try:
            outcome = await self._attempt(claimed)
        finally:
            request_id.reset(token)
        ms = round((time.monotonic() - began) * 1000)
        log.info("operation_ended", **facts, outcome=outcome, ms=ms)
        return True

    async def _claim(self, organization_id: UUID) -> Claimed | None:
        token = uuid4()
        values = {
            "org": organization_id,
            "token": token,
            "seconds": self._timing.lease,
            # During an upgrade a worker leaves alone what only the newer ones know.
            "kinds": list(JOBS),
        }
        row = await self._db.fetchrow(organization_id, sql.CLAIM, values)
        if row is None:
            return None
        result = row["result"]
        return Claimed(
            organization_id=organization_id,
            id=row["id"],
            token=token,
            kind=row["kind"],
            params=json.loads(row["params"]),
            created_by=row["created_by"],
            created_by_type=row["created_by_type"],
            done=row["progress_done"],
            total=row["progress_total"],
            result=None if result is None else json.loads(result),
            attempts=row["attempts"],
            cancel_requested=row["cancel_requested"],
        )

    # ------------------------------------------------------------------------------ one attempt

    async def _attempt(self, claimed: Claimed) -> str:
        """Do it, and settle how it ended; what that was, for the log."""
        task: Task | None = None
        try:
            if claimed.cancel_requested:
                return await self._finish(claimed, "cancelled", _result(claimed, task), None)
            if claimed.attempts > MAX_ATTEMPTS:
                # Its workers died of it: they could not say so themselves.
                return await self._failed(claimed, "internal_error", _EXHAUSTED, None)
            task = await self._task(claimed)
            result = await self._with_lease(task)
            return await self._finish(claimed, "succeeded", result, None)
        except LeaseLost:
            return "lease_lost"
        except (Stopped, StaleActor):
            return await self._give_back(claimed, 0.0, counts=False)
        except Cancelled:
            return await self._finish(claimed, "cancelled", _result(claimed, task), None)
        except Withdrawn as reason:
            return await self._failed(claimed, "forbidden", str(reason), task)
        except asyncio.CancelledError:
            await self._give_back(claimed, 0.0, counts=False)
            raise
        except _OURS as error:
            return await self._refused(claimed, error, task)
        except Exception:
            # Whatever a job raises must not stop the worker.
            log.exception("operation_error", kind=claimed.kind)
            return await self._again(claimed, "internal_error", _EXHAUSTED, task)

    async def _task(self, claimed: Claimed) -> Task:
        """The operation with the rights that its author has now.

        Raises:
            Withdrawn: the author may not do this any more.
        """
        actor = await standing_actor(
            self._db, claimed.organization_id, claimed.created_by_type, claimed.created_by
        )
        if actor is None:
            raise withdrawn(claimed)
        resource, verb = JOBS[claimed.kind].needs
        if not actor.rights.can(resource, verb):
            raise Withdrawn(f"Whoever started this no longer holds `{resource}:{verb}`.")
        context = RequestContext(request_id.get())
        scope = Scope(self._db, actor, context, self._sealer, verified=True)
        return Task(
            scope,
            claimed,
            self._timing.lease,
            self._stopping,
            claimed.done,
            claimed.total,
            dict(claimed.result or {}),
        )

    async def _with_lease(self, task: Task) -> dict[str, Any]:
        """Run the job while its lease is kept up; without a lease it is ended."""
        work = asyncio.create_task(_run(task))
        beat = asyncio.create_task(self._keep_up(task.claimed))
        try:
            await asyncio.wait({work, beat}, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                return work.result()
            raise LeaseLost
        finally:
            for each in (work, beat):
                each.cancel()
            await asyncio.gather(work, beat, return_exceptions=True)

    async def _keep_up(self, claimed: Claimed) -> None:
        """Extend the lease again and again; returns when it is lost."""
        lease = self._timing.lease
        ends = time.monotonic() + lease
        while time.monotonic() < ends:
            await asyncio.sleep(lease / 3)
            began = time.monotonic()
            try:
                row = await self._row(claimed, sql.EXTEND, seconds=lease)
            except _OURS as error:
                log.warning("lease_not_extended", error=type(error).__name__)
                continue
            if row is None:
                return
            ends = began + lease

    # ------------------------------------------------------------------------------ how it ends

    async def _refused(
        self, claimed: Claimed, error: Refusal | Disturbed, task: Task | None
    ) -> str:
        """What passes by itself is tried again; any other refusal is the end."""
        refusal = error if isinstance(error, Refusal) else error.refusal()
        detail = refusal.detail or refusal.problem.title
        if isinstance(error, Disturbed) or refusal.status == 503:
            return await self._again(claimed, refusal.code, detail, task)
        return await self._failed(claimed, refusal.code, detail, task)

    async def _again(self, claimed: Claimed, code: str, detail: str, task: Task | None) -> str:
        advanced = task is not None and task.done > claimed.done
        attempts = 1 if advanced else claimed.attempts
        if attempts >= MAX_ATTEMPTS:
            return await self._failed(claimed, code, detail, task)
        pause = min(MAX_PAUSE, self._timing.pause * 2 ** (attempts - 1))
        return await self._give_back(claimed, pause, counts=True)

    async def _give_back(self, claimed: Claimed, pause: float, *, counts: bool) -> str:
        """Into the queue again: at once for others, or after a pause."""
        if await self._row(claimed, sql.GIVE_BACK, seconds=pause, counts=counts) is None:
            return "lease_lost"
        if not pause:
            organization_id = claimed.organization_id
            values = {"organization": str(organization_id)}
            await self._db.fetchrow(organization_id, sql.WAKE, values)
        return "retried" if counts else "given_back"

    async def _failed(self, claimed: Claimed, code: str, detail: str, task: Task | None) -> str:
        error = {"code": code, "detail": detail}
        return await self._finish(claimed, "failed", _result(claimed, task), error)

    async def _finish(
        self,
        claimed: Claimed,
        state: str,
        result: dict[str, Any] | None,
        error: dict[str, str] | None,
    ) -> str:
        """Write the end into the operation and into the log, unless somebody else has it now."""
        org = claimed.organization_id
        author = author_actor(org, claimed.created_by_type, claimed.created_by)
        async with self._db.transaction(org):
            await lock_head(self._db, author)
            row = await self._row(
                claimed, sql.FINISH, state=state, result=as_json(result), error=as_json(error)
            )
            if row is None:
                return "lease_lost"
            diff = {"state": ("running", state), "result": (None, result), "error": (None, error)}
            entry = new_entry(
                author,
                RequestContext(request_id.get()),
                resource=Operation.singular,
                resource_id=claimed.id,
                version=row["version"],
                action=f"{Operation.singular}.{state}",
                diff={name: pair for name, pair in diff.items() if pair[1] is not None},
            )
            await append(self._db, author, [entry])
        return state

    async def _row(self, claimed: Claimed, statement: Statement, **values: Any) -> Any:
        org = claimed.organization_id
        return await self._db.fetchrow(org, statement, claimed.key | values)


_EXHAUSTED: Final = f"It broke off {MAX_ATTEMPTS} times without getting on; it is not tried again."


async def _run(task: Task) -> dict[str, Any]:
    return await JOBS[task.claimed.kind].run(task)


def _result(claimed: Claimed, task: Task | None) -> dict[str, Any] | None:
    """What was counted by the steps that stay."""
    if task is not None:
        return task.result or None
    return None if claimed.result is None else dict(claimed.result)
