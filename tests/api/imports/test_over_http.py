"""An import over HTTP: sent, mapped, looked at, tried, done, reported, removed."""

import csv
import io
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import xlsxwriter

from crm_api.kit.verification import verify_log
from tests.api.imports.conftest import Import
from tests.api.imports.lists import List, clients, send, sent, taken, work
from tests.checks import refused
from tests.factories import Organization

FIXTURE = (Path(__file__).resolve().parents[2] / "fixtures" / "clients.csv").read_bytes()
NAMED = "name,email\r\nPearl Ltd,hello@pearl.example\r\nNile Ltd,hello@nile.example\r\n"


def workbook(*rows: list[Any], sheet: str = "Clients") -> bytes:
    held = io.BytesIO()
    book = xlsxwriter.Workbook(held)
    page = book.add_worksheet(sheet)
    for number, row in enumerate(rows):
        page.write_row(number, 0, row)
    book.close()
    return held.getvalue()


async def stored(owner: "asyncpg.Connection[asyncpg.Record]", table: str, found: List) -> int:
    number: int = await owner.fetchval(
        f"SELECT count(*) FROM {table} WHERE import_id = $1", found.document["id"]
    )
    return number


# ------------------------------------------------------------------------------------------ sent


async def test_a_list_is_read_and_nothing_becomes_of_it_yet(radio: Organization) -> None:
    found = (await sent(radio, FIXTURE, name="clients.csv", default_country="UG")).document
    assert (found["file_name"], found["format"], found["encoding"]) == (
        "clients.csv", "csv", "utf-8",
    )  # fmt: skip
    assert (found["delimiter"], found["sheet"]) == (",", None)
    assert (found["row_count"], found["empty_count"]) == (20, 1)
    assert {c["title"]: c["target"] for c in found["columns"]} == {
        "id": "external_ref",
        "name": "name",
        "addr": "street_address",
        "city": "city",
        "phone": "phone",
        "type": "industry",
        "fax": None,
    }
    assert (found["mode"], found["match_by"], found["on_duplicate"]) == ("create", None, "report")
    assert (found["source"], found["state"], found["summary"]) == ("clients", "uploaded", None)
    assert await clients(radio) == []


async def test_over_http_and_by_the_command_the_same_comes_of_a_list(
    radio: Organization, other: Organization, import_list: Import
) -> None:
    by_command = await import_list(other, FIXTURE, country="UG")
    found = await taken(radio, FIXTURE, name="list.csv", default_country="UG")
    summary = (await found.read())["summary"]
    assert tuple(summary[n] for n in ("created", "duplicate", "invalid")) == by_command.counts
    assert [(row, column or "", code) for row, _, column, code in await found.reasons()] == (
        by_command.reasons
    )
    assert found.document["state"] == "imported"
    names = [[c["name"] for c in await clients(one, "sort=number")] for one in (radio, other)]
    assert names[0] == names[1]
    report = await verify_log(radio.app.state.db, radio.organization_id, lambda _: None)
    assert not report.findings


async def test_a_workbook_is_a_list_too(radio: Organization) -> None:
    rows = [["Company", "Phone", "Since"], ["Pearl Ltd", "0772 123456", "2024-02-29"], [], ["Nile"]]
    found = await sent(radio, workbook(*rows), name="Ours.xlsx", default_country="UG")
    document = found.document
    assert (document["format"], document["sheet"]) == ("xlsx", "Clients")
    assert (document["row_count"], document["empty_count"], document["source"]) == (2, 1, "ours")
    await found.run()
    assert await found.counts() == {"created": 1, "invalid": 1}
    (only,) = await clients(radio)
    assert (only["name"], only["registered_on"]) == ("Pearl Ltd", "2024-02-29")
    assert only["phones"][0]["e164"] == "+256772123456"
    assert await found.reasons() == [(2, "invalid", "Phone", "contact_method_required")]
    (failed,) = await found.report("&outcome=invalid")
    assert failed["line"] == 4


async def test_a_sheet_is_chosen_by_its_name(radio: Organization) -> None:
    content = workbook(["name", "email"], ["Pearl", "a@pearl.example"], sheet="Neu")
    assert (await sent(radio, content, name="x.xlsx", sheet="Neu")).document["sheet"] == "Neu"
    answer = await send(radio, content, name="x.xlsx", sheet="Old")
    refused(answer, 422, "unreadable_file")


