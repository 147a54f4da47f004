"""Codes of countries, currencies, languages and time zones."""

from zoneinfo import ZoneInfo

import pytest
from pydantic import TypeAdapter, ValidationError

from crm_api.core.formats.places import (
    CountryCode,
    CurrencyCode,
    LanguageTag,
    TimeZone,
    countries,
    currencies,
    time_zones,
)

TYPES = {
    "country": TypeAdapter[str](CountryCode),
    "currency": TypeAdapter[str](CurrencyCode),
    "language": TypeAdapter[str](LanguageTag),
    "time_zone": TypeAdapter[str](TimeZone),
}


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("country", "UG"),
        ("country", "XK"),
        ("currency", "UGX"),
        ("language", "en"),
        ("language", "en-GB"),
        ("language", "sw"),
        ("language", "lg"),
        ("language", "nyn"),
        ("language", "zh-Hant-HK"),
        ("language", "es-419"),
        ("time_zone", "Africa/Kampala"),
        ("time_zone", "UTC"),
        ("time_zone", "America/Argentina/Buenos_Aires"),
    ],
)
def test_listed_codes_are_read_as_they_are(kind: str, text: str) -> None:
    assert TYPES[kind].validate_python(text) == text


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("country", "ug"),
        ("country", "ZZ"),
        ("country", "UGA"),
        ("currency", "ugx"),
        ("currency", "XTS"),
        ("language", "EN"),
        ("language", "eng"),
        ("language", "en_GB"),
        ("language", "en-gb"),
        ("language", "en-ZZ"),
        ("language", "qq"),
        ("language", "x" * 1000),
        ("time_zone", "Kampala"),
        ("time_zone", "africa/kampala"),
        ("time_zone", "../../etc/passwd"),
        ("time_zone", "localtime"),
        ("time_zone", "Factory"),
    ],
)
def test_other_codes_are_refused(kind: str, text: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TYPES[kind].validate_python(text)
    assert caught.value.errors()[0]["type"] == f"unknown_{kind}"


@pytest.mark.parametrize("kind", TYPES)
def test_each_code_has_a_bounded_schema_that_fits_its_examples(kind: str) -> None:
    schema = TYPES[kind].json_schema()
    assert {"type", "pattern", "maxLength", "minLength", "examples", "description"} <= set(schema)
    for example in schema["examples"]:
        assert TYPES[kind].validate_python(example) == example


def test_the_lists_are_whole() -> None:
    assert len(countries()) == 250
    assert {"EUR", "USD", "KES", "UGX", "JPY"} <= currencies()
    assert all(len(zone) <= 64 for zone in time_zones())
    assert str(ZoneInfo("Africa/Kampala")) in time_zones()
