"""Imports as their readers treat them: sent, mapped, tried, done, taken back, removed."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Final, Literal
from uuid import UUID

from crm_api.catalogues.service import known_entries
from crm_api.core.access import StaleActor
from crm_api.core.db import unavailable
from crm_api.core.errors import Fault, Refusal, refuse_all
from crm_api.core.ids import new_id
from crm_api.core.jsonbody import Incoming, validate_body
from crm_api.core.uploads import Upload
from crm_api.imports import repository as sql
from crm_api.imports.limits import OF_UPLOADS
from crm_api.imports.mapping import MappingError, is_export, suggest
from crm_api.imports.parsing import BrokenReader, Parsed, parsed, sample_of
from crm_api.imports.reading import UnreadableFile
from crm_api.imports.schemas import MAX_TITLE, Import, ImportEntry, ImportPatch
from crm_api.imports.settings import mapped, missing, require_match, stored_columns
from crm_api.imports.sources import source_of
from crm_api.kit.deciding import merge_patch, require_current
from crm_api.kit.fields import Resource
from crm_api.kit.idempotency import Claim, once
from crm_api.kit.listing import Listing
from crm_api.kit.replies import Reply, one
from crm_api.kit.service import Present, RecordService
from crm_api.kit.writing import Write, write_one
from crm_api.operations.jobs import accepted, enqueue

READERS: Final = 2
"""Files that one process has read at a time: each may take the memory of `limits`."""
WAIT_SECONDS: Final = 10.0
IMPORT_JOB, REVERT_JOB = "client_import", "client_import_revert"
_UNDER_WAY: Final = ("checking", "importing", "reverting")
_SETTINGS: Final = ("mode", "match_by", "on_duplicate", "default_country")
_readers = asyncio.Semaphore(READERS)


class ImportService(RecordService):
    """The imports of one organization, as one actor may treat them."""

    resource: ClassVar[type[Resource]] = Import
    listing: ClassVar[Listing] = sql.IMPORT_LISTING
    parent: ClassVar[str] = "import_id"

    def lifecycles(self) -> list[str]:
        return ["live"]

    def require_import(self) -> None:
        self.scope.require("clients", "import")

    # ----------------------------------------------------------------------------------- sent

    async def create(self, upload: Upload, claim: Claim | None, *, dry_run: bool = False) -> Reply:
        """Read the list, and keep its rows; nothing becomes of them yet.

        Raises:
            Refusal: 403; 422 with all faults, or with why the file cannot be read.
        """
        self.require_import()
        await self.scope.verify()
        stored = await self.finished(claim)
        if stored is not None:
            return self.replayed(stored)
        entry = _entry(upload)
        import_id = new_id()
        kept = False
        try:
            row = await self._read(upload, entry, import_id, keep=not dry_run)
            if dry_run:
                async with self.scope.db.rehearsal(self.actor.organization_id):
                    reply = await self._insert(import_id, row, None)
                return Reply(reply.body, reply.etag)
            insert = partial(self._insert, import_id, row, claim)
            reply = await once(self.scope, claim, insert, self.replayed)
            kept = str(import_id) in (reply.location or "")
        finally:
            if not kept:
                await self._run(sql.REMOVE_PARTS, import_id)
        return reply

    async def _read(
        self, upload: Upload, entry: ImportEntry, import_id: UUID, *, keep: bool
    ) -> dict[str, Any]:
        """Have the file read, keep its rows as they come; the import's columns."""
        if upload.file is None:
            raise refuse_all(upload.faults)
        try:
            async with _read_apart(upload.file, upload.name, entry.sheet) as found:
                parts = found.parts()
                first = part = await asyncio.to_thread(next, parts, b"")
                position = 0
                while part:
                    if keep:
                        values = {"position": position, "content": part}
                        await self._run(sql.ADD_PART, import_id, **values)
                    position += 1
                    part = await asyncio.to_thread(next, parts, b"")
        except UnreadableFile as error:
            raise _unreadable(error.code, str(error)) from None
        except BrokenReader:
            raise unavailable("Files cannot be read right now.") from None
        if not first:
            raise _unreadable("unreadable_file", f"{upload.name} has no rows below its first.")
        return await self._row(upload, entry, found, first)

    async def _row(
        self, upload: Upload, entry: ImportEntry, found: Parsed, first: bytes
    ) -> dict[str, Any]:
        header = [title[:MAX_TITLE] for title in found.header]
        sample = sample_of(first)
        known = await known_entries(self.scope.db, self.actor.organization)
        suggested = suggest(header, sample, known)
        ours = is_export(header, sample)
        return {
            "file_name": upload.name,
            "format": found.format,
            "encoding": found.encoding,
            "delimiter": found.delimiter,
            "sheet": found.sheet,
            "row_count": found.rows,
            "empty_count": found.empty,
            "columns": stored_columns(suggested, suggested),
            "mapping": {},
            # A list of ours is one that comes back.
            "mode": entry.mode or ("update" if ours else "create"),
            "match_by": entry.match_by or ("number" if ours and entry.mode != "create" else None),
            "on_duplicate": entry.on_duplicate or "report",
            "default_country": entry.default_country,
            "source": source_of(upload.name, entry.source),
        }

    async def _insert(self, import_id: UUID, row: dict[str, Any], claim: Claim | None) -> Reply:
        told = ("file_name", "row_count", "columns", *_SETTINGS, "source")
        diff = {name: (None, row[name]) for name in told if row[name] is not None}
        entry = self.entry(import_id, 1, "created", diff)
        about = {
            "id": str(import_id),
            "version": 1,
            "lifecycle": "live",
            "phase": "uploaded",
            "created_by": str(self.actor.id),
        }
        write = Write("insert", import_id, row | about, [entry])
        found = await write_one(self.scope, self.shape, write, self.parent, claim)
        if found["body"] is None:
            raise StaleActor
        return one(found["body"], status=201, location=f"{self.path}/{import_id}")

    # --------------------------------------------------------------------------------- mapped

    async def patch(
        self,
        import_id: UUID,
        incoming: Incoming[ImportPatch],
        if_match: str | None,
    ) -> Reply:
        """Decide how the list is read; what was tried before is forgotten."""
        return await self.settled(partial(self._patch, import_id, incoming, if_match))

    async def _patch(
        self, import_id: UUID, incoming: Incoming[ImportPatch], if_match: str | None
    ) -> Reply:
        present = await self.load(import_id, with_seen=True)
        self.require_import()
        require_current(if_match, present.seen, incoming.raw)
        _require_fresh(present)
        if incoming.value is None:
            raise refuse_all(incoming.faults)
        row = _changed(present.document, incoming.value.model_dump(exclude_unset=True))
        diff = {
            name: (present.document[name], value)
            for name, value in row.items()
            if present.document[name] != value
        }
        if not diff:
            return await self.unchanged(import_id)
        async with self.scope.db.transaction(self.actor.organization_id):
            row |= {"phase": "uploaded", "operation_id": None, "summary": None}
            reply = await self.update(present, row, diff, "updated")
            await self._run(sql.REMOVE_RECORDS, import_id)
        return reply

    # ----------------------------------------------------------------------- done, taken back

    async def commit(self, import_id: UUID, claim: Claim | None, *, dry_run: bool) -> Reply:
        """Queue the import; in a dry run, one that leaves nothing but its report.

        Raises:
            Refusal: 404; 403 also for whoever may not read what the clients are found by; 409 while
                it is at work, or when it is done; 422 what is undecided.
        """
        phase: Literal["check", "import"] = "check" if dry_run else "import"
        return await accepted(self.scope, claim, partial(self._commit, import_id, claim, phase))

    async def _commit(self, import_id: UUID, claim: Claim | None, phase: str) -> Reply:
        async with self.locked():
            present = await self.load(import_id)
            self.require_import()
            require_match(self.scope, present.document)
            stopped = present.document["state"] == "import_stopped"
            if not stopped or phase == "check":
                _require_fresh(present)
            if faults := missing(present.document):
                raise refuse_all(faults)
            done = 0
            if stopped:
                found = await self._row_of(sql.COUNT_RECORDS, import_id)
                done = found["rows"]
            else:
                await self._run(sql.REMOVE_RECORDS, import_id)
            params = {"import_id": str(import_id), "dry_run": phase == "check", "offset": done}
            total = present.document["row_count"] - done
            return await self._queue(present, IMPORT_JOB, phase, params, total, claim)

    async def revert(self, import_id: UUID, claim: Claim | None, *, dry_run: bool) -> Reply:
        """Queue the way back: what the import made goes, what it changed is as it was.

        In a dry run, one that leaves nothing but what its operation tells.

        Raises:
            Refusal: 404; 403; 409 while it is at work, or where nothing is to be taken back.
        """
        queue = partial(self._revert, import_id, claim, dry_run=dry_run)
        return await accepted(self.scope, claim, queue)

    def require_revert(self, present: Present) -> None:
        """One's own list may go as it came; what others brought goes by the right to delete."""
        self.require_import()
        if present.row["created_by"] != str(self.actor.id):
            self.scope.require("clients", "delete")

    async def _revert(self, import_id: UUID, claim: Claim | None, *, dry_run: bool) -> Reply:
        async with self.locked():
            present = await self.load(import_id)
            self.require_revert(present)
            if present.document["state"] in _UNDER_WAY:
                raise Refusal("import_under_way", "It is at work right now.")
            if present.row["phase"] not in ("import", "revert"):
                raise Refusal("nothing_to_revert", "It has not been done.")
            total = (await self._row_of(sql.COUNT_REVERTIBLE, import_id))["rows"]
            if total == 0:
                raise Refusal("nothing_to_revert", "No row of it changed anything that is left.")
            params = {"import_id": str(import_id), "dry_run": dry_run}
            if dry_run:
                return (await enqueue(self.scope, REVERT_JOB, params, total=total)).reply
            await self._run(sql.FORGET_REFUSALS, import_id)
            return await self._queue(present, REVERT_JOB, "revert", params, total, claim)

    async def _queue(  # each is a part of the operation
        self,
        present: Present,
        kind: str,
        phase: str,
        params: Mapping[str, Any],
        total: int,
        claim: Claim | None,
    ) -> Reply:
        report = f"{self.path}/{present.id}/report"
        queued = await enqueue(
            self.scope, kind, params, total=total, result_url=report, claim=claim
        )
        row: dict[str, Any] = {"phase": phase, "operation_id": str(queued.id)}
        if phase != "revert" and not params["offset"]:
            row["summary"] = None
        diff = {"operation_id": (present.document["operation_id"], str(queued.id))}
        action = {"check": "checked", "import": "committed", "revert": "reverted"}[phase]
        await self.update(present, row, diff, action)
        return queued.reply

    async def delete(self, import_id: UUID, if_match: str | None) -> None:
        """Remove the list and its report; what it brought stays, and can be taken back no more."""
        async with self.locked():
            present = await self.load(import_id, with_seen=True)
            self.require_import()
            require_current(if_match, present.seen, ())
            if present.document["state"] in _UNDER_WAY:
                raise Refusal("import_under_way", "It is at work right now.")
            diff = {"file_name": (present.document["file_name"], None)}
            await self.update(present, {}, diff, "deleted")
            for statement in (sql.REMOVE_RECORDS, sql.REMOVE_PARTS, sql.REMOVE_IMPORT):
                await self._run(statement, import_id)

    # --------------------------------------------------------------------------------- shared

    async def _run(self, statement: Any, import_id: UUID, **values: Any) -> None:
        await self._row_of(statement, import_id, **values)

    async def _row_of(self, statement: Any, import_id: UUID, **values: Any) -> Any:
        org = self.actor.organization_id
        bound = {"org": org, "id": import_id, **values}
        return await self.scope.db.fetchrow(org, statement, bound)


