"""`crm-api import clients`: a list into an organization, each row imported or reported."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from crm_api.catalogues.service import known_entries
from crm_api.commands.running import err, explained, out, prepared, run_async, settings_or_exit
from crm_api.core.config import Settings
from crm_api.core.db import Database
from crm_api.core.formats.places import parse_country
from crm_api.imports.limits import OF_COMMANDS
from crm_api.imports.mapping import (
    Column,
    MappingError,
    override,
    read_pairs,
    require_name,
    suggest,
)
from crm_api.imports.parsing import BrokenReader, Parsed, parsed
from crm_api.imports.reading import UnreadableFile
from crm_api.imports.rows import Finding, RowReader
from crm_api.imports.running import ClientImport, Summary
from crm_api.imports.sources import source_of
from crm_api.installation import InstallationError
from crm_api.organizations.provision import find_context
from crm_api.organizations.system import system_scope

MAX_SHOWN: Final = 20
ROLE: Final = "manager"
"""Under whose rights an import runs."""
REPORT_COLUMNS: Final = ("row", "line", "outcome", "code", "column", "field", "detail")
app = typer.Typer(help="Bring lists in.", no_args_is_help=True)


def register(root: typer.Typer) -> None:
    root.add_typer(app, name="import")


@app.callback()
def _several() -> None:
    """Bring lists in."""


@dataclass(frozen=True, slots=True)
class _Options:
    organization: str
    default_country: str | None
    mapping: tuple[str, ...]
    report: Path | None
    dry_run: bool


@app.command("clients")
@explained
def import_clients(
    file: Annotated[
        Path, typer.Argument(help="A CSV file or XLSX workbook whose first row names the columns.")
    ],
    organization: Annotated[str, typer.Option(help="Slug of the organization.")],
    default_country: Annotated[
        str | None,
        typer.Option(help="ISO 3166-1 code that phone numbers and addresses are read in."),
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option(help="column=field,… over what is suggested; `column=` leaves it out."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write what was not imported, and why, to this CSV file.")
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check all rows, store none.")] = False,
) -> None:
    """Import clients from a list; columns are recognized by their names and values.

    Each row becomes a client or is reported with its reason. Rows that were imported before are
    known by their reference, so that a list may be imported again.
    """
    country = default_country and _country(default_country)
    options = _Options(organization, country, tuple(mapping or ()), report, dry_run)
    try:
        settings = settings_or_exit()
        with parsed(file, str(file), OF_COMMANDS) as found:
            run_async(_import(settings, found, options))
    except (BrokenReader, MappingError, UnreadableFile) as error:
        raise InstallationError(str(error)) from None


def _country(code: str) -> str:
    try:
        return parse_country(code.upper())
    except ValueError:
        raise InstallationError(
            "--default-country takes a two-letter ISO 3166-1 code, such as UG."
        ) from None


async def _import(settings: Settings, file: Parsed, options: _Options) -> None:
    async with prepared(settings) as (db, _):
        reader = await _reader(db, file, options)
        with _opened(options.report) as writer:
            told = _Findings(writer)
            with _bar() as bar:
                task = bar.add_task(Path(file.name).name, total=max(file.lines, 1))
                job = ClientImport(
                    reader.scope,
                    reader,
                    dry_run=options.dry_run,
                    report=told.take,
                    progress=lambda _, line: bar.update(task, completed=line),
                )
                try:
                    await job.run(file.records())
                finally:
                    # Also of a run that was stopped half-way: its steps are committed.
                    bar.stop()
                    _show(file, job.summary, told, options)


async def _reader(db: Database, file: Parsed, options: _Options) -> RowReader:
    context = await find_context(db, options.organization)
    if context is None:
        raise InstallationError(f"There is no organization {options.organization!r}.")
    known = await known_entries(db, context)
    columns = override(suggest(file.header, file.sample(), known), read_pairs(options.mapping))
    require_name(columns)
    _show_mapping(file, columns)
    scope = system_scope(db, context, ROLE, "import")
    country = options.default_country
    return RowReader(scope, columns, known, source=source_of(file.name), default_country=country)


# ------------------------------------------------------------------------ telling


@dataclass(slots=True)
class _Findings:
    """Tells the first findings on the terminal, and all of them to the report file."""

    writer: Any
    shown: list[Finding] = field(default_factory=list)
    count: int = 0
    codes: Counter[str] = field(default_factory=Counter)

    def take(self, findings: Sequence[Finding]) -> None:
        self.codes.update({finding.code for finding in findings})
        for finding in findings:
            self.count += 1
            if len(self.shown) < MAX_SHOWN:
                self.shown.append(finding)
            if self.writer is not None:
                self.writer.writerow([getattr(finding, name) for name in REPORT_COLUMNS])


@contextmanager
def _opened(report: Path | None) -> Iterator[Any]:
    if report is None:
        yield None
        return
    try:
        # With the mark by which spreadsheets know UTF-8.
        file = report.open("w", encoding="utf-8-sig", newline="")
    except OSError as error:
        raise InstallationError(f"{report} cannot be written: {error.strerror}.") from None
    with file:
        writer = csv.writer(file)
        writer.writerow(REPORT_COLUMNS)
        yield writer


def _bar() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=err, transient=True)


def _say(text: str) -> None:
    """One line, however wide the terminal: another program may read it."""
    out.print(text, highlight=False, markup=False, soft_wrap=True)


def _show_mapping(file: Parsed, columns: Sequence[Column]) -> None:
    _say(f"{Path(file.name).name}: {_written(file)}")
    for column in columns:
        target = column.target.name if column.target is not None else "(left out)"
        _say(f"  {column.title or f'#{column.place + 1}'} -> {target}")


def _written(file: Parsed) -> str:
    """How the file is written, as it was found."""
    if file.delimiter is None:
        return f"read from the sheet {file.sheet!r}"
    separator = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}[file.delimiter]
    guess = ", as it is no UTF-8" if file.encoding == "cp1252" else ""
    return f"read as {file.encoding}{guess}, separated by {separator}"


def _show(file: Parsed, summary: Summary, told: _Findings, options: _Options) -> None:
    for finding in told.shown:
        about = finding.column or finding.field
        reason = f"{about + ': ' if about else ''}{finding.detail}"
        _say(f"  row {finding.row} (line {finding.line}): {finding.outcome}: {reason}")
    if told.count > len(told.shown):
        where = options.report or "--report FILE"
        _say(f"  … and {told.count - len(told.shown)} more: see {where}.")
    if told.codes:
        _say("Reasons: " + ", ".join(f"{code} {n}" for code, n in told.codes.most_common()))
    if summary.industries:
        _say(f"New industries: {', '.join(summary.industries)}")
    would = "would be imported" if options.dry_run else "imported"
    empty = f" {file.empty} empty rows were passed over." if file.empty else ""
    _say(
        f"{summary.rows} rows: {summary.created} {would}, {summary.duplicate} duplicates, "
        f"{summary.invalid} invalid.{empty}"
    )
