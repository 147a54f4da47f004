"""The table of operations: their wire form, the queue, leases, progress, ends."""

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Float,
    Integer,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    delete,
    extract,
    func,
    literal,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crm_api.core.access import Rights
from crm_api.core.db import Statement
from crm_api.kit.guard import ORG
from crm_api.kit.listing import Listing
from crm_api.kit.projection import Shape, Sources, words
from crm_api.models import OperationRow, OrganizationRow, table_of
from crm_api.operations.schemas import FINAL, OPEN, Operation

OPERATIONS = table_of(OperationRow)
CHANNEL: Final = "crm_operations"
"""The channel of NOTIFY; the payload is the id of an organization that has work."""


def _progress(sources: Sources, _: Rights) -> ColumnElement[Any]:
    """Counted up to the last step, not up to now: the ETag moves with the steps alone."""
    main = sources.main
    done, total = main.c.progress_done, main.c.progress_total
    counted = and_(main.c.state == "running", done > 0, total.is_not(None))
    seconds = extract("epoch", main.c.progress_at - main.c.started_at)
    left = func.ceil(cast(seconds * func.greatest(total - done, 0) / done, Float))
    percent = case((total > 0, func.least(100, cast(done, BigInteger) * 100 // total)), else_=100)
    return func.json_build_object(
        *("done", done, "total", total),
        *("percent", case((total.is_not(None), percent))),
        *("eta_seconds", case((counted, cast(func.least(left, 2**31 - 1), BigInteger)))),
    )


OPERATION_SHAPE = Shape(Operation, OPERATIONS, {"progress": _progress})
OPERATION_LISTING = Listing(OPERATION_SHAPE, filters={}, sorts={})

_ID = bindparam("id", type_=Uuid())
_TOKEN = bindparam("token", type_=Uuid())
_SECONDS = bindparam("seconds", type_=Float())
_LATER = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, _SECONDS)
_MINE = (
    OPERATIONS.c.organization_id == ORG,
    OPERATIONS.c.id == _ID,
    OPERATIONS.c.state == "running",
    OPERATIONS.c.lease_token == _TOKEN,
)
"""The fence: true only for the worker that holds the lease now."""

COUNT_OPEN = Statement(
    select(func.count().label("open")).where(
        OPERATIONS.c.organization_id == ORG, OPERATIONS.c.state.in_(words(*OPEN))
    )
)
WAKE = Statement(select(func.pg_notify(literal(CHANNEL), bindparam("organization", type_=Text()))))
ORGANIZATIONS = Statement(select(OrganizationRow.id).order_by(OrganizationRow.id))

_next = (
    select(OPERATIONS.c.id)
    .where(
        OPERATIONS.c.organization_id == ORG,
        OPERATIONS.c.state.in_(words(*OPEN)),
        OPERATIONS.c.due_at <= func.now(),
        OPERATIONS.c.kind == func.any(bindparam("kinds", type_=ARRAY(Text()))),
    )
    .order_by(OPERATIONS.c.due_at, OPERATIONS.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
    .cte("next")
)
CLAIM = Statement(
    update(OPERATIONS)
    .where(OPERATIONS.c.organization_id == ORG, OPERATIONS.c.id == _next.c.id)
    .values(
        state="running",
        version=OPERATIONS.c.version + 1,
        lease_token=_TOKEN,
        due_at=_LATER,
        attempts=OPERATIONS.c.attempts + 1,
        started_at=func.coalesce(OPERATIONS.c.started_at, func.now()),
    )
    .returning(
        OPERATIONS.c.id,
        OPERATIONS.c.kind,
        OPERATIONS.c.params,
        OPERATIONS.c.created_by,
        OPERATIONS.c.created_by_type,
        OPERATIONS.c.progress_done,
        OPERATIONS.c.progress_total,
        OPERATIONS.c.result,
        OPERATIONS.c.attempts,
        OPERATIONS.c.cancel_requested,
    )
)
HELD = Statement(select(OPERATIONS.c.cancel_requested).where(*_MINE))
"""Whether the lease is still ours, and whether somebody wants the work to stop."""

EXTEND = Statement(
    update(OPERATIONS).where(*_MINE).values(due_at=_LATER).returning(OPERATIONS.c.id)
)
_DONE = bindparam("done", type_=Integer())
_BEFORE = bindparam("before", type_=Integer())
KEEP = Statement(
    update(OPERATIONS)
    # A step whose COMMIT was answered by nothing may be there: it is not done a second time.
    .where(*_MINE, OPERATIONS.c.progress_done == _BEFORE)
    .values(
        progress_done=_DONE,
        progress_total=bindparam("total", type_=Integer()),
        progress_at=func.now(),
        result=cast(bindparam("result", type_=Text()), JSONB),
        attempts=case((_DONE > _BEFORE, 0), else_=OPERATIONS.c.attempts),
        due_at=func.greatest(OPERATIONS.c.due_at, _LATER),
    )
    .returning(OPERATIONS.c.id)
)
"""The end of a step: its progress commits with its effect, or the step does not commit at all."""

GIVE_BACK = Statement(
    update(OPERATIONS)
    .where(*_MINE)
    .values(
        state="queued",
        version=OPERATIONS.c.version + 1,
        lease_token=None,
        due_at=_LATER,
        attempts=func.greatest(
            OPERATIONS.c.attempts - case((bindparam("counts", type_=Boolean()), 0), else_=1),
            0,
        ),
    )
    .returning(OPERATIONS.c.id)
)
"""Back into the queue, after a pause or at once; only a failed attempt counts."""

FINISH = Statement(
    update(OPERATIONS)
    .where(*_MINE)
    .values(
        state=bindparam("state", type_=Text()),
        version=OPERATIONS.c.version + 1,
        lease_token=None,
        result=cast(bindparam("result", type_=Text()), JSONB),
        error=cast(bindparam("error", type_=Text()), JSONB),
        finished_at=func.now(),
    )
    .returning(OPERATIONS.c.version)
)

KEPT_DAYS: Final = 30
_old = (
    select(OPERATIONS.c.id)
    .where(
        OPERATIONS.c.organization_id == ORG,
        OPERATIONS.c.state.in_(words(*FINAL)),
        OPERATIONS.c.finished_at < func.now() - text(f"interval '{KEPT_DAYS} days'"),
    )
    .limit(bindparam("limit", type_=Integer()))
    .with_for_update(skip_locked=True)
)
REMOVE_OLD = Statement(
    delete(OPERATIONS)
    .where(OPERATIONS.c.organization_id == ORG, OPERATIONS.c.id.in_(_old))
    .returning(OPERATIONS.c.id)
)
