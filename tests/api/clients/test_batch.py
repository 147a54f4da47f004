"""Batches: each operation by its own rights and rules; with `atomic`, all or none."""

import asyncio
from typing import Any

import pytest

from crm_api.installation import Addresses
from tests.api.clients.test_idempotency import head_held
from tests.checks import Owner, change_count, pointers, refused
from tests.factories import Organization

KEY = {"Idempotency-Key": "batch-1"}


async def batch(
    organization: Organization, role: str, *operations: dict[str, Any], **more: Any
) -> Any:
    headers = more.pop("headers", {})
    body = {"operations": list(operations)} | more
    return await organization.call(role, "POST", "/v1/clients/batch", json=body, headers=headers)


def create(name: str, **body: Any) -> dict[str, Any]:
    address = f"{name.lower().replace(' ', '.')}@example.com"
    return {"op": "create", "body": {"name": name, "emails": [address]} | body}


async def test_each_operation_has_its_own_result(radio: Organization, owner: Owner) -> None:
    made = await radio.create_client(name="Held")
    before = await change_count(owner, radio.organization_id)
    answer = await batch(
        radio,
        "front_desk",
        create("Acme"),
        create("Held"),
        create("Apex", stage="growing"),
        {"op": "update", "id": made["id"], "body": {"remarks": "x"}},
        {"op": "update", "id": made["id"], "body": {"name": "New"}},
        {"op": "delete", "id": made["id"]},
        create("Zenith"),
    )
    assert answer.status_code == 207
    results = answer.json()["results"]
    assert [r["status"] for r in results] == [201, 409, 403, 200, 403, 403, 201]
    assert [r["problem"]["code"] for r in results if "problem" in r] == [
        "duplicate_name",
        "field_not_writable",
        "field_not_writable",
        "forbidden",
    ]
    assert results[0]["body"]["name"] == "Acme"
    assert "credit_limit" not in results[0]["body"]
    problem = results[1]["problem"]
    assert problem["candidates"][0]["id"] == made["id"]
    assert problem["request_id"] == answer.headers["x-request-id"]
    assert await change_count(owner, radio.organization_id) == before + 3


async def test_operations_see_those_before_them(radio: Organization) -> None:
    made = await radio.create_client(name="Acme")
    answer = await batch(
        radio,
        "admin",
        {"op": "update", "id": made["id"], "body": {"name": "Apex"}},
        create("Acme", emails=["new@example.com"]),
        {"op": "delete", "id": made["id"]},
        {"op": "update", "id": made["id"], "body": {"remarks": "x"}},
    )
    assert [r["status"] for r in answer.json()["results"]] == [200, 201, 204, 409]


@pytest.mark.parametrize("atomic", [False, True])
async def test_if_match_is_honoured_for_each(radio: Organization, atomic: bool) -> None:
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}"
    etag = (await radio.call("admin", "GET", path)).headers["etag"]
    update = {"op": "update", "id": made["id"], "if_match": etag, "body": {"remarks": "x"}}
    first = await batch(radio, "admin", update, atomic=atomic)
    assert first.json()["results"][0]["status"] == 200
    second = await batch(radio, "admin", update | {"body": {"remarks": "y"}}, atomic=atomic)
    if atomic:
        refused(second, 412, "version_conflict")
    else:
        [result] = second.json()["results"]
        assert (result["status"], result["problem"]["current"]) == (412, {"remarks": "x"})


async def test_atomic_is_all_or_none(radio: Organization, owner: Owner) -> None:
    await radio.create_client(name="Held")
    before = await change_count(owner, radio.organization_id)
    operations = [create("Acme", tags=["fresh"]), create("Apex"), create("Held")]
    answer = await batch(radio, "admin", *operations, atomic=True)
    problem = refused(answer, 409, "duplicate_name")
    assert pointers(problem) == {"/operations/2/body/name"}
    assert await change_count(owner, radio.organization_id) == before
    total = await radio.call("admin", "GET", "/v1/clients?count=exact")
    assert total.json()["total"] == 1
    answer = await batch(radio, "admin", *operations[:2], atomic=True)
    assert [r["status"] for r in answer.json()["results"]] == [201, 201]
    assert (await radio.create_client())["number"] == "C-000004"


