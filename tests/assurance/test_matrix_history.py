"""The history of a record, field by field, as the golden matrix lets each role see it."""

from typing import Any

import pytest

from tests.assurance.golden import ROLES, real_fields, table
from tests.assurance.values import VALUES
from tests.assurance.world import CREDENTIALS, PRINCIPALS, World
from tests.checks import refused

Json = dict[str, Any]
HISTORIES = tuple(table("history"))
OF_THE_OWNER = {("segments", "visibility")}
"""What only the owner of a record makes another: everybody else may send what it is."""


async def change_each(world: World, resource: str, place: str, role: str) -> set[str]:
    """Every field that the role may change, one request each; their names."""
    done = set()
    for name, row in real_fields(resource).items():
        if row.may(role, "update") and (resource, name) not in OF_THE_OWNER:
            values = VALUES[resource][name]
            body = {name: values.second(world.known)} | dict(values.beside)
            answer = await world.ask(role, "jwt", "PATCH", place, json=body)
            assert answer.status_code == 200, f"{name}: {answer.text}"
            done.add(name)
    return done


async def history_of(world: World, role: str, kind: str, place: str) -> list[Json]:
    """All pages, a few entries each."""
    entries: list[Json] = []
    cursor: str | None = ""
    while cursor is not None:
        params = {"limit": "7"} | ({"cursor": cursor} if cursor else {})
        answer = await world.ask(role, kind, "GET", f"{place}/history", params=params)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        entries += page["data"]
        cursor = page["next_cursor"]
        assert page["has_more"] == (cursor is not None)
    return entries


@pytest.fixture(scope="module")
async def changed(world: World) -> dict[str, tuple[str, set[str]]]:
    """A record of each kind whose every field the administrator changed."""
    found = {}
    for resource in HISTORIES:
        place = await world.place(resource)
        found[resource] = (place, await change_each(world, resource, place, "admin"))
    return found


@pytest.mark.parametrize(("role", "kind"), PRINCIPALS)
@pytest.mark.parametrize("resource", HISTORIES)
async def test_history_tells_the_readable_fields_of_whom_the_role_may_know(
    world: World, changed: dict[str, tuple[str, set[str]]], resource: str, role: str, kind: str
) -> None:
    place, names = changed[resource]
    audience = table("history")[resource][role]
    if audience in ("-", "."):
        answer = await world.ask(role, kind, "GET", f"{place}/history")
        refused(answer, *((403, "forbidden") if audience == "-" else (404, "not_found")))
        return
    entries = await history_of(world, role, kind, place)
    if audience == "own":
        assert entries == []
        return
    told = {change["field"] for entry in entries for change in entry["changes"]}
    rows = real_fields(resource)
    hidden = {name for name, row in rows.items() if not row.may(role, "read")}
    assert names - hidden <= told
    assert not told & hidden
    assert all(entry["changes"] for entry in entries)
    assert len({entry["id"] for entry in entries}) == len(entries)
    with_address = role == "admin"
    assert all(("address" in entry) == with_address for entry in entries)
    assert all(("user_agent" in entry) == with_address for entry in entries)


@pytest.mark.parametrize("resource", HISTORIES)
@pytest.mark.parametrize("role", [r for r in ROLES if table("history")["clients"][r] == "own"])
async def test_own_changes_are_told_to_their_author_alone(
    world: World, resource: str, role: str
) -> None:
    place = await world.place(resource)
    names = await change_each(world, resource, place, role)
    own = await history_of(world, role, "jwt", place)
    assert {change["field"] for entry in own for change in entry["changes"]} >= names
    assert {entry["actor"]["type"] for entry in own} == ({"user"} if names else set())
    # The key of the same rights is another principal, which wrote nothing.
    assert await history_of(world, role, "key", place) == []


@pytest.mark.parametrize(("role", "kind"), PRINCIPALS)
@pytest.mark.parametrize("resource", [*table("past")])
async def test_past_shows_the_readable_fields_to_whom_the_role_may_look_back(
    world: World, changed: dict[str, tuple[str, set[str]]], resource: str, role: str, kind: str
) -> None:
    place, names = changed[resource]
    began = (await world.admin("GET", place))["created_at"]
    asked = [f"{place}?as_of={began}", f"{place}/diff"]
    if table("past")[resource][role] == "-":
        for path in asked:
            refused(await world.ask(role, kind, "GET", path), 403, "forbidden")
        return
    then, differences = [await world.ask(role, kind, "GET", path) for path in asked]
    rows = real_fields(resource)
    readable = [name for name, row in rows.items() if row.may(role, "read")]
    assert list(then.json()) == readable
    told = {change["field"] for change in differences.json()["changes"]}
    assert names & set(readable) <= told <= set(readable)


@pytest.mark.parametrize("kind", CREDENTIALS)
async def test_history_of_what_is_not_there_is_no_refusal_of_rights(
    world: World, kind: str
) -> None:
    for role in ROLES:
        for resource in HISTORIES:
            path = f"/v1/{resource}/01890a5d-ac96-774b-bcce-b302099a8057/history"
            refused(await world.ask(role, kind, "GET", path), 404, "not_found")
