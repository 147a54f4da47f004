"""An import as `crm-api import clients` runs it, on the tests' own database."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import FastAPI

from crm_api.catalogues.service import known_entries
from crm_api.imports.mapping import override, read_pairs, suggest
from crm_api.imports.reading import open_csv
from crm_api.imports.rows import Finding, RowReader
from crm_api.imports.running import ClientImport, Summary
from crm_api.organizations.provision import find_context
from crm_api.organizations.system import system_scope
from tests.factories import Organization


@dataclass(slots=True)
class Outcome:
    """What became of a list."""

    summary: Summary
    findings: list[Finding]

    @property
    def counts(self) -> tuple[int, int, int]:
        return self.summary.created, self.summary.duplicate, self.summary.invalid

    @property
    def reasons(self) -> list[tuple[int, str, str]]:
        """Row, column and code of each finding."""
        return [(f.row, f.column, f.code) for f in self.findings]


Import = Callable[..., Awaitable[Outcome]]


@pytest.fixture
def import_list(app: FastAPI, tmp_path: Path) -> Import:
    """Takes an organization and a file, or the text of one named `list.csv`."""

    async def run(
        organization: Organization,
        content: Path | str | bytes,
        *,
        country: str | None = None,
        mapping: Sequence[str] = (),
        dry_run: bool = False,
    ) -> Outcome:
        path = content if isinstance(content, Path) else tmp_path / "list.csv"
        if isinstance(content, str):
            path.write_text(content, encoding="utf-8", newline="")
        elif isinstance(content, bytes):
            path.write_bytes(content)
        db = app.state.db
        context = await find_context(db, organization.slug)
        assert context is not None
        known = await known_entries(db, context)
        file = open_csv(path)
        columns = override(suggest(file.header, file.sample(), known), read_pairs(mapping))
        scope = system_scope(db, context, "manager", "import")
        reader = RowReader(scope, columns, known, source=file.stem, default_country=country)
        findings: list[Finding] = []
        job = ClientImport(scope, reader, dry_run=dry_run, report=findings.extend)
        return Outcome(await job.run(file.records()), findings)

    return run
