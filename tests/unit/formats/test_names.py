"""The key of names: which spellings are one name (C6), and that nothing else is."""

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_api.core.formats.names import name_key, strip_legal_suffix

SAME = [
    ("Joe's Diner", "JOES DINER"),
    ("Joe\u2019s Diner", "Joe\u2018s Diner"),
    ("Joe\u02bcs", "Joe`s"),
    ("Joe\u00b4s", "Joe\u2032s"),
    ("A.B.C. Ltd.", "ABC Ltd"),
    ("Smith & Sons", "Smith, Sons"),
    ("Smith-Jones", "Smith  Jones"),
    ("Stra\u00dfe", "STRASSE"),
    ("\uff21\uff23\uff2d\uff25", "acme"),
    ("\ufb01ne foods", "Fine Foods"),
    ("Caf\u00e9", "Cafe\u0301"),
    ("Acme\u200b", "Acme"),
    ("Ac\u00adme", "Acme"),
    ("  Acme   Uganda ", "acme uganda"),
    ("Acme (Uganda)", "Acme Uganda"),
    ("\u0130stanbul", "i\u0307stanbul"),
    ("Acme\u2026", "acme"),
    ("C++ Works", "C Works"),
]
DIFFERENT = [("Caf\u00e9", "Cafe"), ("Acme 1", "Acme 2"), ("AB C", "A BC"), ("!!!", "???")]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_spellings_of_one_name_share_a_key(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_names_have_different_keys(one: str, other: str) -> None:
    assert name_key(one) != name_key(other)


@pytest.mark.parametrize("name", ["!!!", "\u2605", "'", "...", "\u00b4\u00b4"])
def test_a_name_of_symbols_alone_keeps_itself(name: str) -> None:
    assert name_key(name)


@settings(max_examples=500, deadline=None)
@given(st.text(min_size=1, max_size=40))
def test_a_key_is_its_own_key_and_holds_no_punctuation_beside_letters(name: str) -> None:
    key = name_key(name)
    assert name_key(key) == key
    if any(char.isalnum() for char in key):
        assert not any(unicodedata.category(char)[0] in "PS" for char in key)
        assert key == " ".join(key.split())


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(max_codepoint=0x7E, min_codepoint=0x20), max_size=40))
def test_plain_ascii_takes_the_short_way_to_the_same_key(name: str) -> None:
    without = name.lower().translate(str.maketrans("", "", "'`."))
    slow = " ".join(re.sub(r"[^\w ]|_", " ", without).split())
    assert name_key(name) == (slow or " ".join(name.lower().split()))


def test_a_key_always_fits_an_index() -> None:
    longest = name_key("\U00020000" * 200)
    assert len(longest.encode()) <= 1200
    with pytest.raises(ValueError, match="ligatures"):
        name_key("\ufdfa" * 200)
    with pytest.raises(ValueError, match="shorter"):
        name_key("x" * 1_000_000)


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("Acme Ltd", "acme"),
        ("Acme Company Limited", "acme"),
        ("Acme GmbH & Co. KG", "acme"),
        ("Acme S.A.", "acme"),
        ("Acme S. A. R. L.", "acme"),
        ("Acme Pty Ltd", "acme"),
        ("Acme A/S", "acme"),
        ("Acme Sp. z o.o.", "acme"),
        ("Acme, Inc.", "acme"),
        ("Acme Oy", "acme"),
        ("Limited", "limited"),
        ("Co Ltd", "co"),
        ("Incorporated Studios", "incorporated studios"),
        ("Ltd Edition Prints", "ltd edition prints"),
    ],
)
def test_the_legal_form_goes_from_the_end_and_a_name_stays(name: str, bare: str) -> None:
    assert strip_legal_suffix(name_key(name)) == bare
