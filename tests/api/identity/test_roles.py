"""Roles and API keys: nobody gives away a right that he does not hold."""

from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.factories import Organization

READER = {"name": "Auditor", "scopes": ["clients.name:read", "clients.audit:read"]}
HIRER = {
    "name": "Hirer",
    "scopes": [
        "users:manage",
        "users.*:*",
        "roles:manage",
        "roles.definition:*",
        "api_keys:manage",
        "api_keys.keys:*",
        "clients.name:read",
    ],
}


async def create(radio: Organization, body: dict[str, Any], role: str = "admin") -> httpx.Response:
    return await radio.call(role, "POST", "/v1/roles", json=body)


async def give(radio: Organization, person: str, body: dict[str, Any]) -> dict[str, Any]:
    """Make a role and give it to one of the people."""
    made = await create(radio, body)
    assert made.status_code == 201, made.text
    path = f"/v1/users/{radio.user_ids[person]}"
    answer = await radio.call("admin", "PATCH", path, json={"role": body["name"]})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = made.json()
    return found


async def test_everyone_reads_the_roles(radio: Organization) -> None:
    for role in radio.tokens:
        answer = await radio.call(role, "GET", "/v1/roles")
        assert [r["name"] for r in answer.json()["data"]] == [
            "admin",
            "front_desk",
            "manager",
            "presenter",
        ]
    manager = (await radio.call("presenter", "GET", "/v1/roles")).json()["data"][2]
    assert manager["builtin"] is True
    assert "clients.finance:update" in manager["scopes"]
    assert "clients:delete" not in manager["scopes"]


@pytest.mark.parametrize("role", ["manager", "front_desk", "presenter"])
async def test_only_administrators_write_roles(radio: Organization, role: str) -> None:
    assert (await create(radio, READER, role)).status_code == 403
    made = (await create(radio, READER)).json()
    path = f"/v1/roles/{made['id']}"
    assert (await radio.call(role, "PATCH", path, json={"name": "X"})).status_code == 403
    assert (await radio.call(role, "DELETE", path)).status_code == 403


async def test_custom_role_opens_what_it_says(radio: Organization) -> None:
    await give(radio, "presenter", READER)
    permissions = (await radio.call("presenter", "GET", "/v1/me/permissions")).json()
    assert permissions["role"] == "Auditor"
    assert permissions["scopes"] == sorted(READER["scopes"])
    assert permissions["resources"]["clients"]["fields"]["name"] == {
        "group": "name",
        "read": True,
        "create": False,
        "update": False,
    }
    assert (await radio.call("presenter", "GET", "/v1/users")).status_code == 403


async def test_edit_of_a_role_acts_on_the_next_request(radio: Organization) -> None:
    made = await give(radio, "presenter", READER)
    assert (await radio.call("presenter", "GET", "/v1/users")).status_code == 403
    body = {"scopes": ["users.directory:read"]}
    path = f"/v1/roles/{made['id']}"
    assert (await radio.call("admin", "PATCH", path, json=body)).status_code == 200
    assert (await radio.call("presenter", "GET", "/v1/users")).status_code == 200


async def test_wildcards_stand_for_what_exists(radio: Organization) -> None:
    await give(radio, "presenter", {"name": "All readers", "scopes": ["*.*:read", "clients:*"]})
    permissions = (await radio.call("presenter", "GET", "/v1/me/permissions")).json()
    assert permissions["resources"]["clients"]["fields"]["credit_limit"]["read"] is True
    assert permissions["resources"]["clients"]["verbs"]["delete"] is True
    assert permissions["resources"]["users"]["verbs"]["manage"] is False


@pytest.mark.parametrize("scope", ["*", "clients.*:*", "clients:delete", "clients.finance:read"])
async def test_nobody_gives_what_he_does_not_hold(radio: Organization, scope: str) -> None:
    await give(radio, "manager", HIRER)
    beyond = {"name": "Beyond", "scopes": ["clients.name:read", scope]}
    for path in ("/v1/roles", "/v1/api-keys"):
        answer = await radio.call("manager", "POST", path, json=beyond)
        assert answer.status_code == 403, path
        assert [f["pointer"] for f in answer.json()["errors"]] == ["/scopes/1"]
    within = {"name": "Within", "scopes": ["clients.name:read"]}
    for path in ("/v1/roles", "/v1/api-keys"):
        answer = await radio.call("manager", "POST", path, json=within)
        assert answer.status_code == 201, answer.text


