"""ETags and conditional requests: what one moves with, what a stale one is answered."""

from typing import Any

import pytest

from tests.checks import Owner, change_count, refused
from tests.factories import Organization


async def etag(organization: Organization, role: str, path: str, **more: Any) -> str:
    answer = await organization.call(role, "GET", path, **more)
    assert answer.status_code == 200, answer.text
    return str(answer.headers["etag"])


async def test_a_held_etag_is_answered_304_without_a_body(radio: Organization) -> None:
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}"
    held = await etag(radio, "manager", path)
    for text in (held, f'"other", {held}', f"W/{held}", "*"):
        answer = await radio.call("manager", "GET", path, headers={"If-None-Match": text})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == held
    answer = await radio.call("manager", "GET", path, headers={"If-None-Match": '"other"'})
    assert answer.status_code == 200


async def test_etag_is_of_the_full_representation_whatever_was_asked_for(
    radio: Organization,
) -> None:
    made = await radio.create_client(
        owner_id=str(radio.user_ids["manager"]), contacts=[{"contact": {"name": "Ada"}}]
    )
    path = f"/v1/clients/{made['id']}"
    held = await etag(radio, "manager", path)
    for query in ("?fields=id,name", "?expand=contacts,owner", "?fields=id&expand=owner"):
        assert await etag(radio, "manager", path + query) == held
    held_back = {"If-None-Match": held}
    answer = await radio.call("manager", "GET", f"{path}?fields=id", headers=held_back)
    assert answer.status_code == 304


@pytest.mark.parametrize(
    ("change", "unmoved"),
    [
        ({"payment_terms_days": 30}, {"front_desk", "presenter"}),
        ({"remarks": "x"}, {"presenter"}),
        ({"website": "https://x.example.com/"}, set()),
    ],
)
async def test_a_hidden_change_does_not_move_the_etag(
    radio: Organization, change: dict[str, Any], unmoved: set[str]
) -> None:
    """No stamp, no ETag: a change of hidden fields alone shows nowhere."""
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}"
    roles = ("admin", "manager", "front_desk", "presenter")
    before = {role: await etag(radio, role, path) for role in roles}
    await radio.call("manager", "PATCH", path, json=change)
    after = {role: await etag(radio, role, path) for role in roles}
    assert {role for role in roles if before[role] == after[role]} == unmoved


async def test_a_hidden_change_fails_no_condition(radio: Organization) -> None:
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}"
    held = {"If-Match": await etag(radio, "front_desk", path)}
    await radio.call("manager", "PATCH", path, json={"payment_terms_days": 30})
    answer = await radio.call("front_desk", "PATCH", path, json={"remarks": "x"}, headers=held)
    assert answer.status_code == 200


async def test_a_stale_etag_is_412_with_what_is_there_now(
    radio: Organization, owner: Owner
) -> None:
    """Only of the sent fields, and only what the caller reads."""
    made = await radio.create_client(remarks="first", website="https://a.example.com/")
    path = f"/v1/clients/{made['id']}"
    held = {"If-Match": await etag(radio, "front_desk", path)}
    await radio.call("manager", "PATCH", path, json={"remarks": "second", "tags": ["new"]})
    count = await change_count(owner, radio.organization_id)
    body = {"remarks": "mine", "website": "https://b.example.com/"}
    answer = await radio.call("front_desk", "PATCH", path, json=body, headers=held)
    problem = refused(answer, 412, "version_conflict")
    assert problem["current"] == {"remarks": "second", "website": "https://a.example.com/"}
    assert problem["errors"][0]["header"] == "If-Match"
    assert await change_count(owner, radio.organization_id) == count
    now = await etag(radio, "front_desk", path)
    assert problem["current_etag"] == now == answer.headers["etag"]
    fresh = {"If-Match": now}
    answer = await radio.call("front_desk", "PATCH", path, json=body, headers=fresh)
    assert answer.json()["remarks"] == "mine"


async def test_a_condition_tells_nothing_of_unreadable_fields(radio: Organization) -> None:
    """A custom role may write what it does not read: its 412 keeps that silent."""
    scopes = ["clients.name:read", "clients.identity:read", "clients.remarks:update"]
    role = await radio.call("admin", "POST", "/v1/roles", json={"name": "writer", "scopes": scopes})
    assert role.status_code == 201, role.text
    key = await radio.call(
        "admin", "POST", "/v1/api-keys", json={"name": "writer", "scopes": scopes}
    )
    made = await radio.create_client(remarks="secret words")
    headers = {"Authorization": f"Bearer {key.json()['key']}", "If-Match": '"stale"'}
    body = {"remarks": "mine"}
    path = f"/v1/clients/{made['id']}"
    answer = await radio.api.patch(path, json=body, headers=headers)
    assert refused(answer, 412, "version_conflict")["current"] == {}
    assert "secret words" not in answer.text


@pytest.mark.parametrize("text", ["*", ' "other" , {} '])
async def test_any_of_several_conditions_is_enough(radio: Organization, text: str) -> None:
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}"
    current = await etag(radio, "admin", path)
    headers = {"If-Match": text.replace("{}", current)}
    answer = await radio.call("admin", "PATCH", path, json={"remarks": "x"}, headers=headers)
    assert answer.status_code == 200, answer.text


async def test_a_weak_etag_is_no_condition_for_a_change(radio: Organization) -> None:
    """RFC 9110: If-Match compares strongly."""
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}"
    headers = {"If-Match": f"W/{await etag(radio, 'admin', path)}"}
    answer = await radio.call("admin", "PATCH", path, json={"remarks": "x"}, headers=headers)
    refused(answer, 412, "version_conflict")


async def test_every_write_answers_the_etag_of_a_read(radio: Organization) -> None:
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}"
    for role, method, place, body in (
        ("front_desk", "PATCH", path, {"remarks": "x"}),
        ("manager", "PATCH", path, {"credit_limit": {"amount": "5", "currency": "UGX"}}),
        ("manager", "PUT", f"{path}/overrides/type", {"value": "partner", "reason": "x"}),
        ("manager", "DELETE", f"{path}/overrides/type", None),
        ("manager", "POST", f"{path}/archive", None),
        ("manager", "POST", f"{path}/restore", None),
    ):
        answer = await radio.call(role, method, place, json=body)
        assert answer.status_code == 200, answer.text
        read = await radio.call(role, "GET", path)
        assert (answer.json(), answer.headers["etag"]) == (read.json(), read.headers["etag"])
