"""Log lines: one JSON object each, whatever the input, without secrets and personal data."""

import io
import json
import logging
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from crm_api.core.logs import REDACTED, configure_logging, get_logger, redacted
from tests.unit.http.conftest import BEARER, Lines
from tests.unit.http.toy import ACTOR, ORGANIZATION

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
SECRETS = [
    "crm_live_4f9a8b7c6d5e",
    "crt_4f9a8b7c6d5e-_x",
    "cin_4f9a8b7c6d5e",
    JWT,
    "Bearer 4f9a8b7c6d5e",
    "basic QWxhZGRpbjpvcGVu",
    "postgresql://crm:4f9a8b7c6d5e@host/db",
    "password=4f9a8b7c6d5e",
    '"refresh_token": "4f9a8b7c6d5e"',
    "api_key = 4f9a8b7c6d5e",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_what_looks_like_a_secret_is_not_written(lines: Lines, secret: str) -> None:
    log = get_logger("test")
    event = f"took {secret} from"
    log.info(event, text=secret, nested={"list": ["a", (secret,)]}, **{secret: 1})
    logging.getLogger("somebody").warning("saw %s", secret)
    written = lines.getvalue()
    assert len(lines.all()) == 2
    assert REDACTED in written
    for part in ("4f9a8b7c6d5e", "QWxhZGRpbjpvcGVu", JWT):
        assert part not in written


@pytest.mark.parametrize(
    "key",
    [
        "password",
        "new_password",
        "Authorization",
        "refresh_token",
        "apiKey",
        "cookie",
        "client_secret",
    ],
)
def test_what_is_named_like_a_secret_is_not_written(lines: Lines, key: str) -> None:
    get_logger("test").info("event", **{key: "plain"}, deep={key: ["plain"]})
    assert "plain" not in lines.getvalue()


def test_what_is_no_secret_is_kept() -> None:
    kept: dict[str, Any] = {
        "path": "/v1/clients/{client_id}",
        "id": "01890a5d-ac96-774b-bcce-b302099a8057",
        "event": "client_created",
        "scope": "client:read",
        "url": "https://crm.example/a?b=c",
        "none": None,
        "n": 1.5,
    }
    assert redacted(kept) == kept


def test_objects_are_not_printed(lines: Lines) -> None:
    class Row:
        def __repr__(self) -> str:
            return "Row(name='canary')"

    get_logger("t").info("e", row=Row(), rows=[Row()], id=UUID(ACTOR), price=Decimal("1.5"))
    (line,) = lines.all()
    assert (line["row"], line["rows"], line["id"], line["price"]) == (
        "<Row>",
        ["<Row>"],
        ACTOR,
        "1.5",
    )


@pytest.mark.parametrize(
    "text", ["two\nlines", '{"level":"forged"}\n{"a":1}', "\x1b[31mred", "\ud800", "\u2028", "\0"]
)
def test_any_text_stays_on_one_line(lines: Lines, text: str) -> None:
    get_logger("test").info(text, value=text, **{f"key{text}": 1})
    assert lines.getvalue().count("\n") == 1
    assert json.loads(lines.getvalue())["event"] == text


def test_nesting_ends(lines: Lines) -> None:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    get_logger("test").info("e", loop=loop)
    assert len(lines.getvalue()) < 500


def test_an_exceptions_text_is_left_out_and_its_place_is_told(lines: Lines) -> None:
    def fail(value: str) -> None:
        raise RuntimeError(f"row ({value})") from ValueError(value)

    try:
        fail("ada@" + "example.com")
    except RuntimeError:
        get_logger("test").exception("failed")
        logging.getLogger("library").exception("also failed")
    assert "ada@example.com" not in lines.getvalue()
    for line in lines.all():
        assert line["level"] == "error"
        assert line["exception"]["type"] == "builtins.RuntimeError"
        assert line["exception"]["cause"] == "builtins.ValueError"
        assert any("in fail" in frame or " fail:" in frame for frame in line["exception"]["frames"])


def test_a_developer_may_ask_for_the_text() -> None:
    stream = io.StringIO()
    configure_logging("info", stream, exception_texts=True)
    get_logger("test").error("failed", exc_info=RuntimeError("why"))
    assert json.loads(stream.getvalue())["exception"]["text"] == "why"


def test_the_drivers_facts_are_told_without_its_text(lines: Lines) -> None:
    class UniqueViolationError(Exception):
        sqlstate = "23505"
        constraint_name = "uq_client_name"

    error = UniqueViolationError("Key (email)=(ada@example.com) exists")
    get_logger("test").error("failed", exc_info=error)
    assert "ada@example.com" not in lines.getvalue()
    facts = lines.all()[0]["exception"]
    assert (facts["sqlstate"], facts["constraint_name"]) == ("23505", "uq_client_name")


def test_the_level_is_kept() -> None:
    stream = io.StringIO()
    configure_logging("warning", stream)
    get_logger("a").info("quiet")
    logging.getLogger("b").info("quiet")
    get_logger("a").warning("loud")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["loud"]


async def test_the_access_line_has_the_template_and_nothing_of_the_caller(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    widget = uuid4()
    await client.patch(
        f"/v1/widgets/{widget}",
        json={"name": "canary-body"},
        headers=BEARER | {"If-Match": "canary-header", "User-Agent": "canary-agent"},
        params={"q": "canary-query"},
    )
    (line,) = lines.events("request")
    assert line.keys() == {
        *("at", "level", "event", "source", "request_id", "organization_id", "actor_id"),
        *("method", "route", "status", "ms"),
    }
    assert (line["method"], line["route"], line["status"]) == (
        "PATCH",
        "/v1/widgets/{widget_id}",
        200,
    )
    assert (line["organization_id"], line["actor_id"]) == (ORGANIZATION, ACTOR)
    assert "canary" not in lines.getvalue()
    assert str(widget) not in lines.getvalue()
    assert "127.0.0.1" not in lines.getvalue()


@pytest.mark.parametrize(
    ("method", "path", "logged", "route"),
    [
        ("GET", "/v1/secret-canary", "GET", "(unmatched)"),
        ("BREW", "/v1/widgets", "OTHER", "/v1/widgets"),
        ("HEAD", "/v1/widgets", "HEAD", "/v1/widgets"),
        ("GET", "/problems/canary", "GET", "/problems/{slug}"),
    ],
)
async def test_neither_path_nor_method_of_a_stranger_is_logged(
    client: httpx.AsyncClient, lines: Lines, method: str, path: str, logged: str, route: str
) -> None:
    await client.request(method, path)
    (line,) = lines.events("request")
    assert (line["method"], line["route"]) == (logged, route)
    assert "canary" not in lines.getvalue()


async def test_probes_leave_no_access_line(client: httpx.AsyncClient, lines: Lines) -> None:
    await client.get("/livez")
    assert lines.getvalue() == ""
