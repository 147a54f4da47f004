"""Whether an address fits its country, and how complete it is. What is missing is never a fault."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from crm_api.core.formats.address_rules import (
    AddressLine,
    Area,
    CountryRules,
    folded_forms,
    rules_of,
)
from crm_api.core.formats.faults import FaultCode
from crm_api.core.formats.places import countries
from crm_api.core.formats.text import typewritten

AddressQuality = Literal["complete", "incomplete", "unverified_format"]

_POSTAL_CODE_LENGTH: Final = 32
_NAME_LENGTH: Final = 200
_SPACES: Final = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class AddressFault:
    """One line that does not fit. `detail` says what to do and holds nothing of the address."""

    field: Literal["country_code", AddressLine]
    code: FaultCode
    detail: str


@dataclass(frozen=True, slots=True)
class AddressCheck:
    """What was found. `postal_code` is the caller's, upper-cased with single spaces, or None."""

    faults: tuple[AddressFault, ...]
    quality: AddressQuality
    postal_code: str | None


_UNKNOWN_COUNTRY: Final = AddressFault(
    "country_code", "unknown_country", "Use a two-letter ISO 3166-1 country code, such as UG."
)
_WRONG_AREA: Final = AddressFault(
    "country_area",
    "invalid_country_area",
    "Use the code or the name of a state, province or region of the country, or leave it out.",
)
_WRONG_POSTAL_CODE: Final = AddressFault(
    "postal_code",
    "invalid_postal_code",
    "Use a postal code of the country and of the area that is named, or leave it out.",
)


def check_address(
    country_code: str,
    country_area: str | None,
    city: str | None,
    postal_code: str | None,
    street_address: str | None,
) -> AddressCheck:
    """Check the lines of one address; the texts themselves are stored as the caller wrote them.

    A fault is an unknown country, or an area or postal code that does not fit. Quality is
    `unverified_format` for a country that publishes no rules and for a city that the country's list
    of the area does not hold (people write "Beijing" for a district of Beijing), `incomplete` when
    a line is missing that the country's post wants, else `complete`.
    """
    postal_code = _postal_code(postal_code)
    if country_code not in countries():
        return AddressCheck((_UNKNOWN_COUNTRY,), "unverified_format", postal_code)
    rules = rules_of(country_code)
    fits, area = _find_area(rules, (country_area or "").strip())
    faults = () if fits else (_WRONG_AREA,)
    if postal_code is not None and not _postal_code_fits(rules, area, postal_code):
        faults = (*faults, _WRONG_POSTAL_CODE)
    lines: dict[AddressLine, str | None] = {
        "country_area": country_area,
        "city": city,
        "postal_code": postal_code,
        "street_address": street_address,
    }
    missing = any(not (lines[line] or "").strip() for line in rules.required)
    quality: AddressQuality = "incomplete" if missing else "complete"
    if not (rules.has_rules and _city_fits(rules, area, (city or "").strip())):
        quality = "unverified_format"
    return AddressCheck(faults, quality, postal_code)


def _postal_code(text: str | None) -> str | None:
    if text is None:
        return None
    # Over-long text is refused below; it only must not cost anything here.
    short = text.strip()[: _POSTAL_CODE_LENGTH + 1]
    try:
        return _SPACES.sub(" ", typewritten(short)).upper() or None
    except ValueError:  # a pile of marks; it fits no country's pattern either
        return short


def _postal_code_fits(rules: CountryRules, area: Area | None, postal_code: str) -> bool:
    if len(postal_code) > _POSTAL_CODE_LENGTH:
        return False
    if rules.postal is None:
        return True
    for prefix in ("", *rules.postal_prefixes):
        code = postal_code.removeprefix(prefix)
        if rules.postal.fullmatch(code):
            return area is None or not area.postal_prefix or bool(area.postal_prefix.match(code))
    return False


@lru_cache(maxsize=2048)
def _known_area(country: str, name: str) -> tuple[bool, Area | None]:
    rules = rules_of(country)
    forms = folded_forms(name)
    for form in forms:
        if form in rules.areas:
            return True, rules.areas[form]
    return rules.has_iso_area(forms), None


def _find_area(rules: CountryRules, name: str) -> tuple[bool, Area | None]:
    """Whether the area fits, and what is known of it. Any name fits where none are listed."""
    if not name or not rules.areas:
        return True, None
    return (False, None) if len(name) > _NAME_LENGTH else _known_area(rules.country, name)


def _city_fits(rules: CountryRules, area: Area | None, city: str) -> bool:
    if area is None or not area.city_names or not city:
        return True
    if len(city) > _NAME_LENGTH:
        return False
    # A city that is an area itself is written in both lines.
    return _find_area(rules, city)[1] is area or any(
        form in area.cities for form in folded_forms(city)
    )
