"""Fields that are stored as they are sent: in the column of their name, by no code of their own.

Which they are follows from the declaration and the table. A list kept by hand would be one more
thing to remember for a new field, and a field that is missing from it would be taken and lost.
"""

from collections.abc import Collection
from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import Table

from crm_api.core.formats.dates import format_instant
from crm_api.kit.fields import Resource


def plain_fields(
    cls: type[Resource], table: Table, *, settled: Collection[str] = ()
) -> tuple[str, ...]:
    """The fields that may be written and have a column of their name, in declared order.

    Args:
        settled: fields that have such a column, and code that fills it.
    """
    return tuple(
        field.name
        for field in cls.fields.values()
        if field.rule.write and field.name in table.c and field.name not in settled
    )


def empty_values(cls: type[Resource]) -> dict[str, Any]:
    """What a record has of lists, objects and flags before anything is said of it.

    As JSON; a value that equals it is not worth a line in the record's first history entry.
    """
    return {
        field.name: wire_value(field.default)
        for field in cls.fields.values()
        if field.rule.write and not field.info.is_required() and field.default is not None
    }


def wire_value(value: Any) -> Any:
    """A validated value as JSON, in the form that a read answers."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list):
        return [wire_value(item) for item in value]
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, date | UUID):
        return str(value)
    return value
