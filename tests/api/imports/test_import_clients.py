"""Lists of clients: every row is imported or reported, under the manager's rights."""

import asyncio
from pathlib import Path
from typing import Any

import asyncpg
from fastapi import FastAPI

from crm_api.kit.verification import verify_log
from tests.api.imports.conftest import Import
from tests.factories import Organization

FIXTURE = Path(__file__).resolve().parents[2] / "fixtures" / "clients.csv"


async def clients(organization: Organization, query: str = "") -> list[dict[str, Any]]:
    response = await organization.call("admin", "GET", f"/v1/clients?limit=200&{query}")
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["data"]
    return found


async def one(organization: Organization, ref: str) -> dict[str, Any]:
    (found,) = await clients(organization, f"external_refs={ref}")
    return found


# --------------------------------------------------------------- what becomes of a row


async def test_every_row_is_imported_or_reported(radio: Organization, import_list: Import) -> None:
    outcome = await import_list(radio, FIXTURE, country="UG")
    assert outcome.summary.rows == sum(outcome.counts) == 20
    assert outcome.counts == (13, 2, 5)
    assert outcome.reasons == [
        (6, "name", "duplicate_name"),
        (8, "name", "invalid_text"),
        (9, "phone", "invalid_phone"),
        (13, "name", "required"),
        (14, "phone", "contact_method_required"),
        (17, "", "too_many_cells"),
        (18, "name", "duplicate_name"),
    ]
    assert len(await clients(radio)) == 13


async def test_a_reason_names_the_line_and_no_content(
    radio: Organization, import_list: Import
) -> None:
    outcome = await import_list(radio, FIXTURE, country="UG")
    first = outcome.findings[0]
    assert (first.line, first.outcome, first.field) == (7, "duplicate", "name")
    assert first.detail == "Row 1 of this file has this name."
    after_line_break = outcome.findings[2]
    assert (after_line_break.row, after_line_break.line) == (9, 11)
    told = " ".join(f.detail for f in outcome.findings).casefold()
    assert not [word for word in ("nile", "dive", "0772/12", "iganga") if word in told]


async def test_a_second_import_finds_every_row_again(
    radio: Organization, import_list: Import
) -> None:
    first = await import_list(radio, FIXTURE, country="UG")
    before = await clients(radio)
    again = await import_list(radio, FIXTURE, country="UG")
    assert again.counts == (0, first.summary.created + first.summary.duplicate, 5)
    assert again.findings[0].code == "reference_in_use"
    assert again.findings[0].detail.startswith("Client C-000001 has this reference")
    assert await clients(radio) == before


async def test_an_imported_client_is_as_complete_as_its_row(
    radio: Organization, import_list: Import
) -> None:
    await import_list(radio, FIXTURE, country="UG")
    found = await one(radio, "clients:101")
    assert found["name"] == "nile view guest house"
    assert found["external_refs"] == [{"source": "clients", "id": "101", "version": 0}]
    assert found["phones"][0]["e164"] == "+256772123401"
    assert found["industry"] == "guest_house"
    site = found["sites"][0]
    assert (site["street_address"], site["city"], site["country_code"]) == (
        "12 lubas rd.",
        "jinja",
        "UG",
    )
    assert (found["type"], found["status"], found["kind"]) == ("prospect",) * 2 + ("organization",)
    assert (found["number"], found["lifecycle"], found["profile_state"]) == (
        "C-000001",
        "live",
        "draft",
    )


async def test_an_incomplete_address_is_kept_as_incomplete(
    radio: Organization, import_list: Import
) -> None:
    text = "name,phone,addr,city\nNo Zip,310/246-1501,435 s. la cienega blv.,los angeles\n"
    await import_list(radio, text, country="US")
    (found,) = await clients(radio, "name=No Zip")
    assert found["sites"][0]["address_quality"] == "incomplete"
    assert found["phones"][0]["e164"] == "+13102461501"


