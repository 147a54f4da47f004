"""`POST /v1/clients/duplicates`: who may be the same, told before anything is saved."""

from typing import Any

from tests.assurance.world import make_key
from tests.factories import Organization


async def check(radio: Organization, *asked: dict[str, Any], role: str = "manager") -> Any:
    body = {"candidates": list(asked)}
    answer = await radio.call(role, "POST", "/v1/clients/duplicates", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["results"]


async def test_exact_keys_are_told_with_their_reasons(radio: Organization) -> None:
    made = await radio.create_client(
        name="Jinja Bakery Ltd",
        emails=["hello@jinja-bakery.example"],
        phones=["0772 123456"],
        registration_country="UG",
        registration_number="80020001234567",
        external_refs=[{"source": "billing", "id": "A-17"}],
    )
    asked = {
        "name": "JINJA BAKERY LTD.",
        "emails": ["Hello@Jinja-Bakery.example"],
        "phones": ["+256772123456"],
        "registration_country": "UG",
        "registration_number": "80020001234567",
        "external_refs": [{"source": "billing", "id": "A-17"}],
    }
    [result] = await check(radio, asked)
    [found] = result["candidates"]
    assert found["id"] == made["id"]
    assert (found["visibility"], found["name"], found["score"]) == ("live", made["name"], 1.0)
    assert set(found["reasons"]) == {
        "same_name", "same_email", "same_phone", "same_registration_number", "same_reference",
    }  # fmt: skip
    assert result["next"][0] == {
        "action": "open", "method": "GET", "path": f"/v1/clients/{made['id']}",
    }  # fmt: skip


async def test_each_key_alone_is_enough(radio: Organization) -> None:
    await radio.create_client(
        name="Nile Kayaks", emails=["go@nile-kayaks.example"], phones=["0772 123456"]
    )
    results = await check(
        radio,
        {"name": "nile  kayaks"},
        {"emails": ["go@nile-kayaks.example"]},
        {"phones": ["0772123456"]},
        {"name": "Nile Kayak Limited"},
        {"name": "Something Else"},
    )
    reasons = [[one["reasons"] for one in result["candidates"]] for result in results]
    assert reasons == [[["same_name"]], [["same_email"]], [["same_phone"]], [["similar_name"]], []]
    assert [call["action"] for call in results[3]["next"]] == ["open", "link", "create"]
    assert [call["action"] for call in results[4]["next"]] == ["create"]
    assert "create_anyway" in [call["action"] for call in results[0]["next"]]


async def test_legal_form_is_no_difference(radio: Organization) -> None:
    made = await radio.create_client(name="Pearl Ltd")
    [result] = await check(radio, {"name": "Pearl GmbH"})
    [found] = result["candidates"]
    assert (found["id"], found["reasons"]) == (made["id"], ["similar_name"])
    assert 0.9 < found["score"] < 1


async def test_unread_group_gives_no_reason(radio: Organization) -> None:
    await radio.create_client(
        name="Crater Lodge", emails=["x@crater.example"], phones=["0772123456"]
    )
    asked = {"name": "Crater Lodge", "emails": ["x@crater.example"], "phones": ["0772123456"]}
    [result] = await check(radio, asked, role="presenter")
    [found] = result["candidates"]
    assert found["reasons"] == ["same_name"]
    assert "create" not in [call["action"] for call in result["next"]]
    [nothing] = await check(radio, asked | {"name": "Other"}, role="presenter")
    assert nothing["candidates"] == []


async def test_what_is_not_visible_is_told_as_a_create_tells_it(radio: Organization) -> None:
    made = await radio.create_client(name="Gone Stores", emails=["x@gone.example"])
    await radio.call("admin", "DELETE", f"/v1/clients/{made['id']}")
    [result] = await check(radio, {"name": "Gone Stores"})
    assert result["candidates"] == [
        {"visibility": "not_visible", "score": 1.0, "reasons": ["same_name"]}
    ]
    [alike] = await check(radio, {"name": "Gone Store"})
    assert alike["candidates"] == [], "never from closeness"
    [presenter] = await check(radio, {"name": "Gone Stores"}, role="presenter")
    assert presenter["candidates"] == [], "who may not create is told nothing by a create either"


async def test_faults_are_told_at_once_with_their_places(radio: Organization) -> None:
    body = {"candidates": [{"emails": ["nonsense"]}, {"phones": ["1"]}, {"name": "!"}]}
    answer = await radio.call("manager", "POST", "/v1/clients/duplicates", json=body)
    assert answer.status_code == 422
    places = [fault["pointer"] for fault in answer.json()["errors"]]
    assert places[:2] == ["/candidates/0/emails/0", "/candidates/1/phones/0"]


async def test_at_most_a_hundred(radio: Organization) -> None:
    body = {"candidates": [{"name": f"Name {n}"} for n in range(101)]}
    answer = await radio.call("manager", "POST", "/v1/clients/duplicates", json=body)
    assert answer.status_code == 422


async def test_what_no_create_of_theirs_would_reveal_is_not_told(radio: Organization) -> None:
    """The front desk may send no references; a key that sets names alone no addresses."""
    made = await radio.create_client(
        emails=["okapi@hidden.example"], external_refs=[{"source": "erp", "id": "GONE"}]
    )
    assert (await radio.call("admin", "DELETE", f"/v1/clients/{made['id']}")).is_success
    by_ref = {"external_refs": [{"source": "erp", "id": "GONE"}]}
    by_email = {"emails": ["okapi@hidden.example"]}
    assert [r["candidates"] for r in await check(radio, by_ref, role="front_desk")] == [[]]
    [told] = await check(radio, by_email, role="front_desk")
    assert [one["visibility"] for one in told["candidates"]] == ["not_visible"]
    scopes = ["clients.identity:read", "clients.name:read", "clients.name:create"]
    token = await make_key(radio, [*scopes, "clients.reach:read"])
    answer = await radio.api.post(
        "/v1/clients/duplicates",
        json={"candidates": [by_email]},
        headers={"Authorization": f"Bearer {token}"},
    )
    assert [r["candidates"] for r in answer.json()["results"]] == [[]]
