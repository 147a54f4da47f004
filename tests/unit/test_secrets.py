"""Opaque secrets: API keys, refresh tokens and invitations."""

import hashlib
from uuid import UUID, uuid4

import pytest

from crm_api.core.tokens import (
    InvalidToken,
    SecretKind,
    TokenKind,
    new_secret,
    parse_secret,
    same_digest,
)
from tests.unit.token_tools import GOOD, refused

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


# Secrets are random: their texts must not name the cases, which every worker has to find alike.
@pytest.mark.parametrize(
    "text", mangled(new_secret(SecretKind.API_KEY, ORGANIZATION, ROW).text), ids=lambda _: "text"
)
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
