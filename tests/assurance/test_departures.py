"""Each exception to the API's conventions that docs/adr/0010 lists, as it behaves."""

from typing import Any

import httpx
import pytest

from tests.factories import Organization

LINK = {"contact": {"name": "Ada Nakato"}}


async def site_of(radio: Organization, **site: str) -> dict[str, Any]:
    made = await radio.create_client(sites=[site])
    found: dict[str, Any] = made["sites"][0]
    return found


async def test_city_that_no_list_holds_is_no_fault(radio: Organization) -> None:
    lines = {"country_area": "Beijing Shi", "postal_code": "100000", "street_address": "Road 1"}
    site = await site_of(radio, country_code="CN", city="Atlantis", **lines)
    assert site["address_quality"] == "unverified_format"
    assert site["city"] == "Atlantis"


async def test_missing_address_line_is_no_fault(radio: Organization) -> None:
    site = await site_of(radio, country_code="US", city="Boston")
    assert site["address_quality"] == "incomplete"


@pytest.mark.parametrize("query", ["city=!!!", "name=!!!", "name[contains]=%25"])
async def test_filter_of_no_letters_answers_an_empty_page(radio: Organization, query: str) -> None:
    await radio.create_client()
    answer = await radio.call("manager", "GET", f"/v1/clients?{query}")
    assert (answer.status_code, answer.json()["data"]) == (200, [])


async def test_links_and_references_are_not_replaced_by_a_patch(radio: Organization) -> None:
    refs = [{"source": "billing", "id": "A-17"}]
    client = await radio.create_client(contacts=[LINK], external_refs=refs)
    path = f"/v1/clients/{client['id']}"
    for name in ("contacts", "external_refs"):
        assert (await radio.call("admin", "PATCH", path, json={name: []})).status_code == 422
        echo = await radio.call("admin", "PATCH", path, json={name: client[name]})
        assert echo.status_code == 200
    answer = await radio.call("admin", "POST", f"{path}/contacts", json=LINK)
    assert answer.status_code == 201


async def test_late_delivery_is_no_fault_whatever_it_holds(radio: Organization) -> None:
    path = "/v1/contacts/by-ref/billing/A-17"
    body: dict[str, Any] = {"name": "Ada", "version": 3}
    assert (await radio.call("admin", "PUT", path, json=body)).status_code == 201
    for late in ({"version": 3, "name": "Ada"}, {"version": 2, "languages": ["no language"]}):
        answer = await radio.call("admin", "PUT", path, json=late)
        assert (answer.status_code, answer.json()["applied"]) == (200, False)


async def test_delivery_repeats_what_is_set_on_create_and_does_not_change_it(
    radio: Organization,
) -> None:
    path = "/v1/clients/by-ref/billing/A-17"
    body = {"name": "Acme", "emails": ["acme@example.com"], "registered_on": "2026-01-31"}
    for status in (201, 200):
        assert (await radio.call("admin", "PUT", path, json=body)).status_code == status
    other = body | {"registered_on": "2026-02-01"}
    assert (await radio.call("admin", "PUT", path, json=other)).status_code == 422


async def test_version_of_a_reference_takes_the_right_to_set_one(radio: Organization) -> None:
    await radio.create_client(external_refs=[{"source": "billing", "id": "A-17"}])
    path, body = "/v1/clients/by-ref/billing/A-17", {"remarks": "x"}
    assert (await radio.call("front_desk", "PUT", path, json=body)).status_code == 200
    moved = body | {"version": 9}
    assert (await radio.call("front_desk", "PUT", path, json=moved)).status_code == 403


async def test_restore_sets_back_what_a_patch_sets(radio: Organization) -> None:
    client = await radio.create_client(contacts=[LINK], remarks="first")
    path = f"/v1/clients/{client['id']}"
    link, email = client["contacts"][0]["id"], client["emails"][0]["id"]
    await radio.call("admin", "PATCH", path, json={"remarks": "second"})
    await radio.call("admin", "DELETE", f"{path}/contacts/{link}")
    state = {"reachability": "bounced"}
    await radio.call("admin", "POST", f"{path}/emails/{email}/verify", json=state)
    body = {"as_of": client["created_at"]}
    found = (await radio.call("admin", "POST", f"{path}/restore-version", json=body)).json()
    assert (found["remarks"], found["contacts"]) == ("first", [])
    assert found["emails"][0]["reachability"] == "bounced"


