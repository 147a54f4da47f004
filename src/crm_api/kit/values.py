"""The values of filters, read strictly from a query string; a refusal holds nothing of it."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

from crm_api.core.formats.dates import parse_date, parse_instant


def parse_value(kind: str, text: str) -> Any:
    """One value of a filter.

    Raises:
        ValueError: the text is no value of this kind; its message says what one looks like, and
            holds nothing of the text.
    """
    parse, expected = _PARSERS[kind]
    try:
        return parse(text)
    except ValueError:
        raise ValueError(f"{expected} is expected") from None


def _matching(pattern: str, convert: Callable[[str], Any]) -> Callable[[str], Any]:
    compiled = re.compile(pattern)

    def parse(text: str) -> Any:
        if not compiled.fullmatch(text):
            raise ValueError
        return convert(text)

    return parse


def _ten_thousandths(text: str) -> int:
    amount = int(Decimal(text) * 10_000)
    if amount >= 2**63:
        raise ValueError
    return amount


_HEX = "[0-9a-fA-F]"
_PARSERS: dict[str, tuple[Callable[[str], Any], str]] = {
    "uuid": (_matching(f"{_HEX}{{8}}(-{_HEX}{{4}}){{3}}-{_HEX}{{12}}", UUID), "a UUID"),
    "date": (parse_date, "a date such as 2026-01-31"),
    "instant": (parse_instant, "a time such as 2026-01-31T00:00:00Z"),
    "integer": (_matching("-?[0-9]{1,17}", int), "a whole number"),
    "boolean": (_matching("true|false", lambda text: text == "true"), "true or false"),
    "money": (
        _matching(r"[0-9]{1,15}(\.[0-9]{1,4})?", _ten_thousandths),
        "a decimal amount with at most four places",
    ),
    "text": (
        _matching(r"[^\x00-\x1f\ud800-\udfff]{1,500}", str),
        "a text of 1 to 500 printable characters",
    ),
}
"""How the values of each kind are read, and what to send."""
