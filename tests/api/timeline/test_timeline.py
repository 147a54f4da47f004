"""M4: one timeline per client over all that is remembered, as far as its reader may see it."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from tests.checks import codes, refused
from tests.factories import Organization

Json = dict[str, Any]
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
SECRET = "Zanzibar"
KINDS = ["communication", "note", "task", "relationship", "change"]
Ask = Callable[..., Awaitable[httpx.Response]]


@dataclass
class Story:
    """A client of which something of each kind is remembered."""

    organization: Organization
    client: Json
    other: Json
    made: dict[str, Json] = field(default_factory=dict)

    @property
    def place(self) -> str:
        return f"/v1/clients/{self.client['id']}"

    async def post(self, kind: str, path: str, body: Json, role: str = "manager") -> Json:
        answer = await self.organization.call(role, "POST", path, json=body)
        assert answer.status_code == 201, answer.text
        self.made[kind] = answer.json()
        return self.made[kind]

    async def read(self, role: str = "manager", **params: Any) -> Json:
        answer = await self.organization.call(role, "GET", f"{self.place}/timeline", params=params)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    async def entries(self, role: str = "manager", **params: Any) -> list[Json]:
        found: list[Json] = (await self.read(role, **params))["data"]
        return found


@pytest.fixture
async def story(radio: Organization) -> Story:
    made = Story(radio, await radio.create_client(), await radio.create_client(name="Other Side"))
    call = {"kind": "call", "subject": "The offer", "body": "They think about it"}
    await made.post("communication", f"{made.place}/communications", call)
    await made.post("note", f"{made.place}/notes", {"kind": "service", "text": "Ring twice"})
    task = {"title": "Send it", "client_id": made.client["id"]}
    await made.post("task", "/v1/tasks", task)
    related = {"kind": "partner", "other_id": made.other["id"], "note": "Same owner"}
    await made.post("relationship", f"{made.place}/relationships", related)
    return made


async def caller(organization: Organization, *scopes: str) -> Ask:
    """Somebody with these rights alone."""
    body = {"name": f"Key {secrets.token_hex(4)}", "scopes": list(scopes)}
    key = (await organization.call("admin", "POST", "/v1/api-keys", json=body)).json()
    headers = {"Authorization": f"Bearer {key['key']}"}

    async def ask(method: str, path: str, **more: Any) -> httpx.Response:
        return await organization.api.request(method, path, headers=headers, **more)

    return ask


async def test_M4_everything_stands_in_one_order(story: Story) -> None:  # noqa: N802  # the rule's name
    entries = await story.entries()
    told = [(entry["kind"], entry["type"]) for entry in entries]
    assert told == [
        ("relationship", "partner"),
        ("task", "other"),
        ("note", "service"),
        ("communication", "call"),
        ("change", "client.created"),
    ]
    times = [entry["at"] for entry in entries]
    assert times == sorted(times, reverse=True)
    manager = {
        "type": "user",
        "id": str(story.organization.user_ids["manager"]),
        "name": "Manager",
    }
    by_kind = {entry["kind"]: entry for entry in entries}
    assert by_kind["communication"] == {
        "kind": "communication",
        "id": story.made["communication"]["id"],
        "at": story.made["communication"]["occurred_at"],
        "type": "call",
        "title": "The offer",
        "summary": "They think about it",
        "state": "held",
        "fields": [],
        "by": manager,
        "href": f"/v1/communications/{story.made['communication']['id']}",
    }
    assert by_kind["note"]["summary"] == "Ring twice"
    assert by_kind["note"]["by"] == by_kind["task"]["by"] == manager
    assert (by_kind["task"]["title"], by_kind["task"]["state"]) == ("Send it", "open")
    assert by_kind["relationship"]["title"] == "Other Side"
    assert by_kind["relationship"]["by"] is None
    assert "name" in by_kind["change"]["fields"]
    for kind in ("communication", "note", "task", "relationship"):
        record = await story.organization.call("manager", "GET", by_kind[kind]["href"])
        assert record.json()["id"] == by_kind[kind]["id"]


async def test_relationship_stands_on_both_sides(story: Story) -> None:
    path = f"/v1/clients/{story.other['id']}/timeline"
    answer = await story.organization.call("manager", "GET", path, params={"kinds": "relationship"})
    (seen,) = answer.json()["data"]
    assert (seen["type"], seen["title"]) == ("partner", story.client["name"])


async def test_kinds_are_chosen_by_name(story: Story) -> None:
    seen = await story.entries(kinds=["note", "task"])
    assert [entry["kind"] for entry in seen] == ["task", "note"]
    assert await story.entries(kinds="task,note") == seen
    assert [entry["kind"] for entry in await story.entries(kinds="change")] == ["change"]


async def test_unknown_kind_is_refused_and_the_known_ones_are_named(story: Story) -> None:
    answer = await story.organization.call(
        "manager", "GET", f"{story.place}/timeline", params={"kinds": "note,rumour", "limit": "0"}
    )
    problem = refused(answer, 422, "invalid")
    assert codes(problem) == {"kinds": "invalid_choice", "limit": "out_of_range"}
    (detail,) = [f["detail"] for f in problem["errors"] if f["parameter"] == "kinds"]
    assert all(f"{kind}" in detail for kind in KINDS)


async def test_each_page_goes_on_where_the_last_ended(story: Story) -> None:
    """Also where entries share their time, and while others are written."""
    same = {"kind": "sms", "occurred_at": "2026-01-31T10:00:00Z"}
    for _ in range(5):
        await story.post("sms", f"{story.place}/communications", same)
    whole = [entry["id"] for entry in await story.entries(limit=200)]
    found: list[str] = []
    cursor: Json = {}
    while True:
        page = await story.read(limit=2, **cursor)
        found += [entry["id"] for entry in page["data"]]
        if not page["has_more"]:
            break
        cursor = {"cursor": page["next_cursor"]}
        await story.post("late", f"{story.place}/communications", {"kind": "sms"})
    assert found == whole
    assert len(set(whole)) == len(whole) == 10


async def test_cursor_belongs_to_its_client_reader_and_kinds(story: Story) -> None:
    cursor = (await story.read(limit=1))["next_cursor"]
    for role, place, kinds in (
        ("admin", story.place, {}),
        ("manager", f"/v1/clients/{story.other['id']}", {}),
        ("manager", story.place, {"kinds": "note"}),
    ):
        answer = await story.organization.call(
            role, "GET", f"{place}/timeline", params={"cursor": cursor, **kinds}
        )
        refused(answer, 400, "invalid_cursor")


async def test_presenter_sees_none_of_it(story: Story) -> None:
    path = f"{story.place}/timeline"
    problem = refused(await story.organization.call("presenter", "GET", path), 403, "forbidden")
    assert SECRET not in str(problem)
    for kind in KINDS:
        answer = await story.organization.call("presenter", "GET", path, params={"kinds": kind})
        refused(answer, 403, "forbidden")


async def test_nobody_tells_a_client_that_is_not_there_from_one_that_is_hidden(
    story: Story,
) -> None:
    for role in ("manager", "presenter"):
        for params in ({}, {"kinds": "rumour"}, {"kinds": "note"}):
            answer = await story.organization.call(
                role, "GET", f"/v1/clients/{NOBODY}/timeline", params=params
            )
            refused(answer, 404, "not_found")
    await story.organization.call("admin", "DELETE", story.place)
    answer = await story.organization.call("manager", "GET", f"{story.place}/timeline")
    refused(answer, 404, "not_found")
    assert await story.entries("admin") != []


async def test_front_desk_reads_its_own_changes_alone(story: Story) -> None:
    """`read_own` of the history (resources: audit), masked by the fields that it reads."""
    await story.organization.call("admin", "PATCH", story.place, json={"remarks": SECRET})
    assert await story.entries("front_desk", kinds="change") == []
    await story.organization.call("front_desk", "PATCH", story.place, json={"remarks": "By myself"})
    (own,) = await story.entries("front_desk", kinds="change")
    assert (own["fields"], own["by"]["name"]) == (["remarks"], "Front Desk")


async def test_changes_are_masked_by_field(story: Story) -> None:
    ask = await caller(story.organization, "clients.audit:read", "clients.classification:read")
    patch = {"industry": "media", "remarks": SECRET}
    await story.organization.call("admin", "PATCH", story.place, json=patch)
    await story.organization.call("admin", "PATCH", story.place, json={"remarks": "Hidden"})
    seen = (await ask("GET", f"{story.place}/timeline")).json()["data"]
    changed = [entry["fields"] for entry in seen if entry["type"] == "client.updated"]
    assert changed == [["industry"]]


async def test_notes_are_seen_by_the_group_of_their_kind(story: Story) -> None:
    for kind in ("general", "preference", "special_requirement", "escalation"):
        await story.post(kind, f"{story.place}/notes", {"kind": kind, "text": f"{SECRET} {kind}"})
    ask = await caller(story.organization, "clients.service:read")
    seen = (await ask("GET", f"{story.place}/timeline")).json()["data"]
    assert [entry["type"] for entry in seen] == ["special_requirement", "service"]
    refused(
        await ask("GET", f"{story.place}/timeline", params={"kinds": "communication"}),
        403,
        "forbidden",
    )


@pytest.mark.parametrize(
    ("scope", "kind"),
    [
        ("communications.communication:read", "communication"),
        ("tasks.task:read", "task"),
        ("clients.relations:read", "relationship"),
        ("clients.service:read", "note"),
    ],
)
async def test_each_right_shows_its_kind_alone(story: Story, scope: str, kind: str) -> None:
    ask = await caller(story.organization, scope)
    seen = (await ask("GET", f"{story.place}/timeline")).json()["data"]
    assert [entry["kind"] for entry in seen] == [kind]
    assert story.other["name"] not in str(seen), "names of clients are a right of their own"
    for entry in seen:
        assert entry["by"] is None or kind == "note", "and so are those of users"
    others = [one for one in KINDS if one not in (kind, "change")]
    path = f"{story.place}/timeline"
    answer = await ask("GET", path, params={"kinds": [kind, *others]})
    assert {fault["parameter"] for fault in refused(answer, 403, "forbidden")["errors"]} == {
        "kinds"
    }
    assert len(answer.json()["errors"]) == len(others)


async def test_what_is_deleted_is_told_no_more(story: Story) -> None:
    for kind, path in (
        ("communication", "/v1/communications"),
        ("note", "/v1/notes"),
        ("task", "/v1/tasks"),
        ("relationship", "/v1/relationships"),
    ):
        answer = await story.organization.call(
            "admin", "DELETE", f"{path}/{story.made[kind]['id']}"
        )
        assert answer.status_code == 204, answer.text
    assert [entry["kind"] for entry in await story.entries()] == ["change"]


async def test_relationship_to_a_client_that_may_not_be_opened_is_not_told(story: Story) -> None:
    await story.organization.call("admin", "DELETE", f"/v1/clients/{story.other['id']}")
    assert "relationship" not in {entry["kind"] for entry in await story.entries()}
    assert "relationship" in {entry["kind"] for entry in await story.entries("admin")}


async def test_C11_what_only_moved_the_last_activity_is_no_change(story: Story) -> None:  # noqa: N802  # the rule's name
    assert [e["type"] for e in await story.entries(kinds="change")] == ["client.created"]
    history = await story.organization.call("manager", "GET", f"{story.place}/history")
    actions = {entry["action"] for entry in history.json()["data"]}
    assert "client.activity_moved" in actions


async def test_long_texts_are_told_from_their_beginning(story: Story) -> None:
    text = "ä" * 1000
    await story.post("long", f"{story.place}/notes", {"text": text})
    (first, *_) = await story.entries(kinds="note")
    assert first["summary"] == text[:300]
