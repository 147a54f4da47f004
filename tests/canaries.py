"""A bystander: an organization whose every text is a canary. It works along, and is never seen."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from fastapi import FastAPI
from sqlalchemy import Text

from crm_api.core.ids import new_id
from crm_api.identity.provision import add_user
from crm_api.models import metadata
from tests.factories import PASSWORD, Organization, make_organization

CANARY = "zqcanary7x4"
"""In every text of the bystander; small letters and digits, so that each normal form keeps it."""
CANARY_PHONE = "+256772907143"
CANARY_AGENT = f"{CANARY}-browser/1.0"

NOT_FREE: Mapping[tuple[str, str], str] = {
    ("catalogue_entries", "catalogue"): "the code knows them all",
    ("client_tags", "catalogue"): "a constant, by CHECK",
    ("clients", "lifecycle"): "by CHECK",
    ("clients", "kind"): "by CHECK",
    ("contacts", "lifecycle"): "by CHECK",
    ("communications", "lifecycle"): "by CHECK",
    ("communications", "direction"): "by CHECK",
    ("communications", "state"): "by CHECK",
    ("tasks", "lifecycle"): "by CHECK",
    ("calendar_feeds", "lifecycle"): "by CHECK",
    ("tasks", "state"): "by CHECK",
    ("files", "lifecycle"): "by CHECK",
    ("files", "kind"): "by CHECK",
    ("files", "form"): "by CHECK",
    ("files", "created_by_type"): "by CHECK",
    ("file_versions", "created_by_type"): "by CHECK",
    ("notes", "lifecycle"): "by CHECK",
    ("notes", "kind"): "by CHECK",
    ("notes", "created_by_type"): "by CHECK",
    ("segments", "lifecycle"): "by CHECK",
    ("segments", "visibility"): "by CHECK",
    ("distribution_lists", "lifecycle"): "by CHECK",
    ("list_members", "lifecycle"): "by CHECK",
    ("imports", "format"): "by CHECK",
    ("imports", "mode"): "by CHECK",
    ("imports", "match_by"): "by CHECK",
    ("imports", "on_duplicate"): "by CHECK",
    ("imports", "phase"): "by CHECK",
    ("import_records", "outcome"): "by CHECK",
    ("operations", "state"): "by CHECK",
    ("operations", "created_by_type"): "by CHECK",
    ("client_search", "lifecycle"): "as the client's",
    ("client_search", "phones"): "digits alone",
    ("contact_search", "lifecycle"): "as the contact's",
    ("contact_search", "phones"): "digits alone",
    ("communication_search", "lifecycle"): "as the communication's",
    ("note_search", "lifecycle"): "as the note's",
    ("note_search", "kind"): "as the note's",
    ("file_search", "lifecycle"): "as the file's",
    ("file_search", "kind"): "as the file's",
    ("relationships", "lifecycle"): "by CHECK",
    ("relationships", "kind"): "the code knows them all",
    ("relationships", "inverse_kind"): "the code knows them all",
    ("organizations", "time_zone"): "the bystander's dates need a real one",
    ("organizations", "default_country"): "its phone numbers need a real one",
    ("organizations", "currency"): "its amounts need a real one",
}
"""Text columns that cannot hold a canary, and why."""


def _text(words: str = "") -> str:
    return f"{CANARY} {words}".strip()


def client_body(mark: str, person: Mapping[str, Any], refs: Mapping[str, Any]) -> dict[str, Any]:
    """A client with a canary in each field that takes free text."""
    return {
        "name": _text(mark),
        "type": "partner",
        "status_reason": _text(),
        "industry": CANARY,
        "stage": "growing",
        "stage_reason": _text(),
        "service_tier": CANARY,
        "region": CANARY,
        "source": CANARY,
        "source_detail": _text(),
        "products_services": _text(),
        "website": f"https://{CANARY}.example.com/{mark}",
        "social_profiles": [{"network": CANARY, "url": f"https://{CANARY}.example.com/social"}],
        "target_audience": _text(),
        "operating_hours": [{"days": ["mon"], "opens": "08:00", "closes": "17:00"}],
        "emails": [f"{mark}@{CANARY}.example.com"],
        "phones": [{"e164": CANARY_PHONE, "extension": "4"}],
        "sites": [
            {
                "kind": "physical",
                "label": _text(),
                "country_code": "UG",
                "country_area": _text(),
                "city": _text(),
                "street_address": _text(),
                "notes": _text(),
                "service_area": _text(),
            }
        ],
        "contacts": [{"contact": dict(person), "job_title": _text(), "function": "administrative"}],
        "preferences": {"contact_times": _text(), "response_expectation": _text()},
        "service": {"sla": _text(), "equipment": _text(), "emergency_procedure": _text()},
        "registration_country": "UG",
        "registration_number": f"{CANARY}{mark}",
        "tags": [CANARY],
        "remarks": _text(),
        "attributes": {CANARY: _text()},
        "workflow_attributes": {CANARY: {CANARY: _text()}},
        "billing_details": {"legal_name": _text(), "reference": _text()},
        "credit_limit": {"amount": "7143000", "currency": "UGX"},
        "external_refs": [dict(refs)],
    }


CALL: Mapping[str, Any] = {
    "kind": "call",
    "subject": _text(),
    "body": _text(),
    "participants": [{"name": _text()}],
    "workflow": CANARY,
    "action_items": [{"title": _text()}],
}

# What else stands in each table: which row may be filled by hand, as nothing reads it afterwards.
_INERT: Mapping[str, str] = {
    "catalogue_entries": f"catalogue = 'regions' AND key = '{CANARY}'",
    "changes": "resource_id = $2",
    "idempotency_records": "true",
    "imports": "true",
    "import_records": "true",
    "operations": "true",
    "organizations": "true",
    "roles": "NOT is_builtin",
    "security_events": "true",
    "users": "name LIKE '%inert%'",
    "invitations": "true",
    "api_keys": "name LIKE '%inert%'",
    "clients": "id = $2",
    "contacts": "name LIKE '%inert%'",
    "sessions": "ended_at IS NOT NULL",
    "client_attributes": "client_id = $2",
    "client_contacts": "client_id = $2",
    "client_emails": "client_id = $2",
    "client_phones": "client_id = $2",
    "client_refs": "client_id = $2",
    "client_sites": "client_id = $2",
    "client_tags": "client_id = $2",
    "communications": "client_id = $2",
    "tasks": "client_id = $2",
    "contact_emails": "true",
    "contact_phones": "true",
    "contact_refs": "true",
    "relationships": "true",
    "notes": "true",
    "files": "form = 'document'",
    "file_versions": "true",
}


@dataclass(slots=True)
class Bystander:
    """It asks for its own records now and then, so that caches and connections change hands."""

    organization: Organization
    key: str
    client_id: str
    _turns: "itertools.cycle[tuple[str, str, Any]]" = field(init=False)

    def __post_init__(self) -> None:
        one = f"/v1/clients/{self.client_id}"
        dry = {"name": _text("dry"), "emails": [f"dry@{CANARY}.example.com"]}
        self._turns = itertools.cycle(
            [
                ("GET", one, None),
                ("GET", "/v1/clients?expand=contacts,owner&count=capped", None),
                ("POST", "/v1/clients?dry_run=true", dry),
                ("GET", f"{one}/history", None),
                ("GET", f"{one}/relationships", None),
                ("GET", f"{one}/graph?format=svg", None),
                ("GET", f"{one}/communications", None),
                ("GET", f"{one}/notes", None),
                ("GET", f"{one}/files", None),
                ("GET", f"{one}/timeline", None),
                ("GET", f"/v1/search?q={CANARY}", None),
                ("GET", f"{one}/distribution-lists", None),
                ("GET", "/v1/segments", None),
                ("GET", "/v1/contacts", None),
                ("GET", f"/v1/clients?q={CANARY}&count=capped", None),
                ("GET", f"/v1/clients/suggest?q={CANARY}", None),
                ("GET", f"/v1/contacts?q={CANARY} person", None),
                ("GET", "/v1/catalogues/types", None),
                ("GET", "/v1/users", None),
                ("GET", "/v1/me", None),
            ]
        )

    @property
    def id(self) -> UUID:
        return self.organization.organization_id

    async def act(self) -> None:
        """The next request of its round; it sees what is its own."""
        method, path, body = next(self._turns)
        headers = {"Authorization": f"Bearer {self.key}", "User-Agent": CANARY_AGENT}
        answer = await self.organization.api.request(method, path, headers=headers, json=body)
        assert answer.status_code in (200, 201), answer.text
        assert CANARY in answer.text or path == "/v1/catalogues/types", answer.text


async def make_bystander(app: FastAPI, api: httpx.AsyncClient, owner: str) -> Bystander:
    """The bystander, made through the application, and from then on a caller of `api`."""
    quiet = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=quiet, base_url="http://testserver") as setting_up:
        made = await make_organization(app, setting_up, CANARY, ("radio",))
        key, client_id = await _furnish(app, made, owner)
    made.api = api
    return Bystander(made, key, client_id)


async def _furnish(app: FastAPI, made: Organization, owner: str) -> tuple[str, str]:
    """Records with canaries; what no request can put anywhere, the owner does."""

    async def ok(method: str, path: str, body: Any = None) -> Any:
        headers = {
            "User-Agent": CANARY_AGENT,
            "X-Request-Id": f"{CANARY}-0001",
            "Idempotency-Key": f"{CANARY}-{path}-{body and body.get('name')}",
        }
        answer = await made.call("admin", method, path, json=body, headers=headers)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content else None

    for catalogue in ("types", "industries", "tiers", "regions", "sources", "workflows"):
        entry = {"key": CANARY, "label": _text()}
        await ok("POST", f"/v1/catalogues/{catalogue}", entry)
    await ok("POST", "/v1/roles", {"name": _text(), "scopes": ["clients.name:read"]})
    invited = {"name": _text(), "role": "presenter", "email": f"guest@{CANARY}.example.com"}
    await ok("POST", "/v1/users", invited)
    everything = ["clients.*:*", "clients:*", "contacts.*:*", "contacts:*", "users.*:read",
                  "catalogues.*:read", "communications.*:read", "tasks.*:read",
                  "lists.*:read"]  # fmt: skip
    key = await ok("POST", "/v1/api-keys", {"name": _text("live"), "scopes": everything})
    await ok("POST", "/v1/api-keys", {"name": _text("inert"), "scopes": everything})
    clients = []
    for mark in ("live", "inert"):
        person = {
            "name": _text(f"{mark} person"),
            "honorific": CANARY,
            "emails": [f"{mark}@people.{CANARY}.example.com"],
            "phones": [CANARY_PHONE],
        }
        refs = {"source": CANARY, "id": f"{CANARY}-{mark}"}
        body = client_body(mark, person, refs)
        clients.append(await ok("POST", "/v1/clients", body))
    for client in clients:
        await ok("POST", f"/v1/clients/{client['id']}/communications", CALL)
    await ok("POST", "/v1/calendar-feeds")
    refs = {"source": CANARY, "id": f"{CANARY}-person"}
    await ok("POST", "/v1/contacts", {"name": _text("apart"), "external_refs": [refs]})
    related = {"kind": "partner", "other_id": clients[1]["id"], "note": _text()}
    await ok("POST", f"/v1/clients/{clients[0]['id']}/relationships", related)
    note = {"text": _text(), "workflow": CANARY}
    await ok("POST", f"/v1/clients/{clients[0]['id']}/notes", note)
    await _file(made, f"/v1/clients/{clients[0]['id']}")
    leaf = {"field": "name", "op": "eq", "value": _text()}
    segment = {"name": _text(), "description": _text(), "filter": {"filter": leaf}}
    await ok("POST", "/v1/segments", segment)
    listed = {"name": _text(), "description": _text(), "workflow": CANARY}
    place = f"/v1/distribution-lists/{(await ok('POST', '/v1/distribution-lists', listed))['id']}"
    member = await ok("POST", f"{place}/members", {"client_id": clients[0]["id"]})
    await ok("POST", f"/v1/list-members/{member['id']}/unsubscribe", {"reason": _text()})
    await _follow(made, f"/v1/clients/{clients[0]['id']}")
    reason = {"value": "active_advertiser", "reason": _text()}
    await ok("PUT", f"/v1/clients/{clients[0]['id']}/overrides/type", reason)
    await _fill(app, made, owner, UUID(clients[1]["id"]))
    return key["key"], clients[0]["id"]


async def _file(made: Organization, place: str) -> None:
    """A document and a link."""
    sent = {"file": (f"{_text()}.txt", _text().encode())}
    assert (await made.call("admin", "POST", f"{place}/files", files=sent)).status_code == 201
    link = {"name": _text(), "url": f"https://{CANARY}.example.com/{CANARY}"}
    assert (await made.call("admin", "POST", f"{place}/file-links", json=link)).status_code == 201


async def _follow(made: Organization, place: str) -> None:
    """A follower who has read all up to one entry, and one more by itself."""
    entry = {"remarks": _text("changed")}
    assert (await made.call("admin", "PATCH", place, json=entry)).status_code == 200
    assert (await made.call("admin", "PUT", f"{place}/followers/me")).status_code == 204
    history = (await made.call("admin", "GET", f"{place}/history")).json()["data"]
    for body in ({"up_to": history[-1]["id"]}, {"ids": [history[0]["id"]]}):
        answer = await made.call("admin", "POST", "/v1/notifications/read", json=body)
        assert answer.status_code == 200, answer.text


async def _fill(app: FastAPI, made: Organization, owner: str, inert: UUID) -> None:
    """Canaries into the columns that no request can reach, in rows that nothing reads."""
    await add_user(
        app.state.db,
        app.state.hasher,
        made.organization_id,
        email=f"inert@{CANARY}.example.com",
        name=_text("inert"),
        role="presenter",
        password=PASSWORD,
    )
    await made.call("presenter", "POST", "/v1/auth/logout")
    connection = await asyncpg.connect(owner)
    try:
        await connection.execute(
            "INSERT INTO security_events (organization_id, id, at, kind, membership_id, detail) "
            "VALUES ($1, $2, now(), $3, NULL, '{}')",
            made.organization_id,
            new_id(),
            CANARY,
        )
        await connection.execute(
            "INSERT INTO loose_objects (organization_id, id, since) VALUES ($1, $2, now())",
            made.organization_id,
            new_id(),
        )
        await connection.execute(
            "INSERT INTO operations (organization_id, id, version, lifecycle, kind, state, params, "
            "created_by, created_by_type, progress_done, result, cancel_requested, attempts, "
            "due_at, created_at, finished_at) VALUES ($1, $2, 2, 'live', $3, 'succeeded', '{}', "
            "$2, 'user', 1, jsonb_build_object('note', $3::text), false, 0, now(), now(), now())",
            made.organization_id,
            new_id(),
            CANARY,
        )
        await connection.execute(
            "WITH made AS (INSERT INTO imports (organization_id, id, version, lifecycle, "
            "file_name, format, row_count, empty_count, columns, mapping, mode, on_duplicate, "
            "source, phase, created_by, created_at) VALUES ($1, $2, 1, 'live', $3, "
            "'csv', 1, 0, jsonb_build_array(jsonb_build_object('title', $3::text)), '{}', "
            "'create', 'report', $3, 'import', $2, now()) RETURNING id), "
            "parts AS (INSERT INTO import_parts (organization_id, import_id, position, content, "
            "created_at) SELECT $1, id, 0, convert_to($3, 'UTF8'), now() FROM made) "
            "INSERT INTO import_records (organization_id, import_id, row, line, outcome, findings) "
            "SELECT $1, id, 1, 2, 'invalid', jsonb_build_array($3::text) FROM made",
            made.organization_id,
            new_id(),
            CANARY,
        )
        for table, column in await columns_without(connection, made.organization_id):
            where = _INERT[table].replace("$2", f"'{inert}'")
            rows = f"SELECT ctid FROM {table} WHERE {_own(table)} AND {where} LIMIT 1"
            done = await connection.execute(
                f'UPDATE {table} SET "{column}" = $2 WHERE ctid = ({rows})',
                made.organization_id,
                CANARY,
            )
            assert done == "UPDATE 1", f"{table}.{column}: no row to fill"
    finally:
        await connection.close()


def _own(table: str) -> str:
    if table == "organizations":
        return "id = $1"
    if table == "users":
        return "id IN (SELECT user_id FROM memberships WHERE organization_id = $1)"
    return "organization_id = $1"


async def columns_without(
    owner: "asyncpg.Connection[asyncpg.Record]", organization_id: UUID
) -> list[tuple[str, str]]:
    """The free text columns in which no row of the organization holds a canary."""
    found = []
    for table in metadata.sorted_tables:
        for column in table.columns:
            if not isinstance(column.type, Text) or (table.name, column.name) in NOT_FREE:
                continue
            held = await owner.fetchval(
                f"SELECT EXISTS (SELECT 1 FROM {table.name} WHERE {_own(table.name)} "
                f'AND position($2 IN lower("{column.name}")) > 0)',
                organization_id,
                CANARY,
            )
            if not held:
                found.append((table.name, column.name))
    return found
