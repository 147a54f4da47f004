"""Duplicates are refused with a 409 that helps: who is in the way, and what may be called next."""

from typing import Any

import pytest

from tests.checks import Owner, change_count, codes, pointers, refused
from tests.factories import Organization


async def create(organization: Organization, role: str = "admin", **body: Any) -> Any:
    return await organization.call(role, "POST", "/v1/clients", json=body)


def actions(problem: dict[str, Any]) -> set[str]:
    return {call["action"] for call in problem["next"]}


@pytest.mark.parametrize(
    "name",
    [
        "Kampala Coffee Ltd",
        "KAMPALA  coffee ltd.",
        "Kampala-Coffee, Ltd",
        "Ｋampala Coffee Ltd",
        "Kam'pala Cof’fee Ltd",
    ],
)
async def test_one_name_however_it_is_written(radio: Organization, name: str) -> None:
    """C6: NFKC, casefolded, apostrophes and dots dropped, punctuation and spaces made one."""
    held = await radio.create_client(name="Kampala Coffee Ltd")
    answer = await create(radio, name=name, emails=["other@example.com"])
    problem = refused(answer, 409, "duplicate_name")
    assert pointers(problem) == {"/name"}
    [candidate] = problem["candidates"]
    assert candidate == {
        "visibility": "live",
        "id": held["id"],
        "number": held["number"],
        "name": held["name"],
        "score": 1.0,
        "reasons": ["same_name"],
    }


@pytest.mark.parametrize("name", ["Kampala Coffee", "Kampala Coffee GmbH", "Kampala Coffée Ltd"])
async def test_a_legal_suffix_and_an_accent_tell_names_apart(
    radio: Organization, name: str
) -> None:
    """C6: the suffix is stripped for suggestions only."""
    await radio.create_client(name="Kampala Coffee Ltd")
    assert (await create(radio, name=name, emails=["other@example.com"])).status_code == 201


async def test_the_next_calls_are_those_that_the_role_may_make(
    radio: Organization, owner: Owner
) -> None:
    """G8"""
    held = await radio.create_client(name="Acme")
    count = await change_count(owner, radio.organization_id)
    body: dict[str, Any] = {"name": "Acme", "emails": ["other@example.com"]}
    for role, expected in {
        "manager": {"open", "link", "create_anyway"},
        "front_desk": {"open", "link"},
    }.items():
        problem = refused(await create(radio, role, **body), 409, "duplicate_name")
        assert actions(problem) == expected
        opened = next(call for call in problem["next"] if call["action"] == "open")
        assert opened == {"action": "open", "method": "GET", "path": f"/v1/clients/{held['id']}"}
    assert await change_count(owner, radio.organization_id) == count


async def test_archived_and_deleted_holders_still_hold_the_name(radio: Organization) -> None:
    """G8: uniqueness covers every row; what the caller may not see is said to be so."""
    held = await radio.create_client(name="Acme")
    path = f"/v1/clients/{held['id']}"
    body: dict[str, Any] = {"name": "Acme", "emails": ["other@example.com"]}
    await radio.call("admin", "POST", f"{path}/archive")
    problem = refused(await create(radio, "manager", **body), 409, "duplicate_name")
    assert problem["candidates"][0]["visibility"] == "archived"
    assert "reactivate" in actions(problem)
    problem = refused(await create(radio, "front_desk", **body), 409, "duplicate_name")
    assert problem["candidates"][0]["visibility"] == "archived"
    assert "reactivate" not in actions(problem)
    await radio.call("admin", "DELETE", path)
    problem = refused(await create(radio, "manager", **body), 409, "duplicate_name")
    hidden = {"visibility": "not_visible", "score": 1.0, "reasons": ["same_name"]}
    assert problem["candidates"] == [hidden]
    assert actions(problem) == {"create_anyway"}
    assert held["id"] not in str(problem)
    problem = refused(await create(radio, "admin", **body), 409, "duplicate_name")
    assert problem["candidates"][0]["visibility"] == "deleted"
    assert "reactivate" in actions(problem)


async def test_another_organizations_names_are_no_duplicates(
    radio: Organization, other: Organization
) -> None:
    await other.create_client(name="Acme", emails=["a@example.com"])
    assert (await radio.create_client(name="Acme", emails=["a@example.com"]))["name"] == "Acme"


