"""What the tests of tokens share: a signer, claims, and the forging of tokens by hand."""

import base64
import hmac
import json
import time
from typing import Any
from uuid import UUID

import pytest

from crm_api.core.tokens import (
    Claims,
    InvalidToken,
    TokenKind,
    TokenSigner,
    VerifiedTokens,
)

KEY = b"the first signing key, 32 bytes!"
OLD = b"an older signing key of 32 bytes"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
CLAIMS = Claims(
    user_id=UUID("01890a5d-ac96-774b-bcce-b30209000001"),
    organization_id=UUID("01890a5d-ac96-774b-bcce-b30209000002"),
    membership_id=UUID("01890a5d-ac96-774b-bcce-b30209000003"),
    session_id=UUID("01890a5d-ac96-774b-bcce-b30209000004"),
    role_id=UUID("01890a5d-ac96-774b-bcce-b30209000005"),
    role="front_desk",
    epoch=1,
    credential_epoch=2,
    role_version=3,
    scopes=("clients.*:read", "contacts.*:*"),
)


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


CLOCK = Clock()
"""It stands still: what is made when the tests are collected holds when a long run comes to it."""


def signer(*keys: bytes, seconds: int = 900, clock: Any = CLOCK, **other: str) -> TokenSigner:
    names = {"issuer": "crm-api", "audience": "crm-api"} | other
    return TokenSigner(
        keys or (KEY,), names["issuer"], names["audience"], access_seconds=seconds, clock=clock
    )


SIGNER = signer()
GOOD = SIGNER.issue_access(CLAIMS)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


HEADER: dict[str, Any] = json.loads(unb64(GOOD.split(".")[0]))
BODY: dict[str, Any] = json.loads(unb64(GOOD.split(".")[1]))


def forge(header: object, body: object, key: bytes = KEY, digest: str = "sha256") -> str:
    """A token signed by hand: bytes stay as they are, all else becomes JSON as the library's."""
    parts = [
        part if isinstance(part, bytes) else json.dumps(part, separators=(",", ":")).encode()
        for part in (header, body)
    ]
    signed = ".".join(map(b64, parts))
    return f"{signed}.{b64(hmac.digest(key, signed.encode(), digest))}"


def refused(token: str, by: TokenSigner = SIGNER) -> InvalidToken:
    with pytest.raises(InvalidToken) as caught:
        by.decode_token(token, TokenKind.ACCESS)
    with pytest.raises(InvalidToken):
        VerifiedTokens(by).claims(token)
    return caught.value
