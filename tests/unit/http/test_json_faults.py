"""Content faults: all at once, each at its place, with a stable code, and without what was sent."""

import datetime as dt
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, get_args
from uuid import UUID

import pytest
from pydantic import MISSING, AfterValidator, BaseModel, ConfigDict, Field, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ErrorType

from crm_api.core.errors import refuse_all
from crm_api.core.faults import describe
from crm_api.core.jsonbody import validate_body

CANARY = "canary-7f3a"


class Stage(StrEnum):
    LEAD = "lead"
    ACTIVE = "active"


class Base(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Parts(Base):
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    national: str


def _no_nul(text: str) -> str:
    if "\0" in text:
        raise PydanticCustomError("nul_character", "NUL cannot be stored.")
    return text


class Cat(Base):
    kind: Literal["cat"]
    lives: int


class Dog(Base):
    kind: Literal["dog"]
    name: str


class Everything(Base):
    text: Annotated[str, Field(max_length=5, min_length=2), AfterValidator(_no_nul)] = "abc"
    stage: Stage = Stage.LEAD
    count: Annotated[int, Field(ge=0, le=10)] = 0
    number: float = 0.0
    flag: bool = False
    on: dt.date = dt.date(2026, 1, 1)
    at: dt.datetime = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    ref: UUID | None = None
    price: Annotated[Decimal, Field(max_digits=5, decimal_places=2)] = Decimal(1)
    items: Annotated[list[Annotated[str, Field(max_length=3)]], Field(max_length=3)] = []
    phone: str | Parts | None = None
    pet: Annotated[Cat | Dog, Field(discriminator="kind")] | None = None
    kept: Annotated[int, Field(ge=0)] | MISSING = MISSING
    odd: str = ""

    @field_validator("odd")
    @classmethod
    def _refuse(cls, value: str) -> str:
        raise ValueError(f"echo {value}")


class Needy(Base):
    first: str
    second: Parts


FAULTS: dict[str, tuple[str, list[tuple[str, str]]]] = {
    "unknown": ('{"canary-7f3a":1}', [("/canary-7f3a", "unknown_field")]),
    "too long": ('{"text":"canary-7f3a"}', [("/text", "string_too_long")]),
    "too short": ('{"text":"c"}', [("/text", "string_too_short")]),
    "no text": ('{"text":7}', [("/text", "string_type")]),
    "custom": ('{"text":"a\\u0000"}', [("/text", "nul_character")]),
    "enum": ('{"stage":"canary-7f3a"}', [("/stage", "not_one_of")]),
    "number as text": ('{"count":"5"}', [("/count", "int_type")]),
    "whole float": ('{"count":5.0}', [("/count", "int_type")]),
    "bounds": ('{"count":11}', [("/count", "less_than_equal")]),
    "int beyond 64 bits": ('{"count":9223372036854775808}', [("/count", "less_than_equal")]),
    "int of 400 digits": (f'{{"count":{"9" * 400}}}', [("/count", "less_than_equal")]),
    "int of 5000 digits": (f'{{"count":-{"9" * 5000}}}', [("/count", "int_parsing_size")]),
    "deep int of 5000 digits": (
        f'{{"items":["a",{"9" * 5000}]}}', [("/items/1", "int_parsing_size")]
    ),
    "flag as number": ('{"flag":1}', [("/flag", "bool_type")]),
    "date": ('{"on":"canary-7f3a"}', [("/on", "date_parsing")]),
    "time": ('{"at":"canary-7f3a"}', [("/at", "datetime_parsing")]),
    "uuid": ('{"ref":"canary-7f3a"}', [("/ref", "uuid_parsing")]),
    "decimal": ('{"price":"1.005"}', [("/price", "decimal_max_places")]),
    "list as text": ('{"items":"abc"}', [("/items", "array_type")]),
    "item": ('{"items":["a","canary-7f3a"]}', [("/items/1", "string_too_long")]),
    "many items": ('{"items":["a","b","c","d"]}', [("/items", "too_many_items")]),
    "union, other type": ('{"phone":7}', [("/phone", "string_type"), ("/phone", "object_type")]),
    "union, inside": (
        '{"phone":{"country":"canary-7f3a"}}',
        [("/phone/country", "string_pattern_mismatch"), ("/phone/national", "required")],
    ),
    "tag": ('{"pet":{"kind":"canary-7f3a"}}', [("/pet", "not_one_of")]),
    "no tag": ('{"pet":{}}', [("/pet", "discriminator_required")]),
    "inside a tagged one": ('{"pet":{"kind":"cat","lives":"x"}}', [("/pet/lives", "int_type")]),
    "absent or": ('{"kept":"x"}', [("/kept", "int_type")]),
    "absent or, bounds": ('{"kept":-1}', [("/kept", "greater_than_equal")]),
    "null for absent": ('{"kept":null}', [("/kept", "int_type")]),
    "validator that echoes": ('{"odd":"canary-7f3a"}', [("/odd", "invalid")]),
    "several": ('{"text":1,"flag":0}', [("/text", "string_type"), ("/flag", "bool_type")]),
    "array": ("[]", [("", "object_type")]),
    "scalar": ('"canary-7f3a"', [("", "object_type")]),
    "null": ("null", [("", "object_type")]),
}  # fmt: skip


@pytest.mark.parametrize(("body", "expected"), FAULTS.values(), ids=FAULTS)
def test_fault_has_its_code_and_pointer_and_no_sent_value(
    body: str, expected: list[tuple[str, str]]
) -> None:
    read = validate_body(Everything, body.encode())
    assert read.value is None
    assert [(fault.pointer, fault.code) for fault in read.faults] == expected
    for fault in read.faults:
        assert CANARY not in fault.detail
        assert "{" not in fault.detail.replace("{2}", ""), "a template that was not filled"
    assert refuse_all(read.faults).status == 422


def test_what_is_required_is_said_for_every_level() -> None:
    read = validate_body(Needy, b'{"second":{}}')
    assert [f.pointer for f in read.faults] == ["/first", "/second/country", "/second/national"]
    assert {f.code for f in read.faults} == {"required"}


def test_a_good_body_keeps_what_was_sent_beside_what_it_means() -> None:
    read = validate_body(Everything, b'{"count":3,"at":"2026-01-31T12:00:00Z","ref":null}')
    assert read.faults == ()
    assert read.raw == {"count": 3, "at": "2026-01-31T12:00:00Z", "ref": None}
    assert read.value is not None
    assert (read.value.count, read.value.kept) == (3, MISSING)


@pytest.mark.parametrize(
    ("key", "pointer"),
    [("a/b", "/a~1b"), ("a~b", "/a~0b"), ("", "/"), ("é", "/é"), ("k" * 65, ""), ("a\\nb", "")],
)
def test_pointers_are_escaped_and_stop_above_a_key_that_is_not_worth_repeating(
    key: str, pointer: str
) -> None:
    read = validate_body(Everything, f'{{"{key}":1}}'.encode())
    assert [fault.pointer for fault in read.faults] == [pointer]


def test_at_most_a_hundred_faults_are_listed() -> None:
    many = ",".join(f'"k{number}":1' for number in range(5000))
    assert len(validate_body(Everything, f"{{{many}}}".encode()).faults) == 100


def test_strictness_is_not_the_models_choice() -> None:
    class Lax(BaseModel):
        model_config = ConfigDict(strict=False)
        count: int = 0

    read = validate_body(Lax, b'{"count":"1"}')
    assert [fault.code for fault in read.faults] == ["int_type"]


def test_every_code_of_the_validator_has_a_detail_without_braces() -> None:
    for kind in get_args(ErrorType):
        code, detail = describe(
            {"type": kind, "msg": CANARY, "ctx": {"tag": CANARY, "error": CANARY}}
        )
        assert code.replace("_", "").isalnum()
        assert CANARY not in detail
        assert "{" not in detail
