"""E-mail addresses and phone numbers of a client: forms taken, forms answered, what edits keep."""

from typing import Any
from uuid import uuid4

import pytest

from tests.checks import codes, pointers, refused
from tests.factories import Organization

MOBILE = {
    "e164": "+256772123456",
    "national": "0772 123456",
    "international": "+256 772 123456",
    "country": "UG",
    "type": "mobile",
}


async def patched(organization: Organization, client: dict[str, Any], **fields: Any) -> Any:
    return await organization.call(
        "front_desk", "PATCH", f"/v1/clients/{client['id']}", json=fields
    )


async def verify(organization: Organization, client: dict[str, Any], kind: str) -> dict[str, Any]:
    path = f"/v1/clients/{client['id']}/{kind}/{client[kind][0]['id']}/verify"
    answer = await organization.call("admin", "POST", path, json={"reachability": "verified"})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(
    "sent",
    [
        "+256772123456",
        "+256 772 123456",
        {"e164": "+256772123456"},
        {"country": "UG", "national": "0772 123456"},
    ],
)
async def test_phone_forms_come_to_the_same_answer(radio: Organization, sent: Any) -> None:
    """C5"""
    made = await radio.create_client(phones=[sent])
    phone = made["phones"][0]
    assert {name: phone[name] for name in MOBILE} == MOBILE
    assert phone["is_primary"] is True
    assert (phone["reachability"], phone["verified_at"]) == ("unknown", None)
    assert set(phone) == {
        *MOBILE,
        "id",
        "label",
        "is_primary",
        "extension",
        "reachability",
        "verified_at",
    }


async def test_bare_national_number_takes_the_organizations_country(radio: Organization) -> None:
    made = await radio.create_client(phones=["0772 123456"])
    assert made["phones"][0]["e164"] == "+256772123456"


async def test_phone_carries_label_and_extension(radio: Organization) -> None:
    sent = {"e164": "+256414123456", "label": "office", "extension": "12"}
    made = await radio.create_client(phones=[sent])
    phone = made["phones"][0]
    assert (phone["label"], phone["extension"]) == ("office", "12")


@pytest.mark.parametrize(
    ("sent", "place"),
    [
        ("12", "/phones/0"),
        ("310/788-", "/phones/0"),
        ("no number", "/phones/0"),
        ({"label": "work"}, "/phones/0"),
        ({"national": "0772123456", "country": "ZZ"}, "/phones/0"),
        ({"e164": "+256772123456", "label": "boat"}, "/phones/0/label"),
        ({"e164": "+256772123456", "fax": True}, "/phones/0/fax"),
    ],
)
async def test_what_is_no_phone_number_is_refused(
    radio: Organization, sent: Any, place: str
) -> None:
    body = {"name": "A", "emails": ["a@example.com"], "phones": [sent]}
    answer = await radio.call("admin", "POST", "/v1/clients", json=body)
    assert answer.status_code == 422
    assert pointers(answer.json()) == {place}, answer.text


async def test_email_is_a_text_or_an_object(radio: Organization) -> None:
    made = await radio.create_client(
        emails=["Hello@Example.COM", {"address": "ap@example.com", "label": "billing"}]
    )
    first, second = made["emails"]
    assert first == {
        "id": first["id"],
        "address": "Hello@example.com",
        "label": None,
        "is_primary": True,
        "reachability": "unknown",
        "verified_at": None,
    }
    assert (second["label"], second["is_primary"]) == ("billing", False)


@pytest.mark.parametrize(
    "address",
    ["Ada <ada@example.com>", "ada", "ada@", "a b@example.com", "ada@example", '"a b"@example.com'],
)
async def test_what_is_no_plain_address_is_refused(radio: Organization, address: str) -> None:
    """C5: no display-name form."""
    body = {"name": "A", "emails": [address]}
    answer = await radio.call("admin", "POST", "/v1/clients", json=body)
    assert codes(refused(answer, 422, "invalid")) == {"/emails/0": "invalid_email"}
    assert address not in answer.text


