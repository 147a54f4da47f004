"""What forms need: fields by the caller's rights as the golden matrix has them, and code lists."""

import re
from typing import Any

import pytest

from tests.assurance.golden import RESOURCES, ROLES, real_fields
from tests.checks import refused
from tests.factories import Organization

Json = dict[str, Any]


async def meta(radio: Organization, role: str = "admin") -> Json:
    answer = await radio.call(role, "GET", "/v1/meta")
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def form(radio: Organization, role: str, resource: str, field: str) -> Json:
    fields = (await meta(radio, role))["resources"][resource]["fields"]
    [found] = [each for each in fields if each["name"] == field]
    return dict(found)


@pytest.mark.parametrize("role", ROLES)
async def test_fields_are_those_that_the_role_reads_or_writes(
    radio: Organization, role: str
) -> None:
    resources = (await meta(radio, role))["resources"]
    for name in RESOURCES:
        told = {each["name"]: each for each in resources.get(name, {}).get("fields", ())}
        rows = {field: row for field, row in real_fields(name).items() if row.rights[role] != "-"}
        assert list(told) == list(rows), name
        for field, row in rows.items():
            assert told[field]["read"] == row.reads(role), f"{name}.{field}: read"
            for action in ("create", "update"):
                assert told[field][action] == row.may(role, action), f"{name}.{field}: {action}"


async def test_what_a_role_neither_reads_nor_writes_is_named_nowhere(radio: Organization) -> None:
    answer = await radio.call("presenter", "GET", "/v1/meta")
    for hidden in ("credit_limit", "emails", "owner_id", "api_keys", "last_signed_in_at"):
        assert hidden not in answer.text
    parts = {
        p["name"] for p in (await form(radio, "presenter", "clients", "type_status"))["fields"]
    }
    assert "override" not in parts
    assert "evidence" in parts
    seen = {
        p["name"] for p in (await form(radio, "front_desk", "clients", "type_status"))["fields"]
    }
    assert "override" in seen


async def test_form_says_what_a_field_takes(radio: Organization) -> None:
    name = await form(radio, "manager", "clients", "name")
    assert (name["type"], name["min_length"], name["max_length"]) == ("string", 1, 200)
    assert (name["required"], name["nullable"], name["group"]) == (True, False, "name")
    size = await form(radio, "manager", "clients", "business_size")
    assert (size["enum"], size["nullable"]) == (["small", "medium", "large"], True)
    terms = await form(radio, "manager", "clients", "payment_terms_days")
    assert (terms["type"], terms["minimum"], terms["maximum"]) == ("integer", 0, 3650)
    assert (await form(radio, "manager", "clients", "industry"))["catalogue"] == "industries"
    tags = await form(radio, "manager", "clients", "tags")
    assert (tags["type"], tags["catalogue"], tags["max_items"]) == ("array", "tags", 50)
    assert (await form(radio, "manager", "clients", "owner_id"))["refers_to"] == "users"
    country = await form(radio, "manager", "clients", "registration_country")
    assert country["listed_in"] == "countries"
    money = await form(radio, "manager", "clients", "credit_limit")
    parts = {part["name"]: part for part in money["fields"]}
    assert parts["currency"]["listed_in"] == "currencies"
    assert parts["amount"]["required"] is True
    short, long = (await form(radio, "manager", "clients", "emails"))["items"]["one_of"]
    assert (short["type"], short["max_length"]) == ("string", 254)
    assert {"address", "label", "is_primary"} <= {part["name"] for part in long["fields"]}
    pairs = await form(radio, "manager", "clients", "attributes")
    assert (pairs["type"], pairs["values"]["type"]) == ("map", "string")


async def test_limits_of_the_page_are_those_that_lists_keep(radio: Organization) -> None:
    limits = (await meta(radio))["limits"]
    most = limits["page_max"]
    assert (await radio.call("admin", "GET", f"/v1/clients?limit={most}")).status_code == 200
    refused(await radio.call("admin", "GET", f"/v1/clients?limit={most + 1}"), 422, "invalid")
    assert limits["password_length"] == 15
    assert limits["access_token_seconds"] == 900


async def test_countries_tell_their_address_rules(radio: Organization) -> None:
    """As the postal services of these countries publish them."""
    countries = {each["code"]: each for each in (await meta(radio))["countries"]}
    assert len(countries) == 250
    germany = countries["DE"]
    assert germany["name"] == "Germany"
    assert germany["lines"] == ["street_address", "postal_code", "city"]
    assert germany["required_lines"] == ["street_address", "postal_code", "city"]
    assert re.fullmatch(germany["postal_code"]["pattern"], "10115")
    assert not re.fullmatch(germany["postal_code"]["pattern"], "1011")
    assert "country_area" in countries["US"]["required_lines"]
    assert countries["UG"]["postal_code"] is None
    assert countries["UG"]["required_lines"] == ["street_address", "city"]
    for each in countries.values():
        postal = each["postal_code"]
        if postal is not None and postal["example"] is not None:
            assert re.fullmatch(postal["pattern"], postal["example"]), each


async def test_codes_have_names(radio: Organization) -> None:
    found = await meta(radio)
    digits = {each["code"]: each["digits"] for each in found["currencies"]}
    assert (digits["EUR"], digits["JPY"], digits["KWD"]) == (2, 0, 3)
    assert {"code": "sw", "name": "Swahili (macrolanguage)"} in found["languages"]
    assert "Africa/Kampala" in found["time_zones"]
    assert found["locales"] == ["en"]


async def test_presets_and_catalogues_lead_on(radio: Organization) -> None:
    found = await meta(radio, "presenter")
    radio_preset = next(each for each in found["presets"] if each["key"] == "radio")
    assert radio_preset["types"][0]["key"] == "prospect"
    assert [t["key"] for t in radio_preset["types"] if t["derived_only"]] == [
        "active_advertiser",
        "past_advertiser",
    ]
    assert len(found["catalogues"]) == 7
    for each in found["catalogues"]:
        assert (await radio.call("presenter", "GET", each["href"])).status_code == 200


async def test_key_that_reads_one_group_sees_that_group_alone(radio: Organization) -> None:
    body = {"name": "Names only", "scopes": ["clients.name:read"]}
    made = await radio.call("admin", "POST", "/v1/api-keys", json=body)
    headers = {"Authorization": f"Bearer {made.json()['key']}"}
    found = (await radio.api.get("/v1/meta", headers=headers)).json()
    assert [f["name"] for f in found["resources"].pop("clients")["fields"]] == ["kind", "name"]
    assert found["resources"] == {}
    assert found["catalogues"] == []


async def test_copy_is_good_for_everybody_of_the_role(
    radio: Organization, other: Organization
) -> None:
    answer = await radio.call("manager", "GET", "/v1/meta")
    assert answer.headers["cache-control"] == "private, no-cache"
    headers = {"If-None-Match": answer.headers["etag"]}
    assert (await radio.call("manager", "GET", "/v1/meta", headers=headers)).status_code == 304
    assert (await other.call("manager", "GET", "/v1/meta", headers=headers)).status_code == 304
    assert (await radio.call("front_desk", "GET", "/v1/meta", headers=headers)).status_code == 200
