"""Dry runs: everything is checked, the impact is answered, nothing stays."""

import asyncio
from typing import Any

import pytest

from tests.checks import Owner, change_count, pointers, refused
from tests.factories import Organization

DRY = "?dry_run=true"


async def test_a_dry_create_answers_what_would_be(radio: Organization, owner: Owner) -> None:
    body = {"name": "Acme", "emails": ["info@example.com"], "tags": ["fresh"]}
    answer = await radio.call("front_desk", "POST", f"/v1/clients{DRY}", json=body)
    assert answer.status_code == 200
    would = answer.json()
    assert (would["name"], would["type"], would["tags"]) == ("Acme", "prospect", ["fresh"])
    assert await change_count(owner, radio.organization_id) == 0
    assert (await radio.call("admin", "GET", "/v1/clients?count=exact")).json()["total"] == 0
    refused(await radio.call("admin", "GET", f"/v1/clients/{would['id']}"), 404, "not_found")
    tags = (await radio.call("admin", "GET", "/v1/catalogues/tags")).json()["data"]
    assert "fresh" not in [tag["key"] for tag in tags]
    assert (await radio.create_client())["number"] == would["number"]


async def test_a_dry_create_meets_every_refusal(radio: Organization) -> None:
    await radio.create_client(name="Acme", emails=["info@example.com"])
    for role, body, status, code in (
        ("presenter", {"name": "A"}, 403, "forbidden"),
        ("front_desk", {"name": "A", "stage": "growing"}, 403, "field_not_writable"),
        ("admin", {"name": "A"}, 422, "contact_method_required"),
        ("admin", {"name": "Acme", "emails": ["x@example.com"]}, 409, "duplicate_name"),
        ("admin", {"name": "A", "emails": ["info@example.com"]}, 409, "email_in_use"),
    ):
        answer = await radio.call(role, "POST", f"/v1/clients{DRY}", json=body)
        refused(answer, status, code)


async def test_a_dry_create_may_show_what_an_option_would_do(
    radio: Organization, owner: Owner
) -> None:
    held = await radio.create_client(name="Acme", emails=["info@example.com"])
    await radio.call("admin", "POST", f"/v1/clients/{held['id']}/archive")
    before = await change_count(owner, radio.organization_id)
    body: dict[str, Any] = {"name": "Acme", "emails": ["info@example.com"]}
    options = {"allow_duplicate": True, "on_inactive": "create"}
    answer = await radio.call("manager", "POST", f"/v1/clients{DRY}", json=body | options)
    assert answer.status_code == 200, answer.text
    assert await change_count(owner, radio.organization_id) == before
    read = (await radio.call("admin", "GET", f"/v1/clients/{held['id']}")).json()
    assert read["emails"] == held["emails"]


async def test_a_dry_patch_answers_what_would_be(radio: Organization, owner: Owner) -> None:
    made = await radio.create_client(last_reviewed_on="2026-01-31")
    path = f"/v1/clients/{made['id']}"
    before = await radio.call("manager", "GET", path)
    count = await change_count(owner, radio.organization_id)
    body = {"last_reviewed_on": "2026-06-30", "emails": [], "name": "Renamed"}
    answer = await radio.call("manager", "PATCH", f"{path}{DRY}", json=body)
    would = answer.json()
    assert (would["review_due_on"], would["emails"], would["name"]) == (
        "2026-09-30",
        [],
        "Renamed",
    )
    assert await change_count(owner, radio.organization_id) == count
    after = await radio.call("manager", "GET", path)
    assert (after.json(), after.headers["etag"]) == (before.json(), before.headers["etag"])
    again = await radio.call("manager", "PATCH", path, json=body)
    assert again.json() | {"updated_at": ""} == would | {"updated_at": ""}


async def test_a_dry_patch_meets_every_refusal(radio: Organization) -> None:
    await radio.create_client(name="Acme")
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}{DRY}"
    answer = await radio.call("front_desk", "PATCH", path, json={"stage": "growing"})
    assert pointers(refused(answer, 403, "field_not_writable")) == {"/stage"}
    answer = await radio.call("admin", "PATCH", path, json={"name": "acme"})
    refused(answer, 409, "duplicate_name")
    stale = {"If-Match": '"stale"'}
    answer = await radio.call("admin", "PATCH", path, json={"name": "B"}, headers=stale)
    refused(answer, 412, "version_conflict")


