"""The tables of imports: their wire form, the rows as they were read, what became of them."""

from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crm_api.core.access import Rights
from crm_api.core.db import Statement
from crm_api.imports.schemas import Import
from crm_api.kit.changes import recordset
from crm_api.kit.guard import ORG
from crm_api.kit.listing import Listing
from crm_api.kit.projection import Shape, Sources, words
from crm_api.models import ImportPartRow, ImportRecordRow, ImportRow, OperationRow, table_of

IMPORTS = table_of(ImportRow)
PARTS = table_of(ImportPartRow)
RECORDS = table_of(ImportRecordRow)
_ID = bindparam("id", type_=Uuid())
_OPEN = ("queued", "running")
# Phase → the state while its operation is open, when it succeeded, when it did not.
_STATES: Final = {
    "check": ("checking", "checked", "uploaded"),
    "import": ("importing", "imported", "import_stopped"),
    "revert": ("reverting", "reverted", "revert_stopped"),
}


def _state(sources: Sources, _: Rights) -> ColumnElement[Any]:
    """How far the latest work is, is its operation's to say."""
    main = sources.main
    operation = table_of(OperationRow).alias("work")
    found = (
        select(operation.c.state)
        .where(operation.c.organization_id == ORG, operation.c.id == main.c.operation_id)
        .correlate(main)
        .scalar_subquery()
    )
    # Of an operation that is kept no longer the outcome is.
    work = func.coalesce(found, "succeeded")
    branches = []
    for phase, (during, after, broken) in _STATES.items():
        told = case(
            (work.in_(words(*_OPEN)), words(during)[0]),
            (work == "succeeded", words(after)[0]),
            else_=words(broken)[0],
        )
        branches.append((main.c.phase == words(phase)[0], told))
    return case(*branches, else_=words("uploaded")[0])


IMPORT_SHAPE = Shape(Import, IMPORTS, {"state": _state})
IMPORT_LISTING = Listing(IMPORT_SHAPE, filters={}, sorts={})

# --------------------------------------------------------------------------- rows as they were read

ADD_PART = Statement(
    insert(PARTS).values(
        organization_id=ORG,
        import_id=_ID,
        position=bindparam("position", type_=Integer()),
        content=bindparam("content", type_=LargeBinary()),
        created_at=func.now(),
    )
)
NEXT_PART = Statement(
    select(PARTS.c.position, PARTS.c.content)
    .where(
        PARTS.c.organization_id == ORG,
        PARTS.c.import_id == _ID,
        PARTS.c.position > bindparam("after", type_=Integer()),
    )
    .order_by(PARTS.c.position)
    .limit(1)
)
REMOVE_PARTS = Statement(
    delete(PARTS).where(PARTS.c.organization_id == ORG, PARTS.c.import_id == _ID)
)

# ------------------------------------------------------------------------ what became of them

_ROWS: Final = {
    "row": Integer(),
    "line": Integer(),
    "outcome": Text(),
    "client_id": Uuid(),
    "client_version": Integer(),
    "before": JSONB(),
    "findings": JSONB(),
}
_rows = recordset("rows", _ROWS)
ADD_RECORDS = Statement(
    insert(RECORDS).from_select(
        ["organization_id", "import_id", *_ROWS], select(ORG, _ID, *(_rows.c[n] for n in _ROWS))
    )
)
NOTE = Statement(
    update(IMPORTS)
    .where(IMPORTS.c.organization_id == ORG, IMPORTS.c.id == _ID)
    .values(summary=cast(bindparam("summary", type_=Text()), JSONB))
    .returning(IMPORTS.c.id)
)
"""The counts of the steps so far: they commit with the step."""

_OF_IMPORT = (RECORDS.c.organization_id == ORG, RECORDS.c.import_id == _ID)
REMOVE_RECORDS = Statement(delete(RECORDS).where(*_OF_IMPORT))
REMOVE_IMPORT = Statement(
    delete(IMPORTS)
    .where(IMPORTS.c.organization_id == ORG, IMPORTS.c.id == _ID)
    .returning(IMPORTS.c.id)
)
COUNT_RECORDS = Statement(select(func.count().label("rows")).where(*_OF_IMPORT))
BETWEEN = Statement(
    select(RECORDS.c.row, RECORDS.c.outcome, RECORDS.c.client_id, RECORDS.c.findings).where(
        *_OF_IMPORT,
        RECORDS.c.row.between(
            bindparam("first", type_=Integer()), bindparam("last", type_=Integer())
        ),
    )
)
REPORT = Statement(
    select(
        RECORDS.c.row,
        RECORDS.c.line,
        RECORDS.c.outcome,
        RECORDS.c.client_id,
        RECORDS.c.findings,
        RECORDS.c.reverted,
    )
    .where(
        *_OF_IMPORT,
        RECORDS.c.row > bindparam("after", type_=Integer()),
        or_(
            bindparam("outcomes", type_=ARRAY(Text())).is_(None),
            RECORDS.c.outcome == func.any(bindparam("outcomes", type_=ARRAY(Text()))),
        ),
    )
    .order_by(RECORDS.c.row)
    .limit(bindparam("limit", type_=Integer()))
)

