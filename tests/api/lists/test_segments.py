"""M6: segments are filters: read by the reader's rights, found anew each time, frozen at will."""

import json
from typing import Any

import pytest
from fastapi import FastAPI

from crm_api.lists import freezing
from tests.api.lists.conftest import Desk, Json, leaf, make_list
from tests.checks import Owner, assert_chain, codes, pointers, refused
from tests.factories import Organization, insert_names

RICH = leaf("credit_limit", "gte", {"amount": "100", "currency": "UGX"})
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"


def nested(depth: int) -> Json:
    found = leaf("name", "eq", "x")
    for _ in range(depth - 1):
        found = {"not": found}
    return found


async def names(desk: Desk, segment: Json, role: str = "manager", query: str = "") -> list[str]:
    place = f"/v1/segments/{segment['id']}/clients?fields=name{query}"
    return [one["name"] for one in (await desk.ok(role, "GET", place))["data"]]


async def test_m6_segment_keeps_its_conditions_in_their_stable_form(desk: Desk) -> None:
    sent = {"and": [{"or": [leaf("status", "in", ["prospect", "active"])]}, {"not": RICH}]}
    made = await desk.segment(sent, description="Whom to call.")
    stable = {"and": [leaf("status", "in", ["active", "prospect"]), {"not": RICH}]}
    assert made["filter"] == {"version": 1, "filter": stable}
    place = f"/v1/segments/{made['id']}"
    echo = await desk.ask("manager", "PATCH", place, json={"filter": made["filter"]})
    assert echo.json() == made
    searched = {"version": 1, "filter": stable, "fields": ["name"]}
    assert await desk.ok("manager", "POST", "/v1/clients/search", json=searched)
    changed = await desk.ok("manager", "PATCH", place, json={"filter": {"filter": RICH}})
    assert changed["filter"]["filter"] == RICH
    history = (await desk.ok("manager", "GET", f"{place}/history?limit=1"))["data"]
    change = {"field": "filter", "before": made["filter"], "after": changed["filter"]}
    assert history[0]["changes"] == [change]


async def test_m6_segment_takes_what_a_search_takes(desk: Desk) -> None:
    base = {"name": "Rich"}
    cases: list[tuple[Any, str, str]] = [
        ({"filter": leaf("nothing", "eq", 1)}, "/filter/filter", "unknown_field"),
        ({"filter": leaf("status", "gt", "active")}, "/filter/filter", "invalid_operator"),
        ({"filter": leaf("status", "eq", "lost")}, "/filter/filter/value", "invalid_value"),
        ({"filter": leaf("credit_limit", "gte", "7")}, "/filter/filter", "required"),
        ({"filter": leaf("industry", "eq", "gone")}, "/filter/filter", "unknown_catalogue_entry"),
        ({"filter": nested(9)}, "/filter/filter" + "/not" * 8, "too_deep"),
        ({"version": 2, "filter": RICH}, "/filter/version", "literal_error"),
        ({}, "/filter/filter", "missing"),
    ]
    for saved, place, code in cases:
        answer = await desk.ask("manager", "POST", "/v1/segments", json=base | {"filter": saved})
        problem = refused(answer, 422, answer.json()["code"])
        assert (place in pointers(problem)) or codes(problem) == {place: code}, problem
    deep = await desk.segment(nested(8))
    assert await names(desk, deep) == []


async def test_m6_segment_is_found_anew_and_pages_like_a_list(desk: Desk) -> None:
    radio = desk.organization
    made = await desk.segment(leaf("tags", "eq", "vip"))
    assert await names(desk, made) == []
    for name in ("Beta", "Alpha", "Gamma"):
        await radio.create_client(name=name, tags=["vip"], emails=[f"{name}@example.com"])
    await radio.create_client(name="Delta")
    assert await names(desk, made) == ["Alpha", "Beta", "Gamma"]
    assert await names(desk, made, query="&sort=-name&limit=2") == ["Gamma", "Beta"]
    assert await names(desk, made, query="&q=gam") == ["Gamma"]
    assert await names(desk, made, query="&name=Delta") == []
    place = f"/v1/segments/{made['id']}/clients?limit=1&fields=name"
    first = await desk.ok("manager", "GET", f"{place}&count=capped")
    assert first["total"] == 3
    second = await desk.ok("manager", "GET", f"{place}&cursor={first['next_cursor']}")
    assert second["data"] == [{"name": "Beta"}]
    body = {"filter": {"filter": leaf("tags", "eq", "other")}}
    await desk.ok("manager", "PATCH", f"/v1/segments/{made['id']}", json=body)
    answer = await desk.ask("manager", "GET", f"{place}&cursor={first['next_cursor']}")
    refused(answer, 400, "invalid_cursor")


