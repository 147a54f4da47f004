"""Input that nobody sends by accident, and what every answer to it must be."""

import json
from typing import Any

import httpx

ECHO = "zzechozz4f1"
"""In every hostile value: no answer may hold it."""

REFUSED = frozenset({400, 413, 415, 422})


def refused_without_echo(answer: httpx.Response, *, statuses: frozenset[int] = REFUSED) -> None:
    """A problem document that says what is wrong and repeats nothing."""
    assert answer.status_code in statuses, f"{answer.status_code}: {answer.text[:600]}"
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["detail"]
    if answer.status_code == 422:
        assert problem["errors"], problem
    no_echo(answer)


def no_echo(answer: httpx.Response) -> None:
    text = (answer.text + str(answer.headers)).lower()
    assert ECHO not in text, answer.text[:800]


def nested(depth: int, opening: str = '{"a":', inner: str = "1", closing: str = "}") -> bytes:
    return (opening * depth + inner + closing * depth).encode()


RAW: dict[str, tuple[bytes, int | None]] = {
    # What it is → the bytes, and the status where it is the same for every operation.
    "nothing": (b"", 400),
    "words": (f"nonsense {ECHO}".encode(), 400),
    "half an object": (f'{{"name": "{ECHO}"'.encode(), 400),
    "two values": (b"{}{}", 400),
    "a trailing comma": (b'{"name":"x",}', 400),
    "single quotes": (b"{'name':'x'}", 400),
    "a comment": (b'{"name":"x"/*y*/}', 400),
    "NaN": (b'{"payment_terms_days":NaN}', 400),
    "Infinity": (b'{"payment_terms_days":Infinity}', 400),
    "minus Infinity": (b'{"payment_terms_days":-Infinity}', 400),
    "1e999": (b'{"payment_terms_days":1e999}', None),
    "a byte order mark": (b"\xef\xbb\xbf{}", 400),
    "UTF-16": (f'{{"name":"{ECHO}"}}'.encode("utf-16"), 400),
    "UTF-16 without a mark": ('{"name":"x"}'.encode("utf-16-le"), 400),
    "latin-1": ('{"name":"é"}'.encode("latin-1"), 400),
    "overlong UTF-8": (b'{"name":"\xc0\xaf"}', 400),
    "a surrogate in UTF-8": (b'{"name":"\xed\xa0\x80"}', 400),
    "a lone surrogate": (b'{"name":"\\ud800"}', 400),
    "a lone surrogate as a key": (b'{"\\udfff":1}', 400),
    "surrogates the wrong way round": (b'{"name":"\\udc00\\ud800"}', 400),
    "a raw control character": (b'{"name":"a\x01b"}', 400),
    "a raw NUL": (b'{"name":"a\x00b"}', 400),
    "an escaped NUL": (f'{{"name":"{ECHO}\\u0000b"}}'.encode(), 422),
    "a key twice": (f'{{"name":"a","name":"{ECHO}"}}'.encode(), 400),
    "a key twice, escaped": (b'{"name":"a","\\u006eame":"b"}', 400),
    "a key twice, deep down": (b'{"preferences":{"language":"en","language":"fr"}}', 400),
    "33 levels": (nested(33), 400),
    "900 levels": (nested(900), 400),
    "100,000 lists": (nested(100_000, "[", "", "]"), 400),
    "100,000 open lists": (b"[" * 100_000, 400),
    "a list": (b"[]", 422),
    "a string": (f'"{ECHO}"'.encode(), 422),
    "null": (b"null", 422),
    "a number": (b"7", 422),
    "true": (b"true", 422),
    "2^63": (b'{"payment_terms_days":9223372036854775808}', 422),
    "-2^63 - 1": (b'{"payment_terms_days":-9223372036854775809}', 422),
    "an integer of 5,000 digits": (b'{"payment_terms_days":' + b"9" * 5000 + b"}", None),
    "1,000,000 characters": (json.dumps({"name": ECHO * 90_000}).encode(), 422),
    "1,000,000 characters of a key": (json.dumps({"k" * 1_000_000: 1}).encode(), 422),
    "more than a mebibyte": (json.dumps({"name": ECHO * 100_000}).encode(), 413),
    "10,000 unknown keys": (json.dumps({f"k{n}": ECHO for n in range(10_000)}).encode(), 422),
    "prototype": (f'{{"__proto__":{{"admin":"{ECHO}"}},"constructor":1}}'.encode(), 422),
    "keys with slashes": (f'{{"a/b~c":"{ECHO}"}}'.encode(), 422),
    "an unprintable key": (b'{"a\\u0007\\u202eb":1}', 422),
    "markup": (f'{{"<script>":"{ECHO}"}}'.encode(), 422),
}

VALUES: dict[str, Any] = {
    # What it is → a value that hardly any field takes.
    "null": None,
    "true": True,
    "zero": 0,
    "minus one": -1,
    "a fraction": 1.5,
    "2^31": 2**31,
    "2^53 + 1": 2**53 + 1,
    "2^63": 2**63,
    "-2^63 - 1": -(2**63) - 1,
    "1e308": 1e308,
    "an empty text": "",
    "a space": " ",
    "blank letters": "\u3164\u200b",
    "a NUL": f"{ECHO}\x00",
    "a bell": f"{ECHO}\x07",
    "a line": f"{ECHO}\r\nSet-Cookie: a=b",
    "right to left": f"{ECHO}\u202eb",
    "marks without end": "a" + "\u0301" * 5000,
    "a long text": ECHO * 20_000,
    "a duck": "🦆" * 300,
    "NaN in words": "NaN",
    "a date that is none": "2026-02-30",
    "a time that is none": "2026-01-01T25:00:00Z",
    "a year too many": "99999-01-01",
    "a week": "2026-W01-1",
    "markup": f"<script>{ECHO}</script>",
    "a statement": f"'; DROP TABLE clients; -- {ECHO}",
    "a template": "{{tax_id}}",
    "an address": "http://169.254.169.254/latest",
    "a script": f"javascript:alert('{ECHO}')",
    "an empty list": [],
    "a list of null": [None],
    "a list of lists": [[[ECHO]]],
    "a list of many": [ECHO] * 1000,
    "an empty object": {},
    "an object of others": {"a": {"b": ECHO}},
    "a key that is no name": {"": ECHO, " ": 1},
    "a money that is none": {"amount": "1e5", "currency": "UGX"},
    "a money of nothing": {"amount": ECHO, "currency": "XXX"},
    "a mail of nobody": [f"{ECHO}@@example..com"],
    "a phone of nobody": [{"country": "UG", "national": ECHO}],
}
