"""Bytes on a real socket to a real server: what no ASGI transport can show."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn

from crm_api.core.http import HttpSettings
from crm_api.core.server import GuardedProtocol, uvicorn_options
from tests.unit.http.conftest import Lines
from tests.unit.http.toy import toy_app

SETTINGS = HttpSettings(
    body_bytes=10_000, handler_seconds=1.0, body_seconds=0.5, stream_seconds=0.5
)


class QuickProtocol(GuardedProtocol):
    head_seconds = 0.6


@contextmanager
def running(settings: HttpSettings, **options: Any) -> Iterator[int]:
    with served(settings, **options) as (_, number):
        yield number


@contextmanager
def served(settings: HttpSettings, **options: Any) -> Iterator[tuple[uvicorn.Server, int]]:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(toy_app(settings), **(uvicorn_options() | options))
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        yield server, listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with running(SETTINGS, http=QuickProtocol) as number:
        yield number


class Talk:
    """One connection; answers are read as they come."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=5)

    def send(self, *parts: bytes, pause: float = 0.0) -> "Talk":
        for part in parts:
            self.socket.sendall(part)
            time.sleep(pause)
        return self

    def read(self) -> tuple[int, dict[str, str], bytes]:
        """One response: status, headers, body."""
        got = b""
        while b"\r\n\r\n" not in got:
            part = self.socket.recv(65536)
            assert part, f"closed after {got!r}"
            got += part
        head, body = got.split(b"\r\n\r\n", 1)
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        while len(body) < int(headers.get("content-length", "0")):
            body += self.socket.recv(65536)
        return int(status.split()[1]), headers, body

    def is_closed(self) -> bool:
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


@pytest.fixture
def talk(port: int) -> Iterator[Talk]:
    opened = Talk(port)
    yield opened
    opened.socket.close()


POST = b"POST /raw HTTP/1.1\r\nHost: x\r\n"
GET = b"GET /v1/widgets HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        POST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
        POST + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n12345",
        POST + b"Content-Length: -5\r\n\r\n12345",
        POST + b"Content-Length: +5\r\n\r\n12345",
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        POST + CHUNKED + b"\r\nZZ\r\n",
        POST + b"X : y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX-A: b\r\n folded\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\n\r\n",
        b"no request at all\r\n\r\n",
    ],
)
def test_an_ambiguous_or_broken_message_is_refused_and_its_connection_ended(
    talk: Talk, sent: bytes
) -> None:
    status, headers, body = talk.send(sent).read()
    assert (status, headers["content-type"]) == (400, "application/problem+json")
    assert headers["connection"] == "close"
    assert json.loads(body)["code"] == "malformed_request"
    assert talk.is_closed()


@pytest.mark.parametrize("path", [b"/unread", b"/slow?seconds=0.2", b"/stalling", b"/raw"])
def test_a_body_that_breaks_off_disturbs_no_handler(talk: Talk, lines: Lines, path: bytes) -> None:
    method = b"POST " if path in (b"/unread", b"/raw") else b"GET "
    talk.send(method + path + b" HTTP/1.1\r\nHost: x\r\n" + CHUNKED + b"\r\n", pause=0.05)
    talk.send(b"ZZ\r\n", pause=0.4)
    talk.socket.settimeout(3)
    got = b""
    while part := talk.socket.recv(65536):
        got += part
    assert got.count(b"HTTP/1.1 ") <= 2
    assert not lines.events("unhandled_exception")


def test_a_head_without_end_is_refused_at_its_cap(talk: Talk) -> None:
    line = b"X-Filler: " + b"x" * 1000 + b"\r\n"
    status, headers, body = talk.send(GET, *[line] * 80, pause=0.001).read()
    assert (status, json.loads(body)["code"]) == (431, "headers_too_large")
    assert headers["connection"] == "close"


def test_one_endless_header_line_is_refused_at_its_cap(talk: Talk) -> None:
    status, _, _ = talk.send(GET + b"X-Filler: ", *[b"x" * 8000] * 12, pause=0.001).read()
    assert status == 431


@pytest.mark.parametrize("start", [b"", b"GE", GET, GET + b"X: y"])
def test_a_head_that_does_not_come_to_its_end_is_not_waited_for(talk: Talk, start: bytes) -> None:
    before = time.monotonic()
    talk.send(start)
    assert talk.is_closed()
    assert time.monotonic() - before < 2


def test_a_connection_that_is_used_slowly_but_properly_is_kept(talk: Talk) -> None:
    for _ in range(3):
        assert talk.send(GET + b"\r\n").read()[0] == 401
        time.sleep(0.4)


