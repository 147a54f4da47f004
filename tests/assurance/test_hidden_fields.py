"""What a role may not read shows nowhere: not in conflicts, texts, headers, replays or history."""

import json
import secrets
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.assurance.golden import real_fields
from tests.assurance.world import CREDENTIALS, World, make_key
from tests.checks import refused

Json = dict[str, Any]
AMOUNT, DAYS = "7353211", 1297
"""Of a hidden credit limit and terms: numbers that stand nowhere by chance."""


def secretive(mark: str) -> Json:
    """A client with a mark in each field that presenters do not read, and numbers in finance."""
    return {
        "name": f"Client {secrets.token_hex(4)}",
        "emails": [f"{mark}@example.com"],
        "phones": ["+256772735321"],
        "sites": [{"country_code": "UG", "city": f"City {mark}"}],
        "contacts": [{"contact": {"name": f"Person {mark}"}, "job_title": f"Title {mark}"}],
        "source_detail": f"Detail {mark}",
        "target_audience": f"Audience {mark}",
        "preferences": {"contact_times": f"Times {mark}"},
        "service": {"sla": f"Sla {mark}"},
        "registration_country": "UG",
        "registration_number": f"R{mark}",
        "tags": [f"tag_{mark}"],
        "remarks": f"Remark {mark}",
        "attributes": {"size": mark},
        "billing_details": {"legal_name": f"Legal {mark}"},
        "credit_limit": {"amount": AMOUNT, "currency": "UGX"},
        "payment_terms_days": DAYS,
        "external_refs": [{"source": "billing", "id": mark}],
    }


@dataclass(slots=True)
class Kept:
    """A client whose hidden values are known to the test."""

    world: World
    document: Json
    mark: str

    @property
    def place(self) -> str:
        return f"/v1/clients/{self.document['id']}"

    def hidden_words(self, role: str) -> list[str]:
        return [AMOUNT, str(DAYS)] if role == "front_desk" else [AMOUNT, str(DAYS), self.mark]


@pytest.fixture
async def kept(world: World) -> Kept:
    mark = f"h{secrets.token_hex(5)}"
    made = await world.admin("POST", "/v1/clients", json=secretive(mark))
    return Kept(world, made, mark)


def nothing_told(answer: httpx.Response, words: list[str]) -> None:
    text = answer.text + str(answer.headers)
    for word in words:
        assert word not in text, f"{answer.request.method} {answer.request.url}: {text[:1500]}"


@pytest.mark.parametrize("kind", CREDENTIALS)
@pytest.mark.parametrize("role", ["front_desk", "presenter"])
async def test_no_request_of_the_role_answers_a_hidden_value(
    kept: Kept, role: str, kind: str
) -> None:
    """Reads, lists, refusals, conflicts, rehearsals: whatever is asked."""
    world, place = kept.world, kept.place
    other = await world.make(
        "clients", registration_country="UG", registration_number=secrets.token_hex(5)
    )
    taken = {"registration_country": "UG", "registration_number": f"R{kept.mark}"}
    same_name = {"name": kept.document["name"], "emails": ["new@example.com"]}
    same_mail = {"name": "Another name", "emails": [f"{kept.mark}@example.com"]}
    limits = {"credit_limit": {"amount": "1", "currency": "UGX"}, "payment_terms_days": 1}
    stale = {"If-Match": '"00000000000000000000000000000000"'}
    atomic = {"atomic": True, "operations": [{"op": "update", "id": kept.document["id"]}]}
    atomic["operations"][0]["body"] = {"remarks": "x"} | limits  # type: ignore[index]  # a list of dicts
    requests: list[tuple[str, str, Any, dict[str, str]]] = [
        ("GET", place, None, {}),
        ("GET", f"{place}?explain=permission&fields=credit_limit", None, {}),
        ("GET", f"{place}/history", None, {}),
        ("GET", f"{place}/contacts", None, {}),
        ("GET", f"{place}?expand=contacts", None, {}),
        ("GET", "/v1/clients?limit=200", None, {}),
        ("GET", "/v1/clients?limit=200&expand=owner", None, {}),
        ("GET", f"/v1/clients?credit_limit={AMOUNT}&currency=UGX", None, {}),
        ("GET", "/v1/clients?sort=credit_limit", None, {}),
        ("GET", "/v1/contacts?limit=200", None, {}),
        ("GET", f"{place}?as_of=2099-01-01T00:00:00Z", None, {}),
        ("GET", f"{place}?as_of={kept.document['created_at']}", None, {}),
        ("GET", f"{place}/diff", None, {}),
        ("GET", f"{place}/diff?from={kept.document['created_at']}", None, {}),
        ("POST", f"{place}/restore-version", {"as_of": kept.document["created_at"]}, {}),
        ("GET", f"/v1/clients/by-ref/billing/{kept.mark}?fields=name", None, {}),
        ("PUT", "/v1/clients/by-ref/billing/another", same_name | limits, {}),
        ("PUT", "/v1/clients/by-ref/billing/another", same_mail, {}),
        ("PATCH", place, limits, {}),
        ("PATCH", f"{place}?explain=permission", limits, {}),
        ("PATCH", place, {"remarks": "x", "credit_limit": None}, stale),
        ("PATCH", place, {"products_services": "x"}, stale),
        ("PATCH", f"{place}?dry_run=true", {"products_services": "x"}, {}),
        ("PATCH", f"/v1/clients/{other['id']}", taken, {}),
        ("PATCH", f"/v1/clients/{other['id']}", {"name": kept.document["name"]}, {}),
        ("PATCH", place, {"colour": 1, "website": 7}, {}),
        ("POST", "/v1/clients", same_name, {}),
        ("POST", "/v1/clients", same_mail, {}),
        ("POST", "/v1/clients", same_name | taken, {}),
        ("POST", "/v1/clients?dry_run=true", same_name, {}),
        ("POST", "/v1/clients/batch", atomic, {}),
        ("POST", "/v1/clients/batch", atomic | {"atomic": False}, {}),
        ("POST", f"{place}/archive", None, {}),
        ("DELETE", place, None, {}),
        ("PUT", f"{place}/overrides/type", {"value": "partner", "reason": "x"}, {}),
    ]
    words = kept.hidden_words(role)
    for method, path, body, headers in requests:
        if role == "presenter" and kept.mark in json.dumps([path, body]):
            continue  # it knows the mark: it sends it
        answer = await world.ask(role, kind, method, path, json=body, headers=headers)
        if role == "front_desk" and method == "POST" and kept.mark in json.dumps(body):
            assert answer.status_code in (409, 422), answer.text
        nothing_told(answer, words)


