"""E-mail addresses: what is refused, the key, and that the short way agrees with the library."""

import email_validator
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from crm_api.core.formats import emails
from crm_api.core.formats.emails import Email, EmailAddress, parse_email


@pytest.mark.parametrize(
    ("text", "address", "key"),
    [
        (" Jane.Doe@Example.COM ", "Jane.Doe@example.com", "jane.doe@example.com"),
        ("jane+news@example.org", "jane+news@example.org", "jane+news@example.org"),
        ("INFO@Example.org", "INFO@example.org", "info@example.org"),
        ("jane@B\u00dcCHER.de", "jane@b\u00fccher.de", "jane@xn--bcher-kva.de"),
        ("jane@xn--bcher-kva.de", "jane@b\u00fccher.de", "jane@xn--bcher-kva.de"),
        ("J\u00d6rg@example.org", "J\u00d6rg@example.org", "j\u00f6rg@example.org"),
        ("o'hara@example.org", "o'hara@example.org", "o'hara@example.org"),
        ("jane@shop.test", "jane@shop.test", "jane@shop.test"),
        ("a@b.co", "a@b.co", "a@b.co"),
    ],
)
def test_an_address_keeps_its_spelling_and_gets_a_key(text: str, address: str, key: str) -> None:
    assert parse_email(text) == Email(address, key)
    assert parse_email(address).key == key


@pytest.mark.parametrize(
    "text",
    [
        "",
        "jane",
        "@example.com",
        "jane@",
        "jane@example",
        "jane@test",
        "Jane <jane@example.com>",
        "<jane@example.com>",
        '"jane doe"@example.com',
        "jane@[127.0.0.1]",
        "jane@127.0.0.1",
        "jane doe@example.com",
        "jane@exam ple.com",
        "jane@@example.com",
        "jane..doe@example.com",
        ".jane@example.com",
        "jane@-example.com",
        "jane@example..com",
        "jane@example.com.",
        "jane@host.local",
        "jane@x.invalid",
        "jane@ab--cd.com",
        "jane@example.com\nbcc: x@example.com",
        "jane@example.com,joe@example.com",
        "mailto:jane@example.com,",
        "jane\u0000@example.com",
        "\u202ejane@example.com",
        "jane\ud800@example.com",
        "jane\uff20example.com",
        "x" * 65 + "@example.com",
        "x@" + "a" * 64 + ".com",
        "x" * 60 + "@" + "a." * 100 + "com",
    ],
)
def test_what_is_no_plain_address_is_refused_without_an_echo(text: str) -> None:
    with pytest.raises(ValueError, match=r"jane@example\.com, without a name around it") as caught:
        parse_email(text)
    assert len(str(caught.value)) < 100


ASCII_LOCAL = st.text("abcXYZ019.!#$%&'*+-/=?^_`{|}~\"() ", min_size=1, max_size=70)
LABEL = st.text("abcXYZ019-_", min_size=0, max_size=66)
DOMAIN = st.lists(LABEL, min_size=1, max_size=4).map(".".join) | st.sampled_from(
    ["example.com", "a.arpa", "x.LOCAL", "test", "a.test", "x.onion", "1.2.3.4", "a.b1", "xn--a.de"]
)


@settings(max_examples=1500, deadline=None)
@given(ASCII_LOCAL, DOMAIN)
@example("a", "a" * 63 + ".com")
@example("x" * 64, "Example.COM")
@example("a", ".".join(["a" * 60] * 4))
def test_the_short_way_agrees_with_the_library(local: str, domain: str) -> None:
    text = f"{local}@{domain}".strip()
    try:
        short: Email | None = parse_email(text)
    except ValueError:
        short = None
    try:
        found = email_validator.validate_email(
            text, check_deliverability=False, strict=True, test_environment=True
        )
    except email_validator.EmailNotValidError:
        assert short is None
        return
    if "." not in found.ascii_domain:
        assert short is None
        return
    assert short is not None
    assert short.address.partition("@")[2] == found.domain
    assert short.address.partition("@")[0] == text.partition("@")[0]
    assert short.key == f"{text.partition('@')[0].lower()}@{found.ascii_domain}"


def test_plain_addresses_do_not_reach_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(emails, "_parse_unusual")
    assert parse_email("jane.doe+x@mail.example.co.ug").key == "jane.doe+x@mail.example.co.ug"


def test_in_a_model_the_address_is_canonical_and_the_fault_has_a_code() -> None:
    adapter = TypeAdapter[str](EmailAddress)
    assert adapter.validate_python(" Jane@Example.com") == "Jane@example.com"
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python("nobody")
    assert caught.value.errors()[0]["type"] == "invalid_email"
    schema = adapter.json_schema()
    assert (schema["maxLength"], schema["format"]) == (254, "idn-email")
