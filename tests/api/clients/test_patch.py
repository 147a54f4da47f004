"""Changing clients: merge semantics, what a change leaves alone, and who may change what."""

from typing import Any
from uuid import uuid4

import pytest

from tests.api.clients.test_create import complete
from tests.checks import Owner, change_count, pointers, refused
from tests.factories import Organization


async def patched(
    organization: Organization, role: str, client: dict[str, Any], **fields: Any
) -> Any:
    return await organization.call(role, "PATCH", f"/v1/clients/{client['id']}", json=fields)


async def test_absent_keeps_null_clears_and_arrays_replace(radio: Organization) -> None:
    """RFC 7396."""
    made = await radio.create_client(
        website="https://a.example.com/", remarks="Old", tags=["a", "b"], languages=["en"]
    )
    answer = await patched(radio, "manager", made, remarks=None, tags=["b", "c"], stage="mature")
    assert answer.status_code == 200
    after = answer.json()
    assert (after["remarks"], after["tags"], after["stage"]) == (None, ["b", "c"], "mature")
    assert (after["website"], after["languages"]) == ("https://a.example.com/", ["en"])
    assert after == (await radio.call("manager", "GET", f"/v1/clients/{made['id']}")).json()


async def test_merge_patch_has_a_media_type_of_its_own(radio: Organization) -> None:
    made = await radio.create_client()
    headers = {"Content-Type": "application/merge-patch+json"}
    answer = await radio.call(
        "admin",
        "PATCH",
        f"/v1/clients/{made['id']}",
        content=b'{"remarks":"x"}',
        headers=headers,
    )
    assert answer.json()["remarks"] == "x"


async def test_objects_merge_and_their_nulls_clear_one_key(radio: Organization) -> None:
    made = await radio.create_client(
        preferences={"channels": ["sms"], "language": "en"},
        service={"sla": "Gold", "response_time_hours": 4},
        attributes={"fleet.size": "40", "colour": "red"},
        notification_settings={"billing": ["email"], "emergency": ["phone"]},
    )
    answer = await patched(
        radio,
        "manager",
        made,
        preferences={"language": None, "contact_times": "Mornings"},
        service={"response_time_hours": None},
        attributes={"colour": None, "shoe_size": "44"},
        notification_settings={"billing": []},
    )
    after = answer.json()
    assert after["preferences"]["channels"] == ["sms"]
    assert after["preferences"]["language"] is None
    assert after["preferences"]["contact_times"] == "Mornings"
    assert (after["service"]["sla"], after["service"]["response_time_hours"]) == ("Gold", None)
    assert after["attributes"] == {"fleet.size": "40", "shoe_size": "44"}
    assert after["notification_settings"]["billing"] == []
    assert after["notification_settings"]["emergency"] == ["phone"]


async def test_null_sets_a_whole_object_back(radio: Organization) -> None:
    made = await radio.create_client(
        preferences={"channels": ["sms"], "do_not_contact": True}, attributes={"a": "1"}
    )
    after = (await patched(radio, "admin", made, preferences=None, attributes=None)).json()
    assert after["preferences"]["channels"] == []
    assert after["preferences"]["do_not_contact"] is False
    assert after["attributes"] == {}


@pytest.mark.parametrize("field", ["name", "type", "status"])
async def test_what_is_never_empty_is_not_cleared(radio: Organization, field: str) -> None:
    made = await radio.create_client()
    answer = await patched(radio, "admin", made, **{field: None})
    assert answer.status_code == 422
    assert pointers(answer.json()) == {f"/{field}"}


async def test_faults_inside_a_merged_object_are_pointed_at(radio: Organization) -> None:
    made = await radio.create_client()
    answer = await patched(
        radio, "admin", made, preferences={"channels": ["pigeon"], "mood": "x"}, service=[]
    )
    problem = refused(answer, 422, "invalid")
    assert pointers(problem) == {"/preferences/channels/0", "/preferences/mood", "/service"}


