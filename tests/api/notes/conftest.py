"""What the tests of notes share: a client, notes on it, and callers of few rights."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.factories import Organization

Json = dict[str, Any]
KINDS = ("general", "service", "preference", "special_requirement", "escalation")
Ask = Callable[..., Awaitable[httpx.Response]]


class Desk:
    """One client of an organization, and what is written down about it."""

    def __init__(self, organization: Organization, client: Json) -> None:
        self.organization = organization
        self.client = client
        self.place = f"/v1/clients/{client['id']}"

    async def note(self, role: str = "admin", **body: Any) -> Json:
        answer = await self.post(role, **body)
        assert answer.status_code == 201, answer.text
        found: Json = answer.json()
        return found

    async def post(self, role: str, **body: Any) -> httpx.Response:
        sent = {"text": f"Note {secrets.token_hex(4)}"} | body
        return await self.organization.call(role, "POST", f"{self.place}/notes", json=sent)

    async def kinds(self) -> dict[str, Json]:
        """A note of each kind."""
        return {kind: await self.note(kind=kind) for kind in KINDS}

    async def now(self) -> Json:
        found: Json = (await self.organization.call("admin", "GET", self.place)).json()
        return found

    async def caller(self, *scopes: str) -> Ask:
        """Somebody with these rights alone."""
        body = {"name": f"Key {secrets.token_hex(4)}", "scopes": list(scopes)}
        key = (await self.organization.call("admin", "POST", "/v1/api-keys", json=body)).json()
        headers = {"Authorization": f"Bearer {key['key']}"}

        async def ask(method: str, path: str, **more: Any) -> httpx.Response:
            return await self.organization.api.request(method, path, headers=headers, **more)

        return ask


@pytest.fixture
async def desk(radio: Organization) -> Desk:
    return Desk(radio, await radio.create_client())
