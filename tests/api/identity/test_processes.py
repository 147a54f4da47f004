"""What is taken away in one process is refused by every other one, on the next request."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from crm_api.core.config import Settings
from crm_api.core.passwords import PasswordHasher
from crm_api.installation import Addresses
from crm_api.main import create_app
from tests.factories import Organization
from tests.watch import Watch


@pytest.fixture
async def elsewhere(
    app: FastAPI, settings: Settings, database: Addresses, watch: Watch
) -> AsyncIterator[httpx.AsyncClient]:
    """A second application on the same database, with a cache of principals of its own."""
    second = create_app(settings, database.application)
    second.state.hasher = PasswordHasher(memory_kib=8, passes=1)
    async with second.router.lifespan_context(second), watch.client(second) as client:
        yield client


async def seen(elsewhere: httpx.AsyncClient, token: str) -> tuple[int, Any]:
    answer = await elsewhere.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code, answer.json().get("role")


async def test_new_role_acts_in_every_process(
    radio: Organization, elsewhere: httpx.AsyncClient
) -> None:
    token = radio.tokens["presenter"]
    assert await seen(elsewhere, token) == (200, "presenter")
    path = f"/v1/users/{radio.user_ids['presenter']}"
    await radio.call("admin", "PATCH", path, json={"role": "manager"})
    assert await seen(elsewhere, token) == (200, "manager")


@pytest.mark.parametrize("how", ["disable", "logout", "password"])
async def test_ended_session_is_refused_in_every_process(
    radio: Organization, elsewhere: httpx.AsyncClient, how: str
) -> None:
    token = radio.tokens["manager"]
    assert (await seen(elsewhere, token))[0] == 200
    if how == "disable":
        path = f"/v1/users/{radio.user_ids['manager']}/disable"
        await radio.call("admin", "POST", path)
    elif how == "logout":
        await radio.call("manager", "POST", "/v1/auth/logout")
    else:
        body = {
            "current_password": "seven quiet herons cross the marsh",
            "new_password": "eleven patient otters build a raft",
        }
        assert (
            await radio.call("manager", "POST", "/v1/auth/password", json=body)
        ).status_code == 200
    assert (await seen(elsewhere, token))[0] == 401


async def test_revoked_key_is_refused_in_every_process(
    radio: Organization, elsewhere: httpx.AsyncClient
) -> None:
    body = {"name": "Sync", "scopes": ["clients.name:read"]}
    key = (await radio.call("admin", "POST", "/v1/api-keys", json=body)).json()
    assert (await seen(elsewhere, key["key"]))[0] == 200
    await radio.call("admin", "DELETE", f"/v1/api-keys/{key['id']}")
    assert (await seen(elsewhere, key["key"]))[0] == 401


async def test_new_entry_is_known_in_every_process(
    radio: Organization, elsewhere: httpx.AsyncClient
) -> None:
    headers = radio.as_role("admin")
    body = {"name": "One", "emails": ["one@example.com"], "industry": "bee_keeping"}
    refused = await elsewhere.post("/v1/clients", json=body, headers=headers)
    assert refused.status_code == 422
    await radio.call("manager", "POST", "/v1/catalogues/industries", json={"key": "bee_keeping"})
    made = await elsewhere.post("/v1/clients", json=body, headers=headers)
    assert made.status_code == 201
