"""Links between clients and persons: roles, dates, and exactly one primary while any is live."""

from typing import Any
from uuid import uuid4

import pytest

from crm_api.clients import links
from tests.checks import Owner, change_count, codes, pointers, refused
from tests.factories import Organization


async def link(
    organization: Organization, client: dict[str, Any], role: str = "front_desk", **body: Any
) -> Any:
    path = f"/v1/clients/{client['id']}/contacts"
    return await organization.call(role, "POST", path, json=body)


async def change(
    organization: Organization, client: dict[str, Any], link_id: str, **body: Any
) -> Any:
    path = f"/v1/clients/{client['id']}/contacts/{link_id}"
    return await organization.call("front_desk", "PATCH", path, json=body)


async def unlink(organization: Organization, client: dict[str, Any], link_id: str) -> Any:
    path = f"/v1/clients/{client['id']}/contacts/{link_id}"
    return await organization.call("front_desk", "DELETE", path)


async def links_of(organization: Organization, client: dict[str, Any]) -> list[dict[str, Any]]:
    read = await organization.call("admin", "GET", f"/v1/clients/{client['id']}")
    found: dict[str, Any] = read.json()
    live = [one for one in found["contacts"] if one["to_on"] is None]
    primary = [one for one in live if "primary" in one["roles"]]
    # C9: exactly one primary when any contact exists, and the computed field tells which.
    assert len(primary) == (1 if live else 0)
    assert found["primary_contact"] == (primary[0] if live else None)
    contacts: list[dict[str, Any]] = found["contacts"]
    return contacts


async def with_two(organization: Organization) -> tuple[dict[str, Any], str, str]:
    made = await organization.create_client(
        contacts=[{"contact": {"name": "Ada"}}, {"contact": {"name": "Ben"}}]
    )
    return made, made["contacts"][0]["id"], made["contacts"][1]["id"]


async def test_inline_persons_are_made_with_the_client(radio: Organization) -> None:
    """C9: name, title, roles, function, dates; several in one create."""
    made = await radio.create_client(
        "front_desk",
        contacts=[
            {
                "contact": {"name": "Ada Nakato", "emails": ["ada@example.com"]},
                "roles": ["billing", "technical"],
                "function": "decision_maker",
                "job_title": "Head of finance",
                "from_on": "2026-01-01",
            },
            {"contact": {"name": "Ben Okot", "phones": ["0772123456"]}},
        ],
    )
    first, second = await links_of(radio, made)
    assert first == {
        "id": first["id"],
        "contact_id": first["contact_id"],
        "roles": ["primary", "billing", "technical"],
        "function": "decision_maker",
        "job_title": "Head of finance",
        "from_on": "2026-01-01",
        "to_on": None,
    }
    assert second["roles"] == []
    person = (await radio.call("admin", "GET", f"/v1/contacts/{first['contact_id']}")).json()
    assert person["name"] == "Ada Nakato"
    assert person["emails"][0]["address"] == "ada@example.com"
    assert person["links"][0]["client_id"] == made["id"]


async def test_the_marked_one_is_primary_wherever_it_stands(radio: Organization) -> None:
    made = await radio.create_client(
        contacts=[
            {"contact": {"name": "Ada"}},
            {"contact": {"name": "Ben"}, "roles": ["primary"]},
        ]
    )
    first, second = await links_of(radio, made)
    assert ("primary" in first["roles"], "primary" in second["roles"]) == (False, True)


async def test_two_marked_ones_are_refused(radio: Organization) -> None:
    persons = [{"contact": {"name": name}, "roles": ["primary"]} for name in ("Ada", "Ben")]
    body = {"name": "A", "emails": ["a@example.com"], "contacts": persons}
    answer = await radio.call("admin", "POST", "/v1/clients", json=body)
    assert codes(refused(answer, 422, "invalid")) == {"/contacts": "two_primaries"}


async def test_a_failing_person_fails_the_client(radio: Organization, owner: Owner) -> None:
    await radio.create_contact(emails=["taken@example.com"])
    before = await change_count(owner, radio.organization_id)
    body = {
        "name": "A",
        "emails": ["a@example.com"],
        "contacts": [{"contact": {"name": "Ada", "emails": ["TAKEN@example.com"]}}],
    }
    answer = await radio.call("admin", "POST", "/v1/clients", json=body)
    problem = refused(answer, 409, "email_in_use")
    assert problem["candidates"][0]["reasons"] == ["same_email"]
    assert await change_count(owner, radio.organization_id) == before
    total = await radio.call("admin", "GET", "/v1/contacts?count=exact")
    assert total.json()["total"] == 1


