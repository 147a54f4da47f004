"""The history of a client: who changed what, masked by what the reader may see today."""

from typing import Any

import pytest

from tests.checks import Owner, assert_chain, refused
from tests.factories import Organization


async def history(
    organization: Organization, role: str, client: dict[str, Any], **more: Any
) -> Any:
    path = f"/v1/clients/{client['id']}/history"
    return await organization.call(role, "GET", path, params=more)


async def entries(
    organization: Organization, role: str, client: dict[str, Any]
) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await history(organization, role, client)).json()["data"]
    return found


async def patch(organization: Organization, role: str, client: dict[str, Any], **body: Any) -> None:
    path = f"/v1/clients/{client['id']}"
    answer = await organization.call(role, "PATCH", path, json=body)
    assert answer.status_code == 200, answer.text


async def test_each_write_is_one_entry_newest_first(radio: Organization, owner: Owner) -> None:
    """G9, and §11: who, when, what."""
    made = await radio.create_client("front_desk", website="https://a.example.com/")
    path = f"/v1/clients/{made['id']}"
    answer = await radio.call(
        "manager", "PATCH", path, json={"website": None, "stage": "growing", "tags": []}
    )
    newest, oldest = await entries(radio, "admin", made)
    assert newest["action"] == "client.updated"
    assert newest["request_id"] == answer.headers["x-request-id"]
    assert newest["actor"] == {
        "type": "user",
        "id": str(radio.user_ids["manager"]),
        "name": "Manager",
    }
    assert sorted(newest["changes"], key=lambda change: str(change["field"])) == [
        {"field": "stage", "before": None, "after": "growing"},
        {"field": "website", "before": "https://a.example.com/", "after": None},
    ]
    assert oldest["action"] == "client.created"
    assert newest["at"] > oldest["at"]
    assert newest["at"] == answer.json()["updated_at"]
    assert await assert_chain(owner, radio.organization_id) == 2


async def test_address_and_agent_are_for_administrators(radio: Organization) -> None:
    """Group audit_ip."""
    made = await radio.create_client()
    await radio.call(
        "manager",
        "PATCH",
        f"/v1/clients/{made['id']}",
        json={"remarks": "x"},
        headers={"User-Agent": "a browser"},
    )
    seen = (await entries(radio, "admin", made))[0]
    assert seen["user_agent"] == "a browser"
    assert seen["address"]
    assert not {"address", "user_agent"} & (await entries(radio, "manager", made))[0].keys()


async def test_a_reader_of_own_entries_sees_no_others(radio: Organization) -> None:
    """`read_own`: the actor is me; 200 and an empty list if none."""
    made = await radio.create_client("manager")
    assert await entries(radio, "front_desk", made) == []
    await patch(radio, "front_desk", made, remarks="mine")
    await patch(radio, "manager", made, remarks="theirs")
    [own] = await entries(radio, "front_desk", made)
    assert own["actor"]["id"] == str(radio.user_ids["front_desk"])
    assert len(await entries(radio, "manager", made)) == 3


async def test_who_reads_no_history_is_refused(radio: Organization, other: Organization) -> None:
    made = await radio.create_client()
    refused(await history(radio, "presenter", made), 403, "forbidden")
    refused(await history(other, "admin", made), 404, "not_found")
    refused(await history(radio, "admin", {"id": "nonsense"}), 404, "not_found")


async def test_hidden_fields_are_masked_and_entries_of_hidden_fields_left_out(
    radio: Organization,
) -> None:
    """Nothing shows: no entry, no gap, no change of the others."""
    scopes = ["clients.identity:read", "clients.remarks:read", "clients.audit:read"]
    answer = await radio.call(
        "admin", "POST", "/v1/api-keys", json={"name": "auditor", "scopes": scopes}
    )
    assert answer.status_code == 201, answer.text
    made = await radio.create_client(remarks="first")
    await patch(radio, "admin", made, credit_limit={"amount": "7", "currency": "UGX"})
    await patch(radio, "admin", made, remarks="second", payment_terms_days=30)
    await radio.call("admin", "POST", f"/v1/clients/{made['id']}/archive")
    await radio.call("admin", "POST", f"/v1/clients/{made['id']}/restore")
    seen = await radio.api.get(
        f"/v1/clients/{made['id']}/history",
        headers={"Authorization": f"Bearer {answer.json()['key']}"},
    )
    found = seen.json()["data"]
    assert [entry["action"] for entry in found] == [
        "client.restored",
        "client.archived",
        "client.updated",
        "client.created",
    ]
    assert found[2]["changes"] == [{"field": "remarks", "before": "first", "after": "second"}]
    assert found[3]["changes"] == [{"field": "remarks", "before": None, "after": "first"}]
    assert "credit_limit" not in seen.text
    assert "payment_terms_days" not in seen.text


