"""From the queue to the end: results, progress, failures, cancelling, withdrawn rights."""

from typing import Any

import pytest
from fastapi import FastAPI

from crm_api.operations.jobs import MAX_OPEN, Queued, Task, enqueue
from crm_api.operations.running import MAX_ATTEMPTS, Timing
from crm_api.operations.worker import run_pending
from tests.api.operations.jobs import count, queue, scope_of
from tests.checks import refused
from tests.factories import Organization

AT_ONCE = Timing(pause=0.0)


async def read(organization: Organization, queued: Queued, role: str = "manager") -> Any:
    answer = await organization.call(role, "GET", f"/v1/operations/{queued.id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_an_operation_waits_runs_and_succeeds(app: FastAPI, radio: Organization) -> None:
    queued = await queue(app, radio, total=4)
    assert queued.reply.status == 202
    assert queued.reply.location == f"/v1/operations/{queued.id}"
    answer = await radio.call("manager", "GET", f"/v1/operations/{queued.id}")
    before = answer.json()
    assert (before["state"], before["progress"]["percent"]) == ("queued", 0)
    assert before["progress"]["eta_seconds"] is None
    assert answer.headers["retry-after"] == "2"

    assert await run_pending(app.state.db, radio.organization_id) == 1

    answer = await radio.call("manager", "GET", f"/v1/operations/{queued.id}")
    after = answer.json()
    assert after["state"] == "succeeded"
    assert after["progress"] == {"done": 4, "total": 4, "percent": 100, "eta_seconds": None}
    assert after["result"] == {"counted": 4}
    assert after["error"] is None
    assert after["created_at"] <= after["started_at"] <= after["finished_at"]
    assert "retry-after" not in answer.headers
