"""Stored text: what is refused, what is made equal, and what the schema says of it."""

import re
import unicodedata
from typing import Annotated

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from crm_api.core.formats.text import AttributeKey, Key, Line, Prose

NAME = TypeAdapter[str](Annotated[str, Line(1, 20)])
REMARK = TypeAdapter[str](Annotated[str, Prose(100)])
KEY = TypeAdapter[str](Key)
ATTRIBUTE = TypeAdapter[str](AttributeKey)

CONTROL = [chr(point) for point in (*range(0x20), *range(0x7F, 0xA0))]
OVERRIDES = [chr(point) for point in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))]
SPLITTERS = ["\u2028", "\u2029"]


def code_of(adapter: TypeAdapter[str], value: object) -> str:
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(value)
    return caught.value.errors()[0]["type"]


@pytest.mark.parametrize("char", CONTROL + OVERRIDES + SPLITTERS + ["\ufffe", "\uffff"])
@pytest.mark.parametrize("template", ["Ac{}me", "{}Acme", "Acme{}"])
def test_a_line_refuses_every_control_character_wherever_it_stands(
    char: str, template: str
) -> None:
    assert code_of(NAME, template.format(char)) == "invalid_text"


@pytest.mark.parametrize("char", [c for c in CONTROL if c not in "\n\t"] + OVERRIDES)
def test_prose_refuses_control_characters_but_tab_and_newline(char: str) -> None:
    assert code_of(REMARK, f"one{char}two") == "invalid_text"
    assert REMARK.validate_python("one\n\ttwo") == "one\n\ttwo"


def test_prose_ends_each_line_with_a_single_newline() -> None:
    assert REMARK.validate_python("one\r\ntwo\r\n") == "one\ntwo"


@pytest.mark.parametrize("adapter", [NAME, REMARK])
def test_a_lone_surrogate_is_a_fault_and_no_crash(adapter: TypeAdapter[str]) -> None:
    assert code_of(adapter, "a\ud800b") in {"invalid_text", "string_unicode"}
    with pytest.raises(ValueError, match="control characters"):
        Line(1, 20).parse("a\ud800b")


def test_lengths_count_after_trimming_and_normalizing() -> None:
    assert NAME.validate_python("  " + "e\u0301" * 20 + "  ") == "\u00e9" * 20
    assert code_of(NAME, "e\u0301" * 21) == "string_too_long"
    assert code_of(NAME, "x" * 21) == "string_too_long"
    assert code_of(NAME, "   ") == "string_too_short"


@pytest.mark.parametrize("blank", ["\u200b", "\u3164", "\u2800", "\ufeff\u200d", "\u00ad"])
def test_a_name_that_nobody_can_see_is_refused(blank: str) -> None:
    assert code_of(NAME, blank) == "invalid_text"


@pytest.mark.parametrize(
    "text", ["\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\U0001f469\u200d\U0001f52c"]
)
def test_joiners_inside_words_and_emoji_stay(text: str) -> None:
    assert NAME.validate_python(text) == text


def test_a_letter_with_a_pile_of_marks_is_refused_before_it_costs_time() -> None:
    pile = "a" + "\u0316\u0301" * 2000  # out of canonical order, so that sorting is quadratic
    assert Prose(5000).max_length == 5000
    with pytest.raises(ValueError, match="combining marks"):
        Prose(5000).parse(pile)


@pytest.mark.parametrize("value", [1, True, None, ["a"], b"a"])
def test_only_strings_are_text(value: object) -> None:
    assert code_of(NAME, value) == "string_type"


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40))
def test_reading_stored_text_again_changes_nothing(text: str) -> None:
    for parser in (Line(1, 40), Prose(40), Line(0, 40)):
        try:
            stored = parser.parse(text)
        except ValueError:
            continue
        assert parser.parse(stored) == stored
        assert stored == unicodedata.normalize("NFC", stored.strip())


def test_the_schema_bounds_every_text_and_agrees_with_what_is_read() -> None:
    class Form(BaseModel):
        name: Annotated[str, Line(1, 20)]
        label: Annotated[str, Line(0, 20)]
        remark: Annotated[str, Prose(100)]

    for mode in ("validation", "serialization"):
        fields = Form.model_json_schema(mode=mode)["properties"]
        assert fields["name"]["minLength"] == 1
        assert fields["name"]["maxLength"] == 20
        assert fields["remark"]["maxLength"] == 100
        for accepted in ("Acme", " Acme", "\u00c9cole & fils", "x"):
            assert re.search(fields["name"]["pattern"], accepted)
        for refused in ("", " ", "a\nb", "a\x00", "\u202ea"):
            assert not re.search(fields["name"]["pattern"], refused)
        assert re.search(fields["label"]["pattern"], "")
        assert re.search(fields["remark"]["pattern"], "a\nb\tc")
        assert not re.search(fields["remark"]["pattern"], "a\x00b")


@pytest.mark.parametrize("key", ["a", "status_2", "x" * 64])
def test_keys_are_lower_snake(key: str) -> None:
    assert KEY.validate_python(key) == key


@pytest.mark.parametrize("key", ["", "A", "1a", "a-b", "a b", "a\n", "x" * 65, "\u00e9", 5])
def test_other_keys_are_refused(key: object) -> None:
    with pytest.raises(ValidationError):
        KEY.validate_python(key)


def test_attribute_keys_take_dots_and_hyphens_too() -> None:
    assert ATTRIBUTE.validate_python("crm.stage-2_x") == "crm.stage-2_x"
    with pytest.raises(ValidationError):
        ATTRIBUTE.validate_python(".stage")
