"""Connections among organizations: none crosses, none is lost, whatever a request comes to."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from sqlalchemy import bindparam, func, literal, select
from sqlalchemy.types import Float, Integer

from crm_api.core.db import Database, Statement
from crm_api.core.errors import Refusal
from crm_api.core.pool import PATIENCE_SECONDS, Connection, Connections
from crm_api.installation import Addresses

_setting = func.current_setting("app.organization_id")
WHERE = Statement(select(_setting.label("org"), func.pg_backend_pid().label("pid")))
SLEEP = Statement(select(func.pg_sleep(bindparam("seconds", type_=Float())), _setting.label("org")))
FAIL = Statement(select(literal(1, Integer()) / bindparam("zero", type_=Integer())))


@pytest.fixture
async def connect(
    database: Addresses,
) -> AsyncIterator[Callable[..., Any]]:
    opened: list[Database] = []

    async def open_one(**more: Any) -> Database:
        opened.append(await Database.connect(database.application, **more))
        return opened[-1]

    yield open_one
    await asyncio.gather(*(db.close() for db in opened))


async def visit(db: Database, organization_id: UUID, chance: random.Random) -> None:
    """One of the ways in which a request may go, among them the bad ones."""
    org = str(organization_id)
    way = chance.choice(["read", "fail", "cancel", "time out", "commit", "roll back", "nest"])
    match way:
        case "read":
            assert (await db.fetchrow(organization_id, WHERE))["org"] == org
        case "fail":
            with pytest.raises(Refusal):
                await db.fetchrow(organization_id, FAIL, {"zero": 0})
        case "cancel" | "time out":
            seconds = chance.choice([0, 0.001, 0.005])
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(seconds):
                    await db.fetchrow(organization_id, SLEEP, {"seconds": 5.0})
        case "roll back":
            async with db.rehearsal(organization_id):
                assert (await db.fetchrow(organization_id, WHERE))["org"] == org
        case "commit" | "nest":
            async with db.transaction(organization_id), db.savepoint():
                assert (await db.fetchrow(organization_id, WHERE))["org"] == org


async def test_nothing_leaks_among_twenty_organizations_on_two_connections(
    connect: Callable[..., Any],
) -> None:
    db = await connect(size=2)
    organizations = [uuid4() for _ in range(20)]
    chance = random.Random(4)

    async def caller() -> None:
        for _ in range(40):
            await visit(db, chance.choice(organizations), chance)

    async with asyncio.timeout(60):
        await asyncio.gather(*(caller() for _ in range(8)))
    assert (await db.fetchrow(None, WHERE))["org"] == ""
    began = asyncio.get_running_loop().time()
    sleepers = (db.fetchrow(organizations[n], SLEEP, {"seconds": 0.3}) for n in range(2))
    found = await asyncio.gather(*sleepers)
    assert [one["org"] for one in found] == [str(organizations[n]) for n in range(2)]
    assert asyncio.get_running_loop().time() - began < 0.55  # both are still to be had, at once


async def test_connection_stays_with_its_organization(connect: Callable[..., Any]) -> None:
    db = await connect(size=4)
    organizations = [uuid4() for _ in range(4)]

    async def held(organization_id: UUID) -> int:
        found = await db.fetchrow(organization_id, SLEEP, {"seconds": 0.05})
        assert found["org"] == str(organization_id)
        pid: int = (await db.fetchrow(organization_id, WHERE))["pid"]
        return pid

    first = await asyncio.gather(*map(held, organizations))
    assert len(set(first)) == 4
    for _ in range(3):
        order = random.Random(1).sample(range(4), 4)
        again = [(await db.fetchrow(organizations[n], WHERE))["pid"] for n in order]
        assert again == [first[n] for n in order]


async def test_who_leaves_in_the_queue_takes_no_turn_along(connect: Callable[..., Any]) -> None:
    db = await connect(size=1)
    org = uuid4()
    for seconds in (0, 0.01, 0.02, 0.05):
        busy = asyncio.create_task(db.fetchrow(org, SLEEP, {"seconds": 0.02}))
        await asyncio.sleep(0)
        queue = [asyncio.create_task(db.fetchrow(org, WHERE)) for _ in range(5)]
        await asyncio.sleep(seconds)
        for leaver in queue[:3]:
            leaver.cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(busy, *queue, return_exceptions=True)
            assert (await db.fetchrow(org, WHERE))["org"] == str(org)


async def test_lost_connections_are_replaced(
    connect: Callable[..., Any], owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    db = await connect(size=3)
    org = uuid4()
    pids = set()
    for _ in range(2):
        found = await asyncio.gather(
            *(db.fetchrow(org, SLEEP, {"seconds": 0.03}) for _ in range(3)), return_exceptions=True
        )
        assert not [one for one in found if isinstance(one, BaseException)]
        pid = (await db.fetchrow(org, WHERE))["pid"]
        assert pid not in pids
        pids.add(pid)
        await owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'crm-api' AND datname = current_database() "
            "AND pid = ANY($1::int[])",
            list(pids),
        )
        await asyncio.sleep(0.05)
    assert (await db.fetchrow(org, WHERE))["pid"] not in pids


async def test_waiting_ends_with_unavailable(
    connect: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_api.core.db.ACQUIRE_SECONDS", 0.05)
    db = await connect(size=1)
    org = uuid4()
    busy = asyncio.create_task(db.fetchrow(org, SLEEP, {"seconds": 0.3}))
    await asyncio.sleep(0.02)
    with pytest.raises(Refusal) as refused:
        await db.fetchrow(org, WHERE)
    assert refused.value.status == 503
    await busy
    assert (await db.fetchrow(org, WHERE))["org"] == str(org)


async def test_nobody_is_passed_over_for_long(database: Addresses) -> None:
    """One organization that keeps the only connection busy does not keep another one out."""
    pool = await asyncpg.create_pool(
        database.application, min_size=0, max_size=1, connection_class=Connection
    )
    connections = Connections(pool, 1, 5.0)
    busy, other = uuid4(), uuid4()
    served: list[UUID] = []

    async def use(organization_id: UUID) -> None:
        async with connections.of(organization_id) as connection:
            await connection.execute("SELECT pg_sleep(0.002)")
        served.append(organization_id)

    async def keep_busy() -> None:
        for _ in range(30):
            await use(busy)

    crowd = [asyncio.create_task(keep_busy()) for _ in range(3)]
    await asyncio.sleep(0.01)
    loop = asyncio.get_running_loop()
    began = loop.time()
    await use(other)
    waited = loop.time() - began
    assert served.index(other) < 60
    assert waited < 10 * PATIENCE_SECONDS
    await asyncio.gather(*crowd)
    await connections.close()


async def test_close_waits_for_what_is_in_use(connect: Callable[..., Any]) -> None:
    db = await connect(size=2)
    org = uuid4()
    await db.fetchrow(org, WHERE)
    busy = asyncio.create_task(db.fetchrow(org, SLEEP, {"seconds": 0.1}))
    await asyncio.sleep(0.02)
    await db.close()
    assert (await busy)["org"] == str(org)
