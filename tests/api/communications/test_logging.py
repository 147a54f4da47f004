"""M1: one request logs a communication, wherever the user is, with all that follows from it."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.communications.logging import at, changed, log
from tests.checks import Owner, assert_chain, change_count, codes, pointers, refused
from tests.factories import Organization

Json = dict[str, Any]
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"


async def served_by(radio: Organization, *clients: Json) -> Json:
    """A person who serves these clients."""
    person = await radio.create_contact()
    for client in clients:
        place = f"/v1/clients/{client['id']}/contacts"
        answer = await radio.call("admin", "POST", place, json={"contact_id": person["id"]})
        assert answer.status_code == 201, answer.text
    return person


async def test_m1_one_post_keeps_all_of_it(radio: Organization, owner: Owner) -> None:
    client, person = await radio.create_client(), await radio.create_contact()
    fields: Json = {
        "kind": "meeting",
        "direction": "in",
        "occurred_at": at(10),
        "subject": "Spring campaign",
        "body": "They want to start in spring.\nAda decides.",
        "outcome": "connected",
        "duration_minutes": 45,
        "participants": [
            {"contact_id": person["id"]},
            {"user_id": str(radio.user_ids["manager"])},
            {"name": "A visitor"},
        ],
    }
    made = await log(radio, client_id=client["id"], **fields)
    assert {name: made[name] for name in fields if name != "participants"} == {
        name: value for name, value in fields.items() if name != "participants"
    }
    assert made["participants"] == [
        {"contact_id": None, "user_id": None, "name": None} | one for one in fields["participants"]
    ]
    assert (made["state"], made["workflow"]) == ("held", "customer_relationship")
    assert made["recorded_by"] == str(radio.user_ids["front_desk"])
    assert made["recorded_at"] > made["occurred_at"]
    read = await radio.call("manager", "GET", f"/v1/communications/{made['id']}")
    assert read.json() == made
    await assert_chain(owner, radio.organization_id)


async def test_m1_without_a_time_it_is_held_now_and_ahead_it_is_planned(
    radio: Organization,
) -> None:
    client = await radio.create_client()
    now = datetime.now(UTC)
    made = await log(radio, client_id=client["id"])
    assert made["state"] == "held"
    assert abs(datetime.fromisoformat(made["occurred_at"]) - now) < timedelta(minutes=1)
    ahead = (now + timedelta(days=3)).isoformat()
    assert (await log(radio, client_id=client["id"], occurred_at=ahead))["state"] == "planned"
    body = {"kind": "call", "client_id": client["id"], "occurred_at": ahead, "state": "held"}
    answer = await radio.call("front_desk", "POST", "/v1/communications", json=body)
    assert codes(refused(answer, 422, "invalid")) == {"/state": "lies_ahead"}


async def test_m1_action_items_and_follow_up_are_tasks_of_the_same_write(
    radio: Organization, owner: Owner
) -> None:
    client = await radio.create_client()
    manager, author = (str(radio.user_ids[role]) for role in ("manager", "front_desk"))
    made = await log(
        radio,
        client_id=client["id"],
        subject="Offer",
        action_items=[
            {"title": "Send the offer", "due_on": "2030-01-31", "assignee_id": manager},
            {"title": "Book the studio"},
        ],
        follow_up_on="2030-02-07",
    )
    items = [{k: v for k, v in one.items() if k != "task_id"} for one in made["action_items"]]
    first = {"title": "Send the offer", "due_on": "2030-01-31", "assignee_id": manager}
    second = {"title": "Book the studio", "due_on": None, "assignee_id": author}
    assert items == [first | {"state": "open"}, second | {"state": "open"}]
    query = {"communication_id": made["id"]}
    tasks = (await radio.call("manager", "GET", "/v1/tasks", params=query)).json()["data"]
    assert [(t["kind"], t["title"], t["due_on"], t["assignee_id"]) for t in tasks] == [
        ("action_item", "Send the offer", "2030-01-31", manager),
        ("follow_up", "Follow up: Offer", "2030-02-07", author),
        ("action_item", "Book the studio", None, author),
    ]
    assert {task["client_id"] for task in tasks} == {client["id"]}
    block = await owner.fetch(
        "SELECT DISTINCT block_start FROM changes WHERE resource_id = ANY($1::uuid[])",
        [made["id"], *(task["id"] for task in tasks)],
    )
    assert len(block) == 1, "all of it, or nothing"
    done = f"/v1/tasks/{made['action_items'][0]['task_id']}/complete"
    assert (await radio.call("manager", "POST", done)).status_code == 200
    again = (await radio.call("manager", "GET", f"/v1/communications/{made['id']}")).json()
    assert [one["state"] for one in again["action_items"]] == ["done", "open"]


async def test_m1_from_a_client(radio: Organization) -> None:
    client, other = await radio.create_client(), await radio.create_client()
    path = f"/v1/clients/{client['id']}/communications"
    answer = await radio.call("front_desk", "POST", path, json={"kind": "visit"})
    assert answer.status_code == 201, answer.text
    assert answer.json()["client_id"] == client["id"]
    assert answer.headers["location"] == f"/v1/communications/{answer.json()['id']}"
    await log(radio, client_id=other["id"])
    listed = (await radio.call("front_desk", "GET", path)).json()["data"]
    assert listed == [answer.json()]
    body = {"kind": "visit", "client_id": other["id"]}
    answer = await radio.call("front_desk", "POST", path, json=body)
    assert codes(refused(answer, 422, "invalid")) == {"/client_id": "other_client"}


async def test_m1_from_a_contact_with_the_client_that_it_serves(radio: Organization) -> None:
    first, second = await radio.create_client(), await radio.create_client()
    one, several, free = (
        await served_by(radio, first),
        await served_by(radio, first, second),
        await radio.create_contact(),
    )
    answer = await radio.call(
        "front_desk", "POST", f"/v1/contacts/{one['id']}/communications", json={"kind": "call"}
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["client_id"] == first["id"]
    assert answer.json()["participants"][0]["contact_id"] == one["id"]
    path = f"/v1/contacts/{several['id']}/communications"
    answer = await radio.call("front_desk", "POST", path, json={"kind": "call"})
    assert codes(refused(answer, 422, "invalid")) == {"/client_id": "required"}
    body = {"kind": "call", "client_id": second["id"]}
    answer = await radio.call("front_desk", "POST", path, json=body)
    assert answer.json()["client_id"] == second["id"]
    path = f"/v1/contacts/{free['id']}/communications"
    alone = await radio.call("front_desk", "POST", path, json={"kind": "call"})
    assert alone.json()["client_id"] is None
    listed = (await radio.call("manager", "GET", path)).json()["data"]
    assert [item["id"] for item in listed] == [alone.json()["id"]]


async def test_m1_from_a_contact_that_is_deleted_or_of_elsewhere(
    radio: Organization, other: Organization
) -> None:
    gone, theirs = await radio.create_contact(), await other.create_contact()
    await radio.call("admin", "DELETE", f"/v1/contacts/{gone['id']}")
    for role, person, status in (
        ("admin", gone, 409),
        ("manager", gone, 404),
        ("admin", theirs, 404),
    ):
        path = f"/v1/contacts/{person['id']}/communications"
        answer = await radio.call(role, "POST", path, json={"kind": "call"})
        refused(answer, status, "not_live" if status == 409 else "not_found")


async def test_m1_expanding_tells_names(radio: Organization) -> None:
    client, person = await radio.create_client(), await radio.create_contact()
    people = [{"contact_id": person["id"]}, {"user_id": str(radio.user_ids["manager"])}]
    made = await log(radio, client_id=client["id"], participants=people)
    path = f"/v1/communications/{made['id']}"
    found = await radio.call("manager", "GET", path, params={"expand": "client,participants"})
    assert found.json()["client"] == {"id": client["id"], "name": client["name"]}
    names = [one["name"] for one in found.json()["participants"]]
    assert names == [person["name"], "Manager"]
    echoed = {"participants": found.json()["participants"]}
    answer = await radio.call("manager", "PATCH", path, json=echoed)
    assert answer.json() == made, "what was answered may be sent back"


async def test_m1_every_fault_is_told_at_once(radio: Organization, owner: Owner) -> None:
    client = await radio.create_client()
    before = await change_count(owner, radio.organization_id)
    body = {
        "kind": "call",
        "client_id": client["id"],
        "participants": [
            {"contact_id": NOBODY},
            {"user_id": NOBODY},
            {},
            {"contact_id": NOBODY, "user_id": NOBODY},
        ],
        "action_items": [{"title": "x", "assignee_id": NOBODY}],
        "workflow": "unheard_of",
        "parent_id": NOBODY,
        "duration_minutes": -1,
    }
    answer = await radio.call("front_desk", "POST", "/v1/communications", json=body)
    assert pointers(refused(answer, 422, "invalid")) >= {
        "/participants/0/contact_id",
        "/participants/1/user_id",
        "/participants/2",
        "/participants/3",
        "/action_items/0/assignee_id",
        "/workflow",
        "/parent_id",
        "/duration_minutes",
    }
    answer = await radio.call("front_desk", "POST", "/v1/communications", json={"kind": "call"})
    assert codes(refused(answer, 422, "invalid")) == {"/client_id": "required"}
    assert await change_count(owner, radio.organization_id) == before


async def test_m1_client_of_elsewhere_hidden_or_put_away(
    radio: Organization, other: Organization
) -> None:
    theirs = await other.create_client()
    archived, deleted = await radio.create_client(), await radio.create_client()
    await radio.call("admin", "POST", f"/v1/clients/{archived['id']}/archive")
    await radio.call("admin", "DELETE", f"/v1/clients/{deleted['id']}")
    for client, in_path, in_body in (
        (theirs, 404, 422),
        ({"id": NOBODY}, 404, 422),
        (deleted, 404, 422),
        (archived, 409, 409),
    ):
        path = f"/v1/clients/{client['id']}/communications"
        answer = await radio.call("front_desk", "POST", path, json={"kind": "call"})
        assert answer.status_code == in_path, answer.text
        body = {"kind": "call", "client_id": client["id"]}
        answer = await radio.call("front_desk", "POST", "/v1/communications", json=body)
        assert answer.status_code == in_body, answer.text
        assert answer.json()["code"] == ("not_live" if in_body == 409 else "invalid")


async def test_m1_of_a_deleted_client_nothing_is_there_for_who_may_not_open_it(
    radio: Organization,
) -> None:
    client = await radio.create_client()
    made = await log(radio, client_id=client["id"], follow_up_on="2030-01-31")
    task = (await radio.call("admin", "GET", "/v1/tasks")).json()["data"][0]
    paths = (f"/v1/communications/{made['id']}", f"/v1/tasks/{task['id']}")
    await radio.call("admin", "DELETE", f"/v1/clients/{client['id']}")
    for path in paths:
        listed = path.rpartition("/")[0]
        for role, status, total in (("admin", 200, 1), ("manager", 404, 0), ("front_desk", 404, 0)):
            assert (await radio.call(role, "GET", path)).status_code == status
            answer = await radio.call(role, "GET", listed, params={"count": "exact"})
            assert (answer.json()["total"], len(answer.json()["data"])) == (total, total)
            history = await radio.call(role, "GET", f"{path}/history")
            assert history.status_code == status
        refused(await radio.call("manager", "PATCH", path, json={}), 404, "not_found")
        refused(await radio.call("manager", "DELETE", path), 404, "not_found")
    answer = await radio.call("admin", "PATCH", paths[0], json={"state": "void"})
    refused(answer, 409, "not_live")


async def test_m1_own_may_be_deleted_by_front_desk_and_no_other(radio: Organization) -> None:
    client = await radio.create_client()
    own, others = [
        await log(radio, role, client_id=client["id"]) for role in ("front_desk", "manager")
    ]
    path = "/v1/communications/{}"
    answer = await radio.call("front_desk", "DELETE", path.format(others["id"]))
    refused(answer, 403, "forbidden")
    answer = await radio.call("front_desk", "DELETE", path.format(own["id"]))
    assert answer.status_code == 204
    refused(await radio.call("front_desk", "GET", path.format(own["id"])), 404, "not_found")
    restored = await radio.call("manager", "POST", f"{path.format(own['id'])}/restore")
    assert restored.json()["lifecycle"] == "live"
    answer = await radio.call("manager", "DELETE", path.format(own["id"]))
    assert answer.status_code == 204


async def test_m1_presenter_learns_nothing(radio: Organization) -> None:
    client = await radio.create_client()
    made = await log(radio, client_id=client["id"])
    for method, path in (
        ("GET", "/v1/communications"),
        ("GET", f"/v1/communications/{made['id']}"),
        ("GET", f"/v1/communications/{made['id']}/history"),
        ("GET", f"/v1/clients/{client['id']}/communications"),
        ("GET", f"/v1/clients/{client['id']}/communications/tree"),
        ("POST", "/v1/communications"),
        ("POST", f"/v1/clients/{client['id']}/communications"),
        ("PATCH", f"/v1/communications/{made['id']}"),
        ("DELETE", f"/v1/communications/{made['id']}"),
    ):
        sent = {"json": {"kind": 7}} if method in ("POST", "PATCH") else {}
        refused(await radio.call("presenter", method, path, **sent), 403, "forbidden")
    missing = f"/v1/clients/{NOBODY}/communications"
    refused(await radio.call("presenter", "GET", missing), 404, "not_found")
    answer = await radio.call(
        "presenter", "GET", "/v1/clients", params={"sort": "last_activity_at"}
    )
    refused(answer, 403, "field_not_readable")


async def test_m1_dry_run_leaves_nothing_behind(radio: Organization, owner: Owner) -> None:
    client = await radio.create_client()
    before = await change_count(owner, radio.organization_id)
    body = {"kind": "call", "client_id": client["id"], "follow_up_on": "2030-01-31"}
    answer = await radio.call("manager", "POST", "/v1/communications?dry_run=true", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == "held"
    assert await change_count(owner, radio.organization_id) == before
    assert (await radio.call("manager", "GET", "/v1/tasks")).json()["data"] == []


async def test_m1_one_key_logs_once_however_often_it_is_sent(
    radio: Organization, owner: Owner
) -> None:
    client = await radio.create_client()
    path, key = f"/v1/clients/{client['id']}/communications", secrets.token_hex(6)
    body = {"kind": "call", "follow_up_on": "2030-01-31"}
    headers = {"Idempotency-Key": key}
    answers = await asyncio.gather(
        *(radio.call("manager", "POST", path, json=body, headers=headers) for _ in range(6))
    )
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    found = await owner.fetchval(
        "SELECT count(*) FROM communications WHERE organization_id = $1", radio.organization_id
    )
    assert found == 1


async def test_m1_participants_are_replaced_and_a_repeated_patch_is_no_change(
    radio: Organization, owner: Owner
) -> None:
    client = await radio.create_client()
    made = await log(radio, client_id=client["id"], participants=[{"name": "One"}])
    people = [{"name": "Two"}, {"name": "Three"}]
    after = await changed(radio, made, participants=people)
    assert [one["name"] for one in after["participants"]] == ["Two", "Three"]
    before = await change_count(owner, radio.organization_id)
    assert await changed(radio, after, participants=people, kind="call") == after
    assert await change_count(owner, radio.organization_id) == before


@pytest.mark.parametrize("role", ["admin", "front_desk"])
async def test_m1_lists_filter_and_page(radio: Organization, role: str) -> None:
    client, person = await radio.create_client(), await radio.create_contact()
    me = str(radio.user_ids["manager"])
    await log(radio, client_id=client["id"], occurred_at=at(1), kind="email", outcome="bounced")
    await log(radio, client_id=client["id"], occurred_at=at(2), direction="in")
    await log(radio, occurred_at=at(3), participants=[{"contact_id": person["id"]}])
    await log(radio, client_id=client["id"], occurred_at=at(4), participants=[{"user_id": me}])
    await log(radio, client_id=client["id"], occurred_at=at(5), state="void")

    async def days(**query: str) -> list[int]:
        answer = await radio.call(role, "GET", "/v1/communications", params=query)
        assert answer.status_code == 200, answer.text
        return [int(item["occurred_at"][8:10]) for item in answer.json()["data"]]

    assert await days() == [5, 4, 3, 2, 1]
    assert await days(sort="occurred_at") == [1, 2, 3, 4, 5]
    assert await days(client_id=client["id"]) == [5, 4, 2, 1]
    assert await days(**{"client_id[is_null]": "true"}) == [3]
    assert await days(kind="email") == [1]
    assert await days(outcome="bounced") == [1]
    assert await days(direction="in") == [2]
    assert await days(state="void") == [5]
    assert await days(contact_id=person["id"]) == [3]
    assert await days(user_id=me) == [4]
    assert await days(**{"occurred_at[gte]": at(2), "occurred_at[lt]": at(4)}) == [3, 2]
    assert await days(workflow="customer_relationship") == [5, 4, 2, 1]
    seen: list[int] = []
    query: dict[str, str] = {"limit": "2"}
    while True:
        page = (await radio.call(role, "GET", "/v1/communications", params=query)).json()
        seen += [int(item["occurred_at"][8:10]) for item in page["data"]]
        if not page["has_more"]:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == [5, 4, 3, 2, 1]
