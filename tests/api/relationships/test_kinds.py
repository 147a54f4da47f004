"""Kinds with their inverses: a relationship is stored once and seen from both sides (§6)."""

import pytest

from tests.api.relationships.conftest import Network
from tests.checks import Owner, codes, refused

# From the page that says what the product does: what the other is, what the one is to it.
INVERSES = [
    ("parent", "subsidiary"),
    ("subsidiary", "parent"),
    ("branch", "parent"),
    ("department", "parent"),
    ("related", "related"),
    ("partner", "partner"),
    ("competitor", "competitor"),
    ("referral_source", "referral"),
    ("referral", "referral_source"),
    ("vendor", "customer"),
    ("customer", "vendor"),
]


@pytest.mark.parametrize(("kind", "inverse"), INVERSES)
async def test_each_kind_is_seen_from_both_sides(
    network: Network, owner: Owner, kind: str, inverse: str
) -> None:
    """§6: inverse label; stored once."""
    one, other = await network.clients("One", "Other")
    made = await network.relate(one, other, kind, note="Since ever", from_on="2020-01-31")
    assert (made["kind"], made["inverse_kind"]) == (kind, inverse)
    (here,), (there,) = await network.seen_from(one), await network.seen_from(other)
    assert here == made
    assert there == made | {
        "client_id": other,
        "other_id": one,
        "kind": inverse,
        "inverse_kind": kind,
        "client": made["other"],
        "other": made["client"],
    }
    stored = "SELECT count(*) FROM relationships WHERE organization_id = $1"
    assert await owner.fetchval(stored, network.organization.organization_id) == 1


@pytest.mark.parametrize("inverse", ["subsidiary", "branch", "department"])
async def test_who_names_its_parent_says_what_it_is_to_it(network: Network, inverse: str) -> None:
    child, parent = await network.clients("Child", "Parent")
    made = await network.relate(child, parent, "parent", inverse_kind=inverse)
    assert made["inverse_kind"] == inverse
    (seen,) = await network.seen_from(parent)
    assert (seen["kind"], seen["other_id"]) == (inverse, child)


@pytest.mark.parametrize(
    ("kind", "inverse"), [("parent", "parent"), ("vendor", "vendor"), ("partner", "related")]
)
async def test_inverse_that_does_not_fit_is_refused(
    network: Network, kind: str, inverse: str
) -> None:
    one, other = await network.clients("One", "Other")
    answer = await network.post(one, other, kind, inverse_kind=inverse)
    assert codes(refused(answer, 422, "invalid")) == {"/inverse_kind": "inverse_mismatch"}


async def test_created_one_is_answered_as_it_is_read(network: Network) -> None:
    """The ETag of the create is good for the first change."""
    one, other = await network.clients("One", "Other")
    made = await network.post(other, one, "customer")
    place = made.headers["location"]
    read = await network.ask("manager", "GET", place)
    assert read.text == made.text
    assert read.headers["etag"] == made.headers["etag"]
    assert read.json()["client"]["name"] == "Other"
    headers = {"If-Match": made.headers["etag"]}
    answer = await network.ask("manager", "PATCH", place, {"note": "New"}, headers=headers)
    assert answer.status_code == 200, answer.text
    stale = await network.ask("manager", "PATCH", place, {"note": "Newer"}, headers=headers)
    assert refused(stale, 412, "version_conflict")["current"] == {"note": "New"}


async def test_list_filters_by_kind_and_by_what_holds_today(network: Network) -> None:
    centre, *others = await network.clients("Centre", "A", "B", "C", "D")
    kinds = ["partner", "vendor", "subsidiary", "competitor"]
    for other, kind in zip(others, kinds, strict=True):
        await network.relate(centre, other, kind)
    ended = await network.relate(centre, others[0], "vendor", to_on="2020-01-31")
    later = await network.relate(centre, others[2], "customer", from_on="2090-01-31")
    seen = await network.seen_from(centre)
    assert [one["kind"] for one in seen] == [*kinds, "vendor", "customer"]
    assert [one["current"] for one in seen] == [True] * 4 + [False] * 2
    past = await network.seen_from(centre, query="?current=false")
    assert [one["id"] for one in past] == [ended["id"], later["id"]]
    vendors = await network.seen_from(centre, query="?kind=vendor&current=true")
    assert [one["other_id"] for one in vendors] == [others[1]]
    (from_below,) = await network.seen_from(others[2], query="?kind=parent")
    assert from_below["inverse_kind"] == "subsidiary"


