"""What becomes of a row whose client is there: by mode, by what it is found, by what is asked."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.api.imports.lists import List, clients, sent, taken
from tests.factories import Organization

KEYS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "number": ("number", lambda c: c["number"]),
    "email": ("email", lambda c: c["emails"][0]["address"]),
    "external_ref": ("id", lambda c: c["external_refs"][0]["id"]),
}


async def client(radio: Organization, name: str, **more: Any) -> dict[str, Any]:
    refs = [{"source": "list", "id": f"ref-{name}"}]
    address = f"{name.lower()}@there.example"
    fields: dict[str, Any] = {"external_refs": refs, "emails": [address], "remarks": "Before"}
    return await radio.create_client(name=name, **(fields | more))


async def now(radio: Organization, client_id: str) -> dict[str, Any]:
    found: dict[str, Any] = (await radio.call("admin", "GET", f"/v1/clients/{client_id}")).json()
    return found


def csv_of(header: list[str], *rows: list[str]) -> str:
    return "\r\n".join(",".join(row) for row in [header, *rows])


@pytest.mark.parametrize("match_by", list(KEYS))
@pytest.mark.parametrize("mode", ["update", "upsert"])
async def test_a_row_changes_the_client_that_it_is_about(
    radio: Organization, mode: str, match_by: str
) -> None:
    title, key = KEYS[match_by]
    first, second = await client(radio, "First"), await client(radio, "Second")
    unknown = {"number": "C-999999", "email": "new@there.example", "external_ref": "new"}[match_by]
    content = csv_of(
        [title, "name", "phone", "remarks"],
        [key(first), "First", "", "After"],
        [key(second), "Second", "", "Before"],
        [unknown, "Third", "0772 123456", "New"],
    )
    found = await taken(radio, content, mode=mode, match_by=match_by)
    assert [row["client_id"] for row in await found.report()][:2] == [first["id"], second["id"]]
    assert (await now(radio, first["id"]))["remarks"] == "After"
    assert await now(radio, second["id"]) == second
    if mode == "update":
        assert await found.counts() == {"updated": 1, "unchanged": 1, "invalid": 1}
        assert await found.reasons() == [(3, "invalid", title, "not_matched")]
    else:
        assert await found.counts() == {"updated": 1, "unchanged": 1, "created": 1}
        assert len(await clients(radio)) == 3


@pytest.mark.parametrize("match_by", list(KEYS))
async def test_a_row_that_names_no_client_is_no_change_but_may_be_a_new_client(
    radio: Organization, match_by: str
) -> None:
    content = csv_of([KEYS[match_by][0], "name", "phone"], ["", "Alone", "0772 123456"])
    found = await taken(radio, content, mode="update", match_by=match_by)
    assert [code for *_, code in await found.reasons()] == ["not_matched"]
    found = await taken(radio, content, mode="upsert", match_by=match_by)
    assert await found.counts() == {"created": 1}


async def test_two_rows_about_one_client_are_not_both_taken(radio: Organization) -> None:
    there = await client(radio, "There")
    content = csv_of(
        ["number", "remarks"], [there["number"], "One"], [there["number"].lower(), "Two"]
    )
    found = await taken(radio, content, mode="update", match_by="number")
    assert await found.counts() == {"updated": 1, "duplicate": 1}
    (reason,) = [row["errors"][0] for row in await found.report("&outcome=duplicate")]
    assert reason["code"] == "repeated_client"
    assert reason["detail"] == "Row 1 of this file is about the same client."
    assert (await now(radio, there["id"]))["remarks"] == "One"


async def test_a_number_is_written_as_it_is_answered(radio: Organization) -> None:
    found = await sent(radio, "Nr,remarks\r\n17,x\r\nC-1,y\r\n", mode="update", match_by="number")
    await found.set(mapping={"Nr": "number"})
    await found.run()
    assert {code for *_, code in await found.reasons()} == {"invalid_match"}


# ----------------------------------------------------------------------- what is there already


@pytest.mark.parametrize("mode", ["create", "upsert"])
@pytest.mark.parametrize(
    ("on_duplicate", "outcome"),
    [("report", "duplicate"), ("skip", "skipped"), ("update", "updated")],
)
async def test_a_new_client_that_is_there_already(
    radio: Organization, mode: str, on_duplicate: str, outcome: str
) -> None:
    there = await client(radio, "There")
    content = csv_of(
        ["number", "name", "email", "remarks"],
        ["", "THERE", "new@there.example", "By its name"],
        ["", "Another", "another@there.example", "New"],
    )
    fields = {} if mode == "create" else {"match_by": "number"}
    found = await taken(radio, content, mode=mode, on_duplicate=on_duplicate, **fields)
    assert await found.counts() == {"created": 1, outcome: 1}
    after = await now(radio, there["id"])
    if on_duplicate == "update":
        assert (after["name"], after["remarks"]) == ("THERE", "By its name")
        # The address of the list comes to those that were there.
        assert [e["address"] for e in after["emails"]] == [
            "there@there.example", "new@there.example",
        ]  # fmt: skip
    else:
        assert after == there
        (row,) = await found.report(f"&outcome={outcome}")
        assert row["errors"][0]["detail"] == f"Client {there['number']} has this name."


async def test_a_row_that_is_two_clients_changes_neither(radio: Organization) -> None:
    first, second = await client(radio, "First"), await client(radio, "Second")
    content = csv_of(["name", "email"], ["First", "second@there.example"])
    found = await taken(radio, content, on_duplicate="update")
    assert await found.counts() == {"duplicate": 1}
    codes = {code for *_, code in await found.reasons()}
    assert codes == {"duplicate_name", "email_in_use"}
    assert [await now(radio, c["id"]) for c in (first, second)] == [first, second]


async def test_a_change_to_what_another_client_has_is_reported(radio: Organization) -> None:
    first, second = await client(radio, "First"), await client(radio, "Second")
    content = csv_of(
        ["number", "name", "email"],
        [first["number"], "Second", ""],
        [second["number"], "Second", "first@there.example"],
    )
    found = await taken(radio, content, mode="update", match_by="number")
    assert await found.reasons() == [
        (1, "duplicate", "name", "duplicate_name"),
        (2, "duplicate", "email", "email_in_use"),
    ]
    assert [await now(radio, c["id"]) for c in (first, second)] == [first, second]


async def test_a_name_that_an_earlier_row_took_is_taken(radio: Organization) -> None:
    there = await client(radio, "There")
    content = csv_of(
        ["number", "name", "phone"],
        ["C-999999", "Fresh", "0772 123456"],
        [there["number"], "Fresh", ""],
    )
    found = await taken(radio, content, mode="upsert", match_by="number")
    assert await found.counts() == {"created": 1, "duplicate": 1}


async def test_a_client_may_keep_its_own_name_and_address(radio: Organization) -> None:
    there = await client(radio, "There")
    content = csv_of(
        ["number", "name", "email", "remarks"],
        [there["number"], "there", "THERE@there.example", "After"],
    )
    found = await taken(radio, content, mode="update", match_by="number")
    assert await found.counts() == {"updated": 1}
    after = await now(radio, there["id"])
    assert (after["name"], after["remarks"]) == ("there", "After")
    assert after["emails"] == there["emails"]


async def test_a_wrong_column_does_not_fill_the_catalogue(radio: Organization) -> None:
    """510 rows of an industry each, in several steps: 500 come, and the others say why not."""
    rows = [[f"C{n}", f"c{n}@many.example", f"Trade {n}"] for n in range(510)]
    # One that came already is no new one.
    rows.append(["Last", "last@many.example", "trade 3"])
    there = await client(radio, "There")
    content = csv_of(["name", "email", "industry"], *rows)
    checked = await sent(radio, content)
    await checked.run("/commit?dry_run=true")
    assert await checked.counts() == {"created": 501, "invalid": 10}
    await checked.run()
    assert await checked.counts() == {"created": 501, "invalid": 10}
    assert await checked.reasons() == [
        (row, "invalid", "industry", "too_many_new_entries") for row in range(501, 511)
    ]
    assert len(checked.document["summary"]["industries"]) == 500
    change = csv_of(["number", "industry"], [there["number"], "trade 9"])
    found = await taken(radio, change, mode="update", match_by="number")
    assert await found.counts() == {"updated": 1}


# ------------------------------------------------------------------------ what a change leaves


async def test_an_empty_cell_leaves_a_field_as_it_is(radio: Organization) -> None:
    there = await client(radio, "There", website="https://there.example/", tags=["vip"])
    content = csv_of(["number", "website", "tags", "remarks"], [there["number"], "", " ", "After"])
    found = await taken(radio, content, mode="update", match_by="number")
    assert await found.counts() == {"updated": 1}
    after = await now(radio, there["id"])
    assert (after["website"], after["tags"]) == ("https://there.example/", ["vip"])


async def test_cells_of_one_entry_leave_the_others_alone(radio: Organization) -> None:
    sites = [
        {"kind": "billing", "country_code": "UG", "city": "Kampala"},
        {"kind": "physical", "country_code": "UG", "city": "Jinja", "label": "Shop"},
    ]
    phones = [{"e164": "+256772123456", "label": "mobile"}, "+256772123457"]
    people = [{"contact": {"name": "Ada"}}]
    there = await client(radio, "There", sites=sites, phones=phones, contacts=people)
    content = csv_of(
        ["number", "phone", "addr", "city", "contact_name", "attributes.size"],
        [there["number"], "0772 123458; 0772 123456", "12 Main St.", "Mbale", "Ben", "44"],
    )
    found = await sent(radio, content, mode="update", match_by="number")
    await found.set(mapping={"attributes.size": "attributes.size"})
    await found.run()
    assert await found.counts() == {"updated": 1}
    after = await now(radio, there["id"])
    assert [p["e164"] for p in after["phones"]] == [
        "+256772123456", "+256772123457", "+256772123458",
    ]  # fmt: skip
    assert after["phones"][0] == there["phones"][0]
    assert after["sites"][0] == there["sites"][0]
    moved = after["sites"][1]
    assert (moved["id"], moved["label"]) == (there["sites"][1]["id"], "Shop")
    assert (moved["street_address"], moved["city"]) == ("12 Main St.", "Mbale")
    assert after["contacts"] == there["contacts"]
    assert after["attributes"] == {"size": "44"}


async def test_a_change_is_refused_as_a_patch_is(radio: Organization) -> None:
    there, archived = await client(radio, "There"), await client(radio, "Archived")
    await radio.call("admin", "POST", f"/v1/clients/{archived['id']}/archive")
    content = csv_of(
        ["number", "status", "industry", "phone", "remarks"],
        [there["number"], "on_hold", "", "12", "After"],
        [archived["number"], "", "", "", "After"],
    )
    found = await taken(radio, content, mode="update", match_by="number")
    assert {(row, column, code) for row, _, column, code in await found.reasons()} == {
        (1, None, "status_reason_required"),
        (1, "phone", "invalid_phone"),
        (2, None, "not_live"),
    }
    assert await now(radio, there["id"]) == there


async def test_each_change_is_in_the_history_once(radio: Organization) -> None:
    there = await client(radio, "There")
    content = csv_of(["number", "remarks", "tags"], [there["number"], "After", "vip; new"])
    found: List = await taken(radio, content, mode="update", match_by="number")
    history = await radio.call("admin", "GET", f"/v1/clients/{there['id']}/history")
    entry, created = history.json()["data"]
    assert (entry["action"], created["action"]) == ("client.updated", "client.created")
    assert entry["actor"]["name"] == "Manager"
    assert {c["field"]: (c["before"], c["after"]) for c in entry["changes"]} == {
        "remarks": ("Before", "After"),
        "tags": ([], ["vip", "new"]),
    }
    assert await found.counts() == {"updated": 1}