async def test_a_patch_that_changes_nothing_leaves_no_trace(
    radio: Organization, owner: Owner
) -> None:
    """G4, G9: an equal value is no change: no entry, no stamp, the same ETag."""
    made = await radio.create_client("manager", **complete(radio), emails=["a@example.com"])
    path = f"/v1/clients/{made['id']}"
    before = await radio.call("admin", "GET", path)
    count = await change_count(owner, radio.organization_id)
    for body in ({}, complete(radio), {"emails": ["a@example.com"]}):
        answer = await radio.call("manager", "PATCH", path, json=body)
        assert answer.status_code == 200, answer.text
    assert (await radio.call("admin", "GET", path)).headers["etag"] == before.headers["etag"]
    assert await change_count(owner, radio.organization_id) == count


@pytest.mark.parametrize("role", ["admin", "manager", "front_desk"])
async def test_the_whole_representation_may_be_sent_back(
    radio: Organization, owner: Owner, role: str
) -> None:
    """G3, G7: readable but unwritable fields are accepted when they are sent unchanged."""
    made = await radio.create_client(
        "manager",
        **complete(radio),
        emails=["a@example.com"],
        phones=["0772123456"],
        sites=[{"city": "Jinja"}],
        contacts=[{"contact": {"name": "Ada", "emails": ["ada@example.com"]}}],
    )
    path = f"/v1/clients/{made['id']}"
    seen = await radio.call(role, "GET", path)
    count = await change_count(owner, radio.organization_id)
    answer = await radio.call(role, "PATCH", path, json=seen.json())
    assert answer.status_code == 200, answer.text
    assert answer.json() == seen.json()
    assert answer.headers["etag"] == seen.headers["etag"]
    assert await change_count(owner, radio.organization_id) == count


async def test_front_desk_changes_what_its_role_may_and_no_more(radio: Organization) -> None:
    """G7: 403 names every such field, nothing is applied, values are never named."""
    made = await radio.create_client(website="https://old.example.com/")
    answer = await patched(
        radio,
        "front_desk",
        made,
        website="https://new.example.com/",
        name="Renamed",
        status="on_hold",
        service={"sla": "Gold"},
        payment_terms_days=30,
        registration_number="77",
    )
    problem = refused(answer, 403, "field_not_writable")
    assert pointers(problem) == {
        "/name",
        "/status",
        "/service",
        "/payment_terms_days",
        "/registration_number",
    }
    assert "Renamed" not in answer.text
    read = await radio.call("front_desk", "GET", f"/v1/clients/{made['id']}")
    assert read.json()["website"] == "https://old.example.com/"
    answer = await patched(radio, "front_desk", made, website="https://new.example.com/")
    assert answer.json()["website"] == "https://new.example.com/"


async def test_an_unreadable_field_is_refused_even_with_its_present_value(
    radio: Organization,
) -> None:
    """G7: accepting the present value would tell it."""
    made = await radio.create_client(payment_terms_days=30)
    for value in (30, 31, None):
        answer = await patched(radio, "front_desk", made, payment_terms_days=value)
        assert pointers(refused(answer, 403, "field_not_writable")) == {"/payment_terms_days"}


async def test_presenter_changes_nothing(radio: Organization) -> None:
    made = await radio.create_client()
    refused(await patched(radio, "presenter", made, website=None), 403, "forbidden")
    refused(await patched(radio, "presenter", made), 403, "forbidden")


