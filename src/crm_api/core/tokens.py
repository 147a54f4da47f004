"""Issues and verifies everything a caller proves itself with; knows no table and no route.

Access tokens are signed JWTs (RFC 9068); API keys, refresh tokens and invitations are opaque
secrets of which the database keeps a digest. None is accepted in another one's place.
"""

import hashlib
import hmac
import json
import re
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

from jose import jwk, jws, jwt
from jose.backends.base import Key
from jose.exceptions import ExpiredSignatureError, JOSEError

from crm_api.core.errors import Refusal

Clock = Callable[[], float]

ALGORITHM: Final = "HS256"
MIN_KEY_BYTES: Final = 32  # RFC 7518 §3.2: a key as long as the hash, or longer
MAX_LIVE_KEYS: Final = 2
MAX_READ_BYTES: Final = 4096
MAX_ISSUED_BYTES: Final = 2048
MAX_ACCESS_SECONDS: Final = 15 * 60
LEEWAY_SECONDS: Final = 5
MAX_COUNTER: Final = 2**63 - 1

# Base64url without padding. The last character of a 256-bit signature carries four bits only:
# with any other ending, one signature would have four spellings.
_JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 §3.3
# python-jose demands none of these by itself. `at_hash` belongs to ID tokens and is refused.
_OPTIONS: Final = {
    "require_aud": True,
    "require_exp": True,
    "require_iat": True,
    "require_iss": True,
    "require_jti": True,
    "require_nbf": True,
    "require_sub": True,
    "leeway": LEEWAY_SECONDS,
}


