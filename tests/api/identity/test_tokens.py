"""Refresh tokens rotate, reuse ends the session, and no token passes for another kind."""

import asyncio
from typing import Any

import httpx

from tests.factories import PASSWORD, Organization


async def pair_of(caller: httpx.AsyncClient, radio: Organization) -> dict[str, Any]:
    body = {"email": radio.emails["manager"], "password": PASSWORD}
    found: dict[str, Any] = (await caller.post("/v1/auth/login", json=body)).json()
    return found


async def refresh(caller: httpx.AsyncClient, token: str) -> httpx.Response:
    return await caller.post("/v1/auth/refresh", json={"refresh_token": token})


async def status_of(caller: httpx.AsyncClient, token: str) -> int:
    answer = await caller.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
    return answer.status_code


async def test_refresh_answers_a_new_pair_of_the_same_session(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    old = await pair_of(caller, radio)
    new = (await refresh(caller, old["refresh_token"])).json()
    assert new["refresh_token"] != old["refresh_token"]
    assert await status_of(caller, new["access_token"]) == 200
    assert await status_of(caller, old["access_token"]) == 200


async def test_token_used_twice_within_ten_seconds_keeps_the_session(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    old = await pair_of(caller, radio)
    new = (await refresh(caller, old["refresh_token"])).json()
    again = await refresh(caller, old["refresh_token"])
    assert again.status_code == 409
    assert again.json()["code"] == "already_rotated"
    assert (await refresh(caller, new["refresh_token"])).status_code == 200


async def test_twenty_refreshes_at_once_make_one_pair(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    old = await pair_of(caller, radio)
    answers = await asyncio.gather(*(refresh(caller, old["refresh_token"]) for _ in range(20)))
    won = [answer for answer in answers if answer.status_code == 200]
    assert len(won) == 1
    assert sorted(a.status_code for a in answers) == [200] + [409] * 19
    assert (await refresh(caller, won[0].json()["refresh_token"])).status_code == 200


async def test_late_reuse_ends_the_session_and_is_an_event(
    caller: httpx.AsyncClient, radio: Organization, owner: Any
) -> None:
    old = await pair_of(caller, radio)
    new = (await refresh(caller, old["refresh_token"])).json()
    await owner.execute(
        "UPDATE refresh_tokens SET rotated_at = now() - interval '11 seconds' "
        "WHERE organization_id = $1 AND rotated_at IS NOT NULL",
        radio.organization_id,
    )
    reused = await refresh(caller, old["refresh_token"])
    assert reused.status_code == 401
    assert reused.json()["code"] == "refresh_reused"
    assert await status_of(caller, new["access_token"]) == 401
    assert (await refresh(caller, new["refresh_token"])).status_code == 401
    assert await status_of(caller, radio.tokens["manager"]) == 200, "another session of the person"
    kinds = await owner.fetch(
        "SELECT kind, detail::text FROM security_events WHERE organization_id = $1",
        radio.organization_id,
    )
    assert [row["kind"] for row in kinds] == ["refresh_reused"]
    assert old["refresh_token"] not in kinds[0]["detail"]


async def test_expired_refresh_token_is_refused(
    caller: httpx.AsyncClient, radio: Organization, owner: Any
) -> None:
    pair = await pair_of(caller, radio)
    await owner.execute(
        "UPDATE refresh_tokens SET expires_at = now() WHERE organization_id = $1",
        radio.organization_id,
    )
    assert (await refresh(caller, pair["refresh_token"])).json()["code"] == "invalid_token"


async def test_refresh_after_disabling_is_refused(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    pair = await pair_of(caller, radio)
    await radio.call("admin", "POST", f"/v1/users/{radio.user_ids['manager']}/disable")
    assert (await refresh(caller, pair["refresh_token"])).status_code == 401


async def test_each_kind_is_refused_in_every_other_place(
    caller: httpx.AsyncClient, radio: Organization
) -> None:
    pair = await pair_of(caller, radio)
    key = await radio.call(
        "admin", "POST", "/v1/api-keys", json={"name": "K", "scopes": ["clients.name:read"]}
    )
    body = {"email": "new@example.com", "name": "New", "role": "presenter"}
    invited = await radio.call("admin", "POST", "/v1/users", json=body)
    kinds = {
        "access": pair["access_token"],
        "refresh": pair["refresh_token"],
        "key": key.json()["key"],
        "invitation": invited.json()["invitation_token"],
    }
    for kind, token in kinds.items():
        bearer = await status_of(caller, token)
        assert (bearer == 200) == (kind in ("access", "key")), kind
        accepted = await caller.post(
            "/v1/auth/accept-invitation", json={"token": token, "password": PASSWORD}
        )
        assert (accepted.status_code == 200) == (kind == "invitation"), kind
        renewed = await refresh(caller, token)
        assert (renewed.status_code == 200) == (kind == "refresh"), kind


async def test_secret_of_another_organization_opens_nothing(
    caller: httpx.AsyncClient, radio: Organization, other: Organization
) -> None:
    pair = await pair_of(caller, radio)
    kind, org, row, secret = pair["refresh_token"].split("_")
    assert org == radio.organization_id.hex
    moved = f"{kind}_{other.organization_id.hex}_{row}_{secret}"
    assert (await refresh(caller, moved)).status_code == 401
    guessed = f"{kind}_{org}_{row}_{'0' * 64}"
    assert (await refresh(caller, guessed)).status_code == 401
    assert (await refresh(caller, pair["refresh_token"])).status_code == 200


async def test_bearer_that_is_none_is_told_how_to_sign_in(caller: httpx.AsyncClient) -> None:
    for header in (None, "", "Bearer", "Basic YTpi", "bearer  "):
        headers = {} if header is None else {"Authorization": header}
        answer = await caller.get("/v1/me", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_scopes_in_the_token_stay_small(radio: Organization) -> None:
    assert all(len(token) <= 2048 for token in radio.tokens.values())
