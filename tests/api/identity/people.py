"""People of the identity tests: invited, joined, signed in."""

from typing import Any

import httpx

from tests.factories import Organization

NEW_PASSWORD = "eleven patient otters build a raft"
PERSON = {"name": "Grace Nakato", "role": "front_desk"}


async def invite(radio: Organization, by: str = "admin", **more: Any) -> httpx.Response:
    headers = more.pop("headers", {})
    body = PERSON | {"email": f"Grace@{radio.slug}.Example.com"} | more
    return await radio.call(by, "POST", "/v1/users", json=body, headers=headers)


async def accept(caller: httpx.AsyncClient, token: str, **more: Any) -> httpx.Response:
    return await caller.post("/v1/auth/accept-invitation", json={"token": token} | more)


async def joined(caller: httpx.AsyncClient, radio: Organization, **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = (await invite(radio, **more)).json()
    answer = await accept(caller, made["invitation_token"], password=NEW_PASSWORD)
    assert answer.status_code == 200, answer.text
    return made


async def token_of(caller: httpx.AsyncClient, email: str, password: str = NEW_PASSWORD) -> str:
    answer = await caller.post("/v1/auth/login", json={"email": email, "password": password})
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["access_token"]
    return found
