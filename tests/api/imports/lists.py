"""An import as it is done over HTTP: sent, committed, worked off, reported."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from crm_api.operations.running import Timing
from crm_api.operations.worker import run_pending
from tests.factories import Organization

AT_ONCE = Timing(pause=0.0)


@dataclass(slots=True)
class List:
    """One import of one organization, as one role works with it."""

    organization: Organization
    role: str
    document: dict[str, Any]

    @property
    def path(self) -> str:
        return f"/v1/imports/{self.document['id']}"

    async def call(self, method: str, place: str = "", **more: Any) -> httpx.Response:
        return await self.organization.call(self.role, method, f"{self.path}{place}", **more)

    async def read(self) -> dict[str, Any]:
        answer = await self.call("GET")
        assert answer.status_code == 200, answer.text
        self.document = answer.json()
        return self.document

    async def set(self, **settings: Any) -> dict[str, Any]:
        answer = await self.call("PATCH", json=settings)
        assert answer.status_code == 200, answer.text
        self.document = answer.json()
        return self.document

    async def run(self, place: str = "/commit") -> dict[str, Any]:
        """Queue it, work it off, and answer the operation."""
        answer = await self.call("POST", place)
        assert answer.status_code == 202, answer.text
        await work(self.organization)
        operation = await self.organization.call(self.role, "GET", answer.headers["location"])
        found: dict[str, Any] = operation.json()
        assert found["state"] == "succeeded", found
        return found

    async def counts(self) -> dict[str, int]:
        """What its rows came to, without what none came to."""
        summary = (await self.read())["summary"]
        return {n: v for n, v in summary.items() if v and n not in ("rows", "industries")}

    async def report(self, query: str = "") -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        cursor = ""
        while True:
            answer = await self.call("GET", f"/report?limit=200{cursor}{query}")
            assert answer.status_code == 200, answer.text
            page = answer.json()
            rows += page["data"]
            if not page["has_more"]:
                return rows
            cursor = f"&cursor={page['next_cursor']}"

    async def reasons(self) -> list[tuple[int, str, str | None, str]]:
        """Row, outcome, column and code of each error."""
        return [
            (row["row"], row["outcome"], error["column"], error["code"])
            for row in await self.report()
            for error in row["errors"]
        ]


async def work(organization: Organization) -> None:
    await run_pending(organization.app.state.db, organization.organization_id, timing=AT_ONCE)


async def send(
    organization: Organization,
    content: str | bytes,
    *,
    name: str = "list.csv",
    role: str = "manager",
    query: str = "",
    headers: Mapping[str, str] | None = None,
    **fields: str,
) -> httpx.Response:
    raw = content.encode() if isinstance(content, str) else content
    return await organization.call(
        role,
        "POST",
        f"/v1/imports{query}",
        files={"file": (name, raw)},
        data=fields,
        headers=headers or {},
    )


async def sent(organization: Organization, content: str | bytes, **more: Any) -> List:
    answer = await send(organization, content, **more)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"/v1/imports/{answer.json()['id']}"
    return List(organization, more.get("role", "manager"), answer.json())


async def taken(organization: Organization, content: str | bytes, **more: Any) -> List:
    """Sent and committed."""
    found = await sent(organization, content, **more)
    await found.run()
    return found


async def clients(organization: Organization, query: str = "") -> list[dict[str, Any]]:
    answer = await organization.call("admin", "GET", f"/v1/clients?limit=200&{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def without_stamps(client: Mapping[str, Any]) -> dict[str, Any]:
    """A client but for what moves with every write."""
    return {name: value for name, value in client.items() if name != "updated_at"}


def text_of(client: Mapping[str, Any]) -> str:
    return json.dumps(client, sort_keys=True)
