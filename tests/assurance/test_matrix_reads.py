"""Every role, by token and by key, reads exactly the fields that the golden matrix gives it."""

from typing import Any

import pytest

from tests.assurance.golden import RESOURCES, ROLES, denial, owns_alone, real_fields, table
from tests.assurance.values import VALUES, answers_to
from tests.assurance.world import BASES, PRINCIPALS, SINGULAR, World, base_of
from tests.checks import refused

Json = dict[str, Any]
ALL = [(resource, role, kind) for resource in RESOURCES for role, kind in PRINCIPALS]
ONE = [case for case in ALL if not owns_alone(*case[:2])]
OWN = [case for case in ALL if owns_alone(*case[:2])]
MANY = [case for case in ONE if case[0] != "organization"]
BY_ID = [case for case in ONE if case[0] != "client_lists"]
"""What is not only told in a list."""


FULL = ("clients", "contacts", "notes", "files", "communications", "tasks", "segments", "lists")
"""Records that are made with a value in every field."""


@pytest.fixture(scope="module")
async def places(world: World) -> dict[str, str]:
    """The path of one record of each kind, with a value in every field."""
    found = {
        name: await world.place(name)
        for name in ("users", "roles", "api_keys", "exports", "follow_ups", "calendar_feeds")
    }
    found["list_members"] = await world.place("list_members")
    found["client_lists"] = BASES["client_lists"]
    full = {name: value.first(world.known) for name, value in VALUES["relationships"].items()}
    full["inverse_kind"] = full["kind"]
    made = await world.make("relationships", **full)
    found["relationships"] = f"/v1/relationships/{made['id']}"
    found["catalogues"] = await world.place("catalogues")
    found["operations"] = await world.place("operations")
    found["imports"] = await world.place("imports")
    found["organization"] = BASES["organization"]
    for resource in FULL:
        rows, values = real_fields(resource), VALUES[resource]
        full = {n: v.first(world.known) for n, v in values.items() if rows[n].ever("create")}
        if resource == "clients":
            full["status"] = "active"  # goes with the type
        found[resource] = f"{BASES[resource]}/{(await world.make(resource, **full))['id']}"
    return found


def readable(resource: str, role: str) -> list[str]:
    return [name for name, row in real_fields(resource).items() if row.may(role, "read")]


def unread(resource: str, role: str, place: str, path: str) -> tuple[int, str]:
    """How who reads no field of it is refused: where rows differ, there is none of them."""
    if path != place:
        return 403, "forbidden"
    if resource in ("notes", "files"):
        return denial(f"get_{SINGULAR[resource]}", role)
    # Where rows have an author, another's does not exist.
    authored = any(owns_alone(resource, one) for one in ROLES)
    return (404, "not_found") if authored else (403, "forbidden")


async def test_full_records_answer_what_was_sent(world: World, places: dict[str, str]) -> None:
    """So that an absent key is hidden and not empty."""
    for resource in FULL:
        document = await world.admin("GET", places[resource])
        values = VALUES[resource]
        for name, row in real_fields(resource).items():
            if row.ever("create"):
                assert document[name] not in (None, [], {}), name
                constant = values[name].first is not values[name].second
                if constant and name not in ("kind", "status"):
                    sent = values[name].first(world.known)
                    assert answers_to(name, sent, document[name]), name


@pytest.mark.parametrize(("resource", "role", "kind"), BY_ID)
async def test_one_record_shows_the_readable_fields_and_no_other(
    world: World, places: dict[str, str], resource: str, role: str, kind: str
) -> None:
    answer = await world.ask(role, kind, "GET", places[resource])
    expected = readable(resource, role)
    if not expected:
        refused(answer, *unread(resource, role, places[resource], places[resource]))
        return
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == expected


@pytest.mark.parametrize(("resource", "role", "kind"), MANY)
async def test_list_shows_the_readable_fields_and_no_other(
    world: World, places: dict[str, str], resource: str, role: str, kind: str
) -> None:
    answer = await world.ask(role, kind, "GET", base_of(resource), params={"limit": "5"})
    expected = readable(resource, role)
    if not expected:
        refused(answer, 403, "forbidden")
        return
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]
    for item in answer.json()["data"]:
        assert list(item) == expected


