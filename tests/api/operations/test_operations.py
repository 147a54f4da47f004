"""Operations over HTTP: whose they are, lists, cancelling, the stream of events."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from crm_api.operations import events
from crm_api.operations.running import Timing
from crm_api.operations.worker import run_pending
from tests.checks import refused
from tests.factories import Organization
from tests.jobs import HOOKS, queue


async def run(organization: Organization) -> int:
    return await run_pending(
        organization.app.state.db, organization.organization_id, timing=Timing(pause=0.0)
    )


async def own_right(radio: Organization) -> None:
    """Give the presenter a role that may queue, and reads only what is its own."""
    scopes = ["clients:import", "operations.operation:read_own", "clients.name:read"]
    body = {"name": "importer", "scopes": scopes}
    assert (await radio.call("admin", "POST", "/v1/roles", json=body)).status_code == 201
    path = f"/v1/users/{radio.user_ids['presenter']}"
    answer = await radio.call("admin", "PATCH", path, json={"role": "importer"})
    assert answer.status_code == 200, answer.text


async def test_who_reads_its_own_finds_no_others(radio: Organization) -> None:
    await own_right(radio)
    mine = await queue(radio, role="presenter", total=1)
    other = await queue(radio, role="manager", total=1)
    answer = await radio.call("presenter", "GET", "/v1/operations", params={"count": "exact"})
    assert [one["id"] for one in answer.json()["data"]] == [str(mine.id)]
    assert answer.json()["total"] == 1
    one = await radio.call("presenter", "GET", f"/v1/operations/{mine.id}")
    assert one.status_code == 200, one.text
    assert one.json() == answer.json()["data"][0]
    for method, suffix in (("GET", ""), ("POST", "/cancel"), ("GET", "/events")):
        answer = await radio.call("presenter", method, f"/v1/operations/{other.id}{suffix}")
        refused(answer, 404, "not_found")
    # Asking for those of somebody finds nothing either.
    query = {"created_by": str(radio.user_ids["manager"])}
    answer = await radio.call("presenter", "GET", "/v1/operations", params=query)
    assert answer.json()["data"] == [], answer.text
    every = await radio.call("manager", "GET", "/v1/operations")
    assert [one["id"] for one in every.json()["data"]] == [str(other.id), str(mine.id)]


async def test_another_organizations_operation_is_the_404_of_a_random_one(
    radio: Organization, other: Organization
) -> None:
    queued = await queue(other)
    for suffix, method in (("", "GET"), ("/cancel", "POST"), ("/events", "GET")):
        texts = []
        for operation_id in (queued.id, uuid4()):
            answer = await radio.call("admin", method, f"/v1/operations/{operation_id}{suffix}")
            texts.append(refused(answer, 404, "not_found") | {"request_id": ""})
        assert texts[0] == texts[1]


async def test_lists_are_filtered_sorted_and_paged(radio: Organization) -> None:
    made = [str((await queue(radio, total=n)).id) for n in (1, 2, 3)]
    await run(radio)
    made.append(str((await queue(radio, total=1)).id))
    newest = (await radio.call("manager", "GET", "/v1/operations")).json()["data"]
    assert [one["id"] for one in newest] == made[::-1]
    for query, expected in (
        ({"state": "queued"}, made[3:]),
        ({"state": "succeeded", "sort": "created_at"}, made[:3]),
        ({"kind": "test_poison"}, []),
        ({"kind": "test_count", "state[ne]": "queued", "sort": "created_at"}, made[:3]),
    ):
        answer = await radio.call("manager", "GET", "/v1/operations", params=query)
        assert [one["id"] for one in answer.json()["data"]] == expected, query
    seen, cursor = [], None
    while True:
        query = {"limit": "1"} | ({"cursor": cursor} if cursor else {})
        answer = (await radio.call("manager", "GET", "/v1/operations", params=query)).json()
        seen += [one["id"] for one in answer["data"]]
        cursor = answer["next_cursor"]
        if cursor is None:
            break
    assert seen == made[::-1]
    answer = await radio.call("manager", "GET", "/v1/operations", params={"state": "asleep"})
    refused(answer, 422, "invalid")


async def test_an_etag_holds_until_the_next_step(radio: Organization) -> None:
    queued = await queue(radio, total=1)
    path = f"/v1/operations/{queued.id}"
    etag = (await radio.call("manager", "GET", path)).headers["etag"]
    again = await radio.call("manager", "GET", path, headers={"If-None-Match": etag})
    assert again.status_code == 304
    await run(radio)
    again = await radio.call("manager", "GET", path, headers={"If-None-Match": etag})
    assert again.status_code == 200


# -------------------------------------------------------------------------------------- cancelling


async def cancel(
    radio: Organization, operation_id: UUID, role: str = "manager", **more: Any
) -> httpx.Response:
    return await radio.call(role, "POST", f"/v1/operations/{operation_id}/cancel", **more)


async def test_what_waits_is_cancelled_at_once(radio: Organization) -> None:
    queued = await queue(radio)
    rehearsed = await cancel(radio, queued.id, params={"dry_run": "true"})
    assert (rehearsed.status_code, rehearsed.json()["state"]) == (200, "cancelled")
    answer = await cancel(radio, queued.id)
    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == "cancelled"
    assert answer.json()["finished_at"] is not None
    assert await run(radio) == 0
    refused(await cancel(radio, queued.id), 409, "operation_finished")


async def test_what_is_at_work_stops_before_its_next_step(radio: Organization) -> None:
    queued = await queue(radio, total=9)
    answers: list[httpx.Response] = []

    async def ask(done: int) -> None:
        if done in (2, 3):
            answers.extend([await cancel(radio, queued.id), await cancel(radio, queued.id)])

    HOOKS[queued.id] = ask
    await run(radio)
    for answer in answers:
        assert answer.status_code == 202, answer.text
        assert answer.headers["location"] == f"/v1/operations/{queued.id}"
        assert (answer.json()["state"], answer.json()["cancel_requested"]) == ("running", True)
    found = (await radio.call("manager", "GET", f"/v1/operations/{queued.id}")).json()
    assert (found["state"], found["result"]) == ("cancelled", {"counted": 3})
    assert len(answers) == 2
    refused(await cancel(radio, queued.id), 409, "operation_finished")


async def test_a_repeated_cancel_with_a_key_answers_as_the_first(radio: Organization) -> None:
    queued = await queue(radio)
    key = {"Idempotency-Key": "stop-it"}
    first = await cancel(radio, queued.id, headers=key)
    again = await cancel(radio, queued.id, headers=key)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again.headers["idempotency-replayed"] == "true"


async def test_ones_own_is_stopped_by_anybody_others_by_right(radio: Organization) -> None:
    await own_right(radio)
    mine = await queue(radio, role="presenter")
    assert (await cancel(radio, mine.id, "presenter")).status_code == 200
    scopes = ["operations.operation:read"]
    body = {"name": "Looks on", "scopes": scopes}
    key = (await radio.call("admin", "POST", "/v1/api-keys", json=body)).json()["key"]
    other = await queue(radio)
    headers = {"Authorization": f"Bearer {key}"}
    answer = await radio.api.post(f"/v1/operations/{other.id}/cancel", headers=headers)
    refused(answer, 403, "forbidden")
    assert (await cancel(radio, other.id, "admin")).status_code == 200


async def test_cancelling_and_claiming_at_once_ends_in_one_state(radio: Organization) -> None:
    for _ in range(8):
        queued = await queue(radio, total=3, pause_ms=2)
        answer, _ = await asyncio.gather(cancel(radio, queued.id), run(radio))
        found = (await radio.call("manager", "GET", f"/v1/operations/{queued.id}")).json()
        if answer.status_code == 409:
            assert found["state"] == "succeeded"
        else:
            assert answer.status_code in (200, 202), answer.text
            assert found["state"] in ("cancelled", "succeeded")
            assert answer.status_code == 202 or found["progress"]["done"] == 0


# ------------------------------------------------------------------------------------------ events


def told(text: str) -> list[Any]:
    """What the events of a stream hold."""
    lines = [line for line in text.splitlines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "ASK_SECONDS", 0.02)


async def test_the_stream_tells_each_change_and_ends_with_the_operation(
    radio: Organization, quick: None
) -> None:
    queued = await queue(radio, total=3, pause_ms=80)
    stream = asyncio.create_task(radio.call("manager", "GET", f"/v1/operations/{queued.id}/events"))
    await asyncio.sleep(0.1)
    await run(radio)
    answer = await stream
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.headers["cache-control"] == "no-store"
    seen = told(answer.text)
    states = [one["state"] for one in seen]
    assert states == sorted(states, key=("queued", "running", "succeeded").index)
    assert {"queued", "running", "succeeded"} == set(states)
    done = [one["progress"]["done"] for one in seen]
    assert done == sorted(done)
    assert len({json.dumps(one) for one in seen}) == len(seen)
    last = (await radio.call("manager", "GET", f"/v1/operations/{queued.id}")).json()
    assert seen[-1] == last


async def test_the_stream_ends_with_the_session(radio: Organization, quick: None) -> None:
    queued = await queue(radio)
    stream = asyncio.create_task(radio.call("manager", "GET", f"/v1/operations/{queued.id}/events"))
    await asyncio.sleep(0.1)
    assert not stream.done()
    await radio.call("manager", "POST", "/v1/auth/logout")
    async with asyncio.timeout(5):
        assert [one["state"] for one in told((await stream).text)] == ["queued"]


async def test_the_stream_ends_with_the_right(radio: Organization, quick: None) -> None:
    queued = await queue(radio, role="admin")
    stream = asyncio.create_task(radio.call("manager", "GET", f"/v1/operations/{queued.id}/events"))
    await asyncio.sleep(0.1)
    path = f"/v1/users/{radio.user_ids['manager']}"
    await radio.call("admin", "PATCH", path, json={"role": "presenter"})
    async with asyncio.timeout(5):
        await stream


async def test_streams_of_one_caller_are_limited(
    radio: Organization, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MAX_STREAMS", 2)
    queued = await queue(radio)
    path = f"/v1/operations/{queued.id}/events"
    streams = [asyncio.create_task(radio.call("manager", "GET", path)) for _ in range(2)]
    await asyncio.sleep(0.1)
    answer = await radio.call("manager", "GET", path)
    refused(answer, 429, "rate_limited")
    assert answer.headers["retry-after"]
    assert (await cancel(radio, queued.id)).status_code == 200
    await asyncio.gather(*streams)
    assert (await radio.call("manager", "GET", path)).status_code == 200


async def test_a_quiet_stream_says_that_it_is_there_and_ends_in_time(
    radio: Organization, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(events, "MAX_SECONDS", 0.4)
    queued = await queue(radio)
    async with asyncio.timeout(5):
        answer = await radio.call("manager", "GET", f"/v1/operations/{queued.id}/events")
    assert answer.text.count(": still here") >= 2
    assert len(told(answer.text)) == 1