async def test_contacts_have_dry_runs_too(radio: Organization, owner: Owner) -> None:
    body: dict[str, Any] = {"name": "Ada", "emails": ["ada@example.com"]}
    answer = await radio.call("front_desk", "POST", f"/v1/contacts{DRY}", json=body)
    assert (answer.status_code, answer.json()["name"]) == (200, "Ada")
    assert await change_count(owner, radio.organization_id) == 0
    made = await radio.create_contact(**body)
    path = f"/v1/contacts/{made['id']}"
    answer = await radio.call("front_desk", "PATCH", f"{path}{DRY}", json={"emails": []})
    assert answer.json()["emails"] == []
    assert (await radio.call("admin", "GET", path)).json() == made


@pytest.mark.parametrize("value", ["yes", "1", ""])
async def test_only_true_and_false_are_understood(radio: Organization, value: str) -> None:
    """A misread switch would store what was to be tried."""
    body = {"name": "Acme", "emails": ["info@example.com"]}
    answer = await radio.call("admin", "POST", f"/v1/clients?dry_run={value}", json=body)
    assert answer.status_code == 422
    for place in ("/v1/clients?dry-run=true", "/v1/clients?dry_run=true&dry_run=false"):
        answer = await radio.call("admin", "POST", place, json=body)
        assert answer.status_code == 422, place


async def test_every_write_of_a_record_has_a_dry_run(radio: Organization, owner: Owner) -> None:
    """The reply is the one that the write would give, and nothing stays of it."""
    made = await radio.create_client(
        contacts=[{"contact": {"name": "Ada", "emails": ["ada@example.com"]}}]
    )
    client, link = f"/v1/clients/{made['id']}", made["contacts"][0]
    person = f"/v1/contacts/{link['contact_id']}"
    email = (await radio.call("admin", "GET", person)).json()["emails"][0]["id"]
    verified = {"reachability": "verified"}
    before = (await radio.call("admin", "GET", client)).json()
    count = await change_count(owner, radio.organization_id)
    for method, path, body in (
        ("POST", f"{client}/archive", None),
        ("DELETE", client, None),
        ("POST", f"{client}/restore", None),
        ("PUT", f"{client}/overrides/type", {"value": "partner", "reason": "x"}),
        ("DELETE", f"{client}/overrides/type", None),
        ("POST", f"{client}/contacts", {"contact": {"name": "Ben"}, "roles": ["primary"]}),
        ("PATCH", f"{client}/contacts/{link['id']}", {"job_title": "Chair"}),
        ("DELETE", f"{client}/contacts/{link['id']}", None),
        ("POST", f"{client}/emails/{made['emails'][0]['id']}/verify", verified),
        ("POST", f"{person}/emails/{email}/verify", verified),
        ("POST", f"{person}/restore", None),
    ):
        key = {"Idempotency-Key": "dry"}
        for _ in range(2):
            answer = await radio.call("admin", method, f"{path}{DRY}", json=body, headers=key)
            assert answer.status_code in (200, 204), (method, path, answer.text)
            assert "idempotency-replayed" not in answer.headers
            assert "location" not in answer.headers
        assert (await radio.call("admin", "GET", client)).json() == before, (method, path)
    assert await change_count(owner, radio.organization_id) == count
    refused(await radio.call("admin", "DELETE", f"{person}{DRY}"), 409, "still_linked")
    refused(await radio.call("manager", "DELETE", f"{client}{DRY}"), 403, "forbidden")
    would = await radio.call("admin", "POST", f"{client}/archive{DRY}")
    assert would.json()["lifecycle"] == "archived"


async def test_dry_run_beside_other_writes_is_decided_again_as_they_are(
    radio: Organization,
) -> None:
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}"
    calls = [
        radio.call("admin", "PATCH", path + (DRY if n % 2 else ""), json={"remarks": f"{n}"})
        for n in range(16)
    ]
    answers = await asyncio.gather(*calls)
    assert [a.status_code for a in answers] == [200] * 16
