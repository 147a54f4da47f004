"""The statements that the product runs, recorded with their parameters; what varies is marked.

A recorded call is run again by the floors, so what is unique (ids, digests, the name) and what
belongs to one organization stands as a mark, which each floor fills in its own way.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from benchmarks import dataset
from benchmarks.communications import BUSY
from benchmarks.marks import ACTOR, CLIENT, NUMBER, ORGANIZATION, SESSION, VERSION
from benchmarks.stand import Stand, Tenant, client_body, scope_of
from crm_api.clients.schemas import Client
from crm_api.clients.service import ClientService
from crm_api.communications.schemas import Communication
from crm_api.communications.service import CommunicationService, Place
from crm_api.core.db import Database, Row, Statement
from crm_api.core.jsonbody import validate_body
from crm_api.kit.replies import PageReply
from crm_api.kit.schemas import Create, Patch
from crm_api.search.service import SearchService
from crm_api.timeline.service import TimelineService

MARK = "900000000001"
"""Stands for NUMBER in what is recorded."""

FILTERED = "status=active&industry=retail&sort=name&limit=50"
PAGE = 50
TERMS = {
    "search_substring": "alcon 677",
    "search_fuzzy": "flacon hotel 677",
    "suggest": "falcon hotel 6",
    "global_search": "renewal visit",
}
"""What is sought, operation by operation: a client of every size of the data set."""
DEEP_PAGE = 1000

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_DIGEST = re.compile(r'"[0-9a-f]{64}"')


@dataclass(frozen=True, slots=True)
class Call:
    """One statement with its arguments: texts with marks, bytes, or plain values."""

    sql: str
    arguments: tuple[Any, ...]
    custom_plans: bool


class Recorder(Database):
    """The product's database, which keeps what passes through it."""

    calls: list[tuple[Statement, Mapping[str, Any], bool]]

    async def fetchrow(
        self,
        organization_id: UUID | None,
        statement: Statement,
        values: Row | None = None,
        *,
        lists: bool = False,
    ) -> Any:
        self.calls.append((statement, values or {}, lists))
        return await super().fetchrow(organization_id, statement, values, lists=lists)


def create_fields() -> dict[str, Any]:
    """What the measured create sends: a client with an address of each kind and a tag."""
    return {
        "name": f"Bench {MARK}",
        "type": "partner",
        "industry": "retail",
        "emails": [f"bench.{MARK}@example.com"],
        "phones": ["+256772123456"],
        "sites": [
            {
                "kind": "physical",
                "country_code": "UG",
                "city": "Kampala",
                "street_address": f"{MARK} Market Street",
            }
        ],
        "tags": ["newsletter"],
    }


def logged_fields() -> dict[str, Any]:
    """A call of long ago: the client's last activity stays, so that it can be run again."""
    return {
        "kind": "call",
        "outcome": "connected",
        "occurred_at": "2001-01-31T10:00:00Z",
        "duration_minutes": 12,
        "subject": f"Offer for the morning show {MARK}",
        "body": "They want to begin in spring, and asked for the rates of the evening as well.",
        "participants": [{"name": "Ada Nakato"}],
    }


def patch_fields() -> dict[str, Any]:
    return {"target_audience": f"Families and offices nearby, {MARK}"}


@dataclass(frozen=True, slots=True)
class Recorded:
    """What each operation sends to PostgreSQL, and the cursor of the deep page."""

    calls: Mapping[str, tuple[Call, ...]]
    deep_cursor: str


