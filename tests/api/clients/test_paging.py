"""Sorting and paging of the client list: each row exactly once, nothing comes last either way."""

import asyncio
import itertools
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.checks import Owner, refused
from tests.factories import Organization

SORTS = (
    "name",
    "number",
    "registered_on",
    "last_activity_at",
    "created_at",
    "review_due_on",
    "credit_limit",
    "updated_at",
)
COUNT = 23


async def pages(
    organization: Organization, role: str = "admin", **query: Any
) -> list[list[dict[str, Any]]]:
    """Every page, by following the cursor."""
    found = []
    while True:
        answer = await organization.call(role, "GET", "/v1/clients", params=query)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        assert page["has_more"] == (page["next_cursor"] is not None)
        found.append(page["data"])
        if not page["has_more"]:
            return found
        query["cursor"] = page["next_cursor"]


@pytest.fixture
async def many(radio: Organization, owner: Owner) -> Organization:
    """Clients with ties and gaps in every sort key."""
    for n in range(COUNT):
        limit = {"amount": str(100 * (n % 4)), "currency": "UGX"} if n % 3 else None
        await radio.create_client(
            name=f"{'ABab'[n % 4]} client {n:02}",
            registered_on=f"2026-01-{1 + n % 5:02}",
            credit_limit=limit,
        )
    await owner.execute(
        "UPDATE clients SET last_activity_at = CASE WHEN number % 3 = 0 THEN NULL "
        "ELSE timestamptz '2026-01-01' + (number % 4) * interval '1 day' END "
        "WHERE organization_id = $1",
        radio.organization_id,
    )
    return radio


def sort_value(row: dict[str, Any], key: str) -> Any:
    value = row[key]
    if key == "name":
        return value.casefold()
    if key == "credit_limit" and value is not None:
        return float(value["amount"])
    return value