async def test_m6_segment_is_evaluated_with_the_rights_of_the_reader(desk: Desk) -> None:
    radio = desk.organization
    limit = {"amount": "500", "currency": "UGX"}
    rich = await radio.create_client(credit_limit=limit)
    open_part = leaf("name", "ne", "x")
    made = await desk.segment({"or": [open_part, {"not": RICH}]})
    assert rich["name"] in await names(desk, made)
    place = f"/v1/segments/{made['id']}"
    sent = {"name": "Copy", "filter": made["filter"]}
    for method, path, body in (
        ("GET", f"{place}/clients", None),
        ("GET", f"{place}/clients?count=exact&limit=1", None),
        ("POST", f"{place}/freeze", {"name": "Frozen"}),
        ("POST", f"{desk.place}/members/from-segment", {"segment_id": made["id"]}),
        ("POST", "/v1/segments", sent),
        ("PATCH", place, {"filter": made["filter"]}),
    ):
        more = {} if body is None else {"json": body}
        answer = await desk.ask("front_desk", method, path, **more)
        problem = refused(answer, 403, "field_not_readable")
        assert problem["detail"] == "Your role 'front_desk' may not read: credit_limit."
        assert pointers(problem) == {"/filter/filter/or/1/not"}
    refused(
        await desk.ask("front_desk", "GET", f"{place}/clients/export"), 403, "field_not_readable"
    )
    ask = await desk.caller("lists.segment:read", "clients.name:read", "clients:export")
    named = await desk.segment(open_part)
    listed = await ask("GET", f"/v1/segments/{named['id']}/clients")
    assert [set(one) for one in listed.json()["data"]] == [{"kind", "name"}]
    refused(await ask("GET", f"{place}/clients/export"), 403, "field_not_readable")


async def test_m6_lifecycles_that_a_segment_names_are_those_of_the_reader(desk: Desk) -> None:
    gone = await desk.organization.create_client()
    await desk.ok("admin", "DELETE", f"/v1/clients/{gone['id']}")
    made = await desk.segment(role="admin", tree=leaf("lifecycle", "in", ["live", "deleted"]))
    assert gone["name"] in await names(desk, made, "admin")
    place = f"/v1/segments/{made['id']}"
    refused(await desk.ask("manager", "GET", f"{place}/clients"), 403, "forbidden")
    refused(
        await desk.ask("manager", "POST", f"{place}/freeze", json={"name": "x"}), 403, "forbidden"
    )
    frozen = await desk.ok("admin", "POST", f"{place}/freeze", json={"name": "Frozen"})
    members = f"/v1/distribution-lists/{frozen['id']}/members"
    assert (await desk.ok("admin", "GET", members))["data"] == [], "live ones alone are frozen"


async def test_m6_private_segment_is_its_owners_alone(desk: Desk) -> None:
    mine = await desk.segment(
        role="front_desk", tree=leaf("status", "eq", "active"), visibility="private"
    )
    place = f"/v1/segments/{mine['id']}"
    assert await names(desk, mine, "front_desk") == []
    for role in ("admin", "manager"):
        assert (await desk.ok(role, "GET", "/v1/segments?count=exact"))["total"] == 0
        for method, path in (
            ("GET", ""),
            ("GET", "/clients"),
            ("GET", "/clients/export"),
            ("GET", "/history"),
            ("PATCH", ""),
            ("DELETE", ""),
            ("POST", "/freeze"),
        ):
            more = {} if method in ("GET", "DELETE") else {"json": {"name": "x"}}
            refused(await desk.ask(role, method, f"{place}{path}", **more), 404, "not_found")
        body = {"segment_id": mine["id"]}
        answer = await desk.ask(role, "POST", "/members/from-segment", json=body)
        assert codes(refused(answer, 422, "invalid")) == {"/segment_id": "unknown_segment"}
    await desk.ok("front_desk", "PATCH", place, json={"visibility": "organization"})
    assert await desk.ok("manager", "GET", place)
    answer = await desk.ask("manager", "PATCH", place, json={"visibility": "private"})
    assert pointers(refused(answer, 403, "forbidden")) == {"/visibility"}
    assert await desk.ok("front_desk", "PATCH", place, json={"visibility": "private"})


