"""The stage of the assurance tests: organizations, every role by token and by key, records."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.assurance.golden import ROLES
from tests.assurance.profile import PROFILE
from tests.assurance.values import Known
from tests.factories import Organization
from tests.jobs import queue

CREDENTIALS = ("jwt", "key")
PRINCIPALS = [
    (role, kind)
    for role in ROLES
    for kind in CREDENTIALS
    if kind != "key" or role in PROFILE.keys_of
]
BASES: Mapping[str, str] = {
    "clients": "/v1/clients",
    "contacts": "/v1/contacts",
    "relationships": "/v1/clients/{client_id}/relationships",
    "communications": "/v1/communications",
    "tasks": "/v1/tasks",
    "follow_ups": "/v1/follow-ups",
    "calendar_feeds": "/v1/calendar-feeds",
    "notes": "/v1/notes",
    "files": "/v1/files",
    "segments": "/v1/segments",
    "lists": "/v1/distribution-lists",
    "list_members": "/v1/distribution-lists/{list_id}/members",
    "client_lists": "/v1/clients/{client_id}/distribution-lists",
    "users": "/v1/users",
    "roles": "/v1/roles",
    "api_keys": "/v1/api-keys",
    "organization": "/v1/organization",
    "catalogues": "/v1/catalogues/industries",
    "exports": "/v1/exports",
    "operations": "/v1/operations",
    "imports": "/v1/imports",
}
SINGULAR: Mapping[str, str] = {
    "clients": "client",
    "contacts": "contact",
    "relationships": "relationship",
    "communications": "communication",
    "tasks": "task",
    "follow_ups": "follow_up",
    "calendar_feeds": "calendar_feed",
    "notes": "note",
    "files": "file",
    "segments": "segment",
    "lists": "distribution_list",
    "list_members": "list_member",
    "client_lists": "client_list",
    "users": "user",
    "roles": "role",
    "api_keys": "api_key",
    "organization": "organization",
    "catalogues": "catalogue_entry",
    "exports": "export",
    "operations": "operation",
    "imports": "import",
}
CATALOGUE_OF: Mapping[str, str] = {
    "engagement_level": "types",
    "contact_interval_days": "types",
    "emergency_contact_required": "tiers",
    "stages": "workflows",
}
MADE_AT: Mapping[str, str] = {
    "/v1/notes": "/v1/clients/{client_id}/notes",
    "/v1/files": "/v1/clients/{client_id}/file-links",
}
"""Where a list is → where its records are made, if elsewhere."""


THE_CLIENT = "{client_id}"
"""In a path or body: the client that the world knows; see `World.placed`."""
THE_LIST = "{list_id}"
"""In a path: the list that the world knows."""
SINGLE: Mapping[str, str] = {
    "relationships": "/v1/relationships",
    "list_members": "/v1/list-members",
}
"""Resource → where one of its records is, if that is not below its list."""


def base_of(resource: str, name: str = "") -> str:
    """Where records with this field are: each catalogue has fields of its own."""
    if resource == "catalogues" and name in CATALOGUE_OF:
        return f"/v1/catalogues/{CATALOGUE_OF[name]}"
    return BASES[resource]


@dataclass(slots=True)
class World:
    """One organization with every principal, and what its records are called."""

    organization: Organization
    known: Known
    keys: dict[str, str] = field(default_factory=dict)
    cells: int = 0
    """How many cells of the matrix were looked at."""

    def headers(self, role: str, kind: str) -> dict[str, str]:
        token = self.keys[role] if kind == "key" else self.organization.tokens[role]
        return {"Authorization": f"Bearer {token}"}

    async def ask(
        self, role: str, kind: str, method: str, path: str, **more: Any
    ) -> httpx.Response:
        self.cells += 1
        path, more = await self.placed(method, path, more)
        headers = self.headers(role, kind) | dict(more.pop("headers", {}))
        return await self.organization.api.request(method, path, headers=headers, **more)

    async def admin(self, method: str, path: str, **more: Any) -> Any:
        """A request of the administrator that must succeed; its document."""
        path, more = await self.placed(method, path, more)
        answer = await self.organization.call("admin", method, path, **more)
        assert answer.status_code < 300, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    async def placed(self, method: str, path: str, more: Any) -> tuple[str, dict[str, Any]]:
        """The request with its clients filled in: what is made is made at a fresh one.

        So that each relationship is of a pair of its own, and all are seen from the known client.
        """
        if method == "POST" and "json" in more:
            path = MADE_AT.get(path, path)
        if THE_CLIENT in path:
            fresh = method == "POST"
            place = (await self.make("clients"))["id"] if fresh else self.known.client_id
            path = path.replace(THE_CLIENT, place)
        path = path.replace(THE_LIST, self.known.list_id)
        body = more.get("json")
        if isinstance(body, dict) and body.get("other_id") == THE_CLIENT:
            more = more | {"json": body | {"other_id": self.known.client_id}}
        return path, more

    async def make(self, resource: str, name: str = "", **fields: Any) -> dict[str, Any]:
        """A fresh record; `name` is the field that it is about."""
        if resource == "exports":
            return await self._exported()
        if resource == "operations":
            return await self._operation()
        if resource == "follow_ups":
            # Each client has one whose type has an interval, as the default one.
            return await self.make("clients")
        if resource == "list_members" and "client_id" not in fields:
            fields["client_id"] = (await self.make("clients"))["id"]
        if resource == "imports":
            sent = {"file": ("list.csv", a_list())}
            listed: dict[str, Any] = await self.admin("POST", "/v1/imports", files=sent)
            return listed
        if resource == "calendar_feeds":
            feed: dict[str, Any] = await self.admin("POST", "/v1/calendar-feeds")
            return feed
        body = minimal(resource, self.known) | fields
        made: dict[str, Any] = await self.admin("POST", base_of(resource, name), json=body)
        return made

    async def _exported(self) -> dict[str, Any]:
        """An export is made by exporting; its record is the latest one."""
        answer = await self.organization.call("admin", "GET", "/v1/clients/export?fields=id")
        assert answer.status_code == 200, answer.text
        listed = await self.admin("GET", "/v1/exports?limit=1")
        made: dict[str, Any] = listed["data"][0]
        return made

    async def _operation(self) -> dict[str, Any]:
        """One of the administrator's that ended: each kind of work has a request of its own."""
        queued = await queue(self.organization, role="admin")
        await self.admin("POST", f"/v1/operations/{queued.id}/cancel")
        found: dict[str, Any] = await self.admin("GET", f"/v1/operations/{queued.id}")
        return found

    async def place(self, resource: str, name: str = "") -> str:
        """The path of a fresh record, or of the one that there is."""
        if resource == "organization":
            return BASES[resource]
        made = await self.make(resource, name)
        if resource in SINGLE:
            return f"{SINGLE[resource]}/{made['id']}"
        if resource == "users":
            # Who is invited cannot be changed yet; the person accepts.
            await accept(self.organization, made)
        return f"{base_of(resource, name)}/{made['key' if resource == 'catalogues' else 'id']}"


