"""M6: who is on a list, once each; unsubscribed, suppressed, removed, and told as far as read."""

import asyncio
import json
from typing import Any

import pytest

from tests.api.lists.conftest import Desk, make_list
from tests.checks import Owner, assert_chain, change_count, codes, pointers, refused
from tests.factories import Organization

Json = dict[str, Any]
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
BARE = ("lists.list:read", "lists.list:create", "lists.list:update", "lists:export")
WISHES = {"suppressed", "suppressed_by"}
WHOLE = {"name", "email", "phone", *WISHES}
"""What speaks of clients and contacts alike."""


async def test_m6_clients_and_contacts_are_on_a_list_once(desk: Desk) -> None:
    radio = desk.organization
    client = await radio.create_client(phones=["+256772123456"])
    contact = await radio.create_contact(emails=["ada@people.example.com"])
    first = await desk.add(client_id=client["id"])
    second = await desk.add(contact_id=contact["id"])
    assert (first["client_id"], first["contact_id"]) == (client["id"], None)
    assert (first["name"], first["phone"]) == (client["name"], "+256772123456")
    assert first["email"] == client["emails"][0]["address"]
    assert (second["name"], second["email"]) == (contact["name"], "ada@people.example.com")
    assert (first["subscribed"], first["suppressed"], first["segment_id"]) == (True, False, None)
    assert [m["id"] for m in await desk.members()] == [first["id"], second["id"]]
    for who in ({"client_id": client["id"]}, {"contact_id": contact["id"]}):
        answer = await desk.ask("manager", "POST", "/members", json=who)
        refused(answer, 409, "already_exists")
    elsewhere = await make_list(radio)
    place = f"/v1/distribution-lists/{elsewhere['id']}/members"
    assert await desk.ok("manager", "POST", place, json={"client_id": client["id"]})


async def test_m6_racing_adds_give_one_member(desk: Desk) -> None:
    client = await desk.organization.create_client()
    sent = {"client_id": client["id"]}
    adds = (desk.ask("manager", "POST", "/members", json=sent) for _ in range(5))
    answers = [answer.status_code for answer in await asyncio.gather(*adds)]
    assert sorted(answers) == [201, 409, 409, 409, 409]


async def test_m6_who_is_added_is_looked_up(desk: Desk, other: Organization) -> None:
    theirs = await other.create_client()
    archived = await desk.organization.create_client()
    await desk.ok("admin", "POST", f"/v1/clients/{archived['id']}/archive")
    gone = await desk.organization.create_contact()
    await desk.ok("admin", "DELETE", f"/v1/contacts/{gone['id']}")
    for body, expected in (
        ({}, {"/client_id": "required"}),
        ({"client_id": NOBODY, "contact_id": NOBODY}, None),
        ({"client_id": theirs["id"]}, {"/client_id": "unknown_client"}),
        ({"contact_id": gone["id"]}, {"/contact_id": "unknown_contact"}),
        ({"client_id": 7}, None),
    ):
        problem = refused(await desk.ask("manager", "POST", "/members", json=body), 422, "invalid")
        assert expected in (None, codes(problem))
    sent = {"client_id": archived["id"]}
    refused(await desk.ask("manager", "POST", "/members", json=sent), 409, "not_live")
    for method, path in (("GET", "/members"), ("POST", "/members"), ("GET", "/members/export")):
        place = f"/v1/distribution-lists/{NOBODY}{path}"
        refused(await desk.ask("admin", method, place, json={}), 404, "not_found")
    answer = await other.call("admin", "GET", f"{desk.place}/members")
    refused(answer, 404, "not_found")
    for role, status, code in (("presenter", 403, "forbidden"), ("manager", 409, "not_live")):
        await desk.ok("manager", "POST", "/archive")
        refused(await desk.ask(role, "POST", "/members", json=sent), status, code)


