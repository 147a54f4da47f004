"""The import of an export changes nothing: whatever the records, in each format."""

import csv
import io
import secrets
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_api.clients.schemas import Client
from crm_api.imports.bodies import BodyMaker
from crm_api.imports.mapping import suggest
from crm_api.kit.cells import columns_of, row_of
from tests.api.imports.lists import clients, sent, taken
from tests.api.imports.test_rights import become
from tests.factories import Organization
from tests.unit.imports.test_mapping import KNOWN

RICH: dict[str, Any] = {
    "type": "partner",
    "status_reason": 'It = asked, for "more"',
    "industry": "hospitality",
    "stage": "growing",
    "business_size": "small",
    "potential": "high",
    "last_reviewed_on": "2024-11-30",
    "products_services": "First line\nsecond line",
    "website": "https://there.example/a?b=c&d",
    "social_profiles": [{"network": "x", "url": "https://x.example/there"}],
    "source": "referral",
    "target_audience": "+ everybody",
    "operating_hours": [{"days": ["mon", "tue"], "opens": "08:00", "closes": "17:00"}],
    "time_zone": "Africa/Kampala",
    "languages": ["en", "lg"],
    "emails": [{"address": "a@there.example", "label": "work"}, "b@there.example"],
    "phones": ["0772 123456", {"e164": "+256772123457", "extension": "12", "is_primary": True}],
    "sites": [
        {"kind": "physical", "country_code": "UG", "city": "Jinja", "street_address": "1; Rd."},
        {"kind": "mailing", "label": "Box", "notes": "two\nlines", "is_primary": True},
    ],
    "contacts": [{"contact": {"name": "Ada"}, "roles": ["billing"]}, {"contact": {"name": "Ben"}}],
    "preferences": {"channels": ["sms"], "do_not_contact": True},
    "notification_settings": {"billing": ["email"]},
    "service": {"sla": "Gold; or more"},
    "registration_country": "UG",
    "registration_number": "80020001234567",
    "tax_numbers": [{"country": "DE", "type": "other", "value": "x-1"}],
    "tags": ["vip", "a__b"],
    "remarks": "'=1+1",
    "attributes": {"shoe_size": "44", "a.b": "-c"},
    "billing_details": {"legal_name": "There & Co", "purchase_order_required": True},
    "credit_limit": {"amount": "1000.50", "currency": "USD"},
    "payment_terms_days": 0,
    "external_refs": [{"source": "old", "id": "1", "version": 3}, {"source": "b", "id": "2"}],
    "registered_on": "2024-01-31",
}


async def exported(radio: Organization, form: str, query: str = "", role: str = "manager") -> bytes:
    answer = await radio.call(role, "GET", f"/v1/clients/export?format={form}{query}")
    assert answer.status_code == 200, answer.text
    return answer.content


async def furnish(radio: Organization) -> list[dict[str, Any]]:
    """Clients of every kind of content: full, bare, of signs of formulas, with an override."""
    await radio.create_client(name="=Rich & Co", **RICH)
    await radio.create_client(name="Bare")
    for sign in ("=", "+", "-", "@", "'=", "''", "\uff1d", '"'):
        await radio.create_client(name=f"{sign}x{secrets.token_hex(3)}", remarks=f"{sign}1;2, 3")
    person: dict[str, Any] = {"kind": "individual", "phones": ["0772 123499"], "emails": []}
    await radio.create_client(name="Grace Atim", **person)
    held = await radio.create_client(name="Held", status="active", type="partner")
    override = {"value": "active_advertiser", "reason": "Signed"}
    path = f"/v1/clients/{held['id']}/overrides/type"
    answer = await radio.call("admin", "PUT", path, json=override)
    assert answer.status_code == 200, answer.text
    return await clients(radio, "sort=number")


@pytest.mark.parametrize("form", ["csv", "xlsx"])
async def test_the_import_of_an_export_changes_nothing(radio: Organization, form: str) -> None:
    before = await furnish(radio)
    found = await sent(radio, await exported(radio, form), name=f"clients.{form}")
    assert (found.document["mode"], found.document["match_by"]) == ("update", "number")
    assert all(column["target"] for column in found.document["columns"])
    await found.run()
    assert await found.counts() == {"unchanged": len(before)}, await found.reasons()
    assert await clients(radio, "sort=number") == before


