"""Who reports to whom without a circle, and persons that are deleted and brought back."""

import itertools
from typing import Any
from uuid import uuid4

import pytest

from tests.checks import Owner, change_count, codes, refused
from tests.factories import Organization


async def patched(organization: Organization, contact: dict[str, Any], **fields: Any) -> Any:
    path = f"/v1/contacts/{contact['id']}"
    return await organization.call("manager", "PATCH", path, json=fields)


async def line(organization: Organization, length: int) -> list[dict[str, Any]]:
    """Persons of whom each reports to the one before."""
    made: list[dict[str, Any]] = [await organization.create_contact()]
    while len(made) < length:
        made.append(await organization.create_contact(reports_to_id=made[-1]["id"]))
    return made


async def test_a_person_reports_to_another(radio: Organization) -> None:
    """C9"""
    superior, person = await radio.create_contact(), await radio.create_contact()
    answer = await patched(radio, person, reports_to_id=superior["id"])
    assert answer.json()["reports_to_id"] == superior["id"]
    assert (await patched(radio, person, reports_to_id=None)).json()["reports_to_id"] is None
    query = {"reports_to_id": superior["id"]}
    page = await radio.call("admin", "GET", "/v1/contacts", params=query)
    assert page.json()["data"] == []


async def test_nobody_reports_to_themselves(radio: Organization, owner: Owner) -> None:
    person = await radio.create_contact()
    count = await change_count(owner, radio.organization_id)
    answer = await patched(radio, person, reports_to_id=person["id"])
    assert codes(refused(answer, 422, "invalid")) == {"/reports_to_id": "cycle"}
    assert await change_count(owner, radio.organization_id) == count


@pytest.mark.parametrize("length", [2, 3, 8])
async def test_no_line_of_reporting_is_a_circle(radio: Organization, length: int) -> None:
    persons = await line(radio, length)
    for below in persons[1:]:
        answer = await patched(radio, persons[0], reports_to_id=below["id"])
        assert codes(refused(answer, 422, "invalid")) == {"/reports_to_id": "cycle"}
    for person, above in itertools.pairwise(reversed(persons)):
        read = await radio.call("admin", "GET", f"/v1/contacts/{person['id']}")
        assert read.json()["reports_to_id"] == above["id"]


async def test_moving_within_the_tree_is_fine(radio: Organization) -> None:
    persons = await line(radio, 4)
    answer = await patched(radio, persons[3], reports_to_id=persons[0]["id"])
    assert answer.status_code == 200
    answer = await patched(radio, persons[1], reports_to_id=persons[3]["id"])
    assert answer.status_code == 200


async def test_superiors_are_live_persons_of_this_organization(
    radio: Organization, other: Organization
) -> None:
    """G6"""
    person, foreign = await radio.create_contact(), await other.create_contact()
    deleted = await radio.create_contact()
    await radio.call("admin", "DELETE", f"/v1/contacts/{deleted['id']}")
    for wrong in (foreign["id"], deleted["id"], str(uuid4())):
        answer = await patched(radio, person, reports_to_id=wrong)
        assert codes(refused(answer, 422, "invalid")) == {"/reports_to_id": "unknown_contact"}


async def test_only_administrators_delete(radio: Organization) -> None:
    """C8, and the contact table: `contacts:delete` A."""
    made = await radio.create_contact()
    path = f"/v1/contacts/{made['id']}"
    for role in ("manager", "front_desk", "presenter"):
        refused(await radio.call(role, "DELETE", path), 403, "forbidden")
    assert (await radio.call("admin", "DELETE", path)).status_code == 204
    for role in ("manager", "front_desk", "presenter"):
        refused(await radio.call(role, "GET", path), 404, "not_found")
    assert (await radio.call("admin", "GET", path)).json()["lifecycle"] == "deleted"
    assert (await radio.call("admin", "GET", "/v1/contacts")).json()["data"] == []
    listed = await radio.call("admin", "GET", "/v1/contacts?lifecycle=deleted")
    assert [row["id"] for row in listed.json()["data"]] == [made["id"]]
    refused(await radio.call("manager", "GET", "/v1/contacts?lifecycle=deleted"), 403, "forbidden")