async def test_a_repeated_key_keeps_one_list(
    radio: Organization, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    key = {"Idempotency-Key": "list-1"}
    first = await send(radio, NAMED, headers=key)
    again = await send(radio, NAMED, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()
    refused(await send(radio, FIXTURE, headers=key), 422, "idempotency_mismatch")
    parts = "SELECT count(DISTINCT import_id) FROM import_parts WHERE organization_id = $1"
    assert await owner.fetchval(parts, radio.organization_id) == 1


async def test_a_dry_upload_keeps_nothing(
    radio: Organization, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    answer = await send(radio, NAMED, query="?dry_run=true")
    assert (answer.status_code, answer.json()["row_count"]) == (200, 2)
    for table in ("imports", "import_parts"):
        rows = f"SELECT count(*) FROM {table} WHERE organization_id = $1"
        assert await owner.fetchval(rows, radio.organization_id) == 0


async def test_a_list_that_is_refused_leaves_no_rows(
    radio: Organization, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    refused(await send(radio, "name,email\r\n"), 422, "unreadable_file")
    rows = "SELECT count(*) FROM import_parts WHERE organization_id = $1"
    assert await owner.fetchval(rows, radio.organization_id) == 0


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"default_country": "XX"}, "/default_country"),
        ({"mode": "replace"}, "/mode"),
        ({"on_duplicate": "ignore"}, "/on_duplicate"),
        ({"match_by": "name"}, "/match_by"),
        ({"source": "x" * 65}, "/source"),
        ({"colour": "red"}, ""),
    ],
)
async def test_faulty_fields_are_told_by_their_place(
    radio: Organization, fields: dict[str, str], pointer: str
) -> None:
    more: Any = fields
    answer = await send(radio, NAMED, **more)
    assert answer.status_code == 422, answer.text
    assert [fault["pointer"] for fault in answer.json()["errors"]] == [pointer]


async def test_a_name_of_a_file_is_never_a_path(radio: Organization) -> None:
    for name in ("../../etc/passwd.csv", "C:\\Users\\ada\\passwd.csv", "/passwd.csv"):
        found = await sent(radio, NAMED, name=name)
        assert (found.document["file_name"], found.document["source"]) == ("passwd.csv", "passwd")


# ---------------------------------------------------------------------------------------- mapped


async def test_decisions_hold_over_suggestions_until_they_are_taken_back(
    radio: Organization,
) -> None:
    found = await sent(radio, "Firma,Web,Mail\r\nPearl,pearl.example,a@pearl.example\r\n")
    columns = [(c["target"], c["suggested"]) for c in found.document["columns"]]
    assert columns == [(None, None), ("website", "website"), ("email", "email")]
    await found.set(mapping={"Firma": "name", "Web": "ignore"})
    assert [c["target"] for c in found.document["columns"]] == ["name", None, "email"]
    await found.set(mapping={"Web": None})
    assert found.document["mapping"] == {"Firma": "name"}
    assert [c["target"] for c in found.document["columns"]] == ["name", "website", "email"]
    await found.run()
    assert await found.counts() == {"invalid": 1}
    assert await found.reasons() == [(1, "invalid", "Web", "invalid_url")]


@pytest.mark.parametrize(
    ("mapping", "pointer"),
    [
        ({"Nowhere": "name"}, "/mapping/Nowhere"),
        ({"a/b~c": "nothing"}, "/mapping/a~1b~0c"),
        ({"name": "lifecycle"}, "/mapping/name"),
        ({"a/b~c": "name", "name": "name"}, "/mapping/a~1b~0c"),
    ],
)
async def test_a_decision_that_cannot_be_is_refused_at_its_place(
    radio: Organization, mapping: dict[str, str], pointer: str
) -> None:
    found = await sent(radio, "name,a/b~c\r\nPearl,x\r\n")
    answer = await found.call("PATCH", json={"mapping": mapping})
    assert answer.status_code == 422, answer.text
    (fault,) = answer.json()["errors"]
    assert (fault["code"], fault["pointer"]) == ("invalid_mapping", pointer)


async def test_a_change_needs_the_current_state_where_it_says_so(radio: Organization) -> None:
    found = await sent(radio, NAMED)
    etag = (await found.call("GET")).headers["etag"]
    await found.set(mode="upsert", match_by="email")
    body = {"mode": "create"}
    answer = await found.call("PATCH", json=body, headers={"If-Match": etag})
    refused(answer, 412, "version_conflict")


async def test_what_is_undecided_is_told_before_anything_is_done(radio: Organization) -> None:
    found = await sent(radio, "Firma,Mail\r\nPearl,a@pearl.example\r\n", mode="upsert")
    for method, place in (("POST", "/commit"), ("GET", "/preview")):
        answer = await found.call(method, place)
        assert answer.status_code == 422, answer.text
        told = {(e["code"], e["pointer"]) for e in answer.json()["errors"]}
        assert told == {("name_column_required", "/mapping"), ("required", "/match_by")}
    await found.set(mapping={"Firma": "name"}, match_by="number")
    answer = await found.call("POST", "/commit")
    assert [e["code"] for e in answer.json()["errors"]] == ["match_column_required"]
    assert (await found.read())["state"] == "uploaded"


