"""Idempotency keys: a retry answers what was answered, and does nothing a second time."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from crm_api.installation import Addresses
from tests.checks import Owner, change_count, refused
from tests.factories import Organization
from tests.watch import Watch

KEY = {"Idempotency-Key": "4f9a1f0e-3b0e-4f4a-9c59-8f0f6f5f6a10"}
REPLAYED = "idempotency-replayed"


async def post(
    organization: Organization, body: Any, role: str = "manager", path: str = "/v1/clients"
) -> Any:
    return await organization.call(role, "POST", path, json=body, headers=KEY)


async def test_a_retry_answers_the_same_and_creates_nothing(
    radio: Organization, owner: Owner
) -> None:
    """G9: a finished one replays, before any other check."""
    body = {"name": "Acme", "emails": ["info@example.com"]}
    first = await post(radio, body)
    assert (first.status_code, REPLAYED in first.headers) == (201, False)
    count = await change_count(owner, radio.organization_id)
    again = await post(radio, body)
    assert again.status_code == 201
    assert again.headers[REPLAYED] == "true"
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert again.headers["etag"] == first.headers["etag"]
    assert await change_count(owner, radio.organization_id) == count


async def test_a_retry_answers_what_was_though_the_client_changed(radio: Organization) -> None:
    body = {"name": "Acme", "phones": ["0772123456"]}
    first = (await post(radio, body)).json()
    path = f"/v1/clients/{first['id']}"
    await radio.call("manager", "PATCH", path, json={"name": "Apex", "phones": []})
    again = await post(radio, body)
    assert (again.json(), again.headers[REPLAYED]) == (first, "true")


async def test_another_body_under_the_key_is_refused(radio: Organization) -> None:
    await post(radio, {"name": "Acme", "emails": ["info@example.com"]})
    for body in (
        {"name": "Apex", "emails": ["apex@example.com"]},
        {"name": "Acme", "emails": ["info@example.com"], "remarks": "x"},
        {"nonsense": 1},
    ):
        problem = refused(await post(radio, body), 422, "idempotency_mismatch")
        assert problem["errors"][0]["header"] == "Idempotency-Key"


async def test_a_key_belongs_to_principal_path_and_organization(
    radio: Organization, other: Organization
) -> None:
    body = {"name": "Acme", "emails": ["info@example.com"]}
    assert (await post(radio, body)).status_code == 201
    assert (await post(other, body)).status_code == 201
    refused(await post(radio, body, "admin"), 409, "duplicate_name")
    assert (await post(radio, {"name": "Ada"}, path="/v1/contacts")).status_code == 201


async def test_a_refused_request_leaves_its_key_free(radio: Organization) -> None:
    """Only 2xx is stored."""
    refused(await post(radio, {"name": "Acme"}), 422, "contact_method_required")
    made = await post(radio, {"name": "Acme", "emails": ["info@example.com"]})
    assert made.status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "ключ", "a\tb"])
async def test_a_key_is_a_short_printable_text(radio: Organization, key: str) -> None:
    body = {"name": "Acme", "emails": ["info@example.com"]}
    headers = [(b"idempotency-key", key.encode()), (b"authorization", b"")]
    headers[1] = (b"authorization", radio.as_role("manager")["Authorization"].encode())
    answer = await radio.api.post("/v1/clients", json=body, headers=headers)
    assert answer.status_code == 422, answer.text


async def test_a_dry_run_ignores_the_key(radio: Organization) -> None:
    body = {"name": "Acme", "emails": ["info@example.com"]}
    for _ in range(2):
        answer = await post(radio, body, path="/v1/clients?dry_run=true")
        assert (answer.status_code, REPLAYED in answer.headers) == (200, False)
    assert (await post(radio, body)).status_code == 201


async def test_a_replay_shows_what_todays_role_reads(radio: Organization) -> None:
    """Re-masked: the person moved from manager to front desk since."""
    body = {"name": "Acme", "emails": ["info@example.com"]}
    first = (await post(radio, body)).json()
    assert "credit_limit" in first
    user = f"/v1/users/{radio.user_ids['manager']}"
    assert (await radio.call("admin", "PATCH", user, json={"role": "front_desk"})).is_success
    again = await post(radio, body)
    assert again.headers[REPLAYED] == "true"
    assert again.json().keys() < first.keys()
    assert "credit_limit" not in again.json()


async def test_a_replay_needs_todays_right_to_create(radio: Organization) -> None:
    """Re-authorized: the person moved from manager to presenter since."""
    body = {"name": "Acme", "emails": ["info@example.com"]}
    await post(radio, body)
    user = f"/v1/users/{radio.user_ids['manager']}"
    assert (await radio.call("admin", "PATCH", user, json={"role": "presenter"})).is_success
    refused(await post(radio, body), 403, "forbidden")


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Acme", "phones": ["0772123456"], "allow_duplicate": True},
        {"name": "New", "emails": ["held@example.com"], "on_inactive": "create"},
        {"name": "With", "contacts": [{"contact": {"name": "A", "emails": ["a@example.com"]}}]},
    ],
)
async def test_options_are_replayed_too(
    radio: Organization, owner: Owner, body: dict[str, Any]
) -> None:
    await radio.create_client(name="Acme")
    held = await radio.create_client(emails=["held@example.com"])
    await radio.call("admin", "POST", f"/v1/clients/{held['id']}/archive")
    first = await post(radio, body)
    assert first.status_code == 201, first.text
    count = await change_count(owner, radio.organization_id)
    again = await post(radio, body)
    assert (again.status_code, again.headers.get(REPLAYED)) == (201, "true")
    assert again.json() == first.json()
    assert await change_count(owner, radio.organization_id) == count


async def test_links_take_a_key(radio: Organization, owner: Owner) -> None:
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}/contacts"
    body = {"contact": {"name": "Ada", "emails": ["ada@example.com"]}}
    first = await post(radio, body, path=path)
    count = await change_count(owner, radio.organization_id)
    again = await post(radio, body, path=path)
    assert (again.status_code, again.headers[REPLAYED]) == (201, "true")
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    assert await change_count(owner, radio.organization_id) == count
    refused(await post(radio, {"contact": {"name": "B"}}, path=path), 422, "idempotency_mismatch")


async def test_a_late_retry_of_a_move_undoes_nothing(radio: Organization) -> None:
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}"
    first = await radio.call("manager", "POST", f"{path}/archive", headers=KEY)
    await radio.call("admin", "POST", f"{path}/restore")
    again = await radio.call("manager", "POST", f"{path}/archive", headers=KEY)
    assert (again.status_code, again.headers[REPLAYED]) == (200, "true")
    assert again.json() == first.json()
    assert "location" not in again.headers
    read = await radio.call("manager", "GET", path)
    assert read.json()["lifecycle"] == "live"


async def test_a_verification_takes_a_key(radio: Organization) -> None:
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}/emails/{made['emails'][0]['id']}/verify"
    first = await post(radio, {"reachability": "verified"}, path=path)
    again = await post(radio, {"reachability": "verified"}, path=path)
    assert (again.json(), again.headers[REPLAYED]) == (first.json(), "true")
    other = await post(radio, {"reachability": "bounced"}, path=path)
    refused(other, 422, "idempotency_mismatch")


async def test_a_record_is_kept_for_a_day(radio: Organization, owner: Owner) -> None:
    body = {"name": "Acme", "emails": ["info@example.com"]}
    first = await post(radio, body)
    await owner.execute(
        "UPDATE idempotency_records SET created_at = created_at - interval '25 hours' "
        "WHERE organization_id = $1",
        radio.organization_id,
    )
    refused(await post(radio, body), 409, "duplicate_name")
    other = {"name": "Apex", "emails": ["apex@example.com"]}
    made = await post(radio, other)
    assert made.status_code == 201, made.text
    assert made.json()["id"] != first.json()["id"]


@asynccontextmanager
async def head_held(database: Addresses, organization: Organization) -> AsyncIterator[None]:
    """Another write of the organization that takes its time."""
    connection = await asyncpg.connect(database.owner)
    try:
        async with connection.transaction():
            await connection.execute(
                "SELECT 1 FROM heads WHERE organization_id = $1 FOR UPDATE",
                organization.organization_id,
            )
            yield
    finally:
        await connection.close()


async def test_the_same_request_in_flight_waits_two_seconds_then_409(
    radio: Organization, database: Addresses
) -> None:
    body = {"name": "Acme", "emails": ["info@example.com"]}
    loop = asyncio.get_running_loop()
    async with head_held(database, radio):
        began = loop.time()
        answer = await post(radio, body)
        waited = loop.time() - began
    refused(answer, 409, "idempotency_in_progress")
    assert int(answer.headers["retry-after"]) >= 1
    assert waited < 3
    assert (await post(radio, body)).status_code == 201


async def test_without_a_key_a_long_wait_is_503_and_nothing_happened(
    radio: Organization, database: Addresses, owner: Owner, watch: Watch
) -> None:
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}"
    count = await change_count(owner, radio.organization_id)
    body = {"name": "Acme", "emails": ["info@example.com"]}
    calls = (
        ("POST", "/v1/clients", body),
        ("PATCH", path, {"remarks": "x"}),
        ("POST", f"{path}/contacts", {"contact": {"name": "Ada"}}),
        ("POST", f"{path}/archive", None),
        ("POST", "/v1/contacts", {"name": "Ada"}),
    )
    with watch.faults():
        async with head_held(database, radio):
            answers = await asyncio.gather(
                *(radio.call("manager", method, place, json=sent) for method, place, sent in calls)
            )
    for answer in answers:
        refused(answer, 503, "unavailable")
        assert int(answer.headers["retry-after"]) >= 1
    assert await change_count(owner, radio.organization_id) == count


async def test_twins_make_one_client(radio: Organization, owner: Owner) -> None:
    body = {"name": "Acme", "phones": ["0772123456"], "allow_duplicate": True}
    answers = await asyncio.gather(*(post(radio, body) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum(REPLAYED not in answer.headers for answer in answers) == 1
    assert await change_count(owner, radio.organization_id) == 1


async def test_stored_replies_hold_no_more_than_was_answered(
    radio: Organization, owner: Owner
) -> None:
    made = await post(radio, {"name": "Acme", "emails": ["info@example.com"]}, "front_desk")
    reply = await owner.fetchval(
        "SELECT reply FROM idempotency_records WHERE organization_id = $1", radio.organization_id
    )
    assert json.loads(reply) == made.json()
