"""M6: lists by workflow: made, changed, out of use, deleted by whom it is allowed."""

from tests.api.lists.conftest import Desk, leaf, make_list
from tests.checks import Owner, assert_chain, codes, refused
from tests.factories import Organization


async def test_m6_list_keeps_what_was_said_of_it(radio: Organization) -> None:
    entry = {"key": "season", "label": "Season"}
    await radio.call("admin", "POST", "/v1/catalogues/workflows", json=entry)
    fields = {"name": "Season's offers", "description": "For guests.", "workflow": "season"}
    made = await make_list(radio, **fields)
    assert {name: made[name] for name in fields} == fields
    assert (made["lifecycle"], made["segment_id"]) == ("live", None)
    assert made["created_by"] == str(radio.user_ids["front_desk"])
    assert (await make_list(radio))["workflow"] == "customer_relationship"
    found = await radio.call("manager", "GET", "/v1/distribution-lists?workflow=season")
    assert [one["id"] for one in found.json()["data"]] == [made["id"]]
    unknown = {"name": "Other", "workflow": "gone"}
    answer = await radio.call("manager", "POST", "/v1/distribution-lists", json=unknown)
    assert codes(refused(answer, 422, "invalid")) == {"/workflow": "unknown_catalogue_entry"}
    answer = await radio.call("admin", "DELETE", "/v1/catalogues/workflows/season")
    refused(answer, 409, "in_use")


async def test_m6_name_is_of_one_list_that_is_not_deleted(radio: Organization) -> None:
    first, second = await make_list(radio, name="Guests"), await make_list(radio, name="Others")
    body = {"name": "GUESTS"}
    answer = await radio.call("manager", "POST", "/v1/distribution-lists", json=body)
    refused(answer, 409, "already_exists")
    place = f"/v1/distribution-lists/{second['id']}"
    refused(await radio.call("manager", "PATCH", place, json=body), 409, "already_exists")
    old = f"/v1/distribution-lists/{first['id']}"
    assert (await radio.call("manager", "DELETE", old)).status_code == 204
    assert (await radio.call("manager", "PATCH", place, json=body)).status_code == 200
    refused(await radio.call("manager", "POST", f"{old}/restore"), 409, "already_exists")


async def test_m6_archived_list_is_out_of_use(desk: Desk, owner: Owner) -> None:
    assert (await desk.ok("front_desk", "POST", "/archive"))["lifecycle"] == "archived"
    listed = await desk.ok("manager", "GET", "/v1/distribution-lists")
    assert listed["data"] == []
    listed = await desk.ok("manager", "GET", "/v1/distribution-lists?lifecycle=archived")
    assert [one["id"] for one in listed["data"]] == [desk.id]
    refused(await desk.ask("manager", "PATCH", json={"name": "Another"}), 409, "not_live")
    assert (await desk.ok("front_desk", "POST", "/restore"))["lifecycle"] == "live"
    changed = await desk.ok("front_desk", "PATCH", json={"description": "For guests."})
    assert changed["description"] == "For guests."
    history = (await desk.ok("manager", "GET", "/history"))["data"]
    actions = ["updated", "restored", "archived", "created"]
    assert [entry["action"] for entry in history] == [f"distribution_list.{a}" for a in actions]
    await assert_chain(owner, desk.organization.organization_id)


async def test_m6_front_desk_deletes_its_own_lists_and_segments_alone(desk: Desk) -> None:
    radio = desk.organization
    theirs = await make_list(radio, "manager")
    place = f"/v1/distribution-lists/{theirs['id']}"
    active = leaf("status", "eq", "active")
    segment = await desk.segment(active)
    for path in (place, f"/v1/segments/{segment['id']}"):
        refused(await radio.call("front_desk", "DELETE", path), 403, "forbidden")
        assert (await radio.call("manager", "DELETE", path)).status_code == 204
        refused(await radio.call("front_desk", "GET", path), 404, "not_found")
        refused(await radio.call("front_desk", "POST", f"{path}/restore"), 404, "not_found")
        assert (await radio.call("manager", "POST", f"{path}/restore")).status_code == 200
    own = await desk.segment(active, role="front_desk")
    for path in (desk.place, f"/v1/segments/{own['id']}"):
        assert (await radio.call("front_desk", "DELETE", path)).status_code == 204
    refused(await desk.ask("presenter", "GET", "/v1/distribution-lists"), 403, "forbidden")
    refused(await desk.ask("presenter", "GET", "/v1/segments"), 403, "forbidden")
