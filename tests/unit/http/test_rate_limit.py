"""Rate limits: a bucket for each accepted principal, one per address for everybody else."""

import httpx
import pytest

from crm_api.core import ratelimit
from crm_api.core.http import HttpSettings
from crm_api.core.ratelimit import RateLimiter
from tests.unit.http.conftest import client_of


def _as(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def _statuses(client: httpx.AsyncClient, *tokens: str) -> list[int]:
    return [(await client.get("/v1/widgets", headers=_as(t))).status_code for t in tokens]


async def test_the_answer_says_what_is_left_and_when_to_return() -> None:
    async with client_of(HttpSettings(rate_requests=2, rate_seconds=100)) as client:
        answers = [await client.get("/v1/widgets") for _ in range(3)]
    assert [a.headers["ratelimit"] for a in answers] == [
        '"default";r=1;t=50',
        '"default";r=0;t=100',
        '"default";r=0;t=100',
    ]
    assert answers[2].headers["ratelimit-policy"] == '"default";q=2;w=100'
    assert (answers[2].status_code, answers[2].json()["code"]) == (429, "rate_limited")
    assert answers[2].headers["retry-after"] == "50"


async def test_one_principal_does_not_use_up_anothers_limit() -> None:
    async with client_of(HttpSettings(rate_requests=4, rate_seconds=1000)) as client:
        assert await _statuses(client, "ada", "bob") == [200, 200]
        assert await _statuses(client, *["ada"] * 4) == [200, 200, 200, 429]
        assert await _statuses(client, "bob") == [200]


async def test_new_made_up_tokens_do_not_bring_new_limits() -> None:
    async with client_of(HttpSettings(rate_requests=3, rate_seconds=1000)) as client:
        got = [(await client.get("/problems", headers=_as(f"t{n}"))).status_code for n in range(5)]
    assert got == [200, 200, 200, 429, 429]


async def test_probes_are_not_limited() -> None:
    async with client_of(HttpSettings(rate_requests=1, rate_seconds=1000)) as client:
        answers = [await client.get("/livez") for _ in range(5)]
    assert [a.status_code for a in answers] == [200] * 5
    assert "ratelimit" not in answers[0].headers


def test_the_bucket_fills_again_at_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(ratelimit, "perf_counter", lambda: now)
    limiter = RateLimiter(10, 10)
    assert [limiter.admit(None, "192.0.2.1").wait_seconds for _ in range(11)] == [0] * 10 + [1]
    now = 1002.5
    assert [limiter.admit(None, "192.0.2.1").wait_seconds for _ in range(3)] == [0, 0, 1]


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("2001:db8::1", "2001:db8::ffff:1", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("not:an:address", "not:an:address", True),
    ],
)
def test_an_ipv6_network_is_one_address(one: str, other: str, shared: bool) -> None:
    limiter = RateLimiter(1, 1000)
    assert limiter.admit(None, one).wait_seconds == 0
    assert bool(limiter.admit(None, other).wait_seconds) == shared


def test_memory_is_bounded_and_the_busy_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ratelimit, "MAX_BUCKETS", 100)
    limiter = RateLimiter(5, 1000)
    remaining = []
    for number in range(1000):
        limiter.admit(None, f"10.0.{number // 250}.{number % 250}")
        if number % 50 == 0:
            remaining.append(limiter.admit(None, "192.0.2.1").remaining)
    assert len(limiter._fresh) + len(limiter._stale) <= 200
    assert remaining[:6] == [4, 3, 2, 1, 0, 0]


def test_no_credential_is_kept() -> None:
    limiter = RateLimiter(5, 5)
    seen = limiter.admit(b"Bearer secret-token", "192.0.2.1")
    assert seen.principal is not None
    limiter.accept(seen.principal)
    assert b"secret" not in repr(vars(limiter)).encode()
    assert limiter.admit(b"Bearer secret-token", "192.0.2.1").known