async def test_nobody_makes_himself_more_than_he_is(radio: Organization) -> None:
    role = await give(radio, "manager", HIRER)
    me = radio.user_ids["manager"]
    tries = [
        ("PATCH", f"/v1/users/{me}", {"role": "admin"}),
        ("PATCH", f"/v1/roles/{role['id']}", {"scopes": [*HIRER["scopes"], "clients:delete"]}),
        ("POST", "/v1/users", {"email": "a@example.com", "name": "A", "role": "admin"}),
    ]
    for method, path, body in tries:
        answer = await radio.call("manager", method, path, json=body)
        assert answer.status_code == 403, (method, path)
    less = {"scopes": [s for s in HIRER["scopes"] if s != "clients.name:read"]}
    answer = await radio.call("manager", "PATCH", f"/v1/roles/{role['id']}", json=less)
    assert answer.status_code == 200


async def test_disabled_administrator_is_not_enabled_by_less_than_one(
    radio: Organization, caller: httpx.AsyncClient
) -> None:
    await give(radio, "manager", HIRER)
    body = {"email": "second@example.com", "name": "Second", "role": "admin"}
    invited = (await radio.call("admin", "POST", "/v1/users", json=body)).json()
    sent = {"token": invited["invitation_token"], "password": "eleven patient otters build a raft"}
    await caller.post("/v1/auth/accept-invitation", json=sent)
    path = f"/v1/users/{invited['id']}"
    await radio.call("admin", "POST", f"{path}/disable")
    assert (await radio.call("manager", "POST", f"{path}/enable")).status_code == 403


@pytest.mark.parametrize(
    "scope", ["clients.nothing:read", "clients:fly", "nonsense:*", "clients.name:destroy"]
)
async def test_unknown_scope_is_a_fault(radio: Organization, scope: str) -> None:
    answer = await create(radio, {"name": "X", "scopes": ["clients.name:read", scope]})
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"pointer": "/scopes/1", "code": "unknown_scope", "detail": "There is no such scope."}
    ]


async def test_scope_that_is_none_is_a_fault(radio: Organization) -> None:
    answer = await create(radio, {"name": "X", "scopes": ["clients.name"]})
    assert answer.status_code == 422


async def test_names_are_taken_in_any_case(radio: Organization) -> None:
    assert (await create(radio, READER)).status_code == 201
    for name in ("Auditor", "AUDITOR", "Admin", "front_desk"):
        answer = await create(radio, READER | {"name": name})
        assert answer.status_code == 409, name
        assert answer.json()["code"] == "already_exists"


async def test_builtin_roles_stay(radio: Organization) -> None:
    listed = (await radio.call("admin", "GET", "/v1/roles")).json()["data"]
    presenter = next(r for r in listed if r["name"] == "presenter")
    path = f"/v1/roles/{presenter['id']}"
    for body in ({"name": "dj"}, {"scopes": ["*"]}, {"builtin": False}):
        answer = await radio.call("admin", "PATCH", path, json=body)
        assert answer.status_code == 422, body
        assert answer.json()["errors"][0]["code"] == "read_only_field"
    assert (await radio.call("admin", "PATCH", path, json=presenter)).status_code == 200
    assert (await radio.call("admin", "DELETE", path)).json()["code"] == "in_use"


async def test_role_in_use_stays_and_unused_goes(
    radio: Organization, caller: httpx.AsyncClient
) -> None:
    made = await give(radio, "presenter", READER)
    path = f"/v1/roles/{made['id']}"
    assert (await radio.call("admin", "DELETE", path)).json()["code"] == "in_use"
    user = radio.user_ids["presenter"]
    await radio.call("admin", "PATCH", f"/v1/users/{user}", json={"role": "presenter"})
    body = {"email": "a@example.com", "name": "A", "role": "Auditor"}
    invited = (await radio.call("admin", "POST", "/v1/users", json=body)).json()
    assert (await radio.call("admin", "DELETE", path)).json()["code"] == "in_use"
    await radio.call("admin", "POST", f"/v1/users/{invited['id']}/disable")
    assert (await radio.call("admin", "DELETE", path)).status_code == 204
    assert (await radio.call("admin", "GET", path)).status_code == 404


