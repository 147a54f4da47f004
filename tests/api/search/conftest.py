"""What the tests of global search share: an organization that holds the words looked for."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.factories import Organization

Json = dict[str, Any]
Ask = Callable[..., Awaitable[httpx.Response]]


class Found:
    """An organization in which something of each kind holds `Kingfisher`."""

    def __init__(self, organization: Organization, client: Json) -> None:
        self.organization = organization
        self.client = client
        self.place = f"/v1/clients/{client['id']}"

    async def post(self, path: str, body: Json, role: str = "manager") -> Json:
        answer = await self.organization.call(role, "POST", path, json=body)
        assert answer.status_code == 201, answer.text
        made: Json = answer.json()
        return made

    async def call(self, **body: Any) -> Json:
        return await self.post(f"{self.place}/communications", {"kind": "call"} | body)

    async def note(self, text: str, kind: str = "general") -> Json:
        return await self.post(f"{self.place}/notes", {"text": text, "kind": kind})

    async def file(self, name: str, kind: str = "general", place: str = "") -> Json:
        url = f"https://docs.example.com/{secrets.token_hex(4)}"
        body = {"name": name, "kind": kind, "url": url}
        return await self.post(f"{place or self.place}/file-links", body)

    async def search(self, q: str, role: str = "manager", **params: Any) -> list[Json]:
        answer = await self.organization.call(role, "GET", "/v1/search", params={"q": q, **params})
        assert answer.status_code == 200, answer.text
        hits: list[Json] = answer.json()["data"]
        return hits

    async def key(self, *scopes: str) -> Ask:
        body = {"name": f"Key {secrets.token_hex(4)}", "scopes": list(scopes)}
        key = (await self.organization.call("admin", "POST", "/v1/api-keys", json=body)).json()
        headers = {"Authorization": f"Bearer {key['key']}"}

        async def ask(q: str, **params: Any) -> httpx.Response:
            return await self.organization.api.get(
                "/v1/search", headers=headers, params={"q": q, **params}
            )

        return ask


@pytest.fixture
async def found(radio: Organization) -> Found:
    return Found(radio, await radio.create_client(name="Kingfisher Lodge"))


def ids(hits: list[Json]) -> list[str]:
    return [hit["id"] for hit in hits]


def marked(hit: Json) -> list[str]:
    return [part["text"] for part in hit["snippet"] if part["hit"]]


def whole(hit: Json) -> str:
    return "".join(part["text"] for part in hit["snippet"])
