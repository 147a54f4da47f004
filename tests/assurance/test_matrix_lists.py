"""Every role filters and sorts by exactly the fields that it reads, with every operator."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.assurance.deviations import Deviations
from tests.assurance.golden import allowed, fields, table
from tests.assurance.test_matrix_rows import LISTS, filters_of, sorts_of
from tests.assurance.world import PRINCIPALS, World, base_of
from tests.checks import refused

Json = dict[str, Any]
CASES = [(resource, role, kind) for resource in LISTS for role, kind in PRINCIPALS]
LIFECYCLES = ("clients", "contacts", "communications", "tasks", "lists", "segments")
FILTERED = [case for case in CASES if any(row.filters for row in fields(case[0]).values())]
KEYED = {"clients": {f"attributes.shoe_size{op}": "44" for op in ("", "[ne]", "[in]")}}
"""Filters whose names nobody knows beforehand stand in no document."""


def operation(resource: str) -> str:
    names = {
        "catalogues": "catalogue_entries",
        "relationships": "client_relationships",
        "list_members": "list_members",
    }
    return f"list_{names.get(resource, resource)}"


def questions(spec: Json, resource: str) -> Iterator[tuple[str, str, Any]]:
    """Field, query key with its operator, and a valid value, of everything that a list may ask."""
    for key, parameter in filters_of(spec, resource).items():
        yield key.partition("[")[0], key, parameter["example"]
    for key, value in KEYED.get(resource, {}).items():
        yield key.partition(".")[0], key, value


def as_query(value: Any) -> Any:
    if isinstance(value, list):
        return [as_query(item) for item in value]
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize(("resource", "role", "kind"), FILTERED)
async def test_filters_are_open_to_who_reads_the_field(
    spec: Json, world: World, resource: str, role: str, kind: str
) -> None:
    found = Deviations()
    for name, key, example in questions(spec, resource):
        if name == "lifecycle":
            continue  # which records a role may ask for is a question of its own, below
        with found.cell(f"filter {key}"):
            params = {key: as_query(example)}
            if name == "credit_limit" and not key.endswith("[is_null]"):
                params["currency"] = "UGX"
            answer = await world.ask(role, kind, "GET", base_of(resource), params=params)
            if not allowed(operation(resource), role):
                refused(answer, 403, "forbidden")
            elif fields(resource)[name].reads(role):
                assert answer.status_code == 200, answer.text
            else:
                problem = refused(answer, 403, "field_not_readable")
                assert name in problem["detail"]
                assert [fault["parameter"] for fault in problem["errors"]] == [key]
    found.none()


@pytest.mark.parametrize(("resource", "role", "kind"), CASES)
async def test_sorts_are_open_to_who_reads_the_field(
    spec: Json, world: World, resource: str, role: str, kind: str
) -> None:
    found = Deviations()
    for key in sorts_of(spec, resource):
        with found.cell(f"sort {key}"):
            answer = await world.ask(role, kind, "GET", base_of(resource), params={"sort": key})
            name = key.removeprefix("-")
            if not allowed(operation(resource), role):
                refused(answer, 403, "forbidden")
            elif fields(resource)[name].reads(role):
                assert answer.status_code == 200, answer.text
            else:
                problem = refused(answer, 403, "field_not_readable")
                assert name in problem["detail"]
                assert [fault["parameter"] for fault in problem["errors"]] == ["sort"]
    found.none()


@pytest.mark.parametrize(("role", "kind"), PRINCIPALS)
@pytest.mark.parametrize("resource", LIFECYCLES)
async def test_lifecycles_are_listed_to_who_may_open_them(
    world: World, resource: str, role: str, kind: str
) -> None:
    found = Deviations()
    states = {
        n.partition(".")[2]: c for n, c in table("lifecycles").items() if n.startswith(resource)
    }
    readable = allowed(f"list_{resource}", role)
    for state, cells in states.items():
        for key in ("lifecycle", "lifecycle[in]"):
            with found.cell(f"{key}={state}"):
                params = {key: f"live,{state}" if key.endswith("[in]") else state}
                answer = await world.ask(role, kind, "GET", base_of(resource), params=params)
                if not readable or cells[role] != "+":
                    refused(answer, 403, "forbidden")
                else:
                    assert answer.status_code == 200, answer.text
        with found.cell(f"lifecycle[ne]={state}"):
            params = {"lifecycle[ne]": state, "limit": "200", "fields": "lifecycle"}
            answer = await world.ask(role, kind, "GET", base_of(resource), params=params)
            if not readable:
                refused(answer, 403, "forbidden")
                continue
            assert answer.status_code == 200, answer.text
            seen = {item["lifecycle"] for item in answer.json()["data"]}
            assert seen <= {s for s, c in states.items() if c[role] == "+"} - {state}
    found.none()


@pytest.mark.parametrize(("role", "kind"), PRINCIPALS)
async def test_usage_of_a_catalogue_is_counted_for_who_reads_the_field(
    world: World, role: str, kind: str
) -> None:
    uses = {
        "types": "type",
        "industries": "industry",
        "tiers": "service_tier",
        "regions": "region",
        "sources": "source",
        "tags": "tags",
        "workflows": "stage",
    }
    for catalogue, name in uses.items():
        path = f"/v1/catalogues/{catalogue}"
        answer = await world.ask(role, kind, "GET", path, params={"usage": "true"})
        if fields("clients")[name].may(role, "read"):
            assert answer.status_code == 200, answer.text
        else:
            refused(answer, 403, "field_not_readable")


async def in_state(world: World, resource: str, state: str) -> str:
    place = await world.place(resource)
    if state == "archived":
        await world.admin("POST", f"{place}/archive")
    if state == "deleted":
        await world.admin("DELETE", place)
    return place


@pytest.mark.parametrize(("role", "kind"), PRINCIPALS)
@pytest.mark.parametrize(
    ("resource", "state"),
    [("clients", "archived"), ("clients", "deleted"), ("contacts", "deleted")],
)
async def test_records_that_are_not_live_open_to_who_may_see_them(
    world: World, resource: str, state: str, role: str, kind: str
) -> None:
    """To others they are the 404 of what never was; who sees them restores before a change."""
    place = await in_state(world, resource, state)
    visible = table("lifecycles")[f"{resource}.{state}"][role] == "+"
    for path in ("", "/history"):
        answer = await world.ask(role, kind, "GET", f"{place}{path}")
        assert answer.status_code == (200 if visible else 404), answer.text
    field = "remarks" if resource == "clients" else "honorific"
    answer = await world.ask(role, kind, "PATCH", place, json={field: "x"})
    refused(answer, *((409, "not_live") if visible else (404, "not_found")))
    if not visible:
        answer = await world.ask(role, kind, "DELETE", place)
        refused(answer, 404, "not_found")
