"""Each test comes from an address of its own: failed sign-ins are counted per address too."""

import random
import secrets
from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI

from tests.canaries import Bystander
from tests.factories import Organization, make_organization
from tests.watch import Watch


@pytest.fixture
async def caller(app: FastAPI, watch: Watch) -> AsyncIterator[httpx.AsyncClient]:
    address = ".".join(str(random.randrange(1, 255)) for _ in range(4))
    async with watch.client(app, address) as client:
        yield client


@pytest.fixture
async def radio(app: FastAPI, caller: httpx.AsyncClient, bystander: Bystander) -> Organization:
    await bystander.act()
    return await make_organization(app, caller, f"radio-{secrets.token_hex(4)}", ("radio",))


@pytest.fixture
async def other(app: FastAPI, caller: httpx.AsyncClient) -> Organization:
    return await make_organization(app, caller, f"other-{secrets.token_hex(4)}", ("radio",))
