"""What a list and its columns are taken for, and what is said where that is not what was meant."""

from typing import Any
from urllib.parse import unquote

import pytest

from tests.api.imports.lists import send, sent, taken
from tests.checks import codes, refused
from tests.factories import Organization


async def test_a_number_that_is_none_is_told_at_its_row(radio: Organization) -> None:
    there = await radio.create_client(name="There")
    content = f"number,remarks\r\n{there['number']},After\r\nnone,x\r\n"
    found = await taken(radio, content, mode="update", match_by="number")
    assert await found.counts() == {"updated": 1, "invalid": 1}
    assert await found.reasons() == [(2, "invalid", "number", "invalid_match")]


async def test_why_a_column_of_numbers_is_left_out_is_told(radio: Organization) -> None:
    content = "number,remarks\r\n17,x\r\n18,y\r\n"
    found = await sent(radio, content, mode="update", match_by="number")
    problem = refused(await found.call("POST", "/commit"), 422, "invalid")
    assert codes(problem) == {"/mapping": "match_column_required"}
    assert "'number' is left out" in problem["detail"]
    assert "C-000123" in problem["detail"]
    found = await sent(radio, "remarks\r\nx\r\n", mode="update", match_by="number")
    problem = refused(await found.call("POST", "/commit"), 422, "invalid")
    assert codes(problem) == {"/mapping": "match_column_required"}
    assert "left out" not in problem["detail"]
    there = await radio.create_client()
    content = f"number,remarks\r\n{there['number']},x\r\n"
    found = await sent(radio, content, mode="update", match_by="number")
    await found.set(mapping={"number": "ignore"})
    problem = refused(await found.call("POST", "/commit"), 422, "invalid")
    assert problem["detail"].endswith("The column 'number' is left out.")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.ndjson", '{"name":"Pearl"}\n{"name":"Nile"}\n'),
        ("x.json", '[{"name": "Pearl"}]'),
        ("x.json", '\ufeff\n[\n  {\n"name": "Pearl"}]'),
        ("x.xml", "<?xml version='1.0'?><a/>"),
        ("x.xls", "<html><table><tr><td>name</td></tr></table>"),
    ],
)
async def test_what_is_no_table_says_what_is_read(
    radio: Organization, name: str, content: str
) -> None:
    problem = refused(await send(radio, content, name=name), 422, "unreadable_file")
    assert "Only CSV and XLSX are read" in problem["detail"]


@pytest.mark.parametrize(
    ("name", "fields", "told"),
    [
        ("Our list.csv", {}, "Our%20list-errors.csv"),
        ("Our list.xlsx.csv", {"source": "erp"}, "erp-errors.csv"),
        ("x-errors.csv", {}, "x-errors.csv"),
    ],
)
async def test_rows_that_are_sent_again_are_of_the_same_source(
    radio: Organization, name: str, fields: dict[str, str], told: str
) -> None:
    content = "id,name,phone\r\n1,Pearl,0772 123456\r\n2,Nile,12\r\n"
    more: Any = fields | {"default_country": "UG"}
    found = await taken(radio, content, name=name, **more)
    answer = await found.call("GET", "/errors")
    assert answer.headers["content-disposition"].endswith(f"''{told}")
    corrected = answer.text.replace(",12,", ",0772 123459,")
    # A browser counts the files of one name.
    for back in (told, told.replace(".csv", " (1).csv")):
        again = await sent(radio, corrected, name=unquote(back), default_country="UG")
        assert again.document["source"] == found.document["source"]
    await again.run()
    # The list as a whole finds every row by its reference.
    whole = content.replace(",12", ",0772 123459")
    more |= {"mode": "upsert", "match_by": "external_ref"}
    later = await taken(radio, whole, name=name, **more)
    assert await later.counts() == {"unchanged": 2}
