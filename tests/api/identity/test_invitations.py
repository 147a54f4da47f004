"""Invitations: one-time, falling with who sent them, and telling nothing of other places."""

import asyncio
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.api.identity.people import NEW_PASSWORD, accept, invite, joined, token_of
from tests.factories import PASSWORD, Organization

# ----------------------------------------------------------------------------------- invitations


async def test_invited_person_joins_with_a_password(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    answer = await invite(radio)
    assert answer.status_code == 201
    made = answer.json()
    assert answer.headers["location"] == f"/v1/users/{made['id']}"
    assert (made["active"], made["state"]) == (False, "invited")
    accepted = await accept(caller, made["invitation_token"], password=NEW_PASSWORD)
    assert accepted.status_code == 200
    assert accepted.json() == {
        "organization": radio.slug,
        "user_id": made["id"],
        "email": f"Grace@{radio.slug}.example.com",
    }
    token = await token_of(caller, f"grace@{radio.slug}.example.com")
    me = (await caller.get("/v1/me", headers={"Authorization": f"Bearer {token}"})).json()
    assert (me["id"], me["role"], me["name"]) == (made["id"], "front_desk", "Grace Nakato")
    one = await radio.call("manager", "GET", f"/v1/users/{made['id']}")
    assert one.json()["active"] is True


async def test_invitation_is_good_once(caller: httpx.AsyncClient, radio: Organization) -> None:
    made = (await invite(radio)).json()
    tries = (accept(caller, made["invitation_token"], password=NEW_PASSWORD) for _ in range(8))
    answers = await asyncio.gather(*tries)
    assert sorted(a.status_code for a in answers) == [200] + [401] * 7


async def test_new_person_needs_a_good_password(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    token = (await invite(radio)).json()["invitation_token"]
    missing = await accept(caller, token)
    assert missing.status_code == 422
    assert missing.json()["errors"][0]["pointer"] == "/password"
    weak = await accept(caller, token, password="password password")
    assert weak.json()["errors"][0]["code"].startswith("password_")
    assert (await accept(caller, token, password=NEW_PASSWORD)).status_code == 200


async def test_known_person_keeps_name_and_password(
    app: FastAPI, caller: httpx.AsyncClient, radio: Organization, other: Organization
) -> None:
    email = other.emails["presenter"]
    made = (await invite(radio, email=email, name="What We Call Him")).json()
    assert made["name"] == "What We Call Him"
    assert "Presenter" not in str(made), "the other organization's name for the person"
    accepted = await accept(caller, made["invitation_token"], name="Changed")
    assert accepted.status_code == 200
    login = {"email": email, "password": PASSWORD, "organization": radio.slug}
    assert (await caller.post("/v1/auth/login", json=login)).status_code == 200
    login["password"] = NEW_PASSWORD
    assert (await caller.post("/v1/auth/login", json=login)).status_code == 401
    one = await other.call("admin", "GET", f"/v1/users/{other.user_ids['presenter']}")
    assert one.json()["name"] == "Presenter"


async def test_known_person_may_prove_itself_and_nobody_else_can(
    caller: httpx.AsyncClient, radio: Organization, other: Organization
) -> None:
    """Had it been passed over, the password of before would open what this one was meant for."""
    made = (await invite(radio, email=other.emails["presenter"])).json()
    refused = await accept(caller, made["invitation_token"], password=NEW_PASSWORD)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["code"] == "wrong_password"
    users = (await radio.call("admin", "GET", "/v1/users")).json()["data"]
    assert [user["state"] for user in users if user["id"] == made["id"]] == ["invited"]
    assert (await accept(caller, made["invitation_token"], password=PASSWORD)).status_code == 200


async def test_guesses_by_invitation_count_as_those_by_sign_in(
    caller: httpx.AsyncClient, radio: Organization, other: Organization
) -> None:
    made = (await invite(radio, email=other.emails["presenter"])).json()
    token = made["invitation_token"]
    answers = [await accept(caller, token, password=f"{NEW_PASSWORD} {n}") for n in range(11)]
    assert [a.status_code for a in answers] == [422] * 10 + [429]
    login = {"email": other.emails["presenter"], "password": PASSWORD}
    assert (await caller.post("/v1/auth/login", json=login)).status_code == 429


async def test_invitation_does_not_tell_whether_a_person_is_known(
    radio: Organization, other: Organization
) -> None:
    known = await invite(radio, email=other.emails["admin"])
    unknown = await invite(radio, email="nobody-yet@example.com")
    assert known.status_code == unknown.status_code == 201
    assert set(known.json()) == set(unknown.json())


async def test_member_is_not_invited_again(radio: Organization) -> None:
    answer = await invite(radio, email=radio.emails["manager"].upper())
    assert answer.status_code == 409
    assert answer.json()["code"] == "already_exists"


async def test_second_invitation_withdraws_the_first(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    first = (await invite(radio)).json()
    second = (await invite(radio, email=f"grace@{radio.slug}.example.com")).json()
    assert (
        await accept(caller, first["invitation_token"], password=NEW_PASSWORD)
    ).status_code == 401
    assert (
        await accept(caller, second["invitation_token"], password=NEW_PASSWORD)
    ).status_code == 200
    assert (await radio.call("admin", "GET", f"/v1/users/{first['id']}")).status_code == 404


async def test_disabling_an_invited_person_withdraws_the_invitation(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    made = (await invite(radio)).json()
    enabled = await radio.call("admin", "POST", f"/v1/users/{made['id']}/enable")
    assert enabled.status_code == 409
    answer = await radio.call("admin", "POST", f"/v1/users/{made['id']}/disable")
    assert answer.json()["state"] == "disabled"
    assert (
        await accept(caller, made["invitation_token"], password=NEW_PASSWORD)
    ).status_code == 401


@pytest.mark.parametrize("change", ["disable", "demote"])
async def test_invitation_falls_with_who_sent_it(
    caller: httpx.AsyncClient, radio: Organization, change: str
) -> None:
    sender = await joined(caller, radio, role="admin", email=f"sender@{radio.slug}.example.com")
    token = await token_of(caller, f"sender@{radio.slug}.example.com")
    headers = {"Authorization": f"Bearer {token}"}
    body = {"email": f"friend@{radio.slug}.example.com", "name": "Friend", "role": "admin"}
    invited = (await caller.post("/v1/users", json=body, headers=headers)).json()
    path = f"/v1/users/{sender['id']}"
    if change == "disable":
        await radio.call("admin", "POST", f"{path}/disable")
    else:
        await radio.call("admin", "PATCH", path, json={"role": "presenter"})
    answer = await accept(caller, invited["invitation_token"], password=NEW_PASSWORD)
    assert answer.status_code == 401


async def test_expired_invitation_is_refused(
    caller: httpx.AsyncClient, radio: Organization, owner: Any
) -> None:
    made = (await invite(radio)).json()
    await owner.execute(
        "UPDATE invitations SET expires_at = now() WHERE organization_id = $1",
        radio.organization_id,
    )
    assert (
        await accept(caller, made["invitation_token"], password=NEW_PASSWORD)
    ).status_code == 401


@pytest.mark.parametrize(
    ("sent", "pointer", "code"),
    [
        ({"email": "nonsense"}, "/email", "invalid_email"),
        ({"role": "no_such_role"}, "/role", "unknown_role"),
        ({"name": ""}, "/name", None),
        ({"password": "chosen by the organization"}, "/password", "unknown_field"),
        ({"active": True}, "/active", "read_only_field"),
    ],
)
async def test_faulty_invitations_name_the_place(
    radio: Organization, sent: dict[str, Any], pointer: str, code: str | None
) -> None:
    answer = await invite(radio, **sent)
    assert answer.status_code == 422
    [fault] = answer.json()["errors"]
    assert fault["pointer"] == pointer
    assert code in (None, fault["code"])
    assert "chosen by the organization" not in answer.text


async def test_repeated_key_repeats_no_invitation_token(radio: Organization, owner: Any) -> None:
    headers = {"Idempotency-Key": "invite-grace"}
    first = await invite(radio, headers=headers)
    again = await invite(radio, headers=headers)
    assert first.status_code == again.status_code == 201
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["id"] == first.json()["id"]
    assert "invitation_token" in first.json()
    assert "invitation_token" not in again.json()
    stored = await owner.fetchval(
        "SELECT string_agg(reply::text, '') FROM idempotency_records WHERE organization_id = $1",
        radio.organization_id,
    )
    assert "cin_" not in stored
    assert (await invite(radio, headers=headers, name="Other")).json()["code"] == (
        "idempotency_mismatch"
    )
