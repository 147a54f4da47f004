"""Attribute pairs (C13): typed in a remark they become attributes, and `stage` the field."""

import pytest

from tests.api.notes.conftest import Desk, Json
from tests.checks import Owner, assert_chain, change_count, codes, pointers, refused


async def patched(desk: Desk, role: str = "manager", **body: object) -> dict[str, object]:
    answer = await desk.organization.call(role, "PATCH", desk.place, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, object] = answer.json()
    return found


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("shoe_size=44", {"shoe_size": "44"}),
        ('Wears shoe_size=44, likes drink="black tea".', {"shoe_size": "44", "drink": "black tea"}),
        ("(plan=gold; seats=3)", {"plan": "gold", "seats": "3"}),
        ("a.b-c_d=x a=1\na=2", {"a.b-c_d": "x", "a": "2"}),
        ("see https://example.com/?page=3&x=1", {}),
        ("1=2 Size=9 size = 9 a==b size= =9 x=", {}),
        ('empty=""', {}),
        ("mail=ada@example.com", {"mail": "ada@example.com"}),
    ],
)
async def test_pairs_typed_in_a_remark_become_attributes(
    desk: Desk, text: str, pairs: dict[str, str]
) -> None:
    """C13: key `[a-z][a-z0-9_.-]*`, value bare or quoted."""
    found = await patched(desk, "front_desk", remarks=text)
    assert (found["attributes"], found["remarks"]) == (pairs, text)


async def test_pair_that_leaves_the_remark_leaves_the_attributes(desk: Desk) -> None:
    """C13: unless another value took its place since."""
    assert (await patched(desk, remarks="a=1 b=2"))["attributes"] == {"a": "1", "b": "2"}
    await patched(desk, attributes={"b": "3"})
    assert (await patched(desk, remarks="nothing"))["attributes"] == {"b": "3"}


async def test_stage_pair_writes_through_and_back(desk: Desk) -> None:
    """C13: the remark is its reason; the field is the pair; deleting the pair clears it."""
    found = await patched(desk, remarks="Third year with us: stage=mature")
    assert (found["stage"], found["stage_reason"]) == ("mature", "Third year with us: stage=mature")
    assert found["attributes"] == {"stage": "mature"}
    found = await patched(desk, stage="declining", stage_reason="Orders halved")
    assert found["attributes"] == {"stage": "declining"}
    found = await patched(desk, attributes={"stage": "growing", "a": "1"}, stage_reason="Again")
    assert (found["stage"], found["attributes"]) == ("growing", {"stage": "growing", "a": "1"})
    found = await patched(desk, attributes={"stage": None}, stage_reason="Unknown")
    assert (found["stage"], found["attributes"]) == (None, {"a": "1"})
    made = await desk.organization.create_client(remarks="stage=closed")
    assert (made["stage"], made["attributes"]) == ("closed", {"stage": "closed"})


async def test_stage_pair_takes_the_right_to_set_the_stage(desk: Desk, owner: Owner) -> None:
    """C13: 403 for who may not set it, wherever the pair stands; nothing is written."""
    before = await change_count(owner, desk.organization.organization_id)
    call = desk.organization.call
    written: list[tuple[Json, str]] = [
        ({"remarks": "stage=mature"}, "/remarks"),
        ({"attributes": {"stage": "mature"}}, "/attributes/stage"),
    ]
    for body, place in written:
        answer = await call("front_desk", "PATCH", desk.place, json=body)
        assert place in pointers(refused(answer, 403, "field_not_writable"))
    answer = await desk.post("front_desk", text="stage=mature")
    assert pointers(refused(answer, 403, "field_not_writable")) == {"/text"}
    body = {"name": "New one", "emails": ["new@example.com"], "remarks": "stage=mature"}
    refused(await call("front_desk", "POST", "/v1/clients", json=body), 403, "field_not_writable")
    assert await change_count(owner, desk.organization.organization_id) == before
    await patched(desk, stage="mature")
    echoed = await patched(desk, "front_desk", attributes={"stage": "mature", "a": "1"})
    assert echoed["attributes"] == {"stage": "mature", "a": "1"}