# ------------------------------------------------------------------------- looked at, tried, done


async def test_a_preview_shows_bodies_and_faults(radio: Organization) -> None:
    await radio.create_client(name="Nile Ltd")
    content = NAMED + "Bad,no address\r\n" + "".join(f"N{n},n{n}@n.example\r\n" for n in range(30))
    found = await sent(radio, content)
    rows = (await found.call("GET", "/preview")).json()["data"]
    assert [row["row"] for row in rows] == list(range(1, 21))
    assert [row["outcome"] for row in rows[:4]] == ["created", "duplicate", "invalid", "created"]
    assert rows[0]["body"] == {"name": "Pearl Ltd", "emails": ["hello@pearl.example"]}
    assert rows[0]["errors"] == []
    assert rows[1]["errors"][0]["code"] == "duplicate_name"
    assert rows[2]["errors"][0]["column"] == "email"
    assert len(await clients(radio)) == 1


async def test_a_dry_run_leaves_nothing_but_its_report(
    radio: Organization, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    found = await sent(radio, FIXTURE, name="clients.csv", default_country="UG")
    digest = "SELECT count(*) FROM changes WHERE organization_id = $1 AND resource = ANY($2)"
    touched = ["client", "contact", "catalogue_entry"]
    before = await owner.fetchval(digest, radio.organization_id, touched)
    operation = await found.run("/commit?dry_run=true")
    assert operation["result"]["created"] == 13
    assert await found.counts() == {"created": 13, "duplicate": 2, "invalid": 5}
    assert found.document["state"] == "checked"
    assert len(await found.report()) == 20
    assert all(row["client_id"] is None for row in await found.report("&outcome=invalid"))
    assert await clients(radio) == []
    assert await owner.fetchval(digest, radio.organization_id, touched) == before
    # It may still be decided otherwise, and what was tried is then forgotten.
    await found.set(on_duplicate="skip")
    assert (found.document["state"], found.document["summary"]) == ("uploaded", None)
    assert await found.report() == []
    await found.run()
    assert await found.counts() == {"created": 13, "skipped": 2, "invalid": 5}
    assert len(await clients(radio)) == 13


async def test_a_list_is_taken_once(radio: Organization) -> None:
    found = await sent(radio, NAMED)
    key = {"Idempotency-Key": "commit-1"}
    first = await found.call("POST", "/commit", headers=key)
    again = await found.call("POST", "/commit", headers=key)
    assert first.status_code == again.status_code == 202
    assert again.headers["location"] == first.headers["location"]
    refused(await found.call("POST", "/commit"), 409, "import_under_way")
    refused(await found.call("PATCH", json={"mode": "update"}), 409, "import_under_way")
    refused(await found.call("DELETE"), 409, "import_under_way")
    assert (await found.read())["state"] == "importing"
    await work(radio)
    refused(await found.call("POST", "/commit"), 409, "import_done")
    refused(await found.call("PATCH", json={"mode": "update"}), 409, "import_done")
    replayed = await found.call("POST", "/commit", headers=key)
    assert replayed.headers["idempotency-replayed"] == "true"
    assert len(await clients(radio)) == 2


async def test_what_was_done_before_a_cancel_stays_and_is_gone_on_from(
    radio: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(f"Client {n},c{n}@many.example\r\n" for n in range(1, 1200))
    found = await sent(radio, f"name,email\r\n{rows}Client 7,other@many.example\r\n")
    answer = await found.call("POST", "/commit")
    operation = answer.headers["location"]

    from crm_api.imports import jobs  # noqa: PLC0415  # what is stopped between two steps

    take = jobs._Work._take

    async def stopping(self: Any, step: Any) -> None:
        await take(self, step)
        if step.records[0].number == 1:
            ask = radio.call("manager", "POST", f"{operation}/cancel")
            assert (await ask).status_code == 202

    monkeypatch.setattr(jobs._Work, "_take", stopping)
    await work(radio)
    monkeypatch.undo()
    ended = (await radio.call("manager", "GET", operation)).json()
    assert (ended["state"], ended["progress"]["done"]) == ("cancelled", 250)
    assert await found.counts() == {"created": 250}
    assert found.document["state"] == "import_stopped"
    going_on = await found.run()
    assert going_on["progress"] == {"done": 950, "total": 950, "percent": 100, "eta_seconds": None}
    assert await found.counts() == {"created": 1199, "duplicate": 1}
    (last,) = await found.report("&outcome=duplicate")
    # As if it had never been stopped: it is known what the rows before had taken.
    assert last["errors"][0]["detail"] == "Row 7 of this file has this name."
    assert found.document["state"] == "imported"


async def test_what_was_stopped_before_it_began_may_still_be_decided(
    radio: Organization,
) -> None:
    found = await sent(radio, NAMED)
    await found.run("/commit?dry_run=true")
    operation = (await found.call("POST", "/commit")).headers["location"]
    await radio.call("manager", "POST", f"{operation}/cancel")
    assert (await found.read())["state"] == "import_stopped"
    assert found.document["summary"] is None
    await found.set(on_duplicate="skip")
    assert found.document["state"] == "uploaded"
    await found.run()
    assert await found.counts() == {"created": 2}


# -------------------------------------------------------------------------------------- reported


async def test_reports_have_pages(radio: Organization) -> None:
    found = await taken(radio, FIXTURE, name="clients.csv", default_country="UG")
    whole = await found.report()
    assert [row["row"] for row in whole] == list(range(1, 21))
    rows: list[int] = []
    place = "/report?limit=3"
    while True:
        page = (await found.call("GET", place)).json()
        rows += [row["row"] for row in page["data"]]
        if not page["has_more"]:
            break
        place = f"/report?limit=3&cursor={page['next_cursor']}"
    assert rows == list(range(1, 21))
    cursor = (await found.call("GET", "/report?limit=3")).json()["next_cursor"]
    foreign = await found.call("GET", f"/report?limit=3&cursor={cursor}&outcome=invalid")
    refused(foreign, 400, "invalid_cursor")
    for query in ("outcome=lost", "limit=0", "colour=red", "outcome=invalid&outcome=invalid"):
        assert (await found.call("GET", f"/report?{query}")).status_code == 422


async def test_no_cell_is_told_by_a_report(radio: Organization) -> None:
    secret = "zqsecret99"
    rows = [
        f"{secret},{secret}@x.example,{secret},{secret}",
        f"{secret},,{secret}@y,{secret}",
        f'"{secret}',
    ]
    found = await taken(radio, "name,email,phone,country\r\n" + "\r\n".join(rows))
    for place in ("/report", ""):
        answer = await found.call("GET", place)
        assert answer.status_code == 200
        assert secret not in answer.text


async def test_failed_rows_are_corrected_and_sent_again(radio: Organization) -> None:
    content = (
        "name,phone,remark\r\nPearl,0772 123456,=1+1\r\nNile,12,+ more\r\n"
        "Lake,0772 123457,\r\nPearl,0772 123458,x\r\n"
    )
    found = await taken(radio, content, name="Ours.csv", default_country="UG")
    answer = await found.call("GET", "/errors")
    assert answer.headers["content-disposition"].endswith("''Ours-errors.csv")
    text = answer.content.decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["name"] for row in rows] == ["Nile", "Pearl"]
    assert rows[0]["import_errors"].startswith("phone: The number is too short")
    assert rows[0]["remark"] == "'+ more"
    corrected = text.replace(",12,", ",0772 123459,").replace("Pearl", "Pearl of the Nile")
    again = await taken(radio, corrected, name="Ours-errors.csv", default_country="UG")
    assert [c["target"] for c in again.document["columns"]] == ["name", "phone", "remarks", None]
    assert await again.counts() == {"created": 2}
    remarks = {c["name"]: c["remarks"] for c in await clients(radio)}
    assert remarks == {"Pearl": "=1+1", "Nile": "+ more", "Lake": None, "Pearl of the Nile": "x"}


async def test_a_removed_list_leaves_what_it_brought(
    radio: Organization, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    found = await taken(radio, NAMED)
    tables = ("import_parts", "import_records")
    assert [await stored(owner, table, found) for table in tables] == [1, 2]
    answer = await found.call("DELETE", "?dry_run=true")
    assert answer.status_code == 204
    assert (await found.call("GET")).status_code == 200
    assert (await found.call("DELETE")).status_code == 204
    assert [await stored(owner, table, found) for table in tables] == [0, 0]
    for place in ("", "/report", "/errors", "/preview"):
        refused(await found.call("GET", place), 404, "not_found")
    assert len(await clients(radio)) == 2
    report = await verify_log(radio.app.state.db, radio.organization_id, lambda _: None)
    assert not report.findings


async def test_old_lists_are_removed_by_the_worker(
    radio: Organization, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    from crm_api.operations.chores import tidy  # noqa: PLC0415  # of this test alone

    found, kept = await taken(radio, NAMED), await sent(radio, NAMED)
    for table in ("imports", "import_parts"):
        column = "id" if table == "imports" else "import_id"
        await owner.execute(
            f"UPDATE {table} SET created_at = created_at - interval '31 days' WHERE {column} = $1",
            found.document["id"],
        )
    await tidy(radio.app.state.db, radio.organization_id)
    refused(await found.call("GET"), 404, "not_found")
    assert [await stored(owner, t, found) for t in ("import_parts", "import_records")] == [0, 0]
    assert (await kept.call("GET")).status_code == 200
    assert await stored(owner, "import_parts", kept) == 1
