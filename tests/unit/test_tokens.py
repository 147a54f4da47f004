"""Tokens and secrets: what is issued comes back, and nothing else is taken for it."""

import base64
import hashlib
import hmac
import itertools
import json
import time
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given
from hypothesis import strategies as st
from jose import jwt

from crm_api.core.errors import Refusal
from crm_api.core.tokens import (
    MAX_ISSUED_BYTES,
    Claims,
    InvalidToken,
    SecretKind,
    TokenKind,
    TokenSigner,
    VerifiedTokens,
    new_secret,
    parse_secret,
    same_digest,
)

KEY = b"the first signing key, 32 bytes!"
OLD = b"an older signing key of 32 bytes"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
CLAIMS = Claims(
    user_id=uuid4(),
    organization_id=uuid4(),
    membership_id=uuid4(),
    session_id=uuid4(),
    role_id=uuid4(),
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


def signer(*keys: bytes, seconds: int = 900, clock: Any = time.time, **other: str) -> TokenSigner:
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


# --------------------------------------------------------------------------- what holds


def test_claims_come_back_with_the_times_of_the_signer() -> None:
    before = int(time.time())
    found = SIGNER.decode_token(SIGNER.issue_access(CLAIMS), TokenKind.ACCESS)
    assert before <= found.issued <= time.time()
    assert found.expires == found.issued + 900
    assert replace(found, issued=0, expires=0) == CLAIMS


def test_a_token_forged_with_the_key_and_nothing_changed_holds() -> None:
    """The control of every refusal below: the forger's tokens differ in one thing only."""
    assert SIGNER.decode_token(forge(HEADER, BODY), TokenKind.ACCESS).user_id == CLAIMS.user_id


def test_a_role_without_scopes_and_with_letters_of_any_script_comes_back() -> None:
    claims = replace(CLAIMS, role="Empfänger 受付 😀", scopes=())
    found = SIGNER.decode_token(SIGNER.issue_access(claims), TokenKind.ACCESS)
    assert (found.role, found.scopes) == (claims.role, ())


def test_two_tokens_of_one_second_differ() -> None:
    assert SIGNER.issue_access(CLAIMS) != SIGNER.issue_access(CLAIMS)


def test_a_token_stays_within_two_kibibytes_by_leaving_out_scopes() -> None:
    sizes = []
    for count in range(0, 200, 10):
        scopes = tuple(f"clients.group_{n}:read" for n in range(count))
        token = SIGNER.issue_access(replace(CLAIMS, scopes=scopes))
        sizes.append(len(token))
        assert SIGNER.decode_token(token, TokenKind.ACCESS).scopes in {scopes, ()}
    assert max(sizes) <= MAX_ISSUED_BYTES
    assert sizes[-1] == sizes[0]


def test_a_role_name_of_a_hundred_wide_characters_fits() -> None:
    assert len(SIGNER.issue_access(replace(CLAIMS, role="😀" * 100))) <= MAX_ISSUED_BYTES


def test_a_role_name_that_cannot_fit_is_the_callers_error() -> None:
    with pytest.raises(ValueError, match="role"):
        SIGNER.issue_access(replace(CLAIMS, role="r" * 2000))


@pytest.mark.parametrize("scope", ["", "two words", "naïve", "line\nbreak", 'a"b', "a\\b"])
def test_a_scope_that_would_read_as_another_is_not_issued(scope: str) -> None:
    with pytest.raises(ValueError, match="scope"):
        SIGNER.issue_access(replace(CLAIMS, scopes=(scope,)))


# --------------------------------------------------------------------------- keys


def test_after_a_rotation_old_and_new_tokens_hold_and_the_new_key_signs() -> None:
    before, during, after = signer(OLD), signer(KEY, OLD), signer(KEY)
    old, new = before.issue_access(CLAIMS), during.issue_access(CLAIMS)
    assert during.decode_token(old, TokenKind.ACCESS).role == "front_desk"
    assert after.decode_token(new, TokenKind.ACCESS).role == "front_desk"
    refused(old, by=after)
    refused(new, by=before)


def test_one_live_key_cannot_sign_under_the_name_of_the_other() -> None:
    refused(forge(HEADER, BODY, OLD), by=signer(KEY, OLD))


@pytest.mark.parametrize(
    "keys",
    [
        [],
        [b""],
        [KEY[:31]],
        [KEY, b"short"],
        [KEY, KEY],
        [KEY, OLD, bytes(32)],
        [b"-----BEGIN PUBLIC KEY-----\n" + b"A" * 64 + b"\n-----END PUBLIC KEY-----\n"],
        [b"ssh-rsa " + b"A" * 64],
    ],
)
def test_weak_or_ambiguous_keys_stop_the_start(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="key"):
        TokenSigner(keys, "crm-api", "crm-api", 900)


@pytest.mark.parametrize("key", [b"1" * 40, b'{"keys": ["x", "y", "z", "u", "v"]}', b'"' * 32])
def test_a_key_that_reads_as_json_is_still_bytes(key: bytes) -> None:
    token = signer(key).issue_access(CLAIMS)
    assert signer(key).decode_token(token, TokenKind.ACCESS).epoch == 1
    refused(forge(json.loads(unb64(token.split(".")[0])), BODY, b"x"), by=signer(key))


@pytest.mark.parametrize("seconds", [0, -1, 901, 86_400])
def test_access_longer_than_fifteen_minutes_stops_the_start(seconds: int) -> None:
    with pytest.raises(ValueError, match="seconds"):
        signer(seconds=seconds)


def test_a_signer_without_a_name_stops_the_start() -> None:
    with pytest.raises(ValueError, match="issuer and an audience"):
        signer(issuer="")
    with pytest.raises(ValueError, match="issuer and an audience"):
        signer(audience="")


def test_no_part_of_a_key_stands_in_a_token() -> None:
    assert KEY.hex() not in unb64(GOOD.split(".")[0]).decode()
    assert HEADER.keys() == {"alg", "kid", "typ"}


# --------------------------------------------------------------------------- hostile headers

DEEP = b'{"alg":"HS256","typ":"at+jwt","x":' + b"[" * 900 + b"]" * 900 + b"}"


@pytest.mark.parametrize(
    "header",
    [
        HEADER | {"alg": "none"},
        HEADER | {"alg": "None"},
        HEADER | {"alg": ""},
        HEADER | {"alg": None},
        HEADER | {"alg": ["HS256"]},
        HEADER | {"alg": {"HS256": 1}},
        HEADER | {"alg": "hs256"},
        HEADER | {"alg": "HS384"},
        HEADER | {"alg": "RS256"},
        HEADER | {"alg": "ES256"},
        HEADER | {"typ": "JWT"},
        HEADER | {"typ": "rt+jwt"},
        HEADER | {"typ": "AT+JWT"},
        HEADER | {"typ": "application/at+jwt"},
        HEADER | {"typ": None},
        {"alg": "HS256", "kid": HEADER["kid"]},
        {"alg": "HS256", "typ": "at+jwt"},
        {"typ": "at+jwt", "kid": HEADER["kid"]},
        HEADER | {"kid": "../../../../dev/null"},
        HEADER | {"kid": "/proc/self/environ"},
        HEADER | {"kid": "' UNION SELECT 'key"},
        HEADER | {"kid": ""},
        HEADER | {"kid": None},
        HEADER | {"kid": 0},
        HEADER | {"kid": [HEADER["kid"]]},
        HEADER | {"kid": HEADER["kid"] + "\x00"},
        HEADER | {"crit": ["exp"]},
        HEADER | {"crit": []},
        HEADER | {"crit": ["b64"], "b64": False},
        HEADER | {"jwk": {"kty": "oct", "k": b64(KEY)}},
        HEADER | {"jku": "https://attacker.example/keys"},
        HEADER | {"x5u": "https://attacker.example/cert"},
        HEADER | {"zip": "DEF"},
        HEADER | {"cty": "JWT"},
        [],
        "HS256",
        None,
        1,
        b"",
        b"{",
        b"\xff\xfe{}",
        b'{"alg":"HS256","alg":"none"}',
        b'{"alg":"\\ud800"}',
        b'{"alg":NaN}',
        b'{"alg":1e999}',
        b"\xef\xbb\xbf" + json.dumps(HEADER).encode(),
        json.dumps(HEADER, separators=(", ", ":")).encode(),
        DEEP,
        b"[" * 2900,
    ],
)
def test_a_header_that_we_did_not_write_is_refused_though_the_key_signed_it(header: object) -> None:
    refused(forge(header, BODY))


def test_an_unsigned_token_is_refused() -> None:
    head, body, _ = GOOD.split(".")
    none = b64(json.dumps({"alg": "none", "typ": "at+jwt"}).encode())
    for token in (f"{none}.{body}.", f"{none}.{body}", f"{head}.{body}.", f"{head}.{body}"):
        refused(token)


def test_a_token_signed_by_another_algorithm_or_key_kind_is_refused() -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    own = private.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    refused(jwt.encode(dict(BODY), own, algorithm="RS256", headers=HEADER | {"alg": "RS256"}))
    refused(jwt.encode(dict(BODY), own, algorithm="RS256", headers=HEADER))
    refused(forge(HEADER, BODY, pem))
    refused(forge(HEADER | {"alg": "HS512"}, BODY, digest="sha512"))
    refused(forge(HEADER, BODY, digest="sha512"))


# --------------------------------------------------------------------------- hostile claims


@pytest.mark.parametrize("claim", sorted(BODY.keys() - {"scope"}))
def test_a_token_without_one_of_its_claims_is_refused(claim: str) -> None:
    refused(forge(HEADER, {name: value for name, value in BODY.items() if name != claim}))


NUMBERS = ["exp", "iat", "nbf", "epoch", "credential_epoch", "role_version"]
IDS = ["sub", "org", "mem", "sid", "rid"]
NOT_A_NUMBER: list[Any] = ["", "1", "9999999999", None, True, 1.5, [], {}, -1, 2**63, 10**400]
NOT_A_TEXT: list[Any] = [None, 0, True, 1.5, [], {}, ""]
NOT_AN_ID: list[Any] = [
    *NOT_A_TEXT,
    "admin",
    str(CLAIMS.user_id).upper(),
    CLAIMS.user_id.hex,
    f"{{{CLAIMS.user_id}}}",
    f"urn:uuid:{CLAIMS.user_id}",
    [str(CLAIMS.user_id)],
    "\ud800",
]


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        *itertools.product(NUMBERS, NOT_A_NUMBER),
        *itertools.product(IDS, NOT_AN_ID),
        *itertools.product(["role", "scope", "iss", "aud"], NOT_A_TEXT),
        *itertools.product(["jti"], [None, 0, [], {}]),
        ("iss", "other"),
        ("iss", ["crm-api"]),
        ("aud", "other"),
        ("aud", ["crm-api"]),
        ("aud", ["crm-api", "other"]),
        ("at_hash", "x"),
    ],
)
def test_a_claim_of_another_type_or_name_is_refused(claim: str, value: object) -> None:
    refused(forge(HEADER, BODY | {claim: value}))


