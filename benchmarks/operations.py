"""What is measured: the requests of each operation, the same work for the floors, the bounds."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from benchmarks import dataset
from benchmarks.communications import BUSY
from benchmarks.marks import NUMBER
from benchmarks.pgbench import CLIENTS, Script
from benchmarks.stand import HOME, SMALL, Stand, Tenant
from benchmarks.statements import (
    FILTERED,
    MARK,
    PAGE,
    TERMS,
    Call,
    Recorded,
    create_fields,
    logged_fields,
    patch_fields,
)

WRITERS = CLIENTS
"""Writes are spread over as many organizations as pgbench has connections: each head is a queue."""
REQUESTS = 2000


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: as HTTP requests in groups, and as the floors run it."""

    name: str
    title: str
    ours: Sequence[Sequence[str]]
    bare: Sequence[Sequence[str]]
    script: Script
    bound: float | None
    """The least share of pgbench's throughput that issue 2 asks for."""


BOUNDS: Mapping[str, tuple[str, float | None]] = {
    "get": ("get one client", 0.25),
    "list": ("list, page 1", 0.4),
    "deep": ("list, page 1000", 0.4),
    "filter": ("list, 2 filters + sort", 0.4),
    "create": ("create", 0.3),
    "patch": ("patch one field", 0.4),
    "search_substring": ("search, part of a name", None),
    "search_fuzzy": ("search, misspelt", None),
    "suggest": ("suggest", None),
    "log_communication": ("log a communication", 0.4),
    "timeline": ("timeline of a busy client", None),
    # The floor of PostgreSQL is its last statement: the words of texts.
    "global_search": ("search everything", None),
}


OF_ONE_CLIENT = frozenset({"log_communication", "timeline"})
"""Of the client that has many communications already; its last activity is the same everywhere."""


def plan_file(stand: Stand, calls: Mapping[str, Sequence[Call]]) -> str:
    """What the bare server reads: statements, arguments, organizations."""
    path = HOME / "plan.json"
    plan = {
        "dsn": stand.addresses.application,
        "tenants": [
            {
                "organization": str(tenant.actor.organization_id),
                "session": str(tenant.actor.stamps.credential_id),
                "actor": str(tenant.actor.id),
            }
            for tenant in stand.tenants[:WRITERS]
        ],
        "calls": {
            name: [
                {
                    "sql": call.sql,
                    "arguments": [_plain(value) for value in call.arguments],
                    "custom_plans": call.custom_plans,
                }
                for call in several
            ]
            for name, several in calls.items()
        },
    }
    path.write_text(json.dumps(plan), encoding="utf-8")
    return str(path)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"at": value.isoformat()}
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def operations(stand: Stand, recorded: Recorded) -> list[Operation]:
    return [_operation(stand, recorded, name) for name in BOUNDS]


def _operation(stand: Stand, recorded: Recorded, name: str) -> Operation:
    writes = name in ("create", "patch", "log_communication")
    tenants = stand.tenants[:WRITERS] if writes else stand.tenants[:1]
    clients = min(SMALL, stand.big.clients) if writes else stand.big.clients
    if name in OF_ONE_CLIENT:
        clients = BUSY
    chance = random.Random(name)
    numbers = [chance.randint(1, clients) for _ in range(REQUESTS // len(tenants))]
    title, bound = BOUNDS[name]
    call = recorded.calls[name][-1]
    return Operation(
        name=name,
        title=title,
        ours=[[_request(name, one, n, recorded) for n in numbers] for one in tenants],
        bare=[
            [_http("GET", f"/{name}?tenant={place}&client={n:012d}") for n in numbers]
            for place in range(len(tenants))
        ],
        script=Script(name, call, organizations=len(tenants), clients=clients),
        bound=bound,
    )


def _request(name: str, tenant: Tenant, n: int, recorded: Recorded) -> str:
    one = f"/v1/clients/{dataset.client_id(n)}"
    search = quote(TERMS.get(name, ""))
    read = {
        "get": one,
        "list": f"/v1/clients?limit={PAGE}",
        "deep": f"/v1/clients?limit={PAGE}&cursor={recorded.deep_cursor}",
        "filter": f"/v1/clients?{FILTERED}",
        "search_substring": f"/v1/clients?q={search}",
        "search_fuzzy": f"/v1/clients?q={search}",
        "suggest": f"/v1/clients/suggest?q={search}",
        "timeline": f"{one}/timeline",
        "global_search": f"/v1/search?q={search}",
    }
    if name in read:
        return _http("GET", read[name], tenant.token)
    match name:
        case "log_communication":
            return _http("POST", f"{one}/communications", tenant.token, logged_fields())
        case "create":
            return _http("POST", "/v1/clients", tenant.token, create_fields())
        case "patch":
            return _http("PATCH", one, tenant.token, patch_fields())
    raise ValueError(name)


def _http(
    method: str, path: str, token: str | None = None, body: dict[str, Any] | None = None
) -> str:
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "Accept: application/json"]
    if token is not None:
        lines.append(f"Authorization: Bearer {token}")
    text = ""
    if body is not None:
        text = json.dumps(body, separators=(",", ":"))
        lines += ["Content-Type: application/json", f"Content-Length: {len(text)}"]
        text = text.replace(MARK, NUMBER)  # twelve digits again when it is sent
    return "\r\n".join([*lines, "", text])
