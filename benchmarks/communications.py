"""Communications by the million: one statement for each of their tables.

Some words stand in every third text, some in one of fifty, of five thousand, or of all; and the
first client has a twentieth of all communications.
"""

from datetime import UTC, datetime
from typing import TypeAlias
from uuid import UUID

import asyncpg

from benchmarks.dataset import CLIENT_HEAD
from crm_api.core.formats.names import text_lexemes

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
WORDS = {
    "a word of every third": "offer",
    "of one in fifty": "renewal",
    "of one in five thousand": "quartz",
    "of one alone": "unique77777",
    "two words": "offer quartz",
    "a beginning": "renew",
    "of none": "zyzzyva",
}
BUSY, OTHERS = 1, 2
"""The client of a twentieth of them, and one of the many others."""

LAST = datetime(2026, 11, 1, tzinfo=UTC)
"""The last activity of the busy client, in each organization."""

_SUBJECT = """concat_ws(' ', (ARRAY['Morning', 'Evening', 'Weekly', 'Monthly', 'First'])[1 + n % 5],
  (ARRAY['offer', 'visit', 'review'])[1 + n % 3], CASE WHEN n % 50 = 7 THEN 'renewal' END,
  CASE WHEN n % 5000 = 77 THEN 'quartz' END, 'unique' || n)"""
_BODY = """'They want to ' || (ARRAY['begin', 'wait', 'think', 'pay', 'meet', 'call'])[1 + n % 6]
  || ' about the show of ' || (ARRAY['spring', 'summer', 'autumn'])[1 + n % 3]
  || ' word' || n % 9973 || ' and word' || n % 7919"""
_ID = "('01940000-' || lpad(to_hex(n / 65536), 4, '0') || '-7000-8000-' || lpad(n::text, 12, '0'))"
_CLIENT = "CASE WHEN n % 20 = 0 THEN 1 ELSE 1 + (n::bigint * 7919) % {clients} END"
_LEXEMES = """array_to_tsvector(ARRAY(
  SELECT DISTINCT '{salt}' || w FROM string_to_table(lower({text}), ' ') w))"""
_ROWS = """
INSERT INTO communications (organization_id, id, version, lifecycle, client_id, kind, direction,
  state, occurred_at, recorded_at, recorded_by, subject, body, outcome, duration_minutes)
SELECT '{org}', {id}::uuid, 1, 'live', ('{head}' || lpad(({client})::text, 12, '0'))::uuid,
  'call', 'out', 'held', at, at, '{actor}', {subject}, {body}, 'connected', n % 60
FROM (SELECT n, timestamptz '2022-01-01' + n * interval '1 minute' AS at
      FROM generate_series({first}, {last}) n) s
"""
_SEARCH = """
INSERT INTO communication_search (organization_id, communication_id, client_id, lifecycle, subject,
  body)
SELECT organization_id, id, client_id, lifecycle, {subject}, {body}
FROM communications WHERE organization_id = '{org}' AND occurred_at >= timestamptz '2022-01-01'
  + {first} * interval '1 minute' AND recorded_by = '{actor}'
"""


async def multiply_communications(
    owner: Connection, organization_id: UUID, actor: UUID, clients: int, numbers: range
) -> None:
    """Those of these numbers, with what they are found by."""
    first = text_lexemes("x", organization_id.bytes)
    salt = first.strip("'")[:-1]
    common = {"org": organization_id, "actor": actor, "first": numbers[0]}
    async with owner.transaction():
        # The rows are right by construction; a check of each foreign key would take minutes.
        await owner.execute("SET LOCAL session_replication_role = replica")
        await owner.execute("SET LOCAL synchronous_commit = off")
        await owner.execute("SET LOCAL work_mem = '256MB'")
        await owner.execute(f"SET LOCAL app.organization_id = '{organization_id}'")
        await owner.execute(
            _ROWS.format(
                **common,
                id=_ID,
                head=CLIENT_HEAD,
                client=_CLIENT.format(clients=clients),
                subject=_SUBJECT,
                body=_BODY,
                last=numbers[-1],
            )
        )
        subject, body = (_LEXEMES.format(salt=salt, text=name) for name in ("subject", "body"))
        await owner.execute(
            "UPDATE clients SET last_activity_at = $3 WHERE organization_id = $1 AND id = $2",
            organization_id,
            UUID(f"{CLIENT_HEAD}{BUSY:012d}"),
            LAST,
        )
        await owner.execute(_SEARCH.format(**common, subject=subject, body=body))
    await owner.execute("VACUUM (ANALYZE) communications, communication_search")
