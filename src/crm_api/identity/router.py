"""The routes of administration: the caller itself, users, roles, API keys."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from crm_api.core.deps import JsonBody
from crm_api.core.jsonbody import Incoming
from crm_api.identity.auth_router import guarded as auth_guarded
from crm_api.identity.auth_router import router as auth
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.identity.keys import ApiKeys
from crm_api.identity.me import read_me, read_permissions
from crm_api.identity.roles import Roles
from crm_api.identity.schemas import (
    ApiKey,
    InvitedUser,
    Me,
    NewApiKey,
    Permissions,
    Role,
    User,
)
from crm_api.identity.users import Users
from crm_api.kit.schemas import Create, Page, Patch
from crm_api.queries import Items, ListQuery, OneQuery
from crm_api.routing import (
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    PathId,
    answers,
    as_list,
    as_one,
    claim,
)

Declared = Depends(strict_query)
Idempotent = Depends(IdempotencyKey())

me = APIRouter(prefix="/v1/me", tags=["me"], route_class=GuardedRoute)
users = APIRouter(prefix="/v1/users", tags=["users"], route_class=GuardedRoute)
roles = APIRouter(prefix="/v1/roles", tags=["roles"], route_class=GuardedRoute)
api_keys = APIRouter(prefix="/v1/api-keys", tags=["api-keys"], route_class=GuardedRoute)

# ---------------------------------------------------------------------------------- the caller


@me.get("", dependencies=[Declared], responses=answers(200, Me, "Who you are."))
async def get_me(scope: CurrentScope, if_none_match: IfNoneMatch = None) -> Response:
    """Read who you are, your role, and your organization."""
    return as_one(await read_me(scope), if_none_match)


@me.get(
    "/permissions", dependencies=[Declared], responses=answers(200, Permissions, "What you may do.")
)
async def get_my_permissions(scope: CurrentScope, if_none_match: IfNoneMatch = None) -> Response:
    """Read what you may do: each resource, field by field, so that a front end need not try."""
    return as_one(await read_permissions(scope), if_none_match)


# --------------------------------------------------------------------------------------- users


@users.get("", responses=answers(200, Page[User], "One page of users."))
async def list_users(
    scope: CurrentScope, request: Request, items: Annotated[Items, Depends(ListQuery(User))]
) -> Response:
    """List the people of the organization, invited and disabled ones too."""
    return as_list(await Users(scope).list(items), request)


@users.post(
    "",
    status_code=201,
    dependencies=[Declared, Idempotent],
    responses=answers(201, InvitedUser, "The user, and the token to accept with."),
)
async def invite_user(
    scope: CurrentScope,
    request: Request,
    body: Annotated[Incoming[Any], Depends(JsonBody(Create[User]))],
) -> Response:
    """Invite a person. Hand over the token yourself: no mail is sent."""
    return as_one(await Users(scope).invite(body, await claim(scope, request)))


@users.get("/{user_id}", responses=answers(200, User, "The user."))
async def get_user(
    scope: CurrentScope,
    user_id: PathId,
    items: Annotated[Items, Depends(OneQuery())],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one user."""
    return as_one(await Users(scope).get(user_id, items), if_none_match)


@users.patch(
    "/{user_id}",
    dependencies=[Declared],
    responses=answers(200, User, "The user after the change."),
)
async def patch_user(
    scope: CurrentScope,
    user_id: PathId,
    body: Annotated[Incoming[Any], Depends(JsonBody(Patch[User]))],
    if_match: IfMatch = None,
) -> Response:
    """Change a user's name or role; the last active administrator stays one."""
    return as_one(await Users(scope).patch(user_id, body, if_match))


@users.post(
    "/{user_id}/disable", dependencies=[Declared], responses=answers(200, User, "The user.")
)
async def disable_user(scope: CurrentScope, user_id: PathId, if_match: IfMatch = None) -> Response:
    """End a user's sessions and keys here, or withdraw an open invitation."""
    return as_one(await Users(scope).disable(user_id, if_match))