@pytest.mark.parametrize(
    ("kind", "sent"),
    [
        ("emails", [{"address": f"{n}@example.com", "is_primary": n > 0} for n in range(3)]),
        ("phones", [{"e164": f"+25677212345{n}", "is_primary": n > 0} for n in range(3)]),
        ("sites", [{"city": f"Place {n}", "is_primary": n > 0} for n in range(3)]),
    ],
)
async def test_two_primaries_are_refused(
    radio: Organization, kind: str, sent: list[dict[str, Any]]
) -> None:
    body = {"name": "A", "emails": ["a@example.com"], kind: sent}
    answer = await radio.call("admin", "POST", "/v1/clients", json=body)
    assert codes(refused(answer, 422, "invalid")) == {f"/{kind}": "two_primaries"}


async def test_none_marked_makes_the_first_primary(radio: Organization) -> None:
    made = await radio.create_client(
        emails=["a@example.com", "b@example.com"],
        phones=["0772123456", "0772123457"],
        sites=[{"city": "Jinja"}, {"city": "Gulu"}],
    )
    for kind in ("emails", "phones", "sites"):
        assert [item["is_primary"] for item in made[kind]] == [True, False]


async def test_marked_one_is_primary_wherever_it_stands(radio: Organization) -> None:
    made = await radio.create_client(
        emails=["a@example.com", {"address": "b@example.com", "is_primary": True}]
    )
    assert [item["is_primary"] for item in made["emails"]] == [False, True]


async def test_the_answered_form_may_be_sent_back(radio: Organization) -> None:
    """G3: front ends echo what they read."""
    made = await radio.create_client(
        emails=["a@example.com"],
        phones=["0772123456"],
        sites=[{"city": "Jinja", "country_code": "UG"}],
    )
    for kind in ("emails", "phones", "sites"):
        answer = await patched(radio, made, **{kind: made[kind]})
        assert answer.status_code == 200, answer.text
        assert answer.json()[kind] == made[kind]


@pytest.mark.parametrize("part", ["national", "international", "country", "type"])
async def test_computed_parts_of_a_number_must_fit_it(radio: Organization, part: str) -> None:
    wrong = {"country": "KE", "type": "fixed_line"}.get(part, "0700 000000")
    made = await radio.create_client(phones=["0772123456"])
    answer = await patched(radio, made, phones=[made["phones"][0] | {part: wrong}])
    assert answer.status_code == 422
    assert all(place.startswith("/phones/0") for place in pointers(answer.json()))


async def test_e164_wins_when_the_whole_answered_form_is_sent(radio: Organization) -> None:
    made = await radio.create_client(phones=["0772123456"])
    sent = {k: v for k, v in made["phones"][0].items() if k in ("e164", "national", "country")}
    answer = await patched(radio, made, phones=[sent])
    assert answer.json()["phones"][0]["e164"] == "+256772123456"


async def test_unlisted_entries_go_and_matched_ones_keep_id_and_reachability(
    radio: Organization,
) -> None:
    """Arrays replace; items are matched by id, then by normalized value."""
    made = await radio.create_client(emails=["a@example.com", "b@example.com", "c@example.com"])
    a, b, c = made["emails"]
    await verify(radio, made, "emails")
    answer = await patched(
        radio,
        made,
        emails=["new@example.com", {"id": c["id"], "address": "c2@example.com"}, "A@Example.com"],
    )
    assert answer.status_code == 200, answer.text
    first, second, third = answer.json()["emails"]
    assert first["id"] not in {a["id"], b["id"], c["id"]}
    assert (second["id"], second["address"]) == (c["id"], "c2@example.com")
    assert third["id"] == a["id"]
    assert third["reachability"] == "verified"
    assert third["verified_at"] is not None


async def test_another_address_under_the_same_id_is_unverified_again(radio: Organization) -> None:
    made = await radio.create_client(emails=["a@example.com"], phones=["0772123456"])
    made = await verify(radio, made, "emails")
    made = await verify(radio, made, "phones")
    emails = [{"id": made["emails"][0]["id"], "address": "other@example.com"}]
    phones = [{"id": made["phones"][0]["id"], "e164": "+256772999999"}]
    after = (await patched(radio, made, emails=emails, phones=phones)).json()
    for kind in ("emails", "phones"):
        assert after[kind][0]["id"] == made[kind][0]["id"]
        assert after[kind][0]["reachability"] == "unknown"
        assert after[kind][0]["verified_at"] is None


