"""Web addresses: two schemes, a public host, no credentials, one spelling."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from crm_api.core.formats.web import WebUrl, parse_url


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://www.example.com", "https://www.example.com"),
        (" HTTPS://WWW.Example.COM/About ", "https://www.example.com/About"),
        ("http://example.com:8080/a?b=c#d", "http://example.com:8080/a?b=c#d"),
        ("https://b\u00fccher.de/\u00fcber uns".replace(" ", "-"), "https://xn--bcher-kva.de/%C3%BCber-uns"),
        ("https://example.com/a%20b", "https://example.com/a%20b"),
        ("https://192.0.2.1/x", "https://192.0.2.1/x"),
        ("https://[2001:DB8::0:1]:443/", "https://[2001:db8::1]:443/"),
        ("https://my_shop.example.com/~jane", "https://my_shop.example.com/~jane"),
        ("https://example.com/<b>", "https://example.com/%3Cb%3E"),
        ("https://example.com:080/", "https://example.com:80/"),
    ],
)  # fmt: skip
def test_an_address_is_answered_in_one_spelling(text: str, url: str) -> None:
    assert parse_url(text) == url
    assert parse_url(url) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "www.example.com",
        "//example.com",
        "ftp://example.com",
        "javascript:alert(1)",
        "javascript://example.com/%0aalert(1)",
        "data:text/html,x",
        "https:example.com",
        "https:///example.com",
        "https://",
        "https://?x",
        "https://localhost",
        "https://example",
        "https://jane@example.com",
        "https://jane:secret@example.com",
        "https://example.com\\@evil.com",
        "https://exa mple.com",
        "https://example.com/a b",
        "https://example.com/a\nb",
        "https://example.com/\x00",
        "https://example.com/\u202e",
        "https://example.com/\ud800",
        "https://example.com:99999",
        "https://example.com:0",
        "https://example.com:x",
        "https://[::1",
        "https://[v1.x]/",
        "https://-example.com",
        "https://example..com",
        "https://.example.com",
        "https://2130706433",
        "https://0x7f.1",
        "https://127.0.1",
        "https://999.0.0.1",
        "https://example.com.0177",
        "https://" + "a" * 64 + ".com",
        "https://" + "\u00fc" * 300 + ".com",
        "https://example.com/" + "x" * 2048,
        "https://example.com/" + "\u00fc" * 1000,
    ],
)
def test_any_other_address_is_refused_without_an_echo(text: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse_url(text)
    assert caught.value.type == "invalid_url"  # type: ignore[attr-defined]  # pydantic's custom error
    assert text in {"", "https://"} or text not in str(caught.value)


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=30), st.text(max_size=30))
def test_what_passes_is_ascii_and_every_reader_finds_the_same_host(host: str, rest: str) -> None:
    try:
        url = parse_url(f"https://{host}.example.com/{rest}")
    except ValueError:
        return
    parts = urlsplit(url)
    assert url.isascii()
    assert parts.username is None
    assert (
        (parts.hostname or "").endswith(".example.com") or "/" in host or "?" in host or "#" in host
    )
    assert parse_url(url) == url


def test_in_a_model_the_fault_has_a_code() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter[str](WebUrl).validate_python("x")
    assert caught.value.errors()[0]["type"] == "invalid_url"
