"""Contacts: what is taken, what follows, what is refused, and in which order."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.checks import Owner, change_count, codes, pointers, refused
from tests.factories import Organization

ROLES = ("admin", "manager", "front_desk", "presenter")


def complete(organization: Organization) -> dict[str, Any]:
    return {
        "name": "Ada Nakato",
        "honorific": "Dr",
        "languages": ["en", "lg"],
        "do_not_contact": True,
        "owner_id": str(organization.user_ids["manager"]),
    }


async def patched(
    organization: Organization, role: str, contact: dict[str, Any], **fields: Any
) -> Any:
    return await organization.call(role, "PATCH", f"/v1/contacts/{contact['id']}", json=fields)


async def test_a_name_is_enough(radio: Organization) -> None:
    """C9"""
    answer = await radio.call("front_desk", "POST", "/v1/contacts", json={"name": "Ada Nakato"})
    assert answer.status_code == 201
    made = answer.json()
    assert answer.headers["location"] == f"/v1/contacts/{made['id']}"
    assert UUID(made["id"]).version == 7
    assert made == {
        "id": made["id"],
        "lifecycle": "live",
        "name": "Ada Nakato",
        "honorific": None,
        "languages": [],
        "external_refs": [],
        "created_at": made["created_at"],
        "links": [],
        "emails": [],
        "phones": [],
        "do_not_contact": False,
        "owner_id": None,
        "reports_to_id": None,
    }
    read = await radio.call("front_desk", "GET", answer.headers["location"])
    assert (read.json(), read.headers["etag"]) == (made, answer.headers["etag"])


async def test_everything_is_answered_as_it_was_sent(radio: Organization) -> None:
    superior = await radio.create_contact()
    sent = complete(radio) | {"reports_to_id": superior["id"]}
    made = await radio.create_contact(
        "manager",
        **sent,
        emails=["Ada@Example.com", {"address": "a.n@example.com", "label": "home"}],
        phones=[{"country": "UG", "national": "0772 123456", "label": "mobile"}],
    )
    assert {name: made[name] for name in sent} == sent
    assert [e["address"] for e in made["emails"]] == ["Ada@example.com", "a.n@example.com"]
    assert [e["is_primary"] for e in made["emails"]] == [True, False]
    assert made["phones"][0]["e164"] == "+256772123456"
    assert made["phones"][0]["reachability"] == "unknown"


async def test_contacts_with_owners_are_found_by_them(radio: Organization) -> None:
    """C9: contacts belonging to all executives."""
    made = await radio.create_contact("manager", **complete(radio))
    await radio.create_contact()
    query = {"owner_id": str(radio.user_ids["manager"])}
    page = await radio.call("front_desk", "GET", "/v1/contacts", params=query)
    assert [row["id"] for row in page.json()["data"]] == [made["id"]]


@pytest.mark.parametrize("role", ["admin", "manager", "front_desk"])
async def test_the_whole_representation_may_be_sent_back(
    radio: Organization, owner: Owner, role: str
) -> None:
    """G3"""
    made = await radio.create_contact(
        "manager", **complete(radio), emails=["a@example.com"], phones=["0772123456"]
    )
    await radio.create_client(contacts=[{"contact_id": made["id"]}])
    path = f"/v1/contacts/{made['id']}"
    seen = await radio.call(role, "GET", path)
    count = await change_count(owner, radio.organization_id)
    answer = await radio.call(role, "PATCH", path, json=seen.json())
    assert answer.status_code == 200, answer.text
    assert (answer.json(), answer.headers["etag"]) == (seen.json(), seen.headers["etag"])
    assert await change_count(owner, radio.organization_id) == count


async def test_a_patch_merges(radio: Organization) -> None:
    made = await radio.create_contact(
        "manager", **complete(radio), emails=["a@example.com", "b@example.com"]
    )
    answer = await patched(
        radio, "manager", made, honorific=None, languages=["sw"], emails=["b@example.com"]
    )
    after = answer.json()
    assert (after["honorific"], after["languages"]) == (None, ["sw"])
    assert after["emails"] == [made["emails"][1] | {"is_primary": True}]
    assert (after["name"], after["do_not_contact"], after["owner_id"]) == (
        made["name"],
        True,
        made["owner_id"],
    )


async def test_the_owner_and_the_superior_are_the_managers_to_set(radio: Organization) -> None:
    """G7: group coding is read only for the front desk."""
    superior = await radio.create_contact()
    body = {
        "name": "Ben",
        "owner_id": str(radio.user_ids["manager"]),
        "reports_to_id": superior["id"],
    }
    answer = await radio.call("front_desk", "POST", "/v1/contacts", json=body)
    assert pointers(refused(answer, 403, "field_not_writable")) == {"/owner_id", "/reports_to_id"}
    made = await radio.create_contact("manager", **body)
    answer = await patched(radio, "front_desk", made, owner_id=None, honorific="Dr")
    assert pointers(refused(answer, 403, "field_not_writable")) == {"/owner_id"}
    answer = await patched(radio, "front_desk", made, owner_id=made["owner_id"], honorific="Dr")
    assert answer.json()["honorific"] == "Dr"


async def test_presenters_know_no_persons(radio: Organization, other: Organization) -> None:
    made = await radio.create_contact()
    path = f"/v1/contacts/{made['id']}"
    for method, place, body in (
        ("GET", "/v1/contacts", None),
        ("GET", path, None),
        ("POST", "/v1/contacts", {"name": "A"}),
        ("PATCH", path, {}),
        ("DELETE", path, None),
        ("GET", f"{path}/history", None),
        ("GET", f"{path}/clients", None),
    ):
        refused(await radio.call("presenter", method, place, json=body), 403, "forbidden")


@pytest.mark.parametrize(
    ("body", "place", "code"),
    [
        ({}, "/name", "required"),
        ({"name": ""}, "/name", "too_short"),
        ({"name": "A", "emails": ["bad"]}, "/emails/0", "invalid_email"),
        ({"name": "A", "phones": ["12"]}, "/phones/0", "invalid_phone"),
        ({"name": "A", "languages": ["english please"]}, "/languages/0", None),
        ({"name": "A", "odd": 1}, "/odd", "unknown_field"),
        ({"name": "A", "id": "x"}, "/id", "read_only_field"),
        ({"name": "A", "lifecycle": "deleted"}, "/lifecycle", "read_only_field"),
        ({"name": "A", "links": []}, "/links", "read_only_field"),
        ({"name": "A", "do_not_contact": "no"}, "/do_not_contact", "bool_type"),
        ({"name": "A", "owner_id": str(UUID(int=7))}, "/owner_id", "unknown_user"),
        ({"name": "A", "reports_to_id": str(UUID(int=7))}, "/reports_to_id", "unknown_contact"),
    ],
)
async def test_faults_are_refused_with_their_place(
    radio: Organization, body: dict[str, Any], place: str, code: str | None
) -> None:
    answer = await radio.call("admin", "POST", "/v1/contacts", json=body)
    assert answer.status_code == 422, answer.text
    found = codes(answer.json())
    assert set(found) == {place}
    assert code is None or found[place] == code or code == "too_short"


async def test_refusals_come_in_their_order(radio: Organization, other: Organization) -> None:
    """G6"""
    foreign, made = await other.create_contact(), await radio.create_contact()
    path = f"/v1/contacts/{made['id']}"
    bad = {"owner_id": None, "odd": 1}
    stale = {"If-Match": '"stale"'}
    for wrong in (foreign["id"], str(uuid4()), "nonsense"):
        place = f"/v1/contacts/{wrong}"
        for method in ("GET", "PATCH", "DELETE"):
            for role in ROLES:
                answer = await radio.call(
                    role, method, place, json=bad if method == "PATCH" else None
                )
                refused(answer, 404, "not_found")
    owned = await radio.create_contact("manager", owner_id=str(radio.user_ids["manager"]))
    answer = await radio.call(
        "front_desk", "PATCH", f"/v1/contacts/{owned['id']}", json=bad, headers=stale
    )
    refused(answer, 403, "field_not_writable")
    answer = await radio.call("front_desk", "PATCH", path, json={"odd": 1}, headers=stale)
    refused(answer, 412, "version_conflict")
    await radio.call("admin", "DELETE", path)
    refused(await radio.call("admin", "PATCH", path, json={"odd": 1}), 409, "not_live")


async def test_a_stale_version_is_told_with_the_present_values(radio: Organization) -> None:
    made = await radio.create_contact(honorific="Dr")
    path = f"/v1/contacts/{made['id']}"
    held = (await radio.call("front_desk", "GET", path)).headers["etag"]
    await patched(radio, "admin", made, honorific="Prof")
    body, headers = {"honorific": "Mr"}, {"If-Match": held}
    answer = await radio.call("front_desk", "PATCH", path, json=body, headers=headers)
    problem = refused(answer, 412, "version_conflict")
    assert problem["current"] == {"honorific": "Prof"}
    fresh = {"If-Match": problem["current_etag"]}
    answer = await radio.call("front_desk", "PATCH", path, json=body, headers=fresh)
    assert answer.status_code == 200
    read = await radio.call(
        "front_desk", "GET", path, headers={"If-None-Match": answer.headers["etag"]}
    )
    assert read.status_code == 304


async def test_addresses_are_unique_among_contacts(radio: Organization, owner: Owner) -> None:
    """C7"""
    held = await radio.create_contact(emails=["ada@example.com"])
    count = await change_count(owner, radio.organization_id)
    body = {"name": "Ben", "emails": ["free@example.com", "ADA@example.com"]}
    answer = await radio.call("front_desk", "POST", "/v1/contacts", json=body)
    problem = refused(answer, 409, "email_in_use")
    assert pointers(problem) == {"/emails/1"}
    [candidate] = problem["candidates"]
    assert (candidate["id"], candidate["name"], candidate["visibility"]) == (
        held["id"],
        held["name"],
        "live",
    )
    assert problem["next"][0] == {
        "action": "open",
        "method": "GET",
        "path": f"/v1/contacts/{held['id']}",
    }
    made = await radio.create_contact()
    answer = await patched(radio, "front_desk", made, emails=["ada@example.com"])
    refused(answer, 409, "email_in_use")
    assert await change_count(owner, radio.organization_id) == count + 1


async def test_a_client_and_its_contact_may_share_an_address(radio: Organization) -> None:
    """C7: unique among clients' addresses and, apart, among contacts'."""
    person = await radio.create_contact(emails=["info@example.com"])
    made = await radio.create_client(emails=["info@example.com"])
    assert made["emails"][0]["address"] == person["emails"][0]["address"]
    other = await radio.create_client(
        name="Other",
        emails=["shared@example.com"],
        contacts=[{"contact": {"name": "Ada", "emails": ["shared@example.com"]}}],
    )
    assert other["primary_contact"] is not None


async def test_a_deleted_persons_address_is_still_taken(radio: Organization) -> None:
    """C7, G8: and only an administrator sees whose it is."""
    held = await radio.create_contact(emails=["ada@example.com"])
    await radio.call("admin", "DELETE", f"/v1/contacts/{held['id']}")
    body = {"name": "Ben", "emails": ["ada@example.com"]}
    answer = await radio.call("manager", "POST", "/v1/contacts", json=body)
    problem = refused(answer, 409, "email_in_use_inactive")
    assert problem["candidates"][0]["visibility"] == "not_visible"
    assert held["id"] not in answer.text
    answer = await radio.call("admin", "POST", "/v1/contacts", json=body)
    problem = refused(answer, 409, "email_in_use_inactive")
    assert (problem["candidates"][0]["visibility"], problem["candidates"][0]["id"]) == (
        "deleted",
        held["id"],
    )


@pytest.mark.parametrize("kind", ["emails", "phones"])
async def test_a_persons_points_are_verified_too(radio: Organization, kind: str) -> None:
    """C10"""
    made = await radio.create_contact(emails=["a@example.com"], phones=["0772123456"])
    point = made[kind][0]["id"]
    path = f"/v1/contacts/{made['id']}/{kind}/{point}/verify"
    answer = await radio.call("front_desk", "POST", path, json={"reachability": "verified"})
    found = answer.json()[kind][0]
    assert found["reachability"] == "verified"
    assert found["verified_at"] is not None
    answer = await patched(radio, "front_desk", made, **{kind: answer.json()[kind]})
    assert answer.json()[kind][0] == found
    body = {"reachability": "bounced"}
    refused(await radio.call("presenter", "POST", path, json=body), 403, "forbidden")
    wrong = f"/v1/contacts/{made['id']}/{kind}/{uuid4()}/verify"
    refused(await radio.call("admin", "POST", wrong, json=body), 404, "not_found")


async def test_a_retry_with_its_key_makes_one_person(radio: Organization, owner: Owner) -> None:
    headers = {"Idempotency-Key": "contact-1"}
    body = {"name": "Ada", "emails": ["ada@example.com"]}
    answers = [
        await radio.call("front_desk", "POST", "/v1/contacts", json=body, headers=headers)
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert await change_count(owner, radio.organization_id) == 1
    other = await radio.call(
        "front_desk", "POST", "/v1/contacts", json={"name": "Ben"}, headers=headers
    )
    refused(other, 422, "idempotency_mismatch")


async def test_history_is_masked_as_the_clients(radio: Organization) -> None:
    made = await radio.create_contact(emails=["a@example.com"])
    await patched(radio, "front_desk", made, honorific="Dr")
    await patched(radio, "manager", made, owner_id=str(radio.user_ids["manager"]))
    path = f"/v1/contacts/{made['id']}/history"
    full = (await radio.call("admin", "GET", path)).json()["data"]
    assert [entry["action"] for entry in full] == [
        "contact.updated",
        "contact.updated",
        "contact.created",
    ]
    assert full[0]["changes"][0]["field"] == "owner_id"
    assert "address" in full[0]
    assert "address" not in (await radio.call("manager", "GET", path)).json()["data"][0]
    [own] = (await radio.call("front_desk", "GET", path)).json()["data"]
    assert own["changes"] == [{"field": "honorific", "before": None, "after": "Dr"}]


async def test_links_are_for_who_reads_reach_of_clients(radio: Organization) -> None:
    """What is told of a client on a person's record takes the client's group as well."""
    person = await radio.create_contact()
    await radio.create_client(contacts=[{"contact_id": person["id"]}])
    scopes = ["contacts.*:read"]
    key = (
        await radio.call("admin", "POST", "/v1/api-keys", json={"name": "k", "scopes": scopes})
    ).json()
    headers = {"Authorization": f"Bearer {key['key']}"}
    read = await radio.api.get(f"/v1/contacts/{person['id']}", headers=headers)
    assert "links" not in read.json()
    answer = await radio.api.get(f"/v1/contacts/{person['id']}/clients", headers=headers)
    refused(answer, 403, "forbidden")
    answer = await radio.api.get("/v1/contacts?fields=links", headers=headers)
    refused(answer, 403, "field_not_readable")
