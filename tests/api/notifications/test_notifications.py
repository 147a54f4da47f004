"""Followers and notifications: who is told of what, once, and by what they may read today."""

import secrets
from typing import Any

import pytest

from crm_api.catalogues.service import known_entries
from crm_api.clients.bulk import NewClient, decide_client, insert_clients
from crm_api.organizations.provision import find_context
from crm_api.organizations.system import system_scope
from tests.checks import Owner, change_count, codes, refused
from tests.factories import Organization

Json = dict[str, Any]
NOTHING = "01890a5d-ac96-774b-bcce-b302099a8057"


async def told(radio: Organization, role: str, **params: str) -> list[Json]:
    answer = await radio.call(role, "GET", "/v1/notifications", params=params)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()["data"]
    return found


async def unread(radio: Organization, role: str) -> int:
    answer = await radio.call(role, "GET", "/v1/notifications/unread")
    return int(answer.json()["unread"])


async def change(radio: Organization, client: Json, role: str = "admin", **body: Any) -> None:
    answer = await radio.call(role, "PATCH", f"/v1/clients/{client['id']}", json=body)
    assert answer.status_code == 200, answer.text


@pytest.fixture
async def followed(radio: Organization) -> Json:
    """A client that the manager and the presenter follow."""
    made = await radio.create_client()
    for role in ("manager", "presenter"):
        answer = await radio.call(role, "PUT", f"/v1/clients/{made['id']}/followers/me")
        assert answer.status_code == 204, answer.text
    return made


async def test_followers_are_told_of_changes_of_others(radio: Organization, followed: Json) -> None:
    """Once for each request and client; nothing of before, of oneself, or of no change."""
    assert await told(radio, "manager") == []
    await change(radio, followed, industry="media", remarks="Seen")
    await change(radio, followed, industry="media")
    await change(radio, followed, "manager", remarks="By myself")
    (one,) = await told(radio, "manager")
    assert one == {
        "id": one["id"],
        "at": one["at"],
        "client": {n: followed[n] for n in ("id", "number", "name")},
        "clients": 1,
        "actor": {"type": "user", "id": str(radio.user_ids["admin"]), "name": "Admin"},
        "actions": ["client.updated"],
        "fields": ["industry", "remarks"],
        "read": False,
    }
    history = await radio.call("manager", "GET", f"/v1/clients/{followed['id']}/history")
    assert one["id"] in {entry["id"] for entry in history.json()["data"]}
    assert await told(radio, "front_desk") == []


async def test_each_is_told_what_its_rights_allow_now(radio: Organization, followed: Json) -> None:
    """The presenter reads industry and no remarks: a change of these alone is none to it."""
    await change(radio, followed, remarks="Hidden")
    assert await told(radio, "presenter") == []
    assert await unread(radio, "presenter") == 0
    await change(radio, followed, industry="media", remarks="Hidden too")
    (one,) = await told(radio, "presenter")
    assert one["fields"] == ["industry"]
    assert "actor" not in one, "it reads no history"
    assert len(await told(radio, "manager")) == 2
    await radio.call("admin", "POST", f"/v1/clients/{followed['id']}/archive")
    assert await told(radio, "presenter") == [], "an archived client is not there for it"
    assert (await told(radio, "manager"))[0]["fields"] == ["lifecycle"]


async def test_owner_is_told_without_following(radio: Organization) -> None:
    """From the change that made it the owner, until another one is; minus its own changes."""
    desk, manager = (str(radio.user_ids[role]) for role in ("front_desk", "manager"))
    made = await radio.create_client()
    await change(radio, made, industry="media")
    await change(radio, made, owner_id=desk)
    await change(radio, made, website="https://a.example.com/")
    assert [one["fields"] for one in await told(radio, "front_desk")] == [["website"], ["owner_id"]]
    await change(radio, made, owner_id=manager)
    assert await told(radio, "front_desk") == []
    assert [one["fields"] for one in await told(radio, "manager")] == [["owner_id"]]
    own = await radio.create_client("manager", owner_id=manager)
    assert own["id"] not in {one["client"]["id"] for one in await told(radio, "manager")}


async def test_one_request_is_one_notification(radio: Organization, followed: Json) -> None:
    """One digest for each request and client, however many writes it took."""
    operations = [
        {"op": "update", "id": followed["id"], "body": {"remarks": "first"}},
        {"op": "update", "id": followed["id"], "body": {"industry": "media"}},
    ]
    body = {"operations": operations}
    assert (await radio.call("admin", "POST", "/v1/clients/batch", json=body)).status_code == 207
    (one,) = await told(radio, "manager")
    assert one["fields"] == ["industry", "remarks"]


async def test_pages_hold_each_notification_once(radio: Organization, followed: Json) -> None:
    """By cursor, newest first, over several clients."""
    second = await radio.create_client()
    await radio.call("manager", "PUT", f"/v1/clients/{second['id']}/followers/me")
    for n in range(5):
        await change(radio, followed if n % 2 else second, remarks=str(n))
    seen: list[str] = []
    params = {"limit": "2"}
    while True:
        answer = await radio.call("manager", "GET", "/v1/notifications", params=params)
        page = answer.json()
        seen += [one["id"] for one in page["data"]]
        if page["next_cursor"] is None:
            break
        assert "cursor=" in answer.headers["link"]
        params["cursor"] = page["next_cursor"]
    assert seen == [one["id"] for one in await told(radio, "manager")]
    assert len(set(seen)) == 5
    foreign = {"cursor": params["cursor"], "limit": "2"}
    answer = await radio.call("admin", "GET", "/v1/notifications", params=foreign)
    refused(answer, 400, "invalid_cursor")


