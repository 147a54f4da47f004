"""Fixtures of the assurance tests: a stage for each module, and what the application offers."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from crm_api.installation import Addresses
from tests.assurance.installation import Installation, installed
from tests.assurance.servers import Servers, two_servers
from tests.assurance.world import World, make_world
from tests.canaries import Bystander
from tests.checks import Owner, assert_chain
from tests.conftest import SECRET
from tests.factories import Organization, make_organization
from tests.figures import DONE, Figures

Json = dict[str, Any]


CELLS: Mapping[str, str] = {
    "test_matrix": "cells of the matrix",
    "test_hidden": "cells of the matrix",
    "test_operations": "operations x ids x callers",
    "test_hostile_strings": "hostile strings x places",
    "test_hostile": "hostile bodies, numbers, paths, headers and tokens",
}
"""How the cells and requests of a module are called in the table, by the beginning of its name."""


@pytest.fixture(autouse=True)
def figures(
    request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> Iterator[Figures]:
    """What this test counts, and what the machinery counts meanwhile: `make assurance` sums up."""
    found, before = Figures(), DONE.copy()
    yield found
    module = request.path.stem
    if module == "test_watch":
        return  # it breaks the invariants on purpose
    done = DONE - before
    called = next((name for begin, name in CELLS.items() if module.startswith(begin)), "")
    cells, requests = done.pop("cells", 0), done["requests watched"]
    if called:
        # A test without a table of cells is one case with its requests.
        found.add(called, cells or requests)
    found.added.update(done)
    for name, value in found.properties():
        record_property(name, value)


@pytest.fixture(scope="session")
async def spec(api: httpx.AsyncClient) -> Json:
    """The OpenAPI document as the running application serves it."""
    answer = await api.get("/openapi.json")
    assert answer.status_code == 200, answer.text
    document: Json = answer.json()
    return document


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """What a reader has after `make run`, on a port of its own."""
    with installed(tmp_path_factory.mktemp("installation")) as made:
        yield made


@pytest.fixture(scope="module")
async def home(app: FastAPI, api: httpx.AsyncClient, bystander: Bystander) -> Organization:
    """One organization for all tests of a module: they look at thousands of cells."""
    return await make_organization(app, api, f"home-{secrets.token_hex(4)}", ("radio",))


@pytest.fixture(scope="module")
async def world(home: Organization) -> World:
    return await make_world(home)


@pytest.fixture(scope="module")
async def abroad(app: FastAPI, api: httpx.AsyncClient) -> World:
    """Another organization with records of every kind."""
    made = await make_organization(app, api, f"abroad-{secrets.token_hex(4)}", ("radio",))
    return await make_world(made)


@pytest.fixture(scope="module")
async def servers(
    database: Addresses, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Servers]:
    home: Path = tmp_path_factory.mktemp("servers")
    async with two_servers(database, SECRET, home) as found:
        yield found


@pytest.fixture
async def raced(servers: Servers, radio: Organization, owner: Owner) -> AsyncIterator[Organization]:
    """An organization whose log is whole after the race: no gap, every digest, every link."""
    yield radio
    assert await assert_chain(owner, radio.organization_id) > 0