class InvalidToken(Refusal):
    """The one answer to every token that does not hold.

    `reason` is for the log: a short constant or the name of an exception type, never a value.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(
            "invalid_token",
            detail,
            headers={"WWW-Authenticate": 'Bearer error="invalid_token"'},  # RFC 6750 §3
        )
        self.reason = reason


class TokenKind(StrEnum):
    """What a signed token is for; the value is its `typ` header (RFC 8725 §3.11)."""

    ACCESS = "at+jwt"


class SecretKind(StrEnum):
    """What an opaque secret is for; the value is the first part of its text."""

    API_KEY = "crm"
    REFRESH = "crt"
    INVITATION = "cin"
    CALENDAR = "cal"


@dataclass(frozen=True, slots=True)
class Claims:
    """What an access token says. It is a snapshot: the live role is what counts.

    `scopes` is the compact wildcard form. Empty means "not carried" (they did not fit, or there
    are none) and never "nothing allowed": ask the role. `issued` and `expires` are seconds since
    the epoch and are set by the signer, whatever the caller put there.
    """

    user_id: UUID
    organization_id: UUID
    membership_id: UUID
    session_id: UUID
    role_id: UUID
    role: str
    epoch: int
    credential_epoch: int
    role_version: int
    scopes: tuple[str, ...] = ()
    issued: int = 0
    expires: int = 0


@dataclass(frozen=True, slots=True)
class _LiveKey:
    key: Key
    kid: str

    def header(self, kind: TokenKind) -> str:
        """The first segment of every token of this kind that this key signs, byte for byte."""
        text = jws.sign(b"", self.key, headers=self._fields(kind), algorithm=ALGORITHM)
        return text.partition(".")[0]

    def sign(self, payload: bytes, kind: TokenKind) -> str:
        return jws.sign(payload, self.key, headers=self._fields(kind), algorithm=ALGORITHM)

    def _fields(self, kind: TokenKind) -> dict[str, str]:
        return {"typ": kind.value, "kid": self.kid}


class TokenSigner:
    """Signs with the first key, verifies with each: for a rotation put the new key in front.

    Raises ValueError on keys that must not be used, so that the process does not start.
    """

    def __init__(
        self,
        keys: Sequence[bytes],
        issuer: str,
        audience: str,
        access_seconds: int,
        *,
        clock: Clock = time.time,
    ) -> None:
        if not 0 < access_seconds <= MAX_ACCESS_SECONDS:
            raise ValueError(f"access tokens live for 1 to {MAX_ACCESS_SECONDS} seconds")
        if not issuer or not audience:
            raise ValueError("tokens need an issuer and an audience")
        live = _live_keys(keys)
        self.access_seconds = access_seconds
        self._issuer = issuer
        self._audience = audience
        self._clock = clock
        self._signing = live[0]
        # A token must begin with one of these very texts, so no header that somebody else wrote
        # is ever parsed: `alg`, `typ`, `kid`, `crit`, `jwk` and depth have nothing to work on.
        self._by_header = {(kind, key.header(kind)): key for key in live for kind in TokenKind}

    def issue_access(self, claims: Claims) -> str:
        """A token of at most 2 KiB; scopes that do not fit are left out (see `Claims.scopes`)."""
        issued = int(self._clock())
        stamped = replace(claims, issued=issued, expires=issued + self.access_seconds)
        token = self._signing.sign(self._payload(stamped), TokenKind.ACCESS)
        if len(token) > MAX_ISSUED_BYTES:
            bare = replace(stamped, scopes=())
            token = self._signing.sign(self._payload(bare), TokenKind.ACCESS)
        if len(token) > MAX_ISSUED_BYTES:
            raise ValueError("the name of the role does not fit into a token")
        return token

    def decode_token(self, token: str, kind: TokenKind) -> Claims:
        """The claims of a token that holds now; InvalidToken for anything else at all."""
        try:
            return self._decode(token, kind)
        except InvalidToken:
            raise
        except ExpiredSignatureError:
            raise InvalidToken("expired", "The token has expired.") from None
        except Exception as error:  # noqa: BLE001 - hostile tokens make the library raise
            # RecursionError, TypeError, OverflowError and more. The chain is cut because some
            # of them carry the token, which must not reach a log.
            raise InvalidToken(type(error).__name__) from None

    def _decode(self, token: str, kind: TokenKind) -> Claims:
        if len(token) > MAX_READ_BYTES:
            raise InvalidToken("size")
        if _JWT.fullmatch(token) is None:
            raise InvalidToken("shape")
        live = self._by_header.get((kind, token.partition(".")[0]))
        if live is None:
            raise InvalidToken("header")
        body = jwt.decode(
            token,
            live.key,
            algorithms=[ALGORITHM],
            options=_OPTIONS,
            audience=self._audience,
            issuer=self._issuer,
        )
        # The library takes a list that contains our name; a token for others too is not ours.
        if body["aud"] != self._audience:
            raise InvalidToken("audience")
        claims = _read_claims(body)
        self._check_times(claims, _counter(body["nbf"]))
        return claims

    def _check_times(self, claims: Claims, not_before: int) -> None:
        now = self._clock()
        if claims.expires <= now:
            raise InvalidToken("expired", "The token has expired.")
        if max(claims.issued, not_before) > now + LEEWAY_SECONDS:
            raise InvalidToken("future")
        if not 0 < claims.expires - claims.issued <= MAX_ACCESS_SECONDS:
            raise InvalidToken("lifetime")

    def _payload(self, claims: Claims) -> bytes:
        body: dict[str, object] = {
            "iss": self._issuer,
            "aud": self._audience,
            "iat": claims.issued,
            "nbf": claims.issued,
            "exp": claims.expires,
            "jti": secrets.token_urlsafe(12),
            "sub": str(claims.user_id),
            "org": str(claims.organization_id),
            "mem": str(claims.membership_id),
            "sid": str(claims.session_id),
            "rid": str(claims.role_id),
            "role": claims.role,
            "epoch": claims.epoch,
            "credential_epoch": claims.credential_epoch,
            "role_version": claims.role_version,
        }
        if claims.scopes:
            if not all(_SCOPE.fullmatch(scope) for scope in claims.scopes):
                raise ValueError("a scope is printable ASCII without spaces")
            body["scope"] = " ".join(claims.scopes)
        return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


class VerifiedTokens:
    """Remembers the claims of tokens that were verified until they expire, least used out first.

    A signature never stops being right, so only the times are looked at again; whether the
    session still lives is the database's business on every request. Tokens are remembered by
    their digest: a copy of the memory holds none. For one event loop, not for threads.
    """

    def __init__(
        self, signer: TokenSigner, *, capacity: int = 8192, clock: Clock = time.time
    ) -> None:
        if capacity < 1:
            raise ValueError("the cache holds at least one token")
        self._signer = signer
        self._capacity = capacity
        self._clock = clock
        self._known: OrderedDict[bytes, Claims] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def claims(self, token: str) -> Claims:
        """The claims of an access token, or InvalidToken."""
        if len(token) > MAX_READ_BYTES:
            raise InvalidToken("size")
        try:
            digest = hashlib.sha256(token.encode("ascii")).digest()
        except UnicodeEncodeError:
            raise InvalidToken("shape") from None
        known = self._known.get(digest)
        if known is not None:
            now = self._clock()
            if known.issued - LEEWAY_SECONDS <= now < known.expires:
                self._known.move_to_end(digest)
                return known
            del self._known[digest]
        return self._remember(digest, self._signer.decode_token(token, TokenKind.ACCESS))

    def _remember(self, digest: bytes, claims: Claims) -> Claims:
        self._known[digest] = claims
        if len(self._known) > self._capacity:
            self._known.popitem(last=False)
        return claims


class NewSecret(NamedTuple):
    """A secret at the only moment when its text is known; the digest is what gets stored."""

    text: str
    digest: bytes

    def __repr__(self) -> str:
        return "NewSecret(text=<hidden>, digest=<hidden>)"


class ParsedSecret(NamedTuple):
    """Where a presented secret says it belongs. Nothing is proved before the digests match."""

    organization_id: UUID
    id: UUID
    digest: bytes

    def __repr__(self) -> str:
        return f"ParsedSecret({self.organization_id}, {self.id}, digest=<hidden>)"


_SECRETS: Final = {
    kind: re.compile(rf"{kind.value}_([0-9a-f]{{32}})_([0-9a-f]{{32}})_[0-9a-f]{{64}}")
    for kind in SecretKind
}


def new_secret(kind: SecretKind, organization_id: UUID, row_id: UUID) -> NewSecret:
    """`<kind>_<organization>_<row>_<256 random bits>`, in hexadecimal: 134 ASCII characters.

    The ids are in clear so that the row is found by its key, inside its organization's row
    security. The digest covers the whole text: a secret moved to another kind, organization or
    row is another secret. A fast hash is enough, because nobody can guess 256 bits.
    """
    text = f"{kind.value}_{organization_id.hex}_{row_id.hex}_{secrets.token_hex(32)}"
    return NewSecret(text, hashlib.sha256(text.encode("ascii")).digest())


def parse_secret(text: str, kind: SecretKind) -> ParsedSecret:
    """Take a secret apart, or raise InvalidToken; each secret has exactly one spelling."""
    found = _SECRETS[kind].fullmatch(text)
    if found is None:
        raise InvalidToken("shape")
    digest = hashlib.sha256(text.encode("ascii")).digest()
    return ParsedSecret(UUID(hex=found[1]), UUID(hex=found[2]), digest)


def same_digest(stored: bytes | None, presented: bytes) -> bool:
    """Compare in constant time. No row (None) is compared as well, and is never the same."""
    equal = hmac.compare_digest(stored if stored is not None else bytes(32), presented)
    return equal and stored is not None


def _live_keys(keys: Sequence[bytes]) -> list[_LiveKey]:
    if not 1 <= len(keys) <= MAX_LIVE_KEYS:
        raise ValueError(f"there are 1 to {MAX_LIVE_KEYS} live signing keys")
    if any(len(key) < MIN_KEY_BYTES for key in keys):
        raise ValueError(f"a signing key has at least {MIN_KEY_BYTES} bytes")
    if len(set(keys)) != len(keys):
        raise ValueError("two live signing keys are two different keys")
    try:
        # A key object, because the library would read a key of plain bytes as JSON if it can.
        return [_LiveKey(jwk.construct(key, ALGORITHM), _kid(key)) for key in keys]
    except JOSEError:
        raise ValueError("a signing key is random bytes, not a certificate or a key pair") from None


def _kid(key: bytes) -> str:
    """A name for a key that every process derives alike and that gives nothing of it away."""
    return hmac.digest(key, b"crm-api signing key name", "sha256").hex()[:12]


def _read_claims(body: Mapping[str, Any]) -> Claims:
    """Strict, although the signature holds: an older or newer release may have written it."""
    return Claims(
        user_id=_uuid(body["sub"]),
        organization_id=_uuid(body["org"]),
        membership_id=_uuid(body["mem"]),
        session_id=_uuid(body["sid"]),
        role_id=_uuid(body["rid"]),
        role=_text(body["role"]),
        epoch=_counter(body["epoch"]),
        credential_epoch=_counter(body["credential_epoch"]),
        role_version=_counter(body["role_version"]),
        scopes=tuple(_text(body["scope"]).split(" ")) if "scope" in body else (),
        issued=_counter(body["iat"]),
        expires=_counter(body["exp"]),
    )


def _uuid(value: object) -> UUID:
    found = UUID(_text(value))
    if str(found) != value:
        raise InvalidToken("claims")
    return found


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise InvalidToken("claims")
    return value


def _counter(value: object) -> int:
    """An integer as JSON writes it: no bool, no 1.0, no text, nothing that a bigint cannot hold."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_COUNTER:
        raise InvalidToken("claims")
    return value
