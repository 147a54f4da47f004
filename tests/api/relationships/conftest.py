"""What the tests of relationships begin with: clients, and a short way to relate them."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.factories import Organization

Json = dict[str, Any]


@dataclass(slots=True)
class Network:
    """One organization whose clients are related to each other."""

    organization: Organization

    async def clients(self, *names: str) -> list[str]:
        """The ids of new clients of these names."""
        return [(await self.organization.create_client(name=name))["id"] for name in names]

    async def ask(
        self, role: str, method: str, path: str, body: Any = None, **more: Any
    ) -> httpx.Response:
        return await self.organization.call(role, method, path, json=body, **more)

    async def post(self, one: str, other: str, kind: str, **more: Any) -> httpx.Response:
        body = {"kind": kind, "other_id": other} | more
        return await self.ask("manager", "POST", f"/v1/clients/{one}/relationships", body)

    async def relate(self, one: str, other: str, kind: str, **more: Any) -> Json:
        """The other is `kind` of the one."""
        answer = await self.post(one, other, kind, **more)
        assert answer.status_code == 201, answer.text
        found: Json = answer.json()
        return found

    async def read(self, path: str, role: str = "manager") -> Json:
        answer = await self.ask(role, "GET", path)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def seen_from(self, client: str, role: str = "manager", query: str = "") -> list[Json]:
        page = await self.read(f"/v1/clients/{client}/relationships{query}", role)
        found: list[Json] = page["data"]
        return found


@pytest.fixture
def network(radio: Organization) -> Network:
    return Network(radio)