async def test_pages_hold_each_relationship_once(network: Network) -> None:
    centre, *others = await network.clients("Centre", *(f"Other {n}" for n in range(7)))
    for n, other in enumerate(others):
        pair = (centre, other) if n % 2 else (other, centre)
        await network.relate(*pair, "related")
    found, path = [], f"/v1/clients/{centre}/relationships?limit=3&sort=-created_at"
    query = ""
    while True:
        page = await network.read(f"{path}{query}")
        found += [one["other_id"] for one in page["data"]]
        if not page["has_more"]:
            break
        query = f"&cursor={page['next_cursor']}"
    assert found == others[::-1]


async def test_one_fact_is_recorded_once_whatever_the_side(network: Network) -> None:
    """§6: symmetric kinds stored once; 409 names the one that is there."""
    one, other = await network.clients("One", "Other")
    for kind, again in (("partner", "partner"), ("vendor", "customer"), ("referral", None)):
        made = await network.relate(one, other, kind)
        problem = refused(
            await network.post(other, one, again or "referral_source"), 409, "already_related"
        )
        assert problem["existing"]["id"] == made["id"]
        assert [call["action"] for call in problem["next"]] == ["open", "end"]
    # Trade the other way round is another fact.
    await network.relate(one, other, "customer")


async def test_periods_that_follow_each_other_are_two_facts(network: Network) -> None:
    one, other = await network.clients("One", "Other")
    await network.relate(one, other, "vendor", from_on="2020-01-01", to_on="2020-12-31")
    second = await network.relate(one, other, "vendor", from_on="2021-01-01")
    path = f"/v1/relationships/{second['id']}"
    answer = await network.ask("manager", "PATCH", path, {"from_on": "2020-12-31"})
    refused(answer, 409, "already_related")
    answer = await network.ask("manager", "PATCH", path, {"to_on": "2022-01-01", "note": None})
    assert answer.json()["to_on"] == "2022-01-01"


async def test_history_tells_what_was_recorded_and_changed(network: Network) -> None:
    """The log is of the relationship; it moves no version of the clients."""
    one, other = await network.clients("One", "Other")
    paths = [f"/v1/clients/{client}" for client in (one, other)]
    before = [(await network.ask("admin", "GET", path)).headers["etag"] for path in paths]
    made = await network.relate(one, other, "partner")
    path = f"/v1/relationships/{made['id']}"
    await network.ask("manager", "PATCH", path, {"to_on": "2020-01-31"})
    await network.ask("manager", "PATCH", path, {"to_on": "2020-01-31"})
    entries = (await network.read(f"{path}/history"))["data"]
    assert [entry["action"] for entry in entries] == [
        "relationship.updated",
        "relationship.created",
    ]
    assert entries[0]["changes"] == [{"field": "to_on", "before": None, "after": "2020-01-31"}]
    told = {change["field"]: change["after"] for change in entries[1]["changes"]}
    assert told == {
        "client_id": one,
        "kind": "partner",
        "inverse_kind": "partner",
        "other_id": other,
    }
    after = [(await network.ask("admin", "GET", path)).headers["etag"] for path in paths]
    assert before == after


async def test_deleted_one_is_gone_and_makes_room(network: Network) -> None:
    one, other = await network.clients("One", "Other")
    made = await network.relate(one, other, "partner")
    path = f"/v1/relationships/{made['id']}"
    assert (await network.ask("manager", "DELETE", path)).status_code == 204
    for method, body in (("GET", None), ("PATCH", {"note": "x"}), ("DELETE", None)):
        refused(await network.ask("admin", method, path, body), 404, "not_found")
    assert await network.seen_from(one) == []
    await network.relate(other, one, "partner")
