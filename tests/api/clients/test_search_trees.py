"""`POST /v1/clients/search`: conditions joined by and, or, not; their rights, faults and paging."""

from typing import Any

import httpx
import pytest

from tests.api.clients.test_filters import CASES, A, B, C, three
from tests.checks import refused
from tests.factories import Organization

__all__ = ["three"]
Json = dict[str, Any]


def leaf(field: str, op: str, value: Any) -> Json:
    return {"field": field, "op": op, "value": value}


async def search(organization: Organization, tree: Any, role: str = "admin", **more: Any) -> Any:
    body = {"version": 1, "filter": tree} | more
    return await organization.call(role, "POST", "/v1/clients/search", json=body)


async def found(
    organization: Organization, tree: Any, role: str = "admin", **more: Any
) -> set[str]:
    answer = await search(organization, tree, role, **more)
    assert answer.status_code == 200, answer.text
    return {row["name"] for row in answer.json()["data"]}


def faults(answer: httpx.Response) -> list[Json]:
    assert answer.status_code == 422, answer.text
    found: list[Json] = answer.json()["errors"]
    return found


def case_name(case: Any) -> str:
    """The same in every process: a set's own text has any order."""
    return str(sorted(case) if isinstance(case, set) else case)[:60]


def as_tree(query: Json, owners: Json) -> tuple[Json, Json]:
    """The conditions of a query string as a tree, and what stands beside it."""
    parts, beside = [], {}
    for key, sent in query.items():
        if key == "currency":
            beside["currency"] = sent
            continue
        name, _, op = key.partition("[")
        op = op.rstrip("]") or "eq"
        value: Any = owners.get(sent, sent) if isinstance(sent, str) else sent
        if op == "in":
            value = value.split(",")
        if op == "is_null":
            value = value == "true"
        if op == "eq" and isinstance(value, list):
            op = "in"
        parts.append(leaf(name, op, value))
    return {"and": parts}, beside


@pytest.mark.parametrize(("query", "expected"), CASES, ids=case_name)
async def test_leaf_means_what_the_query_string_means(
    three: Organization, query: Json, expected: set[str]
) -> None:
    owners = {role: str(user) for role, user in three.user_ids.items()}
    tree, beside = as_tree(query, owners)
    assert await found(three, tree, **beside) == expected
    # Whatever it is, nothing is missed: each client meets a condition or its opposite.
    assert await found(three, {"not": tree}, **beside) == {A, B, C} - expected


TREES: list[tuple[Any, set[str]]] = [
    ({"or": [leaf("industry", "eq", "retail"), leaf("stage", "is_null", True)]}, {B, C}),
    ({"not": leaf("industry", "eq", "retail")}, {A, C}),
    ({"not": {"not": leaf("industry", "eq", "retail")}}, {B}),
    ({"not": leaf("industry", "ne", "retail")}, {B}),
    ({"not": {"or": [leaf("tags", "eq", "vip"), leaf("stage", "eq", "mature")]}}, {C}),
    ({"not": {"and": [leaf("tags", "eq", "press"), leaf("stage", "eq", "mature")]}}, {A, C}),
    ({"and": [leaf("tags", "eq", "press"), {"not": leaf("kind", "eq", "individual")}]}, {A}),
    ({"and": [leaf("tags", "eq", "vip"), leaf("tags", "eq", "press")]}, {A}),
    (
        {
            "or": [
                {"and": [leaf("region", "eq", "north"), leaf("kind", "eq", "organization")]},
                {"and": [leaf("potential", "eq", "high"), leaf("status", "ne", "active")]},
            ]
        },
        {A, B},
    ),
    (leaf("credit_limit", "gte", {"amount": "1000", "currency": "UGX"}), {A, B}),
    (leaf("credit_limit", "ne", {"amount": "1000", "currency": "ugx"}), {B, C}),
    (leaf("credit_limit", "eq", {"amount": "1000", "currency": "EUR"}), set()),
    (
        {
            "or": [
                leaf("credit_limit", "lt", {"amount": "1500", "currency": "UGX"}),
                leaf("credit_limit", "is_null", True),
            ]
        },
        {A, C},
    ),
    (leaf("name", "in", ["Gamma", "alpha 100% ltd, and sons"]), {C}),
    (leaf("attributes.fleet.size", "ne", ["40", "41"]), {C}),
    (None, {A, B, C}),
]


@pytest.mark.parametrize(("tree", "expected"), TREES, ids=case_name)
async def test_conditions_join(three: Organization, tree: Any, expected: set[str]) -> None:
    assert await found(three, tree) == expected


async def test_page_is_that_of_the_list_with_everything_beside_it(three: Organization) -> None:
    more: Json = {"sort": "-registered_on", "fields": ["name", "registered_on"], "count": "exact"}
    answer = await search(three, leaf("kind", "eq", "organization"), **more)
    query = {"kind": "organization", "sort": "-registered_on", "fields": "name,registered_on"}
    listed = await three.call("admin", "GET", "/v1/clients", params=query | {"count": "exact"})
    assert answer.json() == listed.json()
    assert answer.json()["total"] == 2
    expanded = await search(
        three, leaf("name", "eq", "alpha 100% ltd"), expand=["owner", "contacts"]
    )
    (row,) = expanded.json()["data"]
    assert row["owner"]["name"] == "Manager"
    assert row["contacts"][0]["contact"]["name"] == "Ada"


