"""Every role, by token and by key, writes exactly the fields that the golden matrix gives it."""

from typing import Any

import httpx
import pytest

from tests.assurance.deviations import Deviations
from tests.assurance.golden import Row, allowed, denial, real_fields
from tests.assurance.values import UNWRITABLE, VALUES, Values, answers_to
from tests.assurance.world import PRINCIPALS, World, base_of, minimal
from tests.checks import pointers, refused

Json = dict[str, Any]
CREATES = {
    "clients": "create_client",
    "contacts": "create_contact",
    "relationships": "create_client_relationship",
    "communications": "create_communication",
    "tasks": "create_task",
    "notes": "create_client_note",
    "files": "create_client_file_link",
    "segments": "create_segment",
    "lists": "create_list",
    "users": "invite_user",
    "roles": "create_role",
    "api_keys": "create_api_key",
    "catalogues": "create_catalogue_entry",
}
UPDATES = {
    "clients": "patch_client",
    "contacts": "patch_contact",
    "relationships": "patch_relationship",
    "communications": "patch_communication",
    "tasks": "patch_task",
    "notes": "patch_note",
    "files": "patch_file",
    "segments": "patch_segment",
    "lists": "patch_list",
    "users": "patch_user",
    "roles": "patch_role",
    "organization": "patch_organization",
    "catalogues": "patch_catalogue_entry",
}
CREATED = [(resource, role, kind) for resource in CREATES for role, kind in PRINCIPALS]
UPDATED = [(resource, role, kind) for resource in UPDATES for role, kind in PRINCIPALS]


def value_of(world: World, row: Row, action: str) -> tuple[Any, Json]:
    """A valid value, and what must stand beside it."""
    found: Values | None = VALUES[row.resource].get(row.name)
    if found is None:
        return UNWRITABLE[row.name], {}
    make = found.first if action == "create" else found.second
    return make(world.known), dict(found.beside)


def refusal_of(row: Row, role: str, action: str) -> tuple[int, str] | None:
    """What the matrix says of a field that is sent; None where it is taken."""
    if row.may(role, action):
        return None
    return (403, "field_not_writable") if row.ever(action) else (422, "read_only_field")


def check_refused(answer: httpx.Response, expected: tuple[int, str], name: str) -> None:
    problem = refused(answer, *expected)
    assert pointers(problem) == {f"/{name}"}
    assert {fault["code"] for fault in problem["errors"]} == {expected[1]}
    if expected[0] == 403:
        assert name in problem["detail"], problem["detail"]


@pytest.mark.parametrize(("resource", "role", "kind"), CREATED)
async def test_create_takes_the_fields_of_the_role_and_no_other(
    world: World, resource: str, role: str, kind: str
) -> None:
    found = Deviations()
    for name, row in real_fields(resource).items():
        with found.cell(f"create {name}"):
            sent, beside = value_of(world, row, "create")
            expected = refusal_of(row, role, "create")
            body = (
                minimal(resource, world.known) | {name: sent} | (beside if expected is None else {})
            )
            path = base_of(resource, name)
            answer = await world.ask(role, kind, "POST", path, json=body)
            if not allowed(CREATES[resource], role):
                refused(answer, 403, "forbidden")
            elif expected is not None:
                check_refused(answer, expected, name)
            else:
                assert answer.status_code == 201, answer.text
                assert answers_to(name, sent, answer.json()[name]), answer.json()[name]
    found.none()


@pytest.mark.parametrize(("resource", "role", "kind"), UPDATED)
async def test_update_takes_the_fields_of_the_role_and_no_other(
    world: World, resource: str, role: str, kind: str
) -> None:
    found = Deviations()
    shared = await world.place(resource)
    for name, row in real_fields(resource).items():
        with found.cell(f"update {name}"):
            path = await world.place(resource, name) if resource == "catalogues" else shared
            sent, beside = value_of(world, row, "update")
            expected = refusal_of(row, role, "update")
            body = {name: sent} | (beside if expected is None else {})
            answer = await world.ask(role, kind, "PATCH", path, json=body)
            if not allowed(UPDATES[resource], role):
                refused(answer, *denial(UPDATES[resource], role))
            elif expected is not None:
                check_refused(answer, expected, name)
            else:
                assert answer.status_code == 200, answer.text
                assert answers_to(name, sent, answer.json()[name]), answer.json()[name]
    found.none()


