"""The change log: one log with many readers. Nobody writes an audit row by hand.

Format, fixed with the first write (docs/adr/0004):
- each changed field has its digest, sha256(salt ‖ canonical JSON of [field, before, after]);
- each entry has its digest, sha256 over the canonical JSON of its facts and field digests;
- each write is a block: block_hash = sha256(previous ‖ first position ‖ microseconds ‖ entries).
Values and salts may be emptied by an erasure: facts, digests and chain still verify.
"""

import hashlib
import json
import os
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    bindparam,
    cast,
    column,
    extract,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.sql.expression import CTE
from sqlalchemy.sql.selectable import TableValuedAlias

from crm_api.core.access import Actor, RequestContext
from crm_api.core.db import Database, Statement
from crm_api.core.ids import new_id
from crm_api.kit.guard import ORG
from crm_api.models import ChangeRow, HeadRow, table_of

Diff = Mapping[str, tuple[Any, Any]]
"""Field → (before, after), as the wire shows them."""

SALT_BYTES = 16
_BLOCK = 1 << 16


class _Salts(threading.local):
    """Random bytes, fetched in blocks: at each fetch other threads of an import take their turn."""

    left: memoryview = memoryview(b"")

    def take(self, count: int) -> bytes:
        if len(self.left) < count:
            self.left = memoryview(secrets.token_bytes(max(count, _BLOCK)))
        found, self.left = bytes(self.left[:count]), self.left[count:]
        return found

    def forget(self) -> None:
        self.left = memoryview(b"")


_salts = _Salts()
os.register_at_fork(after_in_child=_salts.forget)  # two processes never share a salt

# Made once: `json.dumps` with options builds an encoder for each call.
_encode = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str
).encode
_quoted = json.encoder.encode_basestring


def canonical(value: Any) -> bytes:
    """One byte string for one value: what every digest runs over."""
    return _encode(value).encode()


@dataclass(frozen=True, slots=True)
class Entry:
    """One change of one resource, ready to be written."""

    id: UUID
    actor_type: str
    actor_id: UUID
    request_id: str
    address: str | None
    user_agent: str | None
    resource: str
    resource_id: UUID
    version: int
    action: str
    fields: tuple[str, ...]
    document: str
    """Canonical JSON: [field, before, after] for each field."""
    salts: bytes
    digests: bytes

    @property
    def digest(self) -> bytes:
        return entry_digest(self)


def entry_digest(entry: Any) -> bytes:
    """The digest of an entry's facts and of its field digests: of an `Entry` or of a stored row."""
    texts = (
        str(entry.id),
        entry.actor_type,
        str(entry.actor_id),
        entry.request_id,
        entry.resource,
        str(entry.resource_id),
    )
    # The canonical JSON of the array, written by hand: each entry of a long import pays for it.
    facts = ",".join(map(_quoted, texts))
    names = ",".join(map(_quoted, entry.fields))
    text = (
        f"[{facts},{entry.version},{_quoted(entry.action)},[{names}],"
        f"{_quoted(entry.digests.hex())}]"
    )
    return hashlib.sha256(text.encode()).digest()


def field_digest(salt: bytes, change: Sequence[Any]) -> bytes:
    return hashlib.sha256(salt + canonical(list(change))).digest()


def _change_text(name: str, before: Any, after: Any) -> str:
    """`_encode([name, before, after])`; what a new record mostly consists of costs a fifth."""
    if before is None and isinstance(after, str):
        return f"[{_quoted(name)},null,{_quoted(after)}]"
    return _encode([name, before, after])


def new_entry(
    actor: Actor,
    context: RequestContext,
    *,
    resource: str,
    resource_id: UUID,
    version: int,
    action: str,
    diff: Diff,
) -> Entry:
    """One entry for one resource; `diff` holds the derived values too."""
    # The canonical text of what jsonb will give back is this same text.
    changes = [_change_text(name, before, after) for name, (before, after) in diff.items()]
    salts = _salts.take(SALT_BYTES * len(changes))
    digests = b"".join(
        hashlib.sha256(salts[i * SALT_BYTES : (i + 1) * SALT_BYTES] + change.encode()).digest()
        for i, change in enumerate(changes)
    )
    return Entry(
        id=new_id(),
        actor_type=actor.kind,
        actor_id=actor.id,
        request_id=context.request_id,
        address=context.address,
        user_agent=context.user_agent,
        resource=resource,
        resource_id=resource_id,
        version=version,
        action=action,
        fields=tuple(diff),
        document=f"[{','.join(changes)}]",
        salts=salts,
        digests=digests,
    )


def block_digest(entry_digests: Sequence[bytes]) -> bytes:
    return hashlib.sha256(b"".join(entry_digests)).digest()


