"""What the tests of files share: a client, documents and links with it, and the store behind."""

import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from crm_api.core.objects import Folder
from crm_api.files.storing import Storage
from tests.factories import Organization

Json = dict[str, Any]
KINDS = ("general", "service", "preference", "special_requirement", "escalation")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))
Ask = Callable[..., Awaitable[httpx.Response]]


class Shelf:
    """One client of an organization, and the files that are kept with it."""

    def __init__(self, organization: Organization, client: Json) -> None:
        self.organization = organization
        self.client = client
        self.place = f"/v1/clients/{client['id']}"

    async def send(
        self,
        content: bytes = b"Minutes of the first meeting.",
        name: str = "minutes.txt",
        *,
        role: str = "admin",
        path: str = "",
        media: str = "text/plain",
        headers: Json | None = None,
        **fields: Any,
    ) -> httpx.Response:
        return await self.organization.call(
            role,
            "POST",
            path or f"{self.place}/files",
            files={"file": (name, content, media)},
            data=fields,
            headers=headers or {},
        )

    async def document(self, content: bytes = b"Minutes.", **more: Any) -> Json:
        answer = await self.send(content, **more)
        assert answer.status_code == 201, answer.text
        found: Json = answer.json()
        return found

    async def link(self, role: str = "admin", path: str = "", **body: Any) -> httpx.Response:
        mark = secrets.token_hex(4)
        sent = {"name": f"Link {mark}", "url": f"https://docs.example.com/{mark}"} | body
        path = path or f"{self.place}/file-links"
        return await self.organization.call(role, "POST", path, json=sent)

    async def get(self, path: str, role: str = "admin", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.organization.call(role, "GET", path, headers=named)

    async def caller(self, *scopes: str) -> Ask:
        """Somebody with these rights alone."""
        body = {"name": f"Key {secrets.token_hex(4)}", "scopes": list(scopes)}
        key = (await self.organization.call("admin", "POST", "/v1/api-keys", json=body)).json()
        headers = {"Authorization": f"Bearer {key['key']}"}

        async def ask(method: str, path: str, **more: Any) -> httpx.Response:
            return await self.organization.api.request(method, path, headers=headers, **more)

        return ask

    @property
    def kept(self) -> list[Path]:
        """What is in the store of this organization."""
        objects = self.storage.objects
        assert isinstance(objects, Folder)
        home = objects.home / str(self.organization.organization_id)
        return sorted(path for path in home.rglob("*") if path.is_file())

    @property
    def storage(self) -> Storage:
        found: Storage = self.organization.app.state.storage
        return found


@pytest.fixture
async def shelf(radio: Organization) -> Shelf:
    return Shelf(radio, await radio.create_client())


@pytest.fixture
def keep(app: FastAPI) -> Any:
    """Other bounds of the store until the test ends."""
    before = app.state.storage

    def put(storage: Storage) -> None:
        app.state.storage = storage

    yield put
    app.state.storage = before
