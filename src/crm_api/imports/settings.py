"""How one import is to be read and done: from its row, or from its document."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from crm_api.catalogues.service import Catalogues
from crm_api.clients.schemas import Client
from crm_api.core.errors import Fault, Refusal
from crm_api.imports.mapping import Column, MappingError, override, require_name
from crm_api.imports.rows import MatchBy, RowReader
from crm_api.imports.steps import Plan
from crm_api.imports.targets import target_of, titled
from crm_api.kit.fields import mask_of
from crm_api.kit.scope import Scope

_MATCHING: Final[Mapping[str, str]] = {
    "number": "number",
    "email": "emails",
    "external_ref": "external_refs",
}
"""What the list must hold so that a client can be found by it: a target's field."""


def columns_in(stored: Sequence[Mapping[str, Any]], key: str = "target") -> list[Column]:
    """The columns as they were stored."""
    return [
        Column(
            column["position"] - 1,
            column["title"],
            None if column[key] is None else target_of(column[key]),
        )
        for column in stored
    ]


def stored_columns(suggested: Sequence[Column], chosen: Sequence[Column]) -> list[dict[str, Any]]:
    return [
        {
            "position": column.place + 1,
            "title": column.title,
            "target": column.target and column.target.name,
            "suggested": suggestion.target and suggestion.target.name,
        }
        for suggestion, column in zip(suggested, chosen, strict=True)
    ]


def mapped(stored: Sequence[Mapping[str, Any]], mapping: Mapping[str, str]) -> list[dict[str, Any]]:
    """The columns with a person's decisions instead of suggestions.

    Raises:
        MappingError: a decision that cannot be.
    """
    suggested = columns_in(stored, "suggested")
    return stored_columns(suggested, override(suggested, mapping))


def require_match(scope: Scope, document: Mapping[str, Any]) -> None:
    """Whoever may not read what the clients are found by finds, and changes, none by it.

    Raises:
        Refusal: 403, whatever the rows hold.
    """
    match_by = document["match_by"]
    if document["mode"] == "create" or match_by is None:
        return
    name = _MATCHING[match_by]
    if name not in mask_of(Client, scope.actor.rights).read:
        detail = f"Your role may not read: {name}. So its rows cannot find their clients by that."
        fault = Fault("field_not_readable", detail, pointer="/match_by")
        raise Refusal("field_not_readable", detail, (fault,))


def missing(document: Mapping[str, Any]) -> list[Fault]:
    """What must be decided before the rows can be taken."""
    columns, mode = columns_in(document["columns"]), document["mode"]
    faults: list[Fault] = []
    if mode != "update":
        try:
            require_name(columns)
        except MappingError as error:
            faults.append(Fault("name_column_required", error.plain, pointer="/mapping"))
    match_by = document["match_by"]
    if mode == "create":
        return faults
    if match_by is None:
        detail = "Say by what a row finds its client: number, email or external_ref."
        return [*faults, Fault("required", detail, pointer="/match_by")]
    held = {column.target.field for column in columns if column.target is not None}
    if _MATCHING[match_by] not in held:
        detail = f"No column is mapped to {_MATCHING[match_by]}, by which clients are to be found."
        detail += _left_out(document["columns"], _MATCHING[match_by])
        faults.append(Fault("match_column_required", detail, pointer="/mapping"))
    return faults


def _left_out(stored: Sequence[Mapping[str, Any]], field: str) -> str:
    """Why the column that is called so was not taken for it: by its values, or by a person."""
    for column in stored:
        target = titled(column["title"])
        if column["target"] is None and target is not None and target.field == field:
            misfits = field == "number" and column["suggested"] is None
            why = ", as few of its values are written as C-000123" if misfits else ""
            return f" The column {column['title']!r} is left out{why}."
    return ""


def plan_of(document: Mapping[str, Any], *, dry_run: bool) -> Plan:
    return Plan(document["mode"], document["on_duplicate"], dry_run)


def reader_of(scope: Scope, document: Mapping[str, Any], known: Catalogues) -> RowReader:
    """Decides the rows of an import, with the rights of the scope.

    Raises:
        Refusal: 403, they do not reach as far as that.
    """
    require_match(scope, document)
    matching = document["mode"] != "create"
    match_by: MatchBy | None = document["match_by"] if matching else None
    return RowReader(
        scope,
        columns_in(document["columns"]),
        known,
        source=document["source"],
        default_country=document["default_country"],
        match_by=match_by,
    )
