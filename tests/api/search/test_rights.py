"""What somebody may not read is not found, ranked, counted or hinted at by a search."""

from typing import Any

import pytest

from tests.factories import Organization

HIDDEN = ["secret-desk@quartz.example", "secret-desk", "0772 907 111", "907111", "Zebedee", "zebed"]
"""Terms that hit Quartz Motors by an address, a number or a person."""


@pytest.fixture
async def quartz(radio: Organization) -> dict[str, Any]:
    await radio.create_client(name="Amber Stores")
    return await radio.create_client(
        name="Quartz Motors",
        emails=["secret-desk@quartz.example"],
        phones=["0772 907111"],
        contacts=[{"contact": {"name": "Zebedee Okello", "emails": ["zeb@okello.example"]}}],
    )


async def search(radio: Organization, role: str, q: str, **more: str) -> Any:
    answer = await radio.call(role, "GET", "/v1/clients", params={"q": q, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("q", HIDDEN)
async def test_presenter_finds_nothing_by_what_is_hidden(
    radio: Organization, quartz: dict[str, Any], q: str
) -> None:
    seen = await search(radio, "front_desk", q, count="exact")
    assert [row["id"] for row in seen["data"]] == [quartz["id"]]
    assert seen["total"] == 1
    unseen = await search(radio, "presenter", q, count="exact")
    assert unseen["data"] == []
    assert unseen["total"] == 0
    answer = await radio.call("presenter", "GET", "/v1/clients/suggest", params={"q": q})
    assert answer.json() == {"data": []}


async def test_hidden_hit_moves_nothing_in_the_presenters_order(radio: Organization) -> None:
    """`bell` stands in the address of the one, and in the names of both."""
    for name, emails in (("Abel Lane Bells", ["a@x.example"]), ("Zoo Bells", ["bells@x.example"])):
        await radio.create_client(name=name, emails=emails)
    before = [row["name"] for row in (await search(radio, "presenter", "bells"))["data"]]
    seen = [row["name"] for row in (await search(radio, "manager", "bells"))["data"]]
    assert seen[0] == "Zoo Bells"
    clean = await radio.call("manager", "GET", "/v1/clients", params={"q": "bells@x.example"})
    await radio.call(
        "manager",
        "PATCH",
        f"/v1/clients/{clean.json()['data'][0]['id']}",
        json={"emails": ["n@x.example"]},
    )
    after = [row["name"] for row in (await search(radio, "presenter", "bells"))["data"]]
    assert before == after == ["Zoo Bells", "Abel Lane Bells"]


async def test_rights_of_the_persons_are_asked_apart(
    radio: Organization, quartz: dict[str, Any]
) -> None:
    """Who reads addresses of clients but no persons does not find by a person's name."""
    scopes = ["clients.identity:read", "clients.name:read", "clients.reach:read"]
    key = await radio.call("admin", "POST", "/v1/api-keys", json={"name": "k", "scopes": scopes})
    headers = {"Authorization": f"Bearer {key.json()['key']}"}
    for q, ids in (("zebedee", []), ("secret-desk", [quartz["id"]])):
        answer = await radio.api.get("/v1/clients", params={"q": q}, headers=headers)
        assert [row["id"] for row in answer.json()["data"]] == ids
        hints = await radio.api.get("/v1/clients/suggest", params={"q": q}, headers=headers)
        assert [row["id"] for row in hints.json()["data"]] == ids


async def test_who_reads_no_names_is_not_ordered_by_them(radio: Organization) -> None:
    """Neither the order nor the page tells a name to who reads numbers alone."""
    scopes = ["clients.identity:read"]
    key = await radio.call("admin", "POST", "/v1/api-keys", json={"name": "k", "scopes": scopes})
    headers = {"Authorization": f"Bearer {key.json()['key']}"}
    made = [await radio.create_client(name=name) for name in ("Zulu", "Mike", "Alpha")]
    answer = await radio.api.get("/v1/clients", params={"q": "c-0000"}, headers=headers)
    found = [row["id"] for row in answer.json()["data"]]
    assert found == sorted(found)
    assert {one["id"] for one in made} == set(found)
    by_name = await radio.api.get("/v1/clients", params={"q": "Zulu"}, headers=headers)
    assert by_name.json()["data"] == []


async def test_who_reads_nothing_that_is_searched_is_told_so(radio: Organization) -> None:
    scopes = ["clients.classification:read"]
    key = await radio.call("admin", "POST", "/v1/api-keys", json={"name": "k", "scopes": scopes})
    headers = {"Authorization": f"Bearer {key.json()['key']}"}
    for path in ("/v1/clients", "/v1/clients/suggest"):
        answer = await radio.api.get(path, params={"q": "zulu"}, headers=headers)
        assert answer.status_code == 403
        assert answer.json()["code"] == "field_not_readable"


async def test_presenter_searches_no_persons(radio: Organization) -> None:
    for path in ("/v1/contacts", "/v1/contacts/suggest"):
        answer = await radio.call("presenter", "GET", path, params={"q": "ada"})
        assert answer.status_code == 403


async def test_another_organization_is_never_found(
    radio: Organization, other: Organization
) -> None:
    await other.create_client(name="Faraway Kayaks", emails=["go@faraway.example"])
    for q in ("Faraway Kayaks", "farawya", "go@faraway.example", "faraway*"):
        assert (await search(radio, "admin", q, count="exact"))["total"] == 0
        hints = await radio.call("admin", "GET", "/v1/clients/suggest", params={"q": q})
        assert hints.json() == {"data": []}


async def test_archived_are_found_only_where_they_are_asked_for(radio: Organization) -> None:
    made = await radio.create_client(name="Retired Traders")
    await radio.call("admin", "POST", f"/v1/clients/{made['id']}/archive")
    assert (await search(radio, "manager", "retired"))["data"] == []
    asked = await search(radio, "manager", "retired", lifecycle="archived")
    assert [row["id"] for row in asked["data"]] == [made["id"]]
    answer = await radio.call(
        "presenter", "GET", "/v1/clients", params={"q": "retired", "lifecycle": "archived"}
    )
    assert answer.status_code == 403
    await radio.call("admin", "POST", f"/v1/clients/{made['id']}/restore")
    assert len((await search(radio, "manager", "retired"))["data"]) == 1
