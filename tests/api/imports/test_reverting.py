"""An import taken back: what it made goes, what it changed is as it was, what is used stays."""

from typing import Any

import pytest

from crm_api.kit.verification import verify_log
from tests.api.imports.lists import clients, sent, taken, without_stamps, work
from tests.checks import codes, refused
from tests.factories import Organization

LIST = (
    "id,name,email,contact_name,contact_email,tags\r\n"
    "1,Pearl Ltd,hello@pearl.example,Ada,ada@pearl.example,vip\r\n"
    "2,Nile Ltd,hello@nile.example,Ben,,\r\n"
    "3,Lake Ltd,hello@lake.example,,,\r\n"
)


async def read(radio: Organization, client_id: str, role: str = "admin") -> dict[str, Any]:
    answer = await radio.call(role, "GET", f"/v1/clients/{client_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_what_an_import_made_goes_and_may_come_again(radio: Organization) -> None:
    found = await taken(radio, LIST)
    made = await clients(radio, "sort=number")
    operation = await found.run("/revert")
    assert operation["kind"] == "client_import_revert"
    assert operation["result"] == {"reverted": 3, "revert_refused": 0}
    assert (await found.read())["state"] == "reverted"
    assert await found.counts() == {"created": 3, "reverted": 3}
    assert {row["reverted"] for row in await found.report()} == {"done"}
    assert await clients(radio, "lifecycle[in]=live,archived,deleted") == []
    assert (await radio.call("admin", "GET", "/v1/contacts")).json()["data"] == []
    refused(await radio.call("admin", "GET", f"/v1/clients/{made[0]['id']}"), 404, "not_found")

    again = await taken(radio, LIST)
    assert await again.counts() == {"created": 3}
    # Numbers are never used again.
    numbers = [client["number"] for client in await clients(radio, "sort=number")]
    assert numbers == ["C-000004", "C-000005", "C-000006"]
    report = await verify_log(radio.app.state.db, radio.organization_id, lambda _: None)
    assert not report.findings


async def test_clients_that_were_changed_or_are_used_stay(radio: Organization) -> None:
    found = await taken(radio, LIST)
    pearl, nile, lake = await clients(radio, "sort=number")
    await radio.call("admin", "PATCH", f"/v1/clients/{pearl['id']}", json={"remarks": "Mine now"})
    await radio.create_client(name="Friend", referred_by_id=nile["id"])
    operation = await found.run("/revert")
    assert operation["result"] == {"reverted": 1, "revert_refused": 2}
    told = {row["row"]: row["reverted"] for row in await found.report()}
    assert told == {1: "changed_since", 2: "used_elsewhere", 3: "done"}
    assert await read(radio, nile["id"]) == nile
    assert (await read(radio, pearl["id"]))["remarks"] == "Mine now"
    refused(await radio.call("admin", "GET", f"/v1/clients/{lake['id']}"), 404, "not_found")


async def test_clients_that_are_related_stay(radio: Organization) -> None:
    """From whichever side it was recorded; also what was ended or deleted is remembered."""
    found = await taken(radio, LIST)
    pearl, nile, lake = await clients(radio, "sort=number")
    friend = await radio.create_client(name="Friend")
    for one, other in ((pearl, friend), (friend, nile), (friend, lake)):
        path, body = f"/v1/clients/{one['id']}/relationships", {"other_id": other["id"]}
        made = await radio.call("admin", "POST", path, json=body | {"kind": "vendor"})
        assert made.status_code == 201, made.text
    place = f"/v1/relationships/{made.json()['id']}"
    assert (await radio.call("admin", "DELETE", place)).status_code == 204
    operation = await found.run("/revert")
    assert operation["result"] == {"reverted": 0, "revert_refused": 3}
    assert {row["reverted"] for row in await found.report()} == {"used_elsewhere"}
    assert await read(radio, nile["id"]) == nile


async def test_a_person_that_serves_others_keeps_its_client(radio: Organization) -> None:
    found = await taken(radio, LIST)
    pearl, nile, _ = await clients(radio, "sort=number")
    link = {"contact_id": pearl["contacts"][0]["contact_id"]}
    friend = await radio.create_client(name="Friend")
    await radio.call("admin", "POST", f"/v1/clients/{friend['id']}/contacts", json=link)
    ben = nile["contacts"][0]["contact_id"]
    await radio.call("admin", "PATCH", f"/v1/contacts/{ben}", json={"honorific": "Dr"})
    await found.run("/revert")
    told = {row["row"]: row["reverted"] for row in await found.report()}
    assert told == {1: "used_elsewhere", 2: "used_elsewhere", 3: "done"}


async def test_what_was_refused_goes_when_it_is_possible(radio: Organization) -> None:
    found = await taken(radio, LIST)
    nile = (await clients(radio, "sort=number"))[1]
    friend = await radio.create_client(name="Friend", referred_by_id=nile["id"])
    await found.run("/revert")
    path = f"/v1/clients/{friend['id']}"
    await radio.call("admin", "PATCH", path, json={"referred_by_id": None})
    assert (await found.run("/revert"))["result"] == {"reverted": 1, "revert_refused": 0}
    assert await found.counts() == {"created": 3, "reverted": 3}
    refused(await found.call("POST", "/revert"), 409, "nothing_to_revert")


FULL: dict[str, Any] = {
    "name": "There",
    "emails": [
        {"address": "a@there.example", "label": "work"},
        {"address": "b@there.example", "is_primary": True},
    ],
    "phones": [{"e164": "+256772123456", "label": "mobile", "extension": "7"}],
    "sites": [
        {"kind": "physical", "country_code": "UG", "city": "Jinja", "label": "Shop"},
        {"kind": "billing", "country_code": "UG", "city": "Kampala"},
    ],
    "attributes": {"size": "44", "tone": "low"},
    "stage": "growing",
    "preferences": {"channels": ["sms"], "language": "en"},
    "tags": ["vip", "old"],
    "languages": ["en", "lg"],
    "credit_limit": {"amount": "1000.50", "currency": "USD"},
    "payment_terms_days": 30,
    "registration_country": "UG",
    "registration_number": "80020001234567",
    "website": "https://there.example/",
    "social_profiles": [{"network": "x", "url": "https://x.example/there"}],
}


async def test_what_an_import_changed_is_as_it_was(radio: Organization) -> None:
    there = await radio.create_client(**FULL)
    path = f"/v1/clients/{there['id']}"
    email = there["emails"][0]["id"]
    verified = {"reachability": "verified"}
    await radio.call("admin", "POST", f"{path}/emails/{email}/verify", json=verified)
    before = await read(radio, there["id"])
    header = [
        "number", "name", "emails", "phones", "sites", "attributes", "preferences", "tags",
        "languages", "credit_limit", "credit_limit_currency", "payment_terms_days", "remarks",
        "registration_number", "website", "social_profiles", "status", "status_reason", "industry",
        "stage", "stage_reason",
    ]  # fmt: skip
    row = [
        there["number"], "Elsewhere", "c@there.example", "0772 123459", '[{""kind"":""site""}]',
        '{""size"":""45"",""new"":""x""}', '{""channels"":[""email""]}', "new", "sw", "5",
        "UGX", "60", "Other", "80020001234568", "https://else.example/",
        '[{""network"":""y"",""url"":""https://y.example/""}]', "on_hold", "A break", "retail",
        "mature", "Steady",
    ]  # fmt: skip
    content = ",".join(header) + "\r\n" + ",".join(f'"{cell}"' for cell in row) + "\r\n"
    found = await taken(radio, content)
    assert await found.counts() == {"updated": 1}, await found.report()
    changed = await read(radio, there["id"])
    same = {n for n in header if n in changed and changed[n] == before[n]}
    assert same == {"number"}

    operation = await found.run("/revert")
    assert operation["result"] == {"reverted": 1, "revert_refused": 0}, await found.report()
    assert without_stamps(await read(radio, there["id"])) == without_stamps(before)
    history = (await radio.call("admin", "GET", f"{path}/history")).json()["data"]
    assert [entry["action"] for entry in history[:2]] == [
        "client.import_reverted",
        "client.updated",
    ]
    # Uniqueness too is as it was.
    assert (await radio.create_client(name="Elsewhere"))["name"] == "Elsewhere"
    answer = await radio.call(
        "admin", "POST", "/v1/clients", json={"name": "X", "emails": ["a@there.example"]}
    )
    refused(answer, 409, "email_in_use")


async def test_a_former_name_that_somebody_took_is_not_taken_back(radio: Organization) -> None:
    there = await radio.create_client(name="There")
    content = f"number,name\r\n{there['number']},Renamed\r\n"
    found = await taken(radio, content)
    await radio.create_client(name="There")
    operation = await found.run("/revert")
    assert operation["result"] == {"reverted": 0, "revert_refused": 1}
    assert [row["reverted"] for row in await found.report()] == ["in_the_way"]
    assert (await read(radio, there["id"]))["name"] == "Renamed"


async def test_only_what_was_done_is_taken_back(radio: Organization) -> None:
    found = await sent(radio, LIST)
    refused(await found.call("POST", "/revert"), 409, "nothing_to_revert")
    await found.run("/commit?dry_run=true")
    refused(await found.call("POST", "/revert"), 409, "nothing_to_revert")
    await found.call("POST", "/commit")
    refused(await found.call("POST", "/revert"), 409, "import_under_way")
    await work(radio)


async def test_a_dry_way_back_tells_what_would_stay_and_leaves_all(radio: Organization) -> None:
    found = await taken(radio, LIST)
    pearl, nile, _ = before = await clients(radio, "sort=number")
    await radio.call("admin", "PATCH", f"/v1/clients/{pearl['id']}", json={"remarks": "Mine now"})
    await radio.create_client(name="Friend", referred_by_id=nile["id"])
    before = await clients(radio, "sort=number")
    operation = await found.run("/revert?dry_run=true")
    assert (operation["kind"], operation["progress"]["done"]) == ("client_import_revert", 3)
    assert operation["result"] == {
        "reverted": 1,
        "revert_refused": 2,
        "refused_rows": [
            {"row": 2, "reason": "used_elsewhere"}, {"row": 1, "reason": "changed_since"},
        ],
    }  # fmt: skip
    assert await clients(radio, "sort=number") == before
    assert (await found.read())["state"] == "imported"
    assert {row["reverted"] for row in await found.report()} == {None}
    # And then it is as it was told.
    assert (await found.run("/revert"))["result"] == {"reverted": 1, "revert_refused": 2}
    again = await found.run("/revert?dry_run=true")
    assert (again["result"]["reverted"], again["result"]["revert_refused"]) == (0, 2)
    assert (await found.read())["state"] == "reverted"
    report = await verify_log(radio.app.state.db, radio.organization_id, lambda _: None)
    assert not report.findings


async def test_a_list_that_changed_nothing_has_nothing_to_take_back(radio: Organization) -> None:
    await taken(radio, LIST)
    found = await taken(radio, LIST)
    assert await found.counts() == {"duplicate": 3}
    refused(await found.call("POST", "/revert"), 409, "nothing_to_revert")


async def test_industries_that_came_with_a_list_go_with_it(radio: Organization) -> None:
    async def kept() -> set[str]:
        answer = await radio.call("admin", "GET", "/v1/catalogues/industries?limit=200")
        return {entry["key"] for entry in answer.json()["data"]}

    before = await kept()
    trades = ("Boats", "Nets", "Ice", "Bait")
    rows = "".join(f"{t} Ltd,{t}@lake.example,{t} making\r\n" for t in trades)
    found = await taken(radio, f"name,email,industry\r\n{rows}")
    assert await kept() - before == {f"{t.lower()}_making" for t in trades}
    # Somebody has one, even if only a deleted client; another was called by a name of its own.
    friend = await radio.create_client(name="Friend", industry="nets_making")
    await radio.call("admin", "DELETE", f"/v1/clients/{friend['id']}")
    place = "/v1/catalogues/industries/ice_making"
    renamed = await radio.call("admin", "PATCH", place, json={"label": "Ice"})
    assert renamed.status_code == 200, renamed.text
    await found.run("/revert")
    assert await kept() - before == {"nets_making", "ice_making"}
    assert (await found.read())["summary"]["industries"] == ["nets_making", "ice_making"]
    body = {"name": "X", "emails": ["x@lake.example"], "industry": "bait_making"}
    problem = refused(await radio.call("admin", "POST", "/v1/clients", json=body), 422, "invalid")
    assert codes(problem) == {"/industry": "unknown_catalogue_entry"}
    report = await verify_log(radio.app.state.db, radio.organization_id, lambda _: None)
    assert not report.findings


@pytest.mark.parametrize("rows", [250])
async def test_many_rows_are_taken_back_in_steps(radio: Organization, rows: int) -> None:
    lines = "".join(f"Client {n},c{n}@many.example\r\n" for n in range(rows))
    found = await taken(radio, f"name,email\r\n{lines}")
    operation = await found.run("/revert")
    assert operation["progress"]["done"] == rows
    assert await clients(radio) == []