async def test_extensions_and_line_breaks_survive(radio: Organization, import_list: Import) -> None:
    text = 'id,name,phone,remarks\n1,Ferries,0772/123-419 ext 12,"first\nsecond"\n'
    await import_list(radio, text)
    found = await one(radio, "list:1")
    assert (found["phones"][0]["extension"], found["remarks"]) == ("12", "first\nsecond")


# ------------------------------------------------------------------ what rows may hold


async def test_every_kind_of_column_arrives(radio: Organization, import_list: Import) -> None:
    text = (
        "id,name,email,phone,country,city,tags,credit_limit,payment_terms,website,languages,"
        "contact_name,contact_email,contact_job_title,shoe size,since\n"
        '7,Pearl Ltd,"a@pearl.example; b@pearl.example",+49 30 901820,Germany,Berlin,"VIP, new",'
        '500000,30,https://pearl.example/,"en, lg",Ada Nakato,ada@pearl.example,Owner,44,'
        "2024-02-29\n"
    )
    outcome = await import_list(
        radio, text, mapping=["shoe size=attributes.shoe_size", "since=registered_on"]
    )
    assert outcome.counts == (1, 0, 0), outcome.findings
    found = await one(radio, "list:7")
    assert [e["address"] for e in found["emails"]] == ["a@pearl.example", "b@pearl.example"]
    assert (found["phones"][0]["country"], found["sites"][0]["country_code"]) == ("DE", "DE")
    assert found["tags"] == ["vip", "new"]
    assert found["credit_limit"] == {"amount": "500000", "currency": "UGX"}
    assert (found["payment_terms_days"], found["registered_on"]) == (30, "2024-02-29")
    assert found["attributes"] == {"shoe_size": "44"}
    assert found["languages"] == ["en", "lg"]
    assert found["primary_contact"]["job_title"] == "Owner"
    contact = await radio.call("admin", "GET", f"/v1/contacts/{found['contacts'][0]['contact_id']}")
    assert contact.json()["emails"][0]["address"] == "ada@pearl.example"


async def test_a_national_number_is_read_in_the_country_of_its_row(
    radio: Organization, import_list: Import
) -> None:
    text = "name,phone,country\nBerlin,030 901820,DE\nKampala,0772 123456,UG\nHome,0772 123457,\n"
    outcome = await import_list(radio, text)
    assert outcome.counts == (3, 0, 0), outcome.findings
    found = {c["name"]: c["phones"][0]["e164"] for c in await clients(radio)}
    assert found == {
        "Berlin": "+4930901820",
        "Kampala": "+256772123456",
        "Home": "+256772123457",
    }


async def test_every_fault_of_a_row_is_told_with_its_column(
    radio: Organization, import_list: Import
) -> None:
    text = (
        "name,e-mail,telephone,country,zip,status,web,terms\n"
        "Bad,no address,12,Germany,ABC,active,ftp://x,soon\n"
        "Nul\0,a@b.example,,,,active,,\n"
    )
    outcome = await import_list(
        radio, text, mapping=["terms=payment_terms_days", "status=status", "web=website"]
    )
    assert outcome.counts == (0, 0, 2)
    assert {(f.row, f.column, f.code) for f in outcome.findings} == {
        (1, "e-mail", "invalid_email"),
        (1, "telephone", "invalid_phone"),
        (1, "zip", "invalid_postal_code"),
        (1, "web", "invalid_url"),
        (1, "terms", "int_type"),
        (1, "status", "status_not_allowed"),
        (2, "name", "invalid_text"),
        (2, "status", "status_not_allowed"),
    }


async def test_bytes_that_are_no_text_are_reported_not_replaced(
    radio: Organization, import_list: Import
) -> None:
    content = b"name,phone\nM\xfcller,0772123456\nX\x81,0772123457\n"
    outcome = await import_list(radio, content)
    assert outcome.reasons == [(2, "name", "undecodable")]
    assert [c["name"] for c in await clients(radio)] == ["Müller"]


