"""From rows to principals: the actor, its rights, its stamps. No SQL here."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Literal
from uuid import UUID

from crm_api.core.access import Actor, OrganizationContext, Rights, Stamps
from crm_api.core.tokens import Claims
from crm_api.identity.scopes import compact, held_by_role

ADMIN = "admin"


@lru_cache(maxsize=2048)
def _shared(layers: tuple[frozenset[str], ...]) -> Rights:
    return Rights(layers)


def shared_rights(*layers: Iterable[str]) -> Rights:
    """One object for equal layers: its memo holds what was worked out, compiled masks among it."""
    return _shared(tuple(frozenset(layer) for layer in layers))


def role_scopes(role: Mapping[str, Any]) -> frozenset[str]:
    """The scopes of a row with `role_name`, `role_is_builtin`, `role_scopes`."""
    if role["role_is_builtin"]:
        return held_by_role(role["role_name"])
    return frozenset(role["role_scopes"])


def inviter_rights(invitation: Mapping[str, Any]) -> Rights:
    """The live rights of who sent an invitation: a row with the same keys after `inviter_`."""
    own = {
        key: invitation[f"inviter_{key}"] for key in ("role_name", "role_is_builtin", "role_scopes")
    }
    return shared_rights(role_scopes(own))


def organization_of(row: Mapping[str, Any]) -> OrganizationContext:
    return OrganizationContext(
        id=row["organization_id"],
        slug=row["slug"],
        presets=tuple(row["presets"]),
        time_zone=row["time_zone"],
        default_country=row["default_country"],
        currency=row["currency"],
        version=row["organization_version"],
    )


def _stamps(row: Mapping[str, Any], credential: str) -> Stamps:
    return Stamps(
        credential_id=row[credential],
        membership_epoch=row["epoch"],
        credential_epoch=row["credential_epoch"],
        role_version=row["role_version"],
        organization_version=row["organization_version"],
    )


def user_actor(row: Mapping[str, Any]) -> Actor:
    """The actor of a session: a row of `statements.SESSION_PRINCIPAL`."""
    return Actor(
        kind="user",
        id=row["membership_id"],
        name=row["name"],
        organization=organization_of(row),
        role=row["role_name"],
        rights=shared_rights(role_scopes(row)),
        stamps=_stamps(row, "session_id"),
        user_id=row["user_id"],
    )


def standing_member(row: Mapping[str, Any]) -> Actor:
    """A member outside of any session: a row of `statements.MEMBER_PRINCIPAL`."""
    return Actor(
        kind="user",
        id=row["membership_id"],
        name=row["name"],
        organization=organization_of(row),
        role=row["role_name"],
        rights=shared_rights(role_scopes(row)),
        stamps=_stamps(row, "membership_id"),
        user_id=row["user_id"],
        signed_in=False,
    )


def key_actor(row: Mapping[str, Any]) -> Actor:
    """The actor of an API key: its own scopes, and its creator's live role, must both allow."""
    return Actor(
        kind="api_key",
        id=row["key_id"],
        name=row["key_name"],
        organization=organization_of(row),
        role=row["role_name"],
        rights=shared_rights(row["key_scopes"], role_scopes(row)),
        stamps=_stamps(row, "key_id"),
    )


def claims_of(row: Mapping[str, Any]) -> Claims:
    """What the access token of a session says."""
    return Claims(
        user_id=row["user_id"],
        organization_id=row["organization_id"],
        membership_id=row["membership_id"],
        session_id=row["session_id"],
        role_id=row["role_id"],
        role=row["role_name"],
        epoch=row["epoch"],
        credential_epoch=row["credential_epoch"],
        role_version=row["role_version"],
        scopes=compact(shared_rights(role_scopes(row))),
    )


def member_actor(
    organization_id: UUID, membership_id: UUID, name: str, user_id: UUID | None = None
) -> Actor:
    """A person who is about to join: the author of a change, with no rights to anything."""
    return author_actor(organization_id, "user", membership_id, name, user_id)


def author_actor(
    organization_id: UUID,
    kind: Literal["user", "api_key"],
    principal_id: UUID,
    name: str = "",
    user_id: UUID | None = None,
) -> Actor:
    """Somebody as the author of a change alone: it may do nothing, and is asked for nothing."""
    return Actor(
        kind=kind,
        id=principal_id,
        name=name,
        organization=OrganizationContext(
            id=organization_id,
            slug="",
            presets=(),
            time_zone="UTC",
            default_country=None,
            currency="",
            version=0,
        ),
        role="",
        rights=shared_rights(()),  # one layer that holds nothing: no layer would refuse nothing
        stamps=Stamps(principal_id, 0, 0, 0, 0),
        user_id=user_id,
    )
