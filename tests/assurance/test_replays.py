"""What is answered again is masked by the rights of today, and a changed role acts at once."""

import secrets
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.assurance.golden import real_fields
from tests.assurance.test_hidden_fields import AMOUNT, DAYS, nothing_told, secretive
from tests.assurance.world import accept
from tests.checks import refused
from tests.factories import PASSWORD, Organization


@dataclass(slots=True)
class Person:
    """A user whose role the test changes."""

    organization: Organization
    id: str
    token: str

    async def send(self, method: str, path: str, key: str | None, body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        headers |= {"Idempotency-Key": key} if key else {}
        return await self.organization.api.request(method, path, json=body, headers=headers)

    async def become(self, role: str) -> None:
        path = f"/v1/users/{self.id}"
        answer = await self.organization.call("admin", "PATCH", path, json={"role": role})
        assert answer.status_code == 200, answer.text


@pytest.fixture
async def person(radio: Organization) -> Person:
    email = f"{secrets.token_hex(5)}@example.com"
    body = {"name": "Changing", "email": email, "role": "admin"}
    invited = await radio.call("admin", "POST", "/v1/users", json=body)
    token = {"token": invited.json()["invitation_token"], "password": PASSWORD}
    accepted = await radio.api.post("/v1/auth/accept-invitation", json=token)
    assert accepted.status_code == 200, accepted.text
    login = {"email": email, "password": PASSWORD}
    answer = await radio.api.post("/v1/auth/login", json=login)
    return Person(radio, invited.json()["id"], answer.json()["access_token"])


async def test_replayed_create_is_masked_by_the_rights_of_today(person: Person) -> None:
    body = secretive("h" + secrets.token_hex(5))
    first = await person.send("POST", "/v1/clients", "create-1", body)
    assert first.status_code == 201, first.text
    assert first.json()["credit_limit"]
    await person.become("front_desk")
    again = await person.send("POST", "/v1/clients", "create-1", body)
    if again.status_code == 201:
        assert again.headers["idempotency-replayed"] == "true"
        nothing_told(again, [AMOUNT, str(DAYS)])
        readable = {n for n, r in real_fields("clients").items() if r.may("front_desk", "read")}
        assert set(again.json()) == readable
    else:
        assert again.status_code == 403, again.text
        nothing_told(again, [AMOUNT, str(DAYS)])
    await person.become("presenter")
    refused(await person.send("POST", "/v1/clients", "create-1", body), 403, "forbidden")


async def test_replayed_batch_is_masked_by_the_rights_of_today(person: Person) -> None:
    body = {"operations": [{"op": "create", "body": secretive("h" + secrets.token_hex(5))}]}
    path = "/v1/clients/batch"
    first = await person.send("POST", path, "batch-1", body)
    assert first.status_code == 207, first.text
    assert AMOUNT in first.text
    for role in ("front_desk", "presenter"):
        await person.become(role)
        again = await person.send("POST", path, "batch-1", body)
        nothing_told(again, [AMOUNT, str(DAYS)])
        readable = {n for n, r in real_fields("clients").items() if r.may(role, "read")}
        for result in again.json().get("results", ()):
            assert set(result.get("body", ())) <= readable


async def test_replayed_link_and_verification_need_the_rights_of_today(person: Person) -> None:
    made = await person.organization.create_client()
    mark = f"h{secrets.token_hex(5)}"
    link = f"/v1/clients/{made['id']}/contacts"
    sent = {"contact": {"name": f"Person {mark}"}, "job_title": f"Title {mark}"}
    first = await person.send("POST", link, "link-1", sent)
    assert first.status_code == 201, first.text
    email = f"/v1/clients/{made['id']}/emails/{made['emails'][0]['id']}/verify"
    state = {"reachability": "verified"}
    assert (await person.send("POST", email, "verify-1", state)).status_code == 200
    await person.become("presenter")
    for path, key, body in ((link, "link-1", sent), (email, "verify-1", state)):
        again = await person.send("POST", path, key, body)
        refused(again, 403, "forbidden")
        nothing_told(again, [mark, made["emails"][0]["address"]])


async def test_replays_never_repeat_a_secret(person: Person) -> None:
    mark = secrets.token_hex(5)
    invitation = {"name": "Guest", "email": f"{mark}@example.com", "role": "presenter"}
    key = {"name": f"Key {mark}", "scopes": ["clients.name:read"]}
    for path, body, secret in (
        ("/v1/users", invitation, "invitation_token"),
        ("/v1/api-keys", key, "key"),
    ):
        first = await person.send("POST", path, f"secret-{path}", body)
        assert first.json()[secret]
        again = await person.send("POST", path, f"secret-{path}", body)
        assert again.status_code == 201, again.text
        assert again.headers["idempotency-replayed"] == "true"
        assert again.json()["id"] == first.json()["id"]
        assert secret not in again.json()
        nothing_told(again, [first.json()[secret]])


async def test_role_change_acts_on_the_next_request(person: Person) -> None:
    made = await person.organization.create_client(payment_terms_days=DAYS)
    path = f"/v1/clients/{made['id']}"
    for role, status, seen in (
        ("manager", 200, True),
        ("front_desk", 200, False),
        ("presenter", 200, False),
        ("admin", 200, True),
    ):
        await person.become(role)
        answer = await person.send("GET", path, None, None)
        assert answer.status_code == status
        assert ("payment_terms_days" in answer.json()) == seen
    own = await person.send("PATCH", path, None, {"payment_terms_days": 45})
    assert own.status_code == 200
    # As front desk this person reads its own entries, and not the hidden field in them.
    await person.become("front_desk")
    history = await person.send("GET", f"{path}/history", None, None)
    assert history.json()["data"] == []


async def test_invited_people_get_no_more_than_their_role(radio: Organization) -> None:
    """The invitation is shown once, to who made it; the list shows none of it."""
    body = {"name": "Guest", "email": f"{secrets.token_hex(5)}@example.com", "role": "presenter"}
    invited = (await radio.call("admin", "POST", "/v1/users", json=body)).json()
    for role in ("admin", "manager", "presenter"):
        listed = await radio.call(role, "GET", "/v1/users?limit=200")
        nothing_told(listed, [invited["invitation_token"]])
        assert (body["email"] in listed.text) == (role == "admin")
    await accept(radio, invited)


WITHOUT_A_KEY = {
    "login": "sign-in routes take none: a replay would repeat a secret",
    "refresh": "as login",
    "accept_invitation": "as login: the token works once",
    "logout": "twice is once",
    "change_password": "the second time the old password is wrong",
    "disable_user": "twice is once",
    "enable_user": "twice is once",
    "search_clients": "a read, whose question is too long for a URL",
    "search_contacts": "as search_clients",
    "export_found_clients": "as search_clients; each is recorded",
    "export_found_contacts": "as export_found_clients",
    "find_client_duplicates": "as search_clients",
}


async def test_every_post_that_writes_documents_its_key(spec: dict[str, Any]) -> None:
    """A generated client cannot send a header that the document does not know."""
    posts = [methods["post"] for methods in spec["paths"].values() if "post" in methods]
    without = {
        operation["operationId"]
        for operation in posts
        if "Idempotency-Key" not in {p["name"] for p in operation.get("parameters", ())}
    }
    assert without == WITHOUT_A_KEY.keys() & {o["operationId"] for o in posts}
