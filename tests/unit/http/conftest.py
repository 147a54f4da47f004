"""Clients of the toy application, and a place where its log lines can be read."""

import io
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
import structlog

from crm_api.core import logs
from crm_api.core.http import HttpSettings
from tests.unit.http.toy import toy_app

BEARER = {"Authorization": "Bearer somebody"}


class Lines(io.StringIO):
    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.getvalue().splitlines()]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.all() if line["event"] == name]


@pytest.fixture(autouse=True)
def lines() -> Iterator[Lines]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = Lines()
    logs.configure_logging("debug", stream)
    yield stream
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


def client_of(settings: HttpSettings | None = None, **options: Any) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(toy_app(settings), **options)
    return httpx.AsyncClient(transport=transport, base_url="http://toy")


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with client_of() as opened:
        yield opened