async def test_who_may_override_creates_beside_the_name(radio: Organization) -> None:
    """C6, G8: a stored slot keeps the constraint true."""
    await radio.create_client(name="Acme")
    body = {"name": "Acme", "emails": ["second@example.com"], "allow_duplicate": True}
    assert pointers(refused(await create(radio, "front_desk", **body), 403, "forbidden")) == {
        "/allow_duplicate"
    }
    made = await create(radio, "manager", **body)
    assert made.status_code == 201
    assert "allow_duplicate" not in made.json()
    third = await create(radio, name="Acme", emails=["third@example.com"])
    assert len(refused(third, 409, "duplicate_name")["candidates"]) == 2


async def test_an_allowed_duplicate_inherits_the_name(radio: Organization) -> None:
    """When the first holder gives the name up, the other still blocks a third."""
    first = await radio.create_client(name="Acme")
    second = await radio.create_client(name="Acme", allow_duplicate=True)
    path = f"/v1/clients/{first['id']}"
    assert (await radio.call("admin", "PATCH", path, json={"name": "Apex"})).status_code == 200
    problem = refused(
        await create(radio, name="ACME", emails=["x@example.com"]), 409, "duplicate_name"
    )
    assert [c["id"] for c in problem["candidates"]] == [second["id"]]
    assert (await radio.create_client(name="Acme", allow_duplicate=True))["name"] == "Acme"


async def test_one_of_three_may_leave_a_shared_name(radio: Organization) -> None:
    """Whoever stands for the name goes on to do so, whichever record is older."""
    older = await radio.create_client(name="Older")
    holder = await radio.create_client(name="Acme")
    third = await radio.create_client(name="Acme", allow_duplicate=True)
    for client, body in (
        (older, {"name": "Acme", "allow_duplicate": True}),
        (third, {"name": "Zenith"}),
        (holder, {"name": "Apex"}),
    ):
        answer = await radio.call("admin", "PATCH", f"/v1/clients/{client['id']}", json=body)
        assert answer.status_code == 200, answer.text
    problem = refused(
        await create(radio, name="Acme", emails=["x@example.com"]), 409, "duplicate_name"
    )
    assert [c["id"] for c in problem["candidates"]] == [older["id"]]


async def test_renaming_meets_the_same_rule(radio: Organization) -> None:
    held = await radio.create_client(name="Acme")
    made = await radio.create_client(name="Apex")
    path = f"/v1/clients/{made['id']}"
    answer = await radio.call("admin", "PATCH", path, json={"name": "acme"})
    problem = refused(answer, 409, "duplicate_name")
    assert [c["id"] for c in problem["candidates"]] == [held["id"]]
    body = {"name": "acme", "allow_duplicate": True}
    assert (await radio.call("manager", "PATCH", path, json=body)).json()["name"] == "acme"
    body = {"name": "APEX"}
    assert (await radio.call("admin", "PATCH", path, json=body)).status_code == 200
    assert (await radio.call("admin", "PATCH", path, json={"name": "Apex."})).status_code == 200


async def test_individuals_clash_on_name_email_and_phone_together(radio: Organization) -> None:
    """C6"""
    ada: dict[str, Any] = {"kind": "individual", "name": "Ada Nakato"}
    await radio.create_client(**ada, emails=[], phones=["0772123456"])
    different = await create(radio, **ada, phones=["0772123457"])
    assert different.status_code == 201
    with_email = await create(radio, **ada, emails=["ada@x.example.com"], phones=["0772123456"])
    assert with_email.status_code == 201
    same = await create(radio, **ada | {"name": "ADA NAKATO"}, phones=["+256 772 123456"])
    refused(same, 409, "duplicate_name")


async def test_nothing_equals_nothing_among_individuals(radio: Organization) -> None:
    """C6: null equals null."""
    body: dict[str, Any] = {
        "kind": "individual",
        "name": "Ada Nakato",
        "contacts": [{"contact": {"name": "Her brother", "phones": ["0772123456"]}}],
    }
    assert (await create(radio, **body)).status_code == 201
    refused(await create(radio, **body), 409, "duplicate_name")


async def test_the_two_kinds_never_clash(radio: Organization) -> None:
    """C6"""
    await radio.create_client(name="Ada Nakato", emails=["office@example.com"])
    made = await create(radio, kind="individual", name="Ada Nakato", emails=["ada@example.com"])
    assert made.status_code == 201


