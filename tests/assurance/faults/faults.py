"""The faults, each as a function that breaks something of the stage and leaves it to mend itself.

A new process (a worker of imports, of webhooks) is started in `stage.py`, and gets its fault here.
"""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping

import httpx

from crm_api.core.embedded import ensure_server
from tests.assurance.faults.stage import START_SECONDS, Stage

Fault = Callable[[Stage], Awaitable[None]]
LOCKED_SECONDS = 4.0
"""Longer than a statement waits for a lock, so that it gives up."""

SILENT_SECONDS = 9.0
"""Longer than the driver waits for an answer."""


async def killed_worker(stage: Stage) -> None:
    """kill -9 of a process that serves, in the middle of requests; another takes its place."""
    supervisor = stage.processes[0]
    before = supervisor.workers_alive()
    os.kill(random.choice(before), signal.SIGKILL)
    async with asyncio.timeout(START_SECONDS):
        while not set(supervisor.workers_alive()) - set(before):  # noqa: ASYNC110  # the kernel tells nobody
            await asyncio.sleep(0.1)


async def frozen_worker(stage: Stage) -> None:
    """SIGSTOP, others go on, SIGCONT: it finds the world changed."""
    pid = stage.processes[0].workers_alive()[0]
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(2.0)
    os.kill(pid, signal.SIGCONT)


async def postgres_immediate_restart(stage: Stage) -> None:
    await asyncio.to_thread(stage.control, "stop", "-w", "-m", "immediate")
    await asyncio.sleep(0.5)
    again = await asyncio.to_thread(ensure_server, stage.postgres.home)
    assert again.port == stage.postgres.port


async def killed_worker_while_postgres_is_down(stage: Stage) -> None:
    """The one that takes its place starts without a database, and waits for it."""
    await asyncio.to_thread(stage.control, "stop", "-w", "-m", "immediate")
    await killed_worker(stage)
    await asyncio.sleep(8.0)  # it is through with its imports
    await asyncio.to_thread(ensure_server, stage.postgres.home)


async def terminated_backends(stage: Stage) -> None:
    owner = await stage.owner()
    try:
        for _ in range(5):
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'crm-api'"
            )
            await asyncio.sleep(0.3)
    finally:
        await owner.close()


async def exhausted_pools(stage: Stage) -> None:
    """More readers than connections, and a table that none of them gets."""
    owner = await stage.owner()
    path = f"/v1/clients/{stage.traffic.known.client_id}"
    headers = {"Authorization": f"Bearer {stage.traffic.key}"}
    limits = httpx.Limits(max_connections=120)
    try:
        async with httpx.AsyncClient(timeout=60, limits=limits) as http:
            async with owner.transaction():
                await owner.execute("LOCK TABLE clients IN ACCESS EXCLUSIVE MODE")
                asked = [
                    asyncio.create_task(http.get(process.url + path, headers=headers))
                    for process in stage.processes
                    for _ in range(50)
                ]
                await asyncio.sleep(2 * LOCKED_SECONDS)
            answers = await asyncio.gather(*asked, return_exceptions=True)
    finally:
        await owner.close()
    statuses = Counter(_told(answer) for answer in answers)
    assert statuses["503"] > 10, statuses
    unexpected = statuses.keys() - {"200", "503"}
    stage.traffic.deviations += [
        f"exhausted pools: {statuses[what]} x {what}" for what in unexpected
    ]


def _told(answer: httpx.Response | BaseException) -> str:
    if isinstance(answer, BaseException):
        return repr(answer)
    if answer.status_code == 503 and "retry-after" not in answer.headers:
        return "503 without Retry-After"
    return str(answer.status_code)


async def lock_waits(stage: Stage) -> None:
    """Somebody holds the organization's head for longer than a statement waits."""
    owner = await stage.owner()
    try:
        async with owner.transaction():
            await owner.execute(
                "SELECT 1 FROM heads WHERE organization_id = $1 FOR UPDATE",
                stage.organization.organization_id,
            )
            await asyncio.sleep(LOCKED_SECONDS)
    finally:
        await owner.close()


async def lost_commits(stage: Stage) -> None:
    """The write is committed, and nobody hears of it."""
    wanted = stage.proxy.lost + 12
    stage.proxy.lose = 12
    async with asyncio.timeout(30):
        while stage.proxy.lost < wanted:  # noqa: ASYNC110  # the proxy only counts
            await asyncio.sleep(0.05)


async def resets(stage: Stage) -> None:
    for _ in range(6):
        stage.proxy.reset()
        await asyncio.sleep(0.3)


async def black_hole(stage: Stage) -> None:
    stage.proxy.black_hole(on=True)
    try:
        await asyncio.sleep(SILENT_SECONDS)
    finally:
        stage.proxy.black_hole(on=False)


async def latency(stage: Stage) -> None:
    stage.proxy.latency = 0.15
    await asyncio.sleep(4.0)
    stage.proxy.latency = 0.0


async def clock_of_the_database_jumps_back(stage: Stage) -> None:
    """Seen from the log: its last time lies an hour ahead. Times still never run backwards."""
    owner = await stage.owner()
    await owner.execute(
        "UPDATE heads SET last_at = last_at + interval '1 hour' WHERE organization_id = $1",
        stage.organization.organization_id,
    )
    await owner.close()


async def rolling_restart(stage: Stage) -> None:
    """SIGTERM, wait, start, ready; then the next one. Somebody always serves."""
    for process in stage.processes:
        seconds = await process.stop()
        stage.counts["drain seconds"] = max(seconds, stage.counts.get("drain seconds", 0))
        process.start()
        await process.ready()


FAULTS: Mapping[str, Fault] = {
    fault.__name__: fault
    for fault in (
        killed_worker,
        frozen_worker,
        postgres_immediate_restart,
        killed_worker_while_postgres_is_down,
        terminated_backends,
        exhausted_pools,
        lock_waits,
        lost_commits,
        resets,
        black_hole,
        latency,
        clock_of_the_database_jumps_back,
    )
}
QUICK = (lost_commits, resets, terminated_backends, killed_worker)
"""Those that cost a second or two: they run with every `make test`."""
