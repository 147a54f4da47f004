"""What the tests of the routes share: organizations of any preset."""

import secrets

import httpx
import pytest
from fastapi import FastAPI

from tests.factories import Establish, Organization, make_organization


@pytest.fixture
async def establish(app: FastAPI, api: httpx.AsyncClient) -> Establish:
    async def make(*presets: str) -> Organization:
        return await make_organization(app, api, f"org-{secrets.token_hex(4)}", presets)

    return make
