"""The marks in a recorded statement's arguments: what varies from one run of it to the next."""

from collections.abc import Mapping
from typing import Any

NUMBER = "<number12>"
"""Twelve digits that nobody used before."""
CLIENT = "<client12>"
"""The number of a client that is there, in twelve digits."""
ORGANIZATION, SESSION, ACTOR = "<organization>", "<session>", "<actor>"
VERSION = "<version>"
"""The present version of the client."""


def filled(value: Any, marks: Mapping[str, str]) -> Any:
    """An argument with its marks replaced."""
    if isinstance(value, str) and "<" in value:
        for mark, text in marks.items():
            value = value.replace(mark, text)
    return value