async def test_refusal_does_not_tell_a_hidden_stage(desk: Desk) -> None:
    """C13: who does not read the stage edits a remark alike, whatever the stage is by now."""
    await patched(desk, remarks="We know: stage=mature")
    scopes = ("identity:read", "remarks:read", "remarks:update")
    ask = await desk.caller(*(f"clients.{scope}" for scope in scopes))
    answer = await ask("PATCH", desk.place, json={"remarks": "Nothing"})
    assert answer.status_code == 200, answer.text
    assert (await desk.now())["stage"] == "mature"


async def test_unknown_stage_is_a_fault_where_it_was_written(desk: Desk) -> None:
    """C13: 422."""
    call = desk.organization.call
    written: list[tuple[Json, str]] = [
        ({"remarks": "stage=ripe"}, "/remarks"),
        ({"attributes": {"stage": "ripe"}}, "/attributes/stage"),
        ({"stage": "ripe"}, "/stage"),
    ]
    for body, place in written:
        answer = await call("manager", "PATCH", desk.place, json=body)
        assert codes(refused(answer, 422, "invalid")) == {place: "not_one_of"}
    answer = await desk.post("manager", text="stage=ripe")
    assert codes(refused(answer, 422, "invalid")) == {"/text": "not_one_of"}
    body = {"stage": "mature", "attributes": {"stage": "growing"}}
    answer = await call("manager", "PATCH", desk.place, json=body)
    assert codes(refused(answer, 422, "invalid")) == {"/attributes/stage": "contradiction"}


async def test_another_stage_takes_a_reason(desk: Desk) -> None:
    """§5 stage, C13: the first one needs none, and a remark is one."""
    await patched(desk, stage="growing")
    answer = await desk.organization.call("manager", "PATCH", desk.place, json={"stage": "mature"})
    assert codes(refused(answer, 422, "invalid")) == {"/stage_reason": "stage_reason_required"}
    found = await patched(desk, remarks="Steady orders, stage=mature")
    assert found["stage_reason"] == "Steady orders, stage=mature"


async def test_pairs_of_a_general_note_are_the_clients(desk: Desk, owner: Owner) -> None:
    """C13, M3: written with the note, changed with it, gone with it; other kinds say nothing."""
    note = await desk.note("manager", text="They grew up: stage=mature shoe_size=44")
    now = await desk.now()
    assert now["attributes"] == {"shoe_size": "44", "stage": "mature"}
    assert now["stage_reason"] == "They grew up: stage=mature shoe_size=44"
    place = f"/v1/notes/{note['id']}"
    body = {"text": "They grow: stage=growing"}
    refused(
        await desk.organization.call("front_desk", "PATCH", place, json=body),
        403,
        "field_not_writable",
    )
    assert (await desk.organization.call("manager", "PATCH", place, json=body)).status_code == 200
    now = await desk.now()
    assert (now["attributes"], now["stage_reason"]) == ({"stage": "growing"}, body["text"])
    assert (await desk.organization.call("manager", "DELETE", place)).status_code == 204
    assert (await desk.now())["attributes"] == {}
    await desk.note(kind="preference", text="size=9")
    assert (await desk.now())["attributes"] == {}
    await assert_chain(owner, desk.organization.organization_id)


async def test_refused_pair_takes_the_note_along(desk: Desk, owner: Owner) -> None:
    """C13, G9: client and note, or nothing."""
    before = await change_count(owner, desk.organization.organization_id)
    many = " ".join(f"k{n}=1" for n in range(101))
    refused(await desk.post("manager", text=many), 422, "invalid")
    assert await change_count(owner, desk.organization.organization_id) == before


async def test_other_workflows_keep_their_own_pairs(desk: Desk) -> None:
    """C13: and a workflow with stages takes no other ones."""
    call = desk.organization.call
    entry = {"key": "onboarding", "stages": ["invited", "signed"]}
    assert (await call("admin", "POST", "/v1/catalogues/workflows", json=entry)).status_code == 201
    note = await desk.note("front_desk", text="stage=signed desk=4", workflow="onboarding")
    now = await desk.now()
    assert now["workflow_attributes"] == {"onboarding": {"stage": "signed", "desk": "4"}}
    assert (now["attributes"], now["stage"]) == ({}, None)
    answer = await desk.post("front_desk", text="stage=mature", workflow="onboarding")
    assert codes(refused(answer, 422, "invalid")) == {"/text": "unknown_stage"}
    answer = await call("admin", "DELETE", "/v1/catalogues/workflows/onboarding")
    refused(answer, 409, "in_use")
    place = f"/v1/notes/{note['id']}"
    moved = {"workflow": "customer_relationship"}
    refused(await call("manager", "PATCH", place, json=moved), 422, "invalid")
    moved["text"] = "desk=4"
    assert (await call("manager", "PATCH", place, json=moved)).status_code == 200
    now = await desk.now()
    assert (now["workflow_attributes"], now["attributes"]) == ({}, {"desk": "4"})


