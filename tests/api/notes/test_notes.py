"""Notes (M3): written, listed, changed, deleted; each kind in its group of the client's fields."""

import secrets

import pytest

from tests.api.notes.conftest import KINDS, Desk
from tests.checks import Owner, assert_chain, change_count, codes, refused
from tests.factories import Organization

REMARKS = ("clients.identity:read", "clients.remarks:read", "clients.remarks:create")
NOTHING = "01890a5d-ac96-774b-bcce-b302099a8057"


async def test_note_is_answered_as_it_is_read(desk: Desk, owner: Owner) -> None:
    """M3: and one entry of the log tells of it."""
    before = await change_count(owner, desk.organization.organization_id)
    made = await desk.note("front_desk", text="Call after lunch", kind="preference", pinned=True)
    answer = await desk.organization.call("manager", "GET", f"/v1/notes/{made['id']}")
    assert answer.json() == made
    assert made["text"] == "Call after lunch"
    assert (made["kind"], made["pinned"]) == ("preference", True)
    assert made["workflow"] == "customer_relationship"
    assert made["client_id"] == desk.client["id"]
    assert made["created_by"] == {
        "type": "user",
        "id": str(desk.organization.user_ids["front_desk"]),
        "name": "Front Desk",
    }
    assert await change_count(owner, desk.organization.organization_id) == before + 1
    await assert_chain(owner, desk.organization.organization_id)


