"""`python -m benchmarks.growth`: whether a timeline and a search stay flat as communications grow.

What each statement reads is EXPLAIN's, as the role that serves requests, policies in force.
"""

import asyncio
import sys
import time
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg

from benchmarks import dataset
from benchmarks.communications import BUSY, OTHERS, WORDS, multiply_communications
from benchmarks.explain import explain
from benchmarks.stand import COMMUNICATIONS_EACH, HOME, Stand, build, scope_of
from benchmarks.statements import Call, Recorded, Recorder
from crm_api.core.embedded import stop_server
from crm_api.search.service import SearchService
from crm_api.timeline.service import TimelineService

CLIENTS = 20_000
SIZES = (200_000, 2_000_000)
RUNS = 15


async def main(sizes: tuple[int, ...]) -> None:
    stand = await build(CLIENTS)
    big = stand.big.actor
    owner = await asyncpg.connect(stand.addresses.owner, command_timeout=1800)
    done = COMMUNICATIONS_EACH * CLIENTS
    try:
        for size in sizes:
            began = time.monotonic()
            numbers = range(done + 1, size + 1)
            await multiply_communications(owner, big.organization_id, big.id, CLIENTS, numbers)
            done = size
            print(f"{size:,} communications ({time.monotonic() - began:.0f} s to load)", flush=True)
            await _measure(stand)
    finally:
        await owner.close()


async def _measure(stand: Stand) -> None:
    db = await Recorder.connect(stand.addresses.application)
    db.calls = []
    try:
        scope = scope_of(db, stand.big.actor)
        timelines, search = TimelineService(scope), SearchService(scope)

        async def page(client: int, *items: tuple[str, str]) -> Any:
            return await timelines.page(UUID(dataset.client_id(client)), list(items))

        deep = (await page(BUSY, ("limit", "200"))).next_cursor
        for _ in range(20):
            deep = (await page(BUSY, ("limit", "200"), ("cursor", deep))).next_cursor
        asked: dict[str, Any] = {
            "timeline of one of many": lambda: page(OTHERS),
            "timeline of a busy one": lambda: page(BUSY),
            "the same, page 85": lambda: page(BUSY, ("cursor", deep)),
        }
        for what, word in WORDS.items():
            asked[f"search: {what}"] = lambda word=word: search.search([("q", word)])
        for name, ask in asked.items():
            times = []
            for _ in range(RUNS):
                db.calls = []
                began = time.perf_counter()
                await ask()
                times.append((time.perf_counter() - began) * 1000)
            calls = tuple(
                Call(one.sql, tuple(one.arguments(of)), lists) for one, of, lists in db.calls
            )
            read = (await explain(stand, Recorded({name: calls}, "")))[name]
            buffers = " + ".join(str(one["buffers"]) for one in read)
            print(f"  {name:<34} p50 {median(times):6.1f} ms   buffers {buffers}", flush=True)
    finally:
        await db.close()


if __name__ == "__main__":
    HOME.mkdir(exist_ok=True)
    try:
        asyncio.run(main(tuple(map(int, sys.argv[1:])) or SIZES))
    finally:
        stop_server(HOME / "postgres")
