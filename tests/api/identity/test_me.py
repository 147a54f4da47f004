"""Who one is and what one may do: the effective matrix, field by field."""

from typing import Any

import pytest

from crm_api.kit.fields import RESOURCES, builtin_scopes
from tests.factories import Organization

ROLES = ["admin", "manager", "front_desk", "presenter"]


async def permissions(radio: Organization, role: str) -> dict[str, Any]:
    answer = await radio.call(role, "GET", "/v1/me/permissions")
    assert answer.status_code == 200
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize("role", ROLES)
async def test_me_tells_role_and_organization(radio: Organization, role: str) -> None:
    answer = await radio.call(role, "GET", "/v1/me")
    assert answer.json() == {
        "id": str(radio.user_ids[role]),
        "kind": "user",
        "name": role.replace("_", " ").title(),
        "email": radio.emails[role],
        "role": role,
        "organization": {
            "id": str(radio.organization_id),
            "slug": radio.slug,
            "name": radio.slug.title(),
            "presets": ["radio"],
            "time_zone": "Africa/Kampala",
            "default_country": "UG",
            "currency": "UGX",
        },
    }
    headers = {"If-None-Match": answer.headers["etag"]}
    assert (await radio.call(role, "GET", "/v1/me", headers=headers)).status_code == 304


@pytest.mark.parametrize("role", ROLES)
async def test_matrix_covers_every_resource_and_field(radio: Organization, role: str) -> None:
    found = await permissions(radio, role)
    assert set(found["resources"]) == set(RESOURCES)
    for name, resource in found["resources"].items():
        assert set(resource["fields"]) == set(RESOURCES[name].fields)
        assert set(resource["verbs"]) == set(RESOURCES[name].verbs)
    assert set(found["scopes"]) == builtin_scopes(role)


async def test_matrix_says_what_each_role_may(radio: Organization) -> None:
    seen = {role: (await permissions(radio, role))["resources"]["clients"] for role in ROLES}
    limits = {role: clients["fields"]["credit_limit"] for role, clients in seen.items()}
    assert [limits[role]["read"] for role in ROLES] == [True, True, False, False]
    assert [limits[role]["update"] for role in ROLES] == [True, True, False, False]
    names = {role: clients["fields"]["name"] for role, clients in seen.items()}
    assert names["front_desk"] == {"group": "name", "read": True, "create": True, "update": False}
    assert [seen[role]["verbs"]["delete"] for role in ROLES] == [True, False, False, False]
    assert seen["front_desk"]["groups"]["audit"] == ["read_own"]
    assert seen["presenter"]["groups"]["finance"] == []


async def test_unknown_query_is_refused(radio: Organization) -> None:
    assert (await radio.call("admin", "GET", "/v1/me?x=1")).status_code == 422
