"""Fixtures of the assurance tests: a stage for each module, and what the application offers."""

import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from tests.assurance.installation import Installation, installed
from tests.assurance.world import World, make_world
from tests.canaries import Bystander
from tests.factories import Organization, make_organization

Json = dict[str, Any]


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
