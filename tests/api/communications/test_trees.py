"""M1: a tree for each client and workflow, whose root is made on demand; no cycles in it."""

import asyncio
from typing import Any

from tests.api.communications.logging import at, changed, log
from tests.checks import Owner, codes, refused
from tests.factories import Organization

Json = dict[str, Any]


async def tree(radio: Organization, client: Json, **query: str) -> Json:
    path = f"/v1/clients/{client['id']}/communications/tree"
    answer = await radio.call("front_desk", "GET", path, params=query)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def other_workflow(radio: Organization) -> str:
    entry = {"key": "renewals", "label": "Renewals"}
    answer = await radio.call("admin", "POST", "/v1/catalogues/workflows", json=entry)
    assert answer.status_code == 201, answer.text
    return "renewals"


async def test_m1_root_is_made_with_the_first_and_once(radio: Organization, owner: Owner) -> None:
    client, workflow = await radio.create_client(), await other_workflow(radio)
    before = await tree(radio, client)
    assert (before["started_at"], before["nodes"]) == (None, [])
    made = await asyncio.gather(
        *(log(radio, client_id=client["id"], workflow=w) for w in (workflow, None) * 4)
    )
    roots = await owner.fetch(
        "SELECT workflow FROM workflow_trees WHERE client_id = $1 ORDER BY 1", client["id"]
    )
    assert [row["workflow"] for row in roots] == ["customer_relationship", workflow]
    after = await tree(radio, client)
    own = [one for one in made if one["workflow"] != workflow]
    assert after["started_at"] == min(one["recorded_at"] for one in own)
    assert len(after["nodes"]) == len((await tree(radio, client, workflow=workflow))["nodes"]) == 4


async def test_m1_each_stands_after_what_it_hangs_under(radio: Organization) -> None:
    client, workflow = await radio.create_client(), await other_workflow(radio)

    async def add(day: int, parent: Json | None = None) -> Json:
        under = {"parent_id": parent["id"]} if parent else {"workflow": workflow}
        return await log(radio, client_id=client["id"], occurred_at=at(day), **under)

    first = await add(1)
    second = await add(2)
    below = await add(5, first)
    deepest = await add(9, below)
    beside = await add(7, first)
    assert {one["workflow"] for one in (below, deepest, beside)} == {workflow}
    found = await tree(radio, client, workflow=workflow)
    places = [(node["id"], node["depth"]) for node in found["nodes"]]
    expected = [(first, 1), (below, 2), (deepest, 3), (beside, 2), (second, 1)]
    assert places == [(one["id"], depth) for one, depth in expected]
    await radio.call("admin", "DELETE", f"/v1/communications/{below['id']}")
    left = await tree(radio, client, workflow=workflow)
    assert [(n["id"], n["depth"]) for n in left["nodes"] if n["id"] == deepest["id"]] == [
        (deepest["id"], 1)
    ]


async def test_m1_parent_is_of_the_same_client_and_workflow(radio: Organization) -> None:
    client, other = await radio.create_client(), await radio.create_client()
    workflow = await other_workflow(radio)
    parent = await log(radio, client_id=client["id"])
    path = "/v1/communications"
    for fields, place, code in (
        ({"client_id": other["id"]}, "/parent_id", "unknown_parent"),
        ({"participants": [{"name": "A"}]}, "/parent_id", "unknown_parent"),
        ({"client_id": client["id"], "workflow": workflow}, "/workflow", "other_workflow"),
    ):
        body = {"kind": "call", "parent_id": parent["id"]} | fields
        answer = await radio.call("front_desk", "POST", path, json=body)
        assert codes(refused(answer, 422, "invalid")) == {place: code}
    stranger = await log(radio, client_id=other["id"])
    body = {"parent_id": parent["id"]}
    answer = await radio.call("front_desk", "PATCH", f"{path}/{stranger['id']}", json=body)
    assert codes(refused(answer, 422, "invalid")) == {"/parent_id": "unknown_parent"}


async def test_m1_cycle_is_refused(radio: Organization) -> None:
    client = await radio.create_client()
    top = await log(radio, client_id=client["id"])
    middle = await log(radio, client_id=client["id"], parent_id=top["id"])
    low = await log(radio, client_id=client["id"], parent_id=middle["id"])
    path = f"/v1/communications/{top['id']}"
    for parent in (top, middle, low):
        answer = await radio.call("manager", "PATCH", path, json={"parent_id": parent["id"]})
        assert codes(refused(answer, 422, "invalid")) == {"/parent_id": "cycle"}
    await changed(radio, low, parent_id=top["id"])
    assert (await changed(radio, low, parent_id=None))["parent_id"] is None


async def test_m1_cycle_is_refused_when_two_requests_close_it_from_both_ends(
    radio: Organization,
) -> None:
    client = await radio.create_client()
    for _ in range(5):
        one, two = [await log(radio, client_id=client["id"]) for _ in range(2)]
        answers = await asyncio.gather(
            *(
                radio.call(
                    "manager", "PATCH", f"/v1/communications/{a['id']}", json={"parent_id": b["id"]}
                )
                for a, b in ((one, two), (two, one))
            )
        )
        assert sorted(answer.status_code for answer in answers) == [200, 422]


async def test_workflow_with_a_tree_is_in_use(radio: Organization) -> None:
    client, workflow = await radio.create_client(), await other_workflow(radio)
    await log(radio, client_id=client["id"], workflow=workflow)
    path = f"/v1/catalogues/workflows/{workflow}"
    refused(await radio.call("admin", "DELETE", path), 409, "in_use")
    listed = await radio.call("admin", "GET", "/v1/catalogues/workflows?usage=true")
    counts = {entry["key"]: entry["usage_count"] for entry in listed.json()["data"]}
    assert counts == {"customer_relationship": 0, workflow: 1}
