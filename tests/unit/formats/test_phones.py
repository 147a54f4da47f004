"""Phone numbers: forms that people write, and compiled plans that answer as the library does."""

import csv
import os
import random
from pathlib import Path

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from crm_api.core.formats.phones import Phone, parse_phone, searched_digits

UGANDAN = Phone("+256772123456", "0772 123456", "+256 772 123456", "UG", "mobile")
AMERICAN = Phone("+13102461501", "(310) 246-1501", "+1 310-246-1501", "US", "fixed_line_or_mobile")
REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)


@pytest.mark.parametrize(
    ("text", "country", "default"),
    [
        ("+256772123456", None, None),
        ("+256 772 123456", None, None),
        ("+256 (0) 772-123-456", None, None),
        (" +256772123456 ", None, "US"),
        ("0772 123456", "UG", None),
        ("0772123456", None, "UG"),
        ("772123456", None, "UG"),
        ("256772123456", None, "UG"),
        ("+256772123456", "UG", None),
        ("tel:+256-772-123456", None, None),
        ("\u202a+256\u00a0772\u00a0123456\u202c", None, None),
        ("\uff0b256772123456", None, None),
        ("\u0660\u0667\u0667\u0662\u0661\u0662\u0663\u0664\u0665\u0666", "UG", None),
        ("+256\u2013772\u2013123456", None, None),
    ],
)
def test_every_way_to_write_a_number_gives_one_answer(
    text: str, country: str | None, default: str | None
) -> None:
    assert parse_phone(text, country, default) == UGANDAN


@pytest.mark.parametrize(
    "text", ["310/246-1501", "310-246-1501", "(310) 246-1501", "310.246.1501", "1 310 246 1501"]
)
def test_american_lists_are_read_with_the_default_country(text: str) -> None:
    assert parse_phone(text, None, "US") == AMERICAN


@pytest.mark.parametrize("mark", [" x12", " ext. 12", "x12", " #12", ";ext=12", ", 12"])
def test_an_extension_is_kept_apart_and_not_lost(mark: str) -> None:
    phone = parse_phone(f"+256772123456{mark}")
    assert (phone.e164, phone.extension) == ("+256772123456", "12")
    assert "12" not in phone.national[-3:-2]


@pytest.mark.parametrize(
    ("text", "country", "default"),
    [
        ("", None, None),
        ("310/788-", None, "US"),
        ("100-813-8212", None, "US"),  # no area code begins with 1
        ("2461501", None, "US"),
        ("12345", None, "UG"),
        ("0772 123456", None, None),
        ("0772 123456", None, "ZZ"),
        ("+256123", None, None),
        ("+2567721234567", None, None),
        ("+999772123456", None, None),
        ("+0772123456", None, None),
        ("+25677212345O", None, None),
        ("1-800-FLOWERS", None, "US"),
        ("+256772123456 / +256772123457", None, None),
        ("+254712345678", "UG", None),
        ("+256772123456", "ZZ", None),
        ("+256772123456", "ug", None),
        ("+256772123456", "AQ", None),
        ("++256772123456", None, None),
        ("+256772123456\x00", None, None),
        ("\U0001f4de", None, None),
        ("9" * 5000, None, "DE"),
        ("112", None, "UG"),
    ],
)
def test_what_is_no_number_of_its_country_is_refused_without_an_echo(
    text: str, country: str | None, default: str | None
) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_phone(text, country, default)
    assert caught.value.type in {"invalid_phone", "unknown_country"}  # type: ignore[attr-defined]  # pydantic's custom error
    assert not text or text not in str(caught.value)


def test_a_range_that_is_not_yet_assigned_is_stored_with_its_country() -> None:
    assert parse_phone("+15555555555").type == "unknown"
    assert parse_phone("+15555555555").country == "US"
    assert parse_phone("555 555 5555", "CA").country == "CA"