async def test_role_of_another_organization_is_as_random(
    radio: Organization, other: Organization
) -> None:
    foreign = (await create(other, READER)).json()["id"]
    for role_id in (foreign, uuid4(), "nothing"):
        path = f"/v1/roles/{role_id}"
        assert (await radio.call("admin", "GET", path)).status_code == 404
        assert (await radio.call("admin", "PATCH", path, json={})).status_code == 404
        assert (await radio.call("admin", "DELETE", path)).status_code == 404
    body = {"role": "Auditor"}
    answer = await radio.call("admin", "PATCH", f"/v1/users/{radio.user_ids['manager']}", json=body)
    assert answer.status_code == 422


async def test_repeated_key_makes_one_role(radio: Organization, owner: Any) -> None:
    headers = {"Idempotency-Key": "one-role"}
    first = await radio.call("admin", "POST", "/v1/roles", json=READER, headers=headers)
    again = await radio.call("admin", "POST", "/v1/roles", json=READER, headers=headers)
    assert first.json() == again.json()
    assert again.headers["idempotency-replayed"] == "true"


async def test_role_change_and_stale_etag(radio: Organization) -> None:
    made = await create(radio, READER)
    path = f"/v1/roles/{made.json()['id']}"
    seen = await radio.call("admin", "GET", path)
    assert seen.headers["etag"] == made.headers["etag"]
    body = {"name": "Inspector"}
    headers = {"If-Match": seen.headers["etag"]}
    assert (await radio.call("admin", "PATCH", path, json=body, headers=headers)).status_code == 200
    stale = await radio.call("admin", "PATCH", path, json={"name": "Z"}, headers=headers)
    assert stale.status_code == 412
    assert (await radio.call("admin", "DELETE", path, headers=headers)).status_code == 412


# -------------------------------------------------------------------------------------- API keys

KEY = {"name": "Accounting", "scopes": ["clients.name:read", "clients.finance:read"]}


