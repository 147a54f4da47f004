"""Tax and company numbers: check digits where a country has them, one key per number."""

import pytest

from crm_api.core.formats import registration
from crm_api.core.formats.places import countries
from crm_api.core.formats.registration import check_registration_number, check_tax_number
from crm_api.core.formats.registration_tables import REGISTRATION_CHECKS, tax_checks

KINDS = ["vat", "tin", "ein", "gstin", "gst", "abn", "nit", "ruc", "utr", "cnpj", "siren", "uid"]


@pytest.mark.parametrize(
    ("country", "kind", "value", "key"),
    [
        ("DE", "vat", "DE 136,695 976", "DE136695976"),
        ("DE", "vat", "136695976", "DE136695976"),
        ("GB", "vat", "GB 980 7806 84", "GB980780684"),
        ("GR", "vat", "EL 094259216", "EL094259216"),
        ("GR", "vat", "GR094259216", "EL094259216"),
        ("FR", "vat", "Fr 40 303 265 045", "FR40303265045"),
        ("AT", "vat", "ATU13585627", "ATU13585627"),
        ("IN", "gstin", "27AAPFU0939F1ZV", "27AAPFU0939F1ZV"),
        ("US", "ein", "91-1144442", "911144442"),
        ("UG", "tin", "1000 123456", "1000123456"),
        ("ZA", "tin", "0001339050", "0001339050"),
        ("KE", "tin", "a 123", "A123"),
        ("FR", "local", "x-1", "X1"),
        ("JP", "tin", "\uff15835678256246", "5835678256246"),
    ],
)
def test_a_tax_number_has_one_key(country: str, kind: str, value: str, key: str) -> None:
    assert check_tax_number(country, kind, value) == key
    assert check_tax_number(country, kind, key) == key


@pytest.mark.parametrize(
    ("country", "kind", "value"),
    [
        ("DE", "vat", "DE136695978"),
        ("GB", "vat", "GB980780685"),
        ("IN", "gstin", "27AAPFU0939F1ZX"),
        ("US", "ein", "07-1144442"),
        ("US", "ein", "911"),
        ("UG", "tin", "100012345"),
        ("UG", "tin", "100012345X"),
        ("ZA", "tin", "0001339051"),
        ("KE", "tin", ""),
        ("KE", "tin", "---"),
        ("KE", "tin", "1" * 65),
        ("KE", "tin", "1\x002"),
        ("KE", "tin", "1\ud800"),
    ],
)
def test_a_tax_number_that_fails_its_check_is_refused(country: str, kind: str, value: str) -> None:
    with pytest.raises(ValueError, match="Check the digits") as caught:
        check_tax_number(country, kind, value)
    assert caught.value.type == "invalid_tax_number"  # type: ignore[attr-defined]  # pydantic's custom error


@pytest.mark.parametrize(
    ("country", "value", "key"),
    [
        ("GB", "445790", "00445790"),
        ("GB", "SC 123456", "SC123456"),
        ("GB", "sc1234", "SC001234"),
        ("GB", "IP00001R", "IP00001R"),
        ("GB", "OC303675", "OC303675"),
        ("UG", "80020000123456", "80020000123456"),
        ("DE", "HRB 11223 Aachen", "HRB11223AACHEN"),
        ("FR", "552 008 443", "552008443"),
        ("NO", "988 077 917", "988077917"),
        ("DK", "DK 13585628", "13585628"),
        ("AU", "004 085 616", "004085616"),
        ("NG", "RC-123", "RC123"),
    ],
)
def test_a_company_number_has_one_key(country: str, value: str, key: str) -> None:
    assert check_registration_number(country, value) == key
    assert check_registration_number(country, key) == key


@pytest.mark.parametrize(
    ("country", "value"),
    [
        ("GB", "123456789"),
        ("GB", "XX123456"),
        ("GB", "S"),
        ("FR", "552008444"),
        ("NO", "988077918"),
        ("UG", ""),
        ("UG", "\u202e1"),
        ("NO", "\u0661" * 200),
    ],
)
def test_a_company_number_that_fails_its_check_is_refused(country: str, value: str) -> None:
    with pytest.raises(ValueError, match="Check the digits") as caught:
        check_registration_number(country, value)
    assert caught.value.type == "invalid_registration_number"  # type: ignore[attr-defined]  # pydantic's custom error


def test_an_unknown_country_is_refused_before_its_number() -> None:
    with pytest.raises(ValueError, match="ISO 3166-1"):
        check_tax_number("ZZ", "vat", "1")
    with pytest.raises(ValueError, match="ISO 3166-1"):
        check_registration_number("ZZ", "1")


def test_every_check_of_the_tables_exists() -> None:
    names = {name for modules in REGISTRATION_CHECKS.values() for name in modules}
    names |= {name for c in countries() for kind in KINDS for name in tax_checks(c, kind)}
    assert len(names) > 60
    for name in names:
        assert callable(registration._module(name).validate)
