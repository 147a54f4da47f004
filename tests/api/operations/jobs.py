"""Kinds of work that only tests queue: a count in steps, and ways in which one goes wrong."""

import asyncio
import secrets
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import FastAPI

from crm_api.core.access import RequestContext
from crm_api.core.db import Serialization
from crm_api.core.errors import Fault, Refusal
from crm_api.core.sealing import Sealer
from crm_api.identity.standing import standing_actor
from crm_api.kit.idempotency import Claim
from crm_api.kit.scope import Scope
from crm_api.operations.jobs import Queued, Task, enqueue, job
from tests.factories import Organization


@job("test_count", needs=("clients", "import"))
async def count(task: Task) -> dict[str, Any]:
    """As many steps as `total` says; `pause_ms` within each."""
    task.total = task.params["total"]
    while task.done < task.total:
        async with task.step():
            await asyncio.sleep(task.params.get("pause_ms", 0) / 1000)
            task.result["counted"] = task.result.get("counted", 0) + 1
            task.advance()
    return task.result


@job("test_poison", needs=("clients", "import"))
async def poison(task: Task) -> dict[str, Any]:
    """`after` good steps, then always the same failure."""
    while True:
        async with task.step():
            if task.done >= task.params["after"]:
                raise FAILURES[task.params["how"]]
            task.advance()


@job("test_flaky", needs=("clients", "import"))
async def flaky(task: Task) -> dict[str, Any]:
    """Fails until it was begun so often; what it counts is of no other process."""
    tries = TRIES[task.id] = TRIES.get(task.id, 0) + 1
    if tries <= task.params["fails"]:
        raise Serialization("40001")
    return {"tries": tries}


TRIES: dict[UUID, int] = {}
FAILURES: Mapping[str, Exception] = {
    "refusal": Refusal("invalid", "The file has no header.", (Fault("required", "A header."),)),
    "unavailable": Refusal("unavailable", "Something is away."),
    "bug": ZeroDivisionError("secret of row 17"),
}


async def scope_of(app: FastAPI, organization: Organization, role: str = "manager") -> Scope:
    """The scope of a request of this role."""
    answer = await organization.call(role, "GET", "/v1/me")
    actor = await standing_actor(
        app.state.db, organization.organization_id, "user", UUID(answer.json()["id"])
    )
    assert actor is not None
    context = RequestContext(f"test-{secrets.token_hex(6)}")
    return Scope(app.state.db, actor, context, Sealer(secrets.token_bytes(32)))


async def queue(  # what tests say of an operation
    app: FastAPI,
    organization: Organization,
    kind: str = "test_count",
    role: str = "manager",
    claim: Claim | None = None,
    **params: Any,
) -> Queued:
    scope = await scope_of(app, organization, role)
    total = params.setdefault("total", 3)
    return await enqueue(scope, kind, params, total=total, claim=claim)
