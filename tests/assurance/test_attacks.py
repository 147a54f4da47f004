"""What an attacker tried with success once, each through HTTP."""

import secrets
from typing import Any

import pytest

from tests.assurance.world import make_key
from tests.factories import Organization

Json = dict[str, Any]


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@pytest.mark.parametrize("field", ["registered_on", "last_reviewed_on"])
@pytest.mark.parametrize("day", ["9999-10-01", "9999-12-31"])
async def test_review_due_stays_within_the_calendar(
    radio: Organization, field: str, day: str
) -> None:
    made = await radio.create_client(**{field: day})
    assert made["review_due_on"] == "9999-12-31"
    target = await radio.create_client()
    answer = await radio.call(
        "admin", "PATCH", f"/v1/clients/{target['id']}", json={"last_reviewed_on": day}
    )
    assert (answer.status_code, answer.json()["review_due_on"]) == (200, "9999-12-31")


async def test_links_tell_nothing_to_who_may_only_write_them(radio: Organization) -> None:
    person = {"name": "Per Son", "emails": [f"{secrets.token_hex(5)}@example.com"]}
    link: Json = {"contact": person, "job_title": "Hidden title", "function": "decision_maker"}
    made = await radio.create_client(contacts=[link])
    place = f"/v1/clients/{made['id']}/contacts"
    link_id = made["contacts"][0]["id"]
    key = bearer(await make_key(radio, ["clients.reach:update", "contacts.*:create"]))

    for body in ({}, {"from_on": "2026-01-01"}):
        answer = await radio.api.patch(f"{place}/{link_id}", headers=key, json=body)
        assert (answer.status_code, answer.json()) == (200, {"id": link_id})
    stale = key | {"If-Match": '"stale"'}
    answer = await radio.api.patch(f"{place}/{link_id}", headers=stale, json={"job_title": "X"})
    assert (answer.status_code, answer.json()["current"]) == (412, {})

    again = key | {"Idempotency-Key": secrets.token_hex(8)}
    sent = {"contact": {"name": "Other Person"}, "job_title": "Other title"}
    for _ in range(2):
        answer = await radio.api.post(place, headers=again, json=sent)
        assert (answer.status_code, list(answer.json())) == (201, ["id"])
    assert answer.headers["Idempotency-Replayed"] == "true"


async def test_equal_and_other_values_are_answered_alike_to_who_cannot_read(
    radio: Organization,
) -> None:
    """Else a dry run tells a hidden value: 403 for the present one, 200 for any other."""
    made = await radio.create_client(payment_terms_days=33)
    contact = await radio.create_contact(do_not_contact=True)
    key = bearer(await make_key(radio, ["clients.finance:update", "contacts.person_reach:update"]))
    tries = [
        (f"/v1/clients/{made['id']}", {"payment_terms_days": 33}, {"payment_terms_days": 34}),
        (f"/v1/contacts/{contact['id']}", {"do_not_contact": True}, {"do_not_contact": False}),
    ]
    for path, *bodies in tries:
        answers = [
            await radio.api.patch(f"{path}?dry_run=true", headers=key, json=body) for body in bodies
        ]
        found = {(a.status_code, a.text, a.headers.get("ETag")) for a in answers}
        assert len(found) == 1
        assert answers[0].status_code == 200


@pytest.fixture
async def batched(radio: Organization) -> tuple[Organization, Json, dict[str, str]]:
    """A batch of the manager that succeeded in part, and its key."""
    held = await radio.create_client(credit_limit={"amount": "4242", "currency": "UGX"})
    old = await radio.create_client(name=f"Archived {secrets.token_hex(5)}")
    await radio.call("admin", "POST", f"/v1/clients/{old['id']}/archive")
    limit = {"amount": "1", "currency": "UGX"}
    mark = secrets.token_hex(5)
    operations = [
        {"op": "update", "id": held["id"], "if_match": '"old"', "body": {"credit_limit": limit}},
        {"op": "create", "body": {"name": old["name"], "emails": [f"a{mark}@example.com"]}},
        {"op": "create", "body": {"name": f"New {mark}", "emails": [f"b{mark}@example.com"]}},
    ]
    body = {"operations": operations}
    headers = {"Idempotency-Key": secrets.token_hex(8)}
    first = await radio.call("manager", "POST", "/v1/clients/batch", json=body, headers=headers)
    results = first.json()["results"]
    assert [r["status"] for r in results] == [412, 409, 201]
    assert results[0]["problem"]["current"] == {"credit_limit": held["credit_limit"]}
    assert results[1]["problem"]["candidates"][0]["name"] == old["name"]
    again = await radio.call("manager", "POST", "/v1/clients/batch", json=body, headers=headers)
    assert again.json() == first.json()
    return radio, body, headers