@pytest.mark.parametrize("claim", NUMBERS)
@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1e3", "1" * 2000])
def test_a_number_that_is_none_is_refused(claim: str, number: str) -> None:
    body = json.dumps(BODY | {claim: "@"}).replace('"@"', number)
    refused(forge(HEADER, body.encode()))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b"\x80" * 40,
        b"[" * 2900,
        b'{"exp":' + b"[" * 1400 + b"]" * 1400 + b"}",
        "{}".encode("utf-16"),
    ],
)
def test_a_signed_body_that_is_no_object_is_refused(body: bytes) -> None:
    refused(forge(HEADER, body))


@pytest.mark.parametrize(
    ("changes", "holds"),
    [
        ({"iat": 3, "nbf": 3, "exp": 800}, True),
        ({"iat": 60}, False),
        ({"nbf": 60}, False),
        ({"iat": -800, "exp": 0}, False),
        ({"iat": -800, "exp": -3}, False),
        ({"iat": -800, "exp": -60}, False),
        ({"iat": 0, "exp": 901}, False),
        ({"iat": 0, "exp": 10**9}, False),
        ({"iat": 4, "exp": 2}, False),
    ],
)
def test_times_are_kept_to_the_second_that_was_agreed(changes: dict[str, int], holds: bool) -> None:
    now = int(time.time())
    token = forge(HEADER, BODY | {name: now + offset for name, offset in changes.items()})
    if holds:
        assert SIGNER.decode_token(token, TokenKind.ACCESS).expires == now + changes["exp"]
    else:
        refused(token)


