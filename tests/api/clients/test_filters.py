"""Filters of the client list: every one with every operator, and what is no filter."""

from typing import Any

import pytest

from tests.checks import refused
from tests.factories import Organization


async def found(organization: Organization, query: dict[str, Any], role: str = "admin") -> set[str]:
    answer = await organization.call(role, "GET", "/v1/clients", params=query)
    assert answer.status_code == 200, answer.text
    return {row["name"] for row in answer.json()["data"]}


@pytest.fixture
async def three(radio: Organization) -> Organization:
    """Three clients that differ in everything: Alpha is full, Beta differs, Gamma is bare."""
    owner = str(radio.user_ids["manager"])
    await radio.create_client(
        name="Alpha 100% Ltd",
        type="partner",
        status="active",
        registered_on="2026-01-10",
        industry="hospitality",
        stage="growing",
        business_size="small",
        service_tier="standard",
        region="north",
        owner_id=owner,
        potential="low",
        source="referral",
        last_reviewed_on="2026-02-01",
        tags=["vip", "press"],
        attributes={"fleet.size": "40", "colour": "red"},
        credit_limit={"amount": "1000", "currency": "UGX"},
        sites=[
            {"kind": "physical", "country_code": "UG", "city": "Jinja", "street_address": "Plot 1"}
        ],
        emails=["Info@alpha.example.com", "hi@bücher.example"],
        phones=["0772123456"],
        external_refs=[{"source": "billing", "id": "A-17"}],
        contacts=[{"contact": {"name": "Ada"}}],
    )
    await radio.create_client(
        name="Beta_Works",
        kind="individual",
        status="on_hold",
        registered_on="2026-03-10",
        industry="retail",
        stage="mature",
        business_size="large",
        service_tier="premium",
        region="south",
        owner_id=str(radio.user_ids["admin"]),
        potential="high",
        source="website",
        last_reviewed_on="2026-04-01",
        tags=["press"],
        attributes={"fleet.size": "41"},
        credit_limit={"amount": "2000.50", "currency": "UGX"},
        sites=[{"kind": "billing", "country_code": "KE", "city": "NAIROBI"}],
        emails=["beta@beta.example.com"],
        phones=["+254712345678"],
        external_refs=[{"source": "erp", "id": "A-17"}, {"source": "erp", "id": "B-1"}],
    )
    await radio.create_client(
        name="Gamma", registered_on="2026-05-10", emails=["gamma@gamma.example.com"]
    )
    return radio


A, B, C = "Alpha 100% Ltd", "Beta_Works", "Gamma"

