"""What a file is, by its own bytes: whoever sent it may call it anything."""

import codecs
from pathlib import Path
from typing import Final

import filetype  # type: ignore[import-untyped]  # it has no stubs

UNKNOWN: Final = "application/octet-stream"
PLAIN: Final = "text/plain"
LOOKED_AT: Final = 1 << 16
INERT: Final = frozenset({
    "text/csv", "text/markdown", "text/calendar", "text/vcard", "text/tab-separated-values",
    "application/json", "application/x-ndjson",
})  # fmt: skip
"""Kinds of text that their sender may name: no program runs what they hold."""
_CONTROL: Final = frozenset(chr(n) for n in range(32)) - frozenset("\t\n\r\f\x1b")


def media_type_of(path: Path, declared: str) -> str:
    """The media type that a file is answered with.

    Text, HTML, SVG and scripts among it, is plain text, unless it is declared as an inert kind.
    """
    with path.open("rb") as file:
        head = file.read(LOOKED_AT)
    known = filetype.guess_mime(head)
    if known is not None:
        return str(known)
    if not _is_text(head):
        return UNKNOWN
    return declared if declared in INERT else PLAIN


def _is_text(head: bytes) -> bool:
    """UTF-8; the part that was looked at may end within a letter."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return False
    return _CONTROL.isdisjoint(text)