async def test_refusals_come_in_their_order(radio: Organization, other: Organization) -> None:
    """G6: 404, then 403, then 412, then the state, then the content."""
    foreign, made = await other.create_client(), await radio.create_client()
    path = f"/v1/clients/{made['id']}"
    bad = {"type": "partner", "nonsense": 1}
    stale = {"If-Match": '"stale"'}
    for wrong in (foreign["id"], str(uuid4()), "no-id"):
        answer = await radio.call("front_desk", "PATCH", f"/v1/clients/{wrong}", json=bad)
        refused(answer, 404, "not_found")
    answer = await radio.call("front_desk", "PATCH", path, json=bad, headers=stale)
    refused(answer, 403, "field_not_writable")
    answer = await radio.call("front_desk", "PATCH", path, json={"nonsense": 1}, headers=stale)
    refused(answer, 412, "version_conflict")
    await radio.call("admin", "POST", f"{path}/archive")
    answer = await radio.call("front_desk", "PATCH", path, json={"nonsense": 1})
    refused(answer, 409, "not_live")
    await radio.call("admin", "POST", f"{path}/restore")
    answer = await radio.call("front_desk", "PATCH", path, json={"nonsense": 1})
    refused(answer, 422, "unknown_field")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("number", "C-000777"),
        ("id", "01890a5d-ac96-774b-bcce-b302099a8057"),
        ("kind", "individual"),
        ("lifecycle", "deleted"),
        ("registered_on", "2020-01-01"),
        ("created_at", "2020-01-01T00:00:00Z"),
        ("review_due_on", "2020-01-01"),
        ("engagement_level", "low"),
        ("last_activity_at", "2020-01-01T00:00:00Z"),
        ("merged_into", "01890a5d-ac96-774b-bcce-b302099a8057"),
        ("contacts", []),
        ("external_refs", []),
    ],
)
async def test_what_no_role_changes_is_read_only(
    radio: Organization, field: str, value: Any
) -> None:
    """C1, G3, G7"""
    made = await radio.create_client(
        contacts=[{"contact": {"name": "Ada"}}],
        external_refs=[{"source": "billing", "id": "A-1"}],
    )
    for role in ("admin", "front_desk"):
        answer = await patched(radio, role, made, **{field: value})
        assert pointers(refused(answer, 422, "read_only_field")) == {f"/{field}"}


async def test_a_review_moves_its_next_date(radio: Organization) -> None:
    """C12, G4: derived values are in the same change."""
    made = await radio.create_client()
    after = (await patched(radio, "manager", made, last_reviewed_on="2026-11-30")).json()
    assert after["review_due_on"] == "2027-02-28"
    log = await radio.call("admin", "GET", f"/v1/clients/{made['id']}/history")
    fields = [change["field"] for change in log.json()["data"][0]["changes"]]
    assert sorted(fields) == ["last_reviewed_on", "review_due_on"]


async def test_several_faults_of_a_patch_are_told_at_once(radio: Organization) -> None:
    made = await radio.create_client()
    answer = await patched(
        radio, "admin", made, name="", emails=["bad"], industry="nowhere", number="C-1", odd=1
    )
    problem = refused(answer, 422, "invalid")
    assert pointers(problem) == {"/name", "/emails/0", "/industry", "/number", "/odd"}


async def test_an_integer_that_no_parser_holds_is_a_fault_among_others(
    radio: Organization,
) -> None:
    made = await radio.create_client()
    body = b'{"payment_terms_days":' + b"9" * 5000 + b',"name":5,"website":"https://a.example"}'
    answer = await radio.call(
        "admin",
        "PATCH",
        f"/v1/clients/{made['id']}",
        content=body,
        headers={"Content-Type": "application/json"},
    )
    assert pointers(refused(answer, 422, "invalid")) == {"/payment_terms_days", "/name"}


async def test_a_reference_may_be_echoed_whatever_became_of_it(
    radio: Organization,
) -> None:
    """G3: its present value is no change, though a new one would be refused."""
    owner = str(radio.user_ids["presenter"])
    referrer = await radio.create_client()
    made = await radio.create_client(owner_id=owner, referred_by_id=referrer["id"])
    await radio.call("admin", "POST", f"/v1/users/{owner}/disable")
    await radio.call("admin", "DELETE", f"/v1/clients/{referrer['id']}")
    answer = await patched(
        radio, "manager", made, owner_id=owner, referred_by_id=referrer["id"], remarks="x"
    )
    assert answer.status_code == 200, answer.text
    another = await radio.create_client()
    for field, value in (("owner_id", owner), ("referred_by_id", referrer["id"])):
        answer = await patched(radio, "manager", another, **{field: value})
        assert pointers(refused(answer, 422, "invalid")) == {f"/{field}"}
