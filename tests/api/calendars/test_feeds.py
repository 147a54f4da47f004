"""M2: a calendar of each user's own, by a secret address that can be revoked."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from crm_api.calendars.ical import calendar
from tests.checks import Owner, refused
from tests.factories import Organization

Json = dict[str, Any]
AHEAD = (datetime.now(UTC) + timedelta(days=3)).replace(microsecond=0)


async def subscribe(radio: Organization, role: str = "front_desk") -> Json:
    answer = await radio.call(role, "POST", "/v1/calendar-feeds")
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


async def read(radio: Organization, feed: Json) -> httpx.Response:
    """As a calendar program does: without any other credential."""
    return await radio.api.get(feed["url"])


def unfolded(text: str) -> list[str]:
    assert text.endswith("\r\n")
    return text.replace("\r\n ", "").split("\r\n")[:-1]


async def test_m2_calendar_tells_the_open_tasks_and_planned_meetings_of_its_user(
    radio: Organization,
) -> None:
    me, other = (str(radio.user_ids[role]) for role in ("front_desk", "manager"))
    client = await radio.create_client(name="Kampala Coffee, Ltd")
    for title, more in (
        ("Mine; today, now", {"assignee_id": me, "due_on": "2030-01-31", "note": "One\nTwo"}),
        ("Reminded", {"assignee_id": me, "due_on": "2030-02-01", "client_id": client["id"]}),
        ("Some day", {"assignee_id": me}),
        ("Of another", {"assignee_id": other, "due_on": "2030-01-31"}),
    ):
        body: Json = {"title": title} | more
        if title == "Reminded":
            body["remind_at"] = "2030-01-31T07:00:00Z"
        made = await radio.call("manager", "POST", "/v1/tasks", json=body)
        assert made.status_code == 201, made.text
    when = AHEAD.isoformat()
    meeting = {"kind": "meeting", "subject": "Spring", "occurred_at": when, "duration_minutes": 45}
    taking_part = {"participants": [{"user_id": me}], "client_id": client["id"]}
    for body in (meeting | taking_part, meeting | {"participants": [{"user_id": other}]}):
        made = await radio.call("manager", "POST", "/v1/communications", json=body)
        assert made.json()["state"] == "planned"
    feed = await subscribe(radio)
    answer = await read(radio, feed)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    lines = unfolded(answer.text)
    assert [line for line in lines if line.startswith("SUMMARY:")] == [
        "SUMMARY:Mine\\; today\\, now",
        "SUMMARY:Reminded (Kampala Coffee\\, Ltd)",
        "SUMMARY:Spring (Kampala Coffee\\, Ltd)",
    ]
    assert {"DTSTART;VALUE=DATE:20300131", "DESCRIPTION:One\\nTwo"} <= set(lines)
    assert "TRIGGER;VALUE=DATE-TIME:20300131T070000Z" in lines
    assert f"DTSTART:{AHEAD:%Y%m%dT%H%M%SZ}" in lines
    assert f"DTEND:{AHEAD + timedelta(minutes=45):%Y%m%dT%H%M%SZ}" in lines


async def test_m2_address_is_told_once_and_kept_as_a_digest(
    radio: Organization, owner: Owner
) -> None:
    headers = {"Idempotency-Key": "feed"}
    first = await radio.call("manager", "POST", "/v1/calendar-feeds", headers=headers)
    again = await radio.call("manager", "POST", "/v1/calendar-feeds", headers=headers)
    feed = first.json()
    assert again.json() == {name: value for name, value in feed.items() if name != "url"}
    secret = feed["url"].rpartition("_")[2].removesuffix(".ics")
    for table in ("calendar_feeds", "changes", "idempotency_records"):
        held = await owner.fetchval(
            f"SELECT count(*) FROM {table} t WHERE position($1 IN t::text) > 0", secret
        )
        assert held == 0, table
    listed = await radio.call("manager", "GET", "/v1/calendar-feeds")
    assert [list(one) for one in listed.json()["data"]] == [
        ["id", "user_id", "created_by", "created_at"]
    ]


async def test_m2_revoked_disabled_and_wrong_addresses_are_one_404(radio: Organization) -> None:
    mine, theirs = await subscribe(radio), await subscribe(radio, "manager")
    path = f"/v1/calendar-feeds/{mine['id']}"
    refused(await radio.call("manager", "DELETE", path), 404, "not_found")
    assert (await radio.call("front_desk", "DELETE", path)).status_code == 204
    wrong = dict(theirs, url=theirs["url"].replace("cal_", "crm_"))
    cut = dict(theirs, url=f"{theirs['url'][:-6]}00.ics")
    user = f"/v1/users/{radio.user_ids['manager']}"
    problems = [refused(await read(radio, one), 404, "not_found") for one in (mine, wrong, cut)]
    assert (await read(radio, theirs)).status_code == 200
    await radio.call("admin", "POST", f"{user}/disable")
    problems.append(refused(await read(radio, theirs), 404, "not_found"))
    assert len({problem["detail"] for problem in problems}) == 1


async def test_m2_administrator_sees_and_revokes_all_of_them(radio: Organization) -> None:
    feed = await subscribe(radio)
    listed = await radio.call("admin", "GET", "/v1/calendar-feeds")
    assert [one["id"] for one in listed.json()["data"]] == [feed["id"]]
    path = f"/v1/calendar-feeds/{feed['id']}"
    assert (await radio.call("admin", "DELETE", path)).status_code == 204
    refused(await read(radio, feed), 404, "not_found")


async def test_m2_calendar_shrinks_with_the_role(radio: Organization) -> None:
    """The rights of its user count at each reading."""
    feed = await subscribe(radio)
    body = {"title": "Mine", "assignee_id": str(radio.user_ids["front_desk"]),
            "due_on": "2030-01-31"}  # fmt: skip
    await radio.call("manager", "POST", "/v1/tasks", json=body)
    assert "SUMMARY:Mine" in (await read(radio, feed)).text
    user = f"/v1/users/{radio.user_ids['front_desk']}"
    changed = await radio.call("admin", "PATCH", user, json={"role": "presenter"})
    assert changed.status_code == 200, changed.text
    refused(await read(radio, feed), 404, "not_found")


def test_lines_are_folded_between_characters() -> None:
    """RFC 5545 §3.1: at most 75 octets, and whoever unfolds them has the text again."""
    title = "Ünïcödé 🦆 " * 40
    row = {"id": "x", "title": title, "client": None, "note": None, "remind_at": None}
    times = {"due_on": AHEAD.date(), "created_at": AHEAD}
    text = calendar([row | times], [])
    assert max(len(line.encode()) for line in text.split("\r\n")) <= 75
    assert f"SUMMARY:{title}" in unfolded(text)
