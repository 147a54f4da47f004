"""What the pairs of a note come to: attributes of its client, and the fields that some stand for.

`key=value` in a general note is a write to the client, with the rights and rules of one; the note
is its reason. A pair that goes from the note goes from the client, unless it changed there since.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from crm_api.catalogues.presets import DEFAULT_WORKFLOW
from crm_api.clients.pairs import REASONS, TYPED, moved_pairs, pairs_in, reason_in
from crm_api.clients.rules import seen_pairs
from crm_api.clients.schemas import Client
from crm_api.clients.service import ClientService
from crm_api.core.errors import Refusal
from crm_api.core.jsonbody import validate_body
from crm_api.kit.deciding import Sifted
from crm_api.kit.editing import Edit
from crm_api.kit.schemas import Patch
from crm_api.kit.scope import Scope
from crm_api.kit.service import Present

Json = dict[str, Any]
SPEAKS = "general"
"""The kind of note whose pairs count: it is of the group that attributes are of."""


@dataclass(frozen=True, slots=True)
class PairsOfNote:
    """An edit of the client that the caller may make."""

    service: ClientService
    present: Present
    sifted: Sifted

    async def write(self) -> None:
        """Make it; within the transaction of the note.

        Raises:
            Refusal: 409, 422, where the rules of the client's fields refuse it.
            Serialization: the client moved on since: decide again.
        """
        with _in_the_note():
            await self.service.decide(self.present, self.sifted, Edit())


async def pairs_of(
    scope: Scope, client_id: UUID, before: Mapping[str, Any], after: Mapping[str, Any]
) -> PairsOfNote | None:
    """What follows for the client when a note becomes another; None where nothing does.

    Args:
        before: the note's document; empty for a new one.
        after: the same then; empty for one that is deleted.

    Raises:
        Refusal: 403 for who may not write what a pair says; 409 where the client is not live.
    """
    texts = _texts(before, after)
    if all(pairs_in(old) == pairs_in(new) for _, old, new in texts):
        return None
    service = ClientService(scope)
    present = await service.load(client_id)
    body = _body(
        seen_pairs(scope, present.document), texts, str(after.get("text") or before.get("text"))
    )
    if not body:
        return None
    incoming = validate_body(Patch[Client], json.dumps(body).encode())
    with _in_the_note():
        return PairsOfNote(service, present, service.allowed(present, incoming, None))


def _texts(
    before: Mapping[str, Any], after: Mapping[str, Any]
) -> Sequence[tuple[str, str | None, str | None]]:
    """Workflow, the text that spoke in it, and the one that does."""
    old, new = (
        note.get("text") if note.get("kind") == SPEAKS else None for note in (before, after)
    )
    then, now = (str(note.get("workflow", DEFAULT_WORKFLOW)) for note in (before, after))
    if not before or not after or then == now:
        return [(now if after else then, old, new)]
    return [(then, old, None), (now, None, new)]


def _body(
    document: Mapping[str, Any],
    texts: Sequence[tuple[str, str | None, str | None]],
    note: str,
) -> Json:
    """The patch of the client that says the same as the pairs."""
    body: Json = {}
    for workflow, old, new in texts:
        others = document["workflow_attributes"]
        is_default = workflow == DEFAULT_WORKFLOW
        held = document["attributes"] if is_default else others.get(workflow, {})
        moved = moved_pairs(old, new, held)
        if not moved:
            continue
        if not is_default:
            body.setdefault("workflow_attributes", {})[workflow] = moved
            continue
        body["attributes"] = moved
        for key in TYPED.keys() & moved.keys():
            body |= {TYPED[key]: moved[key], REASONS[TYPED[key]]: reason_in(note)}
    return body


@contextmanager
def _in_the_note() -> Iterator[None]:
    """Whatever is wrong was said in the note's text."""
    try:
        yield
    except Refusal as refusal:
        faults = tuple(replace(fault, pointer="/text") for fault in refusal.faults)
        raise replace(refusal, faults=faults) from refusal.__cause__
