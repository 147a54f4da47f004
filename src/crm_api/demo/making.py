"""Writes the demo organizations, their users and clients; what is there already stays."""

from collections.abc import Callable
from typing import Final
from uuid import UUID

from crm_api.catalogues.service import known_entries
from crm_api.clients.bulk import NewClient, decide_client, insert_clients
from crm_api.core.access import ROLES, Actor, OrganizationContext, RequestContext, Rights, Stamps
from crm_api.core.db import Database
from crm_api.core.ids import new_id
from crm_api.core.passwords import PasswordHasher
from crm_api.core.sealing import Sealer
from crm_api.demo.generator import bodies
from crm_api.demo.words import SCENES, Scene
from crm_api.identity.provision import add_user
from crm_api.kit.fields import builtin_scopes
from crm_api.kit.scope import Scope
from crm_api.organizations.provision import find_organization, provision_organization

PERSONS: Final = {
    "admin": "Ada Admin",
    "manager": "Mo Manager",
    "front_desk": "Fay Front-Desk",
    "presenter": "Pat Presenter",
}


def email_of(slug: str, role: str) -> str:
    return f"{role}@{slug}.example.com"


async def make_demo(
    db: Database, hasher: PasswordHasher, password: str, progress: Callable[[str], None]
) -> bool:
    """Make what is missing; whether anything was. Each organization is made whole or not at all."""
    made = False
    for scene in SCENES:
        if await find_organization(db, scene.slug) is None:
            progress(scene.name)
            organization_id = new_id()
            async with db.transaction(organization_id):
                await _make(db, hasher, password, scene, organization_id)
            made = True
    return made


async def _make(
    db: Database, hasher: PasswordHasher, password: str, scene: Scene, organization_id: UUID
) -> None:
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
    scope = system_scope(db, context)
    known = await known_entries(db, context)
    clients: list[NewClient] = []
    for body in bodies(scene, [members["manager"], members["front_desk"]]):
        decided = decide_client(scope, body, context, known)
        if not isinstance(decided, NewClient):
            raise TypeError(
                f"{scene.slug}: {body['name']}: {decided[0].pointer} {decided[0].detail}"
            )
        clients.append(decided)
    await insert_clients(scope, clients)


def system_scope(db: Database, organization: OrganizationContext) -> Scope:
    """The system itself as actor, with an administrator's rights."""
    rights = Rights((builtin_scopes("admin"),))
    stamps = Stamps(new_id(), 0, 0, 0, organization.version)
    actor = Actor("system", new_id(), "demo", organization, "admin", rights, stamps)
    return Scope(
        db, actor, RequestContext("demo"), Sealer(b"demo data makes no cursors"), verified=True
    )
