"""What differs between two versions: net, masked, and by names that count nothing."""

from typing import Any

import pytest

from tests.checks import refused
from tests.factories import Organization

Json = dict[str, Any]


async def diff(radio: Organization, one: Json, role: str = "admin", **query: str) -> Any:
    place = query.pop("place", "/v1/clients/")
    return await radio.call(role, "GET", f"{place}{one['id']}/diff", params=query)


async def entries(radio: Organization, one: Json, place: str = "/v1/clients/") -> list[Json]:
    """Oldest first."""
    answer = await radio.call("admin", "GET", f"{place}{one['id']}/history")
    return list(reversed(answer.json()["data"]))


async def patch(radio: Organization, one: Json, place: str = "/v1/clients/", **body: Any) -> None:
    answer = await radio.call("admin", "PATCH", f"{place}{one['id']}", json=body)
    assert answer.status_code == 200, answer.text


async def test_only_net_differences_are_told(radio: Organization) -> None:
    made = await radio.create_client(remarks="first")
    await patch(radio, made, remarks="second", website="https://example.com/")
    await patch(radio, made, remarks="first", tags=["x"])
    answer = await diff(radio, made)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert list(found) == ["from", "to", "changes"]
    assert found["from"] == made["created_at"]
    assert found["changes"] == [
        {"field": "website", "before": None, "after": "https://example.com/"},
        {"field": "tags", "before": [], "after": ["x"]},
    ]


async def test_versions_are_named_by_entries_or_times(radio: Organization) -> None:
    made = await radio.create_client(remarks="first")
    await patch(radio, made, remarks="second")
    await patch(radio, made, remarks="third")
    first, second, third = await entries(radio, made)
    remark = {"field": "remarks", "before": "first", "after": "second"}
    for start in (first["id"], first["at"]):
        for end in (second["id"], second["at"]):
            answer = (await diff(radio, made, **{"from": start, "to": end})).json()
            assert answer == {"from": start, "to": end, "changes": [remark]}
    back = (await diff(radio, made, **{"from": third["id"], "to": first["id"]})).json()
    assert back["changes"] == [{"field": "remarks", "before": "third", "after": "first"}]
    same = (await diff(radio, made, **{"from": third["id"]})).json()
    assert same["changes"] == []


async def test_links_and_types_are_told_as_the_record_tells_them(radio: Organization) -> None:
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}"
    await radio.call("admin", "POST", f"{path}/contacts", json={"contact": {"name": "Ada"}})
    body = {"value": "partner", "reason": "Signed"}
    await radio.call("admin", "PUT", f"{path}/overrides/type", json=body)
    now = (await radio.call("admin", "GET", path)).json()
    told = {
        c["field"]: (c["before"], c["after"]) for c in (await diff(radio, made)).json()["changes"]
    }
    assert told == {
        name: (made[name], now[name])
        for name in made
        if made[name] != now[name] and name != "updated_at"
    }
    assert {"contacts", "primary_contact", "type", "type_status", "status"} <= told.keys()


async def test_hidden_fields_are_not_told(radio: Organization) -> None:
    made = await radio.create_client(remarks="first")
    await patch(radio, made, remarks="second", payment_terms_days=1297)
    scopes = ["clients.remarks:read", "clients.audit:read"]
    key = await radio.call("admin", "POST", "/v1/api-keys", json={"name": "k", "scopes": scopes})
    answer = await radio.api.get(
        f"/v1/clients/{made['id']}/diff",
        headers={"Authorization": f"Bearer {key.json()['key']}"},
    )
    assert answer.json()["changes"] == [{"field": "remarks", "before": "first", "after": "second"}]
    assert "1297" not in answer.text


async def test_contacts_are_compared_alike(radio: Organization) -> None:
    made = await radio.create_contact(honorific="Dr")
    await patch(radio, made, "/v1/contacts/", honorific=None, languages=["en"])
    first, second = await entries(radio, made, "/v1/contacts/")
    query = {"from": first["id"], "to": second["id"]}
    found = (await diff(radio, made, place="/v1/contacts/", **query)).json()
    assert {change["field"]: change["after"] for change in found["changes"]} == {
        "honorific": None,
        "languages": ["en"],
    }


@pytest.mark.parametrize(
    "query",
    [{"from": "yesterday"}, {"to": "7"}, {"from": "2026-13-01T00:00:00Z"}, {"odd": "1"},
     {"expand": "contacts"}, {"as_of": "2026-01-01T00:00:00Z"}],
)  # fmt: skip
async def test_what_names_no_version_is_a_fault(radio: Organization, query: dict[str, str]) -> None:
    made = await radio.create_client()
    refused(await diff(radio, made, **query), 422, "invalid")
    refused(await diff(radio, made, "front_desk", **query), 403, "forbidden")


async def test_before_its_making_there_is_no_version(
    radio: Organization, other: Organization
) -> None:
    made = await radio.create_client()
    refused(await diff(radio, made, **{"from": "2020-01-01T00:00:00Z"}), 404, "not_found")
    refused(await diff(other, made), 404, "not_found")
    refused(await diff(radio, made, "presenter"), 403, "forbidden")