async def test_m6_segment_says_that_what_it_names_went_away(desk: Desk) -> None:
    entry = {"key": "brewing", "label": "Brewing"}
    await desk.ok("admin", "POST", "/v1/catalogues/industries", json=entry)
    brewing = leaf("industry", "eq", "brewing")
    made = await desk.segment({"not": brewing})
    assert await names(desk, made) == []
    await desk.ok("admin", "DELETE", "/v1/catalogues/industries/brewing")
    place = f"/v1/segments/{made['id']}"
    body = {"segment_id": made["id"]}
    for method, path, more in (
        ("GET", f"{place}/clients", {}),
        ("GET", f"{place}/clients/export", {}),
        ("POST", f"{place}/freeze", {"json": {"name": "Frozen"}}),
        ("POST", f"{desk.place}/members/from-segment", {"json": body}),
    ):
        problem = refused(await desk.ask("manager", method, path, **more), 409, "segment_outdated")
        assert codes(problem) == {"/filter/filter": "unknown_catalogue_entry"}
        assert "`industry`" in problem["errors"][0]["detail"]
    assert await desk.ok("manager", "GET", place)
    renamed = await desk.ok("manager", "PATCH", place, json={"name": "Not brewing"})
    assert renamed["filter"]["filter"] == {"not": brewing}


async def test_m6_frozen_list_is_of_the_moment(desk: Desk, owner: Owner) -> None:
    radio = desk.organization
    first = await radio.create_client(tags=["vip"])
    made = await desk.segment(leaf("tags", "eq", "vip"))
    place, key = f"/v1/segments/{made['id']}/freeze", {"Idempotency-Key": "freeze-1"}
    rehearsed = await desk.ask("manager", "POST", f"{place}?dry_run=true", json={"name": "May"})
    assert (rehearsed.status_code, rehearsed.json()["name"]) == (200, "May")
    body = {"name": "May", "description": "As of May."}
    answer = await desk.ask("manager", "POST", place, json=body, headers=key)
    assert answer.status_code == 201, answer.text
    again = await desk.ask("manager", "POST", place, json=body, headers=key)
    assert (again.json(), again.headers["idempotency-replayed"]) == (answer.json(), "true")
    frozen = answer.json()
    assert (frozen["segment_id"], frozen["description"]) == (made["id"], "As of May.")
    assert answer.headers["location"] == f"/v1/distribution-lists/{frozen['id']}"
    await radio.create_client(tags=["vip"])
    assert len(await names(desk, made)) == 2
    listed = f"/v1/distribution-lists/{frozen['id']}"
    members = (await desk.ok("front_desk", "GET", f"{listed}/members"))["data"]
    assert [one["client_id"] for one in members] == [first["id"]]
    assert (members[0]["segment_id"], members[0]["created_by"]) == (
        made["id"],
        str(radio.user_ids["manager"]),
    )
    assert members[0]["id"][14] == "7", "a UUIDv7 as all the others"
    refused(await desk.ask("manager", "POST", place, json=body), 409, "already_exists")
    history = (await desk.ok("manager", "GET", f"{listed}/history"))["data"]
    told = {"segment_id": made["id"], "added": 1}
    assert [entry["action"] for entry in history] == [
        "distribution_list.members_added",
        "distribution_list.created",
    ]
    assert history[0]["changes"] == [{"field": "members", "before": None, "after": told}]
    await assert_chain(owner, radio.organization_id)


async def test_m6_segment_adds_to_a_list_and_keeps_who_left(desk: Desk) -> None:
    radio = desk.organization
    tired, other_one, third = [await radio.create_client(tags=["vip"]) for _ in range(3)]
    made = await desk.segment(leaf("tags", "eq", "vip"))
    member = await desk.add(client_id=tired["id"])
    await desk.ok("manager", "POST", f"/v1/list-members/{member['id']}/unsubscribe", json={})
    await desk.ok("manager", "DELETE", f"/v1/list-members/{member['id']}")
    await desk.add(client_id=other_one["id"])
    body, key = {"segment_id": made["id"]}, {"Idempotency-Key": "bring-1"}
    for replayed in (None, "true"):
        answer = await desk.ask("manager", "POST", "/members/from-segment", json=body, headers=key)
        assert (answer.status_code, answer.json()) == (200, {"found": 3, "added": 2})
        assert answer.headers.get("idempotency-replayed") == replayed
    members = {one["client_id"]: one for one in await desk.members()}
    assert set(members) == {tired["id"], other_one["id"], third["id"]}
    assert members[tired["id"]]["subscribed"] is False
    assert members[other_one["id"]]["segment_id"] is None
    empty = await desk.ok("manager", "POST", "/members/from-segment", json=body)
    assert empty == {"found": 3, "added": 0}
    history = (await desk.ok("manager", "GET", "/history"))["data"]
    assert len(history) == 2, "what adds nobody leaves no trace"
    refused(
        await desk.ask("presenter", "POST", "/members/from-segment", json=body), 403, "forbidden"
    )
    await desk.ok("manager", "POST", "/archive")
    refused(await desk.ask("manager", "POST", "/members/from-segment", json=body), 409, "not_live")