def test_a_token_expires_to_the_second_and_says_so() -> None:
    clock = Clock()
    mine = signer(clock=clock)
    token = mine.issue_access(CLAIMS)
    clock.now = int(clock.now) + 899.9
    assert mine.decode_token(token, TokenKind.ACCESS).epoch == 1
    clock.now += 0.1
    refusal = refused(token, by=mine)
    assert (refusal.reason, refusal.detail) == ("expired", "The token has expired.")


def test_a_token_of_another_issuer_or_audience_is_refused_though_the_key_is_shared() -> None:
    refused(signer(issuer="other").issue_access(CLAIMS))
    refused(signer(audience="other").issue_access(CLAIMS))


# --------------------------------------------------------------------------- hostile texts


@pytest.mark.parametrize(
    "token",
    [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        GOOD + ".",
        "." + GOOD,
        GOOD + "." + GOOD,
        GOOD.replace(".", ".."),
        GOOD.replace(".", ":"),
        GOOD + "=",
        GOOD + "\n",
        " " + GOOD,
        "Bearer " + GOOD,
        GOOD + "\x00",
        GOOD[:-1],
        GOOD + "A",
        GOOD[:-1] + "\ud800",
        "\ud800" * 3,
        GOOD.replace(".", ".\u200b", 1),
        GOOD.replace(".", "\uff0e"),
        GOOD.replace("e", "\u0435", 1),
        "%2e".join(GOOD.split(".")),
        "." * 4000,
        "A" * 1_000_000,
        GOOD + "A" * 1_000_000,
        "A." * 500_000,
        json.dumps({"payload": GOOD}),
    ],
)
def test_a_text_that_is_no_token_is_refused(token: str) -> None:
    refused(token)


