"""Tokens: what is issued comes back, and nothing else is taken for it."""

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from jose import jwt

from crm_api.core.tokens import (
    MAX_ISSUED_BYTES,
    TokenKind,
    TokenSigner,
)
from tests.unit.token_tools import (
    BODY,
    CLAIMS,
    CLOCK,
    GOOD,
    HEADER,
    KEY,
    OLD,
    SIGNER,
    Clock,
    b64,
    forge,
    refused,
    signer,
    unb64,
)


def test_claims_come_back_with_the_times_of_the_signer() -> None:
    found = SIGNER.decode_token(SIGNER.issue_access(CLAIMS), TokenKind.ACCESS)
    assert found.issued == int(CLOCK.now)
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
    now = int(CLOCK.now)
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
