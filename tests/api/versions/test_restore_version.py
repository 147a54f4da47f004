"""A version set back: a patch with the values of then, decided as any other patch."""

import secrets
from typing import Any

import httpx
import pytest

from tests.checks import Owner, assert_chain, change_count, codes, refused
from tests.factories import Organization

Json = dict[str, Any]
PLACE = "/v1/clients/"


async def restore(
    radio: Organization, one: Json, role: str = "admin", **body: Any
) -> httpx.Response:
    headers = body.pop("headers", {})
    path = f"{body.pop('place', PLACE)}{one['id']}/restore-version{body.pop('query', '')}"
    return await radio.call(role, "POST", path, json=body, headers=headers)


async def patch(radio: Organization, one: Json, place: str = PLACE, **body: Any) -> Json:
    answer = await radio.call("admin", "PATCH", f"{place}{one['id']}", json=body)
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()
    return found


async def newest(radio: Organization, one: Json, place: str = PLACE, role: str = "admin") -> Json:
    answer = await radio.call(role, "GET", f"{place}{one['id']}/history")
    found: Json = answer.json()["data"][0]
    return found


RICH: Json = {
    "phones": [{"country": "UG", "national": "0772 123456", "label": "work"}],
    "sites": [{"country_code": "UG", "city": "Kampala"}, {"country_code": "KE", "kind": "billing"}],
    "tags": ["one", "two"],
    "attributes": {"size": "44", "colour": "red"},
    "preferences": {"channels": ["email"], "contact_times": "mornings"},
    "service": {"sla": "gold"},
    "registration_country": "UG",
    "registration_number": "80020001234567",
    "credit_limit": {"amount": "99.95", "currency": "EUR"},
    "stage": "growing",
    "website": "https://example.com/",
    "remarks": "As it began",
}


async def test_everything_that_edits_set_comes_back(radio: Organization, owner: Owner) -> None:
    made = await radio.create_client(**RICH)
    site = made["sites"][1]["id"]
    made = await patch(radio, made, billing_details={"site_id": site, "legal_name": "Ltd"})
    entry = await newest(radio, made)
    await patch(
        radio,
        made,
        name=f"Other {secrets.token_hex(4)}",
        emails=["other@example.com"],
        phones=[],
        sites=[],
        tags=["three"],
        attributes={"size": None, "weight": "9"},
        preferences={"channels": None, "contact_times": None, "language": "lg"},
        service={"sla": None, "equipment": "two masts"},
        registration_number="80020007654321",
        credit_limit=None,
        stage=None,
        website=None,
        remarks="Another",
        payment_terms_days=30,
        billing_details={"site_id": None, "legal_name": None},
    )
    answer = await restore(radio, made, entry_id=entry["id"])
    assert answer.status_code == 200, answer.text
    moved = {"updated_at"}
    assert {k: v for k, v in answer.json().items() if k not in moved} == {
        k: v for k, v in made.items() if k not in moved
    }
    read = await radio.call("admin", "GET", f"{PLACE}{made['id']}")
    assert (read.json(), read.headers["etag"]) == (answer.json(), answer.headers["etag"])
    last = await newest(radio, made)
    assert last["action"] == "client.version_restored"
    assert {"emails", "sites", "tags", "payment_terms_days"} <= {
        change["field"] for change in last["changes"]
    }
    assert await assert_chain(owner, radio.organization_id) == 4


async def test_contact_comes_back_too(radio: Organization) -> None:
    boss = await radio.create_contact()
    place = "/v1/contacts/"
    made = await radio.create_contact(
        emails=["ada@example.com"], phones=["+256772123456"], languages=["en"], honorific="Dr"
    )
    entry = await newest(radio, made, place)
    await patch(
        radio, made, place, name="Another", emails=[], phones=["+256772654321"], languages=[],
        honorific=None, do_not_contact=True, reports_to_id=boss["id"],
    )  # fmt: skip
    answer = await restore(radio, made, place=place, entry_id=entry["id"])
    assert answer.json() == made
    assert (await newest(radio, made, place))["action"] == "contact.version_restored"


async def test_named_fields_alone_come_back(radio: Organization) -> None:
    made = await radio.create_client(remarks="first", website="https://example.com/")
    entry = await newest(radio, made)
    changed = await patch(radio, made, remarks="second", website=None, tags=["x"])
    answer = await restore(radio, made, entry_id=entry["id"], fields=["remarks", "tags"])
    document = answer.json()
    assert (document["remarks"], document["tags"]) == ("first", [])
    assert document["website"] is None
    assert document["updated_at"] != changed["updated_at"]


async def test_version_may_be_named_by_a_time(radio: Organization) -> None:
    made = await radio.create_client(remarks="first")
    await patch(radio, made, remarks="second")
    answer = await restore(radio, made, as_of=made["updated_at"])
    assert answer.json()["remarks"] == "first"


