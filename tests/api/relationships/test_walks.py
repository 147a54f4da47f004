"""Networks: the graph to a depth, the ways between two, and what bounds them (§6)."""

import itertools
from typing import Any

from tests.api.relationships.conftest import Json, Network
from tests.checks import Owner


def named(graph: Json) -> dict[str, int]:
    return {node["name"]: node["depth"] for node in graph["nodes"]}


async def test_graph_reaches_to_its_depth_and_no_further(network: Network) -> None:
    """§6: graph to depth N"""
    names = [f"Step {n}" for n in range(6)]
    clients = await network.clients(*names)
    for n, (one, other) in enumerate(itertools.pairwise(clients)):
        pair = (one, other) if n % 2 else (other, one)
        await network.relate(*pair, "partner")
    for depth in (1, 2, 4):
        graph = await network.read(f"/v1/clients/{clients[0]}/graph?depth={depth}")
        assert named(graph) == {f"Step {n}": n for n in range(depth + 1)}
        assert len(graph["edges"]) == depth
        assert not graph["truncated"]
    middle = await network.read(f"/v1/clients/{clients[2]}/graph")
    assert named(middle) == {"Step 2": 0, "Step 1": 1, "Step 3": 1}


async def test_graph_tells_all_relationships_between_its_clients(network: Network) -> None:
    a, b, c = await network.clients("A", "B", "C")
    await network.relate(a, b, "partner")
    await network.relate(a, c, "vendor")
    await network.relate(c, b, "competitor")
    await network.relate(b, a, "vendor")
    graph = await network.read(f"/v1/clients/{a}/graph")
    assert sorted(edge["kind"] for edge in graph["edges"]) == [
        "competitor",
        "partner",
        "vendor",
        "vendor",
    ]


async def test_graph_of_some_kinds_follows_no_other(network: Network) -> None:
    a, b, c, d = await network.clients("A", "B", "C", "D")
    await network.relate(a, b, "vendor")
    await network.relate(b, c, "partner")
    await network.relate(d, a, "vendor")
    path = f"/v1/clients/{a}/graph?depth=3"
    assert set(named(await network.read(f"{path}&kinds=partner"))) == {"A"}
    # A vendor and its customer are one relationship, from whichever side it is asked.
    for kind in ("vendor", "customer"):
        assert set(named(await network.read(f"{path}&kinds={kind}"))) == {"A", "B", "D"}
    both = await network.read(f"{path}&kinds=vendor&kinds=partner")
    assert set(named(both)) == {"A", "B", "C", "D"}


async def test_graph_is_of_today_unless_ended_ones_are_asked_for(network: Network) -> None:
    a, b = await network.clients("A", "B")
    await network.relate(a, b, "vendor", to_on="2020-01-01")
    path = f"/v1/clients/{a}/graph"
    assert set(named(await network.read(path))) == {"A"}
    (edge,) = (await network.read(f"{path}?ended=true"))["edges"]
    assert not edge["current"]


async def test_ways_are_the_shortest(network: Network) -> None:
    """§6: known through"""
    a, b, c, d, e = await network.clients("A", "B", "C", "D", "E")
    for one, other, kind in ((a, b, "partner"), (d, b, "vendor"), (a, c, "related")):
        await network.relate(one, other, kind)
    await network.relate(c, d, "referral")
    await network.relate(d, e, "partner")
    found = await network.read(f"/v1/clients/{a}/paths?to={d}")
    assert sorted(way["client_ids"] for way in found["paths"]) == sorted([[a, b, d], [a, c, d]])
    edges = {edge["id"]: edge for edge in found["edges"]}
    for way in found["paths"]:
        steps = itertools.pairwise(way["client_ids"])
        for step, relationship in zip(steps, way["relationship_ids"], strict=True):
            edge = edges[relationship]
            assert {edge["client_id"], edge["other_id"]} == set(step)
    assert set(named(found)) == {"A", "B", "C", "D"}
    beyond = await network.read(f"/v1/clients/{a}/paths?to={e}&depth=2")
    assert (beyond["paths"], beyond["truncated"]) == ([], False)
    back = await network.read(f"/v1/clients/{e}/paths?to={a}")
    assert {len(way["relationship_ids"]) for way in back["paths"]} == {3}


