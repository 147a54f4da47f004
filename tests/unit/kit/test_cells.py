"""Values as cells and back: each form, both ways, and what cannot be read."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_api.clients.schemas import Client
from crm_api.contacts.schemas import Contact
from crm_api.kit.cells import Column, columns_of, row_of

COLUMNS = {column.field: column for column in columns_of(Client, Client.fields)}
PERSON = {column.field: column for column in columns_of(Contact, Contact.fields)}
WORDS = st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True), max_size=5)
ANY_WORDS = st.lists(st.text(min_size=1, max_size=8), max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def there_and_back(column: Column, value: Any) -> Any:
    cells = column.to_cells(value)
    assert len(cells) == len(column.titles)
    assert all(isinstance(cell, str) for cell in cells)
    return column.from_cells(cells)


def email(address: str, **more: Any) -> dict[str, Any]:
    rest = {"id": "x", "label": None, "is_primary": False, "reachability": "unknown"}
    return {**rest, "address": address, "verified_at": None, **more}


def phone(number: str, **more: Any) -> dict[str, Any]:
    return {"e164": number, "label": None, "extension": None, "is_primary": False, **more}


def test_every_field_of_every_record_has_its_columns_in_order() -> None:
    for cls in (Client, Contact):
        titles = [title for c in columns_of(cls, cls.fields) for title in c.titles]
        expected = []
        for name in cls.fields:
            expected += [name, "credit_limit_currency"] if name == "credit_limit" else [name]
        assert titles == expected


@pytest.mark.parametrize(
    ("name", "value", "cells"),
    [
        ("name", "Kampala Coffee", ("Kampala Coffee",)),
        ("id", "01890a5d-ac96-774b-bcce-b302099a8057", ("01890a5d-ac96-774b-bcce-b302099a8057",)),
        ("registered_on", "2026-01-31", ("2026-01-31",)),
        ("created_at", "2026-01-31T12:00:00.000000Z", ("2026-01-31T12:00:00.000000Z",)),
        ("kind", "organization", ("organization",)),
        ("stage", None, ("",)),
        ("payment_terms_days", 30, ("30",)),
        ("payment_terms_days", None, ("",)),
        ("credit_limit", {"amount": "1000.50", "currency": "UGX"}, ("1000.50", "UGX")),
        ("credit_limit", None, ("", "")),
        ("remarks", "two\nlines; and more", ("two\nlines; and more",)),
        ("tags", ["vip", "press"], ("vip; press",)),
        ("languages", ["en"], ("en",)),
        ("attributes", {"shoe.size": "44"}, ('{"shoe.size":"44"}',)),
        (
            "social_profiles",
            [{"network": "x", "url": "https://é.example/"}],
            ('[{"network":"x","url":"https://é.example/"}]',),
        ),
        ("preferences", {"channels": [], "language": None}, ('{"channels":[],"language":null}',)),
    ],
)
def test_form_of_each_kind(name: str, value: Any, cells: Sequence[str]) -> None:
    assert COLUMNS[name].to_cells(value) == cells
    assert COLUMNS[name].from_cells(cells) == value


@pytest.mark.parametrize("value", [True, False])
def test_truth_is_a_word(value: bool) -> None:
    column = PERSON["do_not_contact"]
    assert column.to_cells(value) == ("true" if value else "false",)
    assert there_and_back(column, value) is value


@pytest.mark.parametrize("name", ["tags", "sites", "attributes", "emails", "phones", "contacts"])
def test_nothing_is_an_empty_cell(name: str) -> None:
    empty: Any = {} if name == "attributes" else []
    assert COLUMNS[name].to_cells(empty) == ("",)
    assert COLUMNS[name].from_cells(("",)) is None


def test_bare_points_are_words_and_others_keep_what_they_say() -> None:
    emails, phones = COLUMNS["emails"], COLUMNS["phones"]
    first, second = email("a@example.com", is_primary=True), email("b@example.com")
    assert emails.to_cells([first, second]) == ("a@example.com; b@example.com",)
    assert there_and_back(emails, [first, second]) == ["a@example.com", "b@example.com"]
    for items in (
        [first, email("b@example.com", label="work")],
        [email("a@example.com"), email("b@example.com", is_primary=True)],
        [email('"a;b"@example.com', is_primary=True)],
    ):
        assert there_and_back(emails, items) == items
    numbers = [phone("+256772123456", is_primary=True), phone("+256772123457")]
    assert phones.to_cells(numbers) == ("+256772123456; +256772123457",)
    numbers[1]["extension"] = "12"
    assert there_and_back(phones, numbers) == numbers


@given(WORDS | ANY_WORDS)
def test_words_come_back(words: list[str]) -> None:
    assert there_and_back(COLUMNS["tags"], words) == (words or None)


@given(JSON)
def test_objects_come_back(value: Any) -> None:
    assert there_and_back(COLUMNS["sites"], value) == (value or None)


@given(st.text(min_size=1))
def test_texts_come_back(text: str) -> None:
    assert there_and_back(COLUMNS["remarks"], text) == text


def test_row_is_in_the_order_of_the_columns() -> None:
    columns = columns_of(Client, ("name", "credit_limit", "tags"))
    document = {"tags": ["a"], "credit_limit": None, "name": "=1", "extra": 1}
    assert row_of(columns, document) == ["=1", "", "", "a"]


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("payment_terms_days", ("thirty",)),
        ("payment_terms_days", ("1" * 40,)),
        ("payment_terms_days", ("٣",)),
        ("credit_limit", ("10", "")),
        ("credit_limit", ("", "UGX")),
        ("sites", ("[{",)),
        ("sites", ("[" * 100_000,)),
        ("emails", ("[nothing",)),
    ],
)
def test_what_cannot_be_read_is_told_without_the_cell(name: str, cells: Sequence[str]) -> None:
    with pytest.raises(ValueError, match="expected") as caught:
        COLUMNS[name].from_cells(cells)
    assert not any(cell and cell in str(caught.value) for cell in cells)
    with pytest.raises(ValueError, match="expected"):
        PERSON["do_not_contact"].from_cells(("maybe",))
