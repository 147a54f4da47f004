"""Hierarchies: one parent at a time, nobody above itself on any day; trees and roll-ups (§6)."""

import itertools
from typing import Any

import pytest

from tests.api.relationships.conftest import Json, Network
from tests.checks import Owner, change_count, codes, refused


async def chain(network: Network, length: int) -> list[str]:
    """Clients of whom each is the parent of the next."""
    found = await network.clients(*(f"Level {n}" for n in range(length)))
    for parent, child in itertools.pairwise(found):
        await network.relate(child, parent, "parent")
    return found


async def test_nobody_is_related_to_itself(network: Network) -> None:
    """§6: no self"""
    (one,) = await network.clients("One")
    for kind in ("parent", "branch", "partner"):
        answer = await network.post(one, one, kind)
        assert codes(refused(answer, 422, "invalid")) == {"/other_id": "same_client"}


@pytest.mark.parametrize("length", [2, 3, 6])
async def test_a_cycle_is_refused_with_its_path(
    network: Network, owner: Owner, length: int
) -> None:
    """§6: no cycle, 422 with the path, from either side."""
    levels = await chain(network, length)
    count = await change_count(owner, network.organization.organization_id)
    for answer in (
        await network.post(levels[0], levels[-1], "parent"),
        await network.post(levels[-1], levels[0], "department"),
    ):
        problem = refused(answer, 422, "relationship_cycle")
        assert [step["id"] for step in problem["path"]] == levels[::-1]
        assert [step["name"] for step in problem["path"]] == [
            f"Level {n}" for n in reversed(range(length))
        ]
    assert await change_count(owner, network.organization.organization_id) == count


async def test_a_cycle_is_one_of_a_single_day(network: Network) -> None:
    """Who was bought by its former subsidiary stands below it from then on."""
    one, other = await network.clients("One", "Other")
    first = await network.relate(one, other, "subsidiary", to_on="2020-06-30")
    await network.relate(other, one, "branch", from_on="2020-07-01")
    path = f"/v1/relationships/{first['id']}"
    answer = await network.ask("manager", "PATCH", path, {"to_on": "2020-07-01"})
    problem = refused(answer, 422, "relationship_cycle")
    assert len(problem["path"]) == 2


async def test_ways_whose_days_never_meet_are_no_cycle(network: Network) -> None:
    a, b, c = await network.clients("A", "B", "C")
    await network.relate(b, a, "parent", from_on="2001-01-01", to_on="2001-12-31")
    await network.relate(c, b, "parent", from_on="2002-01-01", to_on="2002-12-31")
    made = await network.relate(a, c, "parent", from_on="2001-06-01", to_on="2002-06-01")
    assert made["kind"] == "parent"


@pytest.mark.parametrize("kind", ["subsidiary", "branch", "department"])
async def test_a_second_parent_is_refused_naming_the_first(network: Network, kind: str) -> None:
    """§6: one parent"""
    child, first, second = await network.clients("Child", "First", "Second")
    held = await network.relate(first, child, "subsidiary", from_on="2020-01-01")
    for answer in (
        await network.post(child, second, "parent"),
        await network.post(second, child, kind, from_on="2030-01-01"),
        await network.post(first, child, kind),
    ):
        problem = refused(answer, 409, "second_parent")
        assert problem["existing"]["id"] == held["id"]
        assert problem["existing"]["client"]["name"] == "First"
    path = f"/v1/relationships/{held['id']}"
    await network.ask("manager", "PATCH", path, {"to_on": "2025-12-31"})
    await network.relate(second, child, kind, from_on="2026-01-01")
    answer = await network.ask("manager", "PATCH", path, {"to_on": None})
    refused(answer, 409, "second_parent")


async def test_a_period_ends_after_it_begins(network: Network) -> None:
    one, other = await network.clients("One", "Other")
    dates = {"from_on": "2020-02-02", "to_on": "2020-02-01"}
    answer = await network.post(one, other, "partner", **dates)
    assert codes(refused(answer, 422, "invalid")) == {"/to_on": "invalid_period"}
    made = await network.relate(one, other, "partner", from_on="2020-02-02", to_on="2020-02-02")
    path = f"/v1/relationships/{made['id']}"
    answer = await network.ask("manager", "PATCH", path, {"from_on": "2020-02-03"})
    assert codes(refused(answer, 422, "invalid")) == {"/from_on": "invalid_period"}


async def test_all_faults_are_told_at_once(network: Network) -> None:
    (one,) = await network.clients("One")
    body: Json = {
        "kind": "cousin",
        "other_id": "01890a5d-ac96-774b-bcce-b302099a8057",
        "from_on": "2020-02-30",
        "colour": "green",
        "id": "x",
        "note": "",
    }
    answer = await network.ask("manager", "POST", f"/v1/clients/{one}/relationships", body)
    problem = refused(answer, 422, "invalid")
    places = {"/kind", "/other_id", "/from_on", "/colour", "/id", "/note"}
    assert set(codes(problem)) == places


