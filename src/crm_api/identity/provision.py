"""How roles and people come into an organization without being invited: bootstrap, demo, tests."""

from uuid import UUID

from crm_api.core.access import ROLES
from crm_api.core.db import Database, UniqueClash
from crm_api.core.errors import Refusal
from crm_api.core.formats.emails import parse_email
from crm_api.core.ids import new_id
from crm_api.core.passwords import PasswordHasher
from crm_api.identity import repository as sql
from crm_api.identity import statements as sign_in_sql


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
    hasher: PasswordHasher,
    organization_id: UUID,
    *,
    email: str,
    name: str,
    role: str,
    password: str,
) -> UUID:
    """Make a person a member, and answer the membership's id. One transaction.

    A person who is known already keeps name and password. The password is taken as it is: whoever
    calls has asked the policy, or has made it.

    Args:
        role: the name of one of the organization's roles.

    Raises:
        Refusal: `not_found` for the role, `already_exists` for a member.
        ValueError: the address is none.
    """
    address = parse_email(email)
    password_hash = await hasher.hash(password)
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
        await db.fetchrow(None, sign_in_sql.ADD_PERSON, person)
        known = await db.fetchrow(None, sign_in_sql.PERSON_BY_EMAIL, {"email_key": address.key})
        membership_id = new_id()
        member = {
            "membership_id": membership_id,
            "user_id": known["id"],
            "role_id": found["id"],
        }
        try:
            await db.fetchrow(organization_id, sign_in_sql.ADD_MEMBERSHIP, org | member)
        except UniqueClash:
            raise Refusal("already_exists", "This person is a member already.") from None
        index = org | {"user_id": known["id"]}
        await db.fetchrow(organization_id, sign_in_sql.ADD_TO_INDEX, index)
    return membership_id