def _entry(upload: Upload) -> ImportEntry:
    """The fields of an upload, read as a body's.

    Raises:
        Refusal: 422 with every fault.
    """
    body = json.dumps({name: text.strip() or None for name, text in upload.fields.items()})
    incoming = validate_body(ImportEntry, body.encode())
    faults = (*upload.faults, *incoming.faults)
    if incoming.value is None or faults:
        raise refuse_all(faults)
    return incoming.value


def _unreadable(code: str, detail: str) -> Refusal:
    return Refusal(code, detail, (Fault(code, detail, pointer="/file"),))


@asynccontextmanager
async def _read_apart(path: Path, name: str, sheet: str | None) -> AsyncIterator[Parsed]:
    """A file that a process of its own reads; few at a time."""
    try:
        async with asyncio.timeout(WAIT_SECONDS):
            await _readers.acquire()
    except TimeoutError:
        raise unavailable("Other files are being read.") from None
    reading = parsed(path, name, OF_UPLOADS, sheet)
    try:
        found = await asyncio.to_thread(reading.__enter__)
        try:
            yield found
        finally:
            await asyncio.to_thread(reading.__exit__, None, None, None)
    finally:
        _readers.release()


def _require_fresh(present: Present) -> None:
    state = present.document["state"]
    if state in _UNDER_WAY:
        raise Refusal("import_under_way", "It is at work right now.")
    # One that was stopped before its first step has taken nothing.
    untouched = state == "import_stopped" and not present.document["summary"]
    if state not in ("uploaded", "checked") and not untouched:
        raise Refusal("import_done", "Its rows were taken already.")


def _changed(document: Mapping[str, Any], sent: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of the row after a patch."""
    row = {name: value for name, value in sent.items() if name in _SETTINGS}
    if "mapping" in sent:
        mapping = merge_patch(document["mapping"], sent["mapping"])
        try:
            row["columns"] = mapped(document["columns"], mapping)
        except MappingError as error:
            place = _pointer(error.column)
            raise refuse_all([Fault("invalid_mapping", error.plain, pointer=place)]) from None
        row["mapping"] = mapping
    return row


def _pointer(column: str | None) -> str:
    if column is None:
        return "/mapping"
    return "/mapping/" + column.replace("~", "~0").replace("/", "~1")
