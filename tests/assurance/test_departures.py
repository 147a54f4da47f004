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
