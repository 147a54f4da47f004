"""Hostile text: each parser answers or raises a coded ValueError, quickly, and echoes nothing."""

import time
from collections.abc import Callable
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError, PydanticKnownError, ValidationError

from crm_api.core.formats import faults
from crm_api.core.formats.addresses import check_address
from crm_api.core.formats.dates import parse_date, parse_instant
from crm_api.core.formats.emails import parse_email
from crm_api.core.formats.money import Money
from crm_api.core.formats.names import name_key
from crm_api.core.formats.phones import parse_phone
from crm_api.core.formats.places import (
    parse_country,
    parse_currency,
    parse_language,
    parse_time_zone,
)
from crm_api.core.formats.registration import check_registration_number, check_tax_number
from crm_api.core.formats.text import Line, Prose
from crm_api.core.formats.web import parse_url

PARSERS: dict[str, Callable[[str], object]] = {
    "line": Line(1, 200).parse,
    "prose": Prose(10_000).parse,
    "name": name_key,
    "email": parse_email,
    "email_local": lambda text: parse_email(f"{text}@example.com"),
    "email_domain": lambda text: parse_email(f"jane@{text}.com"),
    "phone": parse_phone,
    "phone_with_country": lambda text: parse_phone(text, "UG"),
    "phone_country": lambda text: parse_phone("0772123456", text),
    "phone_default": lambda text: parse_phone("0772123456", None, text),
    "url": parse_url,
    "url_host": lambda text: parse_url(f"https://{text}.example.com/"),
    "url_path": lambda text: parse_url(f"https://example.com/{text}"),
    "tax": lambda text: check_tax_number("DE", "vat", text),
    "tax_free": lambda text: check_tax_number("KE", "pin", text),
    "tax_kind": lambda text: check_tax_number("DE", text, "136695976"),
    "tax_country": lambda text: check_tax_number(text, "vat", "136695976"),
    "company": lambda text: check_registration_number("GB", text),
    "company_checked": lambda text: check_registration_number("NO", text),
    "money": lambda text: Money(amount=text, currency=text),
    "country": parse_country,
    "currency": parse_currency,
    "language": parse_language,
    "time_zone": parse_time_zone,
    "date": parse_date,
    "instant": parse_instant,
    "address_country": lambda text: check_address(text, text, text, text, text),
    "address_us": lambda text: check_address("US", text, text, text, text),
    "address_cn": lambda text: check_address("CN", "Beijing Shi", text, text, text),
}
MEGABYTE = 1_000_000
HUGE = {
    "letters": "a" * MEGABYTE,
    "digits": "9" * MEGABYTE,
    "plus_digits": "+" + "1" * MEGABYTE,
    "spaces": " " * MEGABYTE,
    "dots": "." * MEGABYTE,
    "at": "@" * MEGABYTE,
    "labels": "a." * (MEGABYTE // 2),
    "punycode": "xn--" + "a" * MEGABYTE,
    "url": "https://" + "a" * MEGABYTE,
    "emoji": "\U0001f600" * (MEGABYTE // 4),
    "marks": "a" + "\u0316\u0301" * (MEGABYTE // 4),
    "ligatures": "\ufdfa" * (MEGABYTE // 3),
    "right_to_left": "\u05d0" * (MEGABYTE // 2),
    "quotes": '"' * MEGABYTE,
    "hangul": "\u1100\u1161" * (MEGABYTE // 6),
}
BOUNDED_MARKS = "a" + "\u0316\u0301" * 127


def refusal_of(parser: Callable[[str], object], text: str) -> ValueError | None:
    """What the parser raises; any other exception than a ValueError fails the test."""
    try:
        parser(text)
    except ValueError as error:
        return error
    return None


@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE)
def test_a_megabyte_is_refused_quickly(parser: Callable[[str], object], text: str) -> None:
    start = time.process_time()
    error = refusal_of(parser, text)
    assert time.process_time() - start < 1
    assert error is None or len(str(error)) < 1000


HOSTILE = st.one_of(
    st.text(max_size=80),
    st.text(
        st.characters(categories=["Cs", "Cc", "Cf", "Mn", "Nd", "No", "Zs", "Po"]), max_size=30
    ),
    st.text("0123456789+-() .xX#/,;=", max_size=40),
    st.text("\u0660\u0661\u06f1\uff11\u00b2\u2460\u0be7\u3007\U0001d7ce", max_size=20),
    st.text("abAB19.-_@:/[]%?#\u00fc\u05d0\u200d\u0301\u1e9e\u0130", max_size=70),
    st.sampled_from(
        [
            str(2**63),
            str(-(2**63)),
            "1e999",
            "NaN",
            "null",
            "\x00",
            "\ud800",
            "\u202e",
            BOUNDED_MARKS,
        ]
    ),
)


@pytest.mark.parametrize("parser", PARSERS.values(), ids=PARSERS)
@settings(max_examples=150, deadline=None)
@given(text=HOSTILE)
def test_hostile_text_is_answered_or_refused_with_a_known_code(
    parser: Callable[[str], object], text: str
) -> None:
    error = refusal_of(parser, text)
    if isinstance(error, PydanticCustomError):
        assert error.type in faults.FAULTS
        assert error.message() == error.message_template
    elif isinstance(error, PydanticKnownError):
        assert error.type in {"string_too_long", "string_too_short"}
    else:
        # Only a model collects several faults in an error of its own.
        assert error is None or isinstance(error, ValidationError)


def test_every_code_is_described() -> None:
    assert set(faults.FAULTS) == set(get_args(faults.FaultCode))