@pytest.mark.parametrize(
    ("role", "name", "value"),
    [
        ("front_desk", "credit_limit", {"amount": "5", "currency": "EUR"}),
        ("front_desk", "payment_terms_days", 7),
        ("presenter", "emails", ["new@example.org"]),
        ("presenter", "remarks", "Another remark"),
        ("presenter", "billing_details", {"legal_name": "Another"}),
    ],
)
async def test_hidden_change_alone_moves_nothing_that_the_role_sees(
    kept: Kept, role: str, name: str, value: Any
) -> None:
    world, place = kept.world, kept.place
    assert not real_fields("clients")[name].may(role, "read")
    before = await world.ask(role, "jwt", "GET", place)
    listed = await world.ask(role, "jwt", "GET", "/v1/clients?limit=200")
    if name == "emails":
        value = [f"{secrets.token_hex(5)}@example.org"]
    await world.admin("PATCH", place, json={name: value})
    after = await world.ask(role, "jwt", "GET", place)
    assert after.headers["etag"] == before.headers["etag"]
    assert after.text == before.text
    assert (await world.ask(role, "jwt", "GET", "/v1/clients?limit=200")).text == listed.text
    held = {"If-None-Match": before.headers["etag"]}
    assert (await world.ask(role, "jwt", "GET", place, headers=held)).status_code == 304
    if role == "front_desk":
        history = await world.ask(role, "jwt", "GET", f"{place}/history")
        assert history.json()["data"] == []
        # The decision that was made on the old ETag still stands.
        match = {"If-Match": before.headers["etag"]}
        body = {"remarks": "Called back"}
        answer = await world.ask(role, "jwt", "PATCH", place, json=body, headers=match)
        assert answer.status_code == 200, answer.text


async def test_hidden_changes_leave_no_gap_between_the_entries_that_are_seen(kept: Kept) -> None:
    """Ids of entries are UUIDs, cursors are sealed: nothing counts what was left out."""
    world, place = kept.world, kept.place
    for n in range(3):
        remark = {"remarks": f"Note {n}"}
        answer = await world.ask("front_desk", "jwt", "PATCH", place, json=remark)
        assert answer.status_code == 200
        await world.admin("PATCH", place, json={"payment_terms_days": 30 + n})
    first = await world.ask("front_desk", "jwt", "GET", f"{place}/history?limit=1")
    page = first.json()
    assert page["has_more"] is True
    assert page["next_cursor"].replace("-", "").replace("_", "").isalnum()
    second = await world.ask(
        "front_desk", "jwt", "GET", f"{place}/history?limit=1&cursor={page['next_cursor']}"
    )
    (entry,) = second.json()["data"]
    assert [change["field"] for change in entry["changes"]] == ["remarks"]
    assert "position" not in first.text


