"""How the tests of communications log them, and what they look at."""

from typing import Any

from tests.factories import Organization

Json = dict[str, Any]


async def log(organization: Organization, role: str = "front_desk", **fields: Any) -> Json:
    """One that was logged through the API: a call, unless said."""
    answer = await organization.call(
        role, "POST", "/v1/communications", json={"kind": "call"} | fields
    )
    assert answer.status_code == 201, answer.text
    found: Json = answer.json()
    return found


async def changed(organization: Organization, made: Json, **fields: Any) -> Json:
    path = f"/v1/communications/{made['id']}"
    answer = await organization.call("front_desk", "PATCH", path, json=fields)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def last_activity(organization: Organization, client: Json) -> str | None:
    answer = await organization.call("front_desk", "GET", f"/v1/clients/{client['id']}")
    found: str | None = answer.json()["last_activity_at"]
    return found


def at(day: int, hour: int = 9) -> str:
    """A time of January 2026, as the wire shows it."""
    return f"2026-01-{day:02d}T{hour:02d}:00:00.000000Z"
