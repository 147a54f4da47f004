"""How the parts of sign-in are put together: once for each application."""

from dataclasses import dataclass
from typing import Any

from crm_api.core.db import Database
from crm_api.core.passwords import PasswordHasher, PasswordPolicy
from crm_api.core.tokens import TokenSigner
from crm_api.identity.accounts import Accounts
from crm_api.identity.sessions import Sessions
from crm_api.identity.sign_in import SignIn
from crm_api.identity.throttle import Throttle


@dataclass(frozen=True, slots=True)
class Identity:
    """What the routes of sign-in work with."""

    db: Database
    sessions: Sessions
    sign_in: SignIn
    accounts: Accounts


def build_identity(
    db: Database, signer: TokenSigner, hasher: PasswordHasher, refresh_days: int
) -> Identity:
    throttle = Throttle(db)
    sessions = Sessions(db, signer, refresh_days)
    return Identity(
        db=db,
        sessions=sessions,
        sign_in=SignIn(db, hasher, throttle, sessions),
        accounts=Accounts(db, hasher, PasswordPolicy(), throttle, sessions),
    )


def identity_of(state: Any) -> Identity:
    """The one of this application. Its state has `db`, `signer`, `hasher` and `settings`.

    Made by the first request that needs it, and anew for a new database: an application may be
    started twice, by tests for one.
    """
    known: Identity | None = getattr(state, "identity", None)
    if known is None or known.db is not state.db:
        days = state.settings.refresh_token_days
        known = state.identity = build_identity(state.db, state.signer, state.hasher, days)
    return known