@pytest.mark.parametrize("role", ["manager", "front_desk"])
async def test_conflict_with_a_record_that_the_role_may_not_open_tells_nothing_of_it(
    kept: Kept, role: str
) -> None:
    await kept.world.admin("DELETE", kept.place)
    bodies: list[Json] = [
        {"name": kept.document["name"], "emails": [f"{secrets.token_hex(5)}@example.com"]},
        {"name": f"New {secrets.token_hex(4)}", "emails": [f"{kept.mark}@example.com"]},
    ]
    for body in bodies:
        answer = await kept.world.ask(role, "jwt", "POST", "/v1/clients", json=body)
        assert answer.status_code == 409, answer.text
        nothing_told(answer, [kept.document["id"], kept.document["number"]])
        candidates = answer.json()["candidates"]
        assert [c["visibility"] for c in candidates] == ["not_visible"]
        assert all(set(c) == {"visibility", "score", "reasons"} for c in candidates)


async def test_cursor_belongs_to_its_caller_and_to_what_was_asked(world: World) -> None:
    for _ in range(3):
        await world.make("clients")
    path = "/v1/clients?limit=1"
    cursor = (await world.ask("admin", "jwt", "GET", path)).json()["next_cursor"]
    for role, kind, asked in (
        ("manager", "jwt", path),
        ("admin", "key", path),
        ("admin", "jwt", f"{path}&sort=-name"),
        ("admin", "jwt", f"{path}&status=prospect"),
        ("admin", "jwt", "/v1/contacts?limit=1"),
    ):
        answer = await world.ask(role, kind, "GET", f"{asked}&cursor={cursor}")
        refused(answer, 400, "invalid_cursor")
    answer = await world.ask("admin", "jwt", "GET", f"{path}&cursor={cursor}&fields=name")
    assert answer.status_code == 200


async def test_override_is_told_to_readers_of_assessment_alone(kept: Kept) -> None:
    world, reason = kept.world, f"Signed {kept.mark}"
    body = {"value": "active_advertiser", "reason": reason}
    await world.admin("PUT", f"{kept.place}/overrides/type", json=body)
    for kind in CREDENTIALS:
        seen = await world.ask("presenter", kind, "GET", kept.place)
        nothing_told(seen, [reason])
        assert seen.json()["type_status"]["source"] == "override"
        told = await world.ask("front_desk", kind, "GET", kept.place)
        assert told.json()["type_status"]["override"]["reason"] == reason


async def test_expansion_masks_the_record_behind_by_its_own_rights(kept: Kept) -> None:
    organization = kept.world.organization
    clients = ["clients.*:read", "clients:read_archived"]
    for scopes, expected in (
        ([*clients, "contacts.person:read"], {"id", "lifecycle", "name", "honorific"}),
        ([*clients, "contacts.person_reach:read"], None),
        (clients, None),
    ):
        headers = {"Authorization": f"Bearer {await make_key(organization, scopes)}"}
        path = f"{kept.place}?expand=contacts"
        answer = await organization.api.get(path, headers=headers)
        if expected is None:
            assert "contacts" in refused(answer, 403, "field_not_readable")["detail"]
            continue
        (link,) = answer.json()["contacts"]
        assert expected <= set(link["contact"])
        assert not {"emails", "phones", "owner_id"} & set(link["contact"])
        owner = await organization.api.get(f"{kept.place}?expand=owner", headers=headers)
        refused(owner, 403, "field_not_readable")


async def test_persons_name_no_client_that_the_reader_may_not_open(kept: Kept) -> None:
    organization = kept.world.organization
    person = f"/v1/contacts/{kept.document['contacts'][0]['contact_id']}"
    scopes = ["contacts.person:read", "clients.reach:read"]
    headers = {"Authorization": f"Bearer {await make_key(organization, scopes)}"}
    assert kept.document["id"] in (await organization.api.get(person, headers=headers)).text
    await kept.world.admin("POST", f"{kept.place}/archive")
    nothing_told(await organization.api.get(person, headers=headers), [kept.document["id"]])
    key = await make_key(organization, [*scopes, "clients:read_archived"])
    both = {"Authorization": f"Bearer {key}"}
    assert kept.document["id"] in (await organization.api.get(person, headers=both)).text
    await kept.world.admin("DELETE", kept.place)
    nothing_told(await organization.api.get(person, headers=both), [kept.document["id"]])
