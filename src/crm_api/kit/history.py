"""The history of one record, from the change log, masked by the reader's rights of today."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    Integer,
    Text,
    Uuid,
    and_,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import aliased

from crm_api.core.db import Statement
from crm_api.core.errors import Fault, Refusal
from crm_api.core.formats.dates import format_instant
from crm_api.kit.fields import Resource, mask_of, open_values, reads_group
from crm_api.kit.guard import ORG
from crm_api.kit.query import ListReader
from crm_api.kit.scope import Scope
from crm_api.models import ApiKeyRow, ChangeRow, MembershipRow, UserRow

_before = bindparam("before", type_=BigInteger())
_moved = aliased(ChangeRow)
_step = func.jsonb_array_elements(_moved.changes).column_valued("step")
_hidden = bindparam("hidden", type_=ARRAY(Text()))
_unseen = exists(
    select(_moved.position).where(
        _moved.organization_id == ORG,
        _moved.resource == ChangeRow.resource,
        _moved.resource_id == ChangeRow.resource_id,
        _moved.position >= ChangeRow.position,
        exists(
            select(literal(1)).where(
                _step.op("->>")(0) == bindparam("told_by", type_=Text()),
                or_(
                    _step.op("->>")(1) == func.any(_hidden), _step.op("->>")(2) == func.any(_hidden)
                ),
            )
        ),
    )
)
"""That the record was in a group then, or came into one later, that the reader does not read."""
_HISTORY = Statement(
    select(
        ChangeRow.position,
        ChangeRow.id,
        ChangeRow.at,
        ChangeRow.actor_type,
        ChangeRow.actor_id,
        func.coalesce(UserRow.name, ApiKeyRow.name, "system").label("actor_name"),
        ChangeRow.action,
        ChangeRow.request_id,
        ChangeRow.address,
        ChangeRow.user_agent,
        ChangeRow.changes,
    )
    .select_from(ChangeRow)
    .outerjoin(
        MembershipRow,
        and_(MembershipRow.organization_id == ORG, MembershipRow.id == ChangeRow.actor_id),
    )
    .outerjoin(UserRow, UserRow.id == MembershipRow.user_id)
    .outerjoin(
        ApiKeyRow, and_(ApiKeyRow.organization_id == ORG, ApiKeyRow.id == ChangeRow.actor_id)
    )
    .where(
        ChangeRow.organization_id == ORG,
        ChangeRow.resource == bindparam("resource", type_=Text()),
        ChangeRow.resource_id == bindparam("id", type_=Uuid()),
        ChangeRow.fields.op("&&")(bindparam("fields", type_=ARRAY(Text()))),
        or_(_before.is_(None), ChangeRow.position < _before),
        or_(
            bindparam("everybody", type_=Boolean()),
            ChangeRow.actor_id == bindparam("me", type_=Uuid()),
        ),
        or_(func.cardinality(_hidden) == 0, ~_unseen),
    )
    .order_by(ChangeRow.position.desc())
    .limit(bindparam("limit", type_=Integer()))
)


def visible_fields(cls: type[Resource], scope: Scope) -> list[str]:
    """The fields whose changes the reader may see: those it reads, and logged extras by group."""
    extra: dict[str, str] = getattr(cls, "logged", {})
    rights = scope.actor.rights
    return [
        *mask_of(cls, rights).read,
        *(name for name, group in extra.items() if reads_group(cls, rights, group)),
    ]


def require_history(cls: type[Resource], scope: Scope) -> bool:
    """Whether everybody's entries may be read (else only one's own); 403 when neither."""
    rights = scope.actor.rights
    if rights.can(cls.guarded_by, "read", "audit"):
        return True
    if rights.reads_own(cls.guarded_by, "audit"):
        return False
    needs = f"{cls.guarded_by}.audit:read"
    raise Refusal(
        "forbidden",
        f"{scope.actor.in_words} may not read the history.",
        (Fault("forbidden", f"This needs `{needs}`."),),
    )


async def read_history(
    scope: Scope, cls: type[Resource], row_id: UUID, items: Sequence[tuple[str, str]]
) -> str:
    """One page of history, newest first; entries whose every field is hidden are left out."""
    everybody = require_history(cls, scope)
    reader = ListReader(cls, scope, {})
    single = reader.singles(items, ("limit", "cursor", "explain"))
    limit = reader.limit(single.get("limit"))
    reader.raise_any()
    bound = _bound_to(scope, cls, row_id)
    before = position_of(scope, single.get("cursor"), bound)
    fields = visible_fields(cls, scope)
    groups = cls.row_groups
    hidden = groups.groups.keys() - open_values(cls, scope.actor.rights) if groups else ()
    rows = await scope.db.fetch(
        scope.actor.organization_id,
        _HISTORY,
        {
            "told_by": groups and groups.field,
            "hidden": sorted(hidden),
            "org": scope.actor.organization_id,
            "resource": cls.singular,
            "id": row_id,
            "fields": fields,
            "before": before,
            "everybody": everybody,
            "me": scope.actor.id,
            "limit": limit + 1,
        },
    )
    shown = rows[:limit]
    with_address = scope.actor.rights.can(cls.guarded_by, "read", "audit_ip")
    cursor = None
    if len(rows) > limit:
        cursor = scope.sealer.seal(str(shown[-1]["position"]).encode(), bound)
    data = [_entry(row, set(fields), with_address=with_address) for row in shown]
    return json.dumps(
        {"data": data, "next_cursor": cursor, "has_more": cursor is not None}, ensure_ascii=False
    )


def _entry(row: Any, fields: set[str], *, with_address: bool) -> dict[str, Any]:
    changes = json.loads(row["changes"]) if row["changes"] is not None else []
    entry = {
        "id": str(row["id"]),
        "at": format_instant(row["at"]),
        "actor": {"type": row["actor_type"], "id": str(row["actor_id"]), "name": row["actor_name"]},
        "action": row["action"],
        "request_id": row["request_id"],
        "changes": [
            {"field": name, "before": before, "after": after}
            for name, before, after in changes
            if name in fields
        ],
    }
    if with_address:
        entry |= {"address": row["address"], "user_agent": row["user_agent"]}
    return entry


def _bound_to(scope: Scope, cls: type[Resource], row_id: UUID) -> bytes:
    facts = f"{scope.actor.organization_id}{scope.actor.id}{cls.resource}{row_id}history"
    return hashlib.sha256(facts.encode()).digest()


def position_of(scope: Scope, cursor: str | None, bound: bytes) -> int | None:
    """The position of the log that a cursor stands for.

    Raises:
        Refusal: it was not issued for this list.
    """
    if cursor is None:
        return None
    raw = scope.sealer.unseal(cursor, bound) if len(cursor) <= 1024 else None
    if raw is None:
        fault = Fault(
            "invalid_cursor", "This cursor was not issued for this list.", parameter="cursor"
        )
        raise Refusal("invalid_cursor", "The cursor is forged or of another list.", (fault,))
    return int(raw)
