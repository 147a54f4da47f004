"""Fixtures: the application on a real database, and a fresh organization for each test."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from crm_api.core.config import Settings
from crm_api.core.embedded import stop_server
from crm_api.core.logs import configure_logging
from crm_api.core.passwords import PasswordHasher
from crm_api.installation import Addresses
from crm_api.main import create_app
from tests.canaries import Bystander, make_bystander
from tests.contract import product_contract
from tests.database import HOME, create_database, drop_database, others_are_testing
from tests.digest import Digests
from tests.factories import Organization, make_organization
from tests.watch import Watch

SECRET = "tests-only-secret-of-more-than-32-bytes"  # signs the tests' own tokens


def pytest_configure() -> None:
    """Logs as they are in service: structlog's own default renders tracebacks for seconds."""
    configure_logging("INFO", exception_texts=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """The last run to end stops the server; workers leave that to the one that started them."""
    is_worker = hasattr(session.config, "workerinput")
    is_ours = "CRM_TEST_DATABASE_URL" not in os.environ and (HOME / "data").exists()
    if is_ours and not is_worker and not asyncio.run(others_are_testing()):
        stop_server(HOME)


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home: Path = tmp_path_factory.mktemp("home")
    return Settings(data_dir=home, secret_key=SecretStr(SECRET), pool_size=8, list_pool_size=4)


@pytest.fixture(scope="session")
async def database(worker_id: str) -> AsyncIterator[Addresses]:
    name = f"crm_test_{worker_id}_{os.getpid()}"
    yield await create_database(name)
    await drop_database(name)


@pytest.fixture(scope="session")
async def app(settings: Settings, database: Addresses) -> AsyncIterator[FastAPI]:
    """The application as it is served, but for the cost of a password hash."""
    application = create_app(settings, database.application)
    application.state.hasher = PasswordHasher(memory_kib=8, passes=1)
    async with application.router.lifespan_context(application):
        yield application


@pytest.fixture(scope="session")
async def watch(app: FastAPI, database: Addresses) -> AsyncIterator[Watch]:
    """The invariants that hold after every request of the suite (`tests.watch`)."""
    digests = await Digests.connect(database.owner)
    yield Watch(digests, contract=product_contract())
    await digests.close()


@pytest.fixture(scope="session")
async def api(app: FastAPI, watch: Watch) -> AsyncIterator[httpx.AsyncClient]:
    async with watch.client(app) as client:
        yield client


@pytest.fixture(scope="session")
async def bystander(
    app: FastAPI, api: httpx.AsyncClient, watch: Watch, database: Addresses
) -> Bystander:
    """An organization whose every text is a canary; it works along, and nobody may see it."""
    made = await make_bystander(app, api, database.owner)
    watch.bystander_id = made.id
    return made


@pytest.fixture
async def owner(database: Addresses) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    """The owner's connection, which sees every row: for looking, not for writing."""
    connection = await asyncpg.connect(database.owner)
    yield connection
    await connection.close()


@pytest.fixture
async def radio(app: FastAPI, api: httpx.AsyncClient, bystander: Bystander) -> Organization:
    """A fresh organization with the radio preset and a user in each built-in role."""
    await bystander.act()
    return await make_organization(app, api, f"radio-{secrets.token_hex(4)}", ("radio",))


@pytest.fixture
async def other(app: FastAPI, api: httpx.AsyncClient) -> Organization:
    """Another organization, which must never be seen from the first."""
    return await make_organization(app, api, f"other-{secrets.token_hex(4)}", ("radio",))
