"""The stage of a relationship: what a move takes, what stands in the way, and what it prompts."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from crm_api.clients.drafting import Draft
from crm_api.core.errors import Refusal
from crm_api.kit.scope import Scope

CLOSED: Final = "closed"
ENOUGH_CONTACTS: Final = 2
"""A relationship that grows hangs on more persons than one."""

Blocker = Callable[[Scope, UUID], Awaitable[Sequence[Mapping[str, Any]]]]
"""The open follow-ups of a client, each as the caller may read it; at least its `id`."""

_blockers: list[Blocker] = []


def blocks_closing(blocker: Blocker) -> Blocker:
    """Ask this whenever a client is about to be closed: said by slices above, which hold tasks.

    It runs under the organization's head, so that nothing is opened meanwhile.
    """
    _blockers.append(blocker)
    return blocker


def moves_to_closed(draft: Draft) -> bool:
    return draft.now("stage") == CLOSED and draft.before.get("stage") != CLOSED


def reopens(draft: Draft) -> bool:
    return draft.before.get("stage") == CLOSED and draft.now("stage") != CLOSED


def may_close(raw: Mapping[str, Any]) -> bool:
    """Whether an edit might close the client: then it is decided under the head's lock."""
    pairs = raw.get("attributes")
    said = (raw.get("stage"), raw.get("remarks"), isinstance(pairs, dict) and pairs.get("stage"))
    return any(isinstance(one, str) and CLOSED in one for one in said)


async def require_closable(scope: Scope, client_id: UUID) -> None:
    """409 with the open follow-ups: what is promised is kept, or given up, before the end."""
    found = [one for blocker in _blockers for one in await blocker(scope, client_id)]
    if found:
        detail = "The client has open follow-ups; finish or cancel them first."
        told = [one for one in found if one]
        raise Refusal("open_follow_ups", detail, members={"open_follow_ups": told})


class StagePrompt(BaseModel):
    """Something that the stage of a client asks for."""

    code: Annotated[
        Literal["few_contacts", "needs_attention"],
        Field(description="What it is.", examples=["few_contacts"]),
    ]
    detail: Annotated[str, Field(max_length=200, description="What to do about it.")]


class StagePrompts(BaseModel):
    """What the stage of a client asks for now, as far as you may read what it follows from."""

    data: Annotated[list[StagePrompt], Field(max_length=10, description="Nothing: empty.")]


def prompts_of(seen: Mapping[str, Any]) -> StagePrompts:
    """What follows from a client as its reader sees it."""
    found = []
    links = seen.get("contacts")
    if seen.get("stage") == "growing" and links is not None:
        serving = sum(link["to_on"] is None for link in links)
        if serving < ENOUGH_CONTACTS:
            detail = "It grows, and hangs on few persons: get to know another one."
            found.append(StagePrompt(code="few_contacts", detail=detail))
    if seen.get("stage") == "declining":
        detail = "It declines: find out why, and agree on what comes next."
        found.append(StagePrompt(code="needs_attention", detail=detail))
    return StagePrompts(data=found)