def test_every_single_character_counts() -> None:
    for place, original in enumerate(GOOD):
        other = ALPHABET[(ALPHABET.find(original) + 1) % 64]
        with pytest.raises(InvalidToken):
            SIGNER.decode_token(GOOD[:place] + other + GOOD[place + 1 :], TokenKind.ACCESS)


def test_a_token_has_one_spelling_only() -> None:
    """Base64 ignores the last bits of a signature: 4 spellings of one token, 3 of them refused."""
    spellings = [GOOD[:-1] + last for last in ALPHABET]
    same = [text for text in spellings if unb64(text.split(".")[2]) == unb64(GOOD.split(".")[2])]
    assert len(same) == 4
    for text in same:
        if text != GOOD:
            refused(text)


@given(st.text(max_size=60) | st.text(alphabet=ALPHABET + ".=", max_size=200))
def test_any_text_at_all_is_a_refusal_and_never_a_crash(text: str) -> None:
    refused(text)
    for kind in SecretKind:
        with pytest.raises(InvalidToken):
            parse_secret(text, kind)


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=8))
def test_any_signed_json_at_all_is_a_refusal_and_never_a_crash(value: object) -> None:
    refused(forge(HEADER, value))


def test_a_refusal_is_a_401_that_repeats_nothing_of_the_token() -> None:
    refusal = refused(GOOD[:-44] + "\ud800" * 44)
    assert isinstance(refusal, Refusal)
    assert refusal.status == 401
    assert refusal.headers["WWW-Authenticate"].startswith("Bearer")
    assert refusal.__cause__ is None
    assert GOOD[:20] not in repr(refusal) + str(refusal) + refusal.reason


