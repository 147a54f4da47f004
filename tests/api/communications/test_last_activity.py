"""C11: the last activity of a client is its most recent held communication, in any order."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.communications.logging import at, changed, last_activity, log
from tests.checks import Owner, assert_chain, refused
from tests.factories import Organization

Json = dict[str, Any]
AHEAD = (datetime.now(UTC) + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%S.000000Z")


async def test_c11_back_dated_entry_moves_it_only_forward(radio: Organization) -> None:
    client = await radio.create_client()
    assert await last_activity(radio, client) is None
    for day, expected in ((10, 10), (5, 10), (12, 12), (11, 12)):
        await log(radio, client_id=client["id"], occurred_at=at(day))
        assert await last_activity(radio, client) == at(expected)


async def test_c11_deleting_the_newest_moves_it_back_and_restoring_forth(
    radio: Organization,
) -> None:
    client = await radio.create_client()
    old, new = [await log(radio, client_id=client["id"], occurred_at=at(day)) for day in (10, 12)]
    for made, expected in ((old, at(12)), (new, None)):
        answer = await radio.call("admin", "DELETE", f"/v1/communications/{made['id']}")
        assert answer.status_code == 204, answer.text
        assert await last_activity(radio, client) == expected
    for made, expected in ((old, at(10)), (new, at(12))):
        await radio.call("admin", "POST", f"/v1/communications/{made['id']}/restore")
        assert await last_activity(radio, client) == expected


@pytest.mark.parametrize("state", ["void", "cancelled", "planned"])
async def test_c11_g5_only_what_is_held_counts(radio: Organization, state: str) -> None:
    client = await radio.create_client()
    await log(radio, client_id=client["id"], occurred_at=at(10))
    made = await log(radio, client_id=client["id"], occurred_at=at(12), state=state)
    assert await last_activity(radio, client) == at(10)
    await changed(radio, made, state="held")
    assert await last_activity(radio, client) == at(12)
    await changed(radio, made, state=state)
    assert await last_activity(radio, client) == at(10)


async def test_c11_planned_meeting_counts_when_it_is_held(radio: Organization) -> None:
    client = await radio.create_client()
    made = await log(radio, client_id=client["id"], kind="meeting", occurred_at=AHEAD)
    assert made["state"] == "planned"
    assert await last_activity(radio, client) is None
    path = f"/v1/communications/{made['id']}"
    answer = await radio.call("front_desk", "PATCH", path, json={"state": "held"})
    assert refused(answer, 422, "invalid")["errors"][0]["code"] == "lies_ahead"
    await changed(radio, made, state="held", occurred_at=at(10))
    assert await last_activity(radio, client) == at(10)


async def test_c11_moving_the_newest_in_time_moves_it(radio: Organization) -> None:
    client = await radio.create_client()
    await log(radio, client_id=client["id"], occurred_at=at(10))
    made = await log(radio, client_id=client["id"], occurred_at=at(12))
    await changed(radio, made, occurred_at=at(8))
    assert await last_activity(radio, client) == at(10)
    await changed(radio, made, occurred_at=at(20))
    assert await last_activity(radio, client) == at(20)


async def test_c11_edits_are_no_activity(radio: Organization) -> None:
    client = await radio.create_client()
    made = await log(radio, client_id=client["id"], occurred_at=at(10))
    await changed(radio, made, body="They want to start in spring", outcome="connected")
    await radio.call("admin", "PATCH", f"/v1/clients/{client['id']}", json={"tags": ["vip"]})
    assert await last_activity(radio, client) == at(10)


async def test_c11_racing_logs_never_lose_the_newest(radio: Organization, owner: Owner) -> None:
    client = await radio.create_client()
    days = [3, 9, 1, 8, 2, 7, 4, 6, 5, 10, 12, 11]
    await asyncio.gather(*(log(radio, client_id=client["id"], occurred_at=at(day)) for day in days))
    assert await last_activity(radio, client) == at(12)
    await assert_chain(owner, radio.organization_id)


async def test_c11_deletions_race_with_logs_and_the_facts_decide(
    radio: Organization, owner: Owner
) -> None:
    client = await radio.create_client()
    made = [await log(radio, client_id=client["id"], occurred_at=at(d)) for d in range(10, 16)]
    gone = [radio.call("admin", "DELETE", f"/v1/communications/{one['id']}") for one in made[2:]]
    new = [log(radio, client_id=client["id"], occurred_at=at(d)) for d in (1, 2, 3, 12, 5, 6)]
    await asyncio.gather(*gone, *new)
    assert await last_activity(radio, client) == at(12)
    stored, expected = await owner.fetchrow(  # type: ignore[misc]  # one row, always
        "SELECT last_activity_at, (SELECT max(occurred_at) FROM communications m WHERE "
        "m.organization_id = c.organization_id AND m.client_id = c.id AND m.state = 'held' "
        "AND m.lifecycle = 'live') FROM clients c WHERE c.id = $1",
        client["id"],
    )
    assert stored == expected


async def test_c11_editor_of_the_client_is_not_refused_for_a_call(radio: Organization) -> None:
    """The call moves the ETag, so that nobody keeps a stale copy; the decision still stands."""
    client = await radio.create_client()
    path = f"/v1/clients/{client['id']}"
    held = (await radio.call("manager", "GET", path)).headers["etag"]
    await log(radio, client_id=client["id"], occurred_at=at(10))
    again = await radio.call("manager", "GET", path, headers={"If-None-Match": held})
    assert again.status_code == 200
    assert again.headers["etag"] != held
    ok = await radio.call(
        "manager", "PATCH", path, json={"remarks": "x"}, headers={"If-Match": held}
    )
    assert ok.status_code == 200, ok.text
    stale = await radio.call(
        "manager", "PATCH", path, json={"remarks": "y"}, headers={"If-Match": held}
    )
    refused(stale, 412, "version_conflict")


async def test_c11_call_shows_nowhere_to_who_may_not_read_the_card(radio: Organization) -> None:
    """A change of hidden fields alone: the same bytes, the same ETag."""
    client = await radio.create_client()
    path = f"/v1/clients/{client['id']}"
    before = await radio.call("presenter", "GET", path)
    await log(radio, client_id=client["id"], occurred_at=at(10))
    after = await radio.call("presenter", "GET", path)
    assert (before.text, before.headers["etag"]) == (after.text, after.headers["etag"])


async def test_c11_g9_client_has_its_own_entry_and_past(radio: Organization, owner: Owner) -> None:
    client = await radio.create_client()
    path = f"/v1/clients/{client['id']}"
    first = await log(radio, client_id=client["id"], occurred_at=at(10))
    await log(radio, client_id=client["id"], occurred_at=at(5))
    history = (await radio.call("admin", "GET", f"{path}/history")).json()["data"]
    assert [entry["action"] for entry in history] == ["client.activity_moved", "client.created"]
    moved = {"field": "last_activity_at", "before": None, "after": at(10)}
    assert history[0]["changes"] == [moved]
    now = (await radio.call("admin", "GET", path)).json()
    assert now["updated_at"] == history[0]["at"]
    then = {"as_of": client["created_at"]}
    past = (await radio.call("admin", "GET", path, params=then)).json()
    assert past == client
    seen = {"as_of": history[0]["at"]}
    assert (await radio.call("admin", "GET", path, params=seen)).json() == now
    found = await owner.fetchval(
        "SELECT count(*) FROM changes WHERE resource_id = $1 AND version = 1", client["id"]
    )
    assert found == 2, "the client's version stays: an edit that is under way is not decided anew"
    assert first["recorded_at"] == history[0]["at"]
    await assert_chain(owner, radio.organization_id)