async def test_broken_lines_are_reported_and_the_rest_imported(
    radio: Organization, import_list: Import
) -> None:
    text = 'name,phone\n"bro"ken,0772123456\nWhole,0772123457\n'
    outcome = await import_list(radio, text)
    assert outcome.reasons == [(1, "", "malformed_quotes")]
    assert outcome.counts == (1, 0, 1)


# ----------------------------------------------------------------------- rights


async def test_an_import_may_no_more_than_a_manager(
    radio: Organization, import_list: Import
) -> None:
    text = "name,phone,type\nA,0772123451,partner\nB,0772123452,active advertiser\n"
    outcome = await import_list(radio, text, mapping=["type=type"])
    assert outcome.reasons == [(2, "type", "derived_value")]
    assert (await clients(radio))[0]["type"] == "partner"


async def test_unknown_words_of_closed_catalogues_are_reported(
    radio: Organization, import_list: Import
) -> None:
    text = "name,phone,region\nA,0772123451,Busoga\n"
    outcome = await import_list(radio, text, mapping=["region=region"])
    assert outcome.reasons == [(1, "region", "unknown_catalogue_entry")]


async def test_a_deleted_holder_is_not_described(radio: Organization, import_list: Import) -> None:
    held = await radio.create_client(name="Gone Ltd", emails=["gone@example.com"])
    answer = await radio.call("admin", "DELETE", f"/v1/clients/{held['id']}")
    assert answer.status_code == 204, answer.text
    outcome = await import_list(radio, "name,email\nOther,gone@example.com\n")
    (finding,) = outcome.findings
    assert finding.code == "email_in_use_inactive"
    assert finding.detail == "A record that is not visible to you has this e-mail address."


# ------------------------------------------------------------------- duplicates


async def test_stored_clients_and_earlier_rows_are_in_the_way(
    radio: Organization, import_list: Import
) -> None:
    await radio.create_client(name="Kampala Coffee", emails=["hello@coffee.example"])
    await radio.create_contact(name="Ada", emails=["ada@coffee.example"])
    text = (
        "name,email,contact_name,contact_email\n"
        "KAMPALA COFFEE.,new@coffee.example,,\n"
        "Other,HELLO@coffee.example,,\n"
        "Third,third@coffee.example,Ada,Ada@coffee.example\n"
        "Fourth,fourth@coffee.example,Ben,ben@coffee.example\n"
        "Fifth,FOURTH@coffee.example,,\n"
        "Sixth,sixth@coffee.example,Ben,ben@coffee.example\n"
    )
    outcome = await import_list(radio, text)
    assert [(f.row, f.field, f.code) for f in outcome.findings] == [
        (1, "name", "duplicate_name"),
        (2, "emails", "email_in_use"),
        (3, "contacts", "email_in_use"),
        (5, "emails", "email_in_use"),
        (6, "contacts", "email_in_use"),
    ]
    assert outcome.findings[0].detail == "Client C-000001 has this name."
    assert outcome.findings[3].detail == "Row 4 of this file has this e-mail address."


async def test_a_refused_row_claims_nothing(radio: Organization, import_list: Import) -> None:
    await radio.create_client(name="Taken")
    text = "name,email\nTaken,free@example.com\nFresh,free@example.com\n"
    outcome = await import_list(radio, text)
    assert outcome.counts == (1, 1, 0)
    assert {c["name"] for c in await clients(radio)} == {"Taken", "Fresh"}


async def test_two_imports_at_once_create_each_client_once(
    radio: Organization, import_list: Import, tmp_path: Path, app: FastAPI
) -> None:
    rows = "\n".join(f"{n},Client {n},0772 {100 + n // 1000} {n % 1000:03}" for n in range(2500))
    path = tmp_path / "race.csv"
    path.write_text(f"id,name,phone\n{rows}\n")
    first, second = await asyncio.gather(import_list(radio, path), import_list(radio, path))
    assert first.summary.created + second.summary.created == 2500
    assert first.summary.duplicate + second.summary.duplicate == 2500
    assert not first.summary.invalid + second.summary.invalid
    report = await verify_log(app.state.db, radio.organization_id, lambda _: None)
    assert not report.findings


