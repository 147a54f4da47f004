"""Who the caller is, and what it may do: the effective matrix, derived from the declarations."""

from typing import Any

from crm_api.core.access import Actor, Rights
from crm_api.identity import repository as sql
from crm_api.identity.scopes import effective
from crm_api.kit.fields import RESOURCES, Resource, mask_of
from crm_api.kit.guard import guard_kind, guard_values, require_ok
from crm_api.kit.replies import Reply, as_text, one
from crm_api.kit.scope import Scope

ACTIONS = ("read", "create", "update", "read_own")


async def read_me(scope: Scope) -> Reply:
    """The caller and its organization."""
    actor = scope.actor
    values = guard_values(actor) | {"user_id": actor.user_id}
    row = await scope.db.fetchrow(actor.organization_id, sql.me(guard_kind(actor)), values)
    require_ok(row)
    scope.verified = True
    return one(as_text(_me(actor, row["email"], row["organization_name"])))


def _me(actor: Actor, email: str | None, organization_name: str) -> dict[str, Any]:
    organization = actor.organization
    return {
        "id": actor.id,
        "kind": actor.kind,
        "name": actor.name,
        "email": email,
        "role": actor.role,
        "organization": {
            "id": organization.id,
            "slug": organization.slug,
            "name": organization_name,
            "presets": list(organization.presets),
            "time_zone": organization.time_zone,
            "default_country": organization.default_country,
            "currency": organization.currency,
        },
    }


async def read_permissions(scope: Scope) -> Reply:
    """The effective matrix; the same for everyone with the same rights."""
    await scope.verify()
    rights = scope.actor.rights
    known: dict[str, Any] | None = rights.memo.get("permissions")
    if known is None:
        known = rights.memo["permissions"] = {
            "scopes": effective(rights),
            "resources": {name: _resource(cls, rights) for name, cls in RESOURCES.items()},
        }
    return one(as_text({"role": scope.actor.role} | known))


def _resource(cls: type[Resource], rights: Rights) -> dict[str, Any]:
    mask = mask_of(cls, rights)
    return {
        "fields": {
            name: {
                "group": field.rule.group,
                "read": name in mask.read,
                "create": name in mask.create,
                "update": name in mask.update,
            }
            for name, field in cls.fields.items()
        },
        "groups": {
            group: [a for a in ACTIONS if rights.can(cls.guarded_by, a, group)]
            for group in cls.grants
        },
        "row_groups": {rows.field: dict(rows.groups)} if (rows := cls.row_groups) else {},
        "verbs": {verb: rights.can(cls.guarded_by, verb) for verb in cls.verbs},
    }
