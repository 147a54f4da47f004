"""What every command does alike: settings, one event loop, clear words instead of tracebacks."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import typer
from alembic.util import CommandError
from rich.console import Console

from crm_api.core.config import Settings, SettingsError, load_settings
from crm_api.core.db import Database
from crm_api.core.embedded import EmbeddedError
from crm_api.core.errors import Refusal
from crm_api.core.logs import configure_logging
from crm_api.core.objects import StoreError
from crm_api.installation import Addresses, InstallationError, prepare

P = ParamSpec("P")
R = TypeVar("R")

out = Console()
err = Console(stderr=True)
FAILED = 2


def explained(command: Callable[P, R]) -> Callable[P, R]:
    """Say what is wrong in one paragraph, and exit with 2; a traceback helps nobody here."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (SettingsError, EmbeddedError, InstallationError, CommandError) as error:
            err.print(str(error), style="red", highlight=False, markup=False, soft_wrap=True)
        except StoreError as error:
            text = f"The store of files does not do what it should: {error}"
            err.print(text, style="red", highlight=False, markup=False, soft_wrap=True)
        except Refusal as refusal:
            text = refusal.detail or refusal.problem.title
            err.print(text, style="red", highlight=False, markup=False, soft_wrap=True)
        raise typer.Exit(FAILED)

    return run


def settings_or_exit() -> Settings:
    settings = load_settings()
    for warning in settings.unknown:
        err.print(warning, style="yellow", highlight=False, markup=False, soft_wrap=True)
    return settings


def run_async(work: Coroutine[Any, Any, R]) -> R:
    """Run one command's work; what it logs goes to standard error, so that its output is clean."""
    configure_logging("WARNING", sys.stderr)
    return asyncio.run(work)


@asynccontextmanager
async def prepared(settings: Settings) -> AsyncIterator[tuple[Database, Addresses]]:
    """The database, created and migrated, as the application's role."""
    addresses = await prepare(settings)
    # A tool waits longer than a request may: it is alone with its work.
    db = await Database.connect(
        addresses.application,
        size=4,
        list_size=1,
        statement_timeout_ms=120_000,
        lock_timeout_ms=60_000,
    )
    try:
        yield db, addresses
    finally:
        await db.close()
