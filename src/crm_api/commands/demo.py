"""`crm-api demo`: five organizations to look at, made once."""

import json
import secrets
from pathlib import Path

import asyncpg
import typer

from crm_api.commands.running import err, explained, out, prepared, run_async, settings_or_exit
from crm_api.core.access import ROLES
from crm_api.core.config import Settings
from crm_api.core.passwords import PasswordHasher
from crm_api.core.private_files import write_private
from crm_api.demo.making import email_of, make_demo
from crm_api.demo.words import SCENES

LOCK = 0x64656D6F
"""An advisory lock on the owner's connection, "demo" in ASCII: two starters, one set of data."""


def register(app: typer.Typer) -> None:
    app.command()(demo)


@explained
def demo() -> None:
    """Create the demo organizations, users and clients; what is there already stays."""
    settings = settings_or_exit()
    run_async(_demo(settings))


async def _demo(settings: Settings) -> None:
    async with prepared(settings) as (db, addresses):
        owner = await asyncpg.connect(addresses.owner)
        try:
            await owner.execute(f"SELECT pg_advisory_lock({LOCK})")
            with PasswordHasher() as hasher, err.status("Demo data") as status:
                made = await make_demo(
                    db,
                    hasher,
                    _password(settings),
                    lambda name: status.update(f"Demo data: {name}"),
                )
        finally:
            await owner.close()
    out.print("Demo data are there." if made else "Demo data were there already.")


def _file(settings: Settings) -> Path:
    return settings.data_dir / "demo-password"


def _password(settings: Settings) -> str:
    """The configured password, or one that is made once and kept where only we can read it."""
    if settings.demo_password is not None:
        chosen = settings.demo_password.get_secret_value()
    elif _file(settings).exists():
        return _file(settings).read_text(encoding="utf-8").strip()
    else:
        chosen = secrets.token_urlsafe(18)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    write_private(_file(settings), chosen + "\n")
    return chosen


def describe_demo(settings: Settings) -> None:
    """Print who may sign in, and one line that works; nothing where no demo was made here."""
    if not _file(settings).exists():
        return
    password = _file(settings).read_text(encoding="utf-8").strip()
    slug = SCENES[0].slug
    body = json.dumps({"email": email_of(slug, "admin"), "password": password})
    url = f"{settings.base_url}/v1/auth/login"
    lines = [
        f"Demo:  {', '.join(email_of(slug, role) for role in ROLES)}",
        f"       (likewise @{', @'.join(f'{s.slug}.example.com' for s in SCENES[1:])})",
        f"       password: {password}",
        f"Try:   curl -s -X POST -H 'Content-Type: application/json' -d '{body}' {url}",
    ]
    for line in lines:
        err.print(line, highlight=False, markup=False, soft_wrap=True)