@users.post("/{user_id}/enable", dependencies=[Declared], responses=answers(200, User, "The user."))
async def enable_user(scope: CurrentScope, user_id: PathId, if_match: IfMatch = None) -> Response:
    """Let a disabled user sign in again."""
    return as_one(await Users(scope).enable(user_id, if_match))


# --------------------------------------------------------------------------------------- roles


@roles.get("", responses=answers(200, Page[Role], "One page of roles."))
async def list_roles(
    scope: CurrentScope, request: Request, items: Annotated[Items, Depends(ListQuery(Role))]
) -> Response:
    """List the roles: built-in ones and those of the organization."""
    return as_list(await Roles(scope).list(items), request)


@roles.post(
    "",
    status_code=201,
    dependencies=[Declared, Idempotent],
    responses=answers(201, Role, "The new role."),
)
async def create_role(
    scope: CurrentScope,
    request: Request,
    body: Annotated[Incoming[Any], Depends(JsonBody(Create[Role]))],
) -> Response:
    """Create a role with scopes that you hold yourself."""
    return as_one(await Roles(scope).create(body, await claim(scope, request)))


@roles.get("/{role_id}", responses=answers(200, Role, "The role."))
async def get_role(
    scope: CurrentScope,
    role_id: PathId,
    items: Annotated[Items, Depends(OneQuery())],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one role with its scopes."""
    return as_one(await Roles(scope).get(role_id, items), if_none_match)


@roles.patch(
    "/{role_id}",
    dependencies=[Declared],
    responses=answers(200, Role, "The role after the change."),
)
async def patch_role(
    scope: CurrentScope,
    role_id: PathId,
    body: Annotated[Incoming[Any], Depends(JsonBody(Patch[Role]))],
    if_match: IfMatch = None,
) -> Response:
    """Change a role; it acts on the next request of each of its members."""
    return as_one(await Roles(scope).patch(role_id, body, if_match))


@roles.delete(
    "/{role_id}",
    status_code=204,
    dependencies=[Declared],
    responses=answers(204, None, "Deleted."),
)
async def delete_role(scope: CurrentScope, role_id: PathId, if_match: IfMatch = None) -> Response:
    """Delete a role that nobody has."""
    await Roles(scope).delete(role_id, if_match)
    return Response(status_code=204)


# ------------------------------------------------------------------------------------ API keys


@api_keys.get("", responses=answers(200, Page[ApiKey], "One page of API keys."))
async def list_api_keys(
    scope: CurrentScope, request: Request, items: Annotated[Items, Depends(ListQuery(ApiKey))]
) -> Response:
    """List the API keys that are not revoked, without their secrets."""
    return as_list(await ApiKeys(scope).list(items), request)


@api_keys.post(
    "",
    status_code=201,
    dependencies=[Declared, Idempotent],
    responses=answers(201, NewApiKey, "The key; its secret is shown this once."),
)
async def create_api_key(
    scope: CurrentScope,
    request: Request,
    body: Annotated[Incoming[Any], Depends(JsonBody(Create[ApiKey]))],
) -> Response:
    """Create an API key within your own rights; it follows your role from then on."""
    return as_one(await ApiKeys(scope).create(body, await claim(scope, request)))


@api_keys.get("/{api_key_id}", responses=answers(200, ApiKey, "The API key."))
async def get_api_key(
    scope: CurrentScope,
    api_key_id: PathId,
    items: Annotated[Items, Depends(OneQuery())],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one API key, without its secret."""
    return as_one(await ApiKeys(scope).get(api_key_id, items), if_none_match)


@api_keys.delete(
    "/{api_key_id}",
    status_code=204,
    dependencies=[Declared],
    responses=answers(204, None, "Revoked."),
)
async def revoke_api_key(
    scope: CurrentScope, api_key_id: PathId, if_match: IfMatch = None
) -> Response:
    """Revoke an API key: its next request is refused."""
    await ApiKeys(scope).revoke(api_key_id, if_match)
    return Response(status_code=204)


# The callers' own routes first: front ends ask them most.
router = APIRouter()
for part in (me, auth, auth_guarded, users, roles, api_keys):
    router.include_router(part)