async def test_an_individual_whose_points_change_is_compared_anew(radio: Organization) -> None:
    ada: dict[str, Any] = {"kind": "individual", "name": "Ada Nakato", "emails": []}
    await radio.create_client(**ada, phones=["0772123456"])
    made = await radio.create_client(**ada, phones=["0772123457"])
    path = f"/v1/clients/{made['id']}"
    body = {"phones": ["0772123456"]}
    refused(await radio.call("admin", "PATCH", path, json=body), 409, "duplicate_name")


@pytest.mark.parametrize("address", ["info@acme.example.com", " INFO@Acme.Example.COM"])
async def test_an_address_belongs_to_one_client(radio: Organization, address: str) -> None:
    """C7: trimmed and lower-cased."""
    held = await radio.create_client(emails=["Info@acme.example.com"])
    answer = await create(radio, name="Other", emails=["free@example.com", address])
    problem = refused(answer, 409, "email_in_use")
    assert codes(problem) == {"/emails/1": "email_in_use"}
    assert problem["candidates"][0]["id"] == held["id"]
    assert problem["candidates"][0]["reasons"] == ["same_email"]
    made = await radio.create_client()
    body = {"emails": [address]}
    path = f"/v1/clients/{made['id']}"
    refused(await radio.call("admin", "PATCH", path, json=body), 409, "email_in_use")


async def test_international_domains_are_one_in_either_form(radio: Organization) -> None:
    """C7: IDNA domain."""
    await radio.create_client(emails=["info@bücher.example"])
    answer = await create(radio, name="Other", emails=["info@xn--bcher-kva.example"])
    refused(answer, 409, "email_in_use")


async def test_plus_tags_and_dots_are_other_addresses(radio: Organization) -> None:
    """C7: hints only."""
    await radio.create_client(emails=["info@example.com"])
    for address in ("info+a@example.com", "in.fo@example.com"):
        assert (await create(radio, name=address, emails=[address])).status_code == 201


async def test_an_inactive_holder_may_be_reactivated(radio: Organization) -> None:
    """C7"""
    held = await radio.create_client(name="Old", emails=["info@example.com"])
    path = f"/v1/clients/{held['id']}"
    await radio.call("admin", "POST", f"{path}/archive")
    body: dict[str, Any] = {"name": "New", "emails": ["info@example.com"]}
    problem = refused(await create(radio, "manager", **body), 409, "email_in_use_inactive")
    assert problem["candidates"][0]["visibility"] == "archived"
    assert actions(problem) >= {"reactivate", "create_anyway"}
    call = next(c for c in problem["next"] if c["action"] == "reactivate")
    assert (call["method"], call["path"]) == ("POST", f"{path}/restore")
    problem = refused(await create(radio, "front_desk", **body), 409, "email_in_use_inactive")
    assert not actions(problem) & {"reactivate", "create_anyway"}


async def test_the_address_may_be_taken_from_an_inactive_holder(radio: Organization) -> None:
    """C7: `on_inactive: create`; the rest of the holder stays as it was."""
    emails = ["info@example.com", {"address": "kept@example.com", "label": "work"}]
    held = await radio.create_client(name="Old", emails=emails)
    path = f"/v1/clients/{held['id']}"
    await radio.call("admin", "POST", f"{path}/archive")
    body: dict[str, Any] = {"name": "New", "emails": ["info@example.com"], "on_inactive": "create"}
    refused(await create(radio, "front_desk", **body), 403, "forbidden")
    made = await create(radio, "manager", **body)
    assert made.status_code == 201, made.text
    left = (await radio.call("admin", "GET", path)).json()
    [kept] = left["emails"]
    assert kept == held["emails"][1] | {"is_primary": True}
    assert left["lifecycle"] == "archived"
    log = (await radio.call("admin", "GET", f"{path}/history")).json()["data"]
    assert [c["field"] for c in log[0]["changes"]] == ["emails"]
    assert (await radio.call("admin", "POST", f"{path}/restore")).status_code == 200


async def test_taking_an_address_leaves_another_primary_alone(radio: Organization) -> None:
    emails: list[Any] = [
        "a@example.com",
        "b@example.com",
        {"address": "c@example.com", "is_primary": True},
    ]
    held = await radio.create_client(emails=emails)
    await radio.call("admin", "POST", f"/v1/clients/{held['id']}/archive")
    body: dict[str, Any] = {"name": "New", "emails": ["a@example.com"], "on_inactive": "create"}
    assert (await create(radio, "manager", **body)).status_code == 201
    left = (await radio.call("admin", "GET", f"/v1/clients/{held['id']}")).json()["emails"]
    assert [(e["address"], e["is_primary"]) for e in left] == [
        ("b@example.com", False),
        ("c@example.com", True),
    ]


