"""The stable form of conditions: what is stored is read again as the same, and stays the same."""

import json
from datetime import date, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_api.clients.schemas import Client
from crm_api.core.access import Actor, OrganizationContext, RequestContext, Stamps, rights_of
from crm_api.core.jsonbody import Incoming, validate_body
from crm_api.kit.filters import Node, canonical
from crm_api.kit.scope import Scope
from crm_api.kit.searching import MAX_DEPTH, Search, SearchReader

NIL = UUID(int=0)
ORGANIZATION = OrganizationContext(NIL, "x", ("radio",), "UTC", None, "UGX", 1)
ACTOR = Actor("system", NIL, "x", ORGANIZATION, "admin", rights_of(["*"]), Stamps(NIL, 0, 0, 0, 0))
Json = dict[str, Any]


def read(tree: Any) -> tuple[Node, ...]:
    incoming: Incoming[Any] = validate_body(Search, json.dumps({"filter": tree}).encode())
    scope = Scope(None, ACTOR, RequestContext("x"), None)  # type: ignore[arg-type]  # nothing is asked
    return SearchReader(Client, scope, {}, incoming).read_body().filters


def leaf(field: str, op: str, value: Any) -> Json:
    return {"field": field, "op": op, "value": value}


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
AMOUNTS = st.builds(
    lambda whole, part, code: {"amount": f"{whole}.{part:04d}", "currency": code},
    st.integers(0, 10**14),
    st.integers(0, 9999),
    st.sampled_from(["UGX", "eur"]),
)
INSTANTS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(  # noqa: DTZ001  # said below
    lambda moment: f"{moment.isoformat()}+03:00"
)
LEAVES = st.one_of(
    st.builds(leaf, st.just("name"), st.sampled_from(["eq", "ne", "contains"]), TEXTS),
    st.builds(leaf, st.just("name"), st.just("in"), st.lists(TEXTS, min_size=1, max_size=4)),
    st.builds(leaf, st.just("tags"), st.just("ne"), st.lists(TEXTS, min_size=1, max_size=4)),
    st.builds(leaf, st.just("status"), st.just("in"), st.just(["active", "on_hold"])),
    st.builds(leaf, st.just("owner_id"), st.just("eq"), st.uuids().map(lambda u: str(u).upper())),
    st.builds(
        leaf,
        st.just("registered_on"),
        st.just("gte"),
        st.dates(date(1900, 1, 1), date(2100, 1, 1)).map(str),
    ),
    st.builds(leaf, st.just("created_at"), st.just("lt"), INSTANTS),
    st.builds(leaf, st.just("stage"), st.just("is_null"), st.booleans()),
    st.builds(leaf, st.just("credit_limit"), st.sampled_from(["eq", "ne", "gt"]), AMOUNTS),
    st.builds(leaf, st.just("attributes.shoe.size"), st.just("eq"), TEXTS),
)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.builds(lambda parts: {"and": parts}, st.lists(inner, min_size=1, max_size=3))
        | st.builds(lambda parts: {"or": parts}, st.lists(inner, min_size=1, max_size=3))
        | st.builds(lambda part: {"not": part}, inner)
    ),
    max_leaves=6,
)


def depth(tree: Json) -> int:
    below = [*tree.get("and", ()), *tree.get("or", ()), *([tree["not"]] if "not" in tree else ())]
    return 1 + max(map(depth, below), default=0)


@given(TREES.filter(lambda tree: depth(tree) <= MAX_DEPTH))
def test_stable_form_is_read_as_the_same_conditions_and_is_its_own_form(tree: Json) -> None:
    form = canonical(Client, read(tree))
    assert form is not None
    again = read(form["filter"])
    assert canonical(Client, again) == form
    # And so on for ever: what was stored is what is stored.
    assert canonical(Client, read(json.loads(json.dumps(form))["filter"])) == form


@pytest.mark.parametrize(
    ("tree", "form"),
    [
        (leaf("status", "in", ["active"]), leaf("status", "eq", "active")),
        (leaf("tags", "in", ["b", "a", "b"]), leaf("tags", "in", ["a", "b"])),
        (leaf("tags", "ne", ["a"]), leaf("tags", "ne", "a")),
        (
            leaf("created_at", "gte", "2026-01-31T03:00:00+03:00"),
            leaf("created_at", "gte", "2026-01-31T00:00:00.000000Z"),
        ),
        (
            leaf("credit_limit", "gte", {"amount": "1000.50", "currency": "ugx"}),
            leaf("credit_limit", "gte", {"amount": "1000.5", "currency": "UGX"}),
        ),
        (
            leaf("owner_id", "eq", "01890A5D-AC96-774B-BCCE-B302099A8057"),
            leaf("owner_id", "eq", "01890a5d-ac96-774b-bcce-b302099a8057"),
        ),
        ({"and": [leaf("stage", "is_null", True)]}, leaf("stage", "is_null", True)),
        (
            {"not": {"or": [leaf("name", "eq", "B"), leaf("name", "eq", "A")]}},
            {"not": {"or": [leaf("name", "eq", "B"), leaf("name", "eq", "A")]}},
        ),
    ],
)
def test_equal_conditions_have_one_form(tree: Json, form: Json) -> None:
    assert canonical(Client, read(tree)) == {"version": 1, "filter": form}


def test_no_condition_has_no_form() -> None:
    assert canonical(Client, read(None)) is None