async def test_the_first_link_is_primary_and_later_ones_are_not(radio: Organization) -> None:
    """C9"""
    made = await radio.create_client()
    assert await links_of(radio, made) == []
    first = await link(radio, made, contact={"name": "Ada"})
    assert first.status_code == 201
    assert first.json()["roles"] == ["primary"]
    path = f"/v1/clients/{made['id']}/contacts"
    assert first.headers["location"] == f"{path}/{first.json()['id']}"
    second = await link(radio, made, contact={"name": "Ben"}, roles=["billing"])
    assert second.json()["roles"] == ["billing"]
    page = await radio.call("front_desk", "GET", path)
    assert page.json() == {
        "data": await links_of(radio, made),
        "next_cursor": None,
        "has_more": False,
    }


async def test_known_persons_are_linked_by_id(radio: Organization) -> None:
    """C9: a person may serve many clients."""
    person = await radio.create_contact()
    made = [await radio.create_client() for _ in range(2)]
    for client in made:
        answer = await link(radio, client, contact_id=person["id"])
        assert answer.json()["contact_id"] == person["id"]
    read = await radio.call("admin", "GET", f"/v1/contacts/{person['id']}")
    assert {one["client_id"] for one in read.json()["links"]} == {c["id"] for c in made}


async def test_promoting_one_demotes_the_other(radio: Organization) -> None:
    """C9: in one change."""
    made, ada, ben = await with_two(radio)
    answer = await change(radio, made, ben, roles=["primary", "emergency"])
    assert answer.json()["roles"] == ["primary", "emergency"]
    first, second = await links_of(radio, made)
    assert (first["id"], first["roles"]) == (ada, [])
    assert second["id"] == ben
    log = await radio.call("admin", "GET", f"/v1/clients/{made['id']}/history")
    assert len(log.json()["data"]) == 2


async def test_a_new_primary_demotes_the_present_one(radio: Organization) -> None:
    made, _, _ = await with_two(radio)
    answer = await link(radio, made, contact={"name": "Cy"}, roles=["primary"])
    assert answer.json()["roles"] == ["primary"]
    assert [one["roles"] for one in await links_of(radio, made)] == [[], [], ["primary"]]


async def test_there_is_a_primary_as_long_as_anybody_is_live(
    radio: Organization, owner: Owner
) -> None:
    """Removing, ending or demoting the primary while others are live is refused."""
    made, ada, ben = await with_two(radio)
    count = await change_count(owner, radio.organization_id)
    for answer in (
        await unlink(radio, made, ada),
        await change(radio, made, ada, to_on="2026-06-30"),
        await change(radio, made, ada, roles=["billing"]),
        await change(radio, made, ada, roles=None),
    ):
        refused(answer, 409, "primary_required")
    assert await change_count(owner, radio.organization_id) == count
    assert (await change(radio, made, ben, roles=["primary"])).status_code == 200
    assert (await unlink(radio, made, ada)).status_code == 204
    assert (await unlink(radio, made, ben)).status_code == 204
    assert await links_of(radio, made) == []


async def test_the_last_one_may_end_and_stays_visible(radio: Organization) -> None:
    """C9: former employers stay visible."""
    made = await radio.create_client(
        contacts=[{"contact": {"name": "Ada"}, "from_on": "2025-01-01"}]
    )
    ada = made["contacts"][0]["id"]
    ended = await change(radio, made, ada, to_on="2026-06-30")
    assert (ended.json()["to_on"], ended.json()["roles"]) == ("2026-06-30", [])
    assert len(await links_of(radio, made)) == 1
    read = await radio.call("admin", "GET", f"/v1/contacts/{made['contacts'][0]['contact_id']}")
    assert read.json()["links"][0]["to_on"] == "2026-06-30"
    back = await change(radio, made, ada, to_on=None)
    assert back.json()["roles"] == ["primary"]
    await links_of(radio, made)


async def test_a_former_person_never_becomes_primary(radio: Organization) -> None:
    made, _, ben = await with_two(radio)
    assert (await change(radio, made, ben, to_on="2026-06-30")).status_code == 200
    answer = await change(radio, made, ben, roles=["primary"])
    assert answer.status_code == 422
    answer = await link(radio, made, contact={"name": "Cy"}, roles=["primary"], to_on="2026-01-01")
    assert pointers(refused(answer, 422, "invalid")) == {"/to_on"}
    former = await link(radio, made, contact={"name": "Cy"}, to_on="2026-01-01")
    assert former.json()["roles"] == []
    await links_of(radio, made)


async def test_a_client_of_former_persons_alone_has_no_primary(radio: Organization) -> None:
    made = await radio.create_client(
        contacts=[{"contact": {"name": "Ada"}, "to_on": "2026-01-01"}, {"contact": {"name": "B"}}]
    )
    first, second = await links_of(radio, made)
    assert (first["roles"], second["roles"]) == ([], ["primary"])


