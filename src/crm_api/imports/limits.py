"""What the reading of one file may take. Imports nothing: the reading process starts with it."""

import json
from dataclasses import asdict, dataclass
from typing import Final

MEBIBYTE: Final = 1 << 20
FAILED: Final = 70
"""The exit status of a process that failed while it read: by the file, as far as anybody knows."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of the process that reads a file, and of what it may answer."""

    memory_bytes: int = 768 * MEBIBYTE
    """Address space: the interpreter, the file unpacked, its rows."""
    cpu_seconds: int = 20
    pause_seconds: float = 25.0
    """The longest time between two parts of its answer."""
    rows: int | None = 250_000
    answer_bytes: int | None = 256 * MEBIBYTE
    """All rows as the process answers them."""

    def as_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> "Limits":
        return cls(**json.loads(text))


OF_UPLOADS: Final = Limits()
OF_COMMANDS: Final = Limits(cpu_seconds=600, pause_seconds=120.0, rows=None, answer_bytes=None)
"""For files of one's own machine: of any length, but no less carefully unpacked."""
