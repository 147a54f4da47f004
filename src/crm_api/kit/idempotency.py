"""Idempotency keys: the record commits with the effect, a retry finds the stored reply.

In flight, the second request waits for the first one's locks: at most the lock time-out, then 409.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import (
    JSON,
    ColumnElement,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    Uuid,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
    text,
    tuple_,
)
from sqlalchemy.sql.expression import CTE

from crm_api.core.access import Actor
from crm_api.core.db import LockTimedOut, Statement, UniqueClash
from crm_api.core.errors import Fault, Refusal
from crm_api.kit.guard import ORG
from crm_api.kit.scope import Scope
from crm_api.models import IdempotencyRow

T = TypeVar("T")

MAX_KEY = 255
KEPT_HOURS = 24
_LIVE = IdempotencyRow.created_at > func.now() - text(f"interval '{KEPT_HOURS} hours'")


@dataclass(frozen=True, slots=True)
class Claim:
    """The key of one request, its scope, and what tells the same request from another."""

    principal_id: UUID
    path: str
    key: str
    fingerprint: bytes
    status: int = 201


def claim_of(
    actor: Actor, method: str, path: str, key: str | None, body: bytes, status: int = 201
) -> Claim | None:
    """The claim of a request, or None when it carries no key.

    Raises:
        Refusal: the key is no sensible text.
    """
    if key is None:
        return None
    if not 1 <= len(key.strip()) <= MAX_KEY or not (key.isascii() and key.isprintable()):
        detail = f"`Idempotency-Key` is 1 to {MAX_KEY} printable ASCII characters."
        raise Refusal(
            "invalid", detail, (Fault("invalid_value", detail, header="Idempotency-Key"),)
        )
    fingerprint = hashlib.sha256(b"\0".join((method.encode(), path.encode(), body))).digest()
    return Claim(actor.id, path, key, fingerprint, status)


def record_step(head: CTE, reply: ColumnElement[Any], resource_id: ColumnElement[Any]) -> CTE:
    """Store the reply in the statement that has the effect."""
    names = [
        "organization_id",
        "principal_id",
        "path",
        "key",
        "fingerprint",
        "status",
        "resource",
        "resource_id",
        "reply",
        "created_at",
    ]
    source = select(
        ORG,
        bindparam("k_principal", type_=Uuid()),
        bindparam("k_path", type_=Text()),
        bindparam("k_key", type_=Text()),
        bindparam("k_fingerprint", type_=LargeBinary()),
        bindparam("k_status", type_=SmallInteger()),
        bindparam("k_resource", type_=Text()),
        resource_id,
        cast(reply, JSON),
        func.now(),
    ).select_from(head)
    return (
        insert(IdempotencyRow)
        .from_select(names, source)
        .returning(IdempotencyRow.key)
        .cte("record")
    )


def record_values(claim: Claim, resource: str) -> dict[str, Any]:
    return {
        "k_principal": claim.principal_id,
        "k_path": claim.path,
        "k_key": claim.key,
        "k_fingerprint": claim.fingerprint,
        "k_status": claim.status,
        "k_resource": resource,
    }


_FIND = Statement(
    select(
        IdempotencyRow.fingerprint,
        IdempotencyRow.status,
        IdempotencyRow.resource_id,
        IdempotencyRow.reply,
    ).where(
        IdempotencyRow.organization_id == ORG,
        IdempotencyRow.principal_id == bindparam("k_principal", type_=Uuid()),
        IdempotencyRow.path == bindparam("k_path", type_=Text()),
        IdempotencyRow.key == bindparam("k_key", type_=Text()),
        _LIVE,
    )
)
_FORGET = Statement(
    delete(IdempotencyRow).where(
        IdempotencyRow.organization_id == ORG,
        IdempotencyRow.principal_id == bindparam("k_principal", type_=Uuid()),
        IdempotencyRow.path == bindparam("k_path", type_=Text()),
        IdempotencyRow.key == bindparam("k_key", type_=Text()),
        ~_LIVE,
    )
)
# An hour later than a replay is refused: nothing is taken away from a request that is on its way.
_expired = (
    select(IdempotencyRow.principal_id, IdempotencyRow.path, IdempotencyRow.key)
    .where(
        IdempotencyRow.organization_id == ORG,
        IdempotencyRow.created_at < func.now() - text("interval '25 hours'"),
    )
    .limit(bindparam("limit", type_=Integer()))
    .with_for_update(skip_locked=True)
)
REMOVE_EXPIRED = Statement(
    delete(IdempotencyRow)
    .where(
        IdempotencyRow.organization_id == ORG,
        tuple_(IdempotencyRow.principal_id, IdempotencyRow.path, IdempotencyRow.key).in_(_expired),
    )
    .returning(IdempotencyRow.status)
)
_STORE = Statement(
    insert(IdempotencyRow).values(
        organization_id=ORG,
        principal_id=bindparam("k_principal", type_=Uuid()),
        path=bindparam("k_path", type_=Text()),
        key=bindparam("k_key", type_=Text()),
        fingerprint=bindparam("k_fingerprint", type_=LargeBinary()),
        status=bindparam("k_status", type_=SmallInteger()),
        resource=bindparam("k_resource", type_=Text()),
        resource_id=bindparam("k_resource_id", type_=Uuid()),
        reply=cast(bindparam("k_reply", type_=Text()), JSON),
        created_at=func.now(),
    )
)


@dataclass(frozen=True, slots=True)
class Stored:
    """A finished request's reply."""

    status: int
    resource_id: UUID | None
    text: str
    """The reply as it was answered, byte for byte."""

    @property
    def reply(self) -> Any:
        return json.loads(self.text)