@pytest.mark.parametrize(("resource", "role", "kind"), OWN)
async def test_what_others_made_does_not_exist_for_who_reads_its_own(
    world: World, places: dict[str, str], resource: str, role: str, kind: str
) -> None:
    fields = ",".join(real_fields(resource))
    for params in ({}, {"fields": fields}):
        answer = await world.ask(role, kind, "GET", places[resource], params=params)
        refused(answer, 404, "not_found")
        listed = params | {"count": "exact"}
        answer = await world.ask(role, kind, "GET", base_of(resource), params=listed)
        assert answer.json() == {"data": [], "next_cursor": None, "has_more": False, "total": 0}


@pytest.mark.parametrize(("resource", "role", "kind"), ONE)
async def test_each_field_can_be_asked_for_by_who_reads_it(
    world: World, places: dict[str, str], resource: str, role: str, kind: str
) -> None:
    known = readable(resource, role)
    for name in real_fields(resource):
        for path in sorted({places[resource], base_of(resource)}):
            answer = await world.ask(role, kind, "GET", path, params={"fields": name})
            if not known:
                refused(answer, *unread(resource, role, places[resource], path))
            elif name not in known:
                problem = refused(answer, 403, "field_not_readable")
                assert name in problem["detail"], problem
                assert [fault["parameter"] for fault in problem["errors"]] == ["fields"]
            else:
                assert answer.status_code == 200, answer.text
                document = answer.json()
                items = document.get("data", [document])
                assert all(list(item) == [name] for item in items)


@pytest.mark.parametrize(("resource", "role", "kind"), ONE)
async def test_one_hidden_field_among_readable_ones_is_refused_and_named(
    world: World, places: dict[str, str], resource: str, role: str, kind: str
) -> None:
    known = readable(resource, role)
    hidden = [name for name in real_fields(resource) if name not in known]
    for name in hidden if known else []:
        params = {"fields": f"{known[0]},{name}"}
        answer = await world.ask(role, kind, "GET", places[resource], params=params)
        problem = refused(answer, 403, "field_not_readable")
        assert name in problem["detail"]
        others = set(hidden) - {name}
        assert not any(f"`{other}`" in problem["detail"] for other in others)


@pytest.mark.parametrize(("role", "kind"), PRINCIPALS)
async def test_expansion_shows_the_record_behind_as_far_as_it_is_readable(
    world: World, places: dict[str, str], role: str, kind: str
) -> None:
    for name, cells in table("expand").items():
        resource, key = name.split(".")
        for path in (places[resource], base_of(resource)):
            answer = await world.ask(role, kind, "GET", path, params={"expand": key})
            if cells[role] != "+":
                if not readable(resource, role):
                    refused(answer, 403, "forbidden")
                    continue
                problem = refused(answer, 403, "field_not_readable")
                assert key in problem["detail"]
                continue
            assert answer.status_code == 200, answer.text
            if path == places[resource]:
                _look_behind(key, answer.json(), role)


def _look_behind(key: str, document: Json, role: str) -> None:
    if key in ("owner", "client"):
        assert list(document[key]) == ["id", "name"]
        return
    if key == "participants":
        assert document[key][0]["name"]
        return
    link = document["contacts"][0] if key == "contacts" else document["primary_contact"]
    assert list(link["contact"]) == readable("contacts", role)


@pytest.mark.parametrize(("role", "kind"), PRINCIPALS)
async def test_parts_of_another_group_are_shown_by_that_group(
    world: World, places: dict[str, str], role: str, kind: str
) -> None:
    for name, cells in table("parts").items():
        resource, field, part = name.split(".")
        answer = await world.ask(role, kind, "GET", places[resource])
        assert (part in answer.json().get(field, {})) == (cells[role] == "r"), name


@pytest.mark.parametrize(("role", "kind"), PRINCIPALS)
async def test_permissions_are_those_of_the_matrix(world: World, role: str, kind: str) -> None:
    """What a front end greys out without trying."""
    answer = await world.ask(role, kind, "GET", "/v1/me/permissions")
    resources = answer.json()["resources"]
    assert set(resources) == set(RESOURCES)
    for resource in RESOURCES:
        told = resources[resource]["fields"]
        for name, row in real_fields(resource).items():
            expected: Json = {a: row.may(role, a) for a in ("create", "update")}
            expected["read"] = row.reads(role)
            assert told[name] == {"group": row.group, **expected}, f"{resource}.{name}"
