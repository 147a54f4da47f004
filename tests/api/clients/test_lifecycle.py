"""Archive, restore, delete: who may, what is visible afterwards to whom, and what stays."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.checks import Owner, change_count, refused
from tests.factories import Organization

ROLES = ("admin", "manager", "front_desk", "presenter")


async def moved(
    organization: Organization, role: str, client: dict[str, Any], verb: str, **more: Any
) -> Any:
    path = f"/v1/clients/{client['id']}"
    if verb == "delete":
        return await organization.call(role, "DELETE", path, **more)
    return await organization.call(role, "POST", f"{path}/{verb}", **more)


async def statuses(organization: Organization, path: str) -> dict[str, int]:
    answers = [await organization.call(role, "GET", path) for role in ROLES]
    return dict(zip(ROLES, (a.status_code for a in answers), strict=True))


@pytest.mark.parametrize(
    ("verb", "allowed"),
    [
        ("archive", {"admin", "manager"}),
        ("restore", {"admin", "manager"}),
        ("delete", {"admin"}),
    ],
)
@pytest.mark.parametrize("role", ROLES)
async def test_each_move_is_a_right_of_its_own(
    radio: Organization, verb: str, allowed: set[str], role: str
) -> None:
    """C8"""
    made = await radio.create_client()
    if verb == "restore" and role != "presenter":
        await moved(radio, "admin", made, "archive")
    answer = await moved(radio, role, made, verb)
    if role in allowed:
        assert answer.status_code == (204 if verb == "delete" else 200)
    else:
        refused(answer, 403, "forbidden")


async def test_archived_clients_are_seen_when_asked_for(radio: Organization) -> None:
    """G1: lifecycle is an axis of its own; the status stays what it was."""
    made = await radio.create_client()
    archived = (await moved(radio, "manager", made, "archive")).json()
    assert (archived["lifecycle"], archived["status"]) == ("archived", made["status"])
    path = f"/v1/clients/{made['id']}"
    assert await statuses(radio, path) == dict.fromkeys(ROLES, 200) | {"presenter": 404}
    for role in ("admin", "manager", "front_desk"):
        assert (await radio.call(role, "GET", "/v1/clients")).json()["data"] == []
        asked = await radio.call(role, "GET", "/v1/clients?lifecycle=archived")
        assert [row["id"] for row in asked.json()["data"]] == [made["id"]]
        both = await radio.call(role, "GET", "/v1/clients?lifecycle=archived&lifecycle=live")
        assert len(both.json()["data"]) == 1
    refused(
        await radio.call("presenter", "GET", "/v1/clients?lifecycle=archived"), 403, "forbidden"
    )


async def test_deleted_clients_are_there_for_administrators_only(radio: Organization) -> None:
    """C8: a soft delete."""
    made = await radio.create_client()
    assert (await moved(radio, "admin", made, "delete")).content == b""
    path = f"/v1/clients/{made['id']}"
    assert await statuses(radio, path) == dict.fromkeys(ROLES, 404) | {"admin": 200}
    assert await statuses(radio, f"{path}/history") == dict.fromkeys(ROLES, 404) | {"admin": 200}
    for role in ROLES:
        asked = await radio.call(role, "GET", "/v1/clients?lifecycle=deleted")
        if role == "admin":
            assert [row["lifecycle"] for row in asked.json()["data"]] == ["deleted"]
        else:
            refused(asked, 403, "forbidden")
        others = await radio.call(role, "GET", "/v1/clients?lifecycle[ne]=live")
        assert len(others.json()["data"]) == (1 if role == "admin" else 0)


async def test_only_live_clients_change(radio: Organization) -> None:
    made = await radio.create_client(contacts=[{"contact": {"name": "Ada"}}])
    path = f"/v1/clients/{made['id']}"
    link = f"{path}/contacts/{made['contacts'][0]['id']}"
    person = {"contact": {"name": "Ben"}}
    await moved(radio, "admin", made, "archive")
    for role in ("admin", "manager", "front_desk"):
        for method, place, body in (
            ("PATCH", path, {"remarks": "x"}),
            ("PATCH", path, {}),
            ("POST", f"{path}/contacts", person),
            ("PATCH", link, {"job_title": "x"}),
            ("DELETE", link, None),
        ):
            answer = await radio.call(role, method, place, json=body)
            refused(answer, 409, "not_live")
    refused(await radio.call("presenter", "PATCH", path, json={}), 404, "not_found")
    await moved(radio, "admin", made, "delete")
    refused(await radio.call("admin", "PATCH", path, json={"remarks": "x"}), 409, "not_live")
    refused(await radio.call("manager", "PATCH", path, json={"remarks": "x"}), 404, "not_found")


async def test_restoring_brings_back_what_was(radio: Organization) -> None:
    made = await radio.create_client(tags=["vip"], sites=[{"city": "Jinja"}])
    await moved(radio, "admin", made, "archive")
    back = (await moved(radio, "manager", made, "restore")).json()
    assert back | {"updated_at": ""} == made | {"updated_at": ""}
    await moved(radio, "admin", made, "delete")
    refused(await moved(radio, "manager", made, "restore"), 404, "not_found")
    assert (await moved(radio, "admin", made, "restore")).json()["lifecycle"] == "live"


async def test_being_there_already_is_no_change(radio: Organization, owner: Owner) -> None:
    made = await radio.create_client()
    for verb, status in (("archive", 200), ("restore", 200), ("delete", 204)):
        assert (await moved(radio, "admin", made, verb)).status_code == status
        count = await change_count(owner, radio.organization_id)
        assert (await moved(radio, "admin", made, verb)).status_code == status
        assert await change_count(owner, radio.organization_id) == count


async def test_a_deleted_client_is_not_archived(radio: Organization) -> None:
    made = await radio.create_client()
    await moved(radio, "admin", made, "delete")
    refused(await moved(radio, "admin", made, "archive"), 409, "not_live")


@pytest.mark.parametrize("verb", ["archive", "restore", "delete"])
async def test_moves_know_no_foreign_client(
    radio: Organization, other: Organization, verb: str
) -> None:
    """G6"""
    foreign = await other.create_client()
    for client in (foreign, {"id": str(uuid4())}, {"id": "nonsense"}):
        for role in ("admin", "presenter"):
            refused(await moved(radio, role, client, verb), 404, "not_found")
    read = await other.call("admin", "GET", f"/v1/clients/{foreign['id']}")
    assert read.json()["lifecycle"] == "live"


@pytest.mark.parametrize("verb", ["archive", "delete"])
async def test_moves_honour_if_match(radio: Organization, verb: str) -> None:
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}"
    stale = (await radio.call("admin", "GET", path)).headers["etag"]
    await radio.call("admin", "PATCH", path, json={"remarks": "changed"})
    answer = await moved(radio, "admin", made, verb, headers={"If-Match": stale})
    problem = refused(answer, 412, "version_conflict")
    current = (await radio.call("admin", "GET", path)).headers["etag"]
    assert problem["current_etag"] == current
    answer = await moved(radio, "admin", made, verb, headers={"If-Match": current})
    assert answer.status_code in (200, 204)


async def test_every_move_is_in_the_history(radio: Organization) -> None:
    made = await radio.create_client()
    for verb in ("archive", "restore", "delete", "restore"):
        await moved(radio, "admin", made, verb)
    log = await radio.call("admin", "GET", f"/v1/clients/{made['id']}/history")
    entries = log.json()["data"]
    assert [entry["action"] for entry in entries] == [
        "client.restored",
        "client.deleted",
        "client.restored",
        "client.archived",
        "client.created",
    ]
    assert entries[1]["changes"] == [{"field": "lifecycle", "before": "live", "after": "deleted"}]


async def test_moves_at_once_end_in_one_of_them(radio: Organization) -> None:
    made = await radio.create_client()
    answers = await asyncio.gather(
        *(moved(radio, "admin", made, verb) for verb in ("archive", "delete", "archive"))
    )
    assert all(answer.status_code in (200, 204, 409) for answer in answers)
