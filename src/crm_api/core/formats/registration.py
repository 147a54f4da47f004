"""Tax and company numbers: checked where a country publishes how, compared without separators."""

from functools import cache
from importlib import import_module
from typing import Final, Protocol, cast

from stdnum.exceptions import ValidationError

from crm_api.core.formats.faults import refuse
from crm_api.core.formats.places import countries
from crm_api.core.formats.registration_tables import (
    REGISTRATION_CHECKS,
    REGISTRATION_FORMATS,
    TAX_FORMATS,
    tax_checks,
    vat_prefix,
)
from crm_api.core.formats.text import has_control, typewritten

MAX_LENGTH: Final = 64
_UK_LENGTH: Final = 8


class _NumberModule(Protocol):
    def validate(self, number: str) -> str:
        """The number without separators, or ValidationError."""
        ...


def check_tax_number(country: str, kind: str, value: str) -> str:
    """The number as it is compared: upper case, no separators, VAT numbers with their prefix.

    `kind` is what the caller calls it (`vat`, `tin`, `ein`, `gstin`, …). A kind or a country for
    which no check is published takes any number. The caller's own text is what is stored and
    answered. ValueError for an unknown country and for a number that fails its check.
    """
    _known(country)
    refusal = refuse("invalid_tax_number", "Check the digits, the kind and the country.")
    text = _text(value)
    key = _key(text)
    if not key:
        raise refusal
    pattern = TAX_FORMATS.get((country, kind))
    if pattern is not None and not pattern.fullmatch(key):
        raise refusal
    checks = tax_checks(country, kind)
    if checks:
        number = _checked(checks, text)
        if number is None:
            raise refusal
        prefix = vat_prefix(country, kind)
        key = prefix + number.removeprefix(prefix)
    return key


def check_registration_number(country: str, value: str) -> str:
    """The company number as it is compared: upper case, letters and digits only.

    A British number is filled up with zeros to its eight places. ValueError for an unknown country
    and for a number that fails the check that its register publishes.
    """
    _known(country)
    refusal = refuse("invalid_registration_number", "Check the digits and the country.")
    text = _text(value)
    key = _key(text)
    if not key:
        raise refusal
    if country == "GB":
        key = _filled_up(key)
    pattern = REGISTRATION_FORMATS.get(country)
    if pattern is not None and not pattern.fullmatch(key):
        raise refusal
    if country in REGISTRATION_CHECKS:
        number = _checked(REGISTRATION_CHECKS[country], text)
        if number is None:
            raise refusal
        key = number
    return key


def _known(country: str) -> None:
    if country not in countries():
        raise refuse("unknown_country", "Use a two-letter ISO 3166-1 country code, such as UG.")


def _text(value: str) -> str:
    """The text in plain characters; empty when it cannot be a number."""
    text = value.strip()
    if len(text) > MAX_LENGTH or has_control(text):
        return ""
    return typewritten(text).upper()


def _key(text: str) -> str:
    return "".join(char for char in text if char.isalnum())


def _filled_up(key: str) -> str:
    """A British number with the zeros that people leave out: 445790, SC1234."""
    size = 0 if key[0].isdigit() else 2
    return key[:size] + key[size:].rjust(_UK_LENGTH - size, "0")


def _checked(modules: tuple[str, ...], text: str) -> str | None:
    """What the first module that takes the number makes of it, without separators."""
    if not text.isascii():
        return None
    for module in modules:
        try:
            return _key(_module(module).validate(text))
        except ValidationError:
            continue
    return None


@cache
def _module(name: str) -> _NumberModule:
    """A module of our own table: there are some seventy, and a process needs a few."""
    return cast("_NumberModule", import_module(f"stdnum.{name}"))
