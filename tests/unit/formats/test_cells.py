"""Formula signs in cells: none is left in front, and every text comes back as it was."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_api.core.formats.cells import guard_cell, unguard_cell

SIGNS = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
TEXTS = st.text() | st.text(alphabet=SIGNS + "';a1 ", max_size=6)


@given(TEXTS)
def test_guarding_is_undone(text: str) -> None:
    assert unguard_cell(guard_cell(text)) == text


@given(TEXTS)
def test_no_guarded_cell_begins_as_a_formula(text: str) -> None:
    assert not guard_cell(text).startswith(tuple(SIGNS))


@given(TEXTS)
def test_no_part_of_a_guarded_cell_begins_as_a_formula(text: str) -> None:
    """Also where a spreadsheet takes semicolons or tabs for what separates cells."""
    for part in re.split("[;\t]", guard_cell(text)):
        assert not part.startswith(
            tuple(SIGNS.replace("\t", "").replace("\r", "").replace("\n", ""))
        )


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("", ""),
        ("Kampala", "Kampala"),
        ("=1+1", "'=1+1"),
        ("+256772123456", "'+256772123456"),
        ("'=1+1", "''=1+1"),
        ("'quoted'", "'quoted'"),
        ("\uff1dcmd", "'\uff1dcmd"),
        ("a=b", "a=b"),
        (";=1+1", ";'=1+1"),
        ("a;'=1;+2", "a;''=1;'+2"),
        ("a\t@x", "a\t'@x"),
        ("a; +256772123456", "a; +256772123456"),
        ("a;\nb", "a;\nb"),
    ],
)
def test_only_what_would_be_a_formula_is_touched(text: str, cell: str) -> None:
    assert guard_cell(text) == cell
