"""Writes the demo organizations, their users and clients; what is there already stays."""

from collections.abc import Callable, Sequence
from datetime import date
from itertools import product
from typing import Final
from uuid import UUID

from crm_api.catalogues.service import known_entries
from crm_api.clients.bulk import NewClient, decide_client, insert_clients
from crm_api.clients.service import ClientService
from crm_api.communications.bulk import decide_communication, insert_communications
from crm_api.core.access import ROLES, OrganizationContext
from crm_api.core.db import Database
from crm_api.core.errors import Refusal
from crm_api.core.formats.dates import local_today
from crm_api.core.formats.emails import parse_email
from crm_api.core.ids import new_id
from crm_api.core.passwords import PasswordHasher
from crm_api.demo.filing import file
from crm_api.demo.generator import bodies, logged
from crm_api.demo.listing import list_clients
from crm_api.demo.noting import note
from crm_api.demo.relating import relate
from crm_api.demo.words import SCENES, Scene
from crm_api.files.storing import Storage
from crm_api.identity.provision import add_user
from crm_api.identity.statements import (
    CHANGE_PASSWORD,
    ORGANIZATIONS_OF_PERSON,
    PERSON_BY_EMAIL,
)
from crm_api.kit.scope import Scope
from crm_api.organizations.provision import list_organizations, provision_organization
from crm_api.organizations.system import system_scope

ARCHIVED: Final = 6
"""How many clients of each organization are archived."""
PERSONS: Final = {
    "admin": "Ada Admin",
    "manager": "Mo Manager",
    "front_desk": "Fay Front-Desk",
    "presenter": "Pat Presenter",
}


def email_of(slug: str, role: str) -> str:
    return f"{role}@{slug}.example.com"


async def demo_is_there(db: Database) -> bool:
    """Whether all of it is."""
    present = {row["slug"] for row in await list_organizations(db) if row["is_demo"]}
    return present >= {scene.slug for scene in SCENES}


async def make_demo(
    db: Database,
    storage: Storage,
    hasher: PasswordHasher,
    password: str,
    progress: Callable[[str], None],
) -> int:
    """Make what is missing, and answer how many organizations were made: each whole or not at all.

    Raises:
        Refusal: `already_exists` where an organization of real use has the name of a demo one.
    """
    present = {row["slug"]: row["is_demo"] for row in await list_organizations(db)}
    taken = [scene.slug for scene in SCENES if present.get(scene.slug) is False]
    if taken:
        detail = f"There is an organization {taken[0]!r} already, and it holds no demo data."
        raise Refusal("already_exists", detail)
    missing = [scene for scene in SCENES if scene.slug not in present]
    for scene in missing:
        progress(scene.name)
        organization_id = new_id()
        async with db.transaction(organization_id):
            scope, clients = await _make(db, hasher, password, scene, organization_id)
            await file(scope, storage, clients)
    return len(missing)


async def set_passwords(db: Database, hasher: PasswordHasher, password: str) -> None:
    """Give every demo account this password; it ends their sessions.

    One who was also invited to an organization of real use keeps its own.
    """
    demo = {row["slug"] for row in await list_organizations(db) if row["is_demo"]}
    for scene, role in product(SCENES, ROLES):
        key = {"email_key": parse_email(email_of(scene.slug, role)).key}
        person = await db.fetchrow(None, PERSON_BY_EMAIL, key)
        if person is None:
            continue
        user = {"user_id": person["id"]}
        rows = await db.fetch(None, ORGANIZATIONS_OF_PERSON, user)
        if {row["slug"] for row in rows} <= demo:
            user |= {
                "credential_epoch": person["credential_epoch"],
                "password_hash": await hasher.hash(password),
            }
            await db.fetchrow(None, CHANGE_PASSWORD, user)


async def _make(
    db: Database, hasher: PasswordHasher, password: str, scene: Scene, organization_id: UUID
) -> tuple[Scope, Sequence[UUID]]:
    """All but files; the scope that made it, and clients that stay."""
    await provision_organization(
        db,
        slug=scene.slug,
        name=scene.name,
        presets=(scene.slug,),
        time_zone=scene.time_zone,
        default_country=scene.country,
        currency=scene.currency,
        is_demo=True,
        organization_id=organization_id,
    )
    members: dict[str, UUID] = {}
    for role in ROLES:
        members[role] = await add_user(
            db,
            hasher,
            organization_id,
            email=email_of(scene.slug, role),
            name=PERSONS[role],
            role=role,
            password=password,
        )
    context = OrganizationContext(
        organization_id,
        scene.slug,
        (scene.slug,),
        scene.time_zone,
        scene.country,
        scene.currency,
        1,
    )
    scope = system_scope(db, context, "admin", "demo")
    known = await known_entries(db, context)
    clients: list[NewClient] = []
    owners = [members["manager"], members["front_desk"]]
    for body in bodies(scene, owners, local_today(scene.time_zone)):
        decided = decide_client(scope, body, context, known)
        if not isinstance(decided, NewClient):
            raise TypeError(
                f"{scene.slug}: {body['name']}: {decided[0].pointer} {decided[0].detail}"
            )
        clients.append(decided)
    await insert_clients(scope, clients)
    firms = [one.draft.client_id for n, one in enumerate(clients) if _is_firm(one, n, clients)]
    await relate(scope, firms, local_today(scene.time_zone))
    registered = [
        (client.draft.client_id, date.fromisoformat(client.row["registered_on"]))
        for client in clients
    ]
    calls = [
        decide_communication(scope, body, known.workflows, owners[n % 2])
        for n, body in enumerate(logged(scene, registered, local_today(scene.time_zone)))
    ]
    await insert_communications(scope, calls)
    kept = [client.draft.client_id for client in clients[1:]]
    await note(scope, kept)
    await list_clients(scope, kept)
    # Some left again: lists do not show them, and only some roles may open them.
    for client in clients[:: len(clients) // ARCHIVED]:
        await ClientService(scope).archive(client.draft.client_id, None)
    return scope, kept


def _is_firm(client: NewClient, n: int, clients: Sequence[NewClient]) -> bool:
    """Whether it is an organization, and one that stays live."""
    return client.draft.after["kind"] == "organization" and n % (len(clients) // ARCHIVED) != 0