def a_list() -> bytes:
    """A list of one client, as it is imported."""
    mark = secrets.token_hex(5)
    return f"name,email\r\nListed {mark},{mark}@example.com\r\n".encode()


NAMED: Mapping[str, Any] = {"field": "name", "op": "ne", "value": "Nobody"}


def minimal(resource: str, known: Known | None = None) -> dict[str, Any]:
    """The least that a create takes."""
    mark = secrets.token_hex(5)
    whom = {"client_id": known.client_id} if known else {"participants": [{"name": mark}]}
    bodies: dict[str, dict[str, Any]] = {
        "clients": {"name": f"Client {mark}", "emails": [f"{mark}@example.com"]},
        "contacts": {"name": f"Person {mark}"},
        "relationships": {"kind": "parent", "other_id": THE_CLIENT},
        "communications": {"kind": "call", "subject": f"Call {mark}"} | whom,
        "tasks": {"title": f"Task {mark}"},
        "segments": {"name": f"Segment {mark}", "filter": {"filter": NAMED}},
        "lists": {"name": f"List {mark}"},
        "list_members": {},
        "notes": {"text": f"Note {mark}"},
        "files": {"name": f"Link {mark}", "url": f"https://docs.example.com/{mark}"},
        "users": {"name": f"User {mark}", "email": f"{mark}@example.com", "role": "front_desk"},
        "roles": {"name": f"Role {mark}", "scopes": ["clients.identity:read"]},
        "api_keys": {"name": f"Key {mark}", "scopes": ["clients.identity:read"]},
        "catalogues": {"key": f"key_{mark}"},
    }
    return bodies[resource]


async def accept(organization: Organization, invited: Mapping[str, Any]) -> None:
    answer = await organization.api.post(
        "/v1/auth/accept-invitation",
        json={
            "token": invited["invitation_token"],
            "password": f"a long enough one {secrets.token_hex(8)}",
        },
    )
    assert answer.status_code == 200, answer.text


async def make_key(organization: Organization, scopes: list[str]) -> str:
    """An API key of the administrator: its rights are the key's scopes within its own."""
    body = {"name": f"Key {secrets.token_hex(4)}", "scopes": scopes}
    answer = await organization.call("admin", "POST", "/v1/api-keys", json=body)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["key"])


async def scopes_of_roles(organization: Organization) -> dict[str, list[str]]:
    answer = await organization.call("admin", "GET", "/v1/roles")
    return {role["name"]: role["scopes"] for role in answer.json()["data"]}


async def make_world(organization: Organization) -> World:
    """Every built-in role with a key of the same rights, and records to refer to."""
    client = await organization.create_client()
    contact = await organization.create_contact()
    people = (await organization.call("admin", "GET", "/v1/users")).json()["data"]
    place = f"/v1/clients/{client['id']}/communications"
    call = (await organization.call("admin", "POST", place, json={"kind": "call"})).json()
    listed = (
        await organization.call("admin", "POST", "/v1/distribution-lists", json={"name": "Known"})
    ).json()
    body = minimal("segments")
    segment = (await organization.call("admin", "POST", "/v1/segments", json=body)).json()
    members = f"/v1/distribution-lists/{listed['id']}/members"
    await organization.call("admin", "POST", members, json={"client_id": client["id"]})
    known = Known(
        client["id"],
        contact["id"],
        people[0]["id"],
        people[1]["id"],
        call["id"],
        list_id=listed["id"],
        segment_id=segment["id"],
    )
    workflow = {"key": "onboarding"}
    await organization.call("admin", "POST", "/v1/catalogues/workflows", json=workflow)
    scopes = await scopes_of_roles(organization)
    keys = {role: await make_key(organization, scopes[role]) for role in ROLES}
    return World(organization, known, keys)