async def test_an_override_is_told_to_readers_of_assessment(radio: Organization) -> None:
    scopes = ["clients.classification:read", "clients.audit:read"]
    key = await radio.call(
        "admin", "POST", "/v1/api-keys", json={"name": "narrow", "scopes": scopes}
    )
    made = await radio.create_client()
    body = {"value": "partner", "reason": "a secret reason"}
    await radio.call("manager", "PUT", f"/v1/clients/{made['id']}/overrides/type", json=body)
    newest = (await entries(radio, "manager", made))[0]
    assert newest["action"] == "client.override_set"
    assert "type_override" in {change["field"] for change in newest["changes"]}
    seen = await radio.api.get(
        f"/v1/clients/{made['id']}/history",
        headers={"Authorization": f"Bearer {key.json()['key']}"},
    )
    assert "a secret reason" not in seen.text
    fields = {change["field"] for change in seen.json()["data"][0]["changes"]}
    assert fields == {"type", "status"}


async def test_an_api_key_is_an_author_of_its_own(radio: Organization) -> None:
    scopes = ["clients.*:read", "clients.remarks:update"]
    key = (
        await radio.call("admin", "POST", "/v1/api-keys", json={"name": "robot", "scopes": scopes})
    ).json()
    made = await radio.create_client()
    await radio.api.patch(
        f"/v1/clients/{made['id']}",
        json={"remarks": "by a robot"},
        headers={"Authorization": f"Bearer {key['key']}"},
    )
    newest = (await entries(radio, "admin", made))[0]
    assert newest["actor"] == {"type": "api_key", "id": key["id"], "name": "robot"}


@pytest.mark.parametrize("limit", [1, 3, 7])
async def test_pages_hold_each_entry_once(radio: Organization, limit: int) -> None:
    made = await radio.create_client()
    for n in range(6):
        await patch(radio, "admin", made, remarks=f"{n}")
    seen, more = [], {"limit": limit}
    while True:
        page = (await history(radio, "admin", made, **more)).json()
        assert len(page["data"]) <= limit
        seen += [entry["id"] for entry in page["data"]]
        assert page["has_more"] == (page["next_cursor"] is not None)
        if not page["has_more"]:
            break
        more = {"limit": limit, "cursor": page["next_cursor"]}
        # What is written while somebody reads on does not move the pages.
        await patch(radio, "admin", made, remarks=f"meanwhile {len(seen)}")
    assert len(seen) == len(set(seen)) == 7


async def test_cursors_belong_to_one_history_and_one_reader(radio: Organization) -> None:
    made, another = await radio.create_client(), await radio.create_client()
    for client in (made, another):
        await patch(radio, "admin", client, remarks="x")
    cursor = (await history(radio, "admin", made, limit=1)).json()["next_cursor"]
    for role, client, text in (
        ("admin", another, cursor),
        ("manager", made, cursor),
        ("admin", made, cursor[:-2] + "AA"),
        ("admin", made, "forged"),
        ("admin", made, "x" * 2000),
    ):
        answer = await history(radio, role, client, cursor=text)
        refused(answer, 400, "invalid_cursor")
    assert "cursor" not in (await history(radio, "admin", made, limit=1)).json()["data"][0]


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "201"}, {"limit": "1_0"}, {"sort": "at"}, {"odd": "1"}]
)
async def test_what_a_history_does_not_take_is_refused(
    radio: Organization, query: dict[str, str]
) -> None:
    made = await radio.create_client()
    assert (await history(radio, "admin", made, **query)).status_code == 422


async def test_history_survives_the_client(radio: Organization) -> None:
    made = await radio.create_client()
    await radio.call("admin", "DELETE", f"/v1/clients/{made['id']}")
    assert [e["action"] for e in await entries(radio, "admin", made)] == [
        "client.deleted",
        "client.created",
    ]


async def test_new_persons_have_their_own_entries_in_the_same_change(
    radio: Organization, owner: Owner
) -> None:
    made = await radio.create_client(contacts=[{"contact": {"name": "Ada"}}])
    [created] = await entries(radio, "admin", made)
    person = made["contacts"][0]["contact_id"]
    answer = await radio.call("admin", "GET", f"/v1/contacts/{person}/history")
    [entry] = answer.json()["data"]
    assert (entry["action"], entry["request_id"]) == ("contact.created", created["request_id"])
    assert entry["at"] == created["at"]
    assert await assert_chain(owner, radio.organization_id) == 2