async def make_key(radio: Organization, role: str = "admin", **more: Any) -> dict[str, Any]:
    answer = await radio.call(role, "POST", "/v1/api-keys", json=KEY | more)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def bearer(key: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {key['key']}"}


async def test_key_is_shown_once(radio: Organization, owner: Any) -> None:
    made = await make_key(radio)
    assert made["key"].startswith("crm_")
    path = f"/v1/api-keys/{made['id']}"
    assert "key" not in (await radio.call("admin", "GET", path)).json()
    listed = await radio.call("admin", "GET", "/v1/api-keys")
    assert made["key"] not in listed.text
    dump = await owner.fetchval("SELECT string_agg(k::text, '') FROM api_keys k")
    assert made["key"][-64:] not in dump


async def test_key_acts_within_its_scopes(radio: Organization, caller: httpx.AsyncClient) -> None:
    key = await make_key(radio)
    me = await caller.get("/v1/me", headers=bearer(key))
    assert me.json()["kind"] == "api_key"
    assert me.json()["email"] is None
    permissions = (await caller.get("/v1/me/permissions", headers=bearer(key))).json()
    assert permissions["scopes"] == sorted(KEY["scopes"])
    assert (await caller.get("/v1/users", headers=bearer(key))).status_code == 403


async def test_key_follows_its_creator(radio: Organization, caller: httpx.AsyncClient) -> None:
    await give(radio, "manager", HIRER)
    scopes = ["users.directory:read", "clients.name:read"]
    key = await make_key(radio, "manager", scopes=scopes)
    assert (await caller.get("/v1/users", headers=bearer(key))).status_code == 200
    path = f"/v1/users/{radio.user_ids['manager']}"
    role = {"name": "Less", "scopes": ["clients.name:read"]}
    await create(radio, role)
    await radio.call("admin", "PATCH", path, json={"role": "Less"})
    assert (await caller.get("/v1/users", headers=bearer(key))).status_code == 403
    await radio.call("admin", "POST", f"{path}/disable")
    assert (await caller.get("/v1/me", headers=bearer(key))).status_code == 401
    await radio.call("admin", "POST", f"{path}/enable")
    assert (await caller.get("/v1/me", headers=bearer(key))).status_code == 200


async def test_revoked_key_is_refused_on_the_next_request(
    radio: Organization, caller: httpx.AsyncClient
) -> None:
    key = await make_key(radio)
    assert (await caller.get("/v1/me", headers=bearer(key))).status_code == 200
    path = f"/v1/api-keys/{key['id']}"
    assert (await radio.call("admin", "DELETE", path)).status_code == 204
    assert (await caller.get("/v1/me", headers=bearer(key))).status_code == 401
    assert (await radio.call("admin", "GET", path)).status_code == 404
    assert (await radio.call("admin", "DELETE", path)).status_code == 404


async def test_expired_key_is_refused(
    radio: Organization, caller: httpx.AsyncClient, owner: Any
) -> None:
    key = await make_key(radio, expires_at="2100-01-01T00:00:00Z")
    assert key["expires_at"] == "2100-01-01T00:00:00.000000Z"
    assert (await caller.get("/v1/me", headers=bearer(key))).status_code == 200
    await owner.execute("UPDATE api_keys SET expires_at = now() WHERE id = $1::uuid", key["id"])
    assert (await caller.get("/v1/me", headers=bearer(key))).status_code == 401


async def test_expiry_lies_in_the_future(radio: Organization) -> None:
    body = KEY | {"expires_at": "2020-01-01T00:00:00Z"}
    answer = await radio.call("admin", "POST", "/v1/api-keys", json=body)
    assert answer.json()["errors"][0]["code"] == "in_the_past"


async def test_key_with_another_secret_is_refused(
    radio: Organization, caller: httpx.AsyncClient
) -> None:
    key = await make_key(radio)
    assert (await caller.get("/v1/me", headers=bearer(key))).status_code == 200
    forged = {"key": key["key"][:-64] + "0" * 64}
    assert (await caller.get("/v1/me", headers=bearer(forged))).status_code == 401
    assert (await caller.get("/v1/me", headers=bearer(key))).status_code == 200


async def test_key_made_by_a_key_belongs_to_its_user(
    radio: Organization, caller: httpx.AsyncClient
) -> None:
    scopes = ["api_keys:manage", "api_keys.keys:*", "clients.name:read"]
    parent = await make_key(radio, scopes=scopes)
    child = await caller.post("/v1/api-keys", json=KEY, headers=bearer(parent))
    assert child.status_code == 403, "finance is beyond the parent"
    body = KEY | {"scopes": ["clients.name:read"]}
    child = await caller.post("/v1/api-keys", json=body, headers=bearer(parent))
    assert child.json()["created_by"] == str(radio.user_ids["admin"])


@pytest.mark.parametrize("role", ["manager", "front_desk", "presenter"])
async def test_keys_are_hidden_from_others(radio: Organization, role: str) -> None:
    key = await make_key(radio)
    path = f"/v1/api-keys/{key['id']}"
    assert (await radio.call(role, "GET", "/v1/api-keys")).status_code == 403
    assert (await radio.call(role, "GET", path)).status_code == 403
    assert (await radio.call(role, "GET", f"/v1/api-keys/{uuid4()}")).status_code == 404
    assert (await radio.call(role, "DELETE", path)).status_code == 403
    assert (await radio.call(role, "POST", "/v1/api-keys", json={})).status_code == 403


async def test_last_use_is_noted_once_a_minute(
    radio: Organization, caller: httpx.AsyncClient, owner: Any
) -> None:
    key = await make_key(radio)
    query = "SELECT last_used_at FROM api_keys WHERE id = $1::uuid"
    for _ in range(3):
        await caller.get("/v1/me", headers=bearer(key))
    first = await until_noted(owner, query, key["id"])
    for _ in range(3):
        await caller.get("/v1/me", headers=bearer(key))
    assert await owner.fetchval(query, key["id"]) == first


async def until_noted(owner: Any, query: str, key_id: str) -> Any:
    """The note is written beside the request, so it may take a moment."""
    for _ in range(100):
        found = await owner.fetchval(query, key_id)
        if found is not None:
            return found
        await owner.execute("SELECT pg_sleep(0.01)")
    raise AssertionError("the use was never noted")


async def test_repeated_key_repeats_no_secret(radio: Organization, owner: Any) -> None:
    headers = {"Idempotency-Key": "one-key"}
    first = await radio.call("admin", "POST", "/v1/api-keys", json=KEY, headers=headers)
    again = await radio.call("admin", "POST", "/v1/api-keys", json=KEY, headers=headers)
    assert "key" in first.json()
    assert again.json() == {k: v for k, v in first.json().items() if k != "key"}
    stored = await owner.fetchval("SELECT string_agg(reply::text, '') FROM idempotency_records")
    assert "crm_" not in stored