async def test_only_who_sees_deleted_clients_takes_from_them(radio: Organization) -> None:
    held = await radio.create_client(name="Old", emails=["info@example.com"])
    await radio.call("admin", "DELETE", f"/v1/clients/{held['id']}")
    body: dict[str, Any] = {"name": "New", "emails": ["info@example.com"], "on_inactive": "create"}
    problem = refused(await create(radio, "manager", **body), 409, "email_in_use_inactive")
    assert problem["candidates"][0]["visibility"] == "not_visible"
    assert "create_anyway" not in actions(problem)
    assert (await create(radio, "admin", **body)).status_code == 201


async def test_nothing_is_taken_from_a_live_client(radio: Organization) -> None:
    held = await radio.create_client(emails=["info@example.com"])
    body: dict[str, Any] = {"name": "New", "emails": ["info@example.com"], "on_inactive": "create"}
    refused(await create(radio, **body), 409, "email_in_use")
    read = await radio.call("admin", "GET", f"/v1/clients/{held['id']}")
    assert read.json()["emails"] == held["emails"]


@pytest.mark.parametrize("kind", ["organization", "individual"])
async def test_an_archived_client_may_be_made_anew_with_name_and_address(
    radio: Organization, kind: str
) -> None:
    body: dict[str, Any] = {"kind": kind, "name": "Ada Nakato", "emails": ["ada@example.com"]}
    held = await radio.create_client(**body)
    await radio.call("admin", "POST", f"/v1/clients/{held['id']}/archive")
    refused(await create(radio, **body), 409, "duplicate_name")
    both: dict[str, Any] = {"allow_duplicate": True, "on_inactive": "create"}
    made = await create(radio, **body, **both)
    assert made.status_code == 201, made.text
    refused(await create(radio, **body), 409, "duplicate_name")


@pytest.mark.parametrize("number", ["80020001234567", "8002-0001-2345-67", "8002 0001 2345 67"])
async def test_a_registration_number_belongs_to_one_client(
    radio: Organization, number: str
) -> None:
    """C7: (country, registration number) is unique."""
    registered = {"registration_country": "UG", "registration_number": "80020001234567"}
    held = await radio.create_client(**registered)
    body: dict[str, Any] = {
        "name": "Other",
        "emails": ["o@example.com"],
        "registration_number": number,
    }
    problem = refused(
        await create(radio, **body, registration_country="UG"), 409, "registration_number_in_use"
    )
    assert problem["candidates"][0]["id"] == held["id"]
    assert pointers(problem) == {"/registration_number"}
    assert (await create(radio, **body, registration_country="KE")).status_code == 201


async def test_a_reference_belongs_to_one_client(radio: Organization) -> None:
    """C1"""
    ref = {"source": "billing", "id": "A-1"}
    held = await radio.create_client(external_refs=[ref])
    body: dict[str, Any] = {"name": "Other", "emails": ["o@example.com"]}
    problem = refused(await create(radio, **body, external_refs=[ref]), 409, "reference_in_use")
    assert problem["candidates"][0]["id"] == held["id"]
    answer = await create(radio, **body, external_refs=[ref | {"source": "erp"}])
    assert answer.status_code == 201


async def test_faults_of_content_come_before_uniqueness(radio: Organization) -> None:
    """G6: uniqueness is asked last."""
    await radio.create_client(name="Acme", emails=["info@example.com"])
    body: dict[str, Any] = {"name": "Acme", "emails": ["info@example.com"], "industry": "nowhere"}
    assert pointers((await create(radio, **body)).json()) == {"/industry"}
    answer = await create(radio, "front_desk", **body)
    assert pointers(refused(answer, 403, "field_not_writable")) == {"/industry"}


async def test_numbers_are_never_used_again(radio: Organization) -> None:
    """C1: also after a delete; a refused create takes none."""
    first = await radio.create_client(name="Acme")
    refused(await create(radio, name="Acme", emails=["x@example.com"]), 409, "duplicate_name")
    await radio.call("admin", "DELETE", f"/v1/clients/{first['id']}")
    assert (await radio.create_client())["number"] == "C-000002"
