"""Users: who may see and change them, invitations, and the last administrator."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from crm_api.identity.provision import add_user
from tests.factories import PASSWORD, Organization

NEW_PASSWORD = "eleven patient otters build a raft"
PERSON = {"name": "Grace Nakato", "role": "front_desk"}


async def invite(radio: Organization, by: str = "admin", **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    body = PERSON | {"email": f"Grace@{radio.slug}.Example.com"} | more
    return await radio.call(by, "POST", "/v1/users", json=body, headers=headers)


async def accept(caller: httpx.AsyncClient, token: str, **more: Any) -> httpx.Response:
    return await caller.post("/v1/auth/accept-invitation", json={"token": token} | more)


async def joined(caller: httpx.AsyncClient, radio: Organization, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = (await invite(radio, **more)).json()
    answer = await accept(caller, made["invitation_token"], password=NEW_PASSWORD)
    assert answer.status_code == 200, answer.text
    return made


async def token_of(caller: httpx.AsyncClient, email: str, password: str = NEW_PASSWORD) -> str:
    answer = await caller.post("/v1/auth/login", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["access_token"]
    return found


# --------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize("role", ["manager", "front_desk", "presenter"])
async def test_everyone_sees_who_is_there_and_no_account(radio: Organization, role: str) -> None:
    answer = await radio.call(role, "GET", "/v1/users")
    assert answer.status_code == 200
    assert [set(user) for user in answer.json()["data"]] == [{"id", "name", "role", "active"}] * 4
    one = await radio.call(role, "GET", f"/v1/users/{radio.user_ids['admin']}")
    assert set(one.json()) == {"id", "name", "role", "active"}


async def test_administrators_see_accounts(radio: Organization) -> None:
    one = await radio.call("admin", "GET", f"/v1/users/{radio.user_ids['manager']}")
    assert one.json()["email"] == radio.emails["manager"]
    assert one.json()["state"] == "active"
    assert one.json()["last_signed_in_at"].endswith("Z")


async def test_hidden_account_cannot_be_asked_for(radio: Organization) -> None:
    for query in ("email=a@b.com", "fields=email", "sort=created_at", "state=active"):
        answer = await radio.call("manager", "GET", f"/v1/users?{query}")
        assert answer.status_code == 403, query


async def test_list_is_paged_filtered_and_sorted(radio: Organization) -> None:
    first = (await radio.call("manager", "GET", "/v1/users?limit=3")).json()
    names = [user["name"] for user in first["data"]]
    assert first["has_more"]
    rest = await radio.call("manager", "GET", f"/v1/users?limit=3&cursor={first['next_cursor']}")
    names += [user["name"] for user in rest.json()["data"]]
    assert names == sorted(names)
    assert len(names) == 4
    found = await radio.call("admin", "GET", f"/v1/users?email={radio.emails['manager'].upper()}")
    assert [user["role"] for user in found.json()["data"]] == ["manager"]
    assert (await radio.call("admin", "GET", "/v1/users?role=admin")).json()["data"][0]["active"]


async def test_user_of_another_organization_is_as_random(
    radio: Organization, other: Organization
) -> None:
    foreign = other.user_ids["admin"]
    for user in (foreign, uuid4(), "no-id"):
        for method, path in (
            ("GET", ""),
            ("PATCH", ""),
            ("POST", "/disable"),
            ("POST", "/enable"),
        ):
            body = {"json": {"name": "X"}} if method == "PATCH" else {}
            answer = await radio.call("admin", method, f"/v1/users/{user}{path}", **body)
            assert answer.status_code == 404, (user, method, path)
    listed = await radio.call("admin", "GET", "/v1/users")
    assert str(foreign) not in listed.text


@pytest.mark.parametrize("role", ["manager", "front_desk", "presenter"])
async def test_only_administrators_change_users(radio: Organization, role: str) -> None:
    user = radio.user_ids["presenter"]
    assert (await invite(radio, role)).status_code == 403
    for method, path, body in (
        ("PATCH", "", {"role": "admin"}),
        ("PATCH", "", {"nonsense": 1}),
        ("POST", "/disable", None),
        ("POST", "/enable", None),
    ):
        answer = await radio.call(role, method, f"/v1/users/{user}{path}", json=body)
        assert answer.status_code == 403, (method, path)


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
    accepted = await accept(caller, made["invitation_token"], password=NEW_PASSWORD, name="Changed")
    assert accepted.status_code == 200
    login = {"email": email, "password": PASSWORD, "organization": radio.slug}
    assert (await caller.post("/v1/auth/login", json=login)).status_code == 200
    login["password"] = NEW_PASSWORD
    assert (await caller.post("/v1/auth/login", json=login)).status_code == 401
    one = await other.call("admin", "GET", f"/v1/users/{other.user_ids['presenter']}")
    assert one.json()["name"] == "Presenter"


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


# ------------------------------------------------------------------------------- role and state


async def test_new_role_acts_on_the_next_request(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    before = await radio.call("presenter", "GET", "/v1/me")
    assert before.json()["role"] == "presenter"
    user = radio.user_ids["presenter"]
    changed = await radio.call("admin", "PATCH", f"/v1/users/{user}", json={"role": "manager"})
    assert changed.json()["role"] == "manager"
    after = await radio.call("presenter", "GET", "/v1/me")
    assert (after.status_code, after.json()["role"]) == (200, "manager")


async def test_disabled_user_is_refused_on_the_next_request(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    user = radio.user_ids["manager"]
    assert (await radio.call("manager", "GET", "/v1/me")).status_code == 200
    disabled = await radio.call("admin", "POST", f"/v1/users/{user}/disable")
    assert disabled.json()["active"] is False
    assert (await radio.call("manager", "GET", "/v1/me")).status_code == 401
    enabled = await radio.call("admin", "POST", f"/v1/users/{user}/enable")
    assert enabled.json()["active"] is True
    assert (await radio.call("manager", "GET", "/v1/me")).status_code == 401, "sessions stay ended"
    assert await token_of(caller, radio.emails["manager"], PASSWORD)


async def test_disabling_twice_changes_nothing(radio: Organization, owner: Any) -> None:
    user = radio.user_ids["manager"]
    first = await radio.call("admin", "POST", f"/v1/users/{user}/disable")
    second = await radio.call("admin", "POST", f"/v1/users/{user}/disable")
    assert first.json() == second.json()
    count = await owner.fetchval(
        "SELECT count(*) FROM changes WHERE organization_id = $1 AND action = 'user.disabled'",
        radio.organization_id,
    )
    assert count == 1


async def test_last_administrator_stays(radio: Organization) -> None:
    user = radio.user_ids["admin"]
    for method, path, body in (
        ("PATCH", "", {"role": "manager"}),
        ("POST", "/disable", None),
    ):
        answer = await radio.call("admin", method, f"/v1/users/{user}{path}", json=body)
        assert answer.status_code == 409
        assert answer.json()["code"] == "last_admin"
    assert (await radio.call("admin", "GET", "/v1/me")).json()["role"] == "admin"


async def test_disabled_administrator_does_not_count(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    second = await joined(caller, radio, role="admin")
    await radio.call("admin", "POST", f"/v1/users/{second['id']}/disable")
    user = radio.user_ids["admin"]
    answer = await radio.call("admin", "POST", f"/v1/users/{user}/disable")
    assert answer.json()["code"] == "last_admin"


@pytest.mark.parametrize("how", ["demote", "disable"])
async def test_two_administrators_at_once_leave_one(
    app: FastAPI, caller: httpx.AsyncClient, radio: Organization, how: str
) -> None:
    """Each removes the other; whichever comes second finds that it would be the last."""
    for n in range(5):
        email = f"second-{n}@{radio.slug}.example.com"
        second = await add_user(
            app.state.db,
            app.state.hasher,
            radio.organization_id,
            email=email,
            name="Second",
            role="admin",
            password=PASSWORD,
        )
        pairs = {radio.user_ids["admin"]: radio.tokens["admin"]}
        pairs[second] = await token_of(caller, email, PASSWORD)
        for token in pairs.values():
            await caller.get("/v1/me", headers={"Authorization": f"Bearer {token}"})

        async def remove(victim: Any, token: str) -> httpx.Response:
            headers = {"Authorization": f"Bearer {token}"}
            if how == "disable":
                return await caller.post(f"/v1/users/{victim}/disable", headers=headers)
            body = {"role": "manager"}
            return await caller.patch(f"/v1/users/{victim}", headers=headers, json=body)

        one, two = pairs
        answers = await asyncio.gather(remove(one, pairs[two]), remove(two, pairs[one]))
        statuses = sorted(a.status_code for a in answers)
        assert statuses[0] == 200
        assert statuses[1] in (401, 403, 409)
        winner = two if answers[0].status_code == 200 else one
        radio.user_ids["admin"], radio.tokens["admin"] = winner, pairs[winner]
        listed = await radio.call("admin", "GET", "/v1/users?role=admin&active=true")
        assert len(listed.json()["data"]) == 1


async def test_stale_etag_is_refused_with_the_current_one(radio: Organization) -> None:
    path = f"/v1/users/{radio.user_ids['manager']}"
    etag = (await radio.call("admin", "GET", path)).headers["etag"]
    changed = await radio.call("admin", "PATCH", path, json={"name": "New Name"})
    headers = {"If-Match": etag}
    stale = await radio.call("admin", "PATCH", path, json={"name": "Newer"}, headers=headers)
    assert stale.status_code == 412
    assert stale.json()["current"] == {"name": "New Name"}
    assert stale.headers["etag"] == changed.headers["etag"]
    headers = {"If-Match": stale.headers["etag"]}
    assert (
        await radio.call("admin", "PATCH", path, json={"name": "Newer"}, headers=headers)
    ).status_code == 200
    seen = await radio.call("admin", "GET", path)
    headers = {"If-None-Match": seen.headers["etag"]}
    assert (await radio.call("admin", "GET", path, headers=headers)).status_code == 304


async def test_echo_of_what_stands_is_accepted(radio: Organization, owner: Any) -> None:
    path = f"/v1/users/{radio.user_ids['manager']}"
    whole = (await radio.call("admin", "GET", path)).json()
    answer = await radio.call("admin", "PATCH", path, json=whole)
    assert answer.status_code == 200, answer.text
    changed = await radio.call("admin", "PATCH", path, json=whole | {"email": "x@example.com"})
    assert changed.status_code == 422
    assert changed.json()["errors"][0]["code"] == "read_only_field"
    query = "SELECT count(*) FROM changes WHERE organization_id = $1"
    assert await owner.fetchval(query, radio.organization_id) == 0


async def test_name_of_a_person_of_two_organizations_is_not_ours_to_change(
    caller: httpx.AsyncClient, radio: Organization, other: Organization
) -> None:
    made = (await invite(radio, email=other.emails["presenter"])).json()
    await accept(caller, made["invitation_token"])
    answer = await radio.call("admin", "PATCH", f"/v1/users/{made['id']}", json={"name": "Ours"})
    assert answer.status_code == 409
    one = await other.call("admin", "GET", f"/v1/users/{other.user_ids['presenter']}")
    assert one.json()["name"] == "Presenter"


async def test_changes_are_in_the_log(
    caller: httpx.AsyncClient, radio: Organization, owner: Any
) -> None:
    made = await joined(caller, radio)
    await radio.call("admin", "PATCH", f"/v1/users/{made['id']}", json={"role": "manager"})
    await radio.call("admin", "POST", f"/v1/users/{made['id']}/disable")
    rows = await owner.fetch(
        "SELECT action, actor_id, fields FROM changes WHERE organization_id = $1 ORDER BY position",
        radio.organization_id,
    )
    assert [row["action"] for row in rows] == [
        "user.invited",
        "user.accepted",
        "user.updated",
        "user.disabled",
    ]
    assert str(rows[1]["actor_id"]) == made["id"]
    assert rows[2]["fields"] == ["role"]
    secrets = await owner.fetchval(
        "SELECT string_agg(changes::text, '') FROM changes WHERE organization_id = $1",
        radio.organization_id,
    )
    assert "cin_" not in secrets
    assert "argon2" not in secrets
