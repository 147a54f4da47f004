"""Types and statuses: which go together, what a move needs, and overrides of what is derived."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.checks import Owner, change_count, codes, pointers, refused
from tests.factories import Organization

SOON = timedelta(seconds=1)


async def patched(organization: Organization, client: dict[str, Any], **fields: Any) -> Any:
    path = f"/v1/clients/{client['id']}"
    return await organization.call("manager", "PATCH", path, json=fields)


async def override(
    organization: Organization, client: dict[str, Any], value: str, **more: Any
) -> Any:
    path = f"/v1/clients/{client['id']}/overrides/type"
    body = {"value": value, "reason": "Signed today"} | more
    return await organization.call("manager", "PUT", path, json=body)


async def lift(organization: Organization, client: dict[str, Any]) -> Any:
    path = f"/v1/clients/{client['id']}/overrides/type"
    return await organization.call("manager", "DELETE", path)


async def test_a_move_of_the_status_needs_its_reason(radio: Organization) -> None:
    made = await radio.create_client(type="partner")
    answer = await patched(radio, made, status="on_hold")
    assert pointers(refused(answer, 422, "status_reason_required")) == {"/status_reason"}
    answer = await patched(radio, made, status="on_hold", status_reason=None)
    refused(answer, 422, "status_reason_required")
    answer = await patched(radio, made, status="on_hold", status_reason="Asked for a break")
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["status_reason"]) == (
        "on_hold",
        "Asked for a break",
    )


async def test_the_present_status_needs_no_reason(radio: Organization) -> None:
    made = await radio.create_client(type="partner")
    assert (await patched(radio, made, status="active")).status_code == 200


@pytest.mark.parametrize(
    ("kind", "begin", "to", "accepted"),
    [
        ("prospect", "prospect", "on_hold", True),
        ("prospect", "on_hold", "prospect", True),
        ("prospect", "prospect", "inactive", True),
        ("prospect", "inactive", "prospect", True),
        ("prospect", "prospect", "active", False),
        ("partner", "active", "on_hold", True),
        ("partner", "on_hold", "active", True),
        ("partner", "active", "inactive", True),
        ("partner", "inactive", "active", True),
        ("partner", "active", "prospect", False),
    ],
)
async def test_moves_stay_within_what_the_type_takes(
    radio: Organization, kind: str, begin: str, to: str, accepted: bool
) -> None:
    made = await radio.create_client(type=kind, status=begin)
    answer = await patched(radio, made, status=to, status_reason="So it is")
    if accepted:
        assert answer.json()["status"] == to, answer.text
    else:
        assert codes(refused(answer, 422, "invalid")) == {"/status": "status_not_allowed"}


async def test_a_type_whose_statuses_exclude_the_present_one_needs_another_status(
    radio: Organization,
) -> None:
    made = await radio.create_client()
    answer = await patched(radio, made, type="partner")
    assert codes(refused(answer, 422, "invalid")) == {"/type": "status_not_allowed"}
    answer = await patched(
        radio, made, type="partner", status="active", status_reason="They joined"
    )
    assert (answer.json()["type"], answer.json()["status"]) == ("partner", "active")
    assert answer.json()["type_status"]["derived"] == "partner"


async def test_derived_types_are_refused_as_fields(radio: Organization) -> None:
    made = await radio.create_client()
    answer = await patched(radio, made, type="past_advertiser")
    assert pointers(refused(answer, 422, "derived_value")) == {"/type"}


async def test_front_desk_moves_neither_type_nor_status(radio: Organization) -> None:
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}"
    body = {"status": "on_hold", "status_reason": "x", "type": "partner", "stage": "growing"}
    answer = await radio.call("front_desk", "PATCH", path, json=body)
    problem = refused(answer, 403, "field_not_writable")
    assert pointers(problem) == {"/status", "/status_reason", "/type", "/stage"}


async def test_type_status_tells_what_holds_and_why(radio: Organization) -> None:
    """G2"""
    made = await radio.create_client()
    assert made["type_status"] == {
        "effective": "prospect",
        "derived": "prospect",
        "source": "rule",
        "since": made["created_at"],
        "rule": "client_type",
        "evidence": [],
        "override": None,
    }


async def test_an_override_stands_over_the_derived_value(radio: Organization) -> None:
    """G2: with value, reason, by whom, when; the derived value stays beneath."""
    made = await radio.create_client()
    answer = await override(radio, made, "active_advertiser")
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert (after["type"], after["status"]) == ("active_advertiser", "active")
    found = after["type_status"]
    assert (found["effective"], found["derived"], found["source"]) == (
        "active_advertiser",
        "prospect",
        "override",
    )
    assert found["override"]["value"] == "active_advertiser"
    assert found["override"]["reason"] == "Signed today"
    assert found["override"]["by"] == str(radio.user_ids["manager"])
    assert found["override"]["at"] == found["since"]
    assert found["override"]["expires_at"] is None
    assert after["engagement_level"] == "high"
    read = await radio.call("manager", "GET", f"/v1/clients/{made['id']}")
    assert read.json() == after
    assert read.headers["etag"] == answer.headers["etag"]


async def test_a_lifted_override_gives_way_to_the_derived_value(radio: Organization) -> None:
    made = await radio.create_client()
    await override(radio, made, "active_advertiser")
    after = (await lift(radio, made)).json()
    assert (after["type"], after["status"]) == ("prospect", "prospect")
    assert after["type_status"]["override"] is None
    assert after["type_status"]["source"] == "rule"


async def test_on_hold_stays_on_hold_under_an_override(radio: Organization) -> None:
    made = await radio.create_client(status="on_hold")
    after = (await override(radio, made, "active_advertiser")).json()
    assert (after["type"], after["status"]) == ("active_advertiser", "on_hold")


async def test_an_expired_override_holds_no_longer(radio: Organization, owner: Owner) -> None:
    """G2: effective is the override if present and not expired."""
    made = await radio.create_client()
    expires = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    held = (await override(radio, made, "past_advertiser", expires_at=expires)).json()
    assert held["type"] == "past_advertiser"
    assert held["type_status"]["override"]["expires_at"].endswith("Z")
    await owner.execute(
        "UPDATE clients SET type_override_expires_at = now() - interval '1 second' "
        "WHERE organization_id = $1 AND id = $2",
        radio.organization_id,
        made["id"],
    )
    after = (await radio.call("manager", "GET", f"/v1/clients/{made['id']}")).json()
    assert after["type"] == "prospect"
    assert (after["type_status"]["source"], after["type_status"]["override"]) == ("rule", None)
    for kind, found in (("prospect", 1), ("past_advertiser", 0)):
        page = await radio.call("manager", "GET", f"/v1/clients?type={kind}")
        assert len(page.json()["data"]) == found


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"value": "employer"}, "/value"),
        ({"reason": ""}, "/reason"),
        ({"reason": None}, "/reason"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "/expires_at"),
        ({"expires_at": "2030-01-01T00:00:00"}, "/expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-14:00"}, "/expires_at"),
        ({"by": "me"}, "/by"),
    ],
)
async def test_what_an_override_says_is_checked(
    radio: Organization, change: dict[str, Any], place: str
) -> None:
    made = await radio.create_client()
    body = {"value": "partner", "reason": "So it is"} | change
    path = f"/v1/clients/{made['id']}/overrides/type"
    answer = await radio.call("manager", "PUT", path, json=body)
    assert answer.status_code == 422
    assert pointers(answer.json()) == {place}


async def test_overrides_belong_to_assessment(radio: Organization, other: Organization) -> None:
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}/overrides"
    body = {"value": "partner", "reason": "So it is"}
    for role in ("front_desk", "presenter"):
        answer = await radio.call(role, "PUT", f"{path}/type", json=body)
        refused(answer, 403, "forbidden")
        refused(await radio.call(role, "DELETE", f"{path}/type"), 403, "forbidden")
    refused(await other.call("admin", "PUT", f"{path}/type", json=body), 404, "not_found")
    refused(await radio.call("admin", "PUT", f"{path}/status", json=body), 404, "not_found")
    await radio.call("admin", "POST", f"/v1/clients/{made['id']}/archive")
    refused(await radio.call("admin", "PUT", f"{path}/type", json=body), 409, "not_live")


async def test_who_reads_no_assessment_sees_no_override(radio: Organization) -> None:
    """G2: a presenter sees the value that holds, not who said so and why."""
    made = await radio.create_client()
    await override(radio, made, "partner")
    path = f"/v1/clients/{made['id']}"
    seen = (await radio.call("presenter", "GET", path)).json()["type_status"]
    assert "override" not in seen
    assert seen["effective"] == "partner"
    for role in ("admin", "front_desk"):
        found = (await radio.call(role, "GET", path)).json()["type_status"]
        assert found["override"]["value"] == "partner"


async def test_repeating_an_override_or_its_lifting_changes_nothing(
    radio: Organization, owner: Owner
) -> None:
    """G4: each real change is one change, and nothing else is."""
    made = await radio.create_client()
    expires = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    first = await override(radio, made, "partner", expires_at=expires)
    count = await change_count(owner, radio.organization_id)
    again = await override(radio, made, "partner", expires_at=expires)
    assert again.headers["etag"] == first.headers["etag"]
    assert await change_count(owner, radio.organization_id) == count
    await lift(radio, made)
    assert await change_count(owner, radio.organization_id) == count + 1
    await lift(radio, made)
    assert await change_count(owner, radio.organization_id) == count + 1


async def test_an_override_is_one_change_with_all_that_follows(radio: Organization) -> None:
    made = await radio.create_client()
    await override(radio, made, "active_advertiser")
    log = await radio.call("manager", "GET", f"/v1/clients/{made['id']}/history")
    changes = {c["field"]: (c["before"], c["after"]) for c in log.json()["data"][0]["changes"]}
    assert changes["type"] == ("prospect", "active_advertiser")
    assert changes["status"] == ("prospect", "active")
    assert changes["type_override"][1]["reason"] == "Signed today"


async def test_under_an_override_the_type_is_not_set_as_a_field(radio: Organization) -> None:
    """The override would hide it: lift it first, or set another."""
    made = await radio.create_client()
    await override(radio, made, "active_advertiser")
    assert (await patched(radio, made, type="active_advertiser")).status_code == 200
    answer = await patched(radio, made, type="partner")
    assert pointers(refused(answer, 422, "derived_value")) == {"/type"}
    assert (await patched(radio, made, stage="growing")).status_code == 200


async def test_override_honours_if_match(radio: Organization) -> None:
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}/overrides/type"
    body = {"value": "partner", "reason": "So it is"}
    stale = {"If-Match": '"stale"'}
    for method, more in (("PUT", {"json": body}), ("DELETE", {})):
        answer = await radio.call("manager", method, path, headers=stale, **more)
        refused(answer, 412, "version_conflict")
    current = (await radio.call("manager", "GET", f"/v1/clients/{made['id']}")).headers["etag"]
    fresh = {"If-Match": current}
    assert (await radio.call("manager", "PUT", path, headers=fresh, json=body)).status_code == 200