async def test_each_row_is_on_exactly_one_page_whatever_the_size(many: Organization) -> None:
    """Keyset paging, over every sort, both ways, and any page size."""
    whole = {
        f"{sign}{key}": (await pages(many, sort=f"{sign}{key}", limit=200))[0]
        for key, sign in itertools.product(SORTS, ("", "-"))
    }
    assert all(len({row["id"] for row in rows}) == COUNT for rows in whole.values())

    @settings(
        max_examples=25,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
    @given(sort=st.sampled_from(sorted(whole)), limit=st.integers(1, COUNT + 2))
    async def paged(sort: str, limit: int) -> None:
        found = await pages(many, sort=sort, limit=limit)
        assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
        assert 1 <= len(found[-1]) <= limit
        assert [row["id"] for page in found for row in page] == [row["id"] for row in whole[sort]]

    await asyncio.to_thread(_in_loop, paged, asyncio.get_running_loop())


def _in_loop(property_test: Any, loop: asyncio.AbstractEventLoop) -> None:
    """Hypothesis is not asynchronous: each example runs on the loop of the fixtures."""
    inner = property_test.hypothesis.inner_test
    property_test.hypothesis.inner_test = lambda **drawn: asyncio.run_coroutine_threadsafe(
        inner(**drawn), loop
    ).result(60)
    property_test()


@pytest.mark.parametrize("key", SORTS)
@pytest.mark.parametrize("sign", ["", "-"])
async def test_rows_are_in_order_ties_by_id_and_nothing_last(
    many: Organization, key: str, sign: str
) -> None:
    [rows] = await pages(many, sort=f"{sign}{key}", limit=200)
    values = [sort_value(row, key) for row in rows]
    filled = [value for value in values if value is not None]
    assert values[len(filled) :] == [None] * (len(values) - len(filled))
    assert filled == sorted(filled, reverse=bool(sign))
    for _, group in itertools.groupby(rows, key=lambda row: sort_value(row, key)):
        ids = [row["id"] for row in group]
        assert ids == sorted(ids, reverse=bool(sign))


async def test_default_order_is_the_name(many: Organization) -> None:
    """By the normalized key: neither case nor punctuation counts."""
    assert await pages(many, limit=200) == await pages(many, sort="name", limit=200)
    plain, fancy = (
        await many.create_client(name="zebra a"),
        await many.create_client(name="Zebra-B"),
    )
    tail = [row["id"] for row in (await pages(many, limit=200))[0][-2:]]
    assert tail == [plain["id"], fancy["id"]]


async def test_rows_written_meanwhile_disturb_no_page(many: Organization) -> None:
    first = await many.call("admin", "GET", "/v1/clients", params={"limit": 10})
    seen = [row["id"] for row in first.json()["data"]]
    await many.create_client(name="A")
    await many.call("admin", "DELETE", f"/v1/clients/{seen[-1]}")
    rest = await pages(many, limit=10, cursor=first.json()["next_cursor"])
    seen += [row["id"] for page in rest for row in page]
    assert len(seen) == len(set(seen)) == COUNT


async def test_link_header_leads_to_the_next_page(many: Organization) -> None:
    query = {"limit": 20, "sort": "-name", "status": "prospect", "fields": "id"}
    first = await many.call("admin", "GET", "/v1/clients", params=query)
    target, relation = first.headers["link"].split("; ")
    assert relation == 'rel="next"'
    path = target.strip("<>")
    assert parse_qs(urlsplit(path).query)["cursor"] == [first.json()["next_cursor"]]
    second = await many.call("admin", "GET", path)
    assert len(second.json()["data"]) == COUNT - 20
    assert "link" not in second.headers
    assert (second.json()["next_cursor"], second.json()["has_more"]) == (None, False)


async def test_page_size_is_fifty_unless_said_and_two_hundred_at_most(
    radio: Organization,
) -> None:
    operations = [
        {"op": "create", "body": {"name": f"Client {n}", "phones": ["0772123456"]}}
        for n in range(51)
    ]
    made = await radio.call("admin", "POST", "/v1/clients/batch", json={"operations": operations})
    assert {result["status"] for result in made.json()["results"]} == {201}
    assert [len(page) for page in await pages(radio)] == [50, 1]
    assert [len(page) for page in await pages(radio, limit=200)] == [51]
    for wrong in ("0", "201", "-1", "10_0", "1.5", "ten", "", "１"):
        answer = await radio.call("admin", "GET", "/v1/clients", params={"limit": wrong})
        refused(answer, 422, "invalid")


async def test_total_is_told_when_asked_for(many: Organization) -> None:
    plain = await many.call("admin", "GET", "/v1/clients")
    assert "total" not in plain.json()
    for count in ("capped", "exact"):
        query = {"count": count, "limit": 1, "registered_on": "2026-01-01"}
        answer = (await many.call("admin", "GET", "/v1/clients", params=query)).json()
        assert answer["total"] == 5
        query["cursor"] = answer["next_cursor"]
        again = (await many.call("admin", "GET", "/v1/clients", params=query)).json()
        assert again["total"] == 5
    answer = await many.call("admin", "GET", "/v1/clients", params={"count": "yes"})
    refused(answer, 422, "invalid")


async def test_a_capped_total_stops_at_ten_thousand(radio: Organization, owner: Owner) -> None:
    made = await radio.create_client()
    await owner.execute(
        "INSERT INTO clients SELECT copied.* FROM clients c, generate_series(2, 10050) n, "
        "jsonb_populate_record(c, jsonb_build_object('id', gen_random_uuid(), 'number', n, "
        "'identity_slot', n::text)) copied WHERE c.organization_id = $1 AND c.id = $2",
        radio.organization_id,
        made["id"],
    )
    for count, total in (("capped", 10_000), ("exact", 10_050)):
        query = {"count": count, "limit": 1}
        answer = await radio.call("admin", "GET", "/v1/clients", params=query)
        assert answer.json()["total"] == total


async def test_a_cursor_belongs_to_filter_sort_and_caller(
    many: Organization, other: Organization
) -> None:
    query = {"limit": "2", "status": "prospect"}
    first = await many.call("admin", "GET", "/v1/clients", params=query)
    cursor = first.json()["next_cursor"]
    for role, change in (
        ("admin", {"sort": "-name"}),
        ("admin", {"status": "on_hold"}),
        ("admin", {"kind": "organization"}),
        ("manager", {}),
        ("admin", {"cursor": cursor[:-4] + "AAAA"}),
        ("admin", {"cursor": "forged"}),
        ("admin", {"cursor": ""}),
        ("admin", {"cursor": "x" * 5000}),
    ):
        sent = query | {"cursor": cursor} | change
        answer = await many.call(role, "GET", "/v1/clients", params=sent)
        refused(answer, 400, "invalid_cursor")
    answer = await other.call("admin", "GET", "/v1/clients", params=query | {"cursor": cursor})
    refused(answer, 400, "invalid_cursor")
    # Projection and page size are not part of it.
    sent = {"status": "prospect", "cursor": cursor, "limit": "5", "fields": "id"}
    assert len((await many.call("admin", "GET", "/v1/clients", params=sent)).json()["data"]) == 5


async def test_a_cursor_tells_nothing_of_the_row_it_stands_at(many: Organization) -> None:
    """Sealed: the last name or amount of a page is not in it."""
    answer = await many.call("admin", "GET", "/v1/clients", params={"limit": 1})
    cursor, row = answer.json()["next_cursor"], answer.json()["data"][0]
    assert row["id"] not in cursor
    again = await many.call("admin", "GET", "/v1/clients", params={"limit": 1})
    assert again.json()["next_cursor"] != cursor


@pytest.mark.parametrize(
    ("role", "hidden"),
    [
        ("front_desk", {"credit_limit", "updated_at", "payment_terms_days"}),
        (
            "presenter",
            {
                "credit_limit",
                "updated_at",
                "registered_on",
                "last_activity_at",
                "created_at",
                "review_due_on",
                "emails",
            },
        ),
    ],
)
async def test_hidden_fields_are_no_sort(radio: Organization, role: str, hidden: set[str]) -> None:
    for name in hidden:
        for sort in (name, f"-{name}"):
            answer = await radio.call(role, "GET", "/v1/clients", params={"sort": sort})
            problem = refused(answer, 403, "field_not_readable")
            assert [fault["parameter"] for fault in problem["errors"]] == ["sort"]


@pytest.mark.parametrize("sort", ["website", "nonsense", "name,number", "--name", "", "name desc"])
async def test_what_is_no_sort_is_refused(radio: Organization, sort: str) -> None:
    answer = await radio.call("presenter", "GET", "/v1/clients", params={"sort": sort})
    problem = refused(answer, 422, "invalid")
    assert problem["errors"][0]["detail"] == "`sort` takes one of: number, name."


async def test_a_page_is_one_statement_whatever_it_holds(
    many: Organization, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guard, rows, total, and what is expanded: no statement for each row."""
    database, sent = app.state.db, []
    for name in ("fetch", "fetchrow"):
        run = getattr(database, name)

        async def counted(*args: Any, run: Any = run, **more: Any) -> Any:
            sent.append(args[1].sql)
            return await run(*args, **more)

        monkeypatch.setattr(database, name, counted)
    query = {"limit": 200, "expand": "contacts,owner,primary_contact", "count": "exact"}
    for asked in ({"limit": 1}, query):
        sent.clear()
        answer = await many.call("admin", "GET", "/v1/clients", params=asked)
        assert answer.status_code == 200
        assert len(sent) == 1
