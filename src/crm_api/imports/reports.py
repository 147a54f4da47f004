"""What became of the rows, for who may read it: pages, the file of what failed, a preview."""

import csv
import hashlib
import io
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, get_args
from uuid import UUID

from crm_api.catalogues.service import known_entries
from crm_api.clients.schemas import Client
from crm_api.core.errors import Fault, Refusal, refuse_all
from crm_api.core.formats.cells import guard_cell
from crm_api.imports import repository as sql
from crm_api.imports.claims import told
from crm_api.imports.mapping import ERRORS, Column
from crm_api.imports.parsing import records_of
from crm_api.imports.reading import Record
from crm_api.imports.rows import Finding, Holder, Reading
from crm_api.imports.service import ImportService
from crm_api.imports.settings import columns_in, missing, plan_of, reader_of, require_match
from crm_api.imports.sources import errors_name
from crm_api.imports.steps import OutcomeName, Steps
from crm_api.kit.cells import BYTE_ORDER_MARK
from crm_api.kit.fields import mask_of
from crm_api.kit.query import ListReader
from crm_api.kit.scope import Scope
from crm_api.kit.service import Items, Present

PREVIEWED: Final = 20
FAILED: Final = ("duplicate", "invalid")


def stored_findings(findings: Sequence[Finding]) -> list[dict[str, Any]] | None:
    """Findings as they are kept. Who holds a name is said anew to each reader."""
    return [
        {"code": f.code, "field": f.field, "column": f.column}
        | (
            {"detail": f.detail}
            if f.holder is None
            else {"kind": f.kind, "number": f.holder.number, "lifecycle": f.holder.lifecycle}
        )
        for f in findings
    ] or None


