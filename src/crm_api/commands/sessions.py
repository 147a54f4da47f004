"""`crm-api token` and `crm-api shell`: for developers, on demo data alone."""

import ast
import asyncio
import code
import inspect
import sys
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Annotated, Any

import typer

from crm_api.clients.service import ClientService
from crm_api.commands.running import explained, prepared, run_async, settings_or_exit
from crm_api.contacts.service import ContactService
from crm_api.core.access import ROLES, Actor, RequestContext
from crm_api.core.config import Settings
from crm_api.core.db import Database
from crm_api.core.formats.emails import parse_email
from crm_api.core.logs import configure_logging
from crm_api.core.sealing import Sealer
from crm_api.core.tokens import TokenSigner, VerifiedTokens
from crm_api.identity.resolver import Resolver
from crm_api.identity.sessions import Sessions
from crm_api.identity.statements import PERSON_BY_EMAIL
from crm_api.installation import InstallationError
from crm_api.kit.scope import Scope
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


@dataclass(frozen=True, slots=True)
class RoleSession:
    """A demo user at the prompt: services with its rights, and headers for a running server."""

    actor: Actor
    clients: ClientService
    contacts: ContactService
    headers: Mapping[str, str]


async def role_session(settings: Settings, db: Database, role: str, slug: str) -> RoleSession:
    token = await demo_token(settings, db, slug, role)
    keys = settings.signing_keys()
    signer = TokenSigner(keys, ISSUER, AUDIENCE, settings.access_token_seconds)
    headers = {"Authorization": f"Bearer {token}"}
    actor, _ = await Resolver(db, VerifiedTokens(signer)).actor_of(headers["Authorization"])
    scope = Scope(db, actor, RequestContext("shell"), Sealer(keys[0]))
    return RoleSession(actor, ClientService(scope), ContactService(scope), headers)


class _Prompt(code.InteractiveConsole):
    """A Python prompt at which `await` works; the loop runs while a line does."""

    def __init__(self, names: dict[str, Any], loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(names)
        self.compile.compiler.flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self._loop = loop

    def runcode(self, code: CodeType) -> None:
        async def run() -> None:
            result = FunctionType(code, self.locals)()
            if inspect.isawaitable(result):
                await result

        try:
            self._loop.run_until_complete(run())
        except SystemExit:
            raise
        except BaseException:  # noqa: BLE001  # a prompt shows every error and goes on
            self.showtraceback()


@explained
def shell() -> None:
    """Open a Python prompt with `await`: `db`, `settings`, `await as_role("front_desk")`."""
    settings = settings_or_exit()
    configure_logging("WARNING", sys.stderr)
    with asyncio.Runner() as runner:
        context = prepared(settings)
        db, _ = runner.run(context.__aenter__())

        def as_role(role: str, organization: str = "radio") -> Awaitable[RoleSession]:
            """A demo user: `.clients`, `.contacts`, `.actor`, `.headers`."""
            return role_session(settings, db, role, organization)

        names = {"db": db, "settings": settings, "as_role": as_role}
        try:
            _Prompt(names, runner.get_loop()).interact(BANNER, exitmsg="")
        finally:
            runner.run(context.__aexit__(None, None, None))


BANNER = """\
Here are: db, settings, as_role. For example:
manager = await as_role("manager")
reply = await manager.clients.list([("limit", "3")])"""
