"""Text that a spreadsheet would take for a formula, and how it is kept from that: reversibly."""

import re
from typing import Final

# OWASP's signs of a formula (CSV injection), and the wide and small forms that spreadsheets of
# East Asian locales take for the same.
_SIGNS: Final = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
_STARTS: Final = frozenset({*_SIGNS, "'"})
_GUARDABLE: Final = re.compile(f"'*[{re.escape(_SIGNS)}]")
_GUARDED: Final = re.compile(f"'+[{re.escape(_SIGNS)}]")


def guard_cell(text: str) -> str:
    """The text for a cell of CSV: with an apostrophe before it where it would be a formula.

    Also where apostrophes and then such a sign begin it, so that `unguard_cell` undoes just this.
    """
    # Most cells are told by their first character: a long export has millions.
    return f"'{text}" if text[:1] in _STARTS and _GUARDABLE.match(text) else text


def unguard_cell(text: str) -> str:
    """What `guard_cell` made this of."""
    return text[1:] if _GUARDED.match(text) else text
