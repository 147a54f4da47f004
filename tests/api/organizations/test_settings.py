"""The organization's settings: administrators alone, acting on everybody's next request."""

from typing import Any

import pytest
from fastapi import FastAPI

from crm_api.core.errors import Refusal
from crm_api.organizations.provision import find_organization, provision_organization
from tests.factories import Organization

PATH = "/v1/organization"


@pytest.mark.parametrize("role", ["manager", "front_desk", "presenter"])
async def test_settings_are_hidden_from_others(radio: Organization, role: str) -> None:
    assert (await radio.call(role, "GET", PATH)).status_code == 403
    for body in ({"name": "X"}, {"nonsense": 1}):
        assert (await radio.call(role, "PATCH", PATH, json=body)).status_code == 403


async def test_administrators_read_and_change_them(radio: Organization) -> None:
    seen = await radio.call("admin", "GET", PATH)
    assert set(seen.json()) == {
        "id",
        "slug",
        "name",
        "presets",
        "time_zone",
        "default_country",
        "currency",
        "created_at",
    }
    body = {"name": "Busoga One", "default_country": None, "time_zone": "Europe/London"}
    headers = {"If-Match": seen.headers["etag"]}
    changed = await radio.call("admin", "PATCH", PATH, json=body, headers=headers)
    assert changed.status_code == 200
    assert changed.json() == seen.json() | body
    stale = await radio.call("admin", "PATCH", PATH, json={"name": "X"}, headers=headers)
    assert stale.status_code == 412
    me = (await radio.call("presenter", "GET", "/v1/me")).json()
    assert me["organization"]["name"] == "Busoga One"
    assert me["organization"]["time_zone"] == "Europe/London"
    assert me["organization"]["default_country"] is None


async def test_added_preset_brings_its_types(radio: Organization) -> None:
    await radio.call("manager", "DELETE", "/v1/catalogues/industries/media")
    body = {"presets": ["radio", "jobs"]}
    assert (await radio.call("admin", "PATCH", PATH, json=body)).status_code == 200
    types = (await radio.call("presenter", "GET", "/v1/catalogues/types?limit=200")).json()["data"]
    found = {entry["key"] for entry in types}
    assert {"prospect", "customer", "residential"} <= found
    assert (await radio.create_client(type="residential"))["status"] == "active"
    assert (await radio.create_client())["type"] == "prospect"
    removed = await radio.call("presenter", "GET", "/v1/catalogues/industries/media")
    assert removed.status_code == 404, "what people removed stays removed"
    await radio.call("admin", "PATCH", PATH, json={"presets": ["jobs"]})
    assert (await radio.create_client())["type"] == "customer"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"presets": []}, "/presets"),
        ({"presets": ["television"]}, "/presets/0"),
        ({"presets": ["radio", "radio"]}, "/presets"),
        ({"time_zone": "Mars/Olympus"}, "/time_zone"),
        ({"default_country": "XX"}, "/default_country"),
        ({"currency": "XXX"}, "/currency"),
        ({"currency": None}, "/currency"),
        ({"slug": "other"}, "/slug"),
        ({"nonsense": 1}, "/nonsense"),
    ],
)
async def test_faulty_settings_name_the_place(
    radio: Organization, body: dict[str, Any], pointer: str
) -> None:
    answer = await radio.call("admin", "PATCH", PATH, json=body)
    assert answer.status_code == 422
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


async def test_change_is_in_the_log(radio: Organization, owner: Any) -> None:
    await radio.call("admin", "PATCH", PATH, json={"currency": "EUR"})
    await radio.call("admin", "PATCH", PATH, json={"currency": "EUR"})
    rows = await owner.fetch(
        "SELECT action, fields FROM changes WHERE organization_id = $1", radio.organization_id
    )
    assert [(row["action"], row["fields"]) for row in rows] == [
        ("organization.updated", ["currency"])
    ]


async def test_slug_is_taken_once(app: FastAPI, radio: Organization) -> None:
    with pytest.raises(Refusal, match="already_exists"):
        await provision_organization(
            app.state.db,
            slug=radio.slug,
            name="X",
            presets=("radio",),
            time_zone="UTC",
            currency="EUR",
        )
    assert await find_organization(app.state.db, radio.slug) == radio.organization_id
    assert await find_organization(app.state.db, "no-such-place") is None


async def test_unknown_preset_provisions_nothing(app: FastAPI) -> None:
    for presets in ((), ("television",)):
        with pytest.raises(ValueError, match="presets are one or more of"):
            await provision_organization(
                app.state.db,
                slug="unknown-preset",
                name="X",
                presets=presets,
                time_zone="UTC",
                currency="EUR",
            )
    assert await find_organization(app.state.db, "unknown-preset") is None