async def test_links_change_by_merge(radio: Organization) -> None:
    made = await radio.create_client(
        contacts=[{"contact": {"name": "Ada"}, "job_title": "Chair", "function": "administrative"}]
    )
    ada = made["contacts"][0]["id"]
    answer = await change(radio, made, ada, job_title=None, from_on="2026-01-01")
    after = answer.json()
    assert (after["job_title"], after["from_on"], after["function"]) == (
        None,
        "2026-01-01",
        "administrative",
    )
    assert after["roles"] == ["primary"]


async def test_a_change_that_changes_nothing_leaves_no_trace(
    radio: Organization, owner: Owner
) -> None:
    made, ada, _ = await with_two(radio)
    count = await change_count(owner, radio.organization_id)
    for body in ({}, {"roles": ["primary"]}, {"job_title": None, "to_on": None}):
        assert (await change(radio, made, ada, **body)).status_code == 200
    assert await change_count(owner, radio.organization_id) == count


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({}, ""),
        ({"contact_id": "01890a5d-ac96-774b-bcce-b302099a8057", "contact": {"name": "A"}}, ""),
        ({"contact_id": "nonsense"}, "/contact_id"),
        ({"contact": {}}, "/contact/name"),
        ({"contact": {"name": "A", "emails": ["bad"]}}, "/contact/emails/0"),
        ({"contact": {"name": "A", "owner_id": None}}, "/contact/owner_id"),
        ({"contact": {"name": "A"}, "roles": ["boss"]}, "/roles/0"),
        ({"contact": {"name": "A"}, "function": "boss"}, "/function"),
        ({"contact": {"name": "A"}, "odd": 1}, "/odd"),
        ({"contact": {"name": "A"}, "from_on": "2026-02-01", "to_on": "2026-01-01"}, "/to_on"),
    ],
)
async def test_a_faulty_link_is_refused_with_its_place(
    radio: Organization, body: dict[str, Any], place: str
) -> None:
    made = await radio.create_client()
    answer = await link(radio, made, **body)
    assert answer.status_code == 422
    assert place in pointers(answer.json()), answer.text
    assert await links_of(radio, made) == []


async def test_the_same_person_is_linked_once_at_a_time(radio: Organization) -> None:
    person = await radio.create_contact()
    made = await radio.create_client(contacts=[{"contact_id": person["id"]}])
    answer = await link(radio, made, contact_id=person["id"])
    assert codes(refused(answer, 422, "invalid")) == {"/contact_id": "repeated_item"}
    await change(radio, made, made["contacts"][0]["id"], to_on="2026-01-01")
    assert (await link(radio, made, contact_id=person["id"])).status_code == 201
    answer = await change(radio, made, made["contacts"][0]["id"], to_on=None)
    assert codes(refused(answer, 422, "invalid")) == {"/to_on": "repeated_item"}
    persons = [{"contact_id": person["id"]}] * 2
    body = {"name": "B", "emails": ["b@example.com"], "contacts": persons}
    answer = await radio.call("admin", "POST", "/v1/clients", json=body)
    assert codes(refused(answer, 422, "invalid")) == {"/contacts": "repeated_item"}


async def test_only_persons_that_exist_here_are_linked(
    radio: Organization, other: Organization
) -> None:
    """G6: another organization's, a deleted and a random one are the same."""
    foreign = await other.create_contact()
    deleted = await radio.create_contact()
    await radio.call("admin", "DELETE", f"/v1/contacts/{deleted['id']}")
    made = await radio.create_client()
    for wrong in (foreign["id"], deleted["id"], str(uuid4())):
        answer = await link(radio, made, contact_id=wrong)
        assert codes(refused(answer, 422, "invalid")) == {"/contact_id": "unknown_contact"}
        body = {"name": wrong, "emails": ["b@example.com"], "contacts": [{"contact_id": wrong}]}
        answer = await radio.call("admin", "POST", "/v1/clients", json=body)
        assert codes(refused(answer, 422, "invalid")) == {
            "/contacts/0/contact_id": "unknown_contact"
        }


async def test_a_former_link_to_a_deleted_person_is_not_revived(radio: Organization) -> None:
    made, _, ben = await with_two(radio)
    await change(radio, made, ben, to_on="2026-01-01")
    person = made["contacts"][1]["contact_id"]
    assert (await radio.call("admin", "DELETE", f"/v1/contacts/{person}")).status_code == 204
    refused(await change(radio, made, ben, to_on=None), 409, "not_live")


