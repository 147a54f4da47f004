"""What a worker removes when its time is over, and what it leaves alone."""

from typing import Any

import asyncpg
import pytest

from crm_api.operations import chores
from crm_api.operations.chores import tidy
from tests.factories import PASSWORD, Organization
from tests.jobs import queue


async def aged(owner: Any, table: str, column: str, interval: str, **where: Any) -> int:
    """Make rows older than they are; how many."""
    names = [f"{name} = ${n}" for n, name in enumerate(where, start=1)]
    done = await owner.execute(
        f"UPDATE {table} SET {column} = {column} - interval '{interval}' "
        f"WHERE {' AND '.join(names)}",
        *where.values(),
    )
    return int(done.split()[1])


async def removed(radio: Organization) -> dict[str, int]:
    found = await tidy(radio.app.state.db, radio.organization_id)
    return {name: count for name, count in found.items() if count}


async def test_operations_go_a_month_after_their_end(
    radio: Organization, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    old, recent, waiting = [await queue(radio) for _ in range(3)]
    for queued in (old, recent):
        await radio.call("admin", "POST", f"/v1/operations/{queued.id}/cancel")
    await aged(owner, "operations", "finished_at", "30 days 1 minute", id=old.id)
    await aged(owner, "operations", "finished_at", "29 days", id=recent.id)
    await aged(owner, "operations", "created_at", "90 days", id=waiting.id)
    assert await removed(radio) == {"operations": 1}
    for queued, status in ((old, 404), (recent, 200), (waiting, 200)):
        answer = await radio.call("admin", "GET", f"/v1/operations/{queued.id}")
        assert answer.status_code == status


async def test_idempotency_records_go_when_they_answer_no_more(
    radio: Organization, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    for key in ("old", "recent"):
        body = {"name": f"Client {key}", "emails": [f"{key}@example.com"]}
        headers = {"Idempotency-Key": key}
        await radio.call("admin", "POST", "/v1/clients", json=body, headers=headers)
    org = radio.organization_id
    place = {"organization_id": org, "key": "old"}
    await aged(owner, "idempotency_records", "created_at", "26 hours", **place)
    assert await removed(radio) == {"idempotency_records": 1}
    left = await owner.fetch("SELECT key FROM idempotency_records WHERE organization_id = $1", org)
    assert [row["key"] for row in left] == ["recent"]


async def test_dead_sessions_go_and_the_last_sign_in_stays_known(
    radio: Organization, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    org, member = radio.organization_id, radio.user_ids["manager"]
    for _ in range(2):
        body = {"email": radio.emails["manager"], "password": PASSWORD}
        assert (await radio.api.post("/v1/auth/login", json=body)).status_code == 200
    # Three sessions: the first two have not been used for longer than a refresh token lives.
    ids = [
        row["id"]
        for row in await owner.fetch(
            "SELECT id FROM sessions WHERE organization_id = $1 AND membership_id = $2 "
            "ORDER BY created_at",
            org,
            member,
        )
    ]
    assert len(ids) == 3
    for session_id in ids[:2]:
        await aged(owner, "sessions", "created_at", "40 days", id=session_id)
        await aged(owner, "refresh_tokens", "expires_at", "40 days", session_id=session_id)
    assert await removed(radio) == {"refresh_tokens": 2, "sessions": 2}
    # All are dead now: the last one tells when the person was here.
    await aged(owner, "sessions", "created_at", "40 days", id=ids[2])
    await aged(owner, "refresh_tokens", "expires_at", "40 days", session_id=ids[2])
    assert await removed(radio) == {"refresh_tokens": 1}
    answer = await radio.call("admin", "GET", f"/v1/users/{member}")
    assert answer.json()["last_signed_in_at"] is not None


async def test_sessions_that_were_ended_go_a_month_later(
    radio: Organization, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    org = radio.organization_id
    await radio.call("manager", "POST", "/v1/auth/logout")
    body = {"email": radio.emails["manager"], "password": PASSWORD}
    await radio.api.post("/v1/auth/login", json=body)
    assert await removed(radio) == {}
    ended = {"organization_id": org, "end_reason": "logout"}
    assert await aged(owner, "sessions", "ended_at", "31 days", **ended) == 1
    assert await removed(radio) == {"refresh_tokens": 1, "sessions": 1}


async def test_much_is_removed_in_small_batches_and_of_one_organization_alone(
    radio: Organization,
    other: Organization,
    owner: "asyncpg.Connection[asyncpg.Record]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(chores, "BATCH", 2)
    for organization in (radio, other):
        for _ in range(5):
            queued = await queue(organization)
            await organization.call("admin", "POST", f"/v1/operations/{queued.id}/cancel")
            await aged(owner, "operations", "finished_at", "31 days", id=queued.id)
    assert await removed(radio) == {"operations": 5}
    left = await owner.fetchval(
        "SELECT count(*) FROM operations WHERE organization_id = $1", other.organization_id
    )
    assert left == 5


async def test_no_two_chores_have_one_name() -> None:
    with pytest.raises(ValueError, match="two chores"):
        chores.chore("operations", chores._chores["operations"])