async def test_a_person_who_serves_a_client_is_not_deleted(
    radio: Organization, owner: Owner
) -> None:
    person = await radio.create_contact()
    made = await radio.create_client(contacts=[{"contact_id": person["id"]}])
    path = f"/v1/contacts/{person['id']}"
    link = f"/v1/clients/{made['id']}/contacts/{made['contacts'][0]['id']}"
    count = await change_count(owner, radio.organization_id)
    refused(await radio.call("admin", "DELETE", path), 409, "still_linked")
    assert await change_count(owner, radio.organization_id) == count
    await radio.call("admin", "PATCH", link, json={"to_on": "2026-01-01"})
    assert (await radio.call("admin", "DELETE", path)).status_code == 204
    read = await radio.call("manager", "GET", f"/v1/clients/{made['id']}")
    assert read.json()["contacts"][0]["contact_id"] == person["id"]


@pytest.mark.parametrize("move", ["archive", "delete"])
async def test_a_client_that_may_come_back_keeps_its_persons(
    radio: Organization, move: str
) -> None:
    person = await radio.create_contact()
    made = await radio.create_client(contacts=[{"contact_id": person["id"]}])
    path = f"/v1/clients/{made['id']}"
    if move == "archive":
        await radio.call("admin", "POST", f"{path}/archive")
    else:
        await radio.call("admin", "DELETE", path)
    refused(
        await radio.call("admin", "DELETE", f"/v1/contacts/{person['id']}"), 409, "still_linked"
    )
    await radio.call("admin", "POST", f"{path}/restore")
    read = await radio.call("admin", "GET", f"{path}?expand=primary_contact")
    assert read.json()["primary_contact"]["contact"]["id"] == person["id"]


async def test_a_deleted_person_comes_back_as_it_was(radio: Organization) -> None:
    made = await radio.create_contact(emails=["a@example.com"])
    path = f"/v1/contacts/{made['id']}"
    await radio.call("admin", "DELETE", path)
    refused(await radio.call("manager", "POST", f"{path}/restore"), 404, "not_found")
    back = await radio.call("admin", "POST", f"{path}/restore")
    assert (back.status_code, back.json()) == (200, made)
    log = (await radio.call("admin", "GET", f"{path}/history")).json()["data"]
    assert [entry["action"] for entry in log] == [
        "contact.restored",
        "contact.deleted",
        "contact.created",
    ]


async def test_deleting_and_restoring_twice_changes_nothing(
    radio: Organization, owner: Owner
) -> None:
    made = await radio.create_contact()
    path = f"/v1/contacts/{made['id']}"
    for method, place, status in (("DELETE", path, 204), ("POST", f"{path}/restore", 200)):
        assert (await radio.call("admin", method, place)).status_code == status
        count = await change_count(owner, radio.organization_id)
        assert (await radio.call("admin", method, place)).status_code == status
        assert await change_count(owner, radio.organization_id) == count


async def test_deletion_honours_if_match(radio: Organization) -> None:
    made = await radio.create_contact()
    path = f"/v1/contacts/{made['id']}"
    stale = {"If-Match": (await radio.call("admin", "GET", path)).headers["etag"]}
    await patched(radio, made, honorific="Dr")
    refused(await radio.call("admin", "DELETE", path, headers=stale), 412, "version_conflict")
    assert (await radio.call("admin", "GET", path)).json()["lifecycle"] == "live"


async def test_a_deleted_superior_is_no_obstacle_for_other_changes(radio: Organization) -> None:
    persons = await line(radio, 2)
    await radio.call("admin", "DELETE", f"/v1/contacts/{persons[0]['id']}")
    assert (await patched(radio, persons[1], honorific="Dr")).status_code == 200
    echo = {"reports_to_id": persons[0]["id"], "honorific": "Prof"}
    answer = await patched(radio, persons[1], **echo)
    assert answer.status_code == 200, answer.text
