"""Kinds of work that only tests queue: a count in steps, and ways in which one goes wrong."""

import asyncio
import contextvars
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from crm_api.clients.schemas import Client
from crm_api.clients.service import ClientService
from crm_api.core.access import RequestContext
from crm_api.core.db import Database, Serialization
from crm_api.core.errors import Fault, Refusal
from crm_api.core.jsonbody import validate_body
from crm_api.core.sealing import Sealer
from crm_api.identity.standing import standing_actor
from crm_api.kit.schemas import Patch
from crm_api.kit.scope import Scope
from crm_api.operations.jobs import Queued, Task, enqueue, job
from tests.factories import Organization


@job("test_count", needs=("clients", "import"))
async def count(task: Task) -> dict[str, Any]:
    """As many steps as `total` says; `pause_ms` within each."""
    while task.done < task.params["total"]:
        async with task.step():
            await asyncio.sleep(task.params.get("pause_ms", 0) / 1000)
            if task.id in HOOKS:
                await apart(HOOKS[task.id](task.done))
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


@job("test_stumble", needs=("clients", "import"))
async def stumble(task: Task) -> dict[str, Any]:
    """Each step fails once, and is tried again within the same run."""
    stumbles = 0
    while task.done < task.params["total"]:
        fails = stumbles <= task.done
        try:
            async with task.step():
                task.advance()
                task.result["counted"] = task.result.get("counted", 0) + 1
                stumbles += fails
                _disturb(fails=fails)
        except Serialization:
            continue
    return task.result | {"stumbles": stumbles}


def _disturb(*, fails: bool) -> None:
    if fails:
        raise Serialization("40001")


@job("test_remarks", needs=("clients", "import"))
async def remarks(task: Task) -> dict[str, Any]:
    """Each step writes its number as a request would: a change of its own in the log."""
    client_id = UUID(task.params["client_id"])
    while task.done < task.params["total"]:
        async with task.step():
            body = json.dumps({"remarks": f"Step {task.done}"}).encode()
            incoming = validate_body(Patch[Client], body)
            await ClientService(task.scope).patch(client_id, incoming, None)
            await asyncio.sleep(task.params.get("pause_ms", 0) / 1000)
            task.advance()
    return {"remarks": task.done}


async def apart(work: Awaitable[None]) -> None:
    """Do it as another request would: not in the transaction of the step."""
    await asyncio.create_task(_done(work), context=contextvars.Context())


async def _done(work: Awaitable[None]) -> None:
    await work


HOOKS: dict[UUID, Callable[[int], Awaitable[None]]] = {}
"""Operation → what happens elsewhere during each of its steps."""
TRIES: dict[UUID, int] = {}
FAILURES: Mapping[str, Exception] = {
    "refusal": Refusal("invalid", "The file has no header.", (Fault("required", "A header."),)),
    "unavailable": Refusal("unavailable", "Something is away."),
    "bug": ZeroDivisionError("secret of row 17"),
}


async def scope_of(organization: Organization, role: str = "manager") -> Scope:
    """The scope of a request of this role."""
    return await scope_by(organization, "user", organization.user_ids[role])


async def scope_by(organization: Organization, kind: str, principal_id: UUID) -> Scope:
    db: Database = organization.app.state.db
    actor = await standing_actor(db, organization.organization_id, kind, principal_id)
    assert actor is not None
    context = RequestContext(f"test-{secrets.token_hex(6)}")
    return Scope(db, actor, context, Sealer(secrets.token_bytes(32)))


async def queue(
    organization: Organization, kind: str = "test_count", role: str = "manager", **params: Any
) -> Queued:
    """Queue an operation as a request of this role would."""
    scope = await scope_of(organization, role)
    return await enqueue(scope, kind, params, total=params.setdefault("total", 3))