async def test_cursor_walks_each_row_once_and_belongs_to_its_tree(three: Organization) -> None:
    tree = {"or": [leaf("kind", "eq", "organization"), leaf("kind", "eq", "individual")]}
    seen: list[str] = []
    cursor: str | None = None
    first: str | None = None
    for _ in range(3):
        page = (await search(three, tree, limit=1, cursor=cursor)).json()
        seen += [row["name"] for row in page["data"]]
        first, cursor = cursor, page["next_cursor"]
    assert seen == [A, B, C]
    assert cursor is None
    for other in (leaf("kind", "eq", "organization"), {"or": tree["or"][:1]}, None):
        refused(await search(three, other, limit=1, cursor=first), 400, "invalid_cursor")
    refused(await search(three, tree, "manager", limit=1, cursor=first), 400, "invalid_cursor")
    refused(await search(three, tree, sort="-name", cursor=first), 400, "invalid_cursor")


# ---------------------------------------------------------------------------- rights


async def test_every_unreadable_leaf_is_named_before_anything_else(three: Organization) -> None:
    """Also beside faults of content, and with the rule where it is asked for."""
    tree = {
        "or": [
            leaf("credit_limit", "gte", "not an amount"),
            {"not": {"field": "emails", "op": "eq"}},
            {"and": [leaf("colour", "eq", "red"), leaf("attributes.a", "eq", "b"), {"nor": []}]},
        ]
    }
    problem = refused(
        await search(three, tree, "presenter", sort="registered_on", fields=["remarks"], limit=0),
        403,
        "field_not_readable",
    )
    places = {fault["pointer"] for fault in problem["errors"]}
    assert places == {"/filter/or/0", "/filter/or/1/not", "/filter/or/2/and/1", "/sort", "/fields"}
    for name in ("credit_limit", "emails", "attributes", "registered_on", "remarks"):
        assert name in problem["detail"]
    body = {"filter": leaf("credit_limit", "is_null", True)}
    path = "/v1/clients/search?explain=permission"
    problem = refused(
        await three.call("front_desk", "POST", path, json=body), 403, "field_not_readable"
    )
    assert problem["explanation"] == [
        {"field": "credit_limit", "group": "finance", "needs": "clients.finance:read"}
    ]


async def test_nobody_without_a_readable_field_searches(three: Organization) -> None:
    answer = await three.call("presenter", "POST", "/v1/contacts/search", json={})
    refused(answer, 403, "forbidden")


@pytest.mark.parametrize(
    "tree",
    [
        None,
        {"not": leaf("lifecycle", "eq", "live")},
        {"or": [leaf("kind", "eq", "organization"), leaf("lifecycle", "ne", "live")]},
        {"or": [leaf("lifecycle", "eq", "live"), leaf("name", "contains", "r")]},
        {"not": {"and": [leaf("lifecycle", "eq", "live"), leaf("name", "eq", "nobody")]}},
        {"not": {"not": {"not": leaf("lifecycle", "in", ["live"])}}},
    ],
    ids=str,
)
async def test_no_tree_finds_what_the_role_may_not_open(radio: Organization, tree: Any) -> None:
    for n, action in enumerate(("archive", None)):
        made = await radio.create_client(name=f"Hidden record {n}")
        place = f"/v1/clients/{made['id']}"
        method, path = ("POST", f"{place}/{action}") if action else ("DELETE", place)
        assert (await radio.call("admin", method, path)).status_code < 300
    await radio.create_client(name="Live record")
    assert await found(radio, tree, "presenter") <= {"Live record"}
    assert "Hidden record 1" not in await found(radio, tree, "manager")


async def test_lifecycle_is_asked_for_within_ones_rights(radio: Organization) -> None:
    made = await radio.create_client(name="Archived one")
    await radio.call("admin", "POST", f"/v1/clients/{made['id']}/archive")
    await radio.create_client(name="Live one")
    tree = {"or": [leaf("lifecycle", "eq", "archived"), leaf("name", "eq", "nobody")]}
    assert await found(radio, tree, "manager") == {"Archived one"}
    assert await found(radio, leaf("lifecycle", "eq", "archived"), "front_desk") == {"Archived one"}
    assert await found(radio, {"not": leaf("lifecycle", "eq", "live")}, "manager") == {
        "Archived one"
    }
    problem = refused(await search(radio, tree, "presenter"), 403, "forbidden")
    assert problem["errors"][0]["pointer"] == "/filter"
    refused(await search(radio, leaf("lifecycle", "eq", "deleted"), "manager"), 403, "forbidden")


# ---------------------------------------------------------------------------- faults


