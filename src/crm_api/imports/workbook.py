"""XLSX workbooks: looked at from outside before anything is unpacked, then read as rows of text.

Values alone are read: of a formula what it last came to, of a macro nothing.
"""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, Final

from python_calamine import (
    CalamineError,
    CalamineSheet,
    CalamineWorkbook,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from crm_api.imports.reading import MAX_COLUMNS, BrokenRecord, Record, UnreadableFile

MAX_ENTRIES: Final = 2000
MAX_UNPACKED: Final = 512 << 20
MAX_RATIO: Final = 250
"""Of unpacked to packed: text of spreadsheets packs to a tenth, zeros to a thousandth."""
SMALL: Final = 16 << 20
"""Below this nothing is a bomb."""
_WHOLE: Final = 10**15
_SAVE: Final = "Save it as a plain .xlsx workbook or as CSV"


@dataclass(slots=True)
class Workbook:
    """The sheet that is read, and the names of its columns."""

    sheet: CalamineSheet
    header: list[str]
    first: int
    """Index of the row with the names."""
    empty: int = 0

    def records(self) -> Iterator[Record | BrokenRecord]:
        """Every row below the names that has any content; its line is its number in the sheet."""
        number = 0
        for index, cells in enumerate(self.sheet.iter_rows()):
            if index <= self.first:
                continue
            texts = [_text(cell) for cell in cells]
            if any(text and not text.isspace() for text in texts):
                number += 1
                yield Record(number, index + 1, texts)
            else:
                self.empty += 1


def open_workbook(path: Path, name: str, sheet: str | None) -> Workbook:
    """The sheet of this name, else the first that is shown and not empty.

    Raises:
        UnreadableFile: it is no workbook that is read here, or has no such sheet.
    """
    _look_from_outside(path, name)
    try:
        book = CalamineWorkbook.from_path(path)
        found = _sheet(book, name, sheet)
    except (CalamineError, OSError, ValueError) as error:
        raise UnreadableFile(f"{name} is a broken workbook. {_SAVE}.") from error
    if found.width > MAX_COLUMNS:
        raise UnreadableFile(f"{name} has more than {MAX_COLUMNS} columns.")
    for index, cells in enumerate(found.iter_rows()):
        header = [_text(cell).strip() for cell in cells]
        if any(header):
            while not header[-1]:
                header.pop()
            return Workbook(found, header, index)
    raise UnreadableFile(f"{name} is empty: its first row must name the columns.")


def _look_from_outside(path: Path, name: str) -> None:
    """Decide by the directory of the archive, which is read without unpacking anything."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        raise UnreadableFile(f"{name} is a broken workbook or archive. {_SAVE}.") from None
    names = {entry.filename for entry in entries}
    if "xl/workbook.xml" not in names:
        raise UnreadableFile(f"{name} is an archive, but no Excel workbook. {_SAVE}.")
    if any(entry.endswith("vbaProject.bin") for entry in names):
        raise UnreadableFile(f"{name} holds macros. {_SAVE}.")
    if any(entry.flag_bits & 1 for entry in entries):
        raise UnreadableFile(f"{name} is encrypted. Save it without a password.")
    unpacked = sum(entry.file_size for entry in entries)
    bomb = any(
        entry.file_size > SMALL and entry.file_size > MAX_RATIO * max(entry.compress_size, 1)
        for entry in entries
    )
    if len(entries) > MAX_ENTRIES or unpacked > MAX_UNPACKED or bomb:
        raise UnreadableFile(
            f"{name} would be too large when unpacked. Split it, or save it as CSV."
        )


def _sheet(book: CalamineWorkbook, name: str, wanted: str | None) -> CalamineSheet:
    if wanted is not None:
        if wanted not in book.sheet_names:
            raise UnreadableFile(f"{name} has no sheet of the name that was asked for.")
        return book.get_sheet_by_name(wanted)
    shown = [
        found.name
        for found in book.sheets_metadata
        if found.visible is SheetVisibleEnum.Visible and found.typ is SheetTypeEnum.WorkSheet
    ]
    for each in shown:
        sheet = book.get_sheet_by_name(each)
        if sheet.total_height > 0:
            return sheet
    raise UnreadableFile(f"{name} is empty: its first row must name the columns.")


def _text(value: Any) -> str:
    """A cell as one would have typed it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < _WHOLE:
        return str(int(value))
    if isinstance(value, datetime):
        midnight = value.time() == time()
        return str(value.date()) if midnight else value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    return str(value)
