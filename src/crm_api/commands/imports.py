"""`crm-api import`: a list from elsewhere into an organization, every row imported or reported."""

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from crm_api.catalogues.service import known_entries
from crm_api.commands.running import err, explained, out, prepared, run_async, settings_or_exit
from crm_api.core.config import Settings
from crm_api.core.db import Database
from crm_api.core.formats.places import parse_country
from crm_api.imports.mapping import (
    Column,
    MappingError,
    override,
    read_pairs,
    require_name,
    suggest,
)
from crm_api.imports.reading import CsvFile, UnreadableFile, open_csv
from crm_api.imports.rows import Finding, RowReader
from crm_api.imports.service import ClientImport, Summary
from crm_api.installation import InstallationError
from crm_api.organizations.system import system_scope

SHOWN: Final = 20
"""Findings that are printed; the report file holds all of them."""
ROLE: Final = "manager"
"""Under whose rights an import runs."""
COLUMNS: Final = ("row", "line", "outcome", "column", "field", "code", "detail")

imports = typer.Typer(help="Bring records from elsewhere.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    imports.command("clients")(import_clients)
    app.add_typer(imports, name="import")


@dataclass(frozen=True, slots=True)
class _Options:
    organization: str
    default_country: str | None
    mapping: tuple[str, ...]
    dry_run: bool
    report: Path | None


@explained
def import_clients(
    file: Annotated[Path, typer.Argument(help="A CSV file whose first row names the columns.")],
    organization: Annotated[str, typer.Option(help="Slug of the organization.")],
    default_country: Annotated[
        str | None,
        typer.Option(help="ISO 3166-1 code that phone numbers and addresses are read in."),
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option(help="column=field,… over what is suggested; `column=` leaves one out."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write what was not imported, and why, to this CSV file.")
    ] = None,
    *,
    dry_run: Annotated[bool, typer.Option(help="Check every row, and write none.")] = False,
) -> None:
    """Import clients. Each row becomes a client, or is reported with its reason.

    Rows that were imported before are found again by their reference, so that a list may be
    imported as often as one likes.
    """
    options = _Options(organization, default_country, tuple(mapping or ()), dry_run, report)
    try:
        run_async(_import(settings_or_exit(), file, options))
    except (UnreadableFile, MappingError) as error:
        raise InstallationError(str(error)) from None


async def _import(settings: Settings, path: Path, options: _Options) -> None:
    if options.default_country is not None:
        _check_country(options.default_country)
    file = open_csv(path)
    async with prepared(settings) as (db, _):
        reader = await _reader(db, file, options)
        with _told(file, options) as told:
            work = ClientImport(
                reader.scope,
                reader,
                dry_run=options.dry_run,
                report=told.take,
                progress=told.advance,
            )
            try:
                await work.run(file.records())
            finally:
                # Also of what a Ctrl-C or a lost database left half done: its steps are committed.
                told.progress.stop()
                _conclude(file, work.summary, told, options)


def _check_country(code: str) -> None:
    try:
        parse_country(code)
    except ValueError:
        raise InstallationError(
            "--default-country takes a two-letter ISO 3166-1 code, such as UG."
        ) from None


async def _reader(db: Database, file: CsvFile, options: _Options) -> RowReader:
    scope = await system_scope(db, options.organization, ROLE, "import")
    if scope is None:
        raise InstallationError(f"There is no organization {options.organization!r}.")
    known = await known_entries(db, scope.actor.organization)
    columns = override(suggest(file.header, file.sample(), known), read_pairs(options.mapping))
    require_name(columns)
    _describe(file, columns)
    return RowReader(
        scope, columns, known, source=file.stem, default_country=options.default_country
    )


# ------------------------------------------------------------------------ telling


@dataclass(slots=True)
class _Told:
    """What the person at the terminal hears, and what the report file gets."""

    progress: Progress
    writer: Any
    shown: list[Finding] = field(default_factory=list)
    codes: Counter[str] = field(default_factory=Counter)

    def take(self, findings: Sequence[Finding]) -> None:
        self.codes.update({finding.code for finding in findings})
        for finding in findings:
            if self.writer is not None:
                self.writer.writerow([getattr(finding, name) for name in COLUMNS])
            if len(self.shown) < SHOWN:
                self.shown.append(finding)

    def advance(self, summary: Summary, line: int) -> None:
        words = f"{summary.created} new, {summary.duplicate} known, {summary.invalid} faulty"
        self.progress.update(self.progress.task_ids[0], completed=line, description=words)


@contextmanager
def _told(file: CsvFile, options: _Options) -> Iterator[_Told]:
    bar = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*bar, console=err, transient=True) as progress:
        progress.add_task("reading", total=max(file.lines, 1))
        if options.report is None:
            yield _Told(progress, None)
            return
        with _opened(options.report) as text:
            writer = csv.writer(text)
            writer.writerow(COLUMNS)
            yield _Told(progress, writer)


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        # With the mark by which spreadsheets know UTF-8.
        text = path.open("w", encoding="utf-8-sig", newline="")
    except OSError as error:
        raise InstallationError(f"{path} cannot be written: {error.strerror}.") from None
    with text:
        yield text


def _describe(file: CsvFile, columns: Sequence[Column]) -> None:
    separator = {"\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}[file.delimiter]
    err.print(f"{file.path.name}: {file.encoding}, separated by {separator}", highlight=False)
    for column in columns:
        name = "(left out)" if column.target is None else column.target.name
        title = column.title or f"#{column.place + 1}"
        err.print(f"  {title} → {name}", highlight=False, markup=False)


def _conclude(file: CsvFile, summary: Summary, told: _Told, options: _Options) -> None:
    for finding in told.shown:
        place = f" ({finding.column})" if finding.column else ""
        out.print(
            f"row {finding.row}, line {finding.line}{place}: {finding.code}: {finding.detail}",
            highlight=False,
            markup=False,
        )
    refused = summary.duplicate + summary.invalid
    if sum(told.codes.values()) > len(told.shown) and options.report is None:
        out.print("… and more; --report FILE writes all of them.", highlight=False)
    if told.codes:
        reasons = ", ".join(f"{code} {n}" for code, n in told.codes.most_common())
        out.print(f"Not imported: {reasons}", highlight=False, markup=False)
    if summary.industries:
        verb = "would be made" if options.dry_run else "made"
        out.print(f"Industries {verb}: {len(summary.industries)}", highlight=False)
    if options.report is not None and refused:
        out.print(f"Report: {options.report}", highlight=False, markup=False)
    empty = f", {file.empty} empty" if file.empty else ""
    created = "would be created" if options.dry_run else "created"
    out.print(
        f"{summary.rows} rows: {summary.created} {created}, {summary.duplicate} duplicate, "
        f"{summary.invalid} invalid{empty}.",
        highlight=False,
    )