async def test_links_belong_to_reach(radio: Organization, other: Organization) -> None:
    made, ada, _ = await with_two(radio)
    foreign, strange, _ = await with_two(other)
    path = f"/v1/clients/{made['id']}/contacts"
    body = {"contact": {"name": "Cy"}}
    for method, place, sent in (
        ("GET", path, None),
        ("POST", path, body),
        ("PATCH", f"{path}/{ada}", {"job_title": "x"}),
        ("DELETE", f"{path}/{ada}", None),
    ):
        refused(await radio.call("presenter", method, place, json=sent), 403, "forbidden")
        refused(await other.call("admin", method, place, json=sent), 404, "not_found")
    for wrong in (strange, str(uuid4()), "nonsense"):
        refused(await change(radio, made, wrong, job_title="x"), 404, "not_found")
        refused(await unlink(radio, made, wrong), 404, "not_found")
    assert len(await links_of(other, foreign)) == 2


async def test_links_honour_if_match(radio: Organization) -> None:
    made = await radio.create_client()
    first = await link(radio, made, contact={"name": "Ada"})
    path = first.headers["location"]
    held = {"If-Match": first.headers["etag"]}
    changed = await radio.call("admin", "PATCH", path, json={"job_title": "Chair"}, headers=held)
    assert changed.status_code == 200
    for method, body in (("PATCH", {"job_title": "Mine"}), ("DELETE", None)):
        answer = await radio.call("admin", method, path, json=body, headers=held)
        problem = refused(answer, 412, "version_conflict")
        assert problem["current_etag"] == changed.headers["etag"]
        assert problem["current"] == ({"job_title": "Chair"} if body else {})
    fresh = {"If-Match": changed.headers["etag"]}
    assert (await radio.call("admin", "DELETE", path, headers=fresh)).status_code == 204


async def test_contacts_are_not_replaced_by_a_patch(radio: Organization) -> None:
    made, _, _ = await with_two(radio)
    path = f"/v1/clients/{made['id']}"
    for wrong in ([], made["contacts"][:1], [{"contact": {"name": "Cy"}}]):
        answer = await radio.call("admin", "PATCH", path, json={"contacts": wrong})
        assert pointers(refused(answer, 422, "read_only_field")) == {"/contacts"}
    echo = {"contacts": made["contacts"]}
    assert (await radio.call("admin", "PATCH", path, json=echo)).status_code == 200


async def test_expanding_shows_the_person_as_far_as_the_caller_reads(radio: Organization) -> None:
    made = await radio.create_client(
        contacts=[{"contact": {"name": "Ada", "emails": ["ada@example.com"]}}]
    )
    path = f"/v1/clients/{made['id']}"
    read = (await radio.call("front_desk", "GET", f"{path}?expand=contacts,primary_contact")).json()
    person = await radio.call(
        "front_desk", "GET", f"/v1/contacts/{made['contacts'][0]['contact_id']}"
    )
    assert read["contacts"][0]["contact"] == person.json()
    assert read["primary_contact"]["contact"] == person.json()
    plain = (await radio.call("front_desk", "GET", path)).json()
    assert "contact" not in plain["contacts"][0]
    for key in ("contacts", "primary_contact", "owner"):
        answer = await radio.call("presenter", "GET", f"{path}?expand={key}")
        refused(answer, 403, "field_not_readable")


@pytest.mark.parametrize("reachable_first", [True, False])
async def test_profile_follows_which_persons_are_left(
    radio: Organization, reachable_first: bool
) -> None:
    """C4: the contact method may be a contact's; when that one goes, it is missing."""
    persons: list[dict[str, Any]] = [
        {"contact": {"name": "Ada", "emails": ["ada@example.com"]}},
        {"contact": {"name": "Ben"}},
    ]
    site = {"kind": "physical", "country_code": "UG", "city": "Jinja", "street_address": "Plot 1"}
    made = await radio.create_client(
        industry="hospitality",
        sites=[site],
        emails=[],
        contacts=persons if reachable_first else persons[::-1],
    )
    assert made["profile_state"] == "complete"
    ada, ben = made["contacts"] if reachable_first else made["contacts"][::-1]
    await change(radio, made, ben["id"], roles=["primary"])
    assert (await change(radio, made, ada["id"], to_on="2026-01-01")).status_code == 200
    path = f"/v1/clients/{made['id']}"
    assert (await radio.call("admin", "GET", path)).json()["profile_state"] == "draft"
    await change(radio, made, ada["id"], to_on=None)
    assert (await radio.call("admin", "GET", path)).json()["profile_state"] == "complete"
    await unlink(radio, made, ada["id"])
    assert (await radio.call("admin", "GET", path)).json()["profile_state"] == "draft"


async def test_a_client_has_as_many_contacts_as_the_document_says_and_no_more(
    radio: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "MAX_LINKS", 2)
    client = await radio.create_client()
    for name in ("One", "Two"):
        assert (await link(radio, client, contact={"name": name})).status_code == 201
    answer = await link(radio, client, contact={"name": "Three"})
    assert codes(refused(answer, 422, "invalid")) == {"": "too_many_items"}
    assert len(await links_of(radio, client)) == 2