CASES: list[tuple[dict[str, Any], set[str]]] = [
    ({"kind": "individual"}, {B}),
    ({"kind[ne]": "individual"}, {A, C}),
    ({"name": "ALPHA  100% ltd."}, {A}),
    ({"name[ne]": "gamma"}, {A, B}),
    ({"name[in]": "gamma,beta works"}, {B, C}),
    ({"name[contains]": "a"}, {A, B, C}),
    ({"name[contains]": "HA 10"}, {A}),
    ({"name[starts_with]": "bet"}, {B}),
    ({"type": "partner"}, {A}),
    ({"type": ["partner", "prospect"]}, {A, B, C}),
    ({"type[ne]": "partner"}, {B, C}),
    ({"type[in]": "partner,past_advertiser"}, {A}),
    ({"status": "on_hold"}, {B}),
    ({"status": ["active", "prospect"]}, {A, C}),
    ({"industry": "retail"}, {B}),
    ({"industry[ne]": "retail"}, {A, C}),
    ({"industry[is_null]": "true"}, {C}),
    ({"industry[is_null]": "false"}, {A, B}),
    ({"stage": "growing"}, {A}),
    ({"stage[ne]": ["growing", "mature"]}, {C}),
    ({"stage[is_null]": "true"}, {C}),
    ({"business_size": "large"}, {B}),
    ({"business_size[in]": "small,large"}, {A, B}),
    ({"service_tier": "premium"}, {B}),
    ({"service_tier[is_null]": "true"}, {C}),
    ({"region": "north"}, {A}),
    ({"region[is_null]": "false"}, {A, B}),
    ({"owner_id": "manager"}, {A}),
    ({"owner_id[ne]": "manager"}, {B, C}),
    ({"owner_id[is_null]": "true"}, {C}),
    ({"potential": "high"}, {B}),
    ({"potential[is_null]": "true"}, {C}),
    ({"source": "referral"}, {A}),
    ({"source[is_null]": "true"}, {C}),
    ({"tags": "vip"}, {A}),
    ({"tags": ["vip", "press"]}, {A, B}),
    ({"tags[ne]": "vip"}, {B, C}),
    ({"tags[in]": "vip,none"}, {A}),
    ({"attributes.fleet.size": "40"}, {A}),
    ({"attributes.fleet.size": ["40", "41"]}, {A, B}),
    ({"attributes.colour[ne]": "red"}, {B, C}),
    ({"profile_state": "complete"}, {A}),
    ({"profile_state": "draft"}, {B, C}),
    ({"registered_on": "2026-03-10"}, {B}),
    ({"registered_on[gt]": "2026-03-10"}, {C}),
    ({"registered_on[gte]": "2026-03-10"}, {B, C}),
    ({"registered_on[lt]": "2026-03-10"}, {A}),
    ({"registered_on[lte]": "2026-03-10"}, {A, B}),
    ({"registered_on[gte]": "2026-02-01", "registered_on[lt]": "2026-04-01"}, {B}),
    ({"last_activity_at[is_null]": "true"}, {A, B, C}),
    ({"last_activity_at[gte]": "2020-01-01T00:00:00Z"}, set()),
    ({"review_due_on[lt]": "2026-06-01"}, {A}),
    ({"review_due_on[gte]": "2026-07-01"}, {B, C}),
    ({"created_at[gte]": "2020-01-01T00:00:00Z"}, {A, B, C}),
    ({"created_at[lt]": "2020-01-01T00:00:00Z"}, set()),
    ({"updated_at[gt]": "2020-01-01T00:00:00Z"}, {A, B, C}),
    ({"credit_limit": "1000", "currency": "UGX"}, {A}),
    ({"credit_limit[gte]": "1000", "currency": "UGX"}, {A, B}),
    ({"credit_limit[gt]": "1000.00", "currency": "ugx"}, {B}),
    ({"credit_limit[lte]": "2000.5", "currency": "UGX"}, {A, B}),
    ({"credit_limit[gte]": "1", "currency": "USD"}, set()),
    ({"credit_limit[is_null]": "true"}, {C}),
    ({"credit_limit[is_null]": "false"}, {A, B}),
    ({"country_code": "ug"}, {A}),
    ({"country_code": ["UG", "KE"]}, {A, B}),
    ({"country_code[ne]": "UG"}, {B, C}),
    ({"city": "jinja"}, {A}),
    ({"city[starts_with]": "Nai"}, {B}),
    ({"city[contains]": "ROB"}, {B}),
    ({"emails": "INFO@alpha.example.com"}, {A}),
    ({"emails": "hi@bücher.example"}, {A}),
    ({"emails": "hi@xn--bcher-kva.example"}, {A}),
    ({"emails[contains]": "@BETA."}, {B}),
    ({"emails[starts_with]": "gam"}, {C}),
    ({"emails[ne]": "gamma@gamma.example.com"}, {A, B}),
    ({"phones": "+256772123456"}, {A}),
    ({"phones": "+256 772 123456"}, {A}),
    ({"phones[contains]": "71234"}, {B}),
    ({"phones[starts_with]": "+254"}, {B}),
    ({"external_refs": "A-17"}, {A, B}),
    ({"external_refs": "erp:A-17"}, {B}),
    ({"external_refs[ne]": "billing:A-17"}, {B, C}),
    ({"lifecycle": "live"}, {A, B, C}),
    ({"lifecycle": "archived"}, set()),
]


async def test_every_filter_finds_what_it_says(three: Organization) -> None:
    wrong = []
    for query, expected in CASES:
        sent = {
            key: str(three.user_ids[value])
            if key.startswith("owner_id") and value in three.tokens
            else value
            for key, value in query.items()
        }
        answer = await found(three, sent)
        if answer != expected:
            wrong.append((query, answer, expected))
    assert wrong == []


async def test_keys_are_joined_by_and_values_by_or(three: Organization) -> None:
    assert await found(three, {"tags": ["vip", "press"], "kind": "organization"}) == {A}
    assert await found(three, {"tags": "press", "industry": "retail"}) == {B}
    assert await found(three, {"tags": "vip", "industry": "retail"}) == set()


