"""What the tests of the routes share: organizations of any preset."""

import secrets
from collections.abc import Awaitable, Callable

import httpx
import pytest
from fastapi import FastAPI

from tests.factories import Organization, make_organization

Establish = Callable[..., Awaitable[Organization]]


@pytest.fixture
async def establish(app: FastAPI, api: httpx.AsyncClient) -> Establish:
    """Makes an organization with the presets that are named."""

    async def make(*presets: str) -> Organization:
        return await make_organization(app, api, f"org-{secrets.token_hex(4)}", presets)

    return make
