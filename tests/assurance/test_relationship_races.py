"""Races over hierarchies between two server processes: no cycle, one parent, one of each fact."""

from tests.assurance.profile import PROFILE
from tests.assurance.servers import Call, Servers, call, outcome
from tests.checks import Owner
from tests.factories import Organization

ROUNDS = PROFILE.race_rounds

CYCLES = """
WITH RECURSIVE up AS (
    SELECT child_id AS start, parent_id, 1 AS steps FROM relationships
    WHERE organization_id = $1 AND lifecycle = 'live' AND child_id IS NOT NULL
    UNION ALL
    SELECT up.start, r.parent_id, steps + 1 FROM up JOIN relationships r
    ON r.organization_id = $1 AND r.lifecycle = 'live' AND r.child_id = up.parent_id
    WHERE steps < 20 AND up.parent_id <> up.start)
SELECT count(*) FROM up WHERE parent_id = start
"""
SECOND_PARENTS = """
SELECT count(*) FROM (SELECT child_id FROM relationships WHERE organization_id = $1
AND lifecycle = 'live' AND child_id IS NOT NULL GROUP BY child_id HAVING count(*) > 1) more
"""


def relating(organization: Organization, one: str, other: str, kind: str) -> Call:
    body = {"kind": kind, "other_id": other}
    return call(organization, "manager", "POST", f"/v1/clients/{one}/relationships", body=body)


async def clients(organization: Organization, many: int) -> list[str]:
    return [(await organization.create_client())["id"] for _ in range(many)]


async def holds(owner: Owner, organization: Organization) -> None:
    for query in (CYCLES, SECOND_PARENTS):
        assert await owner.fetchval(query, organization.organization_id) == 0


async def test_a_cycle_is_not_closed_from_both_ends(
    servers: Servers, raced: Organization, owner: Owner
) -> None:
    """§6: also under a race: of two one, of three two."""
    for _ in range(ROUNDS):
        a, b = await clients(raced, 2)
        answers = await servers.at_once(
            relating(raced, a, b, "parent"), relating(raced, b, a, "parent")
        )
        assert outcome(answers) == {(201, ""): 1, (422, "relationship_cycle"): 1}
        a, b, c = await clients(raced, 3)
        answers = await servers.at_once(
            relating(raced, a, b, "parent"),
            relating(raced, c, b, "branch"),
            relating(raced, c, a, "parent"),
        )
        assert outcome(answers) == {(201, ""): 2, (422, "relationship_cycle"): 1}
    await holds(owner, raced)


async def test_a_client_gets_one_parent(
    servers: Servers, raced: Organization, owner: Owner
) -> None:
    """§6: one parent, also under a race from the child and from the parents."""
    for _ in range(ROUNDS):
        child, *parents = await clients(raced, 5)
        calls = [relating(raced, child, parent, "parent") for parent in parents[:2]]
        calls += [relating(raced, parent, child, "branch") for parent in parents[2:]]
        answers = await servers.at_once(*calls)
        assert outcome(answers) == {(201, ""): 1, (409, "second_parent"): 3}
        winner = next(answer.body["id"] for answer in answers if answer.status == 201)
        told = [answer.body["existing"]["id"] for answer in answers if answer.status == 409]
        assert set(told) == {winner}
    await holds(owner, raced)


async def test_one_fact_is_recorded_once_from_both_sides(
    servers: Servers, raced: Organization
) -> None:
    for _ in range(ROUNDS):
        a, b = await clients(raced, 2)
        answers = await servers.at_once(
            *(relating(raced, *pair, "partner") for pair in ((a, b), (b, a)) for _ in range(2))
        )
        assert outcome(answers) == {(201, ""): 1, (409, "already_related"): 3}


async def test_two_changes_of_a_period_do_not_meet(
    servers: Servers, raced: Organization, owner: Owner
) -> None:
    """Two parents, one after the other, whose periods are stretched over each other at once."""
    for _ in range(ROUNDS):
        child, first, second = await clients(raced, 3)
        made = []
        for parent, dates in (
            (first, {"from_on": "2020-01-01", "to_on": "2020-01-31"}),
            (second, {"from_on": "2020-03-01", "to_on": "2020-03-31"}),
        ):
            body = {"kind": "parent", "other_id": parent} | dates
            path = f"/v1/clients/{child}/relationships"
            answer = await raced.call("manager", "POST", path, json=body)
            assert answer.status_code == 201, answer.text
            made.append(f"/v1/relationships/{answer.json()['id']}")
        answers = await servers.at_once(
            call(raced, "manager", "PATCH", made[0], body={"to_on": "2020-02-20"}),
            call(raced, "manager", "PATCH", made[1], body={"from_on": "2020-02-10"}),
        )
        assert outcome(answers) == {(200, ""): 1, (409, "second_parent"): 1}


async def test_one_key_relates_once(servers: Servers, raced: Organization, owner: Owner) -> None:
    for n in range(ROUNDS):
        a, b = await clients(raced, 2)
        headers = {"Idempotency-Key": f"race-{n}"}
        body = {"kind": "vendor", "other_id": b}
        path = f"/v1/clients/{a}/relationships"
        answers = await servers.at_once(
            *(call(raced, "manager", "POST", path, body=body, headers=headers) for _ in range(8))
        )
        assert outcome(answers) == {(201, ""): 8}
        assert len({answer.body["id"] for answer in answers}) == 1
    query = "SELECT count(*) FROM relationships WHERE organization_id = $1"
    assert await owner.fetchval(query, raced.organization_id) == ROUNDS