@pytest.mark.parametrize("sign", ["%", "_"])
async def test_wildcards_of_sql_are_letters_here(three: Organization, sign: str) -> None:
    """Where the name's key keeps no sign, it is a space."""
    assert await found(three, {"emails[contains]": f"a{sign}b"}) == set()
    assert await found(three, {"emails[starts_with]": sign}) == set()
    assert await found(three, {"city[contains]": sign}) <= {A, B}
    assert await found(three, {"attributes.colour": f"r{sign}d"}) == set()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"nonsense": "1"}, "unknown_parameter"),
        ({"website": "https://x.example.com"}, "not_filterable"),
        ({"number": "C-000001"}, "not_filterable"),
        ({"name[like]": "x"}, "invalid_operator"),
        ({"name[gt]": "x"}, "invalid_operator"),
        ({"name[": "x"}, "invalid_operator"),
        ({"kind[is_null]": "true"}, "invalid_operator"),
        ({"kind": "company"}, "invalid_value"),
        ({"status": "happy"}, "invalid_value"),
        ({"registered_on": "2026-02-30"}, "invalid_value"),
        ({"registered_on": "2026-W01-1"}, "invalid_value"),
        ({"registered_on[gte]": "yesterday!"}, "invalid_value"),
        ({"registered_on[gte]": ["2026-01-01", "2026-01-02"]}, "repeated_parameter"),
        ({"created_at[gte]": "2026-01-01"}, "invalid_value"),
        ({"created_at[gte]": "2026-01-01T00:00:00"}, "invalid_value"),
        ({"owner_id": "me"}, "invalid_value"),
        ({"industry[is_null]": "1"}, "invalid_value"),
        ({"credit_limit": "1000"}, "required"),
        ({"credit_limit": "1000", "currency": "SHILLING"}, "invalid_value"),
        ({"credit_limit": "NaN", "currency": "UGX"}, "invalid_value"),
        ({"credit_limit": "1e999999999", "currency": "UGX"}, "invalid_value"),
        ({"credit_limit": "1_000", "currency": "UGX"}, "invalid_value"),
        ({"credit_limit": "1.23456", "currency": "UGX"}, "invalid_value"),
        ({"credit_limit": "999999999999999", "currency": "UGX"}, "invalid_value"),
        ({"name": ""}, "invalid_value"),
        ({"name": "a\u0001b"}, "invalid_value"),
        ({"name": "x" * 501}, "invalid_value"),
        ({"tags": [f"t{n}" for n in range(101)]}, "too_many"),
        ({"attributes": "x"}, "unknown_parameter"),
        ({"name.first": "x"}, "unknown_parameter"),
        ({"contact": "01890a5d-ac96-774b-bcce-b302099a8057"}, "unknown_parameter"),
    ],
)
async def test_what_is_no_filter_is_refused(
    radio: Organization, query: dict[str, Any], code: str
) -> None:
    """Never ignored, and never repeated."""
    answer = await radio.call("admin", "GET", "/v1/clients", params=query)
    problem = refused(answer, 422, "invalid")
    assert code in {fault["code"] for fault in problem["errors"]}, problem
    for value in query.values():
        assert not isinstance(value, str) or len(value) < 8 or value not in answer.text


async def test_a_name_of_ligatures_finds_nothing(radio: Organization) -> None:
    """One of them stands for eighteen letters; the key would be longer than any name's."""
    assert await found(radio, {"name[contains]": "\ufdfa" * 400}) == set()
    assert await found(radio, {"name": "!!!"}) == set()


async def test_all_faults_of_a_query_are_told_at_once(radio: Organization) -> None:
    query = {"nonsense": "1", "kind": "company", "limit": "0", "count": "all", "sort": "odd"}
    answer = await radio.call("admin", "GET", "/v1/clients", params=query)
    problem = refused(answer, 422, "invalid")
    assert {fault["parameter"] for fault in problem["errors"]} == set(query)


