"""Texts that are no tokens, and the cache of those that were verified."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_api.core.errors import Refusal
from crm_api.core.tokens import (
    InvalidToken,
    SecretKind,
    TokenKind,
    VerifiedTokens,
    parse_secret,
)
from tests.unit.token_tools import (
    ALPHABET,
    CLAIMS,
    GOOD,
    HEADER,
    SIGNER,
    Clock,
    forge,
    refused,
    signer,
    unb64,
)


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
