"""Where it is measured: a durable PostgreSQL of its own, twenty organizations, their tokens."""

import hashlib
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from benchmarks import communications, dataset
from benchmarks.communications import multiply_communications
from crm_api.clients.schemas import Client
from crm_api.clients.service import ClientService
from crm_api.core.access import Actor, RequestContext
from crm_api.core.db import Database
from crm_api.core.embedded import ensure_server, find_binaries
from crm_api.core.ids import new_id
from crm_api.core.jsonbody import Incoming, validate_body
from crm_api.core.passwords import PasswordHasher
from crm_api.core.sealing import Sealer
from crm_api.core.tokens import TokenSigner
from crm_api.identity import statements as sign_in
from crm_api.identity.principals import claims_of, user_actor
from crm_api.identity.provision import add_user
from crm_api.installation import Addresses, application_role, find_migrations, grant, migrate
from crm_api.kit.schemas import Create
from crm_api.kit.scope import Scope
from crm_api.main import AUDIENCE, ISSUER
from crm_api.organizations.provision import provision_organization

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".bench"
ORGANIZATIONS = 20
COMMUNICATIONS_EACH = 2
"""For each client of the first organization."""
SMALL = 1000
"""Clients of each organization but the first."""
SECRET = "benchmarks-only-" + "0" * 32
"""Signs the tokens of the run; the server listens on loopback while it lasts."""
ROLE_PASSWORD = "b" * 64
RUN = "bench_run"


@dataclass(frozen=True, slots=True)
class Tenant:
    """One organization and its administrator, signed in."""

    actor: Actor
    token: str
    clients: int


@dataclass(frozen=True, slots=True)
class Stand:
    """A loaded database, and who may use it."""

    addresses: Addresses
    tenants: tuple[Tenant, ...]
    binaries: Path

    @property
    def big(self) -> Tenant:
        return self.tenants[0]

    def environment(self) -> dict[str, str]:
        """What the server process is configured by."""
        return {
            "DATABASE_URL": self.addresses.owner,
            "CRM_APP_DATABASE_URL": self.addresses.application,
            "CRM_SECRET_KEY": SECRET,
            "CRM_DATA_DIR": str(HOME),
        }


async def build(clients: int) -> Stand:
    """The database of this run: a copy of the loaded one, which is made when there is none."""
    server = ensure_server(HOME / "postgres")
    template = f"bench_{_digest(clients)}"
    admin = await asyncpg.connect(server.url())
    try:
        await admin.execute(f'DROP DATABASE IF EXISTS "{RUN}" WITH (FORCE)')
        names = [r["datname"] for r in await admin.fetch("SELECT datname FROM pg_database")]
        if template not in names:
            # Of an older state of the code, or half loaded: one template is enough.
            for name in (n for n in names if n.startswith("bench_")):
                await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
            await admin.execute(f'CREATE DATABASE "{template}_loading"')
            await _load(_addresses(server.url(f"{template}_loading")), clients)
            await admin.execute(f'ALTER DATABASE "{template}_loading" RENAME TO "{template}"')
        await admin.execute(f'CREATE DATABASE "{RUN}" TEMPLATE "{template}" STRATEGY file_copy')
    finally:
        await admin.close()
    addresses = _addresses(server.url(RUN))
    await grant(addresses, create_role=True)
    return Stand(addresses, await _tenants(addresses, clients), find_binaries().bin)


def _addresses(owner: str) -> Addresses:
    parts = urlsplit(owner)
    host = parts.netloc.rpartition("@")[2]
    netloc = f"{application_role(owner)}:{ROLE_PASSWORD}@{host}"
    return Addresses(owner, urlunsplit(parts._replace(netloc=netloc)))


def _digest(clients: int) -> str:
    """A name for the loaded database: it changes with the schema, the data, and their number."""
    digest = hashlib.sha256(str((clients, ORGANIZATIONS, SMALL)).encode())
    sources = [Path(name) for name in (__file__, dataset.__file__, communications.__file__) if name]
    for path in sorted([*(find_migrations() / "versions").glob("*.py"), *sources]):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _sizes(clients: int) -> Iterable[int]:
    return [clients, *[min(SMALL, clients)] * (ORGANIZATIONS - 1)]


async def _load(addresses: Addresses, clients: int) -> None:
    await migrate(addresses.owner)
    await grant(addresses, create_role=True)
    owner = await asyncpg.connect(addresses.owner, command_timeout=600)
    db = await Database.connect(addresses.application)
    hasher = PasswordHasher(memory_kib=8, passes=1)
    try:
        for n, size in enumerate(_sizes(clients)):
            organization_id = await provision_organization(
                db,
                slug=f"bench-{n:02d}",
                name=f"Organization {n}",
                presets=("radio",),
                time_zone="Africa/Kampala",
                default_country="UG",
                currency="UGX",
            )
            org = {"org": organization_id}
            membership_id = await add_user(
                db,
                hasher,
                organization_id,
                email=f"admin@bench-{n:02d}.example.com",
                name="Admin",
                role="admin",
                password=secrets.token_hex(16),
            )
            session = org | {"session_id": new_id(), "membership_id": membership_id}
            await db.fetchrow(organization_id, sign_in.ADD_SESSION, session)
            actor, _ = await _principal(db, organization_id, session["session_id"])
            for body in dataset.first_clients(f"{n:02d}"):
                await ClientService(scope_of(db, actor)).create(client_body(body), None)
            await dataset.multiply(owner, organization_id, size)
            # Each of its own; the first has as many as a busy organization has in a year.
            count = COMMUNICATIONS_EACH * size if n == 0 else size
            await multiply_communications(
                owner, organization_id, actor.id, size, range(1, count + 1)
            )
        await owner.execute("VACUUM (ANALYZE)")
        await owner.execute("CHECKPOINT")
    finally:
        hasher.close()
        await db.close()
        await owner.close()


def client_body(fields: dict[str, Any]) -> Incoming[Any]:
    return validate_body(Create[Client], json.dumps(fields).encode())


def scope_of(db: Database, actor: Actor) -> Scope:
    context = RequestContext("bench-" + secrets.token_hex(8), "127.0.0.1", "benchmarks")
    return Scope(db=db, actor=actor, context=context, sealer=Sealer(SECRET.encode()))


async def _principal(db: Database, organization_id: Any, session_id: Any) -> tuple[Actor, str]:
    values = {"org": organization_id, "id": session_id}
    row = await db.fetchrow(organization_id, sign_in.SESSION_PRINCIPAL, values)
    signer = TokenSigner([SECRET.encode()], ISSUER, AUDIENCE, 900)
    return user_actor(row), signer.issue_access(claims_of(row))


async def _tenants(addresses: Addresses, clients: int) -> tuple[Tenant, ...]:
    owner = await asyncpg.connect(addresses.owner)
    db = await Database.connect(addresses.application)
    try:
        rows = await owner.fetch(
            "SELECT o.id, s.id AS session FROM organizations o "
            "JOIN sessions s ON s.organization_id = o.id ORDER BY o.slug"
        )
        found = [await _principal(db, row["id"], row["session"]) for row in rows]
    finally:
        await db.close()
        await owner.close()
    sizes = _sizes(clients)
    return tuple(Tenant(*one, size) for one, size in zip(found, sizes, strict=True))