def block_hash(previous: bytes, first: int, at_microseconds: int, digest: bytes) -> bytes:
    """The chain's next link; PostgreSQL computes the same in `head_step`."""
    link = previous + first.to_bytes(8, "big") + at_microseconds.to_bytes(8, "big") + digest
    return hashlib.sha256(link).digest()


def log_values(entries: Sequence[Entry]) -> dict[str, Any]:
    """The parameters of `head_step` and `log_step`."""
    rows = [
        {
            "n": n,
            "id": str(e.id),
            "actor_type": e.actor_type,
            "actor_id": str(e.actor_id),
            "request_id": e.request_id,
            "address": e.address,
            "user_agent": e.user_agent,
            "resource": e.resource,
            "resource_id": str(e.resource_id),
            "version": e.version,
            "action": e.action,
            "fields": list(e.fields),
            "changes": json.loads(e.document),
            "salts": e.salts.hex(),
            "digests": e.digests.hex(),
        }
        for n, e in enumerate(entries)
    ]
    return {
        "entries": json.dumps(rows, ensure_ascii=False),
        "entry_count": len(rows),
        "block_digest": block_digest([e.digest for e in entries]),
    }


def recordset(name: str, columns: Mapping[str, Any]) -> TableValuedAlias:
    """A JSON array parameter as rows with typed columns."""
    parameter = cast(bindparam(name, type_=Text()), JSONB)
    return (
        func.jsonb_to_recordset(parameter)
        .table_valued(*(column(n, t) for n, t in columns.items()), name=f"{name}_in")
        .render_derived(with_types=True)
    )


def head_step(*conditions: ColumnElement[bool], numbers: int | ColumnElement[int] = 0) -> CTE:
    """Advance the head by the entries of this write: `first`, `at`, `hash`, `number`.

    The row is locked until the commit, so that positions are gapless and in commit order; times
    never run backwards. Where a condition fails the head stays and nothing else is written.
    """
    table = table_of(HeadRow)
    at = func.greatest(func.now(), table.c.last_at)
    count = bindparam("entry_count", type_=BigInteger())
    micros = cast(extract("epoch", at) * 1_000_000, BigInteger)
    link = func.sha256(
        table.c.last_hash.op("||")(func.int8send(table.c.position + 1))
        .op("||")(func.int8send(micros))
        .op("||")(bindparam("block_digest", type_=LargeBinary()))
    )
    return (
        update(HeadRow)
        .where(HeadRow.organization_id == ORG, *conditions)
        .values(
            position=table.c.position + count,
            last_at=at,
            last_hash=link,
            client_number=table.c.client_number + numbers,
        )
        .returning(
            (table.c.position - count + 1).label("first"),
            table.c.last_at.label("at"),
            table.c.last_hash.label("hash"),
            table.c.client_number.label("number"),
        )
        .cte("head")
    )


_ENTRY_COLUMNS: dict[str, Any] = {
    "n": BigInteger(),
    "id": Uuid(),
    "actor_type": Text(),
    "actor_id": Uuid(),
    "request_id": Text(),
    "address": Text(),
    "user_agent": Text(),
    "resource": Text(),
    "resource_id": Uuid(),
    "version": Integer(),
    "action": Text(),
    "fields": ARRAY(Text()),
    "changes": JSONB(),
    "salts": Text(),
    "digests": Text(),
}


def log_step(head: CTE) -> CTE:
    """Append the entries at the positions that the head gave."""
    entry = recordset("entries", _ENTRY_COLUMNS)
    plain = [name for name in _ENTRY_COLUMNS if name not in ("n", "salts", "digests")]
    names = [
        "organization_id",
        "position",
        "at",
        "block_start",
        "block_hash",
        "salts",
        "digests",
        *plain,
    ]
    rows = select(
        ORG,
        head.c.first + entry.c.n,
        head.c.at,
        head.c.first,
        head.c.hash,
        func.decode(entry.c.salts, "hex"),
        func.decode(entry.c.digests, "hex"),
        *(entry.c[name] for name in plain),
    ).select_from(entry.join(head, literal_column("true")))
    return insert(ChangeRow).from_select(names, rows).returning(ChangeRow.position).cte("log")


_head = head_step()
_APPEND = Statement(
    select(_head.c.first, cast(_head.c.at, DateTime(timezone=True)).label("at")).add_cte(
        log_step(_head)
    )
)
_LOCK = Statement(select(HeadRow.position).where(HeadRow.organization_id == ORG).with_for_update())


async def lock_head(db: Database, actor: Actor) -> None:
    """Take the organization's head first: the order of locks is head, row, children, everywhere."""
    await db.fetchrow(actor.organization_id, _LOCK, {"org": actor.organization_id})


async def append(db: Database, actor: Actor, entries: Sequence[Entry]) -> None:
    """Log a cold write: call it inside `db.transaction`, after `lock_head` and the change."""
    if entries:
        values = log_values(entries) | {"org": actor.organization_id}
        await db.fetchrow(actor.organization_id, _APPEND, values)
