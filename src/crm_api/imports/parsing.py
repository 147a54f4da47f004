"""Files read by a process of their own: what a file does to its reader, it does to that one alone.

Nothing here looks into the file. What the process answers is plain rows.
"""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from threading import Timer
from typing import Any, Final

from crm_api.imports.limits import FAILED, Limits
from crm_api.imports.reading import SAMPLE_RECORDS, BrokenRecord, Record, UnreadableFile

_MAX_LINE: Final = 32 << 20
"""Bytes. One row of the longest, each character escaped, and a part before it."""
_TOO_COMPLEX: Final = "takes too much memory or time to read. Split it, or save it as CSV in UTF-8."
_UNUSUAL: Final = "is broken, or of a kind that is not read here. Save it as CSV in UTF-8."
_GOODBYE_SECONDS: Final = 5.0
_ENDED_BY_LIMITS: Final = frozenset(
    {-signal.SIGXCPU, -signal.SIGKILL, -signal.SIGABRT, -signal.SIGSEGV, -signal.SIGBUS}
)


class BrokenReader(Exception):
    """The reading process failed for a reason of its own: a defect, or a machine at its end."""


@dataclass(slots=True)
class Parsed:
    """A file that is being read. `rows` and `empty` are right at its end."""

    name: str
    format: str
    encoding: str | None
    delimiter: str | None
    sheet: str | None
    header: list[str]
    lines: int
    """About how many lines it has, for a progress bar."""
    rest: Iterator[bytes]
    rows: int = 0
    empty: int = 0
    """Rows without any content, which are passed over."""

    def parts(self) -> Iterator[bytes]:
        """Rows as the process wrote them, some hundred at a time.

        Raises:
            UnreadableFile: it is found to be only here.
        """
        for line in self.rest:
            if line.startswith(b"["):
                yield line
            else:
                found = json.loads(line)
                self.rows, self.empty = found["rows"], found["empty"]

    def records(self) -> Iterator[Record | BrokenRecord]:
        """Every row. Raises `UnreadableFile` as `parts` does."""
        for part in self.parts():
            yield from records_of(part)

    def sample(self, count: int = SAMPLE_RECORDS) -> list[list[str]]:
        """The cells of the first rows; they are read again with the others."""
        first = next(self.rest, b"")
        self.rest = chain((first,), self.rest) if first else self.rest
        return sample_of(first, count) if first.startswith(b"[") else []


def records_of(part: bytes) -> Iterator[Record | BrokenRecord]:
    """The rows of one part."""
    for number, line, *about in json.loads(part):
        yield (
            Record(number, line, *about) if len(about) == 1 else BrokenRecord(number, line, *about)
        )


def sample_of(part: bytes, count: int = SAMPLE_RECORDS) -> list[list[str]]:
    """The cells of the first rows of a part."""
    found = [record.cells for record in records_of(part) if isinstance(record, Record)]
    return found[:count]


@contextmanager
def parsed(path: Path, name: str, limits: Limits, sheet: str | None = None) -> Iterator[Parsed]:
    """Have a file read. It blocks: call it, and what it gives, in a thread.

    Args:
        name: how the file is called in what is said of it.
        sheet: of a workbook; else its first.

    Raises:
        UnreadableFile: the text says why, and what to do.
        BrokenReader: the process did not answer.
    """
    command = [sys.executable, "-I", "-m", "crm_api.imports.child"]
    # No environment but that: no credential, no address of a database, no variable of Python's.
    with subprocess.Popen(
        [*command, str(path.absolute()), name, limits.as_text(), sheet or ""],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"LC_ALL": "C.UTF-8"},
        cwd="/",
        start_new_session=True,
    ) as process:
        try:
            lines = _lines(process, name, limits)
            found: dict[str, Any] = json.loads(next(lines))
            yield Parsed(name=name, rest=lines, **found)
        finally:
            process.kill()


def _lines(process: "subprocess.Popen[bytes]", name: str, limits: Limits) -> Iterator[bytes]:
    """What the process says, line by line, until it has said all."""
    ended = False
    while not ended:
        line = _line(process, limits)
        if not line.endswith(b"\n"):
            raise _failure(process, name)
        if line.startswith(b'{"code"'):
            found = json.loads(line)
            raise UnreadableFile(found.get("detail", f"{name} {_TOO_COMPLEX}"), code=found["code"])
        ended = line.startswith(b'{"rows"')
        yield line


def _line(process: "subprocess.Popen[bytes]", limits: Limits) -> bytes:
    if process.stdout is None:
        raise BrokenReader("the reader of files has no output")
    watch = Timer(limits.pause_seconds, process.kill)
    watch.daemon = True
    watch.start()
    try:
        return process.stdout.readline(_MAX_LINE)
    finally:
        watch.cancel()


def _failure(process: "subprocess.Popen[bytes]", name: str) -> Exception:
    """Why there is no answer: the file was too much for it, or it never began to read."""
    try:
        status = process.wait(_GOODBYE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        status = process.wait()
    if status == FAILED:
        return UnreadableFile(f"{name} {_UNUSUAL}")
    if status in _ENDED_BY_LIMITS:
        return UnreadableFile(f"{name} {_TOO_COMPLEX}", code="file_too_complex")
    return BrokenReader(f"the reader of files ended with status {status}")
