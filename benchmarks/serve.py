"""The servers that are compared, one worker each: `ours` is the product, the others are floors."""

import itertools
import json
import random
import sys
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import asyncpg
import uvicorn
from starlette.types import Receive, Scope, Send

from benchmarks.marks import (
    ACTOR,
    CLIENT,
    NUMBER,
    ORGANIZATION,
    SESSION,
    VERSION,
    filled,
)
from crm_api.core.server import uvicorn_options

CONSTANT = b'{"id":"01930000-0000-7000-8000-000000000001","name":"Constant"}'
POOL = 10
TRIES = 10


async def answer(send: Send, body: bytes) -> None:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def constant(scope: Scope, _: Receive, send: Send) -> None:
    """The floor of HTTP: what the server costs without any work."""
    if scope["type"] == "http":
        await answer(send, CONSTANT)


class Bare:
    """The floor of asyncpg: the product's own statements, and nothing of the product."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self._calls = plan["calls"]
        self._tenants = plan["tenants"]
        self._dsn = plan["dsn"]
        self._pools: dict[tuple[int, bool], asyncpg.Pool[Any]] = {}
        self._numbers = itertools.count(random.randrange(100_000_000_000, 899_000_000_000))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await self._connect()
            await send({"type": "lifespan.startup.complete"})
            return
        asked = dict(parse_qsl(scope["query_string"].decode()))
        number = int(asked["tenant"])
        tenant = self._tenants[number]
        marks = {
            NUMBER: f"{next(self._numbers):012d}",
            CLIENT: asked["client"],
            ORGANIZATION: tenant["organization"],
            SESSION: tenant["session"],
            ACTOR: tenant["actor"],
        }
        calls = self._calls[scope["path"].strip("/")]
        for _ in range(TRIES):  # as the product: decide again when another write came first
            text = await self._run(calls, number, marks)
            if text is not None:
                await answer(send, text.encode())
                return
        raise RuntimeError(f"{scope['path']} writes nothing")

    async def _run(
        self, calls: list[dict[str, Any]], tenant: int, marks: dict[str, str]
    ) -> str | None:
        version = 0
        row: Any = {}
        for call in calls:
            arguments = [
                version if value == VERSION else filled(_value(value), marks)
                for value in call["arguments"]
            ]
            pool = self._pools[tenant, call["custom_plans"]]
            row = await pool.fetchrow(call["sql"], *arguments)
            assert row["ok"]
            if "row" in row:
                version = json.loads(row["row"])["version"]
        if "body" in row:
            return str(row["body"] or "") or None
        # A search answers a column for each kind, behind `ok`.
        return str(row["data"] if "data" in row else row[1])

    async def _connect(self) -> None:
        """A pool for each organization, so that no connection ever changes it."""
        for number, tenant in enumerate(self._tenants):
            settings = {
                "app.organization_id": tenant["organization"],
                "jit": "off",
                "timezone": "UTC",
            }
            for custom_plans in (False, True):
                if custom_plans:
                    settings["plan_cache_mode"] = "force_custom_plan"
                self._pools[number, custom_plans] = await asyncpg.create_pool(
                    self._dsn,
                    min_size=0,
                    max_size=POOL if number == 0 else 2,
                    connection_class=_Unreset,
                    server_settings=dict(settings),
                    max_cacheable_statement_size=0,
                )


class _Unreset(asyncpg.Connection):
    """Handed back without a round trip, as the product's own."""

    async def reset(self, *, timeout: float | None = None) -> None:  # noqa: ASYNC109  # asyncpg's own signature
        """Nothing is left behind: each connection serves one organization."""


def _value(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return bytes.fromhex(value["hex"]) if "hex" in value else datetime.fromisoformat(value["at"])


def main() -> None:
    kind, port = sys.argv[1], int(sys.argv[2])
    app: Any = {"ours": "crm_api.main:app_from_environment", "const": constant}.get(kind)
    if kind == "bare":
        app = Bare(json.loads(Path(sys.argv[3]).read_text(encoding="utf-8")))
    uvicorn.run(
        app,
        factory=kind == "ours",
        host="127.0.0.1",
        port=port,
        loop="uvloop",
        lifespan="off" if kind == "const" else "on",
        proxy_headers=False,
        **uvicorn_options(),
    )


if __name__ == "__main__":
    main()
