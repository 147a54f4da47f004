"""What tests begin with: an organization, its people, and records made through the API."""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI

from crm_api.catalogues.service import known_entries
from crm_api.clients.bulk import NewClient, decide_client, insert_clients
from crm_api.core.access import ROLES
from crm_api.identity.provision import add_user
from crm_api.organizations.provision import find_context, provision_organization
from crm_api.organizations.system import system_scope

PASSWORD = "seven quiet herons cross the marsh"  # of the tests' own people


@dataclass(slots=True)
class Organization:
    """An organization of one test, with one user and one token for each built-in role."""

    app: FastAPI = field(repr=False)
    api: httpx.AsyncClient
    organization_id: UUID
    slug: str
    tokens: dict[str, str] = field(default_factory=dict)
    emails: dict[str, str] = field(default_factory=dict)
    user_ids: dict[str, UUID] = field(default_factory=dict)

    def as_role(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[role]}"}

    async def call(self, role: str, method: str, path: str, **more: Any) -> httpx.Response:
        headers = self.as_role(role) | dict(more.pop("headers", {}))
        return await self.api.request(method, path, headers=headers, **more)

    async def create_client(self, role: str = "admin", **fields: Any) -> dict[str, Any]:
        """A client made through the API; a unique name and address unless given."""
        mark = secrets.token_hex(5)
        body = {"name": f"Client {mark}", "emails": [f"{mark}@example.com"]} | fields
        response = await self.call(role, "POST", "/v1/clients", json=body)
        assert response.status_code == 201, response.text
        found: dict[str, Any] = response.json()
        return found

    async def create_contact(self, role: str = "admin", **fields: Any) -> dict[str, Any]:
        body = {"name": f"Person {secrets.token_hex(5)}"} | fields
        response = await self.call(role, "POST", "/v1/contacts", json=body)
        assert response.status_code == 201, response.text
        found: dict[str, Any] = response.json()
        return found


async def make_organization(
    app: FastAPI, api: httpx.AsyncClient, slug: str, presets: tuple[str, ...]
) -> Organization:
    """Provision it as `crm-api bootstrap` does, and sign everybody in."""
    organization_id = await provision_organization(
        app.state.db,
        slug=slug,
        name=slug.title(),
        presets=presets,
        time_zone="Africa/Kampala",
        default_country="UG",
        currency="UGX",
    )
    made = Organization(app, api, organization_id, slug)
    for role in ROLES:
        email = f"{role}@{slug}.example.com"
        made.user_ids[role] = await add_user(
            app.state.db,
            app.state.hasher,
            organization_id,
            email=email,
            name=role.replace("_", " ").title(),
            role=role,
            password=PASSWORD,
        )
        made.emails[role] = email
        answer = await api.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
        assert answer.status_code == 200, answer.text
        made.tokens[role] = answer.json()["access_token"]
    return made


Establish = Callable[..., Awaitable[Organization]]
"""Makes an organization with the presets that are named."""


async def insert_names(
    app: FastAPI, made: Organization, names: Sequence[str], phones: Sequence[str] | None = None
) -> None:
    """A client of each name, and with each of the phones, as an import writes them: all at once."""
    context = await find_context(app.state.db, made.slug)
    assert context is not None
    scope = system_scope(app.state.db, context, "manager", "test")
    known = await known_entries(app.state.db, context)
    bodies = [{"name": name, "emails": [f"c{n}@x{n}.example"]} for n, name in enumerate(names)]
    for body, phone in zip(bodies, phones or (), strict=False):
        body["phones"] = [phone]
    decided = [decide_client(scope, body, context, known) for body in bodies]
    await insert_clients(scope, [one for one in decided if isinstance(one, NewClient)])
