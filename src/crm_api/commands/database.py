"""`crm-api migrate` and `crm-api bootstrap`: the schema, and the first organization."""

import asyncio
import secrets
import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from crm_api.catalogues.presets import PRESETS
from crm_api.commands.running import explained, out, prepared, run_async, settings_or_exit
from crm_api.core.config import Settings
from crm_api.core.formats.emails import parse_email
from crm_api.core.formats.places import parse_country, parse_currency, parse_time_zone
from crm_api.core.passwords import PasswordHasher, PasswordPolicy
from crm_api.identity.provision import add_user
from crm_api.installation import InstallationError, prepare, print_migrations
from crm_api.organizations.provision import find_organization, provision_organization


def register(app: typer.Typer) -> None:
    app.command()(migrate)
    app.command()(bootstrap)


@explained
def migrate(
    revision: Annotated[str, typer.Option(help="Stop at this revision of the schema.")] = "head",
    *,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the schema's SQL and touch no database.")
    ] = False,
) -> None:
    """Bring the database up to date: schema, the application's role, its rights."""
    if sql:
        print_migrations(revision)
        return
    settings = settings_or_exit()
    asyncio.run(prepare(settings, revision))
    reached = "up to date" if revision == "head" else f"at {revision}"
    out.print(f"The database is {reached}.", highlight=False, markup=False)


@explained
def bootstrap(
    slug: Annotated[str, typer.Option(help="Short name of the organization: a-z, 0-9, hyphens.")],
    name: Annotated[str, typer.Option(help="Its full name.")],
    email: Annotated[str, typer.Option(help="E-mail address of its first administrator.")],
    person: Annotated[str, typer.Option(help="Name of the first administrator.")],
    preset: Annotated[list[str], typer.Option(help=f"One or more of: {', '.join(PRESETS)}.")],
    time_zone: Annotated[str, typer.Option(help="IANA name, such as Africa/Kampala.")] = "UTC",
    country: Annotated[str | None, typer.Option(help="ISO 3166-1 code of most clients.")] = None,
    currency: Annotated[str, typer.Option(help="ISO 4217 code.")] = "EUR",
) -> None:
    """Create the first organization and its administrator, for real use."""
    settings = settings_or_exit()
    _check(slug, preset, email, time_zone, country, currency)
    given = _given_password(settings)
    password = given or secrets.token_urlsafe(18)
    faults = PasswordPolicy().faults(password, about=(email, person, name))
    if faults:
        raise InstallationError(f"The password (CRM_BOOTSTRAP_PASSWORD): {faults[0].detail}")
    values = {"slug": slug, "name": name, "presets": preset, "time_zone": time_zone,
              "default_country": country, "currency": currency}  # fmt: skip
    run_async(_bootstrap(settings, values, email, person, password))
    out.print(f"Organization {slug!r} is there; {email} is its administrator.", highlight=False)
    if not given:
        out.print(f"Password (shown once): {password}", highlight=False, markup=False)


def _given_password(settings: Settings) -> str:
    """From the environment, or from the person at the terminal; empty: one is made."""
    if settings.bootstrap_password is not None:
        return settings.bootstrap_password.get_secret_value()
    if not sys.stdin.isatty():
        return ""
    words = "Password of the administrator (none: one is made)"
    answer: str = typer.prompt(
        words, default="", show_default=False, hide_input=True, confirmation_prompt=True
    )
    return answer


def _check(
    slug: str, presets: list[str], email: str, time_zone: str, country: str | None, currency: str
) -> None:
    """Every value as the API would check it.

    Raises:
        InstallationError: what is wrong, and how it is written.
    """
    try:
        parse_email(email)
        parse_time_zone(time_zone)
        parse_currency(currency)
        if country is not None:
            parse_country(country)
    except ValueError as error:
        raise InstallationError(str(getattr(error, "message_template", error))) from None
    if (
        not slug
        or not slug.replace("-", "").isalnum()
        or not slug.isascii()
        or slug != slug.lower()
    ):
        raise InstallationError("--slug takes a-z, 0-9 and hyphens.")
    if any(p not in PRESETS for p in presets):
        raise InstallationError(f"--preset takes: {', '.join(PRESETS)}.")


async def _bootstrap(
    settings: Settings, values: Mapping[str, Any], email: str, person: str, password: str
) -> None:
    async with prepared(settings) as (db, _):
        if await find_organization(db, str(values["slug"])):
            raise InstallationError("There is an organization of this slug already.")
        with PasswordHasher() as hasher:
            organization_id = await provision_organization(db, **values)
            await add_user(
                db,
                hasher,
                organization_id,
                email=email,
                name=person,
                role="admin",
                password=password,
            )