async def test_version_that_was_hidden_then_is_hidden_today(radio: Organization) -> None:
    client = await radio.create_client()
    path = f"/v1/clients/{client['id']}"
    await radio.call("admin", "DELETE", path)
    history = (await radio.call("admin", "GET", f"{path}/history")).json()["data"]
    await radio.call("admin", "POST", f"{path}/restore")
    for query in (f"{path}?as_of={history[0]['at']}", f"{path}/diff?from={history[0]['id']}"):
        assert (await radio.call("manager", "GET", query)).status_code == 404
        assert (await radio.call("admin", "GET", query)).status_code == 200


async def test_user_id_is_the_membership_everywhere(radio: Organization) -> None:
    me = (await radio.call("manager", "GET", "/v1/me")).json()["id"]
    assert me == str(radio.user_ids["manager"])
    client = await radio.create_client("manager", owner_id=me)
    path = f"/v1/clients/{client['id']}"
    history = (await radio.call("admin", "GET", f"{path}/history")).json()
    user = (await radio.call("admin", "GET", f"/v1/users/{me}")).json()
    assert client["owner_id"] == history["data"][0]["actor"]["id"] == user["id"] == me


async def test_export_that_is_repeated_is_another_export(radio: Organization) -> None:
    headers = {"Idempotency-Key": "export-1"}
    for _ in range(2):
        answer = await radio.call("admin", "POST", "/v1/clients/export", json={}, headers=headers)
        assert answer.status_code == 200
        assert "idempotency-replayed" not in answer.headers
    records = (await radio.call("admin", "GET", "/v1/exports")).json()["data"]
    assert len(records) == 2


async def test_disabling_a_user_is_harmless_to_repeat(radio: Organization) -> None:
    path = f"/v1/users/{radio.user_ids['presenter']}"
    key = {"Idempotency-Key": "same"}
    for _ in range(2):
        for move in ("disable", "disable", "enable", "enable"):
            answer = await radio.call("admin", "POST", f"{path}/{move}", headers=key)
            assert answer.status_code == 200
            assert "Idempotency-Replayed" not in answer.headers


async def test_items_of_a_batch_fail_one_by_one(radio: Organization) -> None:
    create = {"op": "create", "body": {"name": "Reachable", "emails": ["reach@example.com"]}}
    body = {"operations": [{"op": "create", "body": {"name": "Nobody"}}, create]}
    answer = await radio.call("admin", "POST", "/v1/clients/batch", json=body)
    assert answer.status_code == 207
    first, second = answer.json()["results"]
    assert first["problem"]["code"] == "contact_method_required"
    assert second["body"]["name"] == "Reachable"


async def test_dry_run_creates_nothing(radio: Organization) -> None:
    body = {"name": "Not yet", "emails": ["not-yet@example.com"]}
    answer = await radio.call("admin", "POST", "/v1/clients?dry_run=true", json=body)
    assert answer.status_code == 200
    assert "Location" not in answer.headers
    path = f"/v1/clients/{answer.json()['id']}"
    assert (await radio.call("admin", "GET", path)).status_code == 404
    made = (await radio.call("admin", "POST", "/v1/clients", json=body)).json()
    assert made["number"] == answer.json()["number"]


async def test_writer_who_reads_nothing_is_answered_the_id(
    radio: Organization, api: httpx.AsyncClient
) -> None:
    scopes = ["clients.name:create", "clients.reach:create"]
    body: dict[str, Any] = {"name": "Intake", "scopes": scopes}
    key = (await radio.call("admin", "POST", "/v1/api-keys", json=body)).json()["key"]
    sent = {"name": "Walk-in", "emails": ["walk-in@example.com"]}
    headers = {"Authorization": f"Bearer {key}"}
    answer = await api.post("/v1/clients", json=sent, headers=headers)
    assert answer.status_code == 201
    assert list(answer.json()) == ["id"]


async def test_unknown_query_parameter_is_told_before_a_missing_record(radio: Organization) -> None:
    path = "/v1/clients/01890a5d-ac96-774b-bcce-b302099a8057"
    assert (await radio.call("admin", "DELETE", f"{path}?no=1")).status_code == 422
    assert (await radio.call("admin", "DELETE", path)).status_code == 404


async def test_large_answer_is_compressed_with_gzip(radio: Organization) -> None:
    headers = {"Accept-Encoding": "zstd, br, gzip"}
    answer = await radio.call("admin", "GET", "/v1/me/permissions", headers=headers)
    assert answer.headers["Content-Encoding"] == "gzip"


async def test_a_source_may_be_called_as_a_part_of_a_client(radio: Organization) -> None:
    for source in ("contacts", "overrides", "emails"):
        path = f"/v1/clients/by-ref/{source}/type"
        body = {"name": f"Of {source}", "emails": [f"of@{source}.example.com"]}
        assert (await radio.call("admin", "PUT", path, json=body)).status_code == 201
        assert (await radio.call("admin", "GET", path)).json()["name"] == f"Of {source}"