async def test_pinned_notes_come_first_then_the_latest(desk: Desk) -> None:
    """M3, page by page."""
    made = [await desk.note(pinned=n in (1, 3), text=str(n)) for n in range(5)]
    seen, cursor = [], None
    while True:
        params = {"limit": "2"} | ({"cursor": cursor} if cursor else {})
        path = f"{desk.place}/notes"
        page = (await desk.organization.call("manager", "GET", path, params=params)).json()
        seen += [note["text"] for note in page["data"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == ["3", "1", "4", "2", "0"]
    everywhere = (
        await desk.organization.call("manager", "GET", "/v1/notes?sort=created_at")
    ).json()
    assert [note["id"] for note in everywhere["data"]] == [note["id"] for note in made]


@pytest.mark.parametrize(
    ("kind", "group"),
    [
        ("general", "remarks"),
        ("service", "service"),
        ("preference", "preferences"),
        ("special_requirement", "service"),
        ("escalation", "assessment"),
    ],
)
async def test_kind_is_open_to_who_reads_its_group(desk: Desk, kind: str, group: str) -> None:
    """M3: nothing of another kind is seen on any way, and no count tells that it is there."""
    made = await desk.kinds()
    ask = await desk.caller("clients.identity:read", f"clients.{group}:read", "clients.audit:read")
    visible = {
        k
        for k in KINDS
        if made[k]["kind"] == kind or {k, kind} <= {"service", "special_requirement"}
    }
    for path in (f"{desk.place}/notes", "/v1/notes"):
        page = (await ask("GET", path, params={"count": "exact", "sort": "-created_at"})).json()
        assert {note["kind"] for note in page["data"]} == visible
        assert page["total"] == len(visible)
        few = {"limit": "1", "sort": "created_at"}
        first = (await ask("GET", path, params=few)).json()
        assert first["has_more"] == (len(visible) > 1)
    for other, note in made.items():
        place = f"/v1/notes/{note['id']}"
        for path in (place, f"{place}?fields=id", f"{place}/history"):
            answer = await ask("GET", path)
            assert answer.status_code == (200 if other in visible else 404), f"{other} {path}"
        found = (await ask("GET", "/v1/notes", params={"kind": other, "count": "exact"})).json()
        assert found["total"] == (1 if other in visible else 0)
        if other not in visible:
            refused(await ask("PATCH", place, json={"text": "x"}), 404, "not_found")
            refused(await ask("DELETE", place), 404, "not_found")


async def test_refusal_names_the_group_of_the_kind_and_the_right(desk: Desk) -> None:
    """M3: front desk reads service and assessment, and writes neither."""
    made = await desk.kinds()
    for kind, group in (("service", "service"), ("escalation", "assessment")):
        problem = refused(await desk.post("front_desk", kind=kind), 403, "forbidden")
        assert codes(problem) == {"/kind": "forbidden"}
        assert f"clients.{group}:create" in problem["errors"][0]["detail"]
        place = f"/v1/notes/{made[kind]['id']}"
        for method, body in (("PATCH", {"pinned": True}), ("PATCH", {}), ("DELETE", None)):
            answer = await desk.organization.call("front_desk", method, place, json=body)
            problem = refused(answer, 403, "forbidden")
            assert f"clients.{group}:update" in problem["detail"]
    path = f"{desk.place}/notes?explain=permission"
    answer = await desk.organization.call(
        "front_desk", "POST", path, json={"kind": "service", "text": "x"}
    )
    explained = refused(answer, 403, "forbidden")["explanation"]
    assert explained == [{"scope": "clients.service:create", "role": "front_desk"}]


async def test_another_kind_takes_the_right_to_both(desk: Desk) -> None:
    """M3."""
    call = desk.organization.call
    made = await desk.note(kind="general")
    place = f"/v1/notes/{made['id']}"
    answer = await call("front_desk", "PATCH", place, json={"kind": "escalation"})
    assert "clients.assessment:update" in refused(answer, 403, "forbidden")["detail"]
    answer = await call("front_desk", "PATCH", place, json={"kind": "preference"})
    assert answer.json()["kind"] == "preference"
    assert (await call("manager", "PATCH", place, json={"kind": "escalation"})).status_code == 200
    answer = await call("front_desk", "PATCH", place, json={"kind": "general"})
    assert "clients.assessment:update" in refused(answer, 403, "forbidden")["detail"]


async def test_history_tells_nothing_of_the_time_under_a_hidden_kind(desk: Desk) -> None:
    """M3: what was an escalation once is not told to who reads no escalations."""
    call = desk.organization.call
    made = await desk.note(kind="general", text="first")
    place = f"/v1/notes/{made['id']}"
    for body in (
        {"kind": "escalation", "text": "secret one"},
        {"text": "secret two"},
        {"kind": "general"},
        {"text": "last"},
    ):
        assert (await call("manager", "PATCH", place, json=body)).status_code == 200
    ask = await desk.caller(*REMARKS, "clients.audit:read")
    told = (await ask("GET", f"{place}/history")).text
    assert "last" in told
    assert "secret two" in told, "it was there when the note was shown to all again"
    assert "secret one" not in told
    assert "escalation" not in told
    assert len((await call("manager", "GET", f"{place}/history")).json()["data"]) == 5


async def test_who_may_not_read_a_kind_writes_none(desk: Desk) -> None:
    """M3: the answer would tell what the caller may not read."""
    ask = await desk.caller(*REMARKS, "clients.assessment:create", "clients.assessment:update")
    body = {"kind": "escalation", "text": "x"}
    answer = await ask("POST", f"{desk.place}/notes", json=body)
    assert "clients.assessment:read" in refused(answer, 403, "forbidden")["detail"]


async def test_notes_of_a_client_that_is_not_there_are_not_there(
    desk: Desk, other: Organization
) -> None:
    """G6, M3: a deleted client's notes, and those of another organization."""
    call = desk.organization.call
    made = await desk.note()
    place = f"/v1/notes/{made['id']}"
    for path in (place, f"{place}/history", f"{desk.place}/notes"):
        refused(await other.call("admin", "GET", path), 404, "not_found")
    refused(
        await other.call("admin", "POST", f"{desk.place}/notes", json={"text": "x"}),
        404,
        "not_found",
    )
    assert (await call("admin", "POST", f"{desk.place}/archive")).status_code == 200
    refused(await desk.post("manager"), 409, "not_live")
    refused(await call("manager", "PATCH", place, json={"text": "x"}), 409, "not_live")
    refused(await call("manager", "DELETE", place), 409, "not_live")
    assert (await call("manager", "GET", place)).status_code == 200
    assert (await call("admin", "DELETE", desk.place)).status_code == 204
    for path in (place, f"{desk.place}/notes"):
        refused(await call("manager", "GET", path), 404, "not_found")
    assert (await call("manager", "GET", "/v1/notes")).json()["data"] == []
    assert (await call("admin", "GET", place)).status_code == 200


async def test_presenter_sees_no_notes(desk: Desk) -> None:
    """M3."""
    call = desk.organization.call
    made = await desk.note()
    for path in ("/v1/notes", f"{desk.place}/notes"):
        refused(await call("presenter", "GET", path), 403, "forbidden")
    for note_id in (made["id"], NOTHING):
        refused(await call("presenter", "GET", f"/v1/notes/{note_id}"), 404, "not_found")
    refused(await desk.post("presenter"), 403, "forbidden")


async def test_faults_are_told_at_once_and_write_nothing(desk: Desk, owner: Owner) -> None:
    """M3, G6."""
    before = await change_count(owner, desk.organization.organization_id)
    answer = await desk.post("manager", kind="gossip", text="", workflow="nowhere", colour=1)
    assert codes(refused(answer, 422, "invalid")) == {
        "/kind": "not_one_of",
        "/text": "string_too_short",
        "/workflow": "unknown_catalogue_entry",
        "/colour": "unknown_field",
    }
    assert await change_count(owner, desk.organization.organization_id) == before


async def test_change_that_changes_nothing_leaves_no_trace(desk: Desk, owner: Owner) -> None:
    """M3, G9; and a stale version is refused."""
    call = desk.organization.call
    made = await desk.note(text="as it is")
    place = f"/v1/notes/{made['id']}"
    read = await call("manager", "GET", place)
    before = await change_count(owner, desk.organization.organization_id)
    echo = {"text": "as it is", "kind": "general", "id": made["id"]}
    answer = await call("manager", "PATCH", place, json=echo)
    assert answer.headers["etag"] == read.headers["etag"]
    assert await change_count(owner, desk.organization.organization_id) == before
    held = {"If-Match": read.headers["etag"]}
    changed = await call("manager", "PATCH", place, json={"pinned": True}, headers=held)
    assert changed.status_code == 200
    stale = await call("manager", "PATCH", place, json={"pinned": False}, headers=held)
    assert refused(stale, 412, "version_conflict")["current"] == {"pinned": True}
    refused(await call("manager", "DELETE", place, headers=held), 412, "version_conflict")
    assert (await call("manager", "DELETE", place)).status_code == 204
    refused(await call("manager", "GET", place), 404, "not_found")


async def test_retry_writes_one_note(desk: Desk) -> None:
    """M3: and a dry run none."""
    call = desk.organization.call
    path, key = f"{desk.place}/notes", {"Idempotency-Key": secrets.token_hex(8)}
    first, second = [
        await call("manager", "POST", path, json={"text": "once"}, headers=key) for _ in range(2)
    ]
    assert second.json() == first.json()
    assert second.headers["idempotency-replayed"] == "true"
    dry = await call("manager", "POST", f"{path}?dry_run=true", json={"text": "never"})
    assert dry.json()["text"] == "never"
    assert [n["text"] for n in (await call("manager", "GET", path)).json()["data"]] == ["once"]
