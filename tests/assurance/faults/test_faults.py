"""Whatever breaks between a caller and the disk: what was acknowledged is there, exactly once.

`make test` runs the quick ones together; `make assurance` each by itself, under longer traffic.
"""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from crm_api.core.embedded import ensure_server
from tests.assurance.faults.faults import FAULTS, QUICK, Fault, rolling_restart
from tests.assurance.faults.stage import HEALTHY_SECONDS, Stage, staged
from tests.assurance.profile import NAME, PROFILE
from tests.figures import Figures

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="the processes to kill are found in /proc"
)
long_enough = pytest.mark.skipif(NAME == "test", reason="minutes: make assurance")


@pytest.fixture(scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    home: Path = tmp_path_factory.mktemp("faults")
    async with staged(home, home / "postgres") as found:
        yield found
        found.verify_by_command()


async def survive(stage: Stage, faults: Sequence[Fault], figures: Figures) -> None:
    """The traffic goes on around each fault; it is healthy again by itself; the ledger is true."""
    before = stage.traffic.acknowledged
    for fault in faults:
        async with stage.traffic.flowing():
            await asyncio.sleep(0.5 + PROFILE.fault_seconds / 2)
            await fault(stage)
            seconds = await stage.healthy()
            await asyncio.sleep(0.5 + PROFILE.fault_seconds / 2)
        if seconds > HEALTHY_SECONDS:
            stage.traffic.deviations.append(f"{fault.__name__}: healthy after {seconds:.1f} s")
        figures.add("faults injected")
        figures.highest("slowest recovery in seconds (at most 10)", seconds)
    await settle(stage, before, figures)


async def settle(stage: Stage, before: int, figures: Figures) -> None:
    verdict = await stage.judge()
    figures.add("writes acknowledged under faults", stage.traffic.acknowledged - before)
    figures.add("writes lost, doubled or half done", len(verdict.deviations))
    assert not verdict.deviations, (
        f"{len(verdict.deviations)} deviations, {verdict.counts}:\n"
        + "\n".join(verdict.deviations[:20])
    )
    assert stage.traffic.acknowledged > before


async def test_quick_faults_lose_nothing(stage: Stage, figures: Figures) -> None:
    await survive(stage, QUICK, figures)


@long_enough
@pytest.mark.parametrize("name", FAULTS)
async def test_fault_loses_nothing(stage: Stage, name: str, figures: Figures) -> None:
    await survive(stage, [FAULTS[name]], figures)


@long_enough
async def test_rolling_restart_is_felt_by_nobody(stage: Stage, figures: Figures) -> None:
    """No request that was begun is left without its answer; the next one goes to the other."""
    before = stage.traffic.acknowledged
    stage.traffic.every_answer_counts = True
    try:
        async with stage.traffic.flowing():
            await asyncio.sleep(0.5)
            await rolling_restart(stage)
            await asyncio.sleep(0.5)
    finally:
        stage.traffic.every_answer_counts = False
    figures.add("faults injected")
    await settle(stage, before, figures)


@long_enough
async def test_enough_writes_are_acknowledged_while_everything_breaks(
    stage: Stage, figures: Figures
) -> None:
    """All faults again, in turn, until the profile's count is reached."""
    before, turn = stage.traffic.acknowledged, 0
    async with stage.traffic.flowing(writers=12):
        while stage.traffic.acknowledged < PROFILE.acknowledged:
            fault = list(FAULTS.values())[turn % len(FAULTS)]
            await fault(stage)
            assert await stage.healthy() <= HEALTHY_SECONDS, fault.__name__
            figures.add("faults injected")
            turn += 1
            await asyncio.sleep(PROFILE.fault_seconds)
    await settle(stage, before, figures)


@asynccontextmanager
async def small_disk(mebibytes: int) -> AsyncIterator[Path]:
    """A tmpfs of this size, which the account of PostgreSQL can reach; only root can mount one."""
    if os.geteuid() != 0:
        pytest.skip("a small disk is mounted by root")
    place = Path(tempfile.mkdtemp(prefix="crm-api-small-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=0755", "tmpfs", str(place)]
    done = await asyncio.to_thread(subprocess.run, mount, capture_output=True, check=False)
    try:
        if done.returncode != 0:
            pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")
        yield place
        await asyncio.to_thread(subprocess.run, ["umount", "--lazy", str(place)], check=True)
    finally:
        await asyncio.to_thread(place.rmdir)


@long_enough
async def test_full_disk_is_a_pause(tmp_path: Path, figures: Figures) -> None:
    """Writes are 503 while it is full, and go on when there is room again."""
    async with small_disk(300) as place, staged(tmp_path, place / "postgres") as found:
        async with found.traffic.flowing():
            await asyncio.sleep(1)
            filler = place / "filler"
            await asyncio.to_thread(fill, filler)
            await asyncio.sleep(3)
            unknown = found.traffic.ledger.answers["unknown 503"]
            filler.unlink()
            # It stops itself where it cannot write its log; an embedded one is started by the next
            # command, as an operator's service manager does with another.
            await asyncio.to_thread(ensure_server, found.postgres.home)
            assert await found.healthy() <= HEALTHY_SECONDS
        assert unknown, "the disk was full"
        figures.add("faults injected")
        await settle(found, 0, figures)
        found.verify_by_command()


def fill(path: Path) -> None:
    """Take what is left of the disk, to the last block."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12):
            with suppress(OSError):
                while True:
                    file.write(bytes(size))
