"""Signing in: who is let in, who is told what, and how many tries there are."""

import asyncio
import secrets
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from crm_api.identity.provision import add_user
from tests.factories import PASSWORD, Organization

Owner = "asyncpg.Connection[asyncpg.Record]"


async def login(
    caller: httpx.AsyncClient, email: str, password: str = PASSWORD, **more: Any
) -> Any:
    return await caller.post("/v1/auth/login", json={"email": email, "password": password, **more})


async def me(caller: httpx.AsyncClient, token: str) -> int:
    answer = await caller.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code


async def join(app: FastAPI, organization: Organization, email: str, role: str = "manager") -> None:
    await add_user(
        app.state.db,
        app.state.hasher,
        organization.organization_id,
        email=email,
        name="In Both",
        role=role,
        password=PASSWORD,
    )


async def test_login_answers_a_pair_that_works(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    answer = await login(caller, radio.emails["front_desk"])
    assert answer.status_code == 200
    assert set(answer.json()) == {
        "access_token",
        "refresh_token",
        "token_type",
        "expires_in",
        "organization",
    }
    assert answer.json()["token_type"] == "bearer"
    assert answer.json()["organization"] == radio.slug
    assert answer.headers["cache-control"] == "no-store"
    assert await me(caller, answer.json()["access_token"]) == 200


async def test_address_is_found_in_any_case(caller: httpx.AsyncClient, radio: Organization) -> None:
    assert (await login(caller, radio.emails["admin"].upper())).status_code == 200


async def test_unknown_and_known_people_get_the_same_answer(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    wrong = await login(caller, radio.emails["admin"], "not the password at all")
    unknown = await login(caller, f"{secrets.token_hex(8)}@example.com", "not the password at all")
    nobody = await login(caller, "no address", "not the password at all")
    answers = [a.json() | {"request_id": ""} for a in (wrong, unknown, nobody)]
    assert [a.status_code for a in (wrong, unknown, nobody)] == [401, 401, 401]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["code"] == "invalid_credentials"


async def test_faults_never_repeat_what_was_sent(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    canary = "canary-of-a-password-in-a-fault"
    body = {"email": radio.emails["admin"], "password": [canary], "surplus": canary}
    answer = await caller.post("/v1/auth/login", json=body)
    assert answer.status_code == 422
    codes = {fault["code"] for fault in answer.json()["errors"]}
    assert "unknown_field" in codes
    assert canary not in answer.text


async def test_person_of_two_organizations_names_one(
    app: FastAPI, caller: httpx.AsyncClient, radio: Organization, other: Organization
) -> None:
    email = radio.emails["manager"]
    await join(app, other, email)
    asked = await login(caller, email)
    assert asked.status_code == 409
    assert asked.json()["code"] == "organization_required"
    assert asked.json()["organizations"] == sorted([radio.slug, other.slug])
    chosen = await login(caller, email, organization=other.slug)
    assert chosen.status_code == 200
    assert chosen.json()["organization"] == other.slug


async def test_organizations_are_told_only_after_the_right_password(
    app: FastAPI, caller: httpx.AsyncClient, radio: Organization, other: Organization
) -> None:
    email = radio.emails["manager"]
    await join(app, other, email)
    answer = await login(caller, email, "not the password at all")
    assert answer.status_code == 401
    assert radio.slug not in answer.text


async def test_organization_of_others_is_the_same_as_none(
    caller: httpx.AsyncClient, radio: Organization, other: Organization
) -> None:
    foreign = await login(caller, radio.emails["admin"], organization=other.slug)
    random = await login(caller, radio.emails["admin"], organization="no-such-place")
    assert foreign.status_code == random.status_code == 401
    assert foreign.json() | {"request_id": ""} == random.json() | {"request_id": ""}


async def test_disabled_person_is_not_let_in(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    user = radio.user_ids["presenter"]
    await radio.call("admin", "POST", f"/v1/users/{user}/disable")
    assert (await login(caller, radio.emails["presenter"])).json()["code"] == "invalid_credentials"


# ----------------------------------------------------------------------------------- throttling


async def fail(caller: httpx.AsyncClient, email: str, times: int) -> list[int]:
    return [
        (await login(caller, email, "not the password at all")).status_code for _ in range(times)
    ]


@pytest.mark.parametrize("known", [True, False])
async def test_tenth_failure_blocks_the_account_known_or_not(
    caller: httpx.AsyncClient, radio: Organization, *, known: bool
) -> None:
    email = radio.emails["manager"] if known else f"{secrets.token_hex(8)}@example.com"
    assert await fail(caller, email, 10) == [401] * 10
    blocked = await login(caller, email)
    assert blocked.status_code == 429
    assert blocked.json()["code"] == "rate_limited"
    assert 0 < int(blocked.headers["retry-after"]) <= 30


async def test_guesses_sent_at_once_are_no_more_than_ten(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    email = radio.emails["manager"]
    answers = await asyncio.gather(*(login(caller, email, f"guess number {n}") for n in range(40)))
    statuses = [answer.status_code for answer in answers]
    assert statuses.count(401) == 10
    assert statuses.count(429) == 30


async def test_people_may_sign_in_side_by_side(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    answers = await asyncio.gather(*(login(caller, radio.emails["manager"]) for _ in range(25)))
    assert {answer.status_code for answer in answers} == {200}


async def test_block_grows_with_each_further_failure(
    caller: httpx.AsyncClient, radio: Organization, owner: Any
) -> None:
    email = radio.emails["manager"]
    await fail(caller, email, 10)
    waits = []
    for _ in range(3):
        waits.append(int((await login(caller, email)).headers["retry-after"]))
        await owner.execute("UPDATE sign_in_throttles SET blocked_until = now()")
        assert await fail(caller, email, 1) == [401]
    assert waits[0] < waits[1] < waits[2]


async def test_right_password_clears_the_account(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    email = radio.emails["manager"]
    for _ in range(3):
        assert await fail(caller, email, 6) == [401] * 6
        assert (await login(caller, email)).status_code == 200


async def test_throttled_account_bothers_no_other(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    await fail(caller, radio.emails["manager"], 11)
    assert (await login(caller, radio.emails["admin"])).status_code == 200


async def test_throttle_keeps_no_address_in_clear(
    caller: httpx.AsyncClient, radio: Organization, owner: Any
) -> None:
    await fail(caller, radio.emails["manager"], 1)
    rows = await owner.fetch("SELECT subject FROM sign_in_throttles")
    assert rows
    assert all(len(row["subject"]) == 32 for row in rows)


# --------------------------------------------------------------------------------------- people


async def test_logout_ends_access_and_refresh(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    pair = (await login(caller, radio.emails["manager"])).json()
    headers = {"Authorization": f"Bearer {pair['access_token']}"}
    assert (await caller.post("/v1/auth/logout", headers=headers)).status_code == 204
    assert await me(caller, pair["access_token"]) == 401
    again = await caller.post("/v1/auth/refresh", json={"refresh_token": pair["refresh_token"]})
    assert again.status_code == 401
    assert (await caller.post("/v1/auth/logout", headers=headers)).status_code == 401


async def test_logout_ends_this_session_alone(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    await radio.call("manager", "POST", "/v1/auth/logout")
    pair = (await login(caller, radio.emails["manager"])).json()
    assert await me(caller, pair["access_token"]) == 200


NEW = "eleven patient otters build a raft"


async def change(
    radio: Organization, current: str = PASSWORD, new: str = NEW, role: str = "manager"
) -> httpx.Response:
    body = {"current_password": current, "new_password": new}
    return await radio.call(role, "POST", "/v1/auth/password", json=body)


async def test_new_password_ends_every_session_everywhere(
    app: FastAPI, caller: httpx.AsyncClient, radio: Organization, other: Organization
) -> None:
    email = radio.emails["manager"]
    await join(app, other, email)
    elsewhere = (await login(caller, email, organization=other.slug)).json()
    here = (await login(caller, email, organization=radio.slug)).json()
    assert await me(caller, elsewhere["access_token"]) == 200
    answer = await change(radio)
    assert answer.status_code == 200
    for pair in (elsewhere, here):
        assert await me(caller, pair["access_token"]) == 401
        sent = {"refresh_token": pair["refresh_token"]}
        assert (await caller.post("/v1/auth/refresh", json=sent)).status_code == 401
    assert await me(caller, radio.tokens["manager"]) == 401
    assert await me(caller, answer.json()["access_token"]) == 200
    sent = {"refresh_token": answer.json()["refresh_token"]}
    assert (await caller.post("/v1/auth/refresh", json=sent)).status_code == 200
    assert (await login(caller, email, organization=radio.slug)).status_code == 401
    assert (await login(caller, email, NEW, organization=radio.slug)).status_code == 200


async def test_wrong_present_password_changes_nothing(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    answer = await change(radio, current="not the password at all")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/current_password"
    assert (await login(caller, radio.emails["manager"])).status_code == 200


async def test_present_password_cannot_be_guessed_through_a_stolen_token(
    radio: Organization,
) -> None:
    answers = [await change(radio, current=f"guess number {n}") for n in range(11)]
    assert [a.status_code for a in answers] == [422] * 10 + [429]


@pytest.mark.parametrize(
    ("new", "code"),
    [
        ("too short", "password_too_short"),
        ("passwordpasswordpassword", "password_common"),
        (PASSWORD, "password_unchanged"),
        ("x" * 2000, "password_too_long"),
    ],
)
async def test_weak_password_is_refused(radio: Organization, new: str, code: str) -> None:
    answer = await change(radio, new=new)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == code
    assert new not in answer.text


async def test_api_key_has_no_session_and_no_password(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    made = await radio.call(
        "admin", "POST", "/v1/api-keys", json={"name": "Sync", "scopes": ["clients.name:read"]}
    )
    headers = {"Authorization": f"Bearer {made.json()['key']}"}
    assert (await caller.post("/v1/auth/logout", headers=headers)).status_code == 403
    body = {"current_password": PASSWORD, "new_password": NEW}
    answer = await caller.post("/v1/auth/password", headers=headers, json=body)
    assert answer.status_code == 403


async def test_change_of_password_is_logged_without_it(radio: Organization, owner: Any) -> None:
    await change(radio)
    rows = await owner.fetch(
        "SELECT action, changes::text, fields FROM changes WHERE organization_id = $1",
        radio.organization_id,
    )
    assert [row["action"] for row in rows] == ["user.password_changed"]
    assert rows[0]["fields"] == []
