"""Imports at work: each part of a list is one step, and so is each batch on the way back."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from crm_api.catalogues.adding import remove_unused
from crm_api.catalogues.service import known_entries
from crm_api.core.errors import Refusal
from crm_api.imports import repository as sql
from crm_api.imports.parsing import records_of
from crm_api.imports.reading import BrokenRecord, Record
from crm_api.imports.reports import stored_findings
from crm_api.imports.reverting import DONE, revert_rows
from crm_api.imports.rows import RowReader
from crm_api.imports.running import without_collections
from crm_api.imports.schemas import ImportSummary
from crm_api.imports.service import IMPORT_JOB, REVERT_JOB, ImportService
from crm_api.imports.settings import plan_of, reader_of
from crm_api.imports.steps import Outcome, Plan, Step, Steps
from crm_api.kit.service import Present
from crm_api.operations.chores import chore
from crm_api.operations.jobs import Task, job

REVERT_STEP = 100
"""Rows of one step back: an update costs more than a new row."""
MAX_REFUSED = 100
"""Rows that a dry run names, of those that would stay."""

chore("import_parts", sql.REMOVE_OLD_PARTS)
chore("import_records", sql.REMOVE_OLD_RECORDS)
chore("imports", sql.REMOVE_OLD_IMPORTS)


@job(IMPORT_JOB, needs=("clients", "import"))
async def run_import(task: Task) -> dict[str, Any]:
    """Take the rows of an import; a dry run leaves nothing but the report."""
    present = await _import(task)
    document = present.document
    known = await known_entries(task.scope.db, task.scope.actor.organization)
    plan = plan_of(document, dry_run=task.params["dry_run"])
    reader = reader_of(task.scope, document, known)
    work = _Work(task, present, reader, plan)
    with without_collections():
        return await work.run()


@job(REVERT_JOB, needs=("clients", "import"))
async def run_revert(task: Task) -> dict[str, Any]:
    """Take an import back, its last rows first; a dry run tells what that would come to."""
    present = await _import(task)
    ImportService(task.scope).require_revert(present)
    if task.params.get("dry_run"):
        return await rehearse_revert(task, present)
    summary = dict(present.document["summary"] or {})
    left = True
    while left:
        async with task.step():
            found, left = await _revertible(task, sql.NEXT_REVERTIBLE, present)
            if not found:
                break
            reverted = await revert_rows(task.scope, found)
            rows = json.dumps([{"row": row, "reverted": how} for row, how in reverted.items()])
            await _fetch(task, sql.NOTE_REVERTED, present.id, rows=rows)
            done = _counted(task, reverted)
            # An earlier way back may have been broken off.
            summary["reverted"] = summary.get("reverted", 0) + done
            summary["revert_refused"] = task.result["revert_refused"]
            if not left:
                made = summary.get("industries", [])
                gone = await remove_unused(task.scope, "industries", made)
                summary["industries"] = [key for key in made if key not in gone]
            await _fetch(task, sql.NOTE, present.id, summary=json.dumps(summary))
            task.advance(len(found))
    return task.result


async def rehearse_revert(task: Task, present: Present) -> dict[str, Any]:
    """Each step is done in full, and undone; where it was is told by its result until the end."""
    left = True
    while left:
        async with task.step():
            before = task.result.get("before_row", present.document["row_count"] + 1)
            found, left = await _revertible(task, sql.NEXT_REHEARSED, present, before=before)
            if not found:
                break
            async with task.scope.db.rehearsal(task.scope.actor.organization_id):
                reverted = await revert_rows(task.scope, found)
            _counted(task, reverted)
            refused = task.result.setdefault("refused_rows", [])
            refused += [
                {"row": row, "reason": reverted[row]}
                for row in sorted(reverted, reverse=True)
                if reverted[row] != DONE
            ]
            del refused[MAX_REFUSED:]
            task.result["before_row"] = found[-1]["row"]
            task.advance(len(found))
    return {name: told for name, told in task.result.items() if name != "before_row"}


async def _revertible(
    task: Task, statement: Any, present: Present, **values: Any
) -> tuple[list[Any], bool]:
    """The rows of the next step back, and whether there are more."""
    found = await _fetch(task, statement, present.id, limit=REVERT_STEP + 1, **values)
    return found[:REVERT_STEP], len(found) > REVERT_STEP


def _counted(task: Task, reverted: Mapping[int, str]) -> int:
    done = sum(how == DONE for how in reverted.values())
    for name, count in (("reverted", done), ("revert_refused", len(reverted) - done)):
        task.result[name] = task.result.get(name, 0) + count
    return done


async def _import(task: Task) -> Present:
    """The import that the operation is about.

    Raises:
        Refusal: it was removed meanwhile.
    """
    try:
        return await ImportService(task.scope).load(UUID(task.params["import_id"]))
    except Refusal as refusal:
        if refusal.status == 404:
            raise Refusal("not_found", "The import was removed.") from None
        raise


async def _fetch(task: Task, statement: Any, import_id: UUID, **values: Any) -> list[Any]:
    org = task.scope.actor.organization_id
    return await task.scope.db.fetch(org, statement, {"org": org, "id": import_id, **values})


class _Work:
    """One import at work. While PostgreSQL writes a step, the next one is read and decided."""

    def __init__(self, task: Task, present: Present, reader: RowReader, plan: Plan) -> None:
        self._task = task
        self._id = present.id
        self._reader = reader
        self._done: int = task.params["offset"] + task.done
        """Rows whose outcome is stored."""
        summary = present.document["summary"] if self._done else None
        self._summary: dict[str, Any] = ImportSummary(**(summary or {})).model_dump()
        self._steps = Steps(task.scope, reader, plan, made=len(self._summary["industries"]))
        self._after = -1

    async def run(self) -> dict[str, Any]:
        step = await self._ahead()
        while step is not None:
            # Begun outside of the step: it must not share the connection of its transaction.
            following = asyncio.create_task(self._ahead())
            try:
                await self._take(step)
            except BaseException:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                raise
            step = await following
        return self._counts()

    async def _ahead(self) -> Step | None:
        """The next part whose rows have no outcome yet, decided as far as that takes no look."""
        while True:
            found = await _fetch(self._task, sql.NEXT_PART, self._id, after=self._after)
            if not found:
                return None
            self._after = found[0]["position"]
            records = await asyncio.to_thread(_records, found[0]["content"])
            if records[0].number > self._done:
                return await asyncio.to_thread(self._steps.prepare, records)
            await self._recall(records)

    async def _recall(self, records: Sequence[Record | BrokenRecord]) -> None:
        """What rows took that an earlier worker imported."""
        between = {"first": records[0].number, "last": records[-1].number}
        rows = await _fetch(self._task, sql.BETWEEN, self._id, **between)
        clients = {
            row["row"]: row["client_id"]
            for row in rows
            if row["outcome"] in ("created", "updated", "unchanged")
        }
        created = {row["row"] for row in rows if row["outcome"] == "created"}
        await asyncio.to_thread(self._steps.recall, records, clients, created)

    async def _take(self, step: Step) -> None:
        async with self._task.step():
            outcomes = await self._steps.settle(step)
            rows = json.dumps([_stored(outcome) for outcome in outcomes], default=str)
            await _fetch(self._task, sql.ADD_RECORDS, self._id, rows=rows)
            self._count(outcomes)
            await _fetch(self._task, sql.NOTE, self._id, summary=json.dumps(self._summary))
            self._task.result.update(self._counts())
            self._task.advance(len(step.records))

    def _count(self, outcomes: Sequence[Outcome]) -> None:
        self._summary["rows"] += len(outcomes)
        for outcome in outcomes:
            self._summary[outcome.outcome] += 1
        made = [*self._summary["industries"], *self._steps.industries]
        self._summary["industries"] = list(dict.fromkeys(made))

    def _counts(self) -> dict[str, Any]:
        """What the operation tells: of the names that were made, how many."""
        counts = {name: self._summary[name] for name in _COUNTED}
        return counts | {"industries": len(self._summary["industries"])}


_COUNTED = ("rows", "created", "updated", "unchanged", "skipped", "duplicate", "invalid")


def _records(content: bytes) -> list[Record | BrokenRecord]:
    return list(records_of(content))


def _stored(outcome: Outcome) -> Mapping[str, Any]:
    return {
        "row": outcome.row,
        "line": outcome.line,
        "outcome": outcome.outcome,
        "client_id": outcome.client_id,
        "client_version": outcome.version,
        "before": outcome.before,
        "findings": stored_findings(outcome.findings),
    }