async def test_reachability_is_not_set_by_an_edit(radio: Organization) -> None:
    """C10"""
    made = await radio.create_client(emails=["a@example.com"])
    sent = made["emails"][0] | {"reachability": "verified"}
    answer = await patched(radio, made, emails=[sent])
    assert pointers(refused(answer, 422, "read_only_field")) == {"/emails/0/reachability"}
    body = {"name": "B", "emails": [{"address": "b@example.com", "reachability": "verified"}]}
    answer = await radio.call("admin", "POST", "/v1/clients", json=body)
    assert pointers(refused(answer, 422, "read_only_field")) == {"/emails/0/reachability"}


@pytest.mark.parametrize(
    "emails",
    [["a@example.com", "A@EXAMPLE.com"], ["a@example.com", {"address": "a@example.com"}]],
)
async def test_the_same_address_twice_is_refused(radio: Organization, emails: list[Any]) -> None:
    body = {"name": "A", "emails": emails}
    answer = await radio.call("admin", "POST", "/v1/clients", json=body)
    assert codes(refused(answer, 422, "invalid")) == {"/emails/1": "repeated_item"}


async def test_entry_ids_are_of_this_record(radio: Organization) -> None:
    made, stranger = await radio.create_client(), await radio.create_client()
    for wrong in (str(uuid4()), stranger["emails"][0]["id"]):
        answer = await patched(radio, made, emails=[{"id": wrong, "address": "x@example.com"}])
        assert codes(refused(answer, 422, "invalid")) == {"/emails/0/id": "unknown_item"}


async def test_null_and_the_empty_list_remove_all(radio: Organization) -> None:
    made = await radio.create_client(phones=["0772123456"])
    assert (await patched(radio, made, phones=None)).json()["phones"] == []
    assert (await patched(radio, made, emails=[])).json()["emails"] == []


@pytest.mark.parametrize("kind", ["emails", "phones"])
@pytest.mark.parametrize("state", ["verified", "bounced", "invalid", "unknown"])
async def test_verification_says_how_a_contact_point_works(
    radio: Organization, kind: str, state: str
) -> None:
    """C10: with the time, and in the history by whom."""
    made = await radio.create_client(emails=["a@example.com"], phones=["0772123456"])
    await verify(radio, made, kind)
    path = f"/v1/clients/{made['id']}/{kind}/{made[kind][0]['id']}/verify"
    answer = await radio.call("front_desk", "POST", path, json={"reachability": state})
    assert answer.status_code == 200, answer.text
    point = answer.json()[kind][0]
    assert point["reachability"] == state
    assert (point["verified_at"] is None) == (state == "unknown")
    read = await radio.call("front_desk", "GET", f"/v1/clients/{made['id']}")
    assert read.json() == answer.json()
    assert read.headers["etag"] == answer.headers["etag"]
    if state != "verified":
        history = await radio.call("admin", "GET", f"/v1/clients/{made['id']}/history")
        entry = history.json()["data"][0]
        assert [change["field"] for change in entry["changes"]] == [kind]
        assert entry["actor"]["id"] == str(radio.user_ids["front_desk"])


async def test_verification_needs_the_right_to_update_reach(
    radio: Organization, other: Organization
) -> None:
    made = await radio.create_client()
    point = made["emails"][0]["id"]
    path = f"/v1/clients/{made['id']}/emails/{point}/verify"
    body = {"reachability": "verified"}
    refused(await radio.call("presenter", "POST", path, json=body), 403, "forbidden")
    refused(await other.call("admin", "POST", path, json=body), 404, "not_found")
    for wrong in (str(uuid4()), made["id"]):
        path = f"/v1/clients/{made['id']}/emails/{wrong}/verify"
        refused(await radio.call("admin", "POST", path, json=body), 404, "not_found")
    path = f"/v1/clients/{made['id']}/emails/{point}/verify"
    answer = await radio.call("admin", "POST", path, json={"reachability": "fine"})
    assert pointers(refused(answer, 422, "invalid")) == {"/reachability"}
    await radio.call("admin", "POST", f"/v1/clients/{made['id']}/archive")
    refused(await radio.call("admin", "POST", path, json=body), 409, "not_live")