async def record(stand: Stand) -> Recorded:
    """Run each operation once as the product does; writes are rolled back."""
    db = await Recorder.connect(stand.addresses.application)
    try:
        deep = await _deep_cursor(db, stand.big)
        deep_page = [("limit", str(PAGE)), ("cursor", deep)]
        filtered = [(k, v) for k, _, v in (p.partition("=") for p in FILTERED.split("&"))]
        service = ClientService(scope_of(db, stand.big.actor))
        db.calls = []
        await service.get(UUID(dataset.client_id(1)), [])
        found = {"get": _last(db, stand.big, 1)}
        for name, items in (
            ("list", [("limit", str(PAGE))]),
            ("deep", deep_page),
            ("filter", filtered),
        ):
            await service.list(items)
            found[name] = _last(db, stand.big, 1)
        for name in ("search_substring", "search_fuzzy"):
            await service.list([("q", TERMS[name])])
            found[name] = _last(db, stand.big, 1)
        await service.suggest([("q", TERMS["suggest"])])
        found["suggest"] = _last(db, stand.big, 1)
        scope = scope_of(db, stand.big.actor)
        await TimelineService(scope).page(UUID(dataset.client_id(BUSY)), [])
        found["timeline"] = _last(db, stand.big, 1)
        await SearchService(scope).search([("q", TERMS["global_search"])])
        found["global_search"] = _last(db, stand.big, 3)
        logging, place = CommunicationService(scope), Place(UUID(dataset.client_id(BUSY)))
        async with db.rehearsal(stand.big.actor.organization_id):
            call = validate_body(Create[Communication], json.dumps(logged_fields()).encode())
            await logging.create(call, None, place)
            found["log_communication"] = _last(db, stand.big, 1)
        async with db.rehearsal(stand.big.actor.organization_id):
            await service.create(client_body(create_fields()), None)
            found["create"] = _last(db, stand.big, 1)
            body = validate_body(Patch[Client], json.dumps(patch_fields()).encode())
            await service.patch(UUID(dataset.client_id(1)), body, None)
            found["patch"] = _last(db, stand.big, 2)
    finally:
        await db.close()
    return Recorded(found, deep)


async def _deep_cursor(db: Recorder, tenant: Tenant) -> str:
    """The cursor of the thousandth page, found as a caller finds it (in larger steps)."""
    db.calls = []
    service = ClientService(scope_of(db, tenant.actor))
    # A smaller data set has a page in its middle instead.
    left = min((DEEP_PAGE - 1) * PAGE, tenant.clients // 2)
    cursor: list[tuple[str, str]] = []
    while left:
        step = min(left, 200)
        page: PageReply = await service.list([("limit", str(step)), *cursor])
        assert page.next_cursor is not None
        cursor = [("cursor", page.next_cursor)]
        left -= step
    return cursor[0][1]


def _last(db: Recorder, tenant: Tenant, count: int) -> tuple[Call, ...]:
    return tuple(
        Call(one.sql, _marked(one, values, tenant), lists)
        for one, values, lists in db.calls[-count:]
    )


def _marked(statement: Statement, values: Mapping[str, Any], tenant: Tenant) -> tuple[Any, ...]:
    marked = {name: _mark(value, tenant) for name, value in values.items()}
    if values.get("expected_version"):
        marked["expected_version"] = VERSION
    return tuple(statement.arguments(marked))


def _mark(value: Any, tenant: Tenant) -> Any:
    """Ids are texts from here on: PostgreSQL reads them as such."""
    if isinstance(value, UUID):
        return _mark_text(str(value), tenant)
    if isinstance(value, str):
        return _mark_text(value, tenant)
    return value


def _mark_text(text: str, tenant: Tenant) -> str:
    actor = tenant.actor
    named = {
        str(actor.organization_id): ORGANIZATION,
        str(actor.stamps.credential_id): SESSION,
        str(actor.id): ACTOR,
    }

    def identify(found: re.Match[str]) -> str:
        known = named.get(found[0])
        if known is not None:
            return known
        if found[0].startswith(dataset.CLIENT_HEAD):
            return dataset.CLIENT_HEAD + CLIENT
        # A fresh id: the number stands where its time was. PostgreSQL reads it without hyphens.
        return NUMBER + found[0].replace("-", "")[12:]

    text = _UUID.sub(identify, text.replace(MARK, NUMBER))
    return _DIGEST.sub(lambda found: f'"{NUMBER}{found[0][13:]}', text)
