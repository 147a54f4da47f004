"""The process that reads a stranger's file: within limits, with nothing at hand but the file.

It answers on standard output, one line of JSON in ASCII for each part: first how the file is
written, then rows, then how many there were; or, at any time, what is wrong. Keep its imports few:
each start pays for them.
"""

import contextlib
import json
import resource
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from crm_api.imports.limits import FAILED, Limits
from crm_api.imports.reading import BrokenRecord, Record, UnreadableFile, open_csv

PART_ROWS: Final = 250
"""Also the rows of one step of an import: it holds the organization's head for some 30 ms."""
PART_CHARACTERS: Final = 1 << 18
MAX_ROW: Final = 1 << 20
"""Characters of one row. Many long cells together are no record of anything either."""
_ZIP: Final = b"PK\x03\x04"
_OPEN_FILES: Final = 32


class TooMuch(Exception):
    """The file is readable, but longer than what is taken at a time."""


def main() -> None:
    path, name, limits, sheet = sys.argv[1:]
    bounds = Limits.of(limits)
    _confine(bounds)
    try:
        answer(Path(path), name, bounds, sheet or None)
    except UnreadableFile as error:
        _say({"code": "unreadable_file", "detail": str(error)})
    except TooMuch as error:
        _say({"code": "file_too_long", "detail": str(error)})
    except (MemoryError, RecursionError):
        _say({"code": "file_too_complex"})
    except BrokenPipeError:
        sys.stderr.close()  # whoever asked has left; nobody hears the interpreter's complaint
    except BaseException:  # noqa: BLE001  # also a panic of the workbook library, which is no Exception
        sys.exit(FAILED)


def answer(path: Path, name: str, limits: Limits, sheet: str | None) -> None:
    """Read the file, and write all of the answer."""
    try:
        with path.open("rb") as file:
            is_archive = file.read(len(_ZIP)) == _ZIP
    except OSError as error:
        raise UnreadableFile(f"{name} cannot be read: {error.strerror}.") from None
    if is_archive:
        # Only where there is a workbook: the reader's library is not needed for text.
        from crm_api.imports.workbook import open_workbook  # noqa: PLC0415  # as above

        book = open_workbook(path, name, sheet)
        about = {"format": "xlsx", "sheet": book.sheet.name, "lines": book.sheet.total_height}
        _say({"header": book.header, "encoding": None, "delimiter": None} | about)
        rows = _say_rows(book.records(), limits)
        _say({"rows": rows, "empty": book.empty})
        return
    found = open_csv(path, name)
    about = {"format": "csv", "encoding": found.encoding, "delimiter": found.delimiter}
    _say({"header": found.header, "sheet": None, "lines": found.lines} | about)
    rows = _say_rows(found.records(), limits)
    _say({"rows": rows, "empty": found.empty})


def _say_rows(records: Iterator[Record | BrokenRecord], limits: Limits) -> int:
    rows = size = 0
    part: list[str] = []
    held = 0
    for record in records:
        text = json.dumps(_plain(record))
        rows += 1
        held += len(text)
        size += len(text)
        _refuse_beyond(limits, rows, size)
        part.append(text)
        if len(part) == PART_ROWS or held >= PART_CHARACTERS:
            _write(f"[{','.join(part)}]")
            part, held = [], 0
    if part:
        _write(f"[{','.join(part)}]")
    return rows


def _refuse_beyond(limits: Limits, rows: int, size: int) -> None:
    if limits.rows is not None and rows > limits.rows:
        raise TooMuch(f"At most {limits.rows} rows are imported at a time. Split the file.")
    if limits.answer_bytes is not None and size > limits.answer_bytes:
        raise TooMuch("The rows are too long for one import. Split the file.")


def _plain(record: Record | BrokenRecord) -> list[Any]:
    number, line = record.number, record.line
    if isinstance(record, BrokenRecord):
        return [number, line, record.code, record.detail]
    if sum(map(len, record.cells)) > MAX_ROW:
        return [number, line, "row_too_long", f"The row has more than {MAX_ROW} characters."]
    return [number, line, record.cells]


def _say(members: dict[str, Any]) -> None:
    _write(json.dumps(members))


def _write(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.write("\n")
    sys.stdout.flush()


def _confine(limits: Limits) -> None:
    bounds = {
        resource.RLIMIT_AS: limits.memory_bytes,
        resource.RLIMIT_CPU: limits.cpu_seconds,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NOFILE: _OPEN_FILES,
        resource.RLIMIT_NPROC: 0,
    }
    for kind, bound in bounds.items():
        # Not every system knows every limit; those of Linux are tested.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (bound, bound))


if __name__ == "__main__":
    main()