async def test_m6_unsubscribing_is_undone_by_nothing_but_resubscribing(
    desk: Desk, owner: Owner
) -> None:
    client = await desk.organization.create_client()
    member = await desk.add(client_id=client["id"])
    place = f"/v1/list-members/{member['id']}"
    gone = await desk.ok("front_desk", "POST", f"{place}/unsubscribe", json={"reason": "Too much"})
    assert (gone["subscribed"], gone["unsubscribe_reason"]) == (False, "Too much")
    assert gone["unsubscribed_at"] > member["created_at"]
    before = await change_count(owner, desk.organization.organization_id)
    assert await desk.ok("manager", "POST", f"{place}/unsubscribe", json={}) == gone
    assert await change_count(owner, desk.organization.organization_id) == before

    await desk.ok("front_desk", "DELETE", place)
    assert await desk.members() == []
    refused(await desk.ask("front_desk", "GET", place), 404, "not_found")
    removed = await desk.members("manager", lifecycle="deleted")
    assert [one["id"] for one in removed] == [member["id"]]
    again = await desk.ask("front_desk", "POST", "/members", json={"client_id": client["id"]})
    assert (again.status_code, again.headers["location"]) == (201, place)
    assert again.json() == gone, "the same member, and unsubscribed as before"

    back = await desk.ok("front_desk", "POST", f"{place}/resubscribe")
    assert back == member
    history = (await desk.ok("manager", "GET", f"{place}/history"))["data"]
    actions = ["resubscribed", "added", "removed", "unsubscribed", "added"]
    assert [entry["action"] for entry in history] == [f"list_member.{a}" for a in actions]
    told = {change["field"]: change["after"] for change in history[3]["changes"]}
    assert told == {"subscribed": False, "unsubscribe_reason": "Too much"}
    await assert_chain(owner, desk.organization.organization_id)


async def test_m6_stale_decisions_and_repeated_requests(desk: Desk) -> None:
    client = await desk.organization.create_client()
    key, sent = {"Idempotency-Key": "add-1"}, {"client_id": client["id"]}
    first = await desk.ask("manager", "POST", "/members", json=sent, headers=key)
    again = await desk.ask("manager", "POST", "/members", json=sent, headers=key)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    place = f"/v1/list-members/{first.json()['id']}"
    tried = await desk.ok("manager", "POST", f"{place}/unsubscribe?dry_run=true", json={})
    assert tried["subscribed"] is False
    assert (await desk.ok("manager", "GET", place))["subscribed"] is True
    old = {"If-Match": first.headers["etag"]}
    assert await desk.ok("manager", "POST", f"{place}/unsubscribe", json={}, headers=old)
    for method, path, body in (
        ("POST", "/unsubscribe", {}),
        ("POST", "/resubscribe", None),
        ("DELETE", "", None),
    ):
        more: Json = {} if body is None else {"json": body}
        answer = await desk.ask("manager", method, f"{place}{path}", headers=old, **more)
        refused(answer, 412, "version_conflict")
    dry = await desk.ask("manager", "POST", "/members?dry_run=true", json={"client_id": NOBODY})
    refused(dry, 422, "invalid")


async def test_m6_do_not_contact_suppresses_whatever_was_subscribed(desk: Desk) -> None:
    radio = desk.organization
    quiet = await radio.create_client(preferences={"do_not_contact": True})
    person = await radio.create_contact(do_not_contact=True)
    archived, open_one = await radio.create_client(), await radio.create_client()
    for who in (quiet, archived, open_one):
        await desk.add(client_id=who["id"])
    await desk.add(contact_id=person["id"])
    await desk.ok("admin", "POST", f"/v1/clients/{archived['id']}/archive")
    told = [(m["suppressed"], m["suppressed_by"]) for m in await desk.members()]
    assert told == [
        (True, "do_not_contact"),
        (True, "not_live"),
        (False, None),
        (True, "do_not_contact"),
    ]
    assert len(await desk.members(suppressed="true")) == 3
    left = await desk.members(suppressed="false")
    assert [one["client_id"] for one in left] == [open_one["id"]]
    await desk.ok(
        "manager", "PATCH", f"/v1/contacts/{person['id']}", json={"do_not_contact": False}
    )
    assert len(await desk.members(suppressed="false")) == 2