async def test_stage_pair_is_found_and_told_with_the_rights_to_the_field(desk: Desk) -> None:
    """C13: an exact match on the field; who does not read the field sees no pair."""
    await patched(desk, stage="mature", attributes={"a": "1"})
    await desk.organization.create_client(stage="growing")
    query = {"attributes.stage": "mature"}
    tree = {"filter": {"field": "attributes.stage", "op": "eq", "value": "mature"}}
    ask = await desk.caller("clients.identity:read", "clients.remarks:read", "clients.audit:read")
    for answer in (
        await desk.organization.call("front_desk", "GET", "/v1/clients", params=query),
        await desk.organization.call("front_desk", "POST", "/v1/clients/search", json=tree),
    ):
        assert [one["id"] for one in answer.json()["data"]] == [desk.client["id"]]
    refused(await ask("GET", "/v1/clients", params=query), 403, "field_not_readable")
    refused(await ask("POST", "/v1/clients/search", json=tree), 403, "field_not_readable")
    presenter = await desk.organization.call("presenter", "GET", "/v1/clients", params=query)
    refused(presenter, 403, "field_not_readable")
    assert (await ask("GET", desk.place)).json()["attributes"] == {"a": "1"}
    assert "mature" not in (await ask("GET", f"{desk.place}/history")).text
    assert "mature" not in (await ask("GET", f"{desk.place}/diff")).text


async def test_version_comes_back_with_its_pairs(desk: Desk) -> None:
    """C13, §11: those of other workflows as well, and the stage as the field."""
    call = desk.organization.call
    entry = {"key": "onboarding"}
    assert (await call("admin", "POST", "/v1/catalogues/workflows", json=entry)).status_code == 201
    pairs = {"onboarding": {"a": "1", "b": "2"}}
    then = await patched(desk, stage="growing", attributes={"c": "3"}, workflow_attributes=pairs)
    entries = (await call("manager", "GET", f"{desk.place}/history")).json()["data"]
    changed = {"onboarding": {"a": None, "b": "9", "d": "4"}}
    await patched(
        desk,
        remarks="Steady: stage=mature",
        attributes={"c": None},
        workflow_attributes=changed,
    )
    body = {"entry_id": entries[0]["id"], "stage_reason": "A mistake"}
    answer = await call("manager", "POST", f"{desk.place}/restore-version", json=body)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    for name in ("attributes", "workflow_attributes", "stage", "remarks"):
        assert found[name] == then[name], name


async def test_remark_that_comes_back_says_nothing_anew(desk: Desk) -> None:
    """C13, §11: the pairs of then stand in the fields of then."""
    await patched(desk, remarks="stage=growing a=1")
    then = await patched(desk, stage="mature", stage_reason="Steady", attributes={"a": "2"})
    entries = (await desk.organization.call("manager", "GET", f"{desk.place}/history")).json()
    await patched(desk, remarks="Other")
    body = {"entry_id": entries["data"][0]["id"]}
    answer = await desk.organization.call(
        "manager", "POST", f"{desk.place}/restore-version", json=body
    )
    for name in ("attributes", "stage", "remarks"):
        assert answer.json()[name] == then[name], name


async def test_what_is_said_outright_wins_over_a_remark(desk: Desk) -> None:
    """C13: a front end that sends both means the fields."""
    found = await patched(desk, remarks="stage=growing a=1", stage="mature", attributes={"a": "2"})
    assert (found["stage"], found["attributes"]) == ("mature", {"a": "2", "stage": "mature"})


async def test_past_tells_the_pair_as_the_field_was(desk: Desk) -> None:
    """C13, §11."""
    await patched(desk, stage="growing", attributes={"a": "1"})
    then = (await patched(desk, industry="media"))["updated_at"]
    await patched(desk, stage="mature", stage_reason="Steady", attributes={"a": "2"})
    path = f"{desk.place}?as_of={then}"
    found = (await desk.organization.call("manager", "GET", path)).json()
    assert (found["stage"], found["attributes"]) == ("growing", {"a": "1", "stage": "growing"})