# --------------------------------------------------------------------------- the cache


def test_a_verified_token_is_not_verified_again() -> None:
    cache = VerifiedTokens(SIGNER)
    first = cache.claims(GOOD)
    assert cache.claims("".join(GOOD)) is first
    assert len(cache) == 1


def test_a_remembered_token_expires_on_time_and_is_forgotten() -> None:
    clock = Clock()
    cache = VerifiedTokens(signer(clock=clock), clock=clock)
    token = signer(clock=clock).issue_access(CLAIMS)
    expires = cache.claims(token).expires
    clock.now = expires - 0.1
    assert cache.claims(token).expires == expires
    clock.now = expires
    with pytest.raises(InvalidToken):
        cache.claims(token)
    assert len(cache) == 0


def test_a_clock_set_back_does_not_keep_a_remembered_token_alive() -> None:
    clock = Clock()
    mine = signer(clock=clock)
    cache = VerifiedTokens(mine, clock=clock)
    token = mine.issue_access(CLAIMS)
    cache.claims(token)
    clock.now -= 3600
    with pytest.raises(InvalidToken):
        cache.claims(token)


def test_the_cache_is_bounded_and_drops_the_least_used() -> None:
    cache = VerifiedTokens(SIGNER, capacity=2)
    first, second, third = (SIGNER.issue_access(CLAIMS) for _ in range(3))
    kept = cache.claims(first)
    dropped = cache.claims(second)
    cache.claims(first)
    cache.claims(third)
    assert len(cache) == 2
    assert cache.claims(first) is kept
    assert cache.claims(second) is not dropped


def test_a_cache_of_nothing_stops_the_start() -> None:
    with pytest.raises(ValueError, match="at least one"):
        VerifiedTokens(SIGNER, capacity=0)


def test_refused_tokens_fill_no_memory_and_push_nobody_out() -> None:
    cache = VerifiedTokens(SIGNER, capacity=2)
    kept = cache.claims(GOOD)
    for last in "BCD":
        with pytest.raises(InvalidToken):
            cache.claims(GOOD[:-1] + last)
    assert len(cache) == 1
    assert cache.claims(GOOD) is kept


def test_a_remembered_token_costs_microseconds() -> None:
    cache = VerifiedTokens(SIGNER)
    cache.claims(GOOD)
    best = float("inf")
    for _ in range(20):
        started = time.perf_counter()
        for _ in range(500):
            cache.claims(GOOD)
        best = min(best, (time.perf_counter() - started) / 500)
    assert best < 10e-6, (
        "1.2 µs where this was written, 3 µs allowed, the rest is for slow machines"
    )


# --------------------------------------------------------------------------- opaque secrets

ORGANIZATION, ROW = uuid4(), uuid4()


@pytest.mark.parametrize("kind", SecretKind)
def test_a_secret_leads_to_its_row_and_matches_its_digest(kind: SecretKind) -> None:
    text, digest = new_secret(kind, ORGANIZATION, ROW)
    found = parse_secret(text, kind)
    assert (found.organization_id, found.id) == (ORGANIZATION, ROW)
    assert same_digest(digest, found.digest)
    assert len(digest) == 32
    assert text.isascii()
    assert len(text) <= 200
    assert text.startswith(f"{kind.value}_")