async def test_being_there_already_is_no_change(radio: Organization, owner: Owner) -> None:
    made = await radio.create_client(**RICH)
    entry = await newest(radio, made)
    before = await change_count(owner, radio.organization_id)
    for body in ({"entry_id": entry["id"]}, {"as_of": "2099-01-01T00:00:00Z"}):
        answer = await restore(radio, made, **body)
        assert answer.status_code == 200
        assert answer.json() == made
    assert await change_count(owner, radio.organization_id) == before


async def test_what_was_found_out_since_stays_known(radio: Organization) -> None:
    """An address that bounced is not verified again by setting its client back."""
    made = await radio.create_client(emails=["one@example.com", "two@example.com"])
    entry = await newest(radio, made)
    path = f"{PLACE}{made['id']}/emails/{made['emails'][0]['id']}/verify"
    await radio.call("admin", "POST", path, json={"reachability": "bounced"})
    await patch(radio, made, remarks="x", emails=[{"id": made["emails"][0]["id"],
                                                   "address": "one@example.com"}])  # fmt: skip
    document = (await restore(radio, made, entry_id=entry["id"])).json()
    assert [email["id"] for email in document["emails"]] == [e["id"] for e in made["emails"]]
    assert [email["reachability"] for email in document["emails"]] == ["bounced", "unknown"]


async def test_links_overrides_and_lifecycle_have_calls_of_their_own(radio: Organization) -> None:
    """What no edit sets is not set back: as for a patch."""
    made = await radio.create_client(remarks="first")
    entry = await newest(radio, made)
    link = await radio.call(
        "admin", "POST", f"{PLACE}{made['id']}/contacts", json={"contact": {"name": "Ada"}}
    )
    override = {"value": "active_advertiser", "reason": "Signed"}
    await radio.call("admin", "PUT", f"{PLACE}{made['id']}/overrides/type", json=override)
    await patch(radio, made, remarks="second")
    answer = await restore(radio, made, entry_id=entry["id"], status_reason="As it was")
    # The status of the override's type stays allowed only with it.
    problem = refused(answer, 422, "invalid")
    assert codes(problem) == {"/status": "status_not_allowed"}
    document = (await restore(radio, made, entry_id=entry["id"], fields=["remarks"])).json()
    assert document["remarks"] == "first"
    assert [one["id"] for one in document["contacts"]] == [link.json()["id"]]
    assert document["type"] == "active_advertiser"


async def test_status_that_moves_back_needs_a_reason(radio: Organization) -> None:
    made = await radio.create_client()
    entry = await newest(radio, made)
    await patch(radio, made, status="on_hold", status_reason="A break")
    refused(await restore(radio, made, entry_id=entry["id"]), 422, "status_reason_required")
    answer = await restore(radio, made, entry_id=entry["id"], status_reason="Back again")
    assert answer.status_code == 200, answer.text
    assert (answer.json()["status"], answer.json()["status_reason"]) == ("prospect", "Back again")


async def test_rules_of_a_patch_hold(radio: Organization) -> None:
    taken = secrets.token_hex(4)
    made = await radio.create_client(
        name=f"Held {taken}", emails=[f"{taken}@example.com"], industry="retail"
    )
    first = await newest(radio, made)
    await radio.call("admin", "POST", "/v1/catalogues/industries", json={"key": "mining"})
    await patch(radio, made, industry="mining", name=f"Left {taken}", emails=["new@example.com"])
    second = await newest(radio, made)
    await patch(radio, made, industry="retail")
    gone = await radio.call("admin", "DELETE", "/v1/catalogues/industries/mining")
    assert gone.status_code == 204
    problem = refused(await restore(radio, made, entry_id=second["id"]), 422, "invalid")
    assert codes(problem) == {"/industry": "unknown_catalogue_entry"}
    await radio.create_client(name=f"Held {taken}", emails=["another@example.com"])
    refused(await restore(radio, made, entry_id=first["id"]), 409, "duplicate_name")
    await radio.create_client(emails=[f"{taken}@example.com"])
    only = {"entry_id": first["id"], "fields": ["emails"]}
    refused(await restore(radio, made, **only), 409, "email_in_use")


# ------------------------------------------------------------------------ rights


async def key_with(radio: Organization, *scopes: str) -> dict[str, str]:
    body = {"name": f"Key {secrets.token_hex(4)}", "scopes": list(scopes)}
    answer = await radio.call("admin", "POST", "/v1/api-keys", json=body)
    return {"Authorization": f"Bearer {answer.json()['key']}"}