# ------------------------------------------------------------------- trees


def outline(tree: Json) -> list[tuple[str, int, Any]]:
    return [(node["name"], node["depth"], node["kind"]) for node in tree["nodes"]]


async def company(network: Network) -> dict[str, str]:
    names = ("Group", "North", "South", "Shop", "Desk")
    found: dict[str, str] = dict(zip(names, await network.clients(*names), strict=True))
    for parent, child, kind in (
        ("Group", "North", "subsidiary"),
        ("Group", "South", "branch"),
        ("North", "Shop", "branch"),
        ("Shop", "Desk", "department"),
    ):
        await network.relate(found[parent], found[child], kind)
    return found


@pytest.mark.parametrize("name", ["Group", "North", "South", "Shop", "Desk"])
async def test_tree_is_the_same_from_wherever_it_is_asked(network: Network, name: str) -> None:
    """§6: tree"""
    clients = await company(network)
    tree = await network.read(f"/v1/clients/{clients[name]}/tree")
    assert outline(tree) == [
        ("Group", 0, None),
        ("North", 1, "subsidiary"),
        ("Shop", 2, "branch"),
        ("Desk", 3, "department"),
        ("South", 1, "branch"),
    ]
    assert not tree["truncated"]
    ids = {node["id"]: node for node in tree["nodes"]}
    assert ids[clients["Desk"]]["parent_id"] == clients["Shop"]
    assert ids[clients["Group"]]["parent_id"] is None


async def test_tree_of_a_depth_says_that_there_is_more(network: Network) -> None:
    clients = await company(network)
    tree = await network.read(f"/v1/clients/{clients['Shop']}/tree?depth=1")
    assert [name for name, _, _ in outline(tree)] == ["North", "Shop", "Desk"]
    assert tree["truncated"]
    tree = await network.read(f"/v1/clients/{clients['Group']}/tree?depth=2")
    assert "Desk" not in {name for name, _, _ in outline(tree)}
    assert tree["truncated"]


async def test_tree_is_of_today(network: Network) -> None:
    group, former, coming = await network.clients("Group", "Former", "Coming")
    await network.relate(group, former, "branch", to_on="2020-01-01")
    await network.relate(group, coming, "branch", from_on="2090-01-01")
    tree = await network.read(f"/v1/clients/{group}/tree")
    assert outline(tree) == [("Group", 0, None)]


# ---------------------------------------------------------------- roll-up


async def test_roll_up_sums_what_the_role_may_read(network: Network) -> None:
    """§6: roll-up of activity and exposure, each by the reader's rights."""
    person = await network.organization.create_contact()
    made = [
        await network.organization.create_client(
            name=name,
            credit_limit={"amount": amount, "currency": currency},
            contacts=[{"contact_id": person["id"]}, {"contact": {"name": f"Of {name}"}}],
        )
        for name, amount, currency in (
            ("Head", "1000", "UGX"),
            ("Arm", "2500", "UGX"),
            ("Leg", "99.95", "EUR"),
        )
    ]
    head, arm, leg = (one["id"] for one in made)
    outside = await network.organization.create_client(
        credit_limit={"amount": "7", "currency": "UGX"}
    )
    await network.relate(head, arm, "branch")
    await network.relate(arm, leg, "department")
    await network.relate(head, outside["id"], "partner")
    full = await network.read(f"/v1/clients/{head}/roll-up")
    assert full == {
        "client_id": head,
        "clients": 3,
        "contacts": 4,
        "last_activity_at": None,
        "exposure": [
            {"amount": "99.95", "currency": "EUR"},
            {"amount": "3500", "currency": "UGX"},
        ],
        "truncated": False,
    }
    front_desk = await network.read(f"/v1/clients/{head}/roll-up", "front_desk")
    assert front_desk == {k: v for k, v in full.items() if k != "exposure"}
    below = await network.read(f"/v1/clients/{arm}/roll-up")
    assert (below["clients"], below["exposure"][1]["amount"]) == (2, "2500")


async def test_roll_up_tells_the_latest_activity(network: Network, owner: Owner) -> None:
    head, arm = await network.clients("Head", "Arm")
    await network.relate(head, arm, "branch")
    # Activities come with a slice above; until then no request sets this.
    for client, moment in ((head, "2026-01-01T08:00:00Z"), (arm, "2026-03-01T09:30:00Z")):
        await owner.execute(
            "UPDATE clients SET last_activity_at = $3::text::timestamptz "
            "WHERE organization_id = $1 AND id = $2::text::uuid",
            network.organization.organization_id,
            client,
            moment,
        )
    found = await network.read(f"/v1/clients/{head}/roll-up")
    assert found["last_activity_at"] == "2026-03-01T09:30:00.000000Z"
