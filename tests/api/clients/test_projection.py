"""What is answered: `fields`, `expand`, and why something was refused (`?explain=permission`)."""

from typing import Any

import pytest

from tests.assurance.golden import ROLES, fields
from tests.checks import codes, refused
from tests.factories import Organization


@pytest.mark.parametrize("role", ROLES)
async def test_a_role_is_answered_just_its_groups(radio: Organization, role: str) -> None:
    """Unreadable keys are absent, readable ones are always there; alike in lists."""
    made = await radio.create_client()
    rows = fields("clients").items()
    expected = [name for name, row in rows if row.is_field and row.may(role, "read")]
    read = await radio.call(role, "GET", f"/v1/clients/{made['id']}")
    assert list(read.json()) == expected
    page = await radio.call(role, "GET", "/v1/clients")
    assert page.json()["data"] == [read.json()]


async def test_fields_choose_and_keep_the_declared_order(radio: Organization) -> None:
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}"
    for place in (path, "/v1/clients"):
        answer = await radio.call("front_desk", "GET", f"{place}?fields=emails,name, id")
        row = answer.json()["data"][0] if place != path else answer.json()
        assert list(row) == ["id", "name", "emails"]
        assert row["emails"] == made["emails"]


@pytest.mark.parametrize("place", ["", "/{id}"])
@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("fields=credit_limit", 403, "field_not_readable"),
        ("fields=id,updated_at,nonsense", 403, "field_not_readable"),
        ("fields=nonsense", 422, "invalid"),
        ("fields=", 422, "invalid"),
        ("fields=id&fields=name", 422, "invalid"),
        ("expand=nonsense", 422, "invalid"),
        ("odd=1", 422, "invalid"),
    ],
)
async def test_only_readable_fields_are_chosen(
    radio: Organization, place: str, query: str, status: int, code: str
) -> None:
    made = await radio.create_client()
    path = f"/v1/clients{place.format(id=made['id'])}?{query}"
    answer = await radio.call("front_desk", "GET", path)
    assert answer.status_code == status, answer.text
    if status == 403:
        refused(answer, status, code)


async def test_owner_and_persons_are_answered_along(radio: Organization) -> None:
    owner = str(radio.user_ids["manager"])
    made = await radio.create_client(owner_id=owner, contacts=[{"contact": {"name": "Ada"}}])
    bare = await radio.create_client(name="Zoo")
    query = "?expand=owner,contacts,primary_contact&fields=name,owner_id,contacts,primary_contact"
    full, empty = (await radio.call("front_desk", "GET", f"/v1/clients{query}")).json()["data"]
    assert full["owner"] == {"id": owner, "name": "Manager"}
    assert full["contacts"][0]["contact"]["name"] == "Ada"
    assert full["primary_contact"]["contact"]["name"] == "Ada"
    assert (empty["name"], empty["owner"], empty["contacts"]) == (bare["name"], None, [])
    one = await radio.call("front_desk", "GET", f"/v1/clients/{made['id']}{query}")
    assert one.json() == full


async def test_expanding_needs_the_field_and_what_is_behind_it(radio: Organization) -> None:
    """A presenter reads who the users are, but not whom a client belongs to."""
    made = await radio.create_client(owner_id=str(radio.user_ids["manager"]))
    for place in ("/v1/clients", f"/v1/clients/{made['id']}"):
        for key in ("owner", "contacts", "primary_contact"):
            answer = await radio.call("presenter", "GET", f"{place}?expand={key}")
            problem = refused(answer, 403, "field_not_readable")
            assert [fault["parameter"] for fault in problem["errors"]] == ["expand"]
    scopes = ["clients.*:read"]
    key = (
        await radio.call("admin", "POST", "/v1/api-keys", json={"name": "k", "scopes": scopes})
    ).json()
    headers = {"Authorization": f"Bearer {key['key']}"}
    answer = await radio.api.get("/v1/clients?expand=contacts", headers=headers)
    refused(answer, 403, "field_not_readable")


async def test_a_deleted_person_is_not_shown_through_a_former_link(radio: Organization) -> None:
    """No reading of a record through the link that the caller may not open."""
    made = await radio.create_client(contacts=[{"contact": {"name": "Ada"}, "to_on": "2026-01-01"}])
    person = made["contacts"][0]["contact_id"]
    assert (await radio.call("admin", "DELETE", f"/v1/contacts/{person}")).status_code == 204
    read = await radio.call("manager", "GET", f"/v1/clients/{made['id']}?expand=contacts")
    assert read.json()["contacts"][0]["contact"] is None
    assert "Ada" not in read.text


@pytest.mark.parametrize(
    ("role", "method", "place", "body", "expected"),
    [
        (
            "front_desk", "PATCH", "/{id}", {"stage": "growing", "name": "New"},
            [
                {"field": "stage", "group": "classification",
                 "needs": "clients.classification:update", "role": "front_desk"},
                {"field": "name", "group": "name",
                 "needs": "clients.name:update", "role": "front_desk"},
            ],
        ),
        (
            "front_desk", "POST", "", {"name": "A", "payment_terms_days": 1},
            [{"field": "payment_terms_days", "group": "finance",
              "needs": "clients.finance:create", "role": "front_desk"}],
        ),
        (
            "presenter", "POST", "", {"name": "A"},
            [{"scope": "clients.*:create", "role": "presenter"}],
        ),
        (
            "front_desk", "DELETE", "/{id}", None,
            [{"scope": "clients:delete", "role": "front_desk"}],
        ),
        (
            "front_desk", "POST", "/{id}/archive", None,
            [{"scope": "clients:archive", "role": "front_desk"}],
        ),
    ],
)  # fmt: skip
async def test_a_refusal_explains_itself_when_asked(
    radio: Organization, role: str, method: str, place: str, body: Any, expected: Any
) -> None:
    """Which rule refused which field."""
    made = await radio.create_client()
    path = f"/v1/clients{place.format(id=made['id'])}"
    plain = (await radio.call(role, method, path, json=body)).json()
    assert plain["status"] == 403
    assert "explanation" not in plain
    explained = (await radio.call(role, method, f"{path}?explain=permission", json=body)).json()
    assert explained["explanation"] == expected
    assert {k: v for k, v in explained.items() if k in ("status", "code")} == {
        k: v for k, v in plain.items() if k in ("status", "code")
    }


@pytest.mark.parametrize(
    ("query", "parameter", "group"),
    [
        ("credit_limit[gt]=1", "credit_limit[gt]", "finance"),
        ("sort=-updated_at", "sort", "stamp"),
        ("fields=payment_terms_days", "fields", "finance"),
    ],
)
async def test_a_refused_list_explains_itself_when_asked(
    radio: Organization, query: str, parameter: str, group: str
) -> None:
    answer = await radio.call("front_desk", "GET", f"/v1/clients?{query}")
    assert "explanation" not in refused(answer, 403, "field_not_readable")
    answer = await radio.call("front_desk", "GET", f"/v1/clients?{query}&explain=permission")
    problem = refused(answer, 403, "field_not_readable")
    assert set(codes(problem)) == {parameter}
    [explained] = problem["explanation"]
    assert (explained["group"], explained["needs"]) == (group, f"clients.{group}:read")


@pytest.mark.parametrize("value", ["yes", "", "permissions"])
async def test_explain_takes_one_word(radio: Organization, value: str) -> None:
    made = await radio.create_client()
    for place in ("/v1/clients", f"/v1/clients/{made['id']}"):
        answer = await radio.call("admin", "GET", f"{place}?explain={value}")
        assert answer.status_code == 422, place
