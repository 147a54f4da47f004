"""What the assurance tests did, counted where it is done: `make assurance` prints the sums.

A figure is a property of the test that made it, in the report of the run.
"""

from collections import Counter
from dataclasses import dataclass, field

ADDED, HIGHEST = "figure added: ", "figure highest: "
"""Before the names of the properties: how the figures of several tests become one."""


DONE: Counter[str] = Counter()
"""What this process did so far, counted by the machinery itself: `tests.watch` and its like."""


@dataclass(slots=True)
class Figures:
    """The figures of one test."""

    added: Counter[str] = field(default_factory=Counter)
    tops: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, count: int = 1) -> None:
        self.added[name] += count

    def highest(self, name: str, value: float) -> None:
        self.tops[name] = max(value, self.tops.get(name, value))

    def properties(self) -> list[tuple[str, str]]:
        return [
            *((f"{ADDED}{name}", str(count)) for name, count in self.added.items()),
            *((f"{HIGHEST}{name}", f"{value:.1f}") for name, value in self.tops.items()),
        ]
