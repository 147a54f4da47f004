"""How the parts of sign-in are put together: once for each process."""

from dataclasses import dataclass

from crm_api.core.db import Database
from crm_api.core.passwords import PasswordHasher, PasswordPolicy
from crm_api.core.tokens import TokenSigner, VerifiedTokens
from crm_api.identity.accounts import Accounts
from crm_api.identity.resolver import Resolver
from crm_api.identity.sessions import Sessions
from crm_api.identity.sign_in import SignIn
from crm_api.identity.throttle import Throttle


@dataclass(frozen=True, slots=True)
class Identity:
    """What the routes of sign-in work with: `app.state.identity`."""

    resolver: Resolver
    sessions: Sessions
    sign_in: SignIn
    accounts: Accounts


def build_identity(
    db: Database,
    signer: TokenSigner,
    hasher: PasswordHasher,
    policy: PasswordPolicy,
    refresh_days: int,
) -> Identity:
    throttle = Throttle(db)
    sessions = Sessions(db, signer, refresh_days)
    return Identity(
        resolver=Resolver(db, VerifiedTokens(signer)),
        sessions=sessions,
        sign_in=SignIn(db, hasher, throttle, sessions),
        accounts=Accounts(db, hasher, policy, throttle, sessions),
    )
