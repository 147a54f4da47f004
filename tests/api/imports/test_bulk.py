"""Clients written many at once are the clients that one request each would have written."""

from typing import Any

import pytest
from fastapi import FastAPI

from crm_api.catalogues.service import known_entries
from crm_api.clients.bulk import NewClient, decide_client, insert_clients
from crm_api.core.db import UniqueClash
from crm_api.core.errors import Fault
from crm_api.kit.scope import Scope
from crm_api.kit.verification import verify_log
from crm_api.organizations.provision import find_context
from crm_api.organizations.system import system_scope
from tests.factories import Organization

BODIES: list[dict[str, Any]] = [
    {
        "name": "Nile Bakery Ltd",
        "type": "partner",
        "industry": "hospitality",
        "business_size": "small",
        "emails": ["hello@nile.example", {"address": "Bills@nile.example", "label": "billing"}],
        "phones": ["0772 123456", {"country": "KE", "national": "0712 345678", "extension": "7"}],
        "sites": [
            {"kind": "physical", "country_code": "UG", "city": "Jinja", "street_address": "1 Rd."},
            {"kind": "mailing", "label": "Box", "notes": "two\nlines", "is_primary": True},
        ],
        "contacts": [
            {
                "contact": {"name": "Ada Nakato", "emails": ["ada@nile.example"]},
                "roles": ["billing"],
                "function": "decision_maker",
                "from_on": "2024-02-29",
            },
            {"contact": {"name": "Ben", "phones": ["0772 123457"]}, "roles": ["primary"]},
        ],
        "tags": ["vip", "new"],
        "attributes": {"shoe_size": "44", "a.b": "c"},
        "external_refs": [{"source": "old", "id": "1", "version": 3}],
        "preferences": {"channels": ["sms"], "language": "en"},
        "credit_limit": {"amount": "12.50", "currency": "USD"},
        "payment_terms_days": 30,
        "registered_on": "2024-01-31",
        "last_reviewed_on": "2024-11-30",
        "remarks": 'Quote " and \\ and {braces}',
        "social_profiles": [{"network": "x", "url": "https://x.example/nile"}],
    },
    {"name": "Grace Atim", "kind": "individual", "phones": ["+256772123499"]},
    {"name": "Nothing More", "emails": ["nothing@more.example"], "tags": ["new"]},
]
OWN = frozenset(
    {"id", "number", "contact_id", "client_id", "created_at", "updated_at", "since", "at"}
)
"""What differs between any two records."""


def plain(value: Any) -> Any:
    """A document without ids and times."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items() if k not in OWN}
    return [plain(item) for item in value] if isinstance(value, list) else value


async def scope_of(app: FastAPI, organization: Organization, role: str = "admin") -> Scope:
    context = await find_context(app.state.db, organization.slug)
    assert context is not None
    return system_scope(app.state.db, context, role, "test")


async def decided(scope: Scope, bodies: list[dict[str, Any]]) -> list[NewClient]:
    organization = scope.actor.organization
    known = await known_entries(scope.db, organization)
    found = [decide_client(scope, body, organization, known) for body in bodies]
    assert all(isinstance(client, NewClient) for client in found), found
    return [client for client in found if isinstance(client, NewClient)]


async def faults(app: FastAPI, organization: Organization, role: str, body: Any) -> list[Fault]:
    scope = await scope_of(app, organization, role)
    known = await known_entries(scope.db, scope.actor.organization)
    found = decide_client(scope, body, scope.actor.organization, known)
    assert isinstance(found, list)
    return found


async def documents(organization: Organization) -> list[tuple[Any, Any]]:
    """Each client with its persons, and its history."""
    page = await organization.call("admin", "GET", "/v1/clients?sort=number&expand=contacts")
    found = []
    for client in page.json()["data"]:
        history = await organization.call("admin", "GET", f"/v1/clients/{client['id']}/history")
        (entry,) = history.json()["data"]
        found.append((plain(client), plain(entry["changes"])))
    return found


async def test_bulk_writes_what_single_requests_write(
    radio: Organization, other: Organization, app: FastAPI
) -> None:
    for body in BODIES:
        response = await radio.call("admin", "POST", "/v1/clients", json=body)
        assert response.status_code == 201, response.text
    scope = await scope_of(app, other)
    await insert_clients(scope, await decided(scope, BODIES))
    assert await documents(other) == await documents(radio)


async def test_numbers_and_positions_go_on_without_a_gap(radio: Organization, app: FastAPI) -> None:
    scope = await scope_of(app, radio)
    await radio.create_client(name="Before")
    await insert_clients(scope, await decided(scope, BODIES))
    after = await radio.create_client(name="After")
    assert after["number"] == "C-000005"
    report = await verify_log(scope.db, radio.organization_id, lambda _: None)
    assert not report.findings


async def test_a_clash_writes_nothing_of_the_whole(radio: Organization, app: FastAPI) -> None:
    scope = await scope_of(app, radio)
    await radio.create_client(name="NOTHING MORE")
    with pytest.raises(UniqueClash) as clash:
        await insert_clients(scope, await decided(scope, BODIES))
    assert clash.value.constraint == "uq_clients_identity"
    page = await radio.call("admin", "GET", "/v1/clients")
    assert [c["name"] for c in page.json()["data"]] == ["NOTHING MORE"]
    report = await verify_log(scope.db, radio.organization_id, lambda _: None)
    assert not report.findings


async def test_a_role_writes_in_bulk_no_more_than_one_by_one(
    radio: Organization, app: FastAPI
) -> None:
    body = BODIES[0]
    found = await faults(app, radio, "front_desk", body)
    response = await radio.call("front_desk", "POST", "/v1/clients", json=body)
    assert response.status_code == 403
    told = {fault["pointer"] for fault in response.json()["errors"]}
    assert {f.pointer for f in found if f.code == "field_not_writable"} == told


async def test_faults_in_bulk_are_those_of_a_request(radio: Organization, app: FastAPI) -> None:
    body = {"name": " ", "emails": ["x"], "phones": ["1"], "type": "past_advertiser", "nope": 1}
    response = await radio.call("manager", "POST", "/v1/clients", json=body)
    assert response.status_code == 422
    told = {(fault["pointer"], fault["code"]) for fault in response.json()["errors"]}
    found = await faults(app, radio, "manager", body)
    assert {(f.pointer, f.code) for f in found} == told