@pytest.mark.parametrize(
    ("scopes", "hidden"),
    [
        ((), WHOLE),
        (("clients.*:read",), WHOLE),
        (("clients.name:read", "contacts.person:read"), WHOLE - {"name"}),
        (("clients.reach:read", "contacts.person_reach:read"), {"name", *WISHES}),
        (("clients.preferences:read", "contacts.person_reach:read"), WHOLE - WISHES),
    ],
)
async def test_m6_members_are_told_by_the_rights_to_whom_they_are(
    desk: Desk, scopes: tuple[str, ...], hidden: set[str]
) -> None:
    """And nothing of it can be asked for, counted, exported or read out of a refusal."""
    client = await desk.organization.create_client(preferences={"do_not_contact": True})
    made = await desk.add(client_id=client["id"])
    ask = await desk.caller(*BARE, *scopes)
    page = await ask("GET", f"{desk.place}/members")
    assert set(page.json()["data"][0]) == set(made) - hidden
    for name in hidden:
        answer = await ask("GET", f"{desk.place}/members", params={"fields": name})
        assert name in refused(answer, 403, "field_not_readable")["detail"]
    answer = await ask("GET", f"{desk.place}/members", params={"suppressed": "true"})
    assert answer.status_code == (403 if "suppressed" in hidden else 200)
    etag = (await ask("GET", f"/v1/list-members/{made['id']}")).headers["etag"]
    wishes = {"preferences": {"do_not_contact": False}}
    await desk.ok("admin", "PATCH", f"/v1/clients/{client['id']}", json=wishes)
    after = (await ask("GET", f"/v1/list-members/{made['id']}")).headers["etag"]
    assert (after == etag) is ("suppressed" in hidden)
    if "suppressed" in hidden:
        # What is missing in the file would tell who does not want to be contacted.
        for query in ({}, {"suppressed": "false"}, {"suppressed[in]": "true,false"}):
            answer = await ask("GET", f"{desk.place}/members/export", params=query)
            refused(answer, 403, "field_not_readable")


async def test_m6_members_of_whom_the_reader_finds_nothing_do_not_exist(desk: Desk) -> None:
    client, kept = await desk.organization.create_client(), await desk.organization.create_client()
    person = await desk.organization.create_contact()
    gone = [await desk.add(client_id=client["id"]), await desk.add(contact_id=person["id"])]
    stays = await desk.add(client_id=kept["id"])
    await desk.ok("admin", "DELETE", f"/v1/clients/{client['id']}")
    await desk.ok("admin", "DELETE", f"/v1/contacts/{person['id']}")
    for role in ("manager", "front_desk"):
        page = await desk.ok(role, "GET", "/members?count=exact")
        assert ([one["id"] for one in page["data"]], page["total"]) == ([stays["id"]], 1)
        for one in gone:
            refused(await desk.ask(role, "GET", f"/v1/list-members/{one['id']}"), 404, "not_found")
    assert len(await desk.members("admin")) == 3


async def test_m6_batch_answers_for_each(desk: Desk) -> None:
    client, person = (
        await desk.organization.create_client(),
        await desk.organization.create_contact(),
    )
    body = {
        "members": [
            {"client_id": client["id"]},
            {"contact_id": person["id"]},
            {"client_id": client["id"]},
            {"client_id": NOBODY},
            {},
        ]
    }
    key = {"Idempotency-Key": "batch-1"}
    refused(await desk.ask("presenter", "POST", "/members/batch", json=body), 403, "forbidden")
    answer = await desk.ask("front_desk", "POST", "/members/batch", json=body, headers=key)
    assert answer.status_code == 207, answer.text
    results = answer.json()["results"]
    assert [one["status"] for one in results] == [201, 201, 409, 422, 422]
    assert results[3]["problem"]["errors"][0]["pointer"] == "/client_id"
    again = await desk.ask("front_desk", "POST", "/members/batch", json=body, headers=key)
    assert again.json() == answer.json()
    assert len(await desk.members()) == 2
    many = {"members": [{"client_id": NOBODY}] * 201}
    problem = refused(
        await desk.ask("manager", "POST", "/members/batch", json=many), 422, "invalid"
    )
    assert codes(problem) == {"/members": "too_many_items"}


async def test_m6_export_takes_whom_something_may_be_sent(desk: Desk) -> None:
    radio = desk.organization
    quiet = await radio.create_client(preferences={"do_not_contact": True})
    tired, open_one = await radio.create_client(), await radio.create_client()
    ids = [(await desk.add(client_id=one["id"]))["id"] for one in (quiet, tired, open_one)]
    await desk.ok("manager", "POST", f"/v1/list-members/{ids[1]}/unsubscribe", json={})
    refused(await desk.ask("front_desk", "GET", "/members/export"), 403, "forbidden")

    async def exported(query: str) -> list[Json]:
        answer = await desk.ask("manager", "GET", f"/members/export?format=ndjson&{query}")
        assert answer.status_code == 200, answer.text
        return [json.loads(line) for line in answer.text.splitlines()]

    assert [one["client_id"] for one in await exported("")] == [open_one["id"]]
    assert len(await exported("subscribed=false")) == 1
    assert len(await exported("suppressed[in]=true,false&subscribed[in]=true,false")) == 3
    file = await desk.ask("manager", "GET", "/members/export?fields=name,email")
    email = open_one["emails"][0]["address"]
    assert file.text.lstrip("\ufeff").splitlines() == ["name,email", f"{open_one['name']},{email}"]
    book = await desk.ask("manager", "GET", "/members/export?format=xlsx")
    assert book.content[:2] == b"PK"
    record = (await desk.ok("manager", "GET", "/v1/exports?limit=1"))["data"][0]
    assert (record["records"], record["format"], record["rows"]) == ("list_members", "xlsx", 1)


