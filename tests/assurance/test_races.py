"""Races between two server processes on one database: whatever overlaps, one rule holds after it.

How often each is run, the profile says (`tests.assurance.profile`): 20 times in the usual suite.
"""

import secrets
from collections import Counter
from typing import Any

import httpx
import pytest

from tests.assurance.profile import PROFILE
from tests.assurance.servers import Call, Servers, call, outcome
from tests.checks import Owner
from tests.factories import PASSWORD, Organization

ROUNDS = PROFILE.race_rounds


def client_body(**more: Any) -> dict[str, Any]:
    mark = secrets.token_hex(5)
    return {"name": f"Client {mark}", "emails": [f"{mark}@example.com"]} | more


async def count(owner: Owner, organization: Organization, query: str, *more: Any) -> int:
    found = await owner.fetchval(query, organization.organization_id, *more)
    return int(found)


async def read(organization: Organization, path: str) -> dict[str, Any]:
    answer = await organization.call("admin", "GET", path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_one_address_makes_one_client(
    servers: Servers, raced: Organization, owner: Owner
) -> None:
    """C7, G8: two racing creates give one 201 and one 409; the numbers have no gap."""
    for n in range(ROUNDS):
        bodies = [client_body(emails=[f"Race{n}@example.com"]) for _ in range(8)]
        answers = await servers.at_once(
            *(call(raced, "front_desk", "POST", "/v1/clients", body=body) for body in bodies)
        )
        assert outcome(answers) == {(201, ""): 1, (409, "email_in_use"): 7}
        winner = next(answer.body["id"] for answer in answers if answer.status == 201)
        losers = [answer.body["candidates"][0]["id"] for answer in answers if answer.status == 409]
        assert set(losers) == {winner}
    query = "SELECT count(*) FROM clients WHERE organization_id = $1"
    assert await count(owner, raced, query) == ROUNDS
    assert await count(owner, raced, query.replace("count(*)", "max(number)")) == ROUNDS


async def test_one_name_makes_one_client(
    servers: Servers, raced: Organization, owner: Owner
) -> None:
    """C6, G8"""
    spellings = ("Race {} Ltd", "RACE {} LTD.", "race  {} ltd", "Race-{}, Ltd")
    for n in range(ROUNDS):
        bodies = [client_body(name=spellings[k % 4].format(n)) for k in range(8)]
        answers = await servers.at_once(
            *(call(raced, "manager", "POST", "/v1/clients", body=body) for body in bodies)
        )
        assert outcome(answers) == {(201, ""): 1, (409, "duplicate_name"): 7}
    query = "SELECT count(*) FROM clients WHERE organization_id = $1"
    assert await count(owner, raced, query) == ROUNDS


async def test_a_name_that_is_given_up_goes_to_one(servers: Servers, raced: Organization) -> None:
    """C6: renaming to a name while its holder leaves it: never two, never nobody's."""
    for n in range(ROUNDS):
        holder = await raced.create_client(name=f"Wanted {n}")
        others = [await raced.create_client() for _ in range(3)]
        path = f"/v1/clients/{holder['id']}"
        calls = [call(raced, "admin", "PATCH", path, body={"name": f"Left {n}"})]
        calls += [
            call(raced, "admin", "PATCH", f"/v1/clients/{one['id']}", body={"name": f"WANTED {n}"})
            for one in others
        ]
        answers = await servers.at_once(*calls)
        assert answers[0].status == 200
        found = outcome(answers[1:])
        assert set(found) <= {(200, ""), (409, "duplicate_name")}
        assert found[(200, "")] <= 1
        page = await read(raced, f"/v1/clients?name=wanted {n}&fields=id")
        assert len(page["data"]) == found[(200, "")]


async def test_there_is_exactly_one_primary(servers: Servers, raced: Organization) -> None:
    """C9: promoting one demotes the other in the same transaction, also under a race."""
    for _ in range(ROUNDS):
        persons = [{"contact": {"name": name}} for name in ("A", "B", "C", "D")]
        made = await raced.create_client(contacts=persons)
        path = f"/v1/clients/{made['id']}/contacts"
        calls = [
            call(raced, "manager", "PATCH", f"{path}/{link['id']}", body={"roles": ["primary"]})
            for link in made["contacts"][1:]
        ]
        new = {"contact": {"name": "E"}, "roles": ["primary", "billing"]}
        calls += [call(raced, "front_desk", "POST", path, body=new) for _ in range(2)]
        calls += [call(raced, "admin", "DELETE", f"{path}/{made['contacts'][0]['id']}")]
        answers = await servers.at_once(*calls)
        assert set(outcome(answers)) <= {
            (200, ""), (201, ""), (204, ""), (409, "primary_required"),
        }, outcome(answers)  # fmt: skip
        after = await read(raced, f"/v1/clients/{made['id']}")
        primary = [link for link in after["contacts"] if "primary" in link["roles"]]
        assert primary == [after["primary_contact"]]


async def test_no_update_is_lost_under_if_match(servers: Servers, raced: Organization) -> None:
    made = await raced.create_client()
    path = f"/v1/clients/{made['id']}"
    for n in range(ROUNDS):
        etag = (await raced.call("manager", "GET", path)).headers["etag"]
        calls = [
            call(raced, "manager", "PATCH", path, body={"remarks": f"{n} {k}"},
                 headers={"If-Match": etag})
            for k in range(6)
        ]  # fmt: skip
        answers = await servers.at_once(*calls)
        assert outcome(answers) == {(200, ""): 1, (412, "version_conflict"): 5}
        winner = next(answer for answer in answers if answer.status == 200)
        after = await raced.call("manager", "GET", path)
        assert (after.json(), after.headers["etag"]) == (winner.body, winner.headers["etag"])
        losers = [answer for answer in answers if answer.status == 412]
        assert all(answer.body["current"]["remarks"] == winner.body["remarks"] for answer in losers)


async def test_updates_without_a_condition_are_all_kept(
    servers: Servers, raced: Organization
) -> None:
    """Each field of a merge is its own: eight writers of eight fields leave eight values."""
    fields = ("remarks", "website", "source_detail", "target_audience")
    for n in range(ROUNDS):
        made = await raced.create_client()
        path = f"/v1/clients/{made['id']}"
        values = dict.fromkeys(fields, f"https://example.com/{n}")
        bodies: list[dict[str, Any]] = [{name: value} for name, value in values.items()]
        bodies += [{"attributes": {f"key{k}": f"{n}"}} for k in range(4)]
        answers = await servers.at_once(
            *(call(raced, "front_desk", "PATCH", path, body=body) for body in bodies)
        )
        assert outcome(answers) == {(200, ""): 8}
        after = await read(raced, path)
        assert {name: after[name] for name in fields} == values
        assert after["attributes"] == {f"key{k}": f"{n}" for k in range(4)}


async def test_updates_in_opposite_order_all_come_through(
    servers: Servers, raced: Organization
) -> None:
    """Retried, never 500; and atomic: both clients end with the words of one batch."""
    clients = [await raced.create_client() for _ in range(3)]
    paths = [f"/v1/clients/{client['id']}" for client in clients]
    for n in range(ROUNDS):
        calls = []
        for k in range(6):
            order = clients if k % 2 else clients[::-1]
            operations = [
                {"op": "update", "id": client["id"], "body": {"remarks": f"{n} {k}"}}
                for client in order
            ]
            body = {"atomic": True, "operations": operations}
            calls.append(call(raced, "manager", "POST", "/v1/clients/batch", body=body))
        calls += [
            call(raced, "manager", "PATCH", path, body={"source_detail": f"{n}"}) for path in paths
        ]
        answers = await servers.at_once(*calls)
        assert outcome(answers) == {(207, ""): 6, (200, ""): 3}
        found = [await read(raced, path) for path in paths]
        assert len({client["remarks"] for client in found}) == 1
        assert {client["source_detail"] for client in found} == {f"{n}"}


async def test_fifty_requests_with_one_key_have_one_effect(
    servers: Servers, raced: Organization, owner: Owner
) -> None:
    """G9: one row, one change; the others replay it, on either process."""
    for n in range(ROUNDS):
        body = client_body(allow_duplicate=True, emails=[], phones=["0772123456"])
        same = call(
            raced, "manager", "POST", "/v1/clients", body=body,
            headers={"Idempotency-Key": f"race-{n}"},
        )  # fmt: skip
        answers = await servers.at_once(*[same] * 50)
        assert outcome(answers) == {(201, ""): 50}
        assert len({str(answer.body) for answer in answers}) == 1
        assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 1
        assert len({answer.headers["etag"] for answer in answers}) == 1
    for table in ("clients", "changes", "idempotency_records"):
        query = f"SELECT count(*) FROM {table} WHERE organization_id = $1"
        assert await count(owner, raced, query) == ROUNDS


async def test_twenty_refreshes_give_one_new_pair(
    servers: Servers, raced: Organization, api: httpx.AsyncClient
) -> None:
    """The rest are told that it was just rotated, and the family lives."""
    await raced.create_client()
    credentials = {"email": raced.emails["manager"], "password": PASSWORD}
    for _ in range(ROUNDS):
        pair = (await api.post("/v1/auth/login", json=credentials)).json()
        body = {"refresh_token": pair["refresh_token"]}
        answers = await servers.at_once(*[Call("POST", "/v1/auth/refresh", body=body)] * 20)
        assert outcome(answers) == {(200, ""): 1, (409, "already_rotated"): 19}
        new = next(answer.body for answer in answers if answer.status == 200)
        tokens = (pair["access_token"], new["access_token"])
        alive = await servers.at_once(
            *(Call("GET", "/v1/me", token) for token in tokens),
            Call("POST", "/v1/auth/refresh", body={"refresh_token": new["refresh_token"]}),
        )
        assert [answer.status for answer in alive] == [200, 200, 200]


async def test_the_last_administrator_stays(
    servers: Servers, raced: Organization, api: httpx.AsyncClient, owner: Owner
) -> None:
    """Also when two demote or disable each other at once."""
    pair = ("admin", "manager")
    users = {role: f"/v1/users/{raced.user_ids[role]}" for role in pair}
    promoted = await raced.call("admin", "PATCH", users["manager"], json={"role": "admin"})
    assert promoted.status_code == 200
    for n in range(ROUNDS):
        calls = [
            call(raced, by, "POST", f"{users[of]}/disable")
            if (n >> k) & 1
            else call(raced, by, "PATCH", users[of], body={"role": "front_desk"})
            for k, (by, of) in enumerate((pair, pair[::-1]))
        ]
        answers = await servers.at_once(*calls)
        found = Counter(answer.status for answer in answers)
        # The other one found itself the last, demoted before it decided, or signed out.
        assert found[200] == 1, answers
        assert found[409] + found[403] + found[401] == 1
        admins = (
            "SELECT count(*) FROM memberships m JOIN roles r USING (organization_id) "
            "WHERE organization_id = $1 AND r.id = m.role_id AND m.is_active AND r.name = 'admin'"
        )
        assert await count(owner, raced, admins) == 1
        winner = pair[0] if answers[0].status == 200 else pair[1]
        loser = pair[1] if winner == pair[0] else pair[0]
        for method, place, body in (
            ("POST", f"{users[loser]}/enable", None),
            ("PATCH", users[loser], {"role": "admin"}),
        ):
            answer = await raced.call(winner, method, place, json=body)
            assert answer.status_code == 200, answer.text
        credentials = {"email": raced.emails[loser], "password": PASSWORD}
        fresh = await api.post("/v1/auth/login", json=credentials)
        raced.tokens[loser] = fresh.json()["access_token"]


async def test_no_deleted_person_serves_a_client(
    servers: Servers, raced: Organization, owner: Owner
) -> None:
    """Delete while linking: either the links come first and it stays, or it goes and they fail."""
    clients = [await raced.create_client() for _ in range(3)]
    for _ in range(ROUNDS):
        person = (await raced.create_contact())["id"]
        former = await raced.create_client(contacts=[{"contact_id": person, "to_on": "2026-01-01"}])
        link = f"/v1/clients/{former['id']}/contacts/{former['contacts'][0]['id']}"
        linked = {"contact_id": person}
        answers = await servers.at_once(
            call(raced, "admin", "DELETE", f"/v1/contacts/{person}"),
            *(
                call(raced, "manager", "POST", f"/v1/clients/{one['id']}/contacts", body=linked)
                for one in clients
            ),
            call(raced, "manager", "POST", "/v1/clients", body=client_body(contacts=[linked])),
            call(raced, "manager", "PATCH", link, body={"to_on": None}),
        )
        deleted, *links = answers
        live = await count(
            owner,
            raced,
            "SELECT count(*) FROM client_contacts WHERE organization_id = $1 AND contact_id = $2 "
            "AND to_on IS NULL",
            person,
        )
        assert sum(answer.status in (200, 201) for answer in links) == live
        if deleted.status == 204:
            assert live == 0
            assert {answer.status for answer in links} <= {422, 409}
        else:
            assert (deleted.status, deleted.code) == (409, "still_linked")
            assert live > 0


@pytest.mark.parametrize("size", [2, 3])
async def test_no_line_of_reporting_becomes_a_circle(
    servers: Servers, raced: Organization, size: int
) -> None:
    """C9: closed from all ends at once, one end stays open."""
    for _ in range(ROUNDS):
        ids = [(await raced.create_contact())["id"] for _ in range(size)]
        ends = zip(ids, [*ids[1:], ids[0]], strict=True)
        answers = await servers.at_once(
            *(
                call(raced, "manager", "PATCH", f"/v1/contacts/{one}", body={"reports_to_id": two})
                for one, two in ends
            )
        )
        found = outcome(answers)
        assert set(found) == {(200, ""), (422, "invalid")}
        assert found[(422, "invalid")] == 1
        refusal = next(answer for answer in answers if answer.status == 422)
        assert refusal.body["errors"][0]["code"] == "cycle"


async def test_a_profile_is_no_longer_complete_when_both_ways_to_reach_it_go(
    servers: Servers, raced: Organization
) -> None:
    """G4: the client loses its address while its contact loses the only other one."""
    site = {"kind": "physical", "country_code": "UG", "city": "Jinja", "street_address": "Plot 1"}
    for n in range(ROUNDS):
        person = {"name": "Ada", "emails": [f"ada{n}@example.com"]}
        made = await raced.create_client(
            industry="hospitality", sites=[site], contacts=[{"contact": person}]
        )
        assert made["profile_state"] == "complete"
        path = f"/v1/clients/{made['id']}"
        contact = f"/v1/contacts/{made['contacts'][0]['contact_id']}"
        answers = await servers.at_once(
            call(raced, "front_desk", "PATCH", path, body={"emails": []}),
            call(raced, "front_desk", "PATCH", contact, body={"emails": []}),
            call(raced, "manager", "PATCH", path, body={"remarks": f"{n}"}),
        )
        assert outcome(answers) == {(200, ""): 3}
        assert (await read(raced, path))["profile_state"] == "draft"


async def test_an_inactive_holders_address_goes_to_one(
    servers: Servers, raced: Organization
) -> None:
    """C7: taken from it while it is brought back."""
    for n in range(ROUNDS):
        address = f"held{n}@example.com"
        held = await raced.create_client(emails=[address])
        path = f"/v1/clients/{held['id']}"
        await raced.call("admin", "POST", f"{path}/archive")
        takers = [client_body(emails=[address], on_inactive="create") for _ in range(4)]
        answers = await servers.at_once(
            *(call(raced, "manager", "POST", "/v1/clients", body=body) for body in takers),
            call(raced, "manager", "POST", f"{path}/restore"),
        )
        assert answers[-1].status == 200
        found = outcome(answers[:-1])
        assert set(found) <= {(201, ""), (409, "email_in_use")}, found
        assert found[(201, "")] <= 1
        page = await read(raced, f"/v1/clients?emails={address}&fields=id")
        assert len(page["data"]) == 1


async def test_moves_of_one_client_end_in_one_state(servers: Servers, raced: Organization) -> None:
    for _ in range(ROUNDS):
        made = await raced.create_client()
        path = f"/v1/clients/{made['id']}"
        answers = await servers.at_once(
            *(call(raced, "manager", "POST", f"{path}/archive") for _ in range(3)),
            *(call(raced, "manager", "POST", f"{path}/restore") for _ in range(3)),
            call(raced, "admin", "DELETE", path),
            call(raced, "manager", "PATCH", path, body={"remarks": "x"}),
        )
        allowed = {(200, ""), (204, ""), (409, "not_live"), (404, "not_found")}
        assert set(outcome(answers)) <= allowed
        log = await read(raced, f"{path}/history")
        moves = [
            (change["before"], change["after"])
            for entry in reversed(log["data"])
            for change in entry["changes"]
            if change["field"] == "lifecycle"
        ]
        states = ["live", *(after for _, after in moves)]
        assert [before for before, _ in moves] == states[:-1]
        assert (await read(raced, path))["lifecycle"] == states[-1]
