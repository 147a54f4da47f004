"""Exports as files: the same records in every form, each cell and card as it was meant."""

import json
from typing import Any

import pytest
import vobject

from crm_api.clients.schemas import Client
from crm_api.kit.cells import columns_of
from tests.api.exports.reading import Json, export, lines_of, table_of
from tests.api.exports.reading import columns_of as cells_of
from tests.checks import refused
from tests.factories import Organization

FORMULAS = ("=1+1", "+256", "-1", "@SUM(A1)", "\uff1dcmd", "'=quoted", "'plain", "a;b", 'q"uote')


@pytest.fixture
async def filled(radio: Organization) -> Organization:
    """Clients whose texts are all that a file may stumble over."""
    for n, sign in enumerate(FORMULAS):
        await radio.create_client(
            name=f"{sign} Client {n}",
            remarks=f"{sign}\nsecond line, with comma\n\ttab _x000D_ é 🦆",
            phones=["+256772123456"],
            tags=["press", "vip"],
            credit_limit={"amount": "1000.50", "currency": "UGX"} if n % 2 else None,
            attributes={"size": sign},
            sites=[{"country_code": "UG", "city": sign}],
        )
    return radio


async def listed(organization: Organization, **params: str) -> list[Json]:
    answer = await organization.call(
        "admin", "GET", "/v1/clients", params={"limit": "200"} | params
    )
    data: list[Json] = answer.json()["data"]
    return data


async def test_lines_are_the_records_of_the_list(filled: Organization) -> None:
    assert lines_of(await export(filled, format="ndjson")) == await listed(filled)


async def test_table_holds_every_value_and_gives_it_back(filled: Organization) -> None:
    table = table_of(await export(filled, format="csv"))
    columns = columns_of(Client, Client.fields)
    assert table[0] == [title for column in columns for title in column.titles]
    for row, record in zip(table[1:], await listed(filled), strict=True):
        left = iter(row)
        for column in columns:
            cells = [next(left) for _ in column.titles]
            value = record[column.field]
            if column.field in ("emails", "phones"):
                key = "address" if column.field == "emails" else "e164"
                value = [item[key] for item in value]
            assert column.from_cells(cells) == (value or None if value in ([], {}) else value)


async def test_workbook_is_the_same_table(filled: Organization) -> None:
    sheet = table_of(await export(filled, format="xlsx"))
    assert sheet == table_of(await export(filled, format="csv"))


async def test_no_cell_of_a_csv_begins_as_a_formula(filled: Organization) -> None:
    answer = await export(filled, format="csv", fields="name,phones,remarks,tags")
    text = answer.content.decode("utf-8-sig")
    for start in ("=", "+", "-", "@", "\uff1d"):
        assert f"\r\n{start}" not in text
        assert f",{start}" not in text
        assert f',"{start}' not in text
    assert cells_of(table_of(answer))["phones"] == ["+256772123456"] * len(FORMULAS)


async def test_default_is_csv_and_the_names_say_what_it_is(filled: Organization) -> None:
    for params, media, suffix in (
        ({}, "text/csv; charset=utf-8", "csv"),
        ({"format": "ndjson"}, "application/x-ndjson", "ndjson"),
        (
            {"format": "xlsx"},
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            "xlsx",
        ),
    ):
        answer = await export(filled, **params)
        assert answer.headers["content-type"] == media
        name = answer.headers["content-disposition"]
        assert name.startswith('attachment; filename="clients-2')
        assert name.endswith(f'.{suffix}"')
        assert answer.headers["cache-control"] == "no-store"


async def test_fields_sort_and_filters_are_those_of_the_list(filled: Organization) -> None:
    params = {
        "fields": "number,name,credit_limit",
        "sort": "-number",
        "credit_limit[gte]": "1",
        "currency": "UGX",
    }
    answer = await export(filled, format="ndjson", **params)
    assert lines_of(answer) == await listed(filled, **params)
    table = table_of(await export(filled, **params))
    assert table[0] == ["number", "name", "credit_limit", "credit_limit_currency"]
    assert len(table) == 1 + len(FORMULAS) // 2


async def test_tree_selects_what_is_exported(filled: Organization) -> None:
    tree = {"not": {"field": "credit_limit", "op": "is_null", "value": True}}
    body = {"filter": tree, "format": "ndjson", "fields": ["name"], "sort": "name"}
    answer = await filled.call("manager", "POST", "/v1/clients/export", json=body)
    found = await filled.call(
        "manager", "POST", "/v1/clients/search", json={"filter": tree, "fields": ["name"]}
    )
    assert lines_of(answer) == found.json()["data"]
    assert len(lines_of(answer)) == len(FORMULAS) // 2
    for more in ({"limit": 5}, {"cursor": "x"}, {"expand": ["owner"]}, {"format": "pdf"}):
        answer = await filled.call("manager", "POST", "/v1/clients/export", json=body | more)
        refused(answer, 422, "invalid" if "format" in more else "unknown_field")