@pytest.mark.parametrize(("resource", "role", "kind"), UPDATED)
async def test_present_value_may_be_echoed_by_who_reads_it_and_by_nobody_else(
    world: World, resource: str, role: str, kind: str
) -> None:
    """An echo of a hidden value that were accepted would tell that the guess was right."""
    found = Deviations()
    path = await world.place(resource)
    present = await world.admin("GET", path)
    for name, row in real_fields(resource).items():
        with found.cell(f"echo {name}"):
            before = await world.organization.call("admin", "GET", path)
            answer = await world.ask(role, kind, "PATCH", path, json={name: present[name]})
            if not allowed(UPDATES[resource], role):
                refused(answer, *denial(UPDATES[resource], role))
            elif row.may(role, "read"):
                assert answer.status_code == 200, answer.text
            else:
                expected = refusal_of(row, role, "update")
                assert expected is not None
                check_refused(answer, expected, name)
            after = await world.organization.call("admin", "GET", path)
            assert before.headers["etag"] == after.headers["etag"]
    found.none()


@pytest.mark.parametrize(("resource", "role", "kind"), UPDATED)
async def test_unknown_field_is_named(world: World, resource: str, role: str, kind: str) -> None:
    if not allowed(UPDATES[resource], role):
        return
    path = await world.place(resource)
    answer = await world.ask(role, kind, "PATCH", path, json={"colour": "green"})
    assert pointers(refused(answer, 422, "unknown_field")) == {"/colour"}
    if resource in CREATES:
        body = minimal(resource, world.known) | {"colour": "green"}
        answer = await world.ask(role, kind, "POST", base_of(resource), json=body)
        assert pointers(refused(answer, 422, "unknown_field")) == {"/colour"}


@pytest.mark.parametrize(("resource", "role", "kind"), CREATED)
async def test_all_forbidden_fields_of_a_create_are_named_before_any_fault(
    world: World, resource: str, role: str, kind: str
) -> None:
    rows = real_fields(resource)
    expected = {n for n, r in rows.items() if r.ever("create") and not r.may(role, "create")}
    if not allowed(CREATES[resource], role) or not expected:
        return
    body = minimal(resource, world.known) | {name: {"not": ["a value"]} for name in expected}
    body |= {"colour": "green", "id": 7}
    answer = await world.ask(role, kind, "POST", base_of(resource), json=body)
    assert pointers(refused(answer, 403, "field_not_writable")) == {f"/{n}" for n in expected}


@pytest.mark.parametrize(("resource", "role", "kind"), UPDATED)
async def test_all_forbidden_fields_of_a_patch_are_named_before_any_fault(
    world: World, resource: str, role: str, kind: str
) -> None:
    rows = real_fields(resource)
    expected = {n for n, r in rows.items() if r.ever("update") and not r.may(role, "update")}
    if not allowed(UPDATES[resource], role) or not expected:
        return
    body: Json = {name: {"not": ["a value"]} for name in expected} | {"colour": "green", "id": 7}
    answer = await world.ask(role, kind, "PATCH", await world.place(resource), json=body)
    assert pointers(refused(answer, 403, "field_not_writable")) == {f"/{n}" for n in expected}


@pytest.mark.parametrize("kind", ["jwt", "key"])
async def test_front_desk_may_send_the_default_type_and_no_other(world: World, kind: str) -> None:
    body = minimal("clients") | {"type": "prospect"}
    answer = await world.ask("front_desk", kind, "POST", "/v1/clients", json=body)
    assert answer.status_code == 201, answer.text
    for other in ("partner", "active_advertiser", "nonsense", 7, None):
        body = minimal("clients") | {"type": other}
        answer = await world.ask("front_desk", kind, "POST", "/v1/clients", json=body)
        check_refused(answer, (403, "field_not_writable"), "type")


@pytest.mark.parametrize("kind", ["jwt", "key"])
async def test_presenter_writes_nothing_with_whatever_body(world: World, kind: str) -> None:
    path = await world.place("clients")
    for body in ({}, {"name": 7}, {"colour": 1}, {"lifecycle": "live"}, {"name": "Other"}):
        refused(await world.ask("presenter", kind, "PATCH", path, json=body), 403, "forbidden")
        refused(
            await world.ask("presenter", kind, "POST", "/v1/clients", json=body), 403, "forbidden"
        )