def test_numbers_of_the_whole_world_and_of_ascension() -> None:
    assert parse_phone("+80012345678").country is None
    assert parse_phone("+24762889").country == "SH"


def _random_number(region: str, rng: random.Random) -> str | None:
    sample = phonenumbers.example_number_for_type(
        region, rng.choice([PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE])
    )
    if sample is None:
        return None
    digits = list(phonenumbers.national_significant_number(sample))
    for _ in range(rng.randrange(len(digits))):
        digits[rng.randrange(len(digits))] = str(rng.randrange(10))
    return f"+{sample.country_code}{''.join(digits)}"


def _library_answer(text: str, region: str | None) -> Phone | None:
    """What the library says of a number that it holds to be valid."""
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    e164 = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    country = phonenumbers.region_code_for_number(number)
    kind = PhoneNumberType.to_string(phonenumbers.number_type(number)).lower()
    return Phone(
        e164,
        phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL),
        phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL),
        {"AC": "SH", "TA": "SH"}.get(country or "", country),
        kind,  # type: ignore[arg-type]  # any text is tried
    )


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(REGIONS), st.integers(0, 2**32), st.sampled_from([" ", "-", "/", ".", ""]))
def test_international_numbers_of_every_country_are_read_as_the_library_reads_them(
    region: str, seed: int, gap: str
) -> None:
    rng = random.Random(seed)
    text = _random_number(region, rng)
    if text is None:
        return
    for place in sorted(rng.sample(range(2, len(text)), 2), reverse=True):
        text = text[:place] + gap + text[place:]
    expected = _library_answer(text, None)
    if expected is not None:
        assert parse_phone(text) == expected


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from(REGIONS), st.integers(0, 2**32), st.sampled_from([" ", "-", "/", ""]))
def test_national_numbers_of_every_country_are_read_as_the_library_reads_them(
    region: str, seed: int, gap: str
) -> None:
    rng = random.Random(seed)
    text = _random_number(region, rng)
    if text is None:
        return
    calling_code = phonenumbers.country_code_for_region(region)
    prefix = phonenumbers.ndd_prefix_for_region(region, True) or ""
    digits = rng.choice(["", prefix]) + text.removeprefix(f"+{calling_code}")
    written = digits[:3] + gap + digits[3:]
    expected = _library_answer(written, region)
    if expected is not None:
        assert parse_phone(written, None, region) == expected


@settings(max_examples=600, deadline=None)
@given(st.text("0123456789", min_size=3, max_size=13), st.sampled_from(["US", "UG", "GB", "DE"]))
def test_any_digits_are_read_as_the_library_reads_them(digits: str, region: str) -> None:
    expected = _library_answer(digits, region)
    if expected is not None:
        assert parse_phone(digits, None, region) == expected


@pytest.mark.parametrize(("file", "accepted"), [("fodors.csv", 532), ("zagats.csv", 330)])
def test_real_lists_of_restaurants_lose_only_what_is_no_number(file: str, accepted: int) -> None:
    folder = os.environ.get("CRM_API_SAMPLE_DATA")
    if folder is None:
        pytest.skip("CRM_API_SAMPLE_DATA does not name a folder with the restaurant lists")
    with (Path(folder) / file).open(newline="", encoding="utf-8") as rows:
        texts = [row["phone"] for row in csv.DictReader(rows)]
    read = []
    for text in texts:
        try:
            read.append(parse_phone(text, None, "US"))
        except ValueError:
            continue
    assert len(read) == accepted == len(texts) - 1


@pytest.mark.parametrize(
    ("phone", "digits"),
    [
        (UGANDAN, ["256772123456", "0772123456"]),
        (AMERICAN, ["13102461501"]),
        (parse_phone("+390612345678"), ["390612345678"]),
    ],
)
def test_number_is_searched_as_it_is_dialled_at_home_and_abroad(
    phone: Phone, digits: list[str]
) -> None:
    assert searched_digits(phone.e164, phone.national) == digits