async def test_m6_client_sees_each_list_that_reaches_it(desk: Desk, owner: Owner) -> None:
    radio = desk.organization
    person = await radio.create_contact()
    link = {"contact_id": person["id"], "roles": ["billing"]}
    client = await radio.create_client(contacts=[link])
    place = f"/v1/clients/{client['id']}"
    second = await make_list(radio, name="Zebra")
    member = await desk.add(client_id=client["id"])
    await desk.add(contact_id=person["id"])
    zebra = f"/v1/distribution-lists/{second['id']}"
    await desk.ok("manager", "POST", f"{zebra}/members", json={"contact_id": person["id"]})

    async def told(role: str = "front_desk", query: str = "") -> list[tuple[str, str, str | None]]:
        answer = await desk.ok(role, "GET", f"{place}/distribution-lists{query}")
        return [(one["list_id"], one["via"], one["contact_name"]) for one in answer["data"]]

    through = [(desk.id, "contact", person["name"]), (second["id"], "contact", person["name"])]
    assert sorted(await told()) == sorted([(desk.id, "client", None), *through])
    assert (await told(query="?sort=-name"))[0] == through[1]
    assert await told(query="?via=client") == [(desk.id, "client", None)]
    first = await desk.ok("front_desk", "GET", f"{place}/distribution-lists?limit=1")
    cursor = first["next_cursor"]
    rest = await desk.ok("front_desk", "GET", f"{place}/distribution-lists?cursor={cursor}")
    assert len({one["id"] for one in first["data"] + rest["data"]}) == 3

    await desk.ok("manager", "POST", f"/v1/list-members/{member['id']}/unsubscribe", json={})
    answer = await desk.ok("front_desk", "GET", f"{place}/distribution-lists?subscribed=false")
    assert [one["id"] for one in answer["data"]] == [member["id"]]
    links = (await desk.ok("admin", "GET", place))["contacts"]
    await desk.ok("manager", "POST", f"{zebra}/archive")
    assert len(await told()) == 2
    assert await told(query="?lifecycle=archived") == [through[1]]
    for one in links:
        ended = await desk.ask(
            "admin", "PATCH", f"{place}/contacts/{one['id']}", json={"to_on": "2026-01-31"}
        )
        assert ended.is_success, ended.text
    assert await told() == [(desk.id, "client", None)], "who served it once reaches it no more"
    refused(await desk.ask("presenter", "GET", f"{place}/distribution-lists"), 403, "forbidden")
    missing = f"/v1/clients/{NOBODY}/distribution-lists"
    refused(await desk.ask("manager", "GET", missing), 404, "not_found")


async def test_m6_who_reads_no_links_learns_of_none(desk: Desk) -> None:
    person = await desk.organization.create_contact()
    link = {"contact_id": person["id"], "roles": ["primary"]}
    client = await desk.organization.create_client(contacts=[link])
    await desk.add(contact_id=person["id"])
    place = f"/v1/clients/{client['id']}/distribution-lists?count=exact"
    ask = await desk.caller("lists.list:read", "clients.name:read", "contacts.person:read")
    assert (await ask("GET", place)).json()["total"] == 0
    ask = await desk.caller("lists.list:read", "clients.reach:read")
    told = (await ask("GET", place)).json()["data"][0]
    assert told["contact_id"] == person["id"]
    assert "contact_name" not in told


async def test_m6_who_reads_no_clients_adds_none(desk: Desk) -> None:
    """M6: a member is a link to a record that the caller may open; nothing of another is told."""
    client = await desk.organization.create_client()
    ask = await desk.caller("lists.list:read", "lists.list:create")
    for client_id in (client["id"], "01890a5d-ac96-774b-bcce-b302099a8057"):
        answer = await ask("POST", f"{desk.place}/members", json={"client_id": client_id})
        assert pointers(refused(answer, 403, "forbidden")) == {"/client_id"}