async def test_what_a_role_reads_it_brings_back_unchanged(radio: Organization) -> None:
    before = await furnish(radio)
    scopes = [f"clients.{g}:read" for g in ("identity", "name", "profile", "reach", "finance")]
    rights = ["clients:export", "clients:import", "imports.import:read_own"]
    role = await become(radio, *scopes, *rights, "operations.operation:read_own")
    content = await exported(radio, "csv", role=role)
    found = await taken(radio, content, name="mine.csv", role=role)
    assert await found.counts() == {"unchanged": len(before)}, await found.reasons()
    assert await clients(radio, "sort=number") == before


async def test_an_edited_export_changes_what_was_edited(radio: Organization) -> None:
    await furnish(radio)
    query = "&fields=number,name,emails,remarks,credit_limit,created_at,industry"
    text = (await exported(radio, "csv", query)).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    bare = next(row for row in rows if row["name"] == "Bare")
    bare |= {"remarks": "Edited", "credit_limit": "5", "credit_limit_currency": "UGX"}
    bare["emails"] += "; second@bare.example"
    rich = next(row for row in rows if "Rich" in row["name"])
    rich["created_at"] = "2020-01-01T00:00:00.000000Z"
    held = io.StringIO()
    writer = csv.DictWriter(held, list(bare))
    writer.writeheader()
    writer.writerows(rows)
    found = await taken(radio, held.getvalue(), name="clients.csv")
    counts = await found.counts()
    assert counts == {"updated": 1, "invalid": 1, "unchanged": len(rows) - 2}
    assert [(c, code) for _, _, c, code in await found.reasons()] == [
        ("created_at", "read_only_field")
    ]
    (after,) = await clients(radio, "name=Bare")
    assert after["remarks"] == "Edited"
    assert after["credit_limit"] == {"amount": "5", "currency": "UGX"}
    assert [e["address"] for e in after["emails"]][1:] == ["second@bare.example"]


async def test_an_export_that_is_out_of_date_says_so(radio: Organization) -> None:
    there = await radio.create_client(name="There")
    content = await exported(radio, "csv")
    path = f"/v1/clients/{there['id']}"
    await radio.call("admin", "PATCH", path, json={"remarks": "Since"})
    found = await taken(radio, content, name="clients.csv")
    assert [(c, code) for _, _, c, code in await found.reasons()] == [
        ("updated_at", "version_conflict")
    ]


async def test_an_export_makes_the_clients_of_another_organization(
    radio: Organization, other: Organization
) -> None:
    await furnish(radio)
    content = await exported(radio, "csv")
    found = await sent(other, content, name="clients.csv", mode="create")
    await found.set(mapping={"contacts": "ignore"})
    await found.run()
    made = {client["name"]: client for client in await clients(other, "sort=number")}
    rich = made["=Rich & Co"]
    for name in ("emails", "phones", "sites"):
        assert len(rich[name]) == len(RICH[name])
    assert rich["remarks"] == RICH["remarks"]
    assert rich["credit_limit"] == RICH["credit_limit"]
    # What only an override can say is said to be so.
    assert [code for *_, code in await found.reasons()] == ["derived_value"]


TEXTS = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=20).filter(
    lambda text: text == text.strip()
)


@settings(max_examples=200, deadline=None)
@given(
    name=TEXTS,
    remarks=st.none() | TEXTS,
    tags=st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True), unique=True, max_size=4),
    payment_terms_days=st.none() | st.integers(0, 3650),
    attributes=st.dictionaries(st.from_regex(r"[a-z]{1,5}", fullmatch=True), TEXTS, max_size=3),
    service=st.fixed_dictionaries({"sla": st.none() | TEXTS}),
)
def test_every_text_comes_back_from_its_cells(**document: Any) -> None:
    columns = columns_of(Client, document)
    header = [title for column in columns for title in column.titles] + ["number"]
    row = [*row_of(columns, document), "C-000001"]
    found = suggest(header, [row], KNOWN)
    body = BodyMaker(found, "list", "UGX", {}).body(row).values
    assert body == {n: value for n, value in document.items() if value not in (None, [], {})}