def seen_errors(scope: Scope, findings: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    """Kept findings as this reader may know them."""
    return [
        {
            "code": one["code"],
            "detail": one.get("detail") or told(scope, one["kind"], _holder(one)),
            "field": one["field"] or None,
            "column": one["column"] or None,
        }
        for one in findings or ()
    ]


def _holder(finding: Mapping[str, Any]) -> Holder:
    return Holder(finding["number"], finding["lifecycle"])


class ImportReports(ImportService):
    """The reports of an organization's imports. Cells are shown to their sender alone.

    Others see the cells of columns that become fields which they may read.
    """

    async def report(self, import_id: UUID, items: Items) -> str:
        """One page, in the order of the rows; `outcome` chooses among them."""
        await self.require_visible(import_id)
        asked = ("limit", "cursor", "outcome", "explain")
        reader = ListReader(self.resource, self.scope, {}, asked)
        single = reader.singles(items, asked)
        limit = reader.limit(single.get("limit"))
        outcomes = _outcomes(reader, single.get("outcome"))
        reader.raise_any()
        bound = self._bound_to(import_id, outcomes)
        rows = await self.scope.db.fetch(
            self.actor.organization_id,
            sql.REPORT,
            {
                "org": self.actor.organization_id,
                "id": import_id,
                "after": self._after(single.get("cursor"), bound),
                "outcomes": outcomes,
                "limit": limit + 1,
            },
        )
        shown = rows[:limit]
        cursor = None
        if len(rows) > limit:
            cursor = self.scope.sealer.seal(str(shown[-1]["row"]).encode(), bound)
        page = {
            "data": [self._row_seen(row) for row in shown],
            "next_cursor": cursor,
            "has_more": cursor is not None,
        }
        return json.dumps(page, ensure_ascii=False)

    def _row_seen(self, row: Mapping[str, Any]) -> dict[str, Any]:
        findings = row["findings"]
        return {
            "row": row["row"],
            "line": row["line"],
            "outcome": row["outcome"],
            "client_id": self._seen_id(row["client_id"]),
            "errors": seen_errors(self.scope, findings and json.loads(findings)),
            "reverted": row["reverted"],
        }

    def _seen_id(self, client_id: UUID | None) -> str | None:
        reads = "id" in mask_of(Client, self.actor.rights).read
        return str(client_id) if reads and client_id is not None else None

    def _bound_to(self, import_id: UUID, outcomes: Sequence[str] | None) -> bytes:
        facts = f"{self.actor.organization_id}{self.actor.id}{import_id}{outcomes}report"
        return hashlib.sha256(facts.encode()).digest()

    def _after(self, cursor: str | None, bound: bytes) -> int:
        if cursor is None:
            return 0
        raw = self.scope.sealer.unseal(cursor, bound) if len(cursor) <= 1024 else None
        if raw is None:
            detail = "This cursor was not issued for this report."
            fault = Fault("invalid_cursor", detail, parameter="cursor")
            raise Refusal("invalid_cursor", detail, (fault,))
        return int(raw)

    # ------------------------------------------------------------------- the file of what failed

    async def errors(self, import_id: UUID) -> tuple[str, AsyncIterator[bytes]]:
        """Name and content: the rows that failed, to be corrected and sent again."""
        await self.require_visible(import_id)
        present = await self.load(import_id)
        document = present.document
        return errors_name(document["file_name"], document["source"]), self._failed(present)

    async def _failed(self, present: Present) -> AsyncIterator[bytes]:
        columns = columns_in(present.document["columns"])
        shown = self._shown(present, columns)
        titles = [columns[place].title for place in shown if columns[place].title != ERRORS]
        kept = [place for place in shown if columns[place].title != ERRORS]
        yield (BYTE_ORDER_MARK + _lines([[*map(guard_cell, titles), ERRORS]])).encode()
        after = -1
        while (part := await self._next_part(present.id, after)) is not None:
            after, records = part
            yield _lines(await self._failed_of(present.id, records, kept)).encode()

    async def _next_part(self, import_id: UUID, after: int) -> tuple[int, list[Any]] | None:
        found = await self._row_of(sql.NEXT_PART, import_id, after=after)
        return found and (found["position"], list(records_of(found["content"])))

    async def _failed_of(
        self, import_id: UUID, records: Sequence[Any], kept: Sequence[int]
    ) -> list[list[str]]:
        org = self.actor.organization_id
        between = {"first": records[0].number, "last": records[-1].number}
        found = await self.scope.db.fetch(
            org, sql.BETWEEN, {"org": org, "id": import_id, **between}
        )
        failed = {row["row"]: row["findings"] for row in found if row["outcome"] in FAILED}
        rows = []
        for record in records:
            if record.number not in failed:
                continue
            errors = seen_errors(self.scope, json.loads(failed[record.number] or "[]"))
            reasons = "; ".join(
                f"{error['column']}: {error['detail']}" if error["column"] else error["detail"]
                for error in errors
            )
            cells = record.cells if isinstance(record, Record) else []
            texts = [cells[place] if place < len(cells) else "" for place in kept]
            rows.append([guard_cell(_plain(text)) for text in (*texts, reasons)])
        return rows

    def _shown(self, present: Present, columns: Sequence[Column]) -> list[int]:
        """Which columns this reader may see."""
        reads = frozenset(mask_of(Client, self.actor.rights).read)
        if present.row["created_by"] == str(self.actor.id) or reads >= Client.fields.keys():
            return [column.place for column in columns]
        return [c.place for c in columns if c.target is not None and c.target.root in reads]

    # ------------------------------------------------------------------------------ a preview

    async def preview(self, import_id: UUID) -> str:
        """The first rows, decided against what is stored now; nothing is written."""
        present = await self.load(import_id)
        self.require_import()
        document = present.document
        require_match(self.scope, document)
        if faults := missing(document):
            raise refuse_all(faults)
        known = await known_entries(self.scope.db, self.actor.organization)
        reader = reader_of(self.scope, document, known)
        part = await self._next_part(import_id, -1)
        records = list(islice(part[1], PREVIEWED)) if part is not None else []
        steps = Steps(self.scope, reader, plan_of(document, dry_run=True))
        decision = await steps.decide(steps.prepare(records))
        bodies: dict[int, dict[str, Any]] = {}
        for record in records:
            reading = reader.read(record)
            if isinstance(reading, Reading):
                bodies[record.number] = self._body_seen(present, reader.new_body(reading))
        data = [
            {
                "row": outcome.row,
                "line": outcome.line,
                "outcome": outcome.outcome,
                "client_id": None
                if outcome.outcome == "created"
                else self._seen_id(outcome.client_id),
                "body": bodies.get(outcome.row),
                "errors": seen_errors(self.scope, stored_findings(outcome.findings)),
            }
            for outcome in decision.outcomes
        ]
        return json.dumps({"data": data}, ensure_ascii=True)

    def _body_seen(self, present: Present, body: dict[str, Any]) -> dict[str, Any]:
        if present.row["created_by"] == str(self.actor.id):
            return body
        return self._readable(body)

    def _readable(self, body: dict[str, Any]) -> dict[str, Any]:
        reads = mask_of(Client, self.actor.rights).read
        return {name: value for name, value in body.items() if name in reads}


def _outcomes(reader: ListReader, text: str | None) -> list[str] | None:
    if text is None:
        return None
    asked = [part.strip() for part in text.split(",")]
    if not set(asked) <= set(get_args(OutcomeName)):
        known = ", ".join(get_args(OutcomeName))
        reader.found.fault("outcome", "invalid_value", f"Write some of: {known}.")
    return asked


def _plain(text: str) -> str:
    """A text that can be encoded: bytes that were none are replaced."""
    return text.encode("utf-8", "replace").decode()


def _lines(rows: Sequence[Sequence[str]]) -> str:
    held = io.StringIO()
    csv.writer(held, lineterminator="\r\n").writerows(rows)
    return held.getvalue()
