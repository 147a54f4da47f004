"""`crm-api backup` and `crm-api restore`: the whole database in one file, and back."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress, SpinnerColumn, TextColumn

from crm_api.backup.archive import Manifest, fingerprint, reading
from crm_api.backup.restoring import restore_backup
from crm_api.backup.taking import take_backup
from crm_api.commands.checking import prove
from crm_api.commands.running import err, explained, out, run_async, settings_or_exit
from crm_api.core.config import Settings
from crm_api.core.private_files import passable_directory, write_private
from crm_api.files.storing import store_of
from crm_api.installation import addresses

File = Annotated[Path, typer.Argument(help="The file; one that exists is never replaced.")]


def register(app: typer.Typer) -> None:
    app.command()(backup)
    app.command()(restore)


@explained
def backup(
    file: File,
    *,
    with_secret: Annotated[
        bool, typer.Option("--with-secret", help="Put the signing key into the file as well.")
    ] = False,
) -> None:
    """Write the database and the stored files into a file, as of one moment; servers go on."""
    settings = settings_or_exit()
    key = settings.signing_keys()[0]
    with _progress() as progress:
        owner = addresses(settings).owner
        # A bucket is its operator's to keep.
        objects = store_of(settings) if settings.s3_bucket is None else None
        manifest = run_async(
            take_backup(
                owner, file, key, with_secret=with_secret, progress=progress, objects=objects
            )
        )
    _print_organizations(manifest)
    rows = sum(table.rows for table in manifest.tables.values())
    size = file.stat().st_size / (1 << 20)
    _say(f"{file}: {rows} rows, {size:.1f} MiB, schema {manifest.revision}.")
    _say_files(settings, manifest)
    if with_secret:
        _say(f"The secret is in it: whoever reads {file} can sign tokens. Keep it safe.")
    else:
        _say(f"The secret ({_place_of_secret(settings)}) is not in it: keep it as well.")


@explained
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `crm-api backup` wrote.")],
    force: Annotated[
        str, typer.Option(help="Name of a database whose every row may be lost for this.")
    ] = "",
) -> None:
    """Load a backup into an empty database and prove it. Exit code 1 where it does not hold."""
    settings = settings_or_exit()
    with reading(file) as archive:
        _place_secret(settings, archive.secret)
        with _progress() as progress:
            run_async(restore_backup(settings, archive, given_up=force, progress=progress))
        manifest = archive.manifest
    _print_organizations(manifest)
    if fingerprint(settings.signing_keys()[0]) != manifest.secret:
        _say("The secret is another one than then: access tokens and cursors of then are refused.")
    if not run_async(prove(settings, None)):
        raise typer.Exit(1)
    _say(f"{file} is restored: every row and every head is what it was.")


def _say_files(settings: Settings, manifest: Manifest) -> None:
    if settings.s3_bucket is not None:
        _say(f"The files are in the bucket {settings.s3_bucket} and not in it: keep that as well.")
        return
    _say(f"{len(manifest.objects)} stored files are in it.")
    for key in manifest.lost:
        _say(f"  {key}: the store has not the bytes that were sent.")


def _place_secret(settings: Settings, secret: str | None) -> None:
    """Where this installation makes its own secret and has none yet, it takes the backup's."""
    path = settings.data_dir / "secret"
    if secret is not None and settings.secret_key is None and not path.exists():
        passable_directory(path.parent)
        write_private(path, f"{secret}\n")


def _place_of_secret(settings: Settings) -> str:
    return str(settings.data_dir / "secret") if settings.secret_key is None else "CRM_SECRET_KEY"


def _print_organizations(manifest: Manifest) -> None:
    for one in manifest.organizations:
        _say(f"{one.slug}: {sum(one.rows.values())} rows; head {one.head}")


def _say(text: str) -> None:
    out.print(text, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    columns = SpinnerColumn(), TextColumn("{task.description}")
    with Progress(*columns, console=err, transient=True) as shown:
        task = shown.add_task("", total=None)
        yield lambda words: shown.update(task, description=words)
