"""`crm-api import clients`: a list into an organization, each row imported or reported."""

import csv
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from crm_api.catalogues.service import known_entries
from crm_api.commands.running import err, explained, out, prepared, run_async, settings_or_exit
from crm_api.core.access import Actor, OrganizationContext, RequestContext, Rights, Stamps
from crm_api.core.config import Settings
from crm_api.core.db import Database
from crm_api.core.ids import new_id
from crm_api.core.sealing import Sealer
from crm_api.imports.mapping import (
    Column,
    MappingError,
    override,
    read_pairs,
    require_name,
    suggest,
)
from crm_api.imports.reading import UnreadableFile, open_csv
from crm_api.imports.rows import Finding, RowReader
from crm_api.imports.service import ClientImport, Summary
from crm_api.installation import InstallationError
from crm_api.kit.fields import builtin_scopes
from crm_api.kit.scope import Scope
from crm_api.organizations.provision import find_context

MAX_SHOWN: Final = 20
REPORT_COLUMNS: Final = ("row", "line", "outcome", "code", "column", "field", "detail")
app = typer.Typer(help="Bring lists in.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="import")


@app.callback()
def _several() -> None:
    """Bring lists in."""


@app.command("clients")
@explained
def import_clients(
    file: Annotated[Path, typer.Argument(help="A CSV file with a header line.")],
    organization: Annotated[str, typer.Option(help="Slug of the organization.")],
    default_country: Annotated[
        str | None, typer.Option(help="Of phones and addresses without one.")
    ] = None,
    mapping: Annotated[
        list[str] | None, typer.Option(help="column=field,…; `column=` leaves it out.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write every finding to this CSV file.")
    ] = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be; store nothing.")
    ] = False,
) -> None:
    """Import clients from a CSV; columns are recognized by header and values."""
    settings = settings_or_exit()
    country = default_country and default_country.upper()
    try:
        run_async(
            _import(settings, file, organization, country, mapping or [], report, dry_run=dry_run)
        )
    except (MappingError, UnreadableFile) as error:
        raise InstallationError(str(error)) from None


async def _import(
    settings: Settings,
    path: Path,
    slug: str,
    country: str | None,
    mapping: Sequence[str],
    report: Path | None,
    *,
    dry_run: bool,
) -> None:
    async with prepared(settings) as (db, _):
        context = await find_context(db, slug)
        if context is None:
            raise InstallationError(f"There is no organization {slug!r}.")
        file = open_csv(path)
        known = await known_entries(db, context)
        columns = override(suggest(file.header, file.sample(), known), read_pairs(mapping))
        require_name(columns)
        _show_mapping(columns)
        scope = import_scope(db, context)
        reader = RowReader(scope, columns, known, source=file.stem, default_country=country)
        with ExitStack() as stack:
            told = _Findings(stack, report)
            bar = stack.enter_context(_bar())
            task = bar.add_task(path.name, total=file.lines)
            job = ClientImport(
                scope,
                reader,
                dry_run=dry_run,
                report=told.take,
                progress=lambda _, line: bar.update(task, completed=line),
            )
            summary = await job.run(file.records())
    _show(summary, told, dry_run=dry_run)


def import_scope(db: Database, organization: OrganizationContext) -> Scope:
    """The system as actor, under the manager's rights: what the log says of an import."""
    rights = Rights((builtin_scopes("manager"),))
    stamps = Stamps(new_id(), 0, 0, 0, organization.version)
    actor = Actor("system", new_id(), "import", organization, "manager", rights, stamps)
    return Scope(
        db, actor, RequestContext("import"), Sealer(b"an import makes no cursors"), verified=True
    )


class _Findings:
    """Tells the first findings on the terminal, and all of them to the report file."""

    def __init__(self, stack: ExitStack, path: Path | None) -> None:
        self.shown: list[Finding] = []
        self.count = 0
        self._writer: Any = None
        if path is not None:
            file = stack.enter_context(path.open("w", newline="", encoding="utf-8"))
            self._writer = csv.writer(file)
            self._writer.writerow(REPORT_COLUMNS)

    def take(self, findings: Sequence[Finding]) -> None:
        for finding in findings:
            self.count += 1
            if len(self.shown) < MAX_SHOWN:
                self.shown.append(finding)
            if self._writer is not None:
                self._writer.writerow([getattr(finding, name) for name in REPORT_COLUMNS])


def _bar() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=err, transient=True)


def _show_mapping(columns: Sequence[Column]) -> None:
    for column in columns:
        target = column.target.name if column.target is not None else "(left out)"
        out.print(f"  {column.title} -> {target}", highlight=False, markup=False)


def _show(summary: Summary, told: _Findings, *, dry_run: bool) -> None:
    for finding in told.shown:
        place = f"row {finding.row} (line {finding.line})"
        about = finding.column or finding.field
        out.print(
            f"  {place}: {finding.outcome}: {about + ': ' if about else ''}{finding.detail}",
            highlight=False,
            markup=False,
        )
    if told.count > len(told.shown):
        out.print(f"  … and {told.count - len(told.shown)} more; see --report.", highlight=False)
    would = "would be imported" if dry_run else "imported"
    out.print(
        f"{summary.rows} rows: {summary.created} {would}, {summary.duplicate} duplicates, "
        f"{summary.invalid} invalid.",
        highlight=False,
    )
    if summary.industries:
        made = ", ".join(summary.industries)
        out.print(f"New industries: {made}", highlight=False, markup=False)
