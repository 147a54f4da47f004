"""Hostile strings in every place of the document where a text may stand: taken or refused, no more.

The places follow from the document, so that a new operation, field or parameter is in here without
a line. What no answer may do (5xx, canaries, secrets, changes after 4xx) `tests.watch` looks at.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.assurance.deviations import Deviations
from tests.assurance.hostile import ECHO, no_echo
from tests.assurance.inputs import Input, string_inputs, with_text
from tests.assurance.profile import PROFILE
from tests.assurance.requests import body_of, own_ids
from tests.assurance.test_matrix_rows import operations
from tests.assurance.world import World
from tests.figures import Figures

Json = dict[str, Any]
PARTS = 4
"""So many tests, for so many workers."""

STRINGS: tuple[str, ...] = (
    *("", " ", "\t", "\x00", f"{ECHO}\x00", "\x7f", "\r\n", f"{ECHO}\r\nSet-Cookie: a=b", "\u2028"),
    *("\ufeff", "\u202e" + ECHO, "\u200b", "\u3164", "a\u0301" * 400, "🦆" * 70, "\U0010ffff", "ß"),
    *("İ", "ﬀ", "NaN", "-0", "1e999", "9" * 400, "0x10", "1_000", "٣", "null", "true", "undefined"),
    *("%", "_", "*", "\\", "'", '"', "`", ";", "--", "/*", "$1", "%s", "{0}", "{{7*7}}", "${7*7}"),
    *("' OR '1'='1", f"'; DROP TABLE clients; -- {ECHO}", "1;SELECT pg_sleep(9)", "\\'; --", "))"),
    *("<script>alert(1)</script>", f"<img src=x onerror={ECHO}>", "javascript:alert(1)", "=1+1"),
    *("@SUM(1)", "＝1+1", "../../etc/passwd", "..\\..\\x", "file:///etc/passwd", "//evil.example"),
    *("http://169.254.169.254/", "http://[::ffff:127.0.0.1]/", "http://0177.0.0.1", f"{ECHO}@x..y"),
    *("a@b@c.example", "+" + "9" * 40, "2026-02-30", "99999-01-01", "2026-01-01T25:00Z", "25:00"),
    *("01890a5d-ac96-774b-bcce-b302099a805g", "{}", "[]", '{"a":', ECHO, ECHO * 40, ECHO * 4_000),
    *("(?:a+)+$", "a" * 63 + "!", "\\u0000", "%00", "%ff%fe", "con", "__proto__", "constructor"),
    *('W/"x"', '"x"', "*, *", "en;q=2", "bytes=0-", "gzip, br", "UTC\x00", "Africa/../etc"),
)  # fmt: skip
TAKEN = frozenset({200, 201, 202, 204, 207, 304})
REFUSED = frozenset({400, 401, 403, 404, 405, 409, 410, 412, 413, 414, 415, 422, 429, 431})
ALONE = frozenset({"logout"})
"""What ends the session that the next request needs."""


def chosen(place: int) -> Iterator[str]:
    """Every n-th string, from another one on for each place: all strings meet all kinds of it."""
    return iter(STRINGS[place % PROFILE.hostile_share :: PROFILE.hostile_share])


class Sender:
    """Sends the requests of one operation, on records of its own."""

    def __init__(self, world: World, method: str, path: str, name: str) -> None:
        self._world, self._method, self._path, self._name = world, method, path, name
        self._ids: dict[str, str] = {}

    async def send(self, place: Input, text: str) -> httpx.Response | None:
        """None: no client could send this."""
        if not self._ids or self._method == "DELETE":
            self._ids = dict(await own_ids(self._world, self._name, self._path))
        ids = {name: quote(value, safe="") for name, value in self._ids.items()}
        query, headers = "", {}
        body = body_of(self._name, self._world.known)
        raw = text.encode("utf-8", "surrogatepass")
        match place.where:
            case "path":
                ids[place.name] = quote(raw, safe="") or "%20"
            case "query":
                query = f"?{quote(place.name, safe='[]')}={quote(raw, safe='')}"
            case "header":
                if not text.isascii() or not text.isprintable():
                    return None
                headers[place.name] = text
            case _:
                body = with_text(body, place.name, text)
        target = self._path
        for name, value in ids.items():
            target = target.replace(f"{{{name}}}", value)
        if body is not None:
            headers |= {"Content-Type": "application/json"}
        content = None if body is None else json.dumps(body).encode()
        return await self._world.ask(
            "admin", "jwt", self._method, target + query, content=content, headers=headers
        )


def check(answer: httpx.Response) -> None:
    assert answer.status_code in TAKEN | REFUSED, f"{answer.status_code}: {answer.text[:400]}"
    if answer.status_code in REFUSED:
        assert answer.headers["content-type"] == "application/problem+json"
        # A 409 shows who stands in the way, as far as that is readable; a name of a field that the
        # caller sent may be repeated.
        if answer.status_code != 409 and answer.json()["code"] != "unknown_field":
            no_echo(answer)


@pytest.mark.parametrize("part", range(PARTS))
async def test_no_string_breaks_any_place(
    spec: Json, world: World, figures: Figures, part: int
) -> None:
    found = Deviations()
    senders = {
        operation["operationId"]: Sender(world, method, path, operation["operationId"])
        for path, method, operation in operations(spec)
    }
    places: Sequence[Input] = [
        place for place in string_inputs(spec) if place.operation in senders.keys() - ALONE
    ][part::PARTS]
    assert len(places) > 50, "the document has places for texts"
    for n, place in enumerate(places):
        figures.add("places of the document for a text")
        for text in chosen(n):
            with found.cell(f"{place} = {ascii(text)[:40]}"):
                answer = await senders[place.operation].send(place, text)
                if answer is not None:
                    check(answer)
    found.none()
