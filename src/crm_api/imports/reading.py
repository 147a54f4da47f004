"""CSV files as people have them: any of the usual encodings and separators, and broken lines.

A line that cannot be read is reported and its followers are read all the same (RFC 4180 is what
is expected, not what is found).
"""

import codecs
import csv
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TextIO

from crm_api.core.formats.cells import unguard_cell

DELIMITERS: Final = (",", ";", "\t", "|")
SAMPLE_BYTES: Final = 1 << 16
SAMPLE_RECORDS: Final = 50
MAX_LINE: Final = 1 << 20
"""Characters. A longer line is no record of anything."""
MAX_COLUMNS: Final = 1000
NO_TEXT: Final = re.compile("[\0\ud800-\udfff]")
"""NUL, and bytes that the encoding does not know, which arrive as lone surrogates."""
ONLY: Final = "Only CSV and XLSX are read: save it as one of these."
_BLOCK: Final = 1 << 20
# What stands at the beginning of files that are no text, though people call them CSV.
_OTHER_FORMATS: Final = {
    b"PK\x03\x04": "an Excel workbook or a ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old or a password-protected Excel workbook",
    b"%PDF": "a PDF document",
    b"\x1f\x8b": "a compressed file",
}


_NO_TABLE: Final = (
    (re.compile(r"\s*(?:\{\s*[\"}]|\[\s*[\[{\]])"), "JSON"),
    (re.compile(r"\s*<(?:\?xml|!doctype|html|table)\b", re.IGNORECASE), "XML or HTML"),
)
"""How texts begin that are no rows of cells."""


class UnreadableFile(Exception):
    """The file is no list of records; the text says what to do."""

    def __init__(self, detail: str, *, code: str = "unreadable_file") -> None:
        super().__init__(detail)
        self.code = code


@dataclass(frozen=True, slots=True)
class Record:
    """One row of the list. `number` counts rows from 1, `line` is its first line in the file."""

    number: int
    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class BrokenRecord:
    """A place that is no row: its line, and why."""

    number: int
    line: int
    code: str
    detail: str


@dataclass(slots=True)
class CsvFile:
    """A file that was looked at: how it is written, and the names of its columns."""

    path: Path
    name: str
    encoding: str
    delimiter: str
    header: list[str]
    lines: int
    """About how many lines it has, for the progress bar."""
    empty: int = 0
    """Rows without any content, counted while they are read."""

    @property
    def stem(self) -> str:
        return self.path.stem

    def records(self) -> Iterator[Record | BrokenRecord]:
        """Every row after the header. An end of file inside a quoted cell is a broken row too."""
        # What the encoding cannot hold arrives as lone surrogates, which no field takes.
        with self.path.open(encoding=self.encoding, errors="surrogateescape", newline="") as file:
            lines = _Lines(file)
            for number, found in enumerate(self._rows(lines)):
                if number > 0:  # the header
                    yield _numbered(found, number)

    def sample(self, count: int = SAMPLE_RECORDS) -> list[list[str]]:
        """The cells of the first rows."""
        found: list[list[str]] = []
        for record in self.records():
            if isinstance(record, Record):
                found.append(record.cells)
            if len(found) == count:
                break
        self.empty = 0
        return found

    def _rows(self, lines: "_Lines") -> Iterator[Record | BrokenRecord]:
        reader = self._reader(lines)
        while True:
            first = lines.begin()
            try:
                cells = next(reader)
            except StopIteration:
                return
            except (csv.Error, _LineTooLong) as error:
                lines.give_back()
                # Not left in the middle of the cell that was too much.
                reader = self._reader(lines)
                yield BrokenRecord(0, first, *_reason(error))
                continue
            if any(cell and not cell.isspace() for cell in cells):
                yield Record(0, first, [unguard_cell(cell) for cell in cells])
            else:
                self.empty += 1

    def _reader(self, lines: "_Lines") -> "Iterator[list[str]]":
        # Strict: what stands between a quoted cell and its separator would be glued to it.
        return csv.reader(lines, delimiter=self.delimiter, strict=True, skipinitialspace=True)


def _numbered(found: Record | BrokenRecord, number: int) -> Record | BrokenRecord:
    if isinstance(found, Record):
        return Record(number, found.line, found.cells)
    return BrokenRecord(number, found.line, found.code, found.detail)


def _reason(error: Exception) -> tuple[str, str]:
    if isinstance(error, _LineTooLong):
        return "line_too_long", f"The line has more than {MAX_LINE} characters."
    if "field larger" in str(error):
        limit = csv.field_size_limit()
        return (
            "cell_too_long",
            f"A cell has more than {limit} characters, or its closing quotation mark is missing.",
        )
    return "malformed_quotes", "A quotation mark is missing, or stands inside a quoted cell alone."


class _LineTooLong(Exception):
    pass


