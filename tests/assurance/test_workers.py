"""Workers as real processes: killed, stopped and resumed, told to end; each step happens once."""

import asyncio
import random
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from crm_api.installation import Addresses
from tests.assurance.profile import PROFILE
from tests.assurance.workers import Workers, until, workers_of
from tests.conftest import SECRET
from tests.factories import Organization
from tests.jobs import queue

STEPS = 50
KILLS = PROFILE.kills
SHORT_SECONDS, LONG_SECONDS = 0.6, 120.0


@pytest.fixture
async def workers(database: Addresses, tmp_path: Path) -> AsyncIterator[Workers]:
    async with workers_of(database, SECRET, tmp_path) as found:
        yield found


class Work:
    """One long operation, and what is seen of it from outside."""

    def __init__(
        self,
        organization: Organization,
        owner: "asyncpg.Connection[asyncpg.Record]",
        operation_id: UUID,
        client_id: str,
    ) -> None:
        self.organization = organization
        self.owner = owner
        self.id = operation_id
        self.client_id = client_id

    async def read(self) -> Any:
        answer = await self.organization.call("admin", "GET", f"/v1/operations/{self.id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def done(self) -> int:
        found = await self.owner.fetchval(
            "SELECT progress_done FROM operations WHERE id = $1", self.id
        )
        return int(found)

    async def reaches(self, done: int) -> None:
        async def reached() -> bool:
            return await self.done() >= done

        await until(reached)

    async def ends(self) -> Any:
        async def ended() -> bool:
            return (await self.read())["finished_at"] is not None

        await until(ended)
        return await self.read()

    async def steps(self) -> list[str]:
        """What the log says that the steps wrote, in the order of the commits."""
        rows = await self.owner.fetch(
            "SELECT changes -> 0 ->> 2 AS remark FROM changes "
            "WHERE resource_id = $1 AND action = 'client.updated' ORDER BY position",
            UUID(self.client_id),
        )
        return [row["remark"] for row in rows]

    async def each_step_once(self) -> None:
        found = await self.ends()
        assert (found["state"], found["error"]) == ("succeeded", None)
        assert found["progress"]["done"] == STEPS
        assert await self.steps() == [f"Step {n}" for n in range(STEPS)]


Begin = Callable[[], Awaitable[Work]]


@pytest.fixture
def begin(radio: Organization, owner: "asyncpg.Connection[asyncpg.Record]") -> Begin:
    async def begun() -> Work:
        client = await radio.create_client()
        params = {"client_id": client["id"], "total": STEPS, "pause_ms": 20}
        queued = await queue(radio, "test_remarks", **params)
        return Work(radio, owner, queued.id, client["id"])

    return begun


async def test_killed_again_and_again_the_count_is_exact(workers: Workers, begin: Begin) -> None:
    work, chance = await begin(), random.Random(20261125)
    for _ in range(KILLS):
        process = await workers.start(SHORT_SECONDS)
        await work.reaches(await work.done() + chance.randint(1, 4))
        await asyncio.sleep(chance.uniform(0, 0.03))
        process.kill()
        process.wait()
    assert await work.done() < STEPS, "it was killed too late to prove anything"
    await workers.start(SHORT_SECONDS)
    await work.each_step_once()


async def test_one_that_slept_past_its_lease_commits_nothing_more(
    workers: Workers, begin: Begin
) -> None:
    sleeper = await workers.start(SHORT_SECONDS)
    work = await begin()
    await work.reaches(5)
    sleeper.send_signal(signal.SIGSTOP)
    await workers.start(SHORT_SECONDS)
    # The sleeper holds the organization's head, as often as not: PostgreSQL ends its transaction.
    await work.reaches(15)
    sleeper.send_signal(signal.SIGCONT)
    await work.each_step_once()
    await workers.says(sleeper, "lease_lost")


async def test_told_to_end_it_hands_over_at_once(workers: Workers, begin: Begin) -> None:
    both = [await workers.start(LONG_SECONDS) for _ in range(2)]
    work = await begin()
    await work.reaches(5)
    [at_work] = [process for process in both if workers.told(process, work.id, "operation_begun")]
    at_work.terminate()
    assert await asyncio.to_thread(at_work.wait, 20) == 0
    # Nobody waits for the lease of two minutes; and both together did it once.
    await work.each_step_once()
    [other] = [process for process in both if process is not at_work]

    def ends(process: "subprocess.Popen[bytes]") -> list[str]:
        told = workers.told(process, work.id, "operation_ended")
        return [line["outcome"] for line in told]

    async def has_said_so() -> bool:
        return bool(ends(other))

    await until(has_said_so)
    assert (ends(at_work), ends(other)) == (["given_back"], ["succeeded"])


async def test_many_operations_are_each_done_once(workers: Workers, radio: Organization) -> None:
    for _ in range(2):
        await workers.start(LONG_SECONDS)
    made = await asyncio.gather(*(queue(radio, total=3) for _ in range(12)))

    async def ended() -> bool:
        query = {"state": "succeeded", "fields": "id,result", "limit": "50"}
        answer = await radio.call("admin", "GET", "/v1/operations", params=query)
        found = answer.json()["data"]
        assert all(one["result"] == {"counted": 3} for one in found)
        return {one["id"] for one in found} == {str(queued.id) for queued in made}

    await until(ended)


async def test_a_notification_wakes_it_within_a_second(
    workers: Workers, radio: Organization
) -> None:
    await workers.start(LONG_SECONDS)
    for _ in range(3):
        queued = await queue(radio, total=1)
        path = f"/v1/operations/{queued.id}"

        async def ended(path: str = path) -> bool:
            answer = await radio.call("admin", "GET", path)
            return answer.json()["finished_at"] is not None

        await until(ended)
        found = (await radio.call("admin", "GET", path)).json()
        waited = _at(found["started_at"]) - _at(found["created_at"])
        assert waited.total_seconds() < 1


async def test_a_lost_connection_is_listened_on_again(
    workers: Workers, radio: Organization, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    process = await workers.start(LONG_SECONDS)
    await owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
    )
    await workers.says(process, "worker_listening", times=2)
    queued = await queue(radio, total=1)

    async def ended() -> bool:
        answer = await radio.call("admin", "GET", f"/v1/operations/{queued.id}")
        return bool(answer.json()["state"] == "succeeded")

    await until(ended)


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
