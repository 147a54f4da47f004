"""The list of contacts: filters, order, pages, projection."""

from typing import Any

import pytest

from tests.checks import refused
from tests.factories import Organization


@pytest.fixture
async def three(radio: Organization) -> Organization:
    owner = str(radio.user_ids["manager"])
    chief = await radio.create_contact(
        "manager",
        name="Ada Nakato",
        owner_id=owner,
        emails=["Ada@example.com"],
        phones=["0772123456"],
    )
    await radio.create_contact(
        "manager", name="ben okot", reports_to_id=chief["id"], emails=["ben@example.com"]
    )
    await radio.create_contact("manager", name="Çelik, Cem", phones=["+254712345678"])
    return radio


A, B, C = "Ada Nakato", "ben okot", "Çelik, Cem"

CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, [A, B, C]),
    ({"sort": "name"}, [A, B, C]),
    ({"sort": "-name"}, [C, B, A]),
    ({"sort": "created_at"}, [A, B, C]),
    ({"sort": "-created_at"}, [C, B, A]),
    ({"name": "ADA  NAKATO"}, [A]),
    ({"name[ne]": "ada nakato"}, [B, C]),
    ({"name[contains]": "o"}, [A, B]),
    ({"name[starts_with]": "çel"}, [C]),
    ({"emails": "ADA@example.com"}, [A]),
    ({"emails[contains]": "@example"}, [A, B]),
    ({"emails[ne]": "ben@example.com"}, [A, C]),
    ({"phones": "+256772123456"}, [A]),
    ({"phones[starts_with]": "+254"}, [C]),
    ({"owner_id": "manager"}, [A]),
    ({"owner_id[is_null]": "true"}, [B, C]),
    ({"reports_to_id[is_null]": "false"}, [B]),
    ({"created_at[gte]": "2020-01-01T00:00:00Z", "owner_id[is_null]": "false"}, [A]),
    ({"lifecycle": "live"}, [A, B, C]),
]


async def test_every_filter_and_order_answers_what_it_says(three: Organization) -> None:
    wrong = []
    for query, expected in CASES:
        sent = {k: str(three.user_ids.get(v, v)) for k, v in query.items()}
        answer = await three.call("front_desk", "GET", "/v1/contacts", params=sent)
        names = [row["name"] for row in answer.json().get("data", [])]
        if names != expected:
            wrong.append((query, names, expected, answer.status_code))
    assert wrong == []


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_pages_hold_each_person_once(three: Organization, limit: int) -> None:
    seen: list[str] = []
    query: dict[str, Any] = {"limit": limit, "fields": "name", "count": "exact"}
    while True:
        answer = await three.call("front_desk", "GET", "/v1/contacts", params=query)
        page = answer.json()
        assert page["total"] == 3
        seen += [row["name"] for row in page["data"]]
        assert ("link" in answer.headers) == page["has_more"]
        if not page["has_more"]:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == [A, B, C]


@pytest.mark.parametrize(
    "query",
    [
        {"honorific": "Dr"},
        {"sort": "honorific"},
        {"sort": "owner_id"},
        {"expand": "owner"},
        {"odd": "1"},
        {"owner_id": "me"},
        {"name[is_null]": "true"},
        {"do_not_contact": "true"},
    ],
)
async def test_what_the_list_does_not_take_is_refused(
    radio: Organization, query: dict[str, str]
) -> None:
    refused(await radio.call("admin", "GET", "/v1/contacts", params=query), 422, "invalid")


async def test_hidden_groups_are_no_filter_and_no_projection(radio: Organization) -> None:
    """A key for names alone: neither addresses nor owners, in no form."""
    scopes = ["contacts.person:read"]
    key = (
        await radio.call("admin", "POST", "/v1/api-keys", json={"name": "k", "scopes": scopes})
    ).json()
    headers = {"Authorization": f"Bearer {key['key']}"}
    await radio.create_contact(emails=["a@example.com"])
    page = await radio.api.get("/v1/contacts", headers=headers)
    assert set(page.json()["data"][0]) == {
        "id",
        "lifecycle",
        "name",
        "honorific",
        "languages",
        "external_refs",
        "created_at",
    }
    for query in (
        {"emails[contains]": "a"},
        {"phones": "1234"},
        {"owner_id[is_null]": "true"},
        {"reports_to_id[is_null]": "true"},
        {"fields": "emails"},
        {"fields": "id,owner_id"},
    ):
        answer = await radio.api.get("/v1/contacts", params=query, headers=headers)
        refused(answer, 403, "field_not_readable")