# ------------------------------------------------------------------- bounds

# A thousand requests would take a minute; the rows are those that the API itself makes.
MANY = """
WITH made AS (
    INSERT INTO clients SELECT (jsonb_populate_record(NULL::clients, to_jsonb(c) ||
        jsonb_build_object(
        'id', gen_random_uuid(), 'number', 1000 + n, 'name', 'Many ' || n, 'name_key', 'many ' || n,
        'primary_link_id', NULL, 'identity_digest', '\\x' || md5(n::text)))).*
    FROM clients c, generate_series(1, $3) n WHERE c.organization_id = $1 AND c.id = $2
    RETURNING id, number)
INSERT INTO relationships (organization_id, id, version, lifecycle, client_id, other_id, kind,
    inverse_kind, child_id, parent_id, pair_key, created_at, updated_at)
SELECT $1, gen_random_uuid(), 1, 'live', {upper}, made.id, 'branch', 'parent', made.id, {upper},
    'parent:' || made.id, now(), now() FROM made
"""
STAR = MANY.format(upper="$2")
CHAIN = MANY.format(
    upper="coalesce((SELECT m.id FROM made m WHERE m.number = made.number - 1), $2)"
)


async def fill(network: Network, owner: Owner, statement: str, many: int) -> str:
    (one,) = await network.clients("Middle")
    organization_id: Any = network.organization.organization_id
    await owner.execute(statement, organization_id, one, many)
    return one


async def test_a_thousand_branches_are_bounded_and_said_to_be(
    network: Network, owner: Owner
) -> None:
    one = await fill(network, owner, STAR, 1000)
    graph = await network.read(f"/v1/clients/{one}/graph?depth=4")
    assert (len(graph["nodes"]), len(graph["edges"]), graph["truncated"]) == (200, 199, True)
    assert graph["nodes"][0]["name"] == "Middle"
    tree = await network.read(f"/v1/clients/{one}/tree")
    assert (len(tree["nodes"]), tree["truncated"]) == (501, True)
    found = await network.read(f"/v1/clients/{one}/roll-up")
    assert (found["clients"], found["truncated"]) == (1000, True)
    below = tree["nodes"][-1]["id"]
    page = await network.seen_from(one, query="?limit=200&count=exact&sort=-created_at")
    assert len(page) == 200
    other = graph["nodes"][-1]["id"]
    ways = await network.read(f"/v1/clients/{below}/paths?to={other}")
    assert [len(way["client_ids"]) for way in ways["paths"]] == [3 if below != other else 1]
    picture = await network.ask("manager", "GET", f"/v1/clients/{one}/graph?format=svg")
    assert picture.text.count('class="box"') == 200


async def test_the_client_itself_is_in_its_tree_however_wide_that_is(
    network: Network, owner: Owner
) -> None:
    """§6: the way to it is told also where its level is cut."""
    one = await fill(network, owner, STAR, 1000)
    rows = await owner.fetch(
        "SELECT id::text FROM clients WHERE organization_id = $1 AND name LIKE 'Many%'",
        network.organization.organization_id,
    )
    for row in rows[::199]:
        tree = await network.read(f"/v1/clients/{row['id']}/tree")
        mine = [node for node in tree["nodes"] if node["id"] == row["id"]]
        assert [(node["depth"], node["parent_id"], node["kind"]) for node in mine] == [
            (1, one, "branch")
        ]


async def test_a_thousand_levels_are_bounded(network: Network, owner: Owner) -> None:
    one = await fill(network, owner, CHAIN, 1000)
    tree = await network.read(f"/v1/clients/{one}/tree?depth=15")
    assert [node["depth"] for node in tree["nodes"]] == list(range(16))
    assert tree["truncated"]
    last = await owner.fetchval(
        "SELECT id::text FROM clients WHERE organization_id = $1 ORDER BY number DESC LIMIT 1",
        network.organization.organization_id,
    )
    low = await network.read(f"/v1/clients/{last}/tree?depth=15")
    assert (len(low["nodes"]), low["nodes"][-1]["id"], low["truncated"]) == (16, last, True)
    # A cycle is found through all of them.
    answer = await network.post(one, last, "parent")
    assert answer.status_code == 422, answer.text
    assert len(answer.json()["path"]) == 1001