async def find(scope: Scope, claim: Claim) -> Stored | None:
    """The stored reply of this request.

    Raises:
        Refusal: the key was used for another request.
    """
    values = record_values(claim, "") | {"org": scope.actor.organization_id}
    row = await scope.db.fetchrow(scope.actor.organization_id, _FIND, values)
    if row is None:
        return None
    if row["fingerprint"] != claim.fingerprint:
        detail = "This key was used for a request with another body."
        raise Refusal(
            "idempotency_mismatch",
            detail,
            (Fault("idempotency_mismatch", detail, header="Idempotency-Key"),),
        )
    return Stored(row["status"], row["resource_id"], row["reply"])


async def store(
    scope: Scope, claim: Claim, resource: str, resource_id: UUID | None, reply: Mapping[str, Any]
) -> None:
    """Store the reply of a cold write: inside its transaction."""
    values = record_values(claim, resource) | {
        "org": scope.actor.organization_id,
        "k_resource_id": resource_id,
        "k_reply": json.dumps(reply, default=str, ensure_ascii=False, separators=(",", ":")),
    }
    async with scope.db.savepoint():
        await scope.db.fetchrow(scope.actor.organization_id, _STORE, values)


async def once(
    scope: Scope,
    claim: Claim | None,
    run: Callable[[], Awaitable[T]],
    replay: Callable[[Stored], T],
) -> T:
    """Run the request, or answer what it answered before.

    The record is looked up only when the first try fails: a finished one clashes with its own key
    (or with its own e-mail), so that a new request pays nothing for the key.
    """
    if claim is None:
        return await run()
    try:
        return await run()
    except (Refusal, UniqueClash) as failure:
        if isinstance(failure, Refusal) and failure.status in (403, 404):
            # A replay needs today's rights as much as the request itself.
            raise
        await scope.verify()
        stored = await find(scope, claim)
        if stored is not None:
            return replay(stored)
        if isinstance(failure, UniqueClash) and failure.constraint == "pk_idempotency_records":
            # The record is older than it is kept for: it makes room, and the request is new.
            await scope.db.fetchrow(
                scope.actor.organization_id,
                _FORGET,
                record_values(claim, "") | {"org": scope.actor.organization_id},
            )
            return await run()
        raise
    except LockTimedOut:
        detail = "The same request, or a write before it, is still running."
        raise Refusal("idempotency_in_progress", detail, headers={"Retry-After": "1"}) from None
