"""`crm-api verify` and `crm-api doctor`: is the log whole, is the installation sound."""

import shutil
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from crm_api.commands.running import err, explained, out, prepared, run_async, settings_or_exit
from crm_api.core.config import Settings
from crm_api.core.db import Database
from crm_api.core.objects import StoreError
from crm_api.files.checking import check_files
from crm_api.files.storing import store_of
from crm_api.installation import (
    InstallationError,
    addresses,
    connected,
    head_revision,
    refuse_unsafe_role,
    search_is_granted,
    search_role,
)
from crm_api.kit.verification import verify_log
from crm_api.models import metadata
from crm_api.organizations.provision import find_organization, list_organizations

MINIMUM_SERVER = 150_000
FREE_BYTES = 1 << 30
PROBE_SECONDS = 3


def register(app: typer.Typer) -> None:
    app.command()(verify)
    app.command()(doctor)


@explained
def verify(
    organization: Annotated[str | None, typer.Option(help="Slug; else every organization.")] = None,
) -> None:
    """Prove the change log, and that stored files are there. Exit code 1 where it is not so."""
    settings = settings_or_exit()
    if not run_async(prove(settings, organization)):
        raise typer.Exit(1)


async def prove(settings: Settings, slug: str | None) -> bool:
    """Print what logs and files of one organization, or of each, come to; whether all hold."""
    logs = await prove_logs(settings, slug)
    return await prove_files(settings, slug) and logs


async def prove_files(settings: Settings, slug: str | None) -> bool:
    """Print whether the store holds what the rows tell of."""
    sound, objects = True, store_of(settings)
    async with prepared(settings) as (db, _):
        async for name, organization_id in _chosen(db, slug):
            report = await check_files(db, organization_id, objects)
            told = "all there" if not report.findings else "NOT ALL THERE"
            besides = f", {report.unowned} objects of no file" if report.unowned else ""
            text = f"{name}: {report.versions} stored files, {told}{besides}"
            out.print(text, highlight=False, soft_wrap=True)
            for finding in report.findings:
                out.print(f"  {finding}", highlight=False, markup=False)
            sound = sound and not report.findings
    return sound


async def prove_logs(settings: Settings, slug: str | None) -> bool:
    """Print what the log of one organization, or of each, comes to; whether all of them hold."""
    sound = True
    async with prepared(settings) as (db, _):
        async for name, organization_id in _chosen(db, slug):
            columns = SpinnerColumn(), TextColumn("{task.description}")
            with Progress(*columns, console=err, transient=True) as progress:
                task = progress.add_task(name, total=None)
                report = await verify_log(
                    db,
                    organization_id,
                    lambda n, task=task, name=name: progress.update(
                        task, description=f"{name}: {n}"
                    ),  # type: ignore[misc]  # bound at once
                )
            out.print(
                f"{name}: {report.entries} entries, "
                f"{'the chain holds' if not report.findings else 'BROKEN'}"
                + (f", {report.erased} without values" if report.erased else "")
                + f"; head {report.head}",
                highlight=False,
                soft_wrap=True,
            )
            for finding in report.findings:
                out.print(f"  {finding}", highlight=False, markup=False)
            sound = sound and not report.findings
    return sound


async def _chosen(db: Database, slug: str | None) -> AsyncIterator[tuple[str, UUID]]:
    if slug is None:
        for row in await list_organizations(db):
            yield row["slug"], row["id"]
        return
    found = await find_organization(db, slug)
    if found is None:
        err.print(f"There is no organization {slug!r}.", style="red")
        raise typer.Exit(2)
    yield slug, found


@explained
def doctor(
    *,
    probe: Annotated[
        bool, typer.Option("--probe", help="Ask a running server whether it is ready.")
    ] = False,
) -> None:
    """Say what is wrong with this installation. Exit code 1 where something is."""
    settings = settings_or_exit()
    if probe:
        _probe(settings)
        return
    found = run_async(_examine(settings))
    for good, text in found:
        out.print(f"{'ok   ' if good else 'WRONG'}  {text}", highlight=False, markup=False)
    if not all(good for good, _ in found):
        raise typer.Exit(1)


def _probe(settings: Settings) -> None:
    # Where nothing is said of the interface, the server listens on this machine's own too.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 compared
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/readyz"
    try:
        with urllib.request.urlopen(url, timeout=PROBE_SECONDS) as answer:
            ready = answer.status == 200
    except (urllib.error.URLError, TimeoutError):
        ready = False
    if not ready:
        raise typer.Exit(1)


async def _files(settings: Settings) -> tuple[bool, str]:
    bucket = f"the bucket {settings.s3_bucket}"
    place = bucket if settings.s3_bucket else str(settings.files_home)
    try:
        await store_of(settings).probe()
    except StoreError as error:
        return False, f"files cannot be kept in {place}: {error}"
    return True, f"files are kept in {place}"


async def _role(url: str) -> tuple[bool, str]:
    try:
        await refuse_unsafe_role(url)
    except InstallationError as error:
        return False, str(error)
    return True, "the application's role is bound by row-level security"


async def _examine(settings: Settings) -> list[tuple[bool, str]]:
    found: list[tuple[bool, str]] = [(True, "settings hold together")]
    place = addresses(settings)
    kind = "embedded PostgreSQL" if settings.database_url is None else "PostgreSQL of DATABASE_URL"
    async with connected(place.owner) as owner:
        version = int(await owner.fetchval("SHOW server_version_num"))
        found.append((version >= MINIMUM_SERVER, f"{kind}, version {version // 10_000}"))
        encoding = await owner.fetchval("SHOW server_encoding")
        found.append((encoding == "UTF8", f"encoding {encoding}; UTF8 is needed"))
        known = await owner.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL")
        revision = (
            await owner.fetchval("SELECT version_num FROM alembic_version") if known else None
        )
        current = revision == head_revision()
        found.append(
            (current, "schema is current" if current else "schema is old: crm-api migrate")
        )
        rows = await owner.fetch(
            "SELECT relname, relrowsecurity AND relforcerowsecurity AS forced FROM pg_class "
            "WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        )
        forced = {row["relname"]: row["forced"] for row in rows}
        fast = current and await search_is_granted(
            owner, search_role(place.owner), urlsplit(place.application).username or ""
        )
    tenants = [
        t.name
        for t in metadata.sorted_tables
        if "organization_id" in t.primary_key.columns and t.name != "memberships_index"
    ]
    open_tables = [name for name in tenants if not forced.get(name)]
    closed = len(tenants) - len(open_tables)
    text = f"row-level security forced on {closed} of {len(tenants)} tables"
    found.append((not open_tables, text))
    found.append(await _role(place.application))
    slow = "searches read every row: crm-api migrate, as an owner that may create roles (README)"
    found.append((fast, "searches use their indexes" if fast else slow))
    found.append(await _files(settings))
    free = shutil.disk_usage(settings.data_dir.parent).free
    found.append((free > FREE_BYTES, f"{free >> 20} MiB free beside {settings.data_dir}"))
    return found