@pytest.mark.parametrize(
    ("role", "names"),
    [
        ("front_desk", ["credit_limit", "payment_terms_days", "updated_at[gt]"]),
        (
            "presenter",
            [
                "credit_limit", "credit_limit[is_null]", "emails", "phones[contains]", "city",
                "country_code", "tags", "attributes.colour", "external_refs", "owner_id",
                "potential", "region", "source", "profile_state", "registered_on[gte]",
                "review_due_on[lt]", "created_at[gt]", "last_activity_at[is_null]",
                "business_size", "service_tier", "remarks",
            ],
        ),
    ],
)  # fmt: skip
async def test_a_hidden_field_is_no_filter(
    three: Organization, role: str, names: list[str]
) -> None:
    """403 before any SQL, with the value right or wrong."""
    for name in names:
        for value in ("x", "40", "true"):
            answer = await three.call(role, "GET", "/v1/clients", params={name: value})
            problem = refused(answer, 403, "field_not_readable")
            assert [fault["parameter"] for fault in problem["errors"]] == [name]


async def test_hidden_fields_are_told_before_other_faults(radio: Organization) -> None:
    query = {"credit_limit": "1", "emails": "x", "nonsense": "1", "limit": "0"}
    answer = await radio.call("presenter", "GET", "/v1/clients", params=query)
    problem = refused(answer, 403, "field_not_readable")
    assert {fault["parameter"] for fault in problem["errors"]} == {"credit_limit", "emails"}


async def test_other_organizations_rows_are_never_found(
    three: Organization, other: Organization
) -> None:
    assert await found(other, {"name[contains]": "a"}) == set()
    assert await found(other, {"owner_id": str(three.user_ids["manager"])}) == set()


async def test_a_persons_clients_are_a_list_like_any_other(three: Organization) -> None:
    person = await three.create_contact()
    for name in ("One", "Two", "Three"):
        await three.create_client(name=name, contacts=[{"contact_id": person["id"]}])
    path = f"/v1/contacts/{person['id']}/clients"
    seen = await three.call("front_desk", "GET", path, params={"limit": 2})
    assert [row["name"] for row in seen.json()["data"]] == ["One", "Three"]
    assert seen.headers["link"].startswith(f"<{path}?")
    cursor = seen.json()["next_cursor"]
    rest = await three.call("front_desk", "GET", path, params={"cursor": cursor})
    assert [row["name"] for row in rest.json()["data"]] == ["Two"]
    query = {"name[starts_with]": "t", "fields": "name", "count": "exact"}
    narrow = (await three.call("front_desk", "GET", path, params=query)).json()
    assert narrow["data"] == [{"name": "Three"}, {"name": "Two"}]
    assert narrow["total"] == 2
    # A cursor belongs to the list that gave it.
    stray = await three.call("front_desk", "GET", "/v1/clients", params={"cursor": cursor})
    refused(stray, 400, "invalid_cursor")


async def test_a_persons_clients_are_those_that_the_caller_may_see(
    radio: Organization, other: Organization
) -> None:
    """C9: former employers stay visible; archived ones when asked for, deleted ones to admins."""
    person = await radio.create_contact()
    made = {}
    for name in ("Present", "Former", "Archived", "Deleted"):
        made[name] = await radio.create_client(name=name, contacts=[{"contact_id": person["id"]}])
    former = made["Former"]
    link = f"/v1/clients/{former['id']}/contacts/{former['contacts'][0]['id']}"
    await radio.call("admin", "PATCH", link, json={"to_on": "2026-01-01"})
    await radio.call("admin", "POST", f"/v1/clients/{made['Archived']['id']}/archive")
    await radio.call("admin", "DELETE", f"/v1/clients/{made['Deleted']['id']}")
    path = f"/v1/contacts/{person['id']}/clients"

    async def names(role: str, query: str = "") -> list[str]:
        answer = await radio.call(role, "GET", f"{path}{query}")
        assert answer.status_code == 200, answer.text
        return [row["name"] for row in answer.json()["data"]]

    assert await names("front_desk") == ["Former", "Present"]
    assert await names("front_desk", "?lifecycle=archived") == ["Archived"]
    assert await names("admin", "?lifecycle=deleted") == ["Deleted"]
    refused(await radio.call("manager", "GET", f"{path}?lifecycle=deleted"), 403, "forbidden")
    refused(await radio.call("presenter", "GET", path), 403, "forbidden")
    refused(await other.call("admin", "GET", path), 404, "not_found")
    refused(await radio.call("admin", "GET", "/v1/contacts/nonsense/clients"), 404, "not_found")
