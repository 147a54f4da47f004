"""From the queue to the end: results, progress, failures, cancelling, withdrawn rights."""

import asyncio
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from crm_api.core.errors import Refusal
from crm_api.kit.idempotency import claim_of
from crm_api.operations.jobs import JOBS, MAX_OPEN, Queued, accepted, enqueue
from crm_api.operations.running import MAX_ATTEMPTS, Timing
from crm_api.operations.worker import run_pending
from tests.factories import Organization
from tests.jobs import HOOKS, TRIES, queue, scope_by, scope_of

AT_ONCE = Timing(pause=0.0)


async def read(organization: Organization, queued: Queued, role: str = "manager") -> Any:
    answer = await organization.call(role, "GET", f"/v1/operations/{queued.id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def run(organization: Organization, timing: Timing = AT_ONCE) -> int:
    """All that is due, done here; how many attempts that took."""
    db = organization.app.state.db
    return await run_pending(db, organization.organization_id, timing=timing)


async def test_an_operation_waits_runs_and_succeeds(radio: Organization) -> None:
    queued = await queue(radio, total=4)
    assert queued.reply.status == 202
    assert queued.reply.location == f"/v1/operations/{queued.id}"
    answer = await radio.call("manager", "GET", f"/v1/operations/{queued.id}")
    before = answer.json()
    assert before["state"] == "queued"
    assert before["progress"] == {"done": 0, "total": 4, "percent": 0, "eta_seconds": None}
    assert answer.headers["retry-after"] == "2"

    assert await run(radio) == 1

    answer = await radio.call("manager", "GET", f"/v1/operations/{queued.id}")
    after = answer.json()
    assert after["state"] == "succeeded"
    assert after["progress"] == {"done": 4, "total": 4, "percent": 100, "eta_seconds": None}
    assert after["result"] == {"counted": 4}
    assert after["error"] is None
    assert after["created_at"] <= after["started_at"] <= after["finished_at"]
    assert "retry-after" not in answer.headers


async def test_progress_and_counts_are_seen_after_each_step(radio: Organization) -> None:
    queued = await queue(radio, total=4)
    seen: list[Any] = []

    async def look(done: int) -> None:
        seen.append(await read(radio, queued))

    HOOKS[queued.id] = look
    await run(radio)
    assert [one["progress"]["done"] for one in seen] == [0, 1, 2, 3]
    assert [one["progress"]["percent"] for one in seen] == [0, 25, 50, 75]
    assert all(one["state"] == "running" for one in seen)
    assert seen[0]["progress"]["eta_seconds"] is None
    assert seen[2]["progress"]["eta_seconds"] >= 0
    assert seen[2]["result"] == {"counted": 2}


async def test_what_is_queued_in_a_transaction_that_fails_was_never_there(
    radio: Organization,
) -> None:
    scope = await scope_of(radio)

    async def ask() -> None:
        async with scope.db.transaction(radio.organization_id):
            await enqueue(scope, "test_count", {"total": 1})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await ask()
    answer = await radio.call("admin", "GET", "/v1/operations")
    assert answer.json()["data"] == []


async def test_only_who_holds_the_right_of_the_kind_queues_it(radio: Organization) -> None:
    with pytest.raises(Refusal) as refused:
        await queue(radio, role="front_desk")
    assert refused.value.code == "forbidden"


async def test_open_operations_of_an_organization_are_limited(radio: Organization) -> None:
    await asyncio.gather(*(queue(radio, total=1) for _ in range(MAX_OPEN - 1)))
    race = await asyncio.gather(*(queue(radio, total=1) for _ in range(4)), return_exceptions=True)
    refusals = [one for one in race if isinstance(one, Refusal)]
    assert [one.code for one in refusals] == ["too_many_operations"] * 3
    await run(radio)
    await queue(radio, total=1)


async def test_a_repeated_key_queues_once(radio: Organization) -> None:
    scope = await scope_of(radio)
    claim = claim_of(scope.actor, "POST", "/v1/some-work", "once-1", b"{}", 202)

    async def ask() -> Any:
        queued = await enqueue(scope, "test_count", {"total": 1}, claim=claim)
        return queued.reply

    replies = [await accepted(scope, claim, ask) for _ in range(3)]
    assert {reply.body for reply in replies} == {replies[0].body}
    assert {(reply.status, reply.location) for reply in replies} == {(202, replies[0].location)}
    assert [reply.headers for reply in replies[1:]] == [{"Idempotency-Replayed": "true"}] * 2
    assert await run(radio) == 1


async def test_the_log_names_who_started_it(
    radio: Organization, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    queued = await queue(radio, total=2)
    await run(radio)
    rows = await owner.fetch(
        "SELECT actor_type, actor_id, action, request_id FROM changes "
        "WHERE organization_id = $1 AND resource_id = $2 ORDER BY position",
        radio.organization_id,
        queued.id,
    )
    assert [row["action"] for row in rows] == ["operation.created", "operation.succeeded"]
    assert {(r["actor_type"], r["actor_id"]) for r in rows} == {("user", radio.user_ids["manager"])}
    assert rows[1]["request_id"] == f"operation-{queued.id}"


# ------------------------------------------------------------------------------------- going wrong


async def test_a_refusal_ends_it_and_what_was_done_stays(radio: Organization) -> None:
    queued = await queue(radio, "test_poison", after=2, how="refusal")
    assert await run(radio) == 1
    found = await read(radio, queued)
    assert found["state"] == "failed"
    assert found["error"] == {"code": "invalid", "detail": "The file has no header."}
    assert found["progress"]["done"] == 2


@pytest.mark.parametrize(
    ("how", "code"), [("bug", "internal_error"), ("unavailable", "unavailable")]
)
async def test_poison_is_given_up_and_holds_up_nobody(
    radio: Organization, how: str, code: str
) -> None:
    poison = await queue(radio, "test_poison", after=1, how=how)
    well = await queue(radio, total=2)
    # One more: the first attempt got on.
    assert await run(radio) == 1 + MAX_ATTEMPTS + 1
    found = await read(radio, poison)
    assert (found["state"], found["error"]["code"]) == ("failed", code)
    assert "row 17" not in str(found)
    assert found["progress"]["done"] == 1
    assert (await read(radio, well))["state"] == "succeeded"


async def test_between_two_tries_is_a_pause_that_grows(
    radio: Organization, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    queued = await queue(radio, "test_poison", after=0, how="unavailable")
    pauses = []
    for _ in range(3):
        assert await run(radio, Timing(pause=10.0)) == 1
        assert (await read(radio, queued))["state"] == "queued"
        row = await owner.fetchval(
            "UPDATE operations SET due_at = now() WHERE id = $1 "
            "RETURNING (SELECT extract(epoch FROM due_at - now()) FROM operations WHERE id = $1)",
            queued.id,
        )
        pauses.append(float(row))
    assert [round(pause / 10) for pause in pauses] == [1, 2, 4]


async def test_a_passing_fault_passes(radio: Organization) -> None:
    queued = await queue(radio, "test_flaky", fails=MAX_ATTEMPTS - 1)
    assert await run(radio) == MAX_ATTEMPTS
    found = await read(radio, queued)
    assert (found["state"], found["result"]) == ("succeeded", {"tries": MAX_ATTEMPTS})
    assert TRIES[queued.id] == MAX_ATTEMPTS


async def test_a_step_that_fails_leaves_no_progress(radio: Organization) -> None:
    """Also where the job catches the failure and goes on."""
    queued = await queue(radio, "test_stumble", total=3)
    await run(radio)
    found = await read(radio, queued)
    assert (found["state"], found["result"]) == ("succeeded", {"counted": 3, "stumbles": 3})
    assert found["progress"]["done"] == 3


async def test_a_kind_that_this_release_does_not_know_waits_for_one_that_does(
    radio: Organization,
) -> None:
    queued = await queue(radio, total=1)
    known = JOBS.pop("test_count")
    try:
        assert await run(radio) == 0
    finally:
        JOBS["test_count"] = known
    assert (await read(radio, queued))["state"] == "queued"
    assert await run(radio) == 1


# ----------------------------------------------------------------------------------- rights of now


async def _disable(radio: Organization, user_id: UUID) -> None:
    answer = await radio.call("admin", "POST", f"/v1/users/{user_id}/disable")
    assert answer.status_code == 200, answer.text


async def test_it_goes_on_after_its_author_signed_out(radio: Organization) -> None:
    queued = await queue(radio, total=2)
    await radio.call("manager", "POST", "/v1/auth/logout")
    await run(radio)
    assert (await read(radio, queued, "admin"))["state"] == "succeeded"


@pytest.mark.parametrize("at", [0, 2])
async def test_a_disabled_author_ends_it_where_it_stands(radio: Organization, at: int) -> None:
    queued = await queue(radio, total=5)

    async def disable(done: int) -> None:
        if done == at:
            await _disable(radio, radio.user_ids["manager"])

    HOOKS[queued.id] = disable
    if at == 0:
        await disable(0)
    await run(radio)
    found = await read(radio, queued, "admin")
    assert (found["state"], found["error"]["code"]) == ("failed", "forbidden")
    assert "disabled" in found["error"]["detail"]
    # The step in which it happened had begun before, and is allowed to end.
    assert found["progress"]["done"] == (0 if at == 0 else at + 1)


async def test_a_role_that_lost_the_right_ends_it(radio: Organization) -> None:
    queued = await queue(radio, total=5)

    async def demote(done: int) -> None:
        if done == 1:
            path = f"/v1/users/{radio.user_ids['manager']}"
            answer = await radio.call("admin", "PATCH", path, json={"role": "presenter"})
            assert answer.status_code == 200, answer.text

    HOOKS[queued.id] = demote
    await run(radio)
    found = await read(radio, queued, "admin")
    assert (found["state"], found["error"]["code"]) == ("failed", "forbidden")
    assert "clients:import" in found["error"]["detail"]
    assert found["progress"]["done"] == 2


async def test_other_rights_that_still_suffice_begin_anew_from_where_it_stood(
    radio: Organization,
) -> None:
    queued = await queue(radio, total=5)

    async def promote(done: int) -> None:
        if done == 1:
            path = f"/v1/users/{radio.user_ids['manager']}"
            answer = await radio.call("admin", "PATCH", path, json={"role": "admin"})
            assert answer.status_code == 200, answer.text

    HOOKS[queued.id] = promote
    assert await run(radio) == 2
    found = await read(radio, queued, "admin")
    assert (found["state"], found["result"]) == ("succeeded", {"counted": 5})


async def test_a_change_of_settings_interrupts_nothing(radio: Organization) -> None:
    queued = await queue(radio, total=4)

    async def rename(done: int) -> None:
        await radio.call("admin", "PATCH", "/v1/organization", json={"name": f"Radio {done}"})

    HOOKS[queued.id] = rename
    assert await run(radio) == 1
    assert (await read(radio, queued))["state"] == "succeeded"


async def test_a_revoked_key_ends_what_it_started(radio: Organization) -> None:
    body = {"name": "Import", "scopes": ["clients:import", "operations.operation:read_own"]}
    made = (await radio.call("admin", "POST", "/v1/api-keys", json=body)).json()
    scope = await scope_by(radio, "api_key", UUID(made["id"]))
    queued = await enqueue(scope, "test_count", {"total": 2})
    mine = {"Authorization": f"Bearer {made['key']}"}
    answer = await radio.api.get("/v1/operations", headers=mine)
    assert [one["id"] for one in answer.json()["data"]] == [str(queued.id)]
    await radio.call("admin", "DELETE", f"/v1/api-keys/{made['id']}")
    await run(radio)
    found = await read(radio, queued)
    assert (found["state"], found["error"]["code"]) == ("failed", "forbidden")
    assert "key" in found["error"]["detail"]


async def test_a_job_writes_with_the_rights_of_its_author(radio: Organization) -> None:
    """Through services and their guard, without any session."""
    client = await radio.create_client("manager")
    queued = await queue(radio, "test_remarks", client_id=client["id"], total=1)
    await radio.call("manager", "POST", "/v1/auth/logout")
    await run(radio)
    assert (await read(radio, queued, "admin"))["state"] == "succeeded"
    history = await radio.call("admin", "GET", f"/v1/clients/{client['id']}/history")
    entry = history.json()["data"][0]
    assert entry["actor"] == {
        "type": "user",
        "id": str(radio.user_ids["manager"]),
        "name": "Manager",
    }
    assert entry["request_id"] == f"operation-{queued.id}"
