"""Batches of one resource: up to 200 operations, each by itself, or all or none."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Literal, Protocol
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from crm_api.core.access import StaleActor
from crm_api.core.db import Disturbed
from crm_api.core.errors import Fault, Refusal, refuse_all
from crm_api.core.ids import id_or_nil
from crm_api.core.jsonbody import Incoming, validate_body
from crm_api.kit.deciding import require_some
from crm_api.kit.fields import Resource, mask_of
from crm_api.kit.idempotency import Claim, Stored, find, once, store
from crm_api.kit.refs import MAX_VERSION
from crm_api.kit.replies import Reply
from crm_api.kit.schemas import Create, Patch, Upsert
from crm_api.kit.scope import Scope
from crm_api.kit.upserting import Named

MAX_OPERATIONS = 200
TRANSIENT = frozenset({"unavailable", "conflict", "idempotency_in_progress"})
"""Codes of an item that may succeed when the same batch is sent again."""
_ITEM = ConfigDict(extra="forbid", strict=True)


class Batched(Protocol):
    """The records that a batch works on: each operation is a call of its service."""

    scope: Scope

    @property
    def resource(self) -> type[Resource]: ...

    async def create(self, incoming: Incoming[Any], claim: Claim | None) -> Reply: ...

    async def patch(
        self,
        row_id: UUID,
        incoming: Incoming[Any],
        if_match: str | None,
        /,
        *,
        claim: Claim | None = None,
    ) -> Reply: ...

    async def delete(self, row_id: UUID, if_match: str | None, claim: Claim | None, /) -> None: ...

    async def upsert(
        self, named: Named, incoming: Incoming[Any], if_match: str | None
    ) -> Reply: ...

    def masked(self, document: Mapping[str, Any]) -> dict[str, Any]: ...

    def seen_candidate(self, told: Mapping[str, Any]) -> dict[str, Any]: ...


class NamedRef(BaseModel):
    """The id of the record in another system."""

    model_config = _ITEM

    source: Annotated[str, Field(max_length=200, description="The system.", examples=["billing"])]
    id: Annotated[str, Field(max_length=800, description="Its id there.", examples=["A-17"])]


class Operation(BaseModel):
    """One operation of a batch."""

    model_config = _ITEM

    op: Annotated[Literal["create", "update", "delete", "upsert"], Field(description="What to do.")]
    id: Annotated[UUID | None, Field(description="The record, for update and delete.")] = None
    ref: Annotated[NamedRef | None, Field(description="The reference, for upsert.")] = None
    version: Annotated[
        int | None, Field(ge=0, le=MAX_VERSION, description="Of the delivery, for upsert.")
    ] = None
    if_match: Annotated[str | None, Field(max_length=400, description="The ETag decided on.")] = (
        None
    )
    body: Annotated[
        dict[str, Any], Field(max_length=100, description="As in the single call.")
    ] = {}


class Batch(BaseModel):
    """Operations in the order in which they are done."""

    model_config = _ITEM

    atomic: Annotated[bool, Field(description="All or none.")] = False
    operations: Annotated[
        list[Operation],
        Field(
            min_length=1,
            max_length=MAX_OPERATIONS,
            description="The operations.",
            examples=[
                [
                    {
                        "op": "create",
                        "body": {"name": "Jinja Bakery", "emails": ["hello@jinja-bakery.example"]},
                    }
                ]
            ],
        ),
    ]


class ItemResult(BaseModel):
    """What became of one operation."""

    status: Annotated[int, Field(ge=200, le=599, description="As of the single call.")]
    body: Annotated[dict[str, Any] | None, Field(max_length=100, description="The record.")] = None
    problem: Annotated[dict[str, Any] | None, Field(max_length=30, description="Why not.")] = None


class BatchResult(BaseModel):
    """One result for each operation."""

    results: Annotated[list[ItemResult], Field(max_length=MAX_OPERATIONS)]


@dataclass(frozen=True, slots=True)
class BatchReply:
    """The composed reply; the items are texts as PostgreSQL made them."""

    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


async def run_batch(service: Batched, incoming: Incoming[Batch], claim: Claim | None) -> BatchReply:
    """Run the operations by the rights of each.

    Raises:
        Refusal: the batch itself is faulty; or, with `atomic`, the first operation that failed,
            its pointers below `/operations/<n>/body`.
    """
    scope = service.scope
    if claim is not None:
        await scope.verify()
        stored = await find(scope, claim)
        if stored is not None and incoming.value is not None:
            return _replayed(service, incoming.value, stored)
    if incoming.value is None:
        raise refuse_all(incoming.faults)
    batch = incoming.value
    await scope.verify()
    run = partial(_all_or_none if batch.atomic else _each, service, batch, claim)
    return await once(scope, claim, run, partial(_replayed, service, batch))


async def _all_or_none(service: Batched, batch: Batch, claim: Claim | None) -> BatchReply:
    scope = service.scope
    async with scope.db.transaction(scope.actor.organization_id):
        results = [await _atomic_item(service, n, op) for n, op in enumerate(batch.operations)]
        return await _finished(service, claim, results)


async def _each(service: Batched, batch: Batch, claim: Claim | None) -> BatchReply:
    results = [
        await _item(service, op, _item_claim(claim, n, op)) for n, op in enumerate(batch.operations)
    ]
    return await _finished(service, claim, results)


def _item_claim(claim: Claim | None, n: int, op: Operation) -> Claim | None:
    """Each item has a record of its own: a batch that was cut off, or came twice, is sent again."""
    if claim is None:
        return None
    status = 201 if op.op == "create" else 200
    return Claim(claim.principal_id, f"{claim.path}#{n}", claim.key, claim.fingerprint, status)


async def _finished(service: Batched, claim: Claim | None, results: list[str]) -> BatchReply:
    body = f'{{"results":[{",".join(results)}]}}'
    if claim is not None:
        reply = json.loads(body)
        kept = Claim(claim.principal_id, claim.path, claim.key, claim.fingerprint, 207)
        noun = f"{service.resource.singular}_batch"
        # An item that asks for another try gets one: the batch is not over yet.
        if not any(_is_transient(result) for result in reply["results"]):
            await store(service.scope, kept, noun, None, reply)
    return BatchReply(body)


def _is_transient(result: Mapping[str, Any]) -> bool:
    return result.get("problem", {}).get("code") in TRANSIENT


def _replayed(service: Batched, batch: Batch, stored: Stored) -> BatchReply:
    """The stored results, as far as the rights of today reach."""
    pairs = zip(batch.operations, stored.reply["results"], strict=True)
    results = [_seen_again(service, op, result) for op, result in pairs]
    body = json.dumps({"results": results}, ensure_ascii=False, separators=(",", ":"))
    return BatchReply(body, {"Idempotency-Replayed": "true"})


def _seen_again(service: Batched, op: Operation, result: Mapping[str, Any]) -> Mapping[str, Any]:
    scope, cls = service.scope, service.resource
    try:
        if op.op == "delete":
            scope.require(cls.guarded_by, "delete")
        elif op.op == "upsert":
            made = result["status"] == 201 or not mask_of(cls, scope.actor.rights).update
            require_some(scope, cls, "create" if made else "update")
        else:
            require_some(scope, cls, op.op)
    except Refusal as refusal:
        return _refused(scope, refusal)
    if "body" in result:
        body = result["body"]
        told = {"applied": body["applied"]} if op.op == "upsert" else {}
        return {**result, "body": service.masked(body) | told}
    problem = dict(result.get("problem") or {})
    if "current" in problem:
        problem["current"] = service.masked(problem["current"])
    if "candidates" in problem:
        shown = [service.seen_candidate(one) for one in problem["candidates"]]
        if shown != problem["candidates"]:
            problem |= {"candidates": shown, "next": []}
    return {**result, "problem": problem} if problem else result


async def _atomic_item(service: Batched, n: int, op: Operation) -> str:
    try:
        return _result(await _run(service, op, None))
    except Refusal as refusal:
        place = f"/operations/{n}/body"
        faults = [
            Fault(f.code, f.detail, pointer=f"{place}{f.pointer or ''}") for f in refusal.faults
        ]
        found = faults or [Fault(refusal.code, refusal.detail, pointer=place)]
        raise Refusal(refusal.code, refusal.detail, found, members=refusal.members) from refusal


async def _item(service: Batched, op: Operation, claim: Claim | None) -> str:
    try:
        reply = await _run(service, op, claim)
    except StaleActor:
        # Never the whole batch again: what was done before stays done.
        refusal = Refusal(
            "conflict", "Your rights changed while the batch ran; send the rest again."
        )
    except Disturbed as caught:
        refusal = caught.refusal()
    except Refusal as caught:
        refusal = caught
    else:
        return _result(reply)
    return json.dumps(_refused(service.scope, refusal), ensure_ascii=False)


def _refused(scope: Scope, refusal: Refusal) -> dict[str, Any]:
    problem = {
        "type": f"/problems/{refusal.code.replace('_', '-')}",
        "title": refusal.problem.title,
        "status": refusal.status,
        "detail": refusal.detail,
        "code": refusal.code,
        "request_id": scope.context.request_id,
        "errors": [fault.as_json() for fault in refusal.faults],
        **refusal.members,
    }
    return {"status": refusal.status, "problem": problem}


def _result(reply: Reply | None) -> str:
    if reply is None:
        return '{"status":204}'
    return f'{{"status":{reply.status},"body":{reply.body}}}'


async def _run(service: Batched, op: Operation, claim: Claim | None) -> Reply | None:
    cls = service.resource
    if op.op == "create":
        return await service.create(_read(Create[cls], op.body), claim)  # type: ignore[valid-type]  # made at run time
    if op.op == "upsert":
        # Sent again it finds what it did, so that it needs no record of its own.
        return await _upsert(service, op)
    row_id = id_or_nil(op.id)
    if op.op == "delete":
        await service.delete(row_id, op.if_match, claim)
        return None
    sent = _read(Patch[cls], op.body)  # type: ignore[valid-type]  # as above
    return await service.patch(row_id, sent, op.if_match, claim=claim)


async def _upsert(service: Batched, op: Operation) -> Reply:
    named = Named("", "") if op.ref is None else Named(op.ref.source, op.ref.id)
    version = {} if op.version is None else {"version": op.version}
    incoming = _read(Upsert[service.resource], op.body | version)  # type: ignore[name-defined]  # as above
    return await service.upsert(named, incoming, op.if_match)


def _read(model: type[BaseModel], body: Mapping[str, Any]) -> Incoming[Any]:
    return validate_body(model, json.dumps(body).encode())
