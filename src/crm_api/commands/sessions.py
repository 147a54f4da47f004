"""`crm-api token` and `crm-api shell`: for developers, on demo data alone."""

import asyncio
import code
from typing import Annotated, Any

import typer

from crm_api.commands.running import err, explained, prepared, run_async, settings_or_exit
from crm_api.core.access import ROLES
from crm_api.core.config import Settings
from crm_api.core.db import Database
from crm_api.core.formats.emails import parse_email
from crm_api.core.tokens import TokenSigner
from crm_api.identity.sessions import Sessions
from crm_api.identity.statements import PERSON_BY_EMAIL
from crm_api.installation import InstallationError
from crm_api.main import AUDIENCE, ISSUER
from crm_api.organizations.provision import list_organizations

Role = Annotated[str, typer.Option(help=f"One of: {', '.join(ROLES)}.")]
Slug = Annotated[str, typer.Option(help="Slug of a demo organization.")]


def register(app: typer.Typer) -> None:
    app.command()(token)
    app.command()(shell)


@explained
def token(role: Role = "admin", organization: Slug = "radio") -> None:
    """Print an access token of a demo user, fit for `curl -H "Authorization: Bearer $(…)"`."""
    settings = settings_or_exit()
    print(run_async(_token(settings, organization, role)))  # noqa: T201  # the bare token, for the shell


async def _token(settings: Settings, slug: str, role: str) -> str:
    async with prepared(settings) as (db, _):
        return await demo_token(settings, db, slug, role)


async def demo_token(settings: Settings, db: Database, slug: str, role: str) -> str:
    """Sign a demo user in without a password.

    Raises:
        InstallationError: not a demo organization, or no such role.
    """
    known = {row["slug"]: row for row in await list_organizations(db)}
    if slug not in known or not known[slug]["is_demo"]:
        raise InstallationError(f"{slug!r} is no demo organization; `crm-api demo` makes them.")
    email = f"{role}@{slug}.example.com"
    person = await db.fetchrow(None, PERSON_BY_EMAIL, {"email_key": parse_email(email).key})
    if person is None:
        raise InstallationError(f"--role is one of: {', '.join(ROLES)}.")
    signer = TokenSigner(settings.signing_keys(), ISSUER, AUDIENCE, settings.access_token_seconds)
    sessions = Sessions(db, signer, settings.refresh_token_days)
    pair = await sessions.open(known[slug]["id"], person["id"], person["credential_epoch"])
    if pair is None:
        raise InstallationError(f"{email} may not sign in any more.")
    return pair.access_token


@explained
def shell() -> None:
    """Open a Python prompt: `db`, `settings`, `run(awaitable)`, `as_role(role)`."""
    settings = settings_or_exit()
    loop = asyncio.new_event_loop()
    context = prepared(settings)
    db, _ = loop.run_until_complete(context.__aenter__())

    def run(awaitable: Any) -> Any:
        return loop.run_until_complete(awaitable)

    def as_role(role: str, slug: str = "radio") -> dict[str, str]:
        """Headers of a demo user, for httpx against a running server."""
        return {"Authorization": f"Bearer {run(demo_token(settings, db, slug, role))}"}

    names = {"db": db, "settings": settings, "run": run, "as_role": as_role}
    err.print(f"Here are: {', '.join(names)}.", highlight=False)
    try:
        code.interact(banner="", local=names)
    finally:
        loop.run_until_complete(context.__aexit__(None, None, None))
        loop.close()
