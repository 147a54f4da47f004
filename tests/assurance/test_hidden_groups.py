"""Custom rights: with one group taken away, nothing of it is to be had on any surface.

The built-in roles hide a few groups; a custom role or a key may hide any. Each is taken away in
turn from a key that holds everything else.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.assurance.deviations import Deviations
from tests.assurance.golden import groups, real_fields
from tests.assurance.test_matrix_lists import as_query, questions
from tests.assurance.test_matrix_rows import sorts_of
from tests.assurance.values import VALUES
from tests.assurance.world import World, base_of, make_key, minimal, scopes_of_roles
from tests.checks import refused

Json = dict[str, Any]
CASES = [(resource, group) for resource in ("clients", "contacts") for group in groups(resource)]
FOLLOWS = {"type": "engagement_level, of another group, follows from it"}
"""Fields whose change is seen in a derived field of another group: no secret, but the rule."""


@dataclass(slots=True)
class View:
    """What a key sees that lacks one group."""

    world: World
    resource: str
    hidden: list[str]
    key: str
    place: str
    full: Mapping[str, Any]

    async def ask(self, method: str, path: str = "", **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}"} | dict(more.pop("headers", {}))
        target = path if path.startswith("/v1/") else f"{self.place}{path}"
        return await self.world.organization.api.request(method, target, headers=headers, **more)


@pytest.fixture
async def view(world: World, resource: str, group: str) -> View:
    scopes = (await scopes_of_roles(world.organization))["admin"]
    kept = [scope for scope in scopes if not scope.startswith(f"{resource}.{group}:")]
    assert len(kept) < len(scopes)
    body = {name: v.first(world.known) for name, v in VALUES[resource].items()}
    if resource == "clients":
        body["status"] = "active"
    full = await world.make(resource, **body)
    rows = real_fields(resource)
    # The stamp moves with every field, so who lacks a single one does not read it.
    hidden = [name for name, row in rows.items() if row.group in (group, "stamp")]
    key = await make_key(world.organization, kept)
    return View(world, resource, hidden, key, f"{base_of(resource)}/{full['id']}", full)


@pytest.mark.parametrize(("resource", "group"), CASES)
async def test_reads_and_lists_lack_the_group_and_nothing_else(
    view: View, resource: str, group: str
) -> None:
    expected = [name for name in real_fields(resource) if name not in view.hidden]
    one = await view.ask("GET")
    assert list(one.json()) == expected
    page = await view.ask("GET", base_of(resource), params={"limit": "3"})
    assert all(list(item) == expected for item in page.json()["data"])
    rehearsed = await view.ask("PATCH", "?dry_run=true", json={})
    assert rehearsed.status_code == 200, rehearsed.text
    assert list(rehearsed.json()) == expected


@pytest.mark.parametrize(("resource", "group"), CASES)
async def test_nothing_can_be_asked_by_the_group_and_the_refusal_tells_nothing(
    spec: Json, view: View, resource: str, group: str
) -> None:
    """The same refusal for a value that is there and for one that is not."""
    found = Deviations()
    base = base_of(resource)
    for name in view.hidden:
        with found.cell(f"fields={name}"):
            answer = await view.ask("GET", params={"fields": name})
            assert name in refused(answer, 403, "field_not_readable")["detail"]
    for key in sorts_of(spec, resource):
        if key.removeprefix("-") in view.hidden:
            with found.cell(f"sort={key}"):
                refused(
                    await view.ask("GET", base, params={"sort": key}), 403, "field_not_readable"
                )
    for name, key, example in questions(spec, resource):
        row_group = real_fields(resource)[name].group if name in real_fields(resource) else "reach"
        if row_group != group:
            continue
        with found.cell(f"filter {key}"):
            hit = matching(view.full, name, example)
            answers = [
                await view.ask("GET", base, params={key: as_query(value), "currency": "UGX"})
                for value in (hit, example)
            ]
            problems = [refused(answer, 403, "field_not_readable") for answer in answers]
            assert {**problems[0], "request_id": ""} == {**problems[1], "request_id": ""}
    if view.hidden:
        found.none()


def matching(full: Mapping[str, Any], name: str, example: Any) -> Any:
    """A value that the record has, for filters on its field."""
    value = full.get(name.partition(".")[0], example)
    while isinstance(value, list | dict) and value:
        value = next(iter(value.values() if isinstance(value, dict) else value))
    return value or example


@pytest.mark.parametrize(("resource", "group"), CASES)
async def test_changes_of_the_group_leave_no_trace(view: View, resource: str, group: str) -> None:
    """No new ETag, no history entry, no later time, no other order."""
    names = [n for n in view.hidden if real_fields(resource)[n].ever("update") and n not in FOLLOWS]
    if not names or group in ("audit", "audit_ip"):
        return
    before = await view.ask("GET")
    told = await view.ask("GET", "/history")
    for name in names:
        values = VALUES[resource][name]
        body = {name: values.second(view.world.known)} | dict(values.beside)
        body = {n: v for n, v in body.items() if n in view.hidden}
        changed = await view.world.organization.call("admin", "PATCH", view.place, json=body)
        assert changed.status_code == 200, changed.text
        after = await view.ask("GET")
        assert after.headers["etag"] == before.headers["etag"], name
        assert after.text == before.text, name
        held = await view.ask("GET", headers={"If-None-Match": before.headers["etag"]})
        assert held.status_code == 304
    later = await view.ask("GET", "/history")
    assert [e["id"] for e in later.json()["data"]] == [e["id"] for e in told.json()["data"]]
    assert not {c["field"] for e in later.json()["data"] for c in e["changes"]} & set(view.hidden)
    if group != "identity":
        # What the caller decided on still holds: a hidden change is no conflict.
        visible = "remarks" if resource == "clients" else "honorific"
        if visible in view.hidden:
            visible = "source_detail" if resource == "clients" else "do_not_contact"
        body = {visible: None}
        headers = {"If-Match": before.headers["etag"]}
        answer = await view.ask("PATCH", json=body, headers=headers)
        assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(("resource", "group"), CASES)
async def test_replies_of_writes_and_conflicts_lack_the_group(
    view: View, resource: str, group: str
) -> None:
    expected = [name for name in real_fields(resource) if name not in view.hidden]
    visible = "remarks" if resource == "clients" else "honorific"
    body: Json = {visible: "Seen and written"}
    if visible in view.hidden:
        body = {"source_detail": "Seen"} if resource == "clients" else {"do_not_contact": False}
    answer = await view.ask("PATCH", json=body)
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == expected
    stale = await view.ask("PATCH", json=body, headers={"If-Match": '"0" * 32'})
    problem = refused(stale, 412, "version_conflict")
    assert not set(problem["current"]) & set(view.hidden)
    assert problem["current_etag"] == answer.headers["etag"]
    required = {"clients": ("name", "reach"), "contacts": ("person",)}[resource]
    if group in required:
        return
    made = await view.ask("POST", base_of(resource), json=minimal(resource))
    assert made.status_code == 201, made.text
    assert list(made.json()) == expected


@pytest.mark.parametrize(("resource", "group"), CASES)
async def test_the_past_lacks_the_group_too(view: View, resource: str, group: str) -> None:
    """As it was, what differs, and what is set back: nothing of the group, and no trace of it."""
    expected = [name for name in real_fields(resource) if name not in view.hidden]
    moment = str(view.full["created_at"])
    names = [n for n in view.hidden if real_fields(resource)[n].ever("update") and n not in FOLLOWS]
    changes: Json = {}
    for name in names:
        values = VALUES[resource][name]
        body = {name: values.second(view.world.known)} | dict(values.beside)
        changes |= {n: v for n, v in body.items() if n in view.hidden}
    before = await view.ask("GET")
    if changes:
        await view.world.admin("PATCH", view.place, json=changes)
    then = await view.ask("GET", params={"as_of": moment})
    assert list(then.json()) == expected
    assert then.json() == before.json()
    assert (await view.ask("GET", "/diff")).json()["changes"] == []
    full = await view.world.admin("GET", view.place)
    back = await view.ask("POST", "/restore-version", json={"as_of": moment})
    assert back.status_code == 200, back.text
    assert back.text == before.text
    assert await view.world.admin("GET", view.place) == full


@pytest.mark.parametrize(("resource", "group"), CASES)
async def test_cursors_hold_no_value_in_clear(view: View, resource: str, group: str) -> None:
    await view.world.make(resource)
    page = await view.ask("GET", base_of(resource), params={"limit": "1"})
    cursor = page.json()["next_cursor"]
    raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    for value in (view.full["id"], str(view.full.get("name", ""))[:8]):
        assert value.encode() not in raw
    assert json.dumps(page.json()["data"])[:20].encode() not in raw
