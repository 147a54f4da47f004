"""The files that an export can be: how rows, as PostgreSQL made them, become bytes.

They run in threads: a row of a table costs some ten microseconds of Python, a row of JSON none.
"""

import csv
import io
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from xlsxwriter import Workbook
from xlsxwriter.exceptions import XlsxWriterException

from crm_api.core.db import unavailable
from crm_api.core.errors import Fault, Refusal
from crm_api.core.formats.cells import guard_cell
from crm_api.kit.cells import BYTE_ORDER_MARK, columns_of, row_of
from crm_api.kit.fields import Resource

XLSX_ROWS: Final = 1_048_575
"""What a sheet holds below its header."""
XLSX_CELL: Final = 32_767


class Encoder(Protocol):
    """Makes a file of rows part by part; `texts` are documents as JSON."""

    head: bytes

    def rows(self, texts: Sequence[str]) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file."""

    media_type: str
    suffix: str
    encoder: Callable[[type[Resource], Sequence[str]], Encoder] | None
    """None: the file is whole before its first byte can be sent."""
    needs: tuple[str, ...] = ()
    """Fields without which there is no such file."""


class _Lines:
    head = b""

    def __init__(self, _cls: type[Resource], _names: Sequence[str]) -> None:
        """Nothing to prepare: the documents are the lines."""

    def rows(self, texts: Sequence[str]) -> bytes:
        return ("\n".join(texts) + "\n").encode()


class _Csv:
    """RFC 4180 in UTF-8, with the mark by which spreadsheets know it."""

    def __init__(self, cls: type[Resource], names: Sequence[str]) -> None:
        self._columns = columns_of(cls, names)
        titles = [title for column in self._columns for title in column.titles]
        self.head = (BYTE_ORDER_MARK + _lines([titles])).encode()

    def rows(self, texts: Sequence[str]) -> bytes:
        rows = (row_of(self._columns, json.loads(text)) for text in texts)
        return _lines(map(guard_cell, row) for row in rows).encode()


def _lines(rows: Iterable[Iterable[str]]) -> str:
    held = io.StringIO()
    csv.writer(held, lineterminator="\r\n").writerows(rows)
    return held.getvalue()


class Sheet:
    """A workbook of one sheet in a file; a row is forgotten as soon as it is written.

    Every cell is a text, which no program takes for a formula.
    """

    def __init__(self, path: Path, cls: type[Resource], names: Sequence[str]) -> None:
        self.path = path
        options = {"constant_memory": True, "tmpdir": str(path.parent), "in_memory": False}
        self._book = Workbook(str(path), options)
        self._sheet = self._book.add_worksheet(cls.resource)
        self._columns = columns_of(cls, names)
        self._titles = [title for column in self._columns for title in column.titles]
        self._next = 0
        self._write(self._titles)

    def add(self, texts: Sequence[str]) -> None:
        for text in texts:
            self._write(row_of(self._columns, json.loads(text)))

    def close(self) -> None:
        """Put the file together.

        Raises:
            Refusal: there is no room for it.
        """
        try:
            self._book.close()
        except (XlsxWriterException, OSError) as error:
            raise unavailable("There is no room for the file right now.") from error

    def abandon(self) -> None:
        """Let go of what it holds open; for a file that is put together this does nothing."""
        self._sheet._opt_close()  # noqa: SLF001  # the library knows no other end than a whole file

    def _write(self, cells: Sequence[str]) -> None:
        for place, cell in enumerate(cells):
            if cell and self._sheet.write_string(self._next, place, cell) != 0:
                raise _too_long(self._titles[place])
        self._next += 1


def _too_long(title: str) -> Refusal:
    detail = f"A value of `{title}` is longer than the {XLSX_CELL:,} characters of a cell."
    return Refusal("export_too_large", detail, (Fault("too_long", detail, parameter="fields"),))


def require_rows(found: int) -> None:
    """422 for more records than a sheet has rows."""
    if found > XLSX_ROWS:
        detail = f"A sheet holds {XLSX_ROWS:,} records; these are {found:,}."
        fault = Fault("too_many", detail, parameter="format")
        raise Refusal("export_too_large", detail, (fault,))


TABLES: Final[dict[str, Format]] = {
    "csv": Format("text/csv; charset=utf-8", "csv", _Csv),
    "xlsx": Format(
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx", None
    ),
    "ndjson": Format("application/x-ndjson", "ndjson", _Lines),
}
"""What every resource can be exported as; the first is the default."""