async def test_a_batch_is_replayed_by_the_rights_of_today(
    batched: tuple[Organization, Json, dict[str, str]],
) -> None:
    radio, body, headers = batched
    user = f"/v1/users/{radio.user_ids['manager']}"
    assert (await radio.call("admin", "PATCH", user, json={"role": "front_desk"})).is_success
    answer = await radio.call("manager", "POST", "/v1/clients/batch", json=body, headers=headers)
    stale, clash, made = answer.json()["results"]
    assert (stale["status"], stale["problem"]["current"]) == (412, {})
    assert clash["problem"]["candidates"][0]["visibility"] == "archived"
    assert "credit_limit" not in made["body"]

    assert (await radio.call("admin", "PATCH", user, json={"role": "presenter"})).is_success
    answer = await radio.call("manager", "POST", "/v1/clients/batch", json=body, headers=headers)
    assert [r["status"] for r in answer.json()["results"]] == [403, 403, 403]
    for told in ("4242", "Archived", "New "):
        assert told not in answer.text


async def test_an_echo_is_accepted_although_what_it_refers_to_is_gone(radio: Organization) -> None:
    """Front ends send back what they read; only a new reference must be one that is there."""
    referrer = await radio.create_client()
    owner = str(radio.user_ids["presenter"])
    made = await radio.create_client(referred_by_id=referrer["id"], owner_id=owner)
    superior = await radio.create_contact()
    junior = await radio.create_contact(reports_to_id=superior["id"], owner_id=owner)
    for method, path in (
        ("DELETE", f"/v1/clients/{referrer['id']}"),
        ("DELETE", f"/v1/contacts/{superior['id']}"),
        ("POST", f"/v1/users/{owner}/disable"),
    ):
        assert (await radio.call("admin", method, path)).is_success

    for path, change in (
        (f"/v1/clients/{made['id']}", {"remarks": "Called today"}),
        (f"/v1/contacts/{junior['id']}", {"honorific": "Dr"}),
    ):
        read = (await radio.call("manager", "GET", path)).json()
        answer = await radio.call("manager", "PATCH", path, json=read | change)
        assert answer.status_code == 200, answer.text


async def test_an_echo_is_accepted_although_the_tier_asks_for_more_now(
    radio: Organization,
) -> None:
    tier = {"key": "guarded", "emergency_contact_required": True}
    assert (await radio.call("admin", "POST", "/v1/catalogues/tiers", json=tier)).is_success
    link: Json = {"contact": {"name": "Night Watch"}, "roles": ["emergency"]}
    made = await radio.create_client(service_tier="guarded", contacts=[link])
    path = f"/v1/clients/{made['id']}"
    gone = await radio.call("admin", "DELETE", f"{path}/contacts/{made['contacts'][0]['id']}")
    assert gone.status_code == 204
    read = (await radio.call("admin", "GET", path)).json()
    answer = await radio.call("admin", "PATCH", path, json=read | {"remarks": "Called today"})
    assert answer.status_code == 200, answer.text


async def test_another_reason_of_an_override_moves_nothing_that_a_presenter_sees(
    radio: Organization,
) -> None:
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}"
    first = {"value": "active_advertiser", "reason": "Signed today"}
    answer = await radio.call("manager", "PUT", f"{path}/overrides/type", json=first)
    assert answer.status_code == 200, answer.text
    before = await radio.call("presenter", "GET", path)
    second = {"value": "active_advertiser", "reason": "Signed yesterday"}
    answer = await radio.call("manager", "PUT", f"{path}/overrides/type", json=second)
    assert answer.status_code == 200, answer.text
    after = await radio.call("presenter", "GET", path)
    assert after.headers["etag"] == before.headers["etag"]
    assert after.content == before.content