async def test_all_faults_are_told_at_once_with_their_places(three: Organization) -> None:
    tree = {
        "and": [
            leaf("colour", "eq", "red"),
            leaf("registered_on", "gte", "yesterday"),
            leaf("status", "in", ["active", "gone"]),
            leaf("status", "eq", ["active"]),
            leaf("status", "gt", "active"),
            leaf("industry", "is_null", "true"),
            {"not": leaf("tags", "in", [])},
            leaf("remarks", "eq", "x"),
            leaf("attributes", "eq", "x"),
            leaf("name", "eq", None),
            leaf("name", "like", "x"),
            {"field": "name", "op": "eq"},
            {"or": []},
            {"or": [], "and": []},
            "name",
            leaf("credit_limit", "gte", "5"),
        ]
    }
    answer = await search(three, tree, sort="remarks", fields=["colour"], expand=["x"], limit=201)
    places = {fault["pointer"] for fault in faults(answer)}
    expected = {
        "/filter/and/0", "/filter/and/1/value", "/filter/and/2/value", "/filter/and/3/value",
        "/filter/and/4", "/filter/and/5/value", "/filter/and/6/not/value", "/filter/and/7",
        "/filter/and/8", "/filter/and/9/value", "/filter/and/10/op", "/filter/and/11/value",
        "/filter/and/12/or", "/filter/and/13/and", "/filter/and/13/or", "/filter/and/14",
        "/currency", "/sort", "/fields", "/expand", "/limit",
    }  # fmt: skip
    assert places == expected
    assert "yesterday" not in answer.text
    assert "gone" not in answer.text


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"version": 2}, "/version", "not_one_of"),
        ({"filter": []}, "/filter", "object_type"),
        ({"filter": {}}, "/filter/field", "required"),
        ({"filter": {"not": [], "x": 1}}, "/filter/not", "object_type"),
        ({"colour": 1}, "/colour", "unknown_field"),
        ({"count": "all"}, "/count", "not_one_of"),
        ({"cursor": 1}, "/cursor", "string_type"),
        ({"currency": "U"}, "/currency", "string_pattern_mismatch"),
        ({"q": 1}, "/q", "string_type"),
        ({"q": "%%"}, "/q", "too_short"),
    ],
)
async def test_form_of_the_body_is_checked(
    three: Organization, body: Json, pointer: str, code: str
) -> None:
    answer = await three.call("admin", "POST", "/v1/clients/search", json=body)
    assert (pointer, code) in {(fault["pointer"], fault["code"]) for fault in faults(answer)}


async def test_tree_and_search_hold_together(three: Organization) -> None:
    tree = {"not": leaf("status", "eq", "on_hold")}
    assert await found(three, tree, q="alpha") == {A}
    assert await found(three, leaf("status", "eq", "on_hold"), q="alpha") == set()
    assert await found(three, None, q="gama") == {C}


def nested(depth: int) -> Any:
    tree: Any = leaf("name", "eq", "Gamma")
    for _ in range(depth - 1):
        tree = {"not": tree}
    return tree


async def test_bounds_hold(three: Organization) -> None:
    assert await found(three, nested(7)) == {C}
    assert await found(three, nested(8)) == {A, B}
    assert [fault["code"] for fault in faults(await search(three, nested(9)))] == ["too_deep"]
    one = leaf("name", "ne", "x")
    halves = {"or": [{"and": [one] * 50}, {"and": [one] * 50}]}
    assert await found(three, halves) == {A, B, C}
    halves["or"].append(one)
    assert [fault["code"] for fault in faults(await search(three, halves))] == ["too_many"]
    values = [f"name {n}" for n in range(100)]
    assert await found(three, leaf("name", "ne", values)) == {A, B, C}
    assert [
        fault["code"] for fault in faults(await search(three, leaf("name", "ne", [*values, "x"])))
    ] == ["too_many"]


async def test_retry_key_and_rehearsal_are_none_of_a_search(three: Organization) -> None:
    headers = {"Idempotency-Key": "search-1"}
    for tree, names in (
        (leaf("name", "eq", "Gamma"), {C}),
        (leaf("kind", "eq", "individual"), {B}),
    ):
        answer = await three.call(
            "admin", "POST", "/v1/clients/search", json={"filter": tree}, headers=headers
        )
        assert {row["name"] for row in answer.json()["data"]} == names
        assert "idempotency-replayed" not in answer.headers
    faults(await three.call("admin", "POST", "/v1/clients/search?dry_run=true", json={}))


async def test_contacts_are_searched_alike(three: Organization, other: Organization) -> None:
    await three.create_contact(name="Grace Auma", emails=["grace@example.com"])
    await other.create_contact(name="Grace Foreign", emails=["grace@example.com"])
    tree = {"or": [leaf("emails", "starts_with", "grace"), leaf("owner_id", "is_null", False)]}
    body: Json = {"filter": tree, "fields": ["name"], "currency": None}
    answer = await three.call("front_desk", "POST", "/v1/contacts/search", json=body)
    assert answer.json()["data"] == [{"name": "Grace Auma"}]
    body["currency"] = "UGX"
    faults(await three.call("admin", "POST", "/v1/contacts/search", json=body))