# ------------------------------------------------------------------ what it leaves


async def test_a_dry_run_says_the_same_and_writes_nothing(
    radio: Organization, import_list: Import, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    before = await _state(owner, radio)
    dry = await import_list(radio, FIXTURE, country="UG", dry_run=True)
    assert await _state(owner, radio) == before
    real = await import_list(radio, FIXTURE, country="UG")
    assert (dry.counts, dry.findings) == (real.counts, real.findings)
    assert dry.summary.industries == real.summary.industries


async def _state(
    owner: "asyncpg.Connection[asyncpg.Record]", organization: Organization
) -> list[Any]:
    return [
        await owner.fetchval(
            f"SELECT md5(string_agg(t::text, '' ORDER BY t::text)) FROM {table} t "
            f"WHERE {column} = $1",
            organization.organization_id,
        )
        for table, column in [
            ("heads", "organization_id"),
            ("changes", "organization_id"),
            ("clients", "organization_id"),
            ("catalogue_entries", "organization_id"),
            ("organizations", "id"),
        ]
    ]


async def test_new_industries_are_entries_that_everybody_may_use(
    radio: Organization, import_list: Import, app: FastAPI
) -> None:
    outcome = await import_list(radio, FIXTURE, country="UG")
    assert "guest_house" in outcome.summary.industries
    assert "printing" not in outcome.summary.industries  # its only row was refused
    entry = await radio.call(
        "manager", "GET", "/v1/catalogues/industries/or_0772_123_499_transport"
    )
    assert entry.json()["label"] == "or 0772/123-499 transport"
    made = await radio.create_client("manager", industry="guest_house")
    assert made["industry"] == "guest_house"
    again = await import_list(radio, "name,phone,type\nNew Inn,0772555555,Guest house\n")
    assert again.summary.industries == []


async def test_history_tells_the_system_and_one_import(
    radio: Organization, import_list: Import
) -> None:
    await import_list(radio, FIXTURE, country="UG")
    found = await clients(radio)
    entries = []
    for client in found[:2]:
        response = await radio.call("manager", "GET", f"/v1/clients/{client['id']}/history")
        (entry,) = response.json()["data"]
        entries.append(entry)
    assert {e["action"] for e in entries} == {"client.created"}
    assert {e["actor"]["type"] for e in entries} == {"system"}
    assert len({e["request_id"] for e in entries}) == 1
    assert entries[0]["request_id"].startswith("import-")
    names = {change["field"] for change in entries[0]["changes"]}
    assert {"name", "phones", "sites", "external_refs", "industry", "type"} <= names


async def test_the_log_holds_over_several_steps(
    radio: Organization, import_list: Import, app: FastAPI
) -> None:
    rows = "\n".join(f"Client {n},0772 {100 + n // 1000} {n % 1000:03}" for n in range(2100))
    outcome = await import_list(radio, f"name,phone\n{rows}\n")
    assert outcome.counts == (2100, 0, 0)
    made = await radio.create_client(name="After the import")
    assert made["number"] == "C-002101"
    report = await verify_log(app.state.db, radio.organization_id, lambda _: None)
    assert not report.findings
    assert report.entries >= 2101


async def test_numbers_follow_the_rows_of_the_file(
    radio: Organization, import_list: Import
) -> None:
    await import_list(radio, "name,phone\nZ,0772000001\nY,0772000002\nX,0772000003\n")
    found = await clients(radio, "sort=number")
    assert [c["name"] for c in found] == ["Z", "Y", "X"]


async def test_other_organizations_are_neither_seen_nor_touched(
    radio: Organization, other: Organization, import_list: Import
) -> None:
    await import_list(other, FIXTURE, country="UG")
    outcome = await import_list(radio, FIXTURE, country="UG")
    assert outcome.counts == (13, 2, 5)
    assert len(await clients(other)) == 13
