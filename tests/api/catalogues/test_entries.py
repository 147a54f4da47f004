"""Catalogues: read by all, written by administrators and managers, removed when unused."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.factories import Organization

CATALOGUES = ("types", "industries", "tiers", "regions", "tags", "sources", "workflows")


async def add(
    radio: Organization, catalogue: str, by: str = "manager", **body: Any
) -> httpx.Response:
    return await radio.call(by, "POST", f"/v1/catalogues/{catalogue}", json=body)


async def keys(radio: Organization, catalogue: str, query: str = "") -> list[str]:
    answer = await radio.call("admin", "GET", f"/v1/catalogues/{catalogue}{query}")
    assert answer.status_code == 200, answer.text
    return [entry["key"] for entry in answer.json()["data"]]


@pytest.mark.parametrize("role", ["admin", "manager", "front_desk", "presenter"])
@pytest.mark.parametrize("catalogue", CATALOGUES)
async def test_everyone_reads_every_catalogue(
    radio: Organization, role: str, catalogue: str
) -> None:
    answer = await radio.call(role, "GET", f"/v1/catalogues/{catalogue}")
    assert answer.status_code == 200
    assert set(answer.json()) == {"data", "next_cursor", "has_more"}


async def test_preset_brings_its_types_in_order(radio: Organization) -> None:
    answer = await radio.call("presenter", "GET", "/v1/catalogues/types")
    found = {entry["key"]: entry for entry in answer.json()["data"]}
    assert list(found) == [
        "prospect",
        "active_advertiser",
        "past_advertiser",
        "partner",
        "community_organization",
    ]
    assert found["prospect"] == {
        "catalogue": "types",
        "key": "prospect",
        "label": "Prospect",
        "position": 0,
        "engagement_level": "high",
        "contact_interval_days": 14,
        "default_status": "prospect",
        "statuses": ["prospect", "on_hold", "inactive"],
        "derived_only": False,
        "presets": ["radio"],
        "emergency_contact_required": None,
        "stages": None,
    }
    assert found["active_advertiser"]["derived_only"] is True
    assert found["community_organization"]["contact_interval_days"] is None


@pytest.mark.parametrize("role", ["front_desk", "presenter"])
async def test_others_do_not_write(radio: Organization, role: str) -> None:
    path = "/v1/catalogues/industries"
    tries: list[tuple[str, str, Any]] = [
        ("POST", path, {"key": "new_one"}),
        ("POST", path, {"nonsense": 1}),
        ("PATCH", f"{path}/retail", {"label": "X"}),
        ("DELETE", f"{path}/retail", None),
    ]
    for method, place, body in tries:
        answer = await radio.call(role, method, place, json=body)
        assert answer.status_code == 403, (method, place)


async def test_new_entry_stands_last_and_may_be_used_at_once(radio: Organization) -> None:
    await radio.create_client(industry="retail")
    made = await add(radio, "industries", key="bee_keeping")
    assert made.status_code == 201
    assert made.headers["location"] == "/v1/catalogues/industries/bee_keeping"
    assert made.json()["label"] == "Bee keeping"
    assert (await keys(radio, "industries"))[-1] == "bee_keeping"
    client = await radio.create_client(industry="bee_keeping")
    assert client["industry"] == "bee_keeping"


async def test_custom_type_has_defaults(radio: Organization) -> None:
    made = (await add(radio, "types", key="sponsor", contact_interval_days=60)).json()
    assert made["engagement_level"] == "medium"
    assert made["contact_interval_days"] == 60
    assert made["default_status"] == "active"
    assert made["presets"] == []
    client = await radio.create_client(type="sponsor")
    assert (client["type"], client["status"]) == ("sponsor", "active")


@pytest.mark.parametrize(
    ("catalogue", "body", "pointer", "code"),
    [
        ("industries", {"key": "Bad Key"}, "/key", "string_pattern_mismatch"),
        ("industries", {}, "/key", "required"),
        ("industries", {"key": "x", "engagement_level": "high"}, "/engagement_level", None),
        ("types", {"key": "x", "stages": ["a"]}, "/stages", "unknown_field"),
        ("types", {"key": "x", "statuses": ["active"]}, "/statuses", "read_only_field"),
        ("types", {"key": "x", "contact_interval_days": 0}, "/contact_interval_days", None),
        ("types", {"key": "x", "engagement_level": "huge"}, "/engagement_level", "not_one_of"),
        ("workflows", {"key": "x", "stages": []}, "/stages", "too_few_items"),
        ("tiers", {"key": "x", "surprise": 1}, "/surprise", "unknown_field"),
    ],
)
async def test_faulty_entries_name_the_place(
    radio: Organization, catalogue: str, body: dict[str, Any], pointer: str, code: str | None
) -> None:
    answer = await add(radio, catalogue, **body)
    assert answer.status_code == 422, answer.text
    faults = {fault["pointer"]: fault["code"] for fault in answer.json()["errors"]}
    assert pointer in faults
    assert code in (None, faults[pointer])


async def test_key_is_taken_once_also_at_once(radio: Organization) -> None:
    answers = await asyncio.gather(*(add(radio, "tags", key="vip") for _ in range(8)))
    assert sorted(a.status_code for a in answers) == [201] + [409] * 7


async def test_editors_at_once_do_not_fail_each_other(radio: Organization) -> None:
    added = [add(radio, "industries", key=f"at_once_{n}") for n in range(10)]
    path = "/v1/catalogues/types/partner"
    changed = [
        radio.call("admin", "PATCH", path, json={"contact_interval_days": n}) for n in range(1, 6)
    ]
    answers = await asyncio.gather(*added, *changed)
    assert {answer.status_code for answer in answers} == {200, 201}


async def test_burst_of_edits_fails_no_other_request(radio: Organization) -> None:
    """Each edit makes stale what every running request knows of its organization."""
    path = "/v1/catalogues/types/partner"
    running = []
    for n in range(1, 21):
        days = {"contact_interval_days": n}
        running.append(radio.call("manager", "PATCH", path, json=days))
        running.append(radio.call("front_desk", "GET", "/v1/clients"))
        body = {"name": f"Burst {n}", "emails": [f"burst-{n}@example.com"]}
        running.append(radio.call("admin", "POST", "/v1/clients", json=body))
    answers = await asyncio.gather(*running)
    assert {answer.status_code for answer in answers} == {200, 201}


async def test_change_acts_on_the_next_request(radio: Organization) -> None:
    path = "/v1/catalogues/types/partner"
    body = {"label": "Ally", "contact_interval_days": None}
    changed = await radio.call("manager", "PATCH", path, json=body)
    assert changed.status_code == 200
    assert changed.json()["label"] == "Ally"
    assert changed.json()["contact_interval_days"] is None
    seen = await radio.call("presenter", "GET", path)
    assert seen.json() == changed.json()
    assert seen.headers["etag"] == changed.headers["etag"]
    headers = {"If-Match": changed.headers["etag"]}
    ok = await radio.call("manager", "PATCH", path, json={"label": "Pal"}, headers=headers)
    assert ok.status_code == 200
    stale = await radio.call("manager", "PATCH", path, json={"label": "Mate"}, headers=headers)
    assert stale.status_code == 412
    assert stale.json()["current"] == {"label": "Pal"}


async def test_key_never_changes(radio: Organization) -> None:
    path = "/v1/catalogues/tiers/premium"
    answer = await radio.call("manager", "PATCH", path, json={"key": "gold"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "read_only_field"
    assert (await radio.call("manager", "PATCH", path, json={"key": "premium"})).status_code == 200


async def test_unused_entry_goes_and_used_one_stays(radio: Organization) -> None:
    await add(radio, "industries", key="bee_keeping")
    client = await radio.create_client(industry="bee_keeping", tags=["loud"])
    for path in ("industries/bee_keeping", "tags/loud", "types/prospect"):
        answer = await radio.call("manager", "DELETE", f"/v1/catalogues/{path}")
        assert answer.status_code == 409, path
        assert answer.json()["code"] == "in_use"
    await radio.call("admin", "POST", f"/v1/clients/{client['id']}/archive")
    used = await radio.call("manager", "DELETE", "/v1/catalogues/industries/bee_keeping")
    assert used.status_code == 409, "an archived client has it"
    gone = await radio.call("manager", "DELETE", "/v1/catalogues/industries/media")
    assert gone.status_code == 204
    assert "media" not in await keys(radio, "industries")
    again = await radio.call("manager", "DELETE", "/v1/catalogues/industries/media")
    assert again.status_code == 404
    refused = await radio.call(
        "admin",
        "POST",
        "/v1/clients",
        json={"name": "X", "emails": ["x@x.co"], "industry": "media"},
    )
    assert refused.status_code == 422


async def test_what_the_product_falls_back_on_stays(radio: Organization) -> None:
    for path in ("types/prospect", "workflows/customer_relationship"):
        answer = await radio.call("admin", "DELETE", f"/v1/catalogues/{path}")
        assert answer.json()["code"] == "in_use", path


async def test_use_is_counted_for_who_reads_the_field(radio: Organization) -> None:
    await radio.create_client(industry="retail", tags=["loud"], region="east")
    await radio.create_client(industry="retail")
    answer = await radio.call("presenter", "GET", "/v1/catalogues/industries?usage=true")
    counts = {entry["key"]: entry["usage_count"] for entry in answer.json()["data"]}
    assert counts["retail"] == 2
    assert counts["media"] == 0
    tags = await radio.call("front_desk", "GET", "/v1/catalogues/tags?usage=true")
    assert tags.json()["data"][0]["usage_count"] == 1
    types = await radio.call("admin", "GET", "/v1/catalogues/types?usage=true")
    assert types.json()["data"][0]["usage_count"] == 2
    for catalogue in ("regions", "tiers", "tags", "sources"):
        path = f"/v1/catalogues/{catalogue}"
        hidden = await radio.call("presenter", "GET", f"{path}?usage=true")
        assert hidden.status_code == 403, catalogue
        assert "usage_count" not in (await radio.call("presenter", "GET", path)).text


async def test_unknown_places_are_not_found(radio: Organization) -> None:
    for path in ("nonsense", "industries/nonsense", "tags/retail"):
        assert (await radio.call("admin", "GET", f"/v1/catalogues/{path}")).status_code == 404
    assert (await add(radio, "nonsense", key="x")).status_code == 404
    answer = await radio.call("presenter", "DELETE", "/v1/catalogues/industries/nonsense")
    assert answer.status_code == 404


async def test_list_is_paged_in_its_order(radio: Organization) -> None:
    whole = await keys(radio, "industries")
    found: list[str] = []
    cursor = ""
    while True:
        path = f"/v1/catalogues/industries?limit=7{cursor}"
        page = (await radio.call("presenter", "GET", path)).json()
        found += [entry["key"] for entry in page["data"]]
        if not page["has_more"]:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == whole
    assert len(set(found)) == len(found)
    by_label = await keys(radio, "industries", "?sort=label&label[contains]=e")
    assert by_label


@pytest.mark.parametrize("query", ["catalogue=tags", "usage=1", "usage=true&usage=true", "x=1"])
async def test_strange_queries_are_refused(radio: Organization, query: str) -> None:
    answer = await radio.call("admin", "GET", f"/v1/catalogues/industries?{query}")
    assert answer.status_code == 422


async def test_cursor_of_one_catalogue_is_none_of_another(radio: Organization) -> None:
    page = (await radio.call("admin", "GET", "/v1/catalogues/industries?limit=2")).json()
    path = f"/v1/catalogues/sources?limit=2&cursor={page['next_cursor']}"
    assert (await radio.call("admin", "GET", path)).status_code == 400


async def test_catalogues_are_of_one_organization(radio: Organization, other: Organization) -> None:
    await add(other, "tags", key="canary")
    assert "canary" not in await keys(radio, "tags")
    path = "/v1/catalogues/tags/canary"
    for method in ("GET", "DELETE"):
        assert (await radio.call("admin", method, path)).status_code == 404
    assert (await add(radio, "tags", key="canary")).status_code == 201


async def test_repeated_key_makes_one_entry(radio: Organization) -> None:
    headers = {"Idempotency-Key": "one-entry"}
    body = {"key": "bee_keeping"}
    path = "/v1/catalogues/industries"
    first = await radio.call("manager", "POST", path, json=body, headers=headers)
    again = await radio.call("manager", "POST", path, json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"


async def test_changes_are_in_the_log(radio: Organization, owner: Any) -> None:
    await add(radio, "tags", key="vip")
    await radio.call("manager", "PATCH", "/v1/catalogues/tags/vip", json={"label": "VIP!"})
    await radio.call("manager", "DELETE", "/v1/catalogues/tags/vip")
    rows = await owner.fetch(
        "SELECT action, resource_id, version FROM changes WHERE organization_id = $1 "
        "ORDER BY position",
        radio.organization_id,
    )
    assert [(row["action"], row["version"]) for row in rows] == [
        ("catalogue_entry.created", 1),
        ("catalogue_entry.updated", 2),
        ("catalogue_entry.deleted", 3),
    ]
    assert len({row["resource_id"] for row in rows}) == 1