async def test_archived_ones_are_exported_when_asked_for(radio: Organization) -> None:
    for name in ("Live", "Archived", "Deleted"):
        made = await radio.create_client(name=name)
        if name == "Archived":
            await radio.call("admin", "POST", f"/v1/clients/{made['id']}/archive")
        if name == "Deleted":
            await radio.call("admin", "DELETE", f"/v1/clients/{made['id']}")

    async def names(role: str, **params: Any) -> list[str]:
        answer = await export(radio, role, format="ndjson", fields="name", **params)
        return [line["name"] for line in lines_of(answer)]

    assert await names("manager") == ["Live"]
    assert await names("manager", lifecycle=["live", "archived"]) == ["Archived", "Live"]
    assert await names("admin", lifecycle="deleted") == ["Deleted"]
    params = {"lifecycle": "deleted"}
    refused(
        await radio.call("manager", "GET", "/v1/clients/export", params=params), 403, "forbidden"
    )


async def test_nothing_is_a_file_too(radio: Organization) -> None:
    params = {"name": "nobody", "fields": "id,name"}
    assert table_of(await export(radio, **params)) == [["id", "name"]]
    assert table_of(await export(radio, format="xlsx", **params)) == [["id", "name"]]
    assert (await export(radio, format="ndjson", **params)).content == b""
    assert (await export(radio, of="contacts", format="vcard")).content == b""


# ------------------------------------------------------------------------------- cards


async def test_cards_are_read_by_an_address_book(radio: Organization) -> None:
    await radio.create_client(
        contacts=[
            {
                "job_title": "Head of sales; marketing",
                "contact": {
                    "name": "Ada, Nakato; Esq.\\",
                    "honorific": "Dr",
                    "emails": [{"address": "ada@example.com", "label": "work"}, "b@example.com"],
                    "phones": [{"e164": "+256772123456", "extension": "12"}],
                },
            }
        ]
    )
    await radio.create_contact(name="Okello 🦆", do_not_contact=True)
    answer = await export(radio, of="contacts", format="vcard")
    assert answer.headers["content-type"] == "text/vcard; charset=utf-8"
    cards = list(vobject.readComponents(answer.content.decode()))
    assert [card.fn.value for card in cards] == ["Ada, Nakato; Esq.\\", "Okello 🦆"]
    ada, okello = cards
    assert ada.n.value.prefix == "Dr"
    assert [line.value for line in ada.email_list] == ["ada@example.com", "b@example.com"]
    assert ada.email.params["TYPE"] == ["INTERNET", "WORK", "PREF"]
    assert ada.tel.value == "+256772123456;ext=12"
    assert ada.title.value == "Head of sales; marketing"
    assert okello.categories.value == ["do-not-contact"]
    chosen = await export(radio, of="contacts", format="vcard", fields="name,phones")
    (card, _) = vobject.readComponents(chosen.content.decode())
    assert {line.name for line in card.getChildren()} == {"VERSION", "FN", "N", "TEL"}


async def test_cards_are_of_persons_with_names(radio: Organization) -> None:
    params = {"format": "vcard", "fields": "id,emails"}
    problem = refused(
        await radio.call("admin", "GET", "/v1/contacts/export", params=params), 422, "invalid"
    )
    assert problem["errors"][0]["parameter"] == "fields"
    params = {"format": "vcard"}
    answer = await radio.call("admin", "GET", "/v1/clients/export", params=params)
    assert refused(answer, 422, "invalid")["errors"][0]["parameter"] == "format"


# --------------------------------------------------------------------------- what does not fit


async def test_cell_that_is_too_long_for_a_sheet_is_told_by_its_field(radio: Organization) -> None:
    note = "x" * 4000
    await radio.create_client(sites=[{"notes": note, "city": f"City {n}"} for n in range(9)])
    answer = await radio.call("admin", "GET", "/v1/clients/export", params={"format": "xlsx"})
    problem = refused(answer, 422, "export_too_large")
    assert "`sites`" in problem["detail"]
    assert (await radio.call("admin", "GET", "/v1/exports")).json()["data"] == []
    sites = cells_of(table_of(await export(radio, fields="name,sites")))["sites"]
    assert len(json.loads(sites[0])) == 9
    await export(radio, format="xlsx", fields="name")


@pytest.mark.parametrize(
    ("params", "parameter"),
    [
        ({"format": "pdf"}, "format"),
        ({"format": ""}, "format"),
        ({"limit": "5"}, "limit"),
        ({"cursor": "x"}, "cursor"),
        ({"expand": "owner"}, "expand"),
        ({"count": "exact"}, "count"),
        ({"colour": "red"}, "colour"),
        ({"sort": "remarks"}, "sort"),
        ({"fields": "colour"}, "fields"),
        ({"credit_limit": "5"}, "currency"),
    ],
)
async def test_faulty_parameters_are_named(
    radio: Organization, params: Json, parameter: str
) -> None:
    answer = await radio.call("admin", "GET", "/v1/clients/export", params=params)
    assert answer.status_code == 422, answer.text
    assert [fault["parameter"] for fault in answer.json()["errors"]] == [parameter]
    repeated = await radio.call("admin", "GET", "/v1/clients/export?format=csv&format=csv")
    assert repeated.status_code == 422
