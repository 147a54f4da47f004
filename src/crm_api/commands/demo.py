"""`crm-api demo`: five organizations to look at, made once."""

import json
import secrets
from contextlib import suppress
from pathlib import Path
from shlex import quote

import typer

from crm_api.commands.running import err, explained, out, prepared, run_async, settings_or_exit
from crm_api.core.access import ROLES
from crm_api.core.config import Settings
from crm_api.core.passwords import PasswordHasher
from crm_api.core.private_files import passable_directory, write_private
from crm_api.demo.making import demo_is_there, email_of, make_demo, set_passwords
from crm_api.demo.words import SCENES
from crm_api.files.storing import storage_of
from crm_api.installation import connected

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
    async with prepared(settings) as (db, addresses), connected(addresses.owner) as owner:
        await owner.execute(f"SELECT pg_advisory_lock({LOCK})")
        kept = _kept(settings)
        password = _password(settings, kept)
        if await demo_is_there(db) and kept is None and settings.demo_password is None:
            # Made from another machine: a password of our own would take theirs away.
            out.print("Demo data were there already; CRM_DEMO_PASSWORD sets a new password.")
            return
        # Kept first: whatever is made has a password that somebody can find.
        if kept != password:
            passable_directory(settings.data_dir)
            write_private(_file(settings), password + "\n")
        with PasswordHasher() as hasher, err.status("Demo data") as status:
            made = await make_demo(
                db,
                storage_of(settings),
                hasher,
                password,
                lambda name: status.update(f"Demo data: {name}"),
            )
            if kept != password and made < len(SCENES):
                await set_passwords(db, hasher, password)
                out.print("The demo accounts have a new password.")
    out.print("Demo data are there." if made else "Demo data were there already.")


def _file(settings: Settings) -> Path:
    return settings.data_dir / "demo-password"


def _kept(settings: Settings) -> str | None:
    """The password that the demo accounts have, where it was kept on this machine."""
    with suppress(FileNotFoundError):
        return _file(settings).read_text(encoding="utf-8").removesuffix("\n")
    return None


def _password(settings: Settings, kept: str | None) -> str:
    """The configured password, or the one that was made here before, or a fresh one."""
    if settings.demo_password is not None:
        return settings.demo_password.get_secret_value()
    return kept or secrets.token_urlsafe(18)


def describe_demo(settings: Settings) -> None:
    """Print who may sign in, and one line that works; nothing where no demo was made here."""
    password = _kept(settings)
    if password is None:
        return
    slug = SCENES[0].slug
    body = json.dumps({"email": email_of(slug, "admin"), "password": password})
    url = f"{settings.base_url}/v1/auth/login"
    lines = [
        f"Demo:  {', '.join(email_of(slug, role) for role in ROLES)}",
        f"       (likewise @{', @'.join(f'{s.slug}.example.com' for s in SCENES[1:])})",
        f"       password: {password}",
        f"Try:   curl -s -X POST -H 'Content-Type: application/json' -d {quote(body)} {url}",
    ]
    for line in lines:
        err.print(line, highlight=False, markup=False, soft_wrap=True)
