"""The JSON reader takes I-JSON and nothing else, quickly, and says where it stopped."""

import json
import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import from_json

from crm_api.core.errors import Refusal
from crm_api.core.jsonbody import MAX_DEPTH, read_json

REFUSED = {
    "empty": (b"", "empty_body", ""),
    "spaces only": (b"  \n", "not_json", ""),
    "byte order mark": (b"\xef\xbb\xbf{}", "byte_order_mark", ""),
    "utf-16": ('{"a":1}'.encode("utf-16"), "not_utf8", ""),
    "utf-16 without mark": ('{"a":1}'.encode("utf-16-le"), "not_json", ""),
    "utf-32": ('{"a":1}'.encode("utf-32-be"), "not_json", ""),
    "latin-1": (b'{"a":"\xe9"}', "not_utf8", ""),
    "overlong": (b'{"a":"\xc0\xaf"}', "not_utf8", ""),
    "encoded surrogate": (b'{"a":"\xed\xa0\x80"}', "not_utf8", ""),
    "same key": (b'{"a":1,"a":2}', "duplicate_key", "/a"),
    "same key, written otherwise": (b'{"a":1,"\\u0061":2}', "duplicate_key", "/a"),
    "same key, deep": (b'{"x":[{"b":1},{"b":1,"b":1}]}', "duplicate_key", "/x/1/b"),
    "nan": (b'{"a":NaN}', "not_finite", "/a"),
    "infinity": (b'{"a":[Infinity]}', "not_finite", "/a/0"),
    "minus infinity": (b'{"a":-Infinity}', "not_finite", "/a"),
    "beyond doubles": (b'{"a":1e999}', "not_finite", "/a"),
    "beyond doubles, negative": (b'{"a":{"b":-1.5E+400}}', "not_finite", "/a/b"),
    "lone surrogate": (b'{"a":["x","\\ud800"]}', "lone_surrogate", "/a/1"),
    "lone low surrogate": (b'{"a":"\\uDC00x"}', "lone_surrogate", "/a"),
    "lone surrogate in a key": (b'{"a":{"\\ud800":1}}', "lone_surrogate", "/a"),
    "raw control character": (b'{"a":"\x01"}', "not_json", ""),
    "raw NUL": (b'{"a":"\x00"}', "not_json", ""),
    "single quotes": (b"{'a':1}", "not_json", ""),
    "comment": (b'{"a":1}//', "not_json", ""),
    "trailing comma": (b'{"a":1,}', "not_json", ""),
    "two texts": (b"{}{}", "not_json", ""),
    "leading zero": (b'{"a":01}', "not_json", ""),
    "plus sign": (b'{"a":+1}', "not_json", ""),
    "bare point": (b'{"a":.5}', "not_json", ""),
    "underscore": (b'{"a":1_0}', "not_json", ""),
    "other digits": ('{"a":٣}'.encode(), "not_json", ""),
    "other spaces": ('{"a":\u00a01}'.encode(), "not_json", ""),
    "cut off": (b'{"a":"', "not_json", ""),
    "too deep, arrays": (b"[" * 33 + b"]" * 33, "too_deep", ""),
    "too deep, objects": (b'{"a":' * 33 + b"1" + b"}" * 33, "too_deep", ""),
    "too deep, escapes": (b'["\\\\",' * 33 + b"1" + b"]" * 33, "too_deep", ""),
    "far too deep": (b"[" * 900_000, "too_deep", ""),
}
TAKEN: dict[str, tuple[bytes, Any]] = {
    "object": (b'{"a":1}', {"a": 1}),
    "spaces": (b' \r\n\t{ "a" : [ ] } ', {"a": []}),
    "escaped NUL": (b'{"a":"\\u0000"}', {"a": "\0"}),
    "surrogate pair": (b'{"a":"\\ud83d\\ude00"}', {"a": "😀"}),
    "escaped look-alike": (b'{"a":"\\\\ud800"}', {"a": "\\ud800"}),
    "two pow 63": (b'{"a":9223372036854775808}', {"a": 1 << 63}),
    "scalar": (b"1", 1),
    "underflow": (b'{"a":1e-999}', {"a": 0.0}),
    "brackets in text": (b'{"a":"' + b"[" * 100 + b'"}', {"a": "[" * 100}),
    "quotes in text": (b'{"a":"\\"' + b"[{" * 50 + b'\\""}', {"a": '"' + "[{" * 50 + '"'}),
    "as deep as may be": (b"[" * 32 + b"]" * 32, json.loads("[" * 32 + "]" * 32)),
    "wide": (b"[" + b"[]," * 500 + b"{}]", [[]] * 500 + [{}]),
}


@pytest.mark.parametrize(("raw", "code", "pointer"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_i_json_is_refused_with_its_place(raw: bytes, code: str, pointer: str) -> None:
    with pytest.raises(Refusal) as caught:
        read_json(raw)
    fault = caught.value.faults[0]
    assert (caught.value.code, fault.code, fault.pointer) == ("malformed_request", code, pointer)


@pytest.mark.parametrize(("raw", "value"), TAKEN.values(), ids=TAKEN)
def test_what_is_i_json_is_read(raw: bytes, value: object) -> None:
    assert read_json(raw) == value


@pytest.mark.parametrize("sign", ["", "-"])
def test_an_integer_of_any_length_is_left_to_the_content_check(sign: str) -> None:
    value = read_json(f'{{"a":{sign}{"9" * 5000}}}'.encode())["a"]
    assert abs(value) > 1 << 63
    assert (value < 0) == bool(sign)


def test_a_refusal_never_repeats_the_body() -> None:
    for raw in (
        b'{"canary":canary}',
        b'{"canary":1,"x":"\\canary"}',
        b"canary",
        b'["canary",\xff]',
    ):
        with pytest.raises(Refusal) as caught:
            read_json(raw)
        assert "canary" not in repr((caught.value.detail, caught.value.faults))


@pytest.mark.parametrize(
    "raw",
    [b'"' + b'\\"' * 400_000, b"[" * 40 + b'"' * 400_001, b"[{}" * 300_000, b"]" * 40 + b"[" * 40],
    ids=["escaped quotes", "quotes", "brackets", "reversed"],
)
def test_a_hostile_megabyte_is_refused_in_linear_time(raw: bytes) -> None:
    with pytest.raises(Refusal):
        read_json(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(), inner, max_size=6),
    max_leaves=60,
)  # fmt: skip


def _depth(value: Any) -> int:
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    nested = isinstance(value, dict | list)
    return nested + max((_depth(part) for part in parts), default=0)


@given(JSON)
def test_every_json_value_is_read_as_it_was_written(value: Any) -> None:
    if _depth(value) <= MAX_DEPTH:
        assert read_json(json.dumps(value).encode()) == value
        assert read_json(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.lists(st.sampled_from([*'[]{}",:\\ue1\x00', "ud83d", '"a"', "1e9", "NaN"])).map("".join))
def test_any_text_is_a_value_or_a_refusal_and_the_validator_agrees(text: str) -> None:
    try:
        value = read_json(text.encode())
    except Refusal:
        return
    read_again = from_json(text.encode(), allow_inf_nan=False)
    assert read_again == value or (isinstance(value, float) and math.isclose(value, read_again))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_value_or_a_refusal(raw: bytes) -> None:
    with suppress(Refusal):
        read_json(raw)