def test_each_kind_is_refused_in_every_other_kinds_place() -> None:
    texts: dict[object, str] = {
        kind: new_secret(kind, ORGANIZATION, ROW).text for kind in SecretKind
    }
    texts[TokenKind.ACCESS] = GOOD
    for own, text in texts.items():
        for place in SecretKind:
            if place is not own:
                with pytest.raises(InvalidToken):
                    parse_secret(text, place)
        if own is not TokenKind.ACCESS:
            refused(text)


def test_a_secret_under_another_kinds_name_organization_or_row_does_not_match() -> None:
    text, digest = new_secret(SecretKind.REFRESH, ORGANIZATION, ROW)
    other = uuid4().hex
    for moved, kind in [
        (text.replace("crt_", "crm_"), SecretKind.API_KEY),
        (text.replace(ORGANIZATION.hex, other), SecretKind.REFRESH),
        (text.replace(ROW.hex, other), SecretKind.REFRESH),
    ]:
        assert not same_digest(digest, parse_secret(moved, kind).digest)


def test_each_character_of_a_secret_counts() -> None:
    text, digest = new_secret(SecretKind.API_KEY, ORGANIZATION, ROW)
    for place in range(4, len(text)):
        changed = text[:place] + ("0" if text[place] != "0" else "1") + text[place + 1 :]
        try:
            assert not same_digest(digest, parse_secret(changed, SecretKind.API_KEY).digest)
        except InvalidToken:
            assert text[place] == "_"


def test_secrets_are_256_random_bits_and_never_the_same() -> None:
    texts = [new_secret(SecretKind.API_KEY, ORGANIZATION, ROW).text for _ in range(200)]
    tails = {text.rpartition("_")[2] for text in texts}
    assert len(tails) == 200
    assert {len(tail) for tail in tails} == {64}
    bits = sum(int(tail, 16).bit_count() for tail in tails) / len(tails)
    assert 120 < bits < 136


def mangled(text: str) -> list[str]:
    return [
        "",
        "crm",
        "crm_",
        "crm___",
        text[:-1],
        text + "0",
        text + "\n",
        " " + text,
        text.upper(),
        text.replace("crm", "CRM"),
        text.replace("_", "-"),
        text.replace("_", "__"),
        text.replace(ORGANIZATION.hex, str(ORGANIZATION)),
        text[:-1] + "g",
        text[:-1] + "\uff10",
        text[:-1] + "\u0660",
        text[:-1] + "\ud800",
        text[:-1] + "\x00",
        "crm_" + "0" * 1_000_000,
        text * 3,
        text.encode().hex(),
        "crm_'; DROP TABLE api_keys; --_" + "0" * 64,
    ]


@pytest.mark.parametrize("text", mangled(new_secret(SecretKind.API_KEY, ORGANIZATION, ROW).text))
def test_a_malformed_secret_is_refused(text: str) -> None:
    with pytest.raises(InvalidToken):
        parse_secret(text, SecretKind.API_KEY)


def test_digests_are_compared_whole_and_no_row_never_matches() -> None:
    digest = hashlib.sha256(b"x").digest()
    assert same_digest(digest, digest)
    assert not same_digest(digest[:-1], digest)
    assert not same_digest(digest[:-1] + b"\x00", digest)
    assert not same_digest(b"", digest)
    assert not same_digest(None, digest)
    assert not same_digest(None, bytes(32))


def test_a_secret_does_not_show_in_a_log_line() -> None:
    made = new_secret(SecretKind.INVITATION, ORGANIZATION, ROW)
    found = parse_secret(made.text, SecretKind.INVITATION)
    shown = f"{made!r} {made} {found!r} {found}"
    assert made.text.rpartition("_")[2] not in shown
    assert repr(made.digest) not in shown
    assert isinstance(found.id, UUID)
