"""C3, C12: when clients are to be contacted and reviewed, and the tasks that this makes."""

import asyncio
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from crm_api.tasks.schedule import make_due_tasks
from tests.api.tasks.test_tasks import today
from tests.checks import Owner, assert_chain, refused
from tests.factories import Organization

Json = dict[str, Any]
PARTNER_DAYS = 30
"""C3: how often to be in touch with a partner."""


def noon(day: date) -> str:
    local = datetime.combine(day, time(12), ZoneInfo("Africa/Kampala"))
    return local.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


async def partner(radio: Organization, days_ago: int | None = None, **fields: Any) -> Json:
    """A partner who was last called so many days ago."""
    client = await radio.create_client(type="partner", **fields)
    if days_ago is not None:
        called = {"kind": "call", "occurred_at": noon(today() - timedelta(days=days_ago))}
        path = f"/v1/clients/{client['id']}/communications"
        answer = await radio.call("front_desk", "POST", path, json=called)
        assert answer.status_code == 201, answer.text
    return client


async def in_bucket(radio: Organization, **query: str) -> set[str]:
    answer = await radio.call("front_desk", "GET", "/v1/follow-ups", params=query)
    assert answer.status_code == 200, answer.text
    return {item["id"] for item in answer.json()["data"]}


async def test_c3_m2_schedule_follows_the_interval_of_the_type(radio: Organization) -> None:
    late, due, soon, never = [
        await partner(radio, days) for days in (PARTNER_DAYS + 1, PARTNER_DAYS, 1, None)
    ]
    wish = {"preferences": {"do_not_contact": True}}
    blocked = await partner(radio, PARTNER_DAYS + 5, **wish)
    free = await radio.create_client(type="community_organization")
    expected = {"overdue": late, "due": due, "upcoming": soon, "never": never, "blocked": blocked}
    for bucket, client in expected.items():
        assert await in_bucket(radio, bucket=bucket) == {client["id"]}, bucket
    assert free["id"] not in await in_bucket(radio), "contacted as needed"
    one = (await radio.call("manager", "GET", f"/v1/follow-ups/{late['id']}")).json()
    assert one["due_on"] == str(today() - timedelta(days=1))
    assert (one["interval_days"], one["type"], one["bucket"]) == (
        PARTNER_DAYS,
        "partner",
        "overdue",
    )
    listed = await radio.call("manager", "GET", "/v1/follow-ups")
    dates = [item["due_on"] for item in listed.json()["data"]]
    assert dates == [*sorted(d for d in dates if d), None], "never comes last"
    refused(await radio.call("manager", "GET", f"/v1/follow-ups/{free['id']}"), 404, "not_found")


async def test_m2_schedule_by_owner(radio: Organization) -> None:
    me = str(radio.user_ids["manager"])
    mine = await partner(radio, PARTNER_DAYS + 1, owner_id=me)
    await partner(radio, PARTNER_DAYS + 1)
    assert await in_bucket(radio, bucket="overdue", owner_id=me) == {mine["id"]}


async def test_m2_who_reads_less_of_clients_reads_no_schedule(radio: Organization) -> None:
    scopes = ["follow_ups.schedule:read", "clients.name:read", "clients.card:read"]
    key = await radio.call("admin", "POST", "/v1/api-keys", json={"name": "K", "scopes": scopes})
    headers = {"Authorization": f"Bearer {key.json()['key']}"}
    answer = await radio.api.get("/v1/follow-ups", headers=headers)
    assert "clients.preferences:read" in refused(answer, 403, "forbidden")["detail"]


async def made(owner: Owner, radio: Organization) -> "list[asyncpg.Record]":
    return await owner.fetch(
        "SELECT * FROM tasks WHERE organization_id = $1 AND cause IS NOT NULL ORDER BY id",
        radio.organization_id,
    )


async def make(radio: Organization) -> int:
    return await make_due_tasks(radio.app.state.db, radio.organization_id)


async def test_c12_review_that_is_due_becomes_a_task_once(
    radio: Organization, owner: Owner
) -> None:
    me = radio.user_ids["manager"]
    old = str(today() - timedelta(days=200))
    client = await radio.create_client("admin", registered_on=old, owner_id=str(me))
    await radio.create_client("admin", registered_on=old)  # nobody's
    await radio.create_client("admin", owner_id=str(me))  # not due yet
    assert await asyncio.gather(*(make(radio) for _ in range(3))) in (
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
    )
    (task,) = await made(owner, radio)
    assert str(task["client_id"]) == client["id"]
    assert (task["kind"], task["cause"], task["assignee_id"]) == ("review", "review", me)
    assert str(task["due_on"]) == client["review_due_on"]
    await radio.call("manager", "POST", f"/v1/tasks/{task['id']}/complete")
    assert await make(radio) == 0, "what was done is not made again for the same date"
    await assert_chain(owner, radio.organization_id)


async def test_c3_follow_up_that_is_due_becomes_a_task_of_the_owner(
    radio: Organization, owner: Owner
) -> None:
    me = str(radio.user_ids["front_desk"])
    due = await partner(radio, PARTNER_DAYS, owner_id=me)
    await partner(radio, PARTNER_DAYS - 1, owner_id=me)
    await partner(radio, PARTNER_DAYS, owner_id=me, preferences={"do_not_contact": True})
    number = (await radio.create_client())["number"]
    assert await make(radio) == 1
    assert await make(radio) == 0
    (task,) = await made(owner, radio)
    assert (str(task["client_id"]), task["kind"]) == (due["id"], "follow_up")
    mine = await radio.call("front_desk", "GET", "/v1/tasks?queue=mine")
    assert [item["id"] for item in mine.json()["data"]] == [str(task["id"])]
    following = (await radio.create_client())["number"]
    assert int(following[2:]) == int(number[2:]) + 1, "tasks take no numbers of clients"


async def test_m2_one_open_task_for_each_client_and_cause(
    radio: Organization, owner: Owner
) -> None:
    """The database has the last word; reopening one beside another is refused."""
    client = await partner(radio, PARTNER_DAYS, owner_id=str(radio.user_ids["manager"]))
    await make(radio)
    (task,) = await made(owner, radio)
    path = f"/v1/tasks/{task['id']}"
    await radio.call("manager", "POST", f"{path}/complete")
    columns = ", ".join(name for name in task.keys() if name != "id")  # noqa: SIM118  # a record
    again = (
        f"INSERT INTO tasks (id, {columns}) SELECT gen_random_uuid(), {columns} FROM "
        "(SELECT t.* FROM tasks t WHERE t.id = $1) AS t"
    )
    await radio.call("manager", "POST", f"{path}/reopen")
    with pytest.raises(asyncpg.UniqueViolationError):
        await owner.execute(again, task["id"])
    assert client["id"] == str(task["client_id"])
