"""The stream of one operation as server-sent events (WHATWG HTML, 9.2): one for each change."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final
from uuid import UUID

from crm_api.core.errors import Refusal
from crm_api.kit.replies import Reply
from crm_api.operations.schemas import FINAL

EVENT_STREAM: Final = "text/event-stream"
MAX_STREAMS: Final = 8
"""Streams of one principal in one process: each asks the database once a second."""
MAX_SECONDS: Final = 600.0
ASK_SECONDS: Final = 1.0
QUIET_SECONDS: Final = 15.0
"""After so long without an event a comment says that the stream is still there."""

_open: Counter[UUID] = Counter()


def require_room(principal_id: UUID) -> None:
    """Refuse (429) where the principal follows too many operations at a time."""
    if _open[principal_id] >= MAX_STREAMS:
        detail = f"You follow {MAX_STREAMS} operations already; close one, or read it now and then."
        raise Refusal("rate_limited", detail, headers={"Retry-After": "5"})


async def follow(principal_id: UUID, read: Callable[[], Awaitable[Reply]]) -> AsyncIterator[str]:
    """The events of one stream. `read` answers the operation as its reader may see it now.

    The stream ends with the operation, with the reader's rights, or when its time is over: readers
    of such streams connect anew by themselves.
    """
    _open[principal_id] += 1
    try:
        async for event in _events(read):
            yield event
    finally:
        _open[principal_id] -= 1
        if not _open[principal_id]:
            del _open[principal_id]


async def _events(read: Callable[[], Awaitable[Reply]]) -> AsyncIterator[str]:
    yield f"retry: {int(ASK_SECONDS * 2000)}\n\n"
    ends = time.monotonic() + MAX_SECONDS
    told, told_at = "", time.monotonic()
    while time.monotonic() < ends:
        try:
            body = (await read()).body
        except Refusal as refusal:
            if refusal.status != 503:
                return
            body = told  # the database is away for a moment
        if body != told:
            told, told_at = body, time.monotonic()
            yield f"event: operation\ndata: {body}\n\n"
            if json.loads(body).get("state", FINAL[0]) in FINAL:
                return
        elif time.monotonic() - told_at > QUIET_SECONDS:
            told_at = time.monotonic()
            yield ": still here\n\n"
        await asyncio.sleep(ASK_SECONDS)