# ----------------------------------------------------------------------------------- reverting

_REVERTIBLE = (*_OF_IMPORT, RECORDS.c.outcome.in_(words("created", "updated")))
_LEFT = RECORDS.c.reverted.is_distinct_from("done")
COUNT_REVERTIBLE = Statement(select(func.count().label("rows")).where(*_REVERTIBLE, _LEFT))
_next_revertible = (
    select(
        RECORDS.c.row,
        RECORDS.c.outcome,
        RECORDS.c.client_id,
        RECORDS.c.client_version,
        RECORDS.c.before,
    )
    .where(*_REVERTIBLE)
    .order_by(RECORDS.c.row.desc())
    .limit(bindparam("limit", type_=Integer()))
)
NEXT_REVERTIBLE = Statement(_next_revertible.where(RECORDS.c.reverted.is_(None)))
NEXT_REHEARSED = Statement(
    _next_revertible.where(_LEFT, RECORDS.c.row < bindparam("before", type_=Integer()))
)
"""What a dry run looks at: it marks no row, and knows by its number where it was."""
FORGET_REFUSALS = Statement(
    update(RECORDS)
    .where(*_REVERTIBLE, _LEFT, RECORDS.c.reverted.is_not(None))
    .values(reverted=None)
)
"""What was refused may be possible now."""

_reverted = recordset("rows", {"row": Integer(), "reverted": Text()})
NOTE_REVERTED = Statement(
    update(RECORDS)
    .where(*_OF_IMPORT, RECORDS.c.row == _reverted.c.row)
    .values(reverted=_reverted.c.reverted)
)

# --------------------------------------------------------------------------- kept for a time

KEPT_DAYS: Final = 30
_LIMIT = bindparam("limit", type_=Integer())
_OLD = text(f"interval '{KEPT_DAYS} days'")
_old_imports = select(IMPORTS.c.id).where(
    IMPORTS.c.organization_id == ORG, IMPORTS.c.created_at < func.now() - _OLD
)
_there = exists(
    select(literal(1)).where(IMPORTS.c.organization_id == ORG, IMPORTS.c.id == PARTS.c.import_id)
)
# Parts without an import are of an upload that was broken off, or still goes on.
_old_parts = (
    select(PARTS.c.import_id, PARTS.c.position)
    .where(
        PARTS.c.organization_id == ORG,
        or_(
            PARTS.c.created_at < func.now() - _OLD,
            and_(~_there, PARTS.c.created_at < func.now() - text("interval '1 day'")),
        ),
    )
    .limit(_LIMIT)
)
REMOVE_OLD_PARTS = Statement(
    delete(PARTS)
    .where(
        PARTS.c.organization_id == ORG, tuple_(PARTS.c.import_id, PARTS.c.position).in_(_old_parts)
    )
    .returning(PARTS.c.position)
)
_old_records = (
    select(RECORDS.c.import_id, RECORDS.c.row)
    .where(RECORDS.c.organization_id == ORG, RECORDS.c.import_id.in_(_old_imports))
    .limit(_LIMIT)
)
REMOVE_OLD_RECORDS = Statement(
    delete(RECORDS)
    .where(
        RECORDS.c.organization_id == ORG,
        tuple_(RECORDS.c.import_id, RECORDS.c.row).in_(_old_records),
    )
    .returning(RECORDS.c.row)
)
_left = exists(
    select(literal(1)).where(RECORDS.c.organization_id == ORG, RECORDS.c.import_id == IMPORTS.c.id)
)
_bare_imports = _old_imports.where(~_left).limit(_LIMIT)
REMOVE_OLD_IMPORTS = Statement(
    delete(IMPORTS)
    .where(IMPORTS.c.organization_id == ORG, IMPORTS.c.id.in_(_bare_imports))
    .returning(IMPORTS.c.id)
)
