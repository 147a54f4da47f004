"""What a file may be called: one plain label, that is no path on any system."""

import re
import unicodedata
from pathlib import PureWindowsPath
from typing import Annotated, Final

from crm_api.core.formats.faults import refuse
from crm_api.core.formats.text import Line
from crm_api.core.formats.wire import Checked

MAX_LENGTH: Final = 200
# Marks that change the direction of what follows, besides those that no line may hold.
_DIRECTIONS: Final = r"\u061c\u200e\u200f"
_NO_LABEL: Final = re.compile(rf"[/\\{_DIRECTIONS}]")
_PATTERN: Final = (
    r"^[^/\\\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069" + _DIRECTIONS + "]*$"
)
_line = Line(1, MAX_LENGTH)
_ROOM: Final = 1024
"""Characters that are looked at: normalizing takes time."""


def parse_file_name(text: str) -> str:
    """The name as it is kept; ValueError for paths, and for what would not be read as written."""
    name = _line.parse(text)
    if _NO_LABEL.search(name) or not name.strip("."):
        raise refuse(
            "invalid_text", "Write a name without slashes, backslashes or direction marks."
        )
    return name


def plain_file_name(sent: str | None, otherwise: str) -> str:
    """The last part of whatever path was sent, of printable characters.

    Args:
        otherwise: what it is called where nothing of that is left.
    """
    name = PureWindowsPath(unicodedata.normalize("NFC", (sent or "")[-_ROOM:])).name
    plain = "".join(c for c in name if c.isprintable() and not "\ud800" <= c <= "\udfff").strip()
    return plain[-MAX_LENGTH:].strip() if plain.strip(". ") else otherwise


def with_parts(name: str) -> str:
    """A name and its parts between dots: `offer.final.pdf` is found as a whole and by each."""
    return f"{name} {name.replace('.', ' ')}"


FileName = Annotated[
    str,
    Checked(
        parse=parse_file_name,
        min_length=1,
        max_length=MAX_LENGTH,
        pattern=_PATTERN,
        examples=("Offer for the morning show.pdf",),
    ),
]
