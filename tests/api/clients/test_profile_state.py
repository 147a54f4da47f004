"""The computed state of a profile: complete when everything that the preset asks for is there."""

from typing import Any

import pytest

from tests.factories import Establish, Organization

PHYSICAL = {
    "kind": "physical",
    "country_code": "UG",
    "city": "Kampala",
    "street_address": "Plot 1, Kampala Road",
}
SERVICE = PHYSICAL | {"kind": "service"}
PERSON = {"contact": {"name": "Ada Nakato"}}

COMPLETE: dict[str, dict[str, Any]] = {
    "radio": {"industry": "hospitality", "sites": [PHYSICAL], "contacts": [PERSON]},
    "jobs": {"industry": "construction", "sites": [SERVICE], "contacts": [PERSON]},
    "bookings": {"emails": ["a@example.com"], "phones": ["0772123456"]},
    "recruitment": {
        "registration_country": "UG",
        "registration_number": "80020001234567",
        "sites": [PHYSICAL],
        "contacts": [PERSON],
    },
    "relationship": {"stage": "growing", "owner_id": "manager", "contacts": [PERSON]},
}


def filled(organization: Organization, preset: str) -> dict[str, Any]:
    body = {"name": "A", "emails": ["a@example.com"]} | COMPLETE[preset]
    if "owner_id" in body:
        body["owner_id"] = str(organization.user_ids["manager"])
    return body


@pytest.mark.parametrize("preset", list(COMPLETE))
async def test_profile_is_complete_with_what_its_preset_lists(
    establish: Establish, preset: str
) -> None:
    """C4"""
    organization = await establish(preset)
    made = await organization.create_client(**filled(organization, preset))
    assert made["profile_state"] == "complete"


@pytest.mark.parametrize(
    ("preset", "missing"),
    [
        (preset, name)
        for preset, needed in COMPLETE.items()
        for name in needed
        if name != "registration_country"
    ],
)
async def test_profile_is_a_draft_while_one_of_them_is_missing(
    establish: Establish, preset: str, missing: str
) -> None:
    organization = await establish(preset)
    body: dict[str, Any] = filled(organization, preset)
    kept = body.pop(missing)
    if missing == "emails":
        body |= {"emails": []}
    made = await organization.create_client(**body)
    assert made["profile_state"] == "draft"
    path = f"/v1/clients/{made['id']}"
    if missing == "contacts":
        answer = await organization.call("admin", "POST", f"{path}/contacts", json=PERSON)
        assert answer.status_code == 201
        answer = await organization.call("admin", "GET", path)
    else:
        answer = await organization.call("admin", "PATCH", path, json={missing: kept})
    assert answer.json()["profile_state"] == "complete"


async def test_industry_is_asked_of_organizations_only(establish: Establish) -> None:
    jobs = await establish("jobs")
    body: dict[str, Any] = filled(jobs, "jobs") | {"kind": "individual"}
    del body["industry"]
    assert (await jobs.create_client(**body))["profile_state"] == "complete"


async def test_a_site_of_another_kind_does_not_count(establish: Establish) -> None:
    for preset in ("radio", "jobs"):
        organization = await establish(preset)
        body = filled(organization, preset)
        body["sites"] = [PHYSICAL | {"kind": "mailing"}]
        assert (await organization.create_client(**body))["profile_state"] == "draft"


async def test_an_incomplete_address_lowers_the_state(radio: Organization) -> None:
    """C5: it lowers the quality of the site and the profile's state."""
    body: dict[str, Any] = filled(radio, "radio") | {
        "sites": [{"kind": "physical", "city": "Kampala"}]
    }
    assert (await radio.create_client(**body))["profile_state"] == "draft"


async def test_with_several_presets_all_their_lists_apply(establish: Establish) -> None:
    both = await establish("radio", "bookings")
    body: dict[str, Any] = filled(both, "radio")
    made = await both.create_client(**body)
    assert made["profile_state"] == "draft"
    path = f"/v1/clients/{made['id']}"
    answer = await both.call("admin", "PATCH", path, json={"phones": ["0772123456"]})
    assert answer.json()["profile_state"] == "complete"


