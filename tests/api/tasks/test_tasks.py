"""M2: tasks with a date, an assignee, a reminder and a state, and the queues they stand in."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.checks import Owner, assert_chain, change_count, codes, refused
from tests.factories import Organization

Json = dict[str, Any]
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"


def today() -> date:
    """The date of the tests' organizations."""
    return datetime.now(UTC).astimezone(ZoneInfo("Africa/Kampala")).date()


async def add(radio: Organization, role: str = "front_desk", **fields: Any) -> Json:
    body = {"title": "Send the offer"} | fields
    answer = await radio.call(role, "POST", "/v1/tasks", json=body)
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


async def titles(radio: Organization, role: str = "front_desk", **query: str) -> list[str]:
    answer = await radio.call(role, "GET", "/v1/tasks", params=query)
    assert answer.status_code == 200, answer.text
    return [task["title"] for task in answer.json()["data"]]


async def test_m2_task_keeps_what_was_said_of_it(radio: Organization) -> None:
    client, person = await radio.create_client(), await radio.create_contact()
    fields = {
        "title": "Renew the contract",
        "note": "Ask for Ada.",
        "kind": "renewal",
        "due_on": "2030-01-31",
        "remind_at": "2030-01-30T07:00:00.000000Z",
        "assignee_id": str(radio.user_ids["manager"]),
        "client_id": client["id"],
        "contact_id": person["id"],
    }
    made = await add(radio, **fields)
    assert {name: made[name] for name in fields} == fields
    assert (made["state"], made["done_at"], made["cause"]) == ("open", None, None)
    assert made["created_by"] == str(radio.user_ids["front_desk"])
    expanded = await radio.call("manager", "GET", f"/v1/tasks/{made['id']}?expand=client")
    assert expanded.json()["client"] == {"id": client["id"], "name": client["name"]}


async def test_m2_queues_go_by_the_local_date(radio: Organization) -> None:
    now, day = today(), timedelta(days=1)
    me = str(radio.user_ids["manager"])
    for title, due in (("late", now - day), ("now", now), ("soon", now + day), ("some day", None)):
        await add(radio, title=title, due_on=due and str(due))
    await add(radio, title="mine", assignee_id=me)
    done = await add(radio, title="done", due_on=str(now - day), assignee_id=me)
    await radio.call("manager", "POST", f"/v1/tasks/{done['id']}/complete")
    assert await titles(radio, queue="overdue") == ["late"]
    assert await titles(radio, queue="due") == ["now"]
    assert await titles(radio, queue="upcoming") == ["soon"]
    assert await titles(radio, "manager", queue="mine") == ["mine"]
    assert await titles(radio, "front_desk", queue="mine") == []
    everything = ["late", "done", "now", "soon", "some day", "mine"]
    assert sorted(await titles(radio)) == sorted(everything)
    assert (await titles(radio))[-2:] == ["some day", "mine"], "nothing comes last"
    for query in ({"queue": "never"}, [("queue", "due"), ("queue", "mine")]):
        answer = await radio.call("front_desk", "GET", "/v1/tasks", params=query)
        assert codes(refused(answer, 422, "invalid")) == {"queue": "invalid_choice"}


async def test_m2_completing_and_reopening(radio: Organization, owner: Owner) -> None:
    made = await add(radio)
    path = f"/v1/tasks/{made['id']}"
    done = (await radio.call("manager", "POST", f"{path}/complete")).json()
    assert (done["state"], done["done_by"]) == ("done", str(radio.user_ids["manager"]))
    assert done["done_at"] > made["created_at"]
    before = await change_count(owner, radio.organization_id)
    again = await radio.call("front_desk", "POST", f"{path}/complete")
    assert again.json() == done, "it was done by whoever did it first"
    assert await change_count(owner, radio.organization_id) == before
    opened = (await radio.call("manager", "POST", f"{path}/reopen")).json()
    assert (opened["state"], opened["done_at"], opened["done_by"]) == ("open", None, None)
    cancelled = await radio.call("manager", "PATCH", path, json={"state": "cancelled"})
    assert cancelled.json()["state"] == "cancelled"
    history = (await radio.call("admin", "GET", f"{path}/history")).json()["data"]
    actions = ["task.updated", "task.reopened", "task.completed", "task.created"]
    assert [entry["action"] for entry in history] == actions
    await assert_chain(owner, radio.organization_id)


async def test_m2_stale_decisions_and_dry_runs(radio: Organization, owner: Owner) -> None:
    made = await add(radio)
    path = f"/v1/tasks/{made['id']}"
    etag = (await radio.call("manager", "GET", path)).headers["etag"]
    before = await change_count(owner, radio.organization_id)
    tried = await radio.call("manager", "POST", f"{path}/complete?dry_run=true")
    assert tried.json()["state"] == "done"
    assert await change_count(owner, radio.organization_id) == before
    headers = {"If-Match": etag}
    moved = {"due_on": "2030-01-31"}
    assert (await radio.call("manager", "PATCH", path, json=moved, headers=headers)).is_success
    for method, place in (("PATCH", path), ("POST", f"{path}/complete"), ("DELETE", path)):
        sent = {"json": {"note": "x"}} if method == "PATCH" else {}
        answer = await radio.call("manager", method, place, headers=headers, **sent)
        refused(answer, 412, "version_conflict")


async def test_m2_references_are_looked_up(radio: Organization, other: Organization) -> None:
    theirs = await other.create_client()
    archived = await radio.create_client()
    await radio.call("admin", "POST", f"/v1/clients/{archived['id']}/archive")
    for name, value, code in (
        ("client_id", theirs["id"], "unknown_client"),
        ("client_id", NOBODY, "unknown_client"),
        ("contact_id", NOBODY, "unknown_contact"),
        ("assignee_id", str(other.user_ids["admin"]), "unknown_user"),
    ):
        body = {"title": "x", name: value}
        answer = await radio.call("front_desk", "POST", "/v1/tasks", json=body)
        assert codes(refused(answer, 422, "invalid")) == {f"/{name}": code}
    body = {"title": "x", "client_id": archived["id"]}
    refused(await radio.call("front_desk", "POST", "/v1/tasks", json=body), 409, "not_live")


async def test_m2_rights(radio: Organization) -> None:
    own, others = await add(radio), await add(radio, "manager")
    path = "/v1/tasks/{}"
    refused(await radio.call("front_desk", "DELETE", path.format(others["id"])), 403, "forbidden")
    answer = await radio.call("front_desk", "DELETE", path.format(own["id"]))
    assert answer.status_code == 204
    refused(await radio.call("front_desk", "GET", path.format(own["id"])), 404, "not_found")
    restored = await radio.call("manager", "POST", f"{path.format(own['id'])}/restore")
    assert restored.json()["lifecycle"] == "live"
    for method, place in (
        ("GET", "/v1/tasks"),
        ("GET", "/v1/tasks?queue=mine"),
        ("POST", "/v1/tasks"),
        ("PATCH", path.format(own["id"])),
        ("POST", f"{path.format(own['id'])}/complete"),
        ("GET", "/v1/follow-ups"),
    ):
        sent: Json = {"json": {}} if method in ("POST", "PATCH") else {}
        refused(await radio.call("presenter", method, place, **sent), 403, "forbidden")
