"""New clients from a list, as a command runs it: in steps that commit by themselves.

While PostgreSQL writes one step, the rows of the next are read and decided in a thread.
"""

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from crm_api.imports.reading import BrokenRecord, Record
from crm_api.imports.rows import Finding, RowReader
from crm_api.imports.steps import Outcome, Plan, Step, Steps
from crm_api.kit.scope import Scope

STEP: Final = 1000
"""Rows in one statement. It holds the organization's head about a tenth of a second."""
COLLECT_EVERY: Final = 100 * STEP

Records = Iterator[Record | BrokenRecord]


@dataclass(slots=True)
class Summary:
    """What became of the rows so far."""

    rows: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    industries: list[str] = field(default_factory=list)
    """Keys of the industries that were made, or in a dry run would be."""

    @property
    def created(self) -> int:
        return self.outcomes["created"]

    @property
    def duplicate(self) -> int:
        return self.outcomes["duplicate"]

    @property
    def invalid(self) -> int:
        return self.outcomes["invalid"]


class ClientImport:
    """One list on its way into one organization.

    `report` is told the findings of each row that is not imported; `progress` after each step the
    summary and the line that was reached.
    """

    def __init__(
        self,
        scope: Scope,
        reader: RowReader,
        *,
        dry_run: bool = False,
        report: Callable[[Sequence[Finding]], None] = lambda _: None,
        progress: Callable[[Summary, int], None] = lambda *_: None,
    ) -> None:
        self._scope = scope
        self._steps = Steps(scope, reader, Plan(dry_run=dry_run))
        self._report = report
        self._progress = progress
        self.summary = Summary(industries=self._steps.industries)

    async def run(self, records: Records) -> Summary:
        """Import them all. Steps that are done stay done, whatever happens to a later one.

        Raises:
            Refusal: the actor may not import; or others kept the organization busy throughout.
        """
        self._scope.require("clients", "import")
        with without_collections():
            step = await asyncio.to_thread(self._prepare, records)
            while step.records:
                following = asyncio.create_task(asyncio.to_thread(self._prepare, records))
                try:
                    outcomes = await self._steps.settle(step)
                    self._count(outcomes, step.records[-1].line)
                finally:
                    step = await following
                if self.summary.rows % COLLECT_EVERY == 0:
                    gc.collect()
        return self.summary

    def _prepare(self, records: Records) -> Step:
        return self._steps.prepare(list(islice(records, STEP)))

    def _count(self, outcomes: Sequence[Outcome], line: int) -> None:
        self.summary.rows += len(outcomes)
        self.summary.outcomes.update(outcome.outcome for outcome in outcomes)
        for outcome in outcomes:
            if outcome.findings:
                self._report(outcome.findings)
        self._progress(self.summary, line)


@contextmanager
def without_collections() -> Iterator[None]:
    """Rows make no cycles; looking for some all the time would cost a third of it."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
