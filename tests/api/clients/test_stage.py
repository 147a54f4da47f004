"""The stage of a relationship (§5): reasons, closing and reopening, what it prompts."""

from typing import Any

import pytest

from tests.checks import Owner, change_count, codes, refused
from tests.factories import Organization

Json = dict[str, Any]


async def patched(radio: Organization, client: Json, **body: Any) -> Any:
    return await radio.call("manager", "PATCH", f"/v1/clients/{client['id']}", json=body)


async def test_leaving_closed_is_a_reopen_with_a_reason(radio: Organization) -> None:
    """§5 stage: the history calls it so; taking the stage away is leaving too."""
    made = await radio.create_client(stage="closed")
    for to in ("growing", None):
        answer = await patched(radio, made, stage=to)
        assert codes(refused(answer, 422, "invalid")) == {"/stage_reason": "stage_reason_required"}
    answer = await patched(radio, made, stage="growing", stage_reason="They came back")
    assert answer.json()["stage"] == "growing"
    history = await radio.call("manager", "GET", f"/v1/clients/{made['id']}/history")
    newest = history.json()["data"][0]
    assert newest["action"] == "client.reopened"
    assert {change["field"] for change in newest["changes"]} == {"stage", "stage_reason"}


@pytest.mark.parametrize(
    "body",
    [
        {"stage": "closed", "stage_reason": "They moved"},
        {"remarks": "They moved away, stage=closed"},
        {"attributes": {"stage": "closed"}, "stage_reason": "They moved"},
    ],
)
async def test_open_follow_ups_keep_a_client_from_being_closed(
    radio: Organization, owner: Owner, body: Json
) -> None:
    """§5 stage: 409 listing them, before any fault of content; nothing is written."""
    made = await radio.create_client(stage="mature")
    sent = {"client_id": made["id"], "title": "Send the offer", "kind": "follow_up"}
    task = (await radio.call("manager", "POST", "/v1/tasks", json=sent)).json()
    other = {"client_id": made["id"], "title": "Look at the file", "kind": "other"}
    assert (await radio.call("manager", "POST", "/v1/tasks", json=other)).is_success
    before = await change_count(owner, radio.organization_id)
    problem = refused(await patched(radio, made, **body, time_zone="x"), 409, "open_follow_ups")
    told = [{"id": task["id"], "title": "Send the offer", "due_on": None}]
    assert problem["open_follow_ups"] == told
    assert await change_count(owner, radio.organization_id) == before
    asked = {"name": "No tasks", "scopes": ["clients.*:*"]}
    key = (await radio.call("admin", "POST", "/v1/api-keys", json=asked)).json()
    blind = {"Authorization": f"Bearer {key['key']}"}
    answer = await radio.api.patch(f"/v1/clients/{made['id']}", json=body, headers=blind)
    assert refused(answer, 409, "open_follow_ups")["open_follow_ups"] == []
    done = await radio.call("manager", "POST", f"/v1/tasks/{task['id']}/complete")
    assert done.is_success
    answer = await patched(radio, made, **body)
    assert answer.json()["stage"] == "closed"


async def test_stage_prompts_what_is_to_be_done(radio: Organization) -> None:
    """§5 stage: growing with few contacts, declining; by what the reader may read."""
    made = await radio.create_client(stage="growing")
    place = f"/v1/clients/{made['id']}"

    async def prompts(role: str = "manager") -> list[str]:
        answer = await radio.call(role, "GET", f"{place}/prompts")
        return [one["code"] for one in answer.json()["data"]]

    assert await prompts() == ["few_contacts"]
    assert await prompts("presenter") == [], "it reads no contacts"
    for name in ("Ada", "Ben"):
        body = {"contact": {"name": name}}
        await radio.call("manager", "POST", f"{place}/contacts", json=body)
    assert await prompts() == []
    await patched(radio, made, stage="declining", stage_reason="Orders halved")
    assert await prompts("presenter") == ["needs_attention"]