async def test_marked_ones_are_read(radio: Organization, followed: Json) -> None:
    """Some, or all up to one; a retry does it once; what is none of mine is passed over."""
    for n in range(4):
        await change(radio, followed, remarks=str(n))
    newest, third, second, _ = await told(radio, "manager")
    assert await unread(radio, "manager") == 4
    path, key = "/v1/notifications/read", {"Idempotency-Key": secrets.token_hex(8)}
    body = {"ids": [newest["id"], NOTHING]}
    first, again = [
        await radio.call("manager", "POST", path, json=body, headers=key) for _ in range(2)
    ]
    assert first.json() == again.json() == {"unread": 3, "capped": False}
    assert again.headers["idempotency-replayed"] == "true"
    answer = await radio.call("manager", "POST", path, json={"up_to": second["id"]})
    assert answer.json()["unread"] == 1
    assert [one["read"] for one in await told(radio, "manager")] == [True, False, True, True]
    assert [one["id"] for one in await told(radio, "manager", unread="true")] == [third["id"]]
    for body in ({}, {"ids": [newest["id"]], "up_to": newest["id"]}):
        refused(await radio.call("manager", "POST", path, json=body), 422, "invalid")


async def test_followers_are_listed_and_leave(
    radio: Organization, followed: Json, other: Organization
) -> None:
    """Twice is once; a client that is not there has none."""
    place = f"/v1/clients/{followed['id']}/followers"
    assert (await radio.call("manager", "PUT", f"{place}/me")).status_code == 204
    listed = (await radio.call("front_desk", "GET", place)).json()["data"]
    assert [one["name"] for one in listed] == ["Manager", "Presenter"]
    await change(radio, followed, remarks="one")
    for _ in range(2):
        assert (await radio.call("manager", "DELETE", f"{place}/me")).status_code == 204
    assert [one["name"] for one in (await radio.call("admin", "GET", place)).json()["data"]] == [
        "Presenter"
    ]
    assert await told(radio, "manager") == []
    for method, path in (("GET", place), ("PUT", f"{place}/me"), ("DELETE", f"{place}/me")):
        refused(await other.call("admin", method, path), 404, "not_found")
    await radio.call("admin", "POST", f"/v1/clients/{followed['id']}/archive")
    refused(await radio.call("presenter", "PUT", f"{place}/me"), 404, "not_found")


async def test_following_writes_no_entry_and_changes_no_client(
    radio: Organization, followed: Json, owner: Owner
) -> None:
    """What one follows is nobody's business but one's own: no stamp moves, the log is silent."""
    before = await change_count(owner, radio.organization_id)
    place = f"/v1/clients/{followed['id']}"
    etag = (await radio.call("admin", "GET", place)).headers["etag"]
    await radio.call("front_desk", "PUT", f"{place}/followers/me")
    assert await change_count(owner, radio.organization_id) == before
    assert (await radio.call("admin", "GET", place)).headers["etag"] == etag


async def test_key_has_the_notifications_of_who_made_it(
    radio: Organization, followed: Json
) -> None:
    """And what it does itself it is not told, but its maker is."""
    body = {"name": "key", "scopes": ["clients.*:*", "clients:*"]}
    key = (await radio.call("admin", "POST", "/v1/api-keys", json=body)).json()["key"]
    headers = {"Authorization": f"Bearer {key}"}
    place = f"/v1/clients/{followed['id']}"
    assert (await radio.api.put(f"{place}/followers/me", headers=headers)).status_code == 204
    await radio.api.patch(place, json={"remarks": "by the key"}, headers=headers)
    await change(radio, followed, "manager", remarks="by another")
    answer = await radio.api.get("/v1/notifications", headers=headers)
    assert [one["actor"]["name"] for one in answer.json()["data"]] == ["Manager"]
    assert [one["actor"]["name"] for one in await told(radio, "admin")] == ["Manager", "key"]


async def test_import_is_one_notification(radio: Organization) -> None:
    """A digest for all of my clients, with the fields that I may read."""
    desk = str(radio.user_ids["front_desk"])
    for _ in range(2):
        context = await find_context(radio.app.state.db, radio.slug)
        assert context is not None
        scope = system_scope(radio.app.state.db, context, "manager", "test")
        known = await known_entries(radio.app.state.db, context)
        names = [f"Imported {secrets.token_hex(4)}" for _ in range(3)]
        bodies = [
            {"name": name, "emails": [f"{name[-8:]}@example.com"], "owner_id": desk}
            for name in names
        ]
        decided = [decide_client(scope, body, context, known) for body in bodies]
        await insert_clients(scope, [one for one in decided if isinstance(one, NewClient)])
    newest, oldest = await told(radio, "front_desk")
    assert (newest["clients"], newest["client"], newest["actions"]) == (3, None, ["client.created"])
    assert {"name", "owner_id", "emails"} <= set(newest["fields"])
    (first,) = await told(radio, "front_desk", limit="1")
    assert first == newest
    assert await unread(radio, "front_desk") == 2
    await radio.call("front_desk", "POST", "/v1/notifications/read", json={"ids": [oldest["id"]]})
    assert [one["read"] for one in await told(radio, "front_desk")] == [False, True]


async def test_faulty_questions_are_refused(radio: Organization) -> None:
    for query, place in (("unread=maybe", "unread"), ("limit=0", "limit"), ("colour=1", "colour")):
        answer = await radio.call("manager", "GET", f"/v1/notifications?{query}")
        assert place in codes(refused(answer, 422, answer.json()["code"]))
