"""Creating clients: what is taken, what follows, what is refused, and in which order."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest

from tests.checks import Owner, change_count, codes, pointers, refused
from tests.factories import Establish, Organization

LISTS = (
    "external_refs", "social_profiles", "operating_hours", "languages", "emails", "phones",
    "sites", "contacts", "tax_numbers", "tags",
)  # fmt: skip


def complete(organization: Organization) -> dict[str, Any]:
    """Everything that a manager may say of a client, in the form in which it is answered."""
    return {
        "kind": "organization",
        "name": "Nile Breweries Ltd",
        "registered_on": "2025-11-30",
        "external_refs": [{"source": "billing", "id": "A-17", "version": 3}],
        "type": "partner",
        "status": "active",
        "status_reason": "Signed",
        "industry": "hospitality",
        "stage": "growing",
        "stage_reason": "Two new outlets",
        "business_size": "large",
        "service_tier": "premium",
        "region": "east",
        "owner_id": str(organization.user_ids["manager"]),
        "potential": "high",
        "products_services": "Beer and soda",
        "website": "https://nile.example.com/",
        "social_profiles": [{"network": "facebook", "url": "https://facebook.com/nile"}],
        "source": "referral",
        "source_detail": "From the fair",
        "target_audience": "Adults",
        "operating_hours": [{"days": ["mon", "tue"], "opens": "08:30", "closes": "17:00"}],
        "time_zone": "Africa/Kampala",
        "languages": ["en", "lg"],
        "preferences": {
            "channels": ["email", "whatsapp"],
            "do_not_contact": False,
            "contact_times": "Mornings",
            "language": "en",
            "response_expectation": "Same day",
        },
        "notification_settings": {
            "job_status": ["sms"],
            "appointment": ["email"],
            "completion": [],
            "billing": ["email", "post"],
            "emergency": ["phone"],
        },
        "service": {
            "sla": "Gold",
            "response_time_hours": 4,
            "special_requirements": "Badge at the gate",
            "handling_instructions": "Ask for the duty manager",
            "equipment": "Two mixers",
            "emergency_procedure": "Call the plant",
        },
        "registration_country": "UG",
        "registration_number": "80020001234567",
        "tax_numbers": [{"country": "UG", "type": "tin", "value": "1000123456"}],
        "tags": ["vip", "beverages"],
        "remarks": "Prefers to meet in the morning",
        "attributes": {"fleet.size": "40"},
        "billing_details": {
            "legal_name": "Nile Breweries Limited",
            "site_id": None,
            "email": "ap@nile.example.com",
            "purchase_order_required": True,
            "reference": "PO-9",
        },
        "credit_limit": {"amount": "1500000", "currency": "UGX"},
        "payment_terms_days": 30,
    }


async def test_quick_form_is_enough(radio: Organization) -> None:
    """C1, C4: a name and one way to be reached; number, type and dates come from the system."""
    made = await radio.create_client(name="Kampala Coffee Ltd", emails=["hello@kc.example.com"])
    assert UUID(made["id"]).version == 7
    assert made["number"] == "C-000001"
    assert (made["kind"], made["lifecycle"]) == ("organization", "live")
    assert (made["type"], made["status"], made["profile_state"]) == (
        "prospect",
        "prospect",
        "draft",
    )
    assert made["registered_on"] == str(datetime.now(ZoneInfo("Africa/Kampala")).date())
    assert made["emails"][0]["address"] == "hello@kc.example.com"
    assert (await radio.create_client())["number"] == "C-000002"


async def test_answer_is_the_resource_with_location_and_etag(radio: Organization) -> None:
    body = {"name": "Kampala Coffee", "phones": ["+256772123456"]}
    answer = await radio.call("manager", "POST", "/v1/clients", json=body)
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v1/clients/{answer.json()['id']}"
    read = await radio.call("manager", "GET", answer.headers["location"])
    assert read.json() == answer.json()
    assert read.headers["etag"] == answer.headers["etag"]
    assert not answer.headers["etag"].startswith("W/")


async def test_readable_keys_are_always_there_and_lists_are_never_null(
    radio: Organization,
) -> None:
    made = await radio.create_client()
    assert all(isinstance(made[name], list) for name in LISTS)
    assert made["attributes"] == {}
    assert made["preferences"] == {
        "channels": [],
        "do_not_contact": False,
        "contact_times": None,
        "language": None,
        "response_expectation": None,
    }
    assert made["credit_limit"] is None
    assert made["primary_contact"] is None


async def test_complete_form_is_answered_as_it_was_sent(radio: Organization) -> None:
    referrer = await radio.create_client()
    sent = complete(radio) | {"referred_by_id": referrer["id"], "last_reviewed_on": "2026-01-31"}
    made = await radio.create_client("manager", **sent)
    # The pair of the stage is the field (C13).
    sent["attributes"]["stage"] = sent["stage"]
    assert {name: made[name] for name in sent if name != "emails"} == {
        name: value for name, value in sent.items() if name != "emails"
    }
    assert made["review_due_on"] == "2026-04-30"


async def test_review_is_due_three_months_after_registration(radio: Organization) -> None:
    """C12, of which the date belongs to the record: the end of a shorter month clamps it."""
    made = await radio.create_client("manager", registered_on="2025-11-30")
    assert made["review_due_on"] == "2026-02-28"


@pytest.mark.parametrize(
    ("presets", "kind", "status"),
    [
        (["radio"], "prospect", "prospect"),
        (["jobs"], "customer", "active"),
        (["bookings"], "customer", "active"),
        (["recruitment"], "prospect", "prospect"),
        (["relationship"], "prospect", "prospect"),
        (["jobs", "radio"], "customer", "active"),
        (["radio", "jobs"], "prospect", "prospect"),
    ],
)
async def test_type_and_status_begin_as_the_first_preset_says(
    establish: Establish, presets: list[str], kind: str, status: str
) -> None:
    """C2"""
    organization = await establish(*presets)
    made = await organization.create_client()
    assert (made["type"], made["status"]) == (kind, status)


@pytest.mark.parametrize(
    ("kind", "level"),
    [("prospect", "high"), ("partner", "high"), ("community_organization", "medium")],
)
async def test_engagement_level_follows_the_type(
    radio: Organization, kind: str, level: str
) -> None:
    """C3"""
    made = await radio.create_client(type=kind)
    assert made["engagement_level"] == level
    assert made["status"] == ("prospect" if kind == "prospect" else "active")


async def test_front_desk_may_name_the_default_type_and_no_other(radio: Organization) -> None:
    made = await radio.create_client("front_desk", type="prospect")
    assert made["type"] == "prospect"
    body = {"name": "Other", "emails": ["o@example.com"], "type": "partner"}
    answer = await radio.call("front_desk", "POST", "/v1/clients", json=body)
    assert pointers(refused(answer, 403, "field_not_writable")) == {"/type"}


async def test_every_sent_field_that_the_role_may_not_write_is_named(
    radio: Organization, owner: Owner
) -> None:
    """G7: all at once, before any fault of content, and nothing is applied."""
    before = await change_count(owner, radio.organization_id)
    body = {
        "name": "",
        "status": "active",
        "credit_limit": {"amount": "1", "currency": "UGX"},
        "owner_id": "not an id",
        "registered_on": "2026-01-01",
        "no_such_field": 1,
    }
    answer = await radio.call("front_desk", "POST", "/v1/clients", json=body)
    problem = refused(answer, 403, "field_not_writable")
    assert pointers(problem) == {"/status", "/credit_limit", "/owner_id", "/registered_on"}
    assert "not an id" not in answer.text
    assert await change_count(owner, radio.organization_id) == before


async def test_presenter_creates_nothing(radio: Organization) -> None:
    answer = await radio.call("presenter", "POST", "/v1/clients", json={"nonsense": True})
    refused(answer, 403, "forbidden")


@pytest.mark.parametrize("name", ["id", "number", "lifecycle", "profile_state", "type_status"])
async def test_system_fields_cannot_be_set(radio: Organization, name: str) -> None:
    """G3, G7: writable by no role."""
    body = {"name": "A", "emails": ["a@example.com"], name: "live"}
    answer = await radio.call("admin", "POST", "/v1/clients", json=body)
    assert codes(refused(answer, 422, "read_only_field")) == {f"/{name}": "read_only_field"}


@pytest.mark.parametrize(
    "body",
    [
        {"name": "Nobody to reach"},
        {"name": "An address is none", "sites": [{"city": "Jinja", "country_code": "UG"}]},
        {"name": "A person alone is none", "contacts": [{"contact": {"name": "Ada"}}]},
        {"name": "Empty lists", "emails": [], "phones": []},
    ],
)
async def test_a_way_to_be_reached_is_required(radio: Organization, body: dict[str, Any]) -> None:
    """C4"""
    answer = await radio.call("admin", "POST", "/v1/clients", json=body)
    refused(answer, 422, "contact_method_required")


@pytest.mark.parametrize("reach", [{"emails": ["ada@x.example.com"]}, {"phones": ["0772123456"]}])
async def test_a_new_persons_address_is_a_way_to_be_reached(
    radio: Organization, reach: dict[str, Any]
) -> None:
    """C4: on the client or on a contact in the same request."""
    body = {"name": "By a person", "contacts": [{"contact": {"name": "Ada"} | reach}]}
    answer = await radio.call("front_desk", "POST", "/v1/clients", json=body)
    assert answer.status_code == 201, answer.text
    assert answer.json()["primary_contact"]["roles"] == ["primary"]


async def test_every_fault_is_told_at_once(radio: Organization, owner: Owner) -> None:
    before = await change_count(owner, radio.organization_id)
    body = {
        "name": "   ",
        "emails": ["no address"],
        "phones": ["12"],
        "website": "ftp://files.example.com",
        "industry": "no_such_industry",
        "payment_terms_days": -1,
        "registration_country": "ZZ",
        "surprise": 1,
    }
    answer = await radio.call("admin", "POST", "/v1/clients", json=body)
    problem = refused(answer, 422, "invalid")
    assert pointers(problem) == {
        "/name",
        "/emails/0",
        "/phones/0",
        "/website",
        "/industry",
        "/payment_terms_days",
        "/registration_country",
        "/surprise",
    }
    assert codes(problem)["/surprise"] == "unknown_field"
    assert await change_count(owner, radio.organization_id) == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("type", "employer"),
        ("industry", "nowhere"),
        ("service_tier", "gold"),
        ("region", "moon"),
        ("source", "dream"),
        ("business_size", "tiny"),
        ("potential", "none"),
        ("stage", "ripe"),
        ("languages", ["english please"]),
        ("time_zone", "Mars/Olympus"),
        ("credit_limit", {"amount": "1.234", "currency": "EUR"}),
        ("credit_limit", {"amount": 5, "currency": "EUR"}),
        ("attributes", {"Bad Key": "x"}),
        ("tags", ["Two Words"]),
        ("operating_hours", [{"days": ["someday"], "opens": "08:00", "closes": "09:00"}]),
        ("social_profiles", [{"network": "x", "url": "javascript:alert(1)"}]),
        ("tax_numbers", [{"country": "DE", "type": "vat", "value": "DE136695977"}]),
        ("notification_settings", {"billing": ["pigeon"]}),
        ("last_reviewed_on", "2026-02-30"),
    ],
)
async def test_unknown_and_malformed_values_are_refused(
    radio: Organization, field: str, value: Any
) -> None:
    """C5, and catalogues: unknown keys are 422."""
    body = {"name": "A", "emails": ["a@example.com"], field: value}
    answer = await radio.call("admin", "POST", "/v1/clients", json=body)
    assert answer.status_code == 422, answer.text
    assert all(p.startswith(f"/{field}") for p in pointers(answer.json())), answer.text


async def test_references_lead_to_records_of_this_organization_only(
    radio: Organization, other: Organization
) -> None:
    """G6: a foreign id is as unknown as a random one."""
    foreign = await other.create_client()
    for field, ids in {
        "owner_id": (str(other.user_ids["manager"]), str(uuid4())),
        "referred_by_id": (foreign["id"], str(uuid4())),
    }.items():
        answers = []
        for n, value in enumerate(ids):
            body = {"name": f"A {field} {n}", "emails": ["a@example.com"], field: value}
            answer = await radio.call("admin", "POST", "/v1/clients", json=body)
            assert pointers(answer.json()) == {f"/{field}"}
            answers.append(answer.json() | {"request_id": ""})
        assert answers[0] == answers[1]
        assert answers[0]["status"] == 422


@pytest.mark.parametrize(
    ("kind", "status", "accepted"),
    [
        ("prospect", "prospect", True),
        ("prospect", "on_hold", True),
        ("prospect", "inactive", True),
        ("prospect", "active", False),
        ("partner", "active", True),
        ("partner", "on_hold", True),
        ("partner", "inactive", True),
        ("partner", "prospect", False),
        ("community_organization", "inactive", True),
        ("community_organization", "prospect", False),
    ],
)
async def test_a_type_takes_its_own_statuses(
    radio: Organization, kind: str, status: str, accepted: bool
) -> None:
    body = {"name": "A", "emails": ["a@example.com"], "type": kind, "status": status}
    answer = await radio.call("manager", "POST", "/v1/clients", json=body)
    assert answer.status_code == (201 if accepted else 422), answer.text


@pytest.mark.parametrize("kind", ["active_advertiser", "past_advertiser"])
async def test_derived_types_cannot_be_sent(radio: Organization, kind: str) -> None:
    body = {"name": "A", "emails": ["a@example.com"], "type": kind}
    answer = await radio.call("admin", "POST", "/v1/clients", json=body)
    assert pointers(refused(answer, 422, "derived_value")) == {"/type"}


async def test_billing_site_is_one_of_the_clients_own(radio: Organization) -> None:
    made = await radio.create_client(sites=[{"kind": "billing", "city": "Jinja"}])
    path = f"/v1/clients/{made['id']}"
    own = {"billing_details": {"site_id": made["sites"][0]["id"]}}
    assert (await radio.call("admin", "PATCH", path, json=own)).status_code == 200
    strange = {"billing_details": {"site_id": str(uuid4())}}
    answer = await radio.call("admin", "PATCH", path, json=strange)
    assert pointers(answer.json()) == {"/billing_details/site_id"}


async def test_invoices_go_to_an_address_that_can_be_one(radio: Organization) -> None:
    body = {"name": "Acme", "emails": ["info@example.com"], "billing_details": {"email": "nobody"}}
    answer = await radio.call("admin", "POST", "/v1/clients", json=body)
    assert codes(refused(answer, 422, "invalid")) == {"/billing_details/email": "invalid_email"}