@pytest.mark.parametrize(
    ("role", "operation", "status", "place"),
    [
        ("front_desk", {"op": "create", "body": {"name": "A", "stage": "growing"}}, 403, "/stage"),
        ("admin", {"op": "create", "body": {"name": "A", "odd": 1}}, 422, "/odd"),
        ("admin", {"op": "create", "body": {"name": "A"}}, 422, "/emails"),
        ("admin", {"op": "update", "id": "01890a5d-ac96-774b-bcce-b302099a8057"}, 404, ""),
    ],
)
async def test_a_refusal_points_into_its_operation(
    radio: Organization, role: str, operation: dict[str, Any], status: int, place: str
) -> None:
    answer = await batch(radio, role, create("Acme"), operation, atomic=True)
    assert answer.status_code == status, answer.text
    assert f"/operations/1/body{place}" in pointers(answer.json())


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"operations": []},
        {"operations": [{"op": "merge"}]},
        {"operations": [{"op": "create", "body": {}, "odd": 1}]},
        {"operations": [{"op": "create", "body": {}}] * 201},
        {"operations": [{"op": "create", "body": {}}], "atomic": "yes"},
    ],
)
async def test_a_faulty_batch_does_nothing(
    radio: Organization, owner: Owner, body: dict[str, Any]
) -> None:
    answer = await radio.call("admin", "POST", "/v1/clients/batch", json=body)
    assert answer.status_code == 422
    assert await change_count(owner, radio.organization_id) == 0


async def test_two_hundred_operations_are_taken(radio: Organization) -> None:
    answer = await batch(radio, "admin", *(create(f"Client {n}") for n in range(200)))
    assert {r["status"] for r in answer.json()["results"]} == {201}


async def test_foreign_clients_are_not_found(radio: Organization, other: Organization) -> None:
    """G6"""
    foreign = await other.create_client()
    answer = await batch(
        radio,
        "admin",
        {"op": "update", "id": foreign["id"], "body": {"remarks": "x"}},
        {"op": "delete", "id": foreign["id"]},
        {"op": "delete"},
    )
    assert [r["status"] for r in answer.json()["results"]] == [404, 404, 404]


@pytest.mark.parametrize("atomic", [False, True])
async def test_a_retried_batch_replays(radio: Organization, owner: Owner, atomic: bool) -> None:
    made = await radio.create_client()
    operations = [
        create("Acme"),
        {"op": "update", "id": made["id"], "body": {"remarks": "x"}},
        {"op": "delete", "id": made["id"]},
    ]
    first = await batch(radio, "admin", *operations, atomic=atomic, headers=KEY)
    assert first.status_code == 207
    count = await change_count(owner, radio.organization_id)
    again = await batch(radio, "admin", *operations, atomic=atomic, headers=KEY)
    assert (again.status_code, again.headers["idempotency-replayed"]) == (207, "true")
    assert again.json() == first.json()
    assert await change_count(owner, radio.organization_id) == count
    other = await batch(radio, "admin", create("Apex"), atomic=atomic, headers=KEY)
    refused(other, 422, "idempotency_mismatch")


