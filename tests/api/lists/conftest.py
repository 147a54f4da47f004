"""What the tests of lists share: a list, segments, and callers of few rights."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.factories import Organization

Json = dict[str, Any]
Ask = Callable[..., Awaitable[httpx.Response]]


class Desk:
    """One organization with a list, as its people work on it."""

    def __init__(self, organization: Organization, listed: Json) -> None:
        self.organization = organization
        self.id = str(listed["id"])
        self.place = f"/v1/distribution-lists/{self.id}"

    async def ask(self, role: str, method: str, path: str = "", **more: Any) -> httpx.Response:
        """A path that does not begin with `/v1/` is that of the list."""
        target = path if path.startswith("/v1/") else f"{self.place}{path}"
        return await self.organization.call(role, method, target, **more)

    async def ok(self, role: str, method: str, path: str = "", **more: Any) -> Any:
        answer = await self.ask(role, method, path, **more)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def add(self, role: str = "front_desk", **who: str) -> Json:
        found: Json = await self.ok(role, "POST", "/members", json=who)
        return found

    async def members(self, role: str = "front_desk", **query: str) -> list[Json]:
        found: list[Json] = (await self.ok(role, "GET", "/members", params=query))["data"]
        return found

    async def segment(self, tree: Json, role: str = "manager", **fields: Any) -> Json:
        body = {"name": f"Segment {secrets.token_hex(4)}", "filter": {"filter": tree}} | fields
        found: Json = await self.ok(role, "POST", "/v1/segments", json=body)
        return found

    async def caller(self, *scopes: str) -> Ask:
        """Somebody with these rights alone."""
        body = {"name": f"Key {secrets.token_hex(4)}", "scopes": list(scopes)}
        key = await self.ok("admin", "POST", "/v1/api-keys", json=body)
        headers = {"Authorization": f"Bearer {key['key']}"}

        async def ask(method: str, path: str, **more: Any) -> httpx.Response:
            return await self.organization.api.request(method, path, headers=headers, **more)

        return ask


async def make_list(organization: Organization, role: str = "front_desk", **fields: Any) -> Json:
    body = {"name": f"List {secrets.token_hex(4)}"} | fields
    answer = await organization.call(role, "POST", "/v1/distribution-lists", json=body)
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


@pytest.fixture
async def desk(radio: Organization) -> Desk:
    return Desk(radio, await make_list(radio))


def leaf(field: str, op: str, value: Any) -> Json:
    return {"field": field, "op": op, "value": value}
