"""Batches: up to 200 operations, each by itself, or all or none."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from crm_api.clients.conflicts import seen_candidate
from crm_api.clients.schemas import Client
from crm_api.clients.service import ClientService
from crm_api.core.access import StaleActor
from crm_api.core.db import Disturbed
from crm_api.core.errors import Fault, Refusal, refuse_all
from crm_api.core.ids import id_or_nil
from crm_api.core.jsonbody import Incoming, validate_body
from crm_api.kit.deciding import require_some
from crm_api.kit.idempotency import Claim, Stored, find, once, store
from crm_api.kit.replies import Reply
from crm_api.kit.schemas import Create, Patch
from crm_api.kit.scope import Scope

MAX_OPERATIONS = 200
TRANSIENT = frozenset({"unavailable", "conflict", "idempotency_in_progress"})
"""Codes of an item that may succeed when the same batch is sent again."""


class Operation(BaseModel):
    """One operation of a batch."""

    model_config = ConfigDict(extra="forbid", strict=True)

    op: Annotated[Literal["create", "update", "delete"], Field(description="What to do.")]
    id: Annotated[UUID | None, Field(description="The client, for update and delete.")] = None
    if_match: Annotated[str | None, Field(max_length=400, description="The ETag decided on.")] = (
        None
    )
    body: Annotated[
        dict[str, Any], Field(max_length=100, description="As in the single call.")
    ] = {}


class Batch(BaseModel):
    """Operations in the order in which they are done."""

    model_config = ConfigDict(extra="forbid", strict=True)

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
    body: Annotated[dict[str, Any] | None, Field(max_length=100, description="The client.")] = None
    problem: Annotated[dict[str, Any] | None, Field(max_length=30, description="Why not.")] = None


class BatchResult(BaseModel):
    """One result for each operation."""

    results: Annotated[list[ItemResult], Field(max_length=MAX_OPERATIONS)]


@dataclass(frozen=True, slots=True)
class BatchReply:
    """The composed reply; the items are texts as PostgreSQL made them."""

    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


async def run_batch(scope: Scope, incoming: Incoming[Batch], claim: Claim | None) -> BatchReply:
    """Run the operations by the rights of each.

    Raises:
        Refusal: the batch itself is faulty; or, with `atomic`, the first operation that failed,
            its pointers below `/operations/<n>/body`.
    """
    if claim is not None:
        await scope.verify()
        stored = await find(scope, claim)
        if stored is not None and incoming.value is not None:
            return _replayed(scope, incoming.value, stored)
    if incoming.value is None:
        raise refuse_all(incoming.faults)
    batch = incoming.value
    await scope.verify()
    run = partial(_all_or_none if batch.atomic else _each, scope, batch, claim)
    return await once(scope, claim, run, partial(_replayed, scope, batch))


async def _all_or_none(scope: Scope, batch: Batch, claim: Claim | None) -> BatchReply:
    async with scope.db.transaction(scope.actor.organization_id):
        results = [await _atomic_item(scope, n, op) for n, op in enumerate(batch.operations)]
        return await _finished(scope, claim, results)


async def _each(scope: Scope, batch: Batch, claim: Claim | None) -> BatchReply:
    results = [
        await _item(scope, op, _item_claim(claim, n)) for n, op in enumerate(batch.operations)
    ]
    return await _finished(scope, claim, results)


def _item_claim(claim: Claim | None, n: int) -> Claim | None:
    """Each create has a record of its own: a batch that was cut off can be sent again."""
    if claim is None:
        return None
    return Claim(claim.principal_id, f"{claim.path}#{n}", claim.key, claim.fingerprint)


async def _finished(scope: Scope, claim: Claim | None, results: list[str]) -> BatchReply:
    body = f'{{"results":[{",".join(results)}]}}'
    if claim is not None:
        reply = json.loads(body)
        kept = Claim(claim.principal_id, claim.path, claim.key, claim.fingerprint, 207)
        # An item that asks for another try gets one: the batch is not over yet.
        if not any(_is_transient(result) for result in reply["results"]):
            await store(scope, kept, "client_batch", None, reply)
    return BatchReply(body)


def _is_transient(result: Mapping[str, Any]) -> bool:
    return result.get("problem", {}).get("code") in TRANSIENT


def _replayed(scope: Scope, batch: Batch, stored: Stored) -> BatchReply:
    """The stored results, as far as the rights of today reach."""
    pairs = zip(batch.operations, stored.reply["results"], strict=True)
    results = [_seen_again(scope, op, result) for op, result in pairs]
    body = json.dumps({"results": results}, ensure_ascii=False, separators=(",", ":"))
    return BatchReply(body, {"Idempotency-Replayed": "true"})


def _seen_again(scope: Scope, op: Operation, result: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        if op.op == "delete":
            scope.require("clients", "delete")
        else:
            require_some(scope, Client, op.op)
    except Refusal as refusal:
        return _refused(scope, refusal)
    service = ClientService(scope)
    if "body" in result:
        return {**result, "body": service.masked(result["body"])}
    problem = dict(result.get("problem") or {})
    if "current" in problem:
        problem["current"] = service.masked(problem["current"])
    if "candidates" in problem:
        shown = [seen_candidate(scope, one) for one in problem["candidates"]]
        if shown != problem["candidates"]:
            problem |= {"candidates": shown, "next": []}
    return {**result, "problem": problem} if problem else result


async def _atomic_item(scope: Scope, n: int, op: Operation) -> str:
    try:
        return _result(await _run(scope, op, None))
    except Refusal as refusal:
        place = f"/operations/{n}/body"
        faults = [
            Fault(f.code, f.detail, pointer=f"{place}{f.pointer or ''}") for f in refusal.faults
        ]
        found = faults or [Fault(refusal.code, refusal.detail, pointer=place)]
        raise Refusal(refusal.code, refusal.detail, found, members=refusal.members) from refusal


async def _item(scope: Scope, op: Operation, claim: Claim | None) -> str:
    try:
        reply = await _run(scope, op, claim)
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
    return json.dumps(_refused(scope, refusal), ensure_ascii=False)


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


async def _run(scope: Scope, op: Operation, claim: Claim | None) -> Reply | None:
    service = ClientService(scope)
    raw = json.dumps(op.body).encode()
    if op.op == "create":
        return await service.create(validate_body(Create[Client], raw), claim)
    client_id = id_or_nil(op.id)
    if op.op == "delete":
        await service.delete(client_id, op.if_match)
        return None
    return await service.patch(client_id, validate_body(Patch[Client], raw), op.if_match)
