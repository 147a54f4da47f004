"""The routes of sign-in. None takes an idempotency key: a reply with a secret is never stored."""

from typing import Annotated, TypeVar

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from crm_api.core.access import RequestContext
from crm_api.core.deps import JsonBody, declared_query
from crm_api.core.errors import refuse_all
from crm_api.core.jsonbody import Incoming
from crm_api.identity.deps import CurrentScope, GuardedRoute
from crm_api.identity.schemas import (
    Acceptance,
    AcceptInvitationBody,
    LoginBody,
    PasswordBody,
    RefreshBody,
    TokenPair,
)
from crm_api.identity.wiring import Identity
from crm_api.kit.replies import as_text
from crm_api.routing import answers, as_json

Declared = Depends(declared_query)
router = APIRouter(prefix="/v1/auth", tags=["sign-in"], dependencies=[Declared])
guarded = APIRouter(prefix="/v1/auth", tags=["sign-in"], route_class=GuardedRoute)

T = TypeVar("T", bound=BaseModel)


def _identity(request: Request) -> Identity:
    found: Identity = request.app.state.identity
    return found


def _context(request: Request) -> RequestContext:
    return RequestContext(
        request_id=request.state.request_id,
        address=request.client.host if request.client else None,
        user_agent=(request.headers.get("user-agent") or "")[:200] or None,
    )


def _read(body: Incoming[T]) -> T:
    """The body, where nobody's rights have to be asked first."""
    if body.value is None:
        raise refuse_all(body.faults)
    return body.value


@router.post("/login", responses=answers(200, TokenPair, "A pair of tokens."))
async def login(
    request: Request, body: Annotated[Incoming[LoginBody], Depends(JsonBody(LoginBody))]
) -> Response:
    """Sign in with e-mail and password; name the organization when you belong to several."""
    pair = await _identity(request).sign_in.login(_read(body), _context(request))
    return as_json(as_text(pair.as_json()))


@router.post("/refresh", responses=answers(200, TokenPair, "A new pair of tokens."))
async def refresh(
    request: Request, body: Annotated[Incoming[RefreshBody], Depends(JsonBody(RefreshBody))]
) -> Response:
    """Renew the tokens. A refresh token is good once: using it again later ends the session."""
    sent = _read(body).refresh_token
    pair = await _identity(request).sessions.renew(sent, _context(request))
    return as_json(as_text(pair.as_json()))


@router.post("/accept-invitation", responses=answers(200, Acceptance, "Where you now belong."))
async def accept_invitation(
    request: Request,
    body: Annotated[Incoming[AcceptInvitationBody], Depends(JsonBody(AcceptInvitationBody))],
) -> Response:
    """Join an organization; a new person chooses a password, a known one keeps the present one."""
    accounts = _identity(request).accounts
    accepted = await accounts.accept_invitation(_read(body), _context(request))
    return as_json(as_text(accepted.as_json()))


@guarded.post(
    "/logout", status_code=204, dependencies=[Declared], responses=answers(204, None, "Signed out.")
)
async def logout(scope: CurrentScope, request: Request) -> Response:
    """End this session: its access and refresh tokens are refused from now on."""
    await _identity(request).accounts.log_out(scope)
    return Response(status_code=204)


@guarded.post(
    "/password",
    dependencies=[Declared],
    responses=answers(200, TokenPair, "A new pair; every older token is refused."),
)
async def change_password(
    scope: CurrentScope,
    request: Request,
    body: Annotated[Incoming[PasswordBody], Depends(JsonBody(PasswordBody))],
) -> Response:
    """Change your password; it ends every session of yours, in every organization."""
    pair = await _identity(request).accounts.change_password(scope, _read(body))
    return as_json(as_text(pair.as_json()))