def test_a_huge_body_is_refused_from_its_announcement(talk: Talk) -> None:
    announced = b"Content-Length: 300000000\r\nExpect: 100-continue\r\n\r\n"
    status, _, body = talk.send(POST + announced).read()
    assert (status, json.loads(body)["code"]) == (413, "body_too_large")


def test_a_huge_chunked_body_is_refused_while_it_comes(talk: Talk) -> None:
    chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
    status, _, body = talk.send(POST + CHUNKED + b"\r\n", *[chunk] * 4).read()
    assert (status, json.loads(body)["code"]) == (413, "body_too_large")


def test_a_connection_outlives_a_refused_body(talk: Talk) -> None:
    length = 20_000
    assert talk.send(POST + b"Content-Length: %d\r\n\r\n" % length).read()[0] == 413
    talk.send(b"x" * length)
    assert talk.send(GET + b"\r\n").read()[0] == 401


def test_a_slow_body_is_given_up_with_its_connection(talk: Talk) -> None:
    talk.send(POST + b"Content-Length: 100\r\n\r\n", *[b"x"] * 3, pause=0.1)
    status, headers, body = talk.read()
    assert (status, headers["connection"]) == (400, "close")
    assert json.loads(body)["code"] == "body_incomplete"
    assert talk.is_closed()


def test_a_stalled_stream_is_cut(talk: Talk) -> None:
    talk.send(b"GET /stalling HTTP/1.1\r\nHost: x\r\n\r\n")
    status, headers, _ = talk.read()
    assert (status, headers["transfer-encoding"]) == (200, "chunked")
    talk.socket.settimeout(3)
    rest = b""
    while part := talk.socket.recv(1000):
        rest += part
    assert b"never" not in rest
    assert not rest.endswith(b"0\r\n\r\n"), "a cut stream must not look complete"


def test_a_caller_who_leaves_is_logged_as_such(talk: Talk, lines: Lines) -> None:
    talk.send(POST + b"Content-Length: 100\r\n\r\nhalf").socket.close()
    for _ in range(100):
        if lines.events("request"):
            break
        time.sleep(0.02)
    (line,) = lines.events("request")
    assert line["status"] == 499
    assert not lines.events("unhandled_exception")


def test_head_sends_no_body_and_the_connection_goes_on(talk: Talk) -> None:
    talk.send(GET.replace(b"GET", b"HEAD") + b"\r\n")
    head = talk.socket.recv(65536)
    assert head.startswith(b"HTTP/1.1 401")
    assert head.endswith(b"\r\n\r\n")
    assert talk.send(GET + b"\r\n").read()[0] == 401


def test_the_server_does_not_say_what_it_is(talk: Talk) -> None:
    _, headers, _ = talk.send(GET + b"\r\n").read()
    assert "server" not in headers
    assert "x-powered-by" not in headers


def test_pipelined_requests_are_answered_in_order(talk: Talk) -> None:
    talk.send((b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" + GET + b"\r\n") * 3)
    got = b""
    while got.count(b"HTTP/1.1") < 6 or not got.endswith(b"}"):
        got += talk.socket.recv(65536)
    assert [part[:3] for part in got.split(b"HTTP/1.1 ")[1:]] == [b"200", b"401"] * 3


def test_the_servers_own_lines_are_json_too(lines: Lines) -> None:
    with running(SETTINGS) as port:
        talk = Talk(port)
        talk.send(b"rubbish\r\n\r\n").read()
        talk.socket.close()
    sources = {line["source"] for line in lines.all()}
    assert "uvicorn.error" in sources
    assert "uvicorn.access" not in sources


def test_request_that_is_on_its_way_when_the_server_stops_is_answered() -> None:
    """A rolling restart is felt by nobody: the connection was made, so it gets its one answer."""
    with served(SETTINGS) as (server, number):
        fresh, half, used = Talk(number), Talk(number), Talk(number)
        half.send(GET[:20])
        assert used.send(GET + b"\r\n").read()[0] == 401
        server.should_exit = True
        time.sleep(0.3)
        assert used.is_closed()
        for talk, rest in ((fresh, GET), (half, GET[20:])):
            status, headers, _ = talk.send(rest + b"\r\n").read()
            assert (status, headers["connection"]) == (401, "close")
            assert talk.is_closed()
        for talk in (fresh, half, used):
            talk.socket.close()


def test_silent_connection_does_not_hold_up_the_end() -> None:
    with served(SETTINGS) as (server, number):
        silent = Talk(number)
        began = time.monotonic()
        server.should_exit = True
        assert silent.is_closed()
        assert time.monotonic() - began < 3
        silent.socket.close()
