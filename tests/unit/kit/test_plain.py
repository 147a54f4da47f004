"""A field that is declared and has a column is stored, logged and cleared without further code."""

from datetime import UTC, date, datetime
from typing import Annotated, Any, ClassVar
from uuid import UUID

import pytest
from pydantic import BaseModel, Field
from sqlalchemy import Column, Integer, MetaData, Table, Text

from crm_api.kit.fields import Field as Declared
from crm_api.kit.fields import Resource, Rule, Write
from crm_api.kit.plain import empty_values, plain_fields, wire_value


class Part(BaseModel):
    """An object inside a record."""

    day: date | None = None
    words: Annotated[list[str], Field(default_factory=list)]


class Toy(Resource):
    """A record that is declared for these tests alone."""

    grants: ClassVar = {"all": "rcu rcu rcu rcu"}

    id: Annotated[UUID, Rule("all", Write.NEVER)]
    name: Annotated[str, Rule("all")]
    colour: Annotated[str | None, Rule("all")] = None
    size: Annotated[int, Rule("all", Write.ON_CREATE, defaulted=True)]
    loud: Annotated[bool, Rule("all")] = False
    part: Annotated[Part, Rule("all"), Field(default_factory=lambda: Part(words=[]))]
    children: Annotated[list[str], Rule("all"), Field(default_factory=list)]
    seen: Annotated[list[str], Rule("all", Write.NEVER), Field(default_factory=list)]


# Without a resource name it is not registered, so that the matrix does not walk over it.
Toy.fields = {
    name: Declared(name, next(part for part in info.metadata if isinstance(part, Rule)), info)
    for name, info in Toy.model_fields.items()
}
TABLE = Table(
    "toys",
    MetaData(),
    *(Column(name, Text) for name in ("id", "name", "name_key", "colour", "part", "seen")),
    *(Column(name, Integer) for name in ("size", "loud")),
)


def test_writable_field_with_a_column_is_plain() -> None:
    assert plain_fields(Toy, TABLE) == ("name", "colour", "size", "loud", "part")


def test_settled_field_is_left_to_its_own_code() -> None:
    assert "name" not in plain_fields(Toy, TABLE, settled=("name",))


def test_empty_values_are_the_declared_defaults_as_json() -> None:
    assert empty_values(Toy) == {"loud": False, "part": {"day": None, "words": []}, "children": []}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, None),
        (3, 3),
        (date(2026, 1, 31), "2026-01-31"),
        (datetime(2026, 1, 31, 9, 30, tzinfo=UTC), "2026-01-31T09:30:00.000000Z"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ([Part(day=date(2026, 1, 31), words=["a"])], [{"day": "2026-01-31", "words": ["a"]}]),
    ],
)
def test_value_is_logged_in_the_form_that_a_read_answers(value: Any, shown: Any) -> None:
    assert wire_value(value) == shown
