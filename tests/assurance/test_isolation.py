"""Twenty organizations on a pool of two connections: nothing of one is ever seen in another.

With requests that are cancelled, refused, rehearsed, timed out, and connections that are killed.
"""

import asyncio
import random
import re
import secrets
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import literal, select

from crm_api.core.config import Settings
from crm_api.core.db import Database, Statement
from crm_api.core.errors import Refusal
from crm_api.core.passwords import PasswordHasher
from crm_api.installation import Addresses
from crm_api.main import create_app
from tests.factories import PASSWORD, Organization, make_organization
from tests.watch import Watch

MARK = re.compile(r"iso-[0-9a-f]{8}")
ORGANIZATIONS = 20
ROUNDS = 25
PATIENCE_MS = 150


@pytest.fixture(scope="module")
async def crowded(settings: Settings, database: Addresses) -> AsyncIterator[FastAPI]:
    """The application with as few connections as it can have, and little patience."""
    narrow = {"pool_size": 2, "list_pool_size": 2, "lock_timeout_ms": PATIENCE_MS}
    application = create_app(settings.model_copy(update=narrow), database.application)
    application.state.hasher = PasswordHasher(memory_kib=8, passes=1)
    async with application.router.lifespan_context(application):
        yield application


@pytest.fixture(scope="module")
async def crowd(crowded: FastAPI, watch: Watch) -> AsyncIterator[list[Organization]]:
    """Each with a client whose name tells the organization."""
    async with watch.client(crowded) as api:
        found = []
        for _ in range(ORGANIZATIONS):
            slug = f"iso-{secrets.token_hex(4)}"
            made = await make_organization(crowded, api, slug, ("radio",))
            await made.create_client(name=f"First of {slug}")
            found.append(made)
        yield found


def own_marks_only(organization: Organization, answer: httpx.Response) -> None:
    seen = set(MARK.findall(answer.text))
    assert seen <= {organization.slug}, f"{organization.slug} saw {seen}: {answer.text[:500]}"


class Visitor:
    """Does all that there is to do in one organization, and looks at each answer."""

    def __init__(self, organization: Organization, crowd: list[Organization], seed: int) -> None:
        self.organization = organization
        self.crowd = crowd
        self.random = random.Random(seed)
        self.created = 0

    async def turn(self) -> None:
        organization, slug = self.organization, self.organization.slug
        mark = secrets.token_hex(4)
        body = {"name": f"Client {mark} of {slug}", "emails": [f"{mark}@{slug}.example.com"]}
        first = {"name": f"First of {slug}", "emails": [f"{mark}@{slug}.example.com"]}
        batch = {
            "atomic": True,
            "operations": [{"op": "create", "body": body}, {"op": "delete", "id": str(uuid4())}],
        }
        method, path, sent = self.random.choice(
            [
                ("GET", "/v1/clients?expand=contacts,owner", None),
                ("GET", "/v1/clients?sort=-created_at&limit=2&count=exact", None),
                ("GET", "/v1/users", None),
                ("GET", "/v1/me", None),
                ("GET", "/v1/catalogues/types", None),
                ("GET", f"/v1/clients/{uuid4()}", None),
                ("POST", "/v1/clients", body),
                ("POST", "/v1/clients", first),  # refused: the name exists
                ("POST", "/v1/clients?dry_run=true", body),
                ("POST", "/v1/clients/batch", batch),  # rolled back as a whole
                ("PATCH", "/v1/organization", {"name": f"Renamed {mark} {slug}"}),
            ]
        )
        answer = await organization.call("admin", method, path, json=sent)
        own_marks_only(organization, answer)
        if method == "GET" and answer.status_code == 200 and path.startswith("/v1/clients"):
            assert slug in answer.text, "its own rows are there"

    async def visit(self, rounds: int, *, impatient: bool = False) -> None:
        for _ in range(rounds):
            if not impatient or self.random.random() < 0.5:
                await self.turn()
                continue
            # A client that hangs up, at any point of the way.
            try:
                await asyncio.wait_for(self.turn(), self.random.random() * 0.02)
            except TimeoutError:
                continue


