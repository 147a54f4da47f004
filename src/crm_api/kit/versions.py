"""A record as it was: the entries of the change log that lead back to a version of it.

A version is what the record was after an entry of its history, or at an instant. It is found by
undoing the later entries, newest first, from the present record. No number names a version: numbers
would show changes of hidden fields as gaps.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    Text,
    Uuid,
    and_,
    bindparam,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY

from crm_api.core.db import Statement
from crm_api.kit.guard import ORG
from crm_api.kit.scope import Scope
from crm_api.models import ChangeRow, table_of

END_OF_TIME: Final = datetime(9999, 12, 31, tzinfo=UTC)

_CHANGES = table_of(ChangeRow)


@dataclass(frozen=True, slots=True)
class Logged:
    """One entry of a record's log, as far as looking back needs it."""

    position: int
    at: datetime
    actor_id: UUID
    fields: frozenset[str]
    changes: Mapping[str, tuple[Any, Any]] | None
    """Field → (before, after); None where an erasure emptied the values."""


@dataclass(frozen=True, slots=True)
class Version:
    """Where in a record's log a version stands, and the entries that tell what it was."""

    position: int
    instant: datetime
    """The moment that is asked about; what expires by itself is decided by it."""
    changed_at: datetime
    """The time of its newest entry."""
    later: Sequence[Logged]
    """What came after it, newest first."""
    marks: Mapping[str, Logged]
    """Field → the newest entry up to the version that changed it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A version as a caller names it: by an entry that it sees, or by an instant."""

    entry_id: UUID | None = None
    instant: datetime | None = None


def undone(document: Mapping[str, Any], later: Iterable[Logged]) -> tuple[dict[str, Any], set[str]]:
    """The values before these entries, which come newest first; and the fields nobody knows."""
    values, unknown = dict(document), set[str]()
    for entry in later:
        if entry.changes is None:
            unknown |= entry.fields
            continue
        for name, (before, _) in entry.changes.items():
            values[name] = before
            unknown.discard(name)
    return values, unknown


def completed(values: dict[str, Any], empty: Mapping[str, Any]) -> dict[str, Any]:
    """Old values in the form of today: lists, flags, and keys that objects got since."""
    for name, nothing in empty.items():
        value = values.get(name)
        if value is None:
            values[name] = nothing
        elif isinstance(nothing, dict):
            values[name] = {**nothing, **value}
    return values


# ------------------------------------------------------------------------ SQL


def _own(*conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    return and_(
        _CHANGES.c.organization_id == ORG,
        _CHANGES.c.resource == bindparam("resource", type_=Text()),
        _CHANGES.c.resource_id == bindparam("id", type_=Uuid()),
        *conditions,
    )


def _newest(*conditions: ColumnElement[bool]) -> Any:
    found = select(_CHANGES.c.position).where(_own(*conditions))
    return found.order_by(_CHANGES.c.position.desc()).limit(1)


@lru_cache(maxsize=8)
def _entries(marks: tuple[str, ...], *, by_entry: bool) -> Statement:
    """The entry that the version stands at, the marks up to it, and all that came later."""
    if by_entry:
        asked = and_(
            _CHANGES.c.id == bindparam("entry", type_=Uuid()),
            _CHANGES.c.fields.op("&&")(bindparam("visible", type_=ARRAY(Text()))),
        )
    else:
        asked = _CHANGES.c.at <= bindparam("instant", type_=DateTime(timezone=True))
    here = _newest(asked).cte("here")
    up_to = _CHANGES.c.position <= select(here.c.position).scalar_subquery()
    marked = [
        _newest(up_to, _CHANGES.c.fields.op("@>")(literal_column(f"ARRAY['{name}']")))
        for name in marks
    ]
    return Statement(
        select(
            _CHANGES.c.position,
            _CHANGES.c.at,
            _CHANGES.c.actor_id,
            _CHANGES.c.fields,
            _CHANGES.c.changes,
            here.c.position.label("here"),
        )
        .select_from(_CHANGES)
        .join(here, literal_column("true"))
        .where(
            _own(
                or_(
                    _CHANGES.c.position >= here.c.position,
                    *(_CHANGES.c.position == one.scalar_subquery() for one in marked),
                )
            )
        )
        .order_by(_CHANGES.c.position.desc())
    )


async def find_version(
    scope: Scope,
    resource: str,
    row_id: UUID,
    asked: Asked,
    *,
    marks: tuple[str, ...] = (),
    visible: Sequence[str] = (),
) -> Version | None:
    """The version, or None: the record was not there yet, or there is no such entry to see.

    Read the present record before: an entry that is written meanwhile then only undoes itself.

    Args:
        marks: fields whose newest entry up to the version is needed.
        visible: the fields that make an entry visible to the caller.
    """
    by_entry = asked.entry_id is not None
    values = {
        "org": scope.actor.organization_id,
        "resource": resource,
        "id": row_id,
        "entry": asked.entry_id,
        "visible": list(visible),
        "instant": asked.instant or END_OF_TIME,
    }
    statement = _entries(marks, by_entry=by_entry)
    rows = await scope.db.fetch(scope.actor.organization_id, statement, values)
    if not rows:
        return None
    here = rows[0]["here"]
    found = [_logged(row) for row in rows]
    until = [entry for entry in found if entry.position <= here]
    return Version(
        position=here,
        instant=asked.instant or until[0].at,
        changed_at=until[0].at,
        later=[entry for entry in found if entry.position > here],
        marks={
            name: entry
            for name in marks
            if (entry := next((e for e in until if name in e.fields), None)) is not None
        },
    )


def _logged(row: Mapping[str, Any]) -> Logged:
    changes = row["changes"]
    return Logged(
        row["position"],
        row["at"],
        row["actor_id"],
        frozenset(row["fields"]),
        None
        if changes is None
        else {n: (before, after) for n, before, after in json.loads(changes)},
    )