async def test_a_retried_batch_does_what_could_not_be_done_yet(
    radio: Organization, database: Addresses, owner: Owner
) -> None:
    """An item that asks for another try gets one: its refusal is not the stored reply."""
    made = await radio.create_client()
    operations = [create("Acme"), {"op": "update", "id": made["id"], "body": {"remarks": "x"}}]
    count = await change_count(owner, radio.organization_id)
    async with head_held(database, radio):
        first = await batch(radio, "admin", *operations, headers=KEY)
    assert first.status_code == 207, first.text
    assert [result["status"] for result in first.json()["results"]] == [409, 409]
    assert await change_count(owner, radio.organization_id) == count
    again = await batch(radio, "admin", *operations, headers=KEY)
    assert [result["status"] for result in again.json()["results"]] == [201, 200], again.text
    assert await change_count(owner, radio.organization_id) == count + 2
    replayed = await batch(radio, "admin", *operations, headers=KEY)
    assert replayed.headers["idempotency-replayed"] == "true"
    assert replayed.json() == again.json()


@pytest.mark.parametrize("atomic", [False, True])
async def test_twin_batches_create_once(radio: Organization, owner: Owner, atomic: bool) -> None:
    operations = [create(f"Client {n}", allow_duplicate=True, emails=[], phones=["0772123456"])
                  for n in range(5)]  # fmt: skip
    answers = await asyncio.gather(
        *(batch(radio, "admin", *operations, atomic=atomic, headers=KEY) for _ in range(4))
    )
    assert {answer.status_code for answer in answers} == {207}, answers[0].text
    assert len({str(answer.json()) for answer in answers}) == 1
    assert await change_count(owner, radio.organization_id) == 5


async def test_a_replayed_batch_shows_what_todays_role_reads(radio: Organization) -> None:
    first = await batch(radio, "manager", create("Acme"), headers=KEY)
    assert "credit_limit" in first.json()["results"][0]["body"]
    user = f"/v1/users/{radio.user_ids['manager']}"
    assert (await radio.call("admin", "PATCH", user, json={"role": "front_desk"})).is_success
    again = await batch(radio, "manager", create("Acme"), headers=KEY)
    [result] = again.json()["results"]
    assert set(result["body"]) < set(first.json()["results"][0]["body"])
    assert "credit_limit" not in result["body"]


@pytest.mark.parametrize("atomic", [False, True])
async def test_a_dry_batch_answers_what_would_be(
    radio: Organization, owner: Owner, atomic: bool
) -> None:
    made = await radio.create_client(name="Held")
    before = await change_count(owner, radio.organization_id)
    operations = [
        create("Acme"),
        {"op": "update", "id": made["id"], "body": {"remarks": "x"}},
        {"op": "delete", "id": made["id"]},
    ]
    if not atomic:
        operations.insert(1, create("Acme", emails=["other@example.com"]))
    body = {"operations": operations, "atomic": atomic}
    answer = await radio.call("admin", "POST", "/v1/clients/batch?dry_run=true", json=body)
    statuses = [result["status"] for result in answer.json()["results"]]
    assert statuses == ([201, 200, 204] if atomic else [201, 409, 200, 204])
    assert await change_count(owner, radio.organization_id) == before
    read = await radio.call("admin", "GET", f"/v1/clients/{made['id']}")
    assert read.json() == made


async def test_batch_that_comes_twice_at_once_is_told_as_it_was_done(radio: Organization) -> None:
    """The second one met its own first one's ETags, and stored 412 for what was applied."""
    for n in range(4):
        made = [await radio.create_client() for _ in range(4)]
        seen = [await radio.call("admin", "GET", f"/v1/clients/{one['id']}") for one in made]
        operations = [
            {
                "op": "delete" if place == 3 else "update",
                "id": one["id"],
                "if_match": read.headers["etag"],
                "body": {} if place == 3 else {"remarks": "Changed"},
            }
            for place, (one, read) in enumerate(zip(made, seen, strict=True))
        ]
        headers = {"Idempotency-Key": f"twice-{n}"}
        answers = await asyncio.gather(
            *(batch(radio, "admin", *operations, headers=headers) for _ in range(6))
        )
        told = {tuple(r["status"] for r in a.json()["results"]) for a in answers}
        assert told == {(200, 200, 200, 204)}
