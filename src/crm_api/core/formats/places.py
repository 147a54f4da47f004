"""Countries, currencies, languages and time zones: codes that some authority lists."""

import re
import zoneinfo
from functools import cache
from typing import Annotated, Final

import pycountry

from crm_api.core.formats.faults import refuse
from crm_api.core.formats.wire import Checked

# Kosovo has no ISO 3166-1 code; XK is the user-assigned one that the European Union, CLDR, and the
# phone and address data of this package use.
_BESIDE_ISO: Final = frozenset({"XK"})
# Codes of ISO 4217 that are no money to owe: metals, bond units, testing, no currency.
_NO_MONEY_CODES: Final = "XAD XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX"
_NO_MONEY: Final = frozenset(_NO_MONEY_CODES.split())
# UN M.49 regions that language tags use (RFC 5646 §2.2.4): the world, Europe, Latin America.
_LANGUAGE_REGIONS: Final = frozenset({"001", "150", "419"})
# Names that a machine's own files add to the IANA ones.
_NO_ZONES: Final = frozenset({"Factory", "localtime", "posixrules"})

_LANGUAGE_TAG: Final = re.compile(r"([a-z]{2,3})(?:-([A-Z][a-z]{3}))?(?:-([A-Z]{2}|[0-9]{3}))?")
_TAG_LENGTH: Final = 12


@cache
def countries() -> frozenset[str]:
    """ISO 3166-1 alpha-2 codes, and XK."""
    return frozenset(country.alpha_2 for country in pycountry.countries) | _BESIDE_ISO


@cache
def currencies() -> frozenset[str]:
    """ISO 4217 codes of money in use."""
    return frozenset(currency.alpha_3 for currency in pycountry.currencies) - _NO_MONEY


@cache
def _languages() -> frozenset[str]:
    """ISO 639 codes as RFC 5646 §2.2.1 takes them: the shortest that the language has."""
    return frozenset(getattr(each, "alpha_2", each.alpha_3) for each in pycountry.languages)


@cache
def _scripts() -> frozenset[str]:
    return frozenset(script.alpha_4 for script in pycountry.scripts)


@cache
def time_zones() -> frozenset[str]:
    """Names of the IANA time zone database that this machine can compute with."""
    return frozenset(zoneinfo.available_timezones()) - _NO_ZONES


def country_names() -> dict[str, str]:
    """Each of `countries()` and its English name, by name."""
    names = {each.alpha_2: getattr(each, "common_name", each.name) for each in pycountry.countries}
    return _by_name(names | {"XK": "Kosovo"})


def currency_names() -> dict[str, str]:
    """Each of `currencies()` and its English name, by code."""
    names = {each.alpha_3: each.name for each in pycountry.currencies}
    return {code: names[code] for code in sorted(currencies())}


def language_names() -> dict[str, str]:
    """The languages that have a code of two letters, by name."""
    return _by_name({e.alpha_2: e.name for e in pycountry.languages if hasattr(e, "alpha_2")})


def _by_name(names: dict[str, str]) -> dict[str, str]:
    return dict(sorted(names.items(), key=lambda item: item[1]))


def parse_country(text: str) -> str:
    """One of `countries()`, upper case."""
    if text not in countries():
        raise refuse("unknown_country", "Use a two-letter ISO 3166-1 country code, such as UG.")
    return text


def parse_currency(text: str) -> str:
    """One of `currencies()`, upper case."""
    if text not in currencies():
        raise refuse("unknown_currency", "Use a three-letter ISO 4217 currency code, such as UGX.")
    return text


def parse_language(text: str) -> str:
    """A language tag of language, script and region (RFC 5646), in its canonical case."""
    tag = _LANGUAGE_TAG.fullmatch(text) if len(text) <= _TAG_LENGTH else None
    if tag is not None:
        language, script, region = tag.groups()
        if (
            language in _languages()
            and (script is None or script in _scripts())
            and (region is None or region in _LANGUAGE_REGIONS or region in countries())
        ):
            return text
    raise refuse("unknown_language", "Use a BCP 47 language tag such as en, en-GB or sw.")


def parse_time_zone(text: str) -> str:
    """One of `time_zones()`."""
    if text not in time_zones():
        raise refuse("unknown_time_zone", "Use an IANA time zone name such as Africa/Kampala.")
    return text


CountryCode = Annotated[
    str,
    Checked(
        parse=parse_country,
        min_length=2,
        max_length=2,
        pattern="^[A-Z]{2}$",
        description="ISO 3166-1 alpha-2 country code.",
        examples=("UG", "GB"),
        listed_in="countries",
    ),
]
CurrencyCode = Annotated[
    str,
    Checked(
        parse=parse_currency,
        min_length=3,
        max_length=3,
        pattern="^[A-Z]{3}$",
        description="ISO 4217 currency code.",
        examples=("UGX", "EUR"),
        listed_in="currencies",
    ),
]
LanguageTag = Annotated[
    str,
    Checked(
        parse=parse_language,
        min_length=2,
        max_length=_TAG_LENGTH,
        pattern="^[a-z]{2,3}(-[A-Z][a-z]{3})?(-([A-Z]{2}|[0-9]{3}))?$",
        description="BCP 47 language tag.",
        examples=("en", "en-GB", "sw"),
        listed_in="languages",
    ),
]
TimeZone = Annotated[
    str,
    Checked(
        parse=parse_time_zone,
        max_length=64,
        pattern=r"^[A-Za-z][A-Za-z0-9_+\-]*(/[A-Za-z0-9_+\-]+){0,2}$",
        description="IANA time zone name.",
        examples=("Africa/Kampala", "Europe/London"),
        listed_in="time_zones",
    ),
]
