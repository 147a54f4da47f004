"""What an organization's rows come to, cheaply: two equal digests mean that nothing changed.

Each table gives its number of rows and the sum of their `xmin`: an insert, update or delete moves
one or the other. The rows are found by the organization, first in every key, so that it costs a
third of a millisecond however many organizations the suite has made.
"""

import asyncio
from collections.abc import Collection, Mapping
from uuid import UUID

import asyncpg
from sqlalchemy import Table

from crm_api.models import metadata

CONTROL: Mapping[str, str] = {
    "sign_in_throttles": "failed sign-ins are counted, whatever the answer",
    "api_keys.last_used_at": "when a key was last used, to the minute",
    "sessions": "a reused refresh token ends its session",
    "refresh_tokens": "as sessions: the tokens of a family that was killed",
    "security_events": "as sessions: the reuse is told",
}
"""The records that a refused request may leave behind: the published list, complete."""

ON_REUSE = frozenset({"sessions", "refresh_tokens", "security_events"})
"""These move only when the answer is `refresh_reused`."""

_OF_MEMBERS = "(SELECT user_id FROM memberships WHERE organization_id = $1)"
_GLOBAL = {
    "organizations": "id = $1",
    "users": f"id IN {_OF_MEMBERS}",
    "memberships_index": f"organization_id = $1 AND user_id IN {_OF_MEMBERS}",
}
_ROWS = "count(*) || ' ' || coalesce(sum(t.xmin::text::bigint), 0)"
# The content instead of xmin, for a note of the last use is no change of the key.
_KEYS = "count(*) || ' ' || coalesce(sum(hashtext((to_jsonb(t) - 'last_used_at')::text)), 0)"


def _part(table: Table) -> str:
    rows = _KEYS if table.name == "api_keys" else _ROWS
    where = _GLOBAL.get(table.name, "organization_id = $1")
    return f'(SELECT {rows} FROM "{table.name}" t WHERE {where}) AS "{table.name}"'


WATCHED = tuple(t for t in metadata.sorted_tables if t.name != "sign_in_throttles")
_DIGEST = f"SELECT {', '.join(_part(table) for table in WATCHED)}"
_NEWER = " UNION ALL ".join(
    f"SELECT '{table.name}' WHERE EXISTS "
    f'(SELECT 1 FROM "{table.name}" WHERE xmin::text::bigint >= $1)'
    for table in WATCHED
    if table.name != "api_keys"
)
_NEXT = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"

Digest = Mapping[str, str]


class Digests:
    """Reads digests on a connection of the owner, which sees every row. One for each process."""

    def __init__(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self._connection = connection
        self._turn = asyncio.Lock()

    @classmethod
    async def connect(cls, owner: str) -> "Digests":
        settings = {
            "application_name": "watch",
            # Planned once, while the tables are empty; from then on the keys are the way.
            "plan_cache_mode": "force_generic_plan",
            "enable_seqscan": "off",
            "enable_bitmapscan": "off",
            "jit": "off",
        }
        return cls(await asyncpg.connect(owner, server_settings=settings))

    async def close(self) -> None:
        await self._connection.close()

    async def of(self, organization_id: UUID) -> Digest:
        """Table → what its rows of this organization come to."""
        async with self._turn:
            row = await self._connection.fetchrow(_DIGEST, organization_id)
        assert row is not None
        return dict(row)

    async def moment(self) -> int:
        """The next transaction's number: what is written from now on has this or a later one."""
        async with self._turn:
            found: int = await self._connection.fetchval(_NEXT)
        return found

    async def written_since(self, moment: int) -> list[str]:
        """The tables that got rows, of whatever organization, from that moment on."""
        async with self._turn:
            rows = await self._connection.fetch(_NEWER, moment)
        return [row[0] for row in rows]


def changed(before: Digest, after: Digest, allowed: Collection[str] = ()) -> list[str]:
    """The tables that moved and may not have."""
    return [name for name in before if before[name] != after[name] and name not in allowed]
