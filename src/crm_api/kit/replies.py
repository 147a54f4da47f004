"""What a service answers: bytes that PostgreSQL made, and what stands beside them."""

import json
from dataclasses import dataclass, field

from crm_api.kit.listing import PageRows
from crm_api.kit.projection import etag_of
from crm_api.kit.query import ListQuery, seal_cursor
from crm_api.kit.scope import Scope


@dataclass(frozen=True, slots=True)
class Reply:
    """One resource as this caller sees it."""

    body: str
    etag: str
    status: int = 200
    location: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


def one(
    body: str,
    *,
    full: str | None = None,
    status: int = 200,
    location: str | None = None,
    replayed: bool = False,
) -> Reply:
    """A single resource; the ETag is of its full default representation."""
    headers = {"Idempotency-Replayed": "true"} if replayed else {}
    return Reply(body, etag_of(body if full is None else full), status, location, headers)


@dataclass(frozen=True, slots=True)
class PageReply:
    """One page of a list."""

    body: str
    next_cursor: str | None


def page(scope: Scope, query: ListQuery, rows: PageRows) -> PageReply:
    cursor = seal_cursor(scope, query, *rows.last) if rows.last else None
    shown = f'"{cursor}"' if cursor else "null"
    more = "true" if cursor else "false"
    total = f',"total":{rows.total}' if rows.total is not None else ""
    return PageReply(
        f'{{"data":[{rows.data}],"next_cursor":{shown},"has_more":{more}{total}}}', cursor
    )


def as_text(value: object) -> str:
    """JSON as PostgreSQL writes it: compact, and every character as itself."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def with_members(body: str, **extra: object) -> str:
    """The JSON object with further members at its end."""
    return f"{body[:-1]}{',' if body != '{}' else ''}{as_text(extra)[1:]}"
