"""How roles and people come into an organization without being invited: bootstrap, demo, tests."""

from dataclasses import dataclass
from uuid import UUID

from crm_api.core.access import ROLES
from crm_api.core.db import Database, UniqueClash
from crm_api.core.errors import Refusal
from crm_api.core.formats.emails import parse_email
from crm_api.core.ids import new_id
from crm_api.identity import repository as sql
from crm_api.identity import statements as sign_in_sql


@dataclass(frozen=True, slots=True)
class Added:
    """A person in an organization. `is_new` is false for one that was known: its password stays."""

    membership_id: UUID
    user_id: UUID
    is_new: bool


async def add_builtin_roles(db: Database, organization_id: UUID) -> None:
    """The four built-in roles. Their scopes are not stored: each release declares them."""
    for name in ROLES:
        values = {
            "org": organization_id,
            "id": new_id(),
            "name": name,
            "scopes": [],
            "builtin": True,
        }
        await db.fetchrow(organization_id, sql.ADD_ROLE, values)


async def add_user(
    db: Database,
    organization_id: UUID,
    *,
    email: str,
    name: str,
    role: str,
    password_hash: str | None,
) -> Added:
    """Make a person a member, in one transaction.

    Args:
        role: the name of one of the organization's roles.
        password_hash: of a new person; a known one keeps name and password.

    Raises:
        Refusal: `not_found` for the role, `already_exists` for a member.
        ValueError: the address is none.
    """
    address = parse_email(email)
    org = {"org": organization_id}
    async with db.transaction(organization_id):
        found = await db.fetchrow(organization_id, sql.ROLE_BY_NAME, org | {"name": role})
        if found is None:
            raise Refusal("not_found", "There is no role of this name.")
        person = {
            "user_id": new_id(),
            "email": address.address,
            "email_key": address.key,
            "name": name,
            "password_hash": password_hash,
        }
        new = await db.fetchrow(None, sign_in_sql.ADD_PERSON, person)
        known = await db.fetchrow(
            None, sign_in_sql.PERSON_BY_EMAIL, {"email_key": address.key}
        )
        added = Added(new_id(), known["id"], is_new=new is not None)
        member = {
            "membership_id": added.membership_id,
            "user_id": added.user_id,
            "role_id": found["id"],
        }
        try:
            await db.fetchrow(organization_id, sign_in_sql.ADD_MEMBERSHIP, org | member)
        except UniqueClash:
            raise Refusal("already_exists", "This person is a member already.") from None
        await db.fetchrow(
            organization_id, sign_in_sql.ADD_TO_INDEX, org | {"user_id": added.user_id}
        )
    return added
