"""Who calls is settled first: a request that also has other faults is told nothing about them."""

import httpx
import pytest

from tests.factories import Organization

FAULTY = [
    ("GET", "/v1/me?nonsense=1"),
    ("GET", "/v1/clients?nonsense=1"),
    ("POST", "/v1/contacts?nonsense=1"),
    ("POST", "/v1/clients?dry_run=perhaps"),
    ("DELETE", "/v1/clients/01890a5d-ac96-774b-bcce-b302099a8057?nonsense=1"),
    ("POST", "/v1/auth/logout?nonsense=1"),
]


@pytest.mark.parametrize(("method", "path"), FAULTY)
async def test_caller_without_credential_is_told_only_that(
    caller: httpx.AsyncClient, method: str, path: str
) -> None:
    assert (await caller.request(method, path)).status_code == 401


@pytest.mark.parametrize(("method", "path"), FAULTY)
async def test_caller_who_signed_out_is_told_only_that(
    radio: Organization, method: str, path: str
) -> None:
    await radio.call("manager", "GET", "/v1/me")
    await radio.call("manager", "POST", "/v1/auth/logout")
    assert (await radio.call("manager", method, path)).status_code == 401


@pytest.mark.parametrize(("method", "path"), FAULTY)
async def test_caller_with_credential_is_told_the_fault(
    radio: Organization, method: str, path: str
) -> None:
    answer = await radio.call("admin", method, path)
    assert answer.status_code in {415, 422}