async def test_state_is_computed_and_never_sent(radio: Organization) -> None:
    """G3: another value is refused, the present one accepted."""
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}"
    for role in ("admin", "front_desk"):
        same = {"profile_state": made["profile_state"]}
        assert (await radio.call(role, "PATCH", path, json=same)).status_code == 200
        answer = await radio.call(role, "PATCH", path, json={"profile_state": "complete"})
        assert (answer.status_code, answer.json()["code"]) == (422, "read_only_field")


async def test_state_follows_the_links(radio: Organization) -> None:
    """C9: the last contact of a client may go, and its profile is a draft again."""
    made = await radio.create_client(**filled(radio, "radio"))
    link = made["contacts"][0]["id"]
    path = f"/v1/clients/{made['id']}"
    assert (await radio.call("admin", "DELETE", f"{path}/contacts/{link}")).status_code == 204
    after = (await radio.call("admin", "GET", path)).json()
    assert (after["profile_state"], after["primary_contact"]) == ("draft", None)


@pytest.mark.parametrize("reach", [{"emails": ["ada@example.com"]}, {"phones": ["0772123456"]}])
async def test_state_follows_a_contacts_last_way_to_be_reached(
    radio: Organization, reach: dict[str, Any]
) -> None:
    """G4: recomputed when a fact changes, also one of another record; one change each."""
    body = filled(radio, "radio")
    body["contacts"] = [{"contact": {"name": "Ada"} | reach}]
    body["emails"] = []
    made = await radio.create_client(**body)
    assert made["profile_state"] == "complete"
    client = f"/v1/clients/{made['id']}"
    contact = f"/v1/contacts/{made['contacts'][0]['contact_id']}"
    empty: dict[str, Any] = {name: [] for name in reach}
    for sent, state in ((empty, "draft"), (reach, "complete")):
        answer = await radio.call("front_desk", "PATCH", contact, json=sent)
        assert answer.status_code == 200, answer.text
        after = await radio.call("admin", "GET", client)
        assert after.json()["profile_state"] == state
        history = (await radio.call("admin", "GET", f"{client}/history")).json()["data"]
        before = "complete" if state == "draft" else "draft"
        assert history[0]["changes"] == [
            {"field": "profile_state", "before": before, "after": state}
        ]
        assert history[0]["actor"]["id"] == str(radio.user_ids["front_desk"])


async def test_a_change_of_a_contact_that_matters_to_no_state_leaves_clients_alone(
    radio: Organization,
) -> None:
    body: dict[str, Any] = filled(radio, "radio") | {
        "contacts": [{"contact": {"name": "Ada", "emails": ["ada@example.com"]}}]
    }
    made = await radio.create_client(**body)
    client = f"/v1/clients/{made['id']}"
    before = await radio.call("admin", "GET", client)
    contact = f"/v1/contacts/{made['contacts'][0]['contact_id']}"
    changes: tuple[dict[str, Any], ...] = (
        {"emails": ["new@example.com"]},
        {"emails": []},
        {"name": "Ada N."},
    )
    for sent in changes:
        assert (await radio.call("admin", "PATCH", contact, json=sent)).status_code == 200
    after = await radio.call("admin", "GET", client)
    assert after.headers["etag"] == before.headers["etag"]


async def test_state_of_every_client_that_the_person_serves_follows(radio: Organization) -> None:
    """C9: of those that the person served once, nothing changes."""
    person = await radio.create_contact(phones=["0772123456"])
    body: dict[str, Any] = filled(radio, "radio") | {
        "contacts": [{"contact_id": person["id"]}],
        "emails": [],
    }
    made = [await radio.create_client(**body | {"name": f"Client {n}"}) for n in range(3)]
    former = f"/v1/clients/{made[2]['id']}"
    link = f"{former}/contacts/{made[2]['contacts'][0]['id']}"
    ended = await radio.call("admin", "PATCH", link, json={"to_on": "2026-01-01"})
    assert ended.status_code == 200
    before = await radio.call("admin", "GET", former)
    await radio.call("admin", "PATCH", f"/v1/contacts/{person['id']}", json={"phones": []})
    for client in made[:2]:
        read = await radio.call("admin", "GET", f"/v1/clients/{client['id']}")
        assert read.json()["profile_state"] == "draft"
    after = await radio.call("admin", "GET", former)
    assert after.headers["etag"] == before.headers["etag"]
