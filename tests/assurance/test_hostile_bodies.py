"""Hostile bodies: every fault is named, nothing is repeated, nothing breaks, nothing is changed.

That nothing is changed after a refusal is looked at after each request, by `tests.watch`.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest

from tests.assurance.deviations import Deviations
from tests.assurance.golden import real_fields
from tests.assurance.hostile import ECHO, RAW, VALUES, no_echo, refused_without_echo
from tests.assurance.profile import PROFILE
from tests.assurance.requests import filled, own_ids
from tests.assurance.test_matrix_rows import operations
from tests.assurance.test_matrix_writes import CREATES, UPDATES
from tests.assurance.world import World, base_of, minimal
from tests.checks import pointers, refused

Json = dict[str, Any]


def with_body(spec: Json) -> Iterator[tuple[str, str, str]]:
    """The operations that take JSON: a file has hostile forms of its own."""
    for path, method, operation in operations(spec):
        if any("json" in media for media in operation.get("requestBody", {}).get("content", ())):
            yield operation["operationId"], method, path


async def send(world: World, method: str, path: str, raw: bytes, **headers: str) -> httpx.Response:
    given = {"Content-Type": "application/json"} | headers
    return await world.ask("admin", "jwt", method, path, content=raw, headers=given)


@pytest.mark.parametrize("what", RAW)
async def test_bytes_that_are_no_sensible_body_are_refused_everywhere(
    spec: Json, world: World, what: str
) -> None:
    raw, status = RAW[what]
    found = Deviations()
    for name, method, path in with_body(spec):
        with found.cell(name):
            place = filled(path, await own_ids(world, name, path))
            answer = await send(world, method, place, raw)
            refused_without_echo(answer)
            assert status is None or answer.status_code == status, answer.text[:600]
            assert len(answer.json()["errors"]) <= 100
    found.none()


async def test_content_that_is_not_called_json_is_415(spec: Json, world: World) -> None:
    found = Deviations()
    wrong = ("text/plain", "application/xml", "application/json; charset=utf-16", "*/*", ECHO)
    for name, method, path in with_body(spec):
        place = filled(path, await own_ids(world, name, path))
        for kind in wrong:
            with found.cell(f"{name} as {kind}"):
                answer = await send(world, method, place, b"{}", **{"Content-Type": kind})
                refused_without_echo(answer, statuses=frozenset({415}))
        with found.cell(f"{name} compressed"):
            answer = await send(world, method, place, b"{}", **{"Content-Encoding": "gzip"})
            refused_without_echo(answer, statuses=frozenset({415}))
    found.none()


def check_value(answer: httpx.Response, name: str) -> None:
    """Taken, or refused for this very field."""
    if answer.status_code < 300:
        return
    if answer.status_code != 409:  # which shows who stands in the way, as far as it is readable
        no_echo(answer)
    assert answer.status_code in (403, 409, 422), f"{answer.status_code}: {answer.text[:500]}"
    problem = answer.json()
    if answer.status_code == 422:
        places = pointers(problem)
        assert places, problem
        assert all(place == f"/{name}" or place.startswith(f"/{name}/") for place in places), places


def _fields_for(resource: str, action: str, what: str) -> list[str]:
    """The fields that get this value; another one gets the next of them (`PROFILE`)."""
    names = [name for name, row in real_fields(resource).items() if row.ever(action)]
    first = list(VALUES).index(what)
    return [n for place, n in enumerate(names, first) if place % PROFILE.value_share == 0]


def _cases(resources: Iterable[str], action: str) -> list[tuple[str, str]]:
    return [(r, what) for r in resources for what in VALUES if _fields_for(r, action, what)]


@pytest.mark.parametrize(("resource", "what"), _cases(CREATES, "create"))
async def test_no_value_of_a_create_breaks_anything(world: World, resource: str, what: str) -> None:
    found = Deviations()
    for name in _fields_for(resource, "create", what):
        with found.cell(f"{name} = {what}"):
            body = minimal(resource) | {name: VALUES[what]}
            path = base_of(resource, name)
            answer = await world.ask("admin", "jwt", "POST", path, json=body)
            needs_reach = name == "emails" and answer.status_code == 422
            if not (needs_reach and answer.json()["code"] == "contact_method_required"):
                check_value(answer, name)
    found.none()


@pytest.mark.parametrize(("resource", "what"), _cases(UPDATES, "update"))
async def test_no_value_of_a_patch_breaks_anything(world: World, resource: str, what: str) -> None:
    found = Deviations()
    shared = await world.place(resource)
    for name in _fields_for(resource, "update", what):
        with found.cell(f"{name} = {what}"):
            place = await world.place(resource, name) if resource == "catalogues" else shared
            body: Json = {name: VALUES[what]}
            if name == "status":
                body["status_reason"] = "Why not"
            answer = await world.ask("admin", "jwt", "PATCH", place, json=body)
            check_value(answer, name)
    found.none()


@pytest.mark.parametrize(("resource", "action"), [(r, "create") for r in CREATES])
async def test_all_faults_of_a_create_are_named_at_once(
    world: World, resource: str, action: str
) -> None:
    """A wrong type for every field, an unknown field, and one that the system sets."""
    rows = {name: row for name, row in real_fields(resource).items() if row.ever(action)}
    body: Json = {name: [[ECHO]] for name in rows} | {"colour": ECHO, "id": ECHO}
    answer = await world.ask("admin", "jwt", "POST", base_of(resource), json=body)
    problem = refused(answer, 422, "invalid")
    no_echo(answer)
    assert {place.split("/")[1] for place in pointers(problem)} == {*rows, "colour", "id"}


async def test_faults_of_form_and_of_content_are_named_together(world: World) -> None:
    """What the types tell and what the catalogues, formats and other rows tell: in one answer."""
    body = {
        "name": 7,
        "industry": "no_such_industry",
        "owner_id": "01890a5d-ac96-774b-bcce-b302099a8057",
        "emails": ["not an address"],
        "phones": ["+25612"],
        "sites": [{"country_code": "US", "postal_code": "x", "city": "y"}],
        "website": "ftp://example.com",
        "tax_numbers": [{"country": "DE", "type": "vat", "value": "1"}],
        "colour": "green",
    }
    answer = await world.ask("admin", "jwt", "POST", "/v1/clients", json=body)
    problem = refused(answer, 422, "invalid")
    named = {place.split("/")[1] for place in pointers(problem)}
    assert named == body.keys()


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "destroy"},
        {"op": "create", "body": {"name": ECHO * 500}},
        {"op": "update", "id": "x", "body": {}},
        {"op": "update", "id": 7},
        {"op": "create", "if_match": 7},
        {"op": "create", "extra": ECHO},
        {"op": None},
        [],
        None,
        ECHO,
    ],
    ids=str,
)
async def test_hostile_batches_are_refused_or_answered_item_by_item(
    world: World, operation: Any
) -> None:
    for atomic in (False, True):
        body = {"atomic": atomic, "operations": [operation]}
        answer = await world.ask("admin", "jwt", "POST", "/v1/clients/batch", json=body)
        no_echo(answer)
        if answer.status_code == 207:
            assert all(result["status"] >= 400 for result in answer.json()["results"])
        else:
            refused_without_echo(answer)
    many = {"operations": [{"op": "create", "body": {}}] * 201}
    answer = await world.ask("admin", "jwt", "POST", "/v1/clients/batch", json=many)
    refused_without_echo(answer, statuses=frozenset({422}))
