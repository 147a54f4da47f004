"""Exported files as others read them: by libraries that know nothing of how they were written."""

import csv
import io
import json
from typing import Any

import httpx
from python_calamine import CalamineWorkbook

from crm_api.core.formats.cells import unguard_cell
from tests.factories import Organization

Json = dict[str, Any]
Table = list[list[str]]


async def export(
    organization: Organization, role: str = "admin", of: str = "clients", **params: Any
) -> httpx.Response:
    answer = await organization.call(role, "GET", f"/v1/{of}/export", params=params)
    assert answer.status_code == 200, answer.text
    return answer


def table_of(answer: httpx.Response) -> Table:
    """The cells of a CSV or XLSX as they were meant."""
    if answer.headers["content-type"].startswith("text/csv"):
        assert answer.content.startswith(b"\xef\xbb\xbf")
        text = answer.content.decode("utf-8-sig")
        assert text.endswith("\r\n")
        return [
            [unguard_cell(cell) for cell in row]
            for row in csv.reader(io.StringIO(text, newline=""))
        ]
    book = CalamineWorkbook.from_filelike(io.BytesIO(answer.content))
    return [[str(cell) for cell in row] for row in book.get_sheet_by_index(0).to_python()]


def columns_of(table: Table) -> dict[str, list[str]]:
    return {title: [row[n] for row in table[1:]] for n, title in enumerate(table[0])}


def lines_of(answer: httpx.Response) -> list[Json]:
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.content.decode().splitlines()]