async def nothing_crossed(crowd: list[Organization], owner: Any) -> None:
    for organization in crowd:
        path = "/v1/clients?limit=200&fields=name"
        answer = await organization.call("admin", "GET", path)
        assert answer.status_code == 200, answer.text
        names = [item["name"] for item in answer.json()["data"]]
        assert all(organization.slug in name for name in names)
        held = await owner.fetchval(
            "SELECT count(*) FROM clients WHERE organization_id = $1", organization.organization_id
        )
        assert held == len(names) or held > 200
    strays = await owner.fetchval(
        "SELECT count(*) FROM clients c JOIN organizations o ON o.id = c.organization_id "
        "WHERE c.name LIKE '%iso-%' AND position(o.slug IN c.name) = 0"
    )
    assert strays == 0


async def connections_know_their_organization(app: FastAPI) -> None:
    """What each pooled connection remembers is what is set on it."""
    db: Database = app.state.db
    for connections in (db._main, db._lists):
        pool: Any = connections._pool
        for holder in pool._holders:
            connection = holder._con
            if connection is None or connection.is_closed():
                continue
            assert not connection.is_in_transaction()
            held = await connection.fetchval("SELECT current_setting('app.organization_id', true)")
            known = connection.organization_id
            assert known is None or held == str(known)


