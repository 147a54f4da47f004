"""Text that a spreadsheet would take for a formula, and how it is kept from that: reversibly."""

import re
from typing import Final

# OWASP's signs of a formula (CSV injection), and the wide and small forms that spreadsheets of
# East Asian locales take for the same.
_SIGNS: Final = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
_STARTS: Final = frozenset({*_SIGNS, "'"})
_GUARDABLE: Final = re.compile(f"'*[{re.escape(_SIGNS)}]")
_GUARDED: Final = re.compile(f"'+[{re.escape(_SIGNS)}]")
# What other spreadsheets take for the end of a cell. Of white space no formula is made there: a
# text of several lines stays as it is.
_INNER: Final = re.escape("".join(sign for sign in _SIGNS if not sign.isspace()))
_GUARDABLE_INSIDE: Final = re.compile(f"([;\t])(?='*[{_INNER}])")
_GUARDED_INSIDE: Final = re.compile(f"([;\t])'(?='*[{_INNER}])")


def guard_cell(text: str) -> str:
    """The text for a cell of CSV: with an apostrophe before all that would be a formula.

    That is its beginning, and what follows a semicolon or a tab: there, a spreadsheet of another
    country begins a new cell. Also where apostrophes and then such a sign stand, so that
    `unguard_cell` undoes just this.
    """
    # Most cells are told by their first character: a long export has millions.
    guarded = f"'{text}" if text[:1] in _STARTS and _GUARDABLE.match(text) else text
    return _GUARDABLE_INSIDE.sub(r"\1'", guarded) if _has_separators(guarded) else guarded


def unguard_cell(text: str) -> str:
    """What `guard_cell` made this of."""
    plain = text[1:] if _GUARDED.match(text) else text
    return _GUARDED_INSIDE.sub(r"\1", plain) if _has_separators(plain) else plain


def _has_separators(text: str) -> bool:
    return ";" in text or "\t" in text
