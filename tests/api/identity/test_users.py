"""Users: who may see and change them, and the last administrator."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from crm_api.identity.provision import add_user
from tests.api.identity.people import accept, invite, joined, token_of
from tests.factories import PASSWORD, Organization

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


async def test_nobody_takes_rights_from_who_may_do_more(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    body = {"name": "registrar", "scopes": ["users:manage", "users.*:read"]}
    assert (await radio.call("admin", "POST", "/v1/roles", json=body)).status_code == 201
    member = await joined(caller, radio, role="registrar")
    token = await token_of(caller, f"grace@{radio.slug}.example.com")
    headers = {"Authorization": f"Bearer {token}"}
    await joined(caller, radio, role="admin", email=f"second@{radio.slug}.example.com")
    path = f"/v1/users/{radio.user_ids['admin']}"
    demoted = await caller.patch(path, headers=headers, json={"role": "registrar"})
    disabled = await caller.post(f"{path}/disable", headers=headers)
    assert [demoted.status_code, disabled.status_code] == [403, 403]
    me = (await radio.call("admin", "GET", "/v1/me")).json()
    assert me["role"] == "admin"
    own = await radio.call("admin", "PATCH", f"/v1/users/{member['id']}", json={"role": "manager"})
    assert own.status_code == 200
