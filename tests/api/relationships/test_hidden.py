"""Who may not open a client does not learn to whom it is related, by any way (§6, G6)."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.api.relationships.conftest import Network
from tests.assurance.world import make_key, scopes_of_roles
from tests.checks import codes, refused
from tests.factories import Organization

READS = (
    "relationships",
    "tree",
    "graph?depth=4",
    "graph?depth=4&format=svg",
    "graph?depth=4&format=dot",
    "graph?depth=4&format=mermaid",
    "roll-up",
)


async def triangle(network: Network) -> dict[str, str]:
    """A group with a hidden arm in the middle, and what hangs on it."""
    names = ("Head", "Veiled", "Foot", "Friend")
    found: dict[str, str] = dict(zip(names, await network.clients(*names), strict=True))
    await network.relate(found["Head"], found["Veiled"], "subsidiary")
    await network.relate(found["Veiled"], found["Foot"], "branch")
    await network.relate(found["Veiled"], found["Friend"], "partner")
    return found


async def test_deleted_client_leaks_nowhere_but_to_who_may_open_it(network: Network) -> None:
    clients = await triangle(network)
    veiled = clients["Veiled"]
    (edge,) = await network.seen_from(clients["Head"])
    path = f"/v1/relationships/{edge['id']}"
    assert (await network.ask("admin", "DELETE", f"/v1/clients/{veiled}")).status_code == 204
    for role in ("manager", "front_desk"):
        for name in ("Head", "Foot", "Friend"):
            for query in READS:
                place = f"/v1/clients/{clients[name]}/{query}"
                answer = await network.ask(role, "GET", place)
                assert answer.status_code == 200, answer.text
                assert "Veiled" not in answer.text, place
                assert veiled not in answer.text, place
        for method, body in (("GET", None), ("PATCH", {"note": "x"}), ("DELETE", None)):
            refused(await network.ask(role, method, path, body), 404, "not_found")
        refused(await network.ask(role, "GET", f"{path}/history"), 404, "not_found")
        for query in READS:
            place = f"/v1/clients/{veiled}/{query}"
            refused(await network.ask(role, "GET", place), 404, "not_found")
        ways = await network.read(
            f"/v1/clients/{clients['Head']}/paths?to={clients['Friend']}&ended=true", role
        )
        assert (ways["paths"], ways["nodes"], ways["edges"]) == ([], [], [])
    assert (await network.read(path, "admin"))["other"]["lifecycle"] == "deleted"
    tree = await network.read(f"/v1/clients/{clients['Foot']}/tree", "admin")
    assert [node["name"] for node in tree["nodes"]] == ["Head", "Veiled", "Foot"]
    await network.ask("admin", "POST", f"/v1/clients/{veiled}/restore")
    assert (await network.read(path))["id"] == edge["id"]


async def test_archived_client_stays_for_who_may_open_it(network: Network) -> None:
    clients = await triangle(network)
    await network.ask("manager", "POST", f"/v1/clients/{clients['Veiled']}/archive")
    for role in ("admin", "manager", "front_desk"):
        (seen,) = await network.seen_from(clients["Head"], role)
        assert seen["other"]["lifecycle"] == "archived"
    answer = await network.post(clients["Veiled"], clients["Friend"], "vendor")
    refused(answer, 409, "not_live")
    await network.relate(clients["Friend"], clients["Veiled"], "vendor")


async def test_presenter_is_refused_and_told_nothing(network: Network) -> None:
    clients = await triangle(network)
    (edge,) = await network.seen_from(clients["Head"])
    reads = [f"/v1/clients/{clients['Head']}/{query}" for query in READS]
    reads.append(f"/v1/clients/{clients['Head']}/paths?to={clients['Foot']}")
    reads.append(f"/v1/relationships/{edge['id']}")
    for path in reads:
        answer = await network.ask("presenter", "GET", path)
        refused(answer, 403, "forbidden")
        assert "Veiled" not in answer.text
    body = {"kind": "partner", "other_id": clients["Foot"]}
    for role in ("front_desk", "presenter"):
        path = f"/v1/clients/{clients['Head']}/relationships"
        refused(await network.ask(role, "POST", path, body), 403, "forbidden")
        refused(await network.ask(role, "POST", path, {"colour": 1}), 403, "forbidden")


async def test_related_client_is_told_as_far_as_its_groups_are_read(network: Network) -> None:
    """A key without the name or the number of clients sees neither of the other one."""
    clients = await triangle(network)
    scopes = (await scopes_of_roles(network.organization))["admin"]
    for group, part, secret in (("name", "name", "Veiled"), ("identity", "number", "C-0000")):
        kept = [scope for scope in scopes if not scope.startswith(f"clients.{group}:")]
        key = await make_key(network.organization, kept)
        headers = {"Authorization": f"Bearer {key}"}
        for query in READS:
            path = f"/v1/clients/{clients['Head']}/{query}"
            answer = await network.organization.api.get(path, headers=headers)
            assert answer.status_code == 200, answer.text
            assert secret not in answer.text, path
            if query == "relationships":
                assert part not in answer.json()["data"][0]["other"]


async def test_hidden_parent_is_in_the_way_without_a_name(network: Network) -> None:
    clients = await triangle(network)
    await network.ask("admin", "DELETE", f"/v1/clients/{clients['Veiled']}")
    answer = await network.post(clients["Foot"], clients["Friend"], "parent")
    problem = refused(answer, 409, "second_parent")
    assert problem["existing"] == {"visibility": "not_visible"}
    assert "next" not in problem
    assert clients["Veiled"] not in answer.text
    # The way back to the top leads through it.
    problem = refused(
        await network.post(clients["Head"], clients["Foot"], "parent"), 422, "relationship_cycle"
    )
    assert [step.get("name") for step in problem["path"]] == ["Foot", None, "Head"]
    assert problem["path"][1] == {"visibility": "not_visible"}


async def test_client_that_may_not_be_opened_is_what_a_random_id_is(
    network: Network, other: Organization
) -> None:
    """G6: in a body 422, in a path 404, in a query 422; the same words for all."""
    one, gone = await network.clients("One", "Gone")
    await network.ask("admin", "DELETE", f"/v1/clients/{gone}")
    foreign = (await other.create_client())["id"]
    problems = []
    for target in (str(uuid4()), foreign, gone):
        answer = await network.post(one, target, "partner")
        problem = refused(answer, 422, "invalid")
        assert codes(problem) == {"/other_id": "unknown_client"}
        ways = await network.ask("manager", "GET", f"/v1/clients/{one}/paths?to={target}")
        assert codes(refused(ways, 422, "invalid")) == {"to": "unknown_client"}
        lost = await network.post(target, one, "partner")
        refused(lost, 404, "not_found")
        problems.append([{**a.json(), "request_id": ""} for a in (answer, ways, lost)])
    assert problems[0] == problems[1] == problems[2]


async def test_replay_is_not_told_when_the_other_became_hidden(network: Network) -> None:
    one, other = await network.clients("One", "Sealed")
    path = f"/v1/clients/{one}/relationships"
    sent: dict[str, Any] = {
        "body": {"kind": "partner", "other_id": other},
        "headers": {"Idempotency-Key": "relate-1"},
    }
    first = await network.ask("manager", "POST", path, **sent)
    assert first.status_code == 201, first.text
    again = await network.ask("manager", "POST", path, **sent)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.text == first.text
    await network.ask("admin", "DELETE", f"/v1/clients/{other}")
    hidden = await network.ask("manager", "POST", path, **sent)
    refused(hidden, 404, "not_found")
    assert "Sealed" not in hidden.text


async def test_dry_run_stores_nothing(network: Network) -> None:
    one, other = await network.clients("One", "Other")
    path = f"/v1/clients/{one}/relationships"
    body = {"kind": "partner", "other_id": other}
    answer = await network.ask("manager", "POST", f"{path}?dry_run=true", body)
    assert answer.status_code == 200, answer.text
    assert "location" not in answer.headers
    assert answer.json()["other"]["name"] == "Other"
    assert await network.seen_from(one) == []
    made = await network.relate(one, other, "partner")
    place = f"/v1/relationships/{made['id']}"
    answer = await network.ask("manager", "PATCH", f"{place}?dry_run=true", {"note": "New"})
    assert answer.json()["note"] == "New"
    answer = await network.ask("manager", "DELETE", f"{place}?dry_run=true")
    assert answer.status_code == 204
    assert await network.read(place) == made


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("graph?depth=0", "depth"),
        ("graph?depth=5", "depth"),
        ("graph?depth=1_0", "depth"),
        ("graph?depth=%201", "depth"),
        ("graph?kinds=cousin", "kinds"),
        ("graph?format=png", "format"),
        ("graph?depth=1&depth=2", "depth"),
        ("graph?ended=1", "ended"),
        ("graph?colour=1", "colour"),
        ("tree?depth=16", "depth"),
        ("paths", "to"),
        ("paths?to=x", "to"),
        ("relationships?kind=cousin", "kind"),
        ("relationships?note=x", "note"),
        ("relationships?sort=note", "sort"),
    ],
)
async def test_faulty_query_is_refused_by_name(
    network: Network, query: str, parameter: str
) -> None:
    (one,) = await network.clients("One")
    answer = await network.ask("manager", "GET", f"/v1/clients/{one}/{query}")
    problem = refused(answer, 422, "invalid")
    assert {fault["parameter"].split("/")[0] for fault in problem["errors"]} == {parameter}
    assert "cousin" not in json.dumps(problem["errors"])
