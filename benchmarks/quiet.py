"""Waits a little for a quiet machine: what else runs on two cores is measured along."""

import time
from pathlib import Path

SAMPLE_SECONDS = 0.2
BUSY_SHARE = 0.15
_STAT = Path("/proc/stat")


class Patience:
    """How long a run waits in all for others to finish. No waiting where /proc is missing."""

    def __init__(self, seconds: float) -> None:
        self.left = seconds
        self.noisy = 0
        """Measurements that were begun although others were at work."""

    def wait(self) -> None:
        while _STAT.exists():
            began = time.monotonic()
            busy = _busy_share()
            if busy < BUSY_SHARE:
                return
            self.left -= time.monotonic() - began
            if self.left <= 0:
                self.noisy += 1
                return


def _busy_share() -> float:
    """The part of all cores that was at work during a moment in which we did nothing."""
    before = _ticks()
    time.sleep(SAMPLE_SECONDS)
    after = _ticks()
    total = sum(after) - sum(before)
    # The fourth and fifth columns: idle, and waiting for a disk.
    resting = sum(after[3:5]) - sum(before[3:5])
    return 1 - resting / total if total else 0.0


def _ticks() -> list[int]:
    return [int(part) for part in _STAT.read_text(encoding="ascii").splitlines()[0].split()[1:9]]