async def test_fields_that_the_caller_may_not_write_are_named_and_nothing_is_applied(
    radio: Organization, owner: Owner
) -> None:
    made = await radio.create_client(remarks="first")
    entry = await newest(radio, made)
    await patch(radio, made, remarks="second", stage="growing", payment_terms_days=1297)
    headers = await key_with(
        radio, "clients.identity:read", "clients.remarks:*", "clients.classification:read",
        "clients.audit:read",
    )  # fmt: skip
    before = await change_count(owner, radio.organization_id)
    path = f"{PLACE}{made['id']}/restore-version"
    answer = await radio.api.post(path, json={"entry_id": entry["id"]}, headers=headers)
    problem = refused(answer, 403, "field_not_writable")
    assert set(codes(problem)) == {"/stage"}
    assert await change_count(owner, radio.organization_id) == before
    body = {"entry_id": entry["id"], "fields": ["remarks"]}
    answer = await radio.api.post(path, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    assert answer.json()["remarks"] == "first"
    # What it does not read stays as it is, and is not named.
    assert "payment_terms_days" not in answer.text + problem["detail"]
    document = (await radio.call("admin", "GET", f"{PLACE}{made['id']}")).json()
    assert document["payment_terms_days"] == 1297
    hidden = {"entry_id": entry["id"], "fields": ["payment_terms_days", "remarks"]}
    problem = refused(
        await radio.api.post(path, json=hidden, headers=headers), 403, "field_not_readable"
    )
    assert codes(problem) == {"/fields/0": "field_not_readable"}


async def test_entry_that_the_caller_does_not_see_is_as_a_random_one(radio: Organization) -> None:
    made, another = await radio.create_client(), await radio.create_client()
    await patch(radio, made, payment_terms_days=30)
    hidden = await newest(radio, made)
    foreign = await newest(radio, another)
    headers = await key_with(
        radio, "clients.identity:read", "clients.remarks:*", "clients.audit:read"
    )
    path = f"{PLACE}{made['id']}"
    random = "01890a5d-ac96-774b-bcce-b302099a8057"
    told = []
    for entry in (hidden["id"], foreign["id"], random):
        for method, where, body in (
            ("POST", "restore-version", {"entry_id": entry}),
            ("GET", f"diff?from={entry}", None),
            ("GET", f"diff?to={entry}", None),
        ):
            answer = await radio.api.request(method, f"{path}/{where}", json=body, headers=headers)
            problem = refused(answer, 404, "not_found")
            told.append({**problem, "request_id": ""})
    assert all(problem == told[0] for problem in told)


@pytest.mark.parametrize(("role", "status"), [("front_desk", 403), ("presenter", 403)])
async def test_roles_without_the_whole_history_set_nothing_back(
    radio: Organization, role: str, status: int
) -> None:
    made = await radio.create_client("front_desk")
    entry = await newest(radio, made, role="front_desk")
    refused(await restore(radio, made, role, entry_id=entry["id"]), status, "forbidden")
    random = {"id": "01890a5d-ac96-774b-bcce-b302099a8057"}
    refused(await restore(radio, random, role, entry_id=entry["id"]), 404, "not_found")


async def test_refusals_come_in_the_usual_order(radio: Organization) -> None:
    made = await radio.create_client(remarks="first")
    entry = await newest(radio, made)
    await patch(radio, made, remarks="second")
    stale = {"If-Match": '"stale"'}
    await radio.call("admin", "POST", f"{PLACE}{made['id']}/archive")
    for body in ({}, {"entry_id": "nonsense"}, {"entry_id": entry["id"], "colour": 1}):
        refused(await restore(radio, made, headers=stale, **body), 412, "version_conflict")
        refused(await restore(radio, made, **body), 409, "not_live")
    both = {"entry_id": entry["id"], "as_of": "2026-01-01T00:00:00Z"}
    await radio.call("admin", "POST", f"{PLACE}{made['id']}/restore")
    for body in ({}, both, {"entry_id": "nonsense"}, {"entry_id": entry["id"], "fields": []}):
        refused(await restore(radio, made, **body), 422, "invalid")
    wrong = ["colour", "number", "remarks"]
    problem = refused(
        await restore(radio, made, entry_id=entry["id"], fields=wrong), 422, "invalid"
    )
    assert codes(problem) == {"/fields/0": "unknown_field", "/fields/1": "read_only_field"}
    problem = refused(
        await restore(radio, made, headers=stale, entry_id=entry["id"]), 412, "version_conflict"
    )
    assert problem["current"] == {"remarks": "second"}
    refused(await restore(radio, made, as_of="2020-01-01T00:00:00Z"), 404, "not_found")


async def test_key_replays_and_dry_run_keeps_nothing(radio: Organization, owner: Owner) -> None:
    made = await radio.create_client(remarks="first")
    entry = await newest(radio, made)
    changed = await patch(radio, made, remarks="second")
    tried = await restore(radio, made, entry_id=entry["id"], query="?dry_run=true")
    assert tried.json()["remarks"] == "first"
    read = await radio.call("admin", "GET", f"{PLACE}{made['id']}")
    assert read.json() == changed
    key = {"Idempotency-Key": "back"}
    match = {"If-Match": read.headers["etag"]}
    first = await restore(radio, made, entry_id=entry["id"], headers=key | match)
    assert first.status_code == 200, first.text
    await patch(radio, made, remarks="third")
    before = await change_count(owner, radio.organization_id)
    again = await restore(radio, made, entry_id=entry["id"], headers=key | match)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == first.json()
    assert await change_count(owner, radio.organization_id) == before
    another = await restore(radio, made, as_of="2099-01-01T00:00:00Z", headers=key)
    refused(another, 422, "idempotency_mismatch")
