"""Sites of a client: what fits a country, what lowers the quality, what an edit keeps."""

from typing import Any
from uuid import uuid4

import pytest

from tests.checks import codes, pointers, refused
from tests.factories import Organization

LONDON = {
    "kind": "physical",
    "country_code": "GB",
    "city": "London",
    "postal_code": "SW1A 2AA",
    "street_address": "10 Downing Street",
}


async def made_with(organization: Organization, site: dict[str, Any]) -> dict[str, Any]:
    made = await organization.create_client(sites=[site])
    found: dict[str, Any] = made["sites"][0]
    return found


async def test_site_is_answered_with_its_quality(radio: Organization) -> None:
    """C5"""
    sent = LONDON | {"label": "Head office", "notes": "Ring twice", "service_area": "Westminster"}
    site = await made_with(radio, sent)
    assert {name: site[name] for name in sent} == sent
    assert site["address_quality"] == "complete"
    assert set(site) == {
        *sent,
        "id",
        "country_area",
        "address_quality",
        "is_primary",
    }


@pytest.mark.parametrize(
    ("change", "quality"),
    [
        ({}, "complete"),
        ({"street_address": None}, "incomplete"),
        ({"city": None}, "incomplete"),
        ({"postal_code": None}, "incomplete"),
        ({"country_code": None}, "incomplete"),
        ({"country_code": "AQ", "postal_code": None}, "unverified_format"),
    ],
)
async def test_missing_lines_lower_the_quality_and_refuse_nothing(
    radio: Organization, change: dict[str, Any], quality: str
) -> None:
    """C5: a known country without a rule is accepted as unverified."""
    site = await made_with(radio, LONDON | change)
    assert site["address_quality"] == quality


async def test_postal_code_is_tidied(radio: Organization) -> None:
    site = await made_with(radio, LONDON | {"postal_code": "sw1a  2aa"})
    assert site["postal_code"] == "SW1A 2AA"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"country_code": "ZZ"}, "/sites/0/country_code"),
        ({"postal_code": "00000"}, "/sites/0/postal_code"),
        (
            {"country_code": "US", "country_area": "Kent", "postal_code": None},
            "/sites/0/country_area",
        ),
        ({"kind": "castle"}, "/sites/0/kind"),
        ({"planet": "Earth"}, "/sites/0/planet"),
    ],
)
async def test_what_does_not_fit_the_country_is_refused(
    radio: Organization, change: dict[str, Any], place: str
) -> None:
    body = {"name": "A", "emails": ["a@example.com"], "sites": [LONDON | change]}
    answer = await radio.call("admin", "POST", "/v1/clients", json=body)
    assert answer.status_code == 422
    assert pointers(answer.json()) == {place}, answer.text


async def test_quality_is_not_the_callers_to_say(radio: Organization) -> None:
    """G3: echoed it is accepted."""
    made = await radio.create_client(sites=[LONDON | {"street_address": None}])
    path = f"/v1/clients/{made['id']}"
    answer = await radio.call("admin", "PATCH", path, json={"sites": made["sites"]})
    assert answer.status_code == 200
    wrong = [made["sites"][0] | {"address_quality": "complete"}]
    answer = await radio.call("admin", "PATCH", path, json={"sites": wrong})
    assert pointers(refused(answer, 422, "read_only_field")) == {"/sites/0/address_quality"}


async def test_sites_are_matched_by_id_then_by_address(radio: Organization) -> None:
    made = await radio.create_client(sites=[LONDON, {"city": "Jinja"}, {"city": "Gulu"}])
    london, jinja, gulu = made["sites"]
    sent = [
        {"id": gulu["id"], "city": "Lira"},
        LONDON | {"city": "LONDON"},
        {"city": "Mbale"},
    ]
    path = f"/v1/clients/{made['id']}"
    answer = await radio.call("front_desk", "PATCH", path, json={"sites": sent})
    lira, capital, mbale = answer.json()["sites"]
    assert (lira["id"], lira["city"]) == (gulu["id"], "Lira")
    assert capital["id"] == london["id"]
    assert mbale["id"] not in {london["id"], jinja["id"], gulu["id"]}


async def test_site_ids_are_of_this_client(radio: Organization) -> None:
    made = await radio.create_client(sites=[LONDON])
    stranger = await radio.create_client(sites=[LONDON])
    for wrong in (str(uuid4()), stranger["sites"][0]["id"]):
        body = {"sites": [LONDON | {"id": wrong}]}
        answer = await radio.call("admin", "PATCH", f"/v1/clients/{made['id']}", json=body)
        assert codes(refused(answer, 422, "invalid")) == {"/sites/0/id": "unknown_item"}