async def test_m6_segment_of_too_many_brings_nobody(
    desk: Desk, app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    await insert_names(app, desk.organization, [f"Client {n}" for n in range(4)])
    made = await desk.segment(leaf("name", "starts_with", "Client"))
    monkeypatch.setattr(freezing, "MAX_FOUND", 3)
    place = f"/v1/segments/{made['id']}/freeze"
    answer = await desk.ask("manager", "POST", place, json={"name": "All"})
    assert refused(answer, 422, "invalid")["errors"][0]["code"] == "too_many"
    assert (await desk.ok("manager", "GET", "/v1/distribution-lists?name=All"))["data"] == []
    monkeypatch.setattr(freezing, "MAX_FOUND", 4)
    assert await desk.ok("manager", "POST", place, json={"name": "All"})


async def test_m6_segment_is_exported_and_the_export_recorded(desk: Desk) -> None:
    await desk.organization.create_client(name="Nile Kayaks", tags=["vip"])
    made = await desk.segment(leaf("tags", "eq", "vip"))
    place = f"/v1/segments/{made['id']}/clients/export"
    for form, begins in (("csv", b"\xef\xbb\xbfname"), ("xlsx", b"PK"), ("ndjson", b"{")):
        answer = await desk.ask("manager", "GET", f"{place}?format={form}&fields=name")
        assert answer.status_code == 200, answer.text
        assert answer.content.startswith(begins)
    assert json.loads(answer.text) == {"name": "Nile Kayaks"}
    record = (await desk.ok("manager", "GET", "/v1/exports?limit=1"))["data"][0]
    assert (record["records"], record["format"], record["rows"]) == ("clients", "ndjson", 1)
    assert made["filter"]["filter"] in record["filter"]["filter"]["and"]
    refused(await desk.ask("front_desk", "GET", place), 403, "forbidden")


async def test_m6_nothing_of_another_organization_is_there(desk: Desk, other: Organization) -> None:
    made = await desk.segment(leaf("name", "ne", "x"))
    theirs = await make_list(other)
    members = f"/v1/distribution-lists/{theirs['id']}/members"
    body = {"segment_id": made["id"]}
    answer = await other.call("admin", "POST", f"{members}/from-segment", json=body)
    assert codes(refused(answer, 422, "invalid")) == {"/segment_id": "unknown_segment"}
    for method, path in (("GET", ""), ("GET", "/clients"), ("POST", "/freeze")):
        place = f"/v1/segments/{made['id']}{path}"
        more = {"json": {"name": "x"}} if method == "POST" else {}
        refused(await other.call("admin", method, place, **more), 404, "not_found")
    refused(await other.call("admin", "GET", f"/v1/segments/{NOBODY}"), 404, "not_found")


async def test_m6_a_replay_asks_for_the_rights_to_the_conditions_again(desk: Desk) -> None:
    made = await desk.segment(RICH)
    body, key = {"segment_id": made["id"]}, {"Idempotency-Key": "bring-again"}
    role = await desk.ok(
        "admin",
        "POST",
        "/v1/roles",
        json={"name": "Bringer", "scopes": ["clients.*:*", "lists.*:*"]},
    )
    sent = {"email": f"bringer@{desk.id}.example.com", "name": "B", "role": "Bringer"}
    invited = await desk.ok("admin", "POST", "/v1/users", json=sent)
    accepted = {"token": invited["invitation_token"], "password": "correct horse battery"}
    api = desk.organization.api
    assert (await api.post("/v1/auth/accept-invitation", json=accepted)).is_success
    login = {"email": sent["email"], "password": accepted["password"]}
    token = (await api.post("/v1/auth/login", json=login)).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"} | key
    path = f"{desk.place}/members/from-segment"
    assert (await api.post(path, json=body, headers=headers)).json() == {"found": 0, "added": 0}
    less = {"scopes": ["clients.identity:read", "lists.*:*"]}
    await desk.ok("admin", "PATCH", f"/v1/roles/{role['id']}", json=less)
    refused(await api.post(path, json=body, headers=headers), 403, "field_not_readable")