async def test_many_organizations_share_few_connections(
    crowded: FastAPI, crowd: list[Organization], owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    visitors = [Visitor(one, crowd, n) for n, one in enumerate(crowd)]
    await asyncio.gather(*(visitor.visit(ROUNDS) for visitor in visitors))
    await nothing_crossed(crowd, owner)
    await connections_know_their_organization(crowded)


async def test_cancelled_requests_leave_nothing_behind(
    crowded: FastAPI,
    crowd: list[Organization],
    watch: Watch,
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    with watch.faults():
        visitors = [Visitor(one, crowd, 100 + n) for n, one in enumerate(crowd)]
        await asyncio.gather(*(visitor.visit(ROUNDS, impatient=True) for visitor in visitors))
    await nothing_crossed(crowd, owner)
    await connections_know_their_organization(crowded)


async def test_time_outs_and_killed_connections_leave_nothing_behind(
    crowded: FastAPI,
    crowd: list[Organization],
    watch: Watch,
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    """Locks that are held too long, and backends that are terminated, answer 503 and no more."""

    async def trouble() -> None:
        for n in range(3):
            locked = crowd[n].organization_id
            async with owner.transaction():
                await owner.execute(
                    "SELECT 1 FROM heads WHERE organization_id = $1 FOR UPDATE", locked
                )
                await asyncio.sleep(PATIENCE_MS / 1000 * 1.5)
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND application_name = 'crm-api' LIMIT 2"
            )

    with watch.faults():
        visitors = [Visitor(one, crowd, 200 + n) for n, one in enumerate(crowd)]
        visits = (visitor.visit(ROUNDS, impatient=True) for visitor in visitors)
        await asyncio.gather(trouble(), *visits)
        for organization in crowd:  # each pool finds its way back
            await organization.call("admin", "GET", "/v1/clients")
            await organization.call("admin", "GET", "/v1/me")
    await nothing_crossed(crowd, owner)
    await connections_know_their_organization(crowded)


async def test_person_of_two_organizations_is_in_one_of_them_at_a_time(
    radio: Organization, other: Organization
) -> None:
    """The same person, password and process; each sign-in sees and changes its own place alone."""
    email, tokens = radio.emails["manager"], {}
    invitation = {"name": "Same person", "email": email, "role": "presenter"}
    invited = await other.call("admin", "POST", "/v1/users", json=invitation)
    token = {"token": invited.json()["invitation_token"]}
    accepted = await other.api.post("/v1/auth/accept-invitation", json=token)
    assert accepted.status_code == 200, accepted.text
    login = {"email": email, "password": PASSWORD}
    asked = await radio.api.post("/v1/auth/login", json=login)
    assert asked.status_code == 409
    assert set(asked.json()["organizations"]) == {radio.slug, other.slug}
    for place in (radio, other):
        answer = await place.api.post("/v1/auth/login", json=login | {"organization": place.slug})
        tokens[place.slug] = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    mine = await radio.create_client(payment_terms_days=30)
    theirs = await other.create_client(payment_terms_days=60)
    for _ in range(3):
        for place, own, foreign in ((radio, mine, theirs), (other, theirs, mine)):
            headers = tokens[place.slug]
            seen = await place.api.get(f"/v1/clients/{own['id']}", headers=headers)
            assert ("payment_terms_days" in seen.json()) == (place is radio)
            gone = await place.api.get(f"/v1/clients/{foreign['id']}", headers=headers)
            assert gone.status_code == 404
            me = (await place.api.get("/v1/me", headers=headers)).json()
            assert me["organization"]["slug"] == place.slug
            assert me["role"] == ("manager" if place is radio else "presenter")
    # Leaving one organization leaves the other alone.
    gone = await other.call("admin", "POST", f"/v1/users/{accepted.json()['user_id']}/disable")
    assert gone.status_code == 200, gone.text
    assert (await other.api.get("/v1/me", headers=tokens[other.slug])).status_code == 401
    assert (await radio.api.get("/v1/me", headers=tokens[radio.slug])).status_code == 200


async def test_same_values_and_keys_in_two_organizations_never_meet(
    crowd: list[Organization],
) -> None:
    """Names, addresses, numbers, references and idempotency keys are unique in each by itself."""
    mark = secrets.token_hex(5)
    body = {
        "name": f"Shared {mark}",
        "emails": [f"{mark}@example.com"],
        "registration_country": "UG",
        "registration_number": mark,
        "external_refs": [{"source": "billing", "id": mark}],
        "contacts": [{"contact": {"name": "Same", "emails": [f"p{mark}@example.com"]}}],
    }
    made = set()
    for organization in crowd[:3]:
        headers = {"Idempotency-Key": mark}
        answer = await organization.call("admin", "POST", "/v1/clients", json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        assert "idempotency-replayed" not in answer.headers
        made.add(answer.json()["id"])
        await organization.call("admin", "DELETE", f"/v1/clients/{answer.json()['id']}")
    assert len(made) == 3


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InternalClientError("another operation is in progress"),
        asyncpg.AdminShutdownError("terminating connection"),
        asyncpg.ConnectionDoesNotExistError("closed in the middle"),
        asyncpg.InterfaceError("closed"),
        ConnectionResetError("reset"),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_lost_connection_is_503_and_is_not_handed_out_again(
    crowded: FastAPI, error: Exception
) -> None:
    db: Database = crowded.state.db
    statement = Statement(select(literal(1).label("one")))
    with pytest.raises(Refusal) as refused:
        async with db.transaction(None):
            raise error
    assert refused.value.status == 503
    for _ in range(5):
        assert (await db.fetchrow(None, statement))["one"] == 1


@pytest.mark.parametrize("credential", ["token", "key"])
async def test_one_connection_serves_two_organizations_in_turn(
    crowded: FastAPI, crowd: list[Organization], credential: str
) -> None:
    """The same statement, the same connection, another setting: thirty times."""
    tokens = {}
    for organization in crowd[:2]:
        tokens[organization.slug] = organization.as_role("admin")
        if credential == "key":
            body = {"name": "Turn", "scopes": ["clients.*:read"]}
            made = await organization.call("admin", "POST", "/v1/api-keys", json=body)
            tokens[organization.slug] = {"Authorization": f"Bearer {made.json()['key']}"}
    for n in range(30):
        organization = crowd[n % 2]
        answer = await organization.api.get("/v1/clients", headers=tokens[organization.slug])
        assert answer.status_code == 200, answer.text
        assert set(MARK.findall(answer.text)) == {organization.slug}