class _Lines:
    """The lines of a file, which can be given back: a record that fails is not the next ones'."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._waiting: deque[str] = deque()
        self._taken: list[str] = []
        self._read = 0

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else self._next_of_file()
        if not line:
            raise StopIteration
        self._read += 1
        if len(line) == MAX_LINE and not line.endswith(("\n", "\r")):
            self._skip_rest()
            raise _LineTooLong
        self._taken.append(line)
        return line

    def _next_of_file(self) -> str:
        try:
            return self._file.readline(MAX_LINE)
        except UnicodeError:  # UTF-16 alone: of the others, each byte is kept
            raise UnreadableFile(
                f"The file is no UTF-16 text after line {self._read}. Save it in UTF-8."
            ) from None

    def _skip_rest(self) -> None:
        while piece := self._file.readline(MAX_LINE):
            if piece.endswith(("\n", "\r")):
                return

    def begin(self) -> int:
        """Begin a record, and answer the number of its first line."""
        self._taken.clear()
        return self._read + 1

    def give_back(self) -> None:
        """All lines of the record but the first."""
        rest = self._taken[1:]
        self._waiting.extendleft(reversed(rest))
        self._read -= len(rest)


# ------------------------------------------------------------------------ opening


def open_csv(path: Path, name: str | None = None) -> CsvFile:
    """Find out how the file is written.

    Args:
        name: how it is called in what is said of it; else by its path.

    Raises:
        UnreadableFile: it is missing, empty, or no text.
    """
    name = name or str(path)
    try:
        encoding, lines = _encoding(path, name)
        with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
            text = file.read(SAMPLE_BYTES)
    except UnicodeError:
        raise UnreadableFile(f"{name} is no UTF-16 text. Save it in UTF-8.") from None
    except OSError as error:
        raise UnreadableFile(f"{name} cannot be read: {error.strerror}.") from None
    for beginning, what in _NO_TABLE:
        if beginning.match(text.removeprefix("\ufeff")):
            raise UnreadableFile(f"{name} is {what}. {ONLY}")
    found = CsvFile(path, name, encoding, _delimiter(text), [], lines)
    found.header = _header(found)
    return found


def _encoding(path: Path, name: str) -> tuple[str, int]:
    """How the text is encoded, and the number of its lines. Reads the whole file once."""
    with path.open("rb") as file:
        start = file.read(4)
        for mark, what in _OTHER_FORMATS.items():
            if start.startswith(mark):
                raise UnreadableFile(f"{name} is {what}. Save it as CSV, encoded in UTF-8.")
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16", path.stat().st_size // 100
        if start.count(0) == len(start) // 2 > 0:  # the same without its mark: each second byte
            return f"utf-16-{'be' if start[0] == 0 else 'le'}", path.stat().st_size // 100
        decoder = codecs.getincrementaldecoder("utf-8")()
        lines, block, is_utf8 = 0, start, True
        while block:
            lines += block.count(b"\n") or block.count(b"\r")
            if is_utf8:
                is_utf8 = _decodes(decoder, block)
            block = file.read(_BLOCK)
        is_utf8 = is_utf8 and _decodes(decoder, b"", final=True)
    if start.startswith(codecs.BOM_UTF8):
        # It says what it is: a byte that is none breaks its own row, not the whole file.
        return "utf-8-sig", lines
    return ("utf-8" if is_utf8 else "cp1252"), lines


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes, *, final: bool = False) -> bool:
    try:
        decoder.decode(block, final)
    except UnicodeDecodeError:
        return False
    return True


def _delimiter(text: str) -> str:
    """The separator under which the first rows have the most columns, and all of them as many."""
    best, best_score = ",", (0.0, 0)
    for candidate in DELIMITERS:
        widths = _widths(text, candidate)
        if not widths or widths[0] < 2:
            continue
        same = sum(width == widths[0] for width in widths) / len(widths)
        if (score := (round(same, 1), widths[0])) > best_score:
            best, best_score = candidate, score
    return best


def _widths(text: str, delimiter: str) -> list[int]:
    widths: list[int] = []
    # The last line of a sample is cut off anywhere.
    lines = text.splitlines(keepends=True)
    reader = csv.reader(lines[:-1] or lines, delimiter=delimiter, skipinitialspace=True)
    try:
        for cells in reader:
            if cells:
                widths.append(len(cells))
            if len(widths) == SAMPLE_RECORDS:
                break
    except csv.Error:
        return widths
    return widths


def _header(file: CsvFile) -> list[str]:
    with file.path.open(encoding=file.encoding, errors="surrogateescape", newline="") as text:
        found = next(file._rows(_Lines(text)), None)  # noqa: SLF001  # the same reading, from line 1
    file.empty = 0
    if found is None:
        raise UnreadableFile(f"{file.name} is empty: its first row must name the columns.")
    if isinstance(found, BrokenRecord):
        raise UnreadableFile(
            f"{file.name}: the row of column names is broken. {found.detail} {ONLY}"
        )
    if any(NO_TEXT.search(cell) for cell in found.cells):
        raise UnreadableFile(
            f"{file.name}: the names of its columns are no text. Save it as CSV, encoded in UTF-8."
        )
    if len(found.cells) > MAX_COLUMNS:
        raise UnreadableFile(f"{file.name} has more than {MAX_COLUMNS} columns.")
    return [cell.strip() for cell in found.cells]
