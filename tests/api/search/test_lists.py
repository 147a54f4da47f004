"""`q` beside everything else that a list takes: filters, order, pages; and what it refuses."""

from typing import Any

import pytest
from fastapi import FastAPI

from crm_api.kit import listing
from crm_api.kit.search import Bounds
from tests.factories import Organization, insert_names

PATHS = ["/v1/clients", "/v1/clients/suggest", "/v1/contacts", "/v1/contacts/suggest"]


async def walk(radio: Organization, limit: int, **params: str) -> list[str]:
    """The names of all pages."""
    names: list[str] = []
    while True:
        query = {"fields": "name", "limit": str(limit), **params}
        answer = await radio.call("manager", "GET", "/v1/clients", params=query)
        assert answer.status_code == 200, answer.text
        page = answer.json()
        names += [row["name"] for row in page["data"]]
        if not page["has_more"]:
            return names
        params["cursor"] = page["next_cursor"]


@pytest.fixture
async def nile(radio: Organization) -> list[str]:
    names = [f"Nile {n:02d} Tours" for n in range(12)] + [f"Tours {n:02d} Nile" for n in range(9)]
    for n, name in enumerate(names):
        await radio.create_client(name=name, industry=["media", "retail"][n % 2])
    await radio.create_client(name="Elsewhere")
    return names


@pytest.mark.parametrize("limit", [1, 4, 7, 200])
async def test_pages_hold_each_hit_once(radio: Organization, nile: list[str], limit: int) -> None:
    found = await walk(radio, limit, q="nile")
    assert sorted(found) == sorted(nile)
    assert found == await walk(radio, 200, q="nile")
    assert all(name.startswith("Nile") for name in found[:12]), "what begins so comes first"


async def test_exact_begins_holds_misspelt_is_the_order(radio: Organization) -> None:
    for name in ("Mill Pearl", "Pearls", "Pear", "Pearl", "Perl"):
        await radio.create_client(name=name)
    assert await walk(radio, 2, q="pearl") == ["Pearl", "Pearls", "Mill Pearl", "Pear", "Perl"]


async def test_filters_and_sort_and_count_hold_beside_it(
    radio: Organization, nile: list[str]
) -> None:
    found = await walk(radio, 3, q="nile", industry="retail", sort="-name")
    assert found == sorted((n for i, n in enumerate(nile) if i % 2), reverse=True)
    query = {"q": "nile", "industry": "retail", "count": "capped", "limit": "1"}
    answer = await radio.call("manager", "GET", "/v1/clients", params=query)
    assert answer.json()["total"] == len(found)


CROWD = 1203
"""More than a search by rank looks at, wherever in a name the term stands."""


@pytest.fixture
async def crowd(app: FastAPI, radio: Organization) -> dict[str, Any]:
    """Very many hits of two terms; the last one alone is found by something else beside them."""
    names = [f"Ltd {n:04d} Crowd" for n in range(CROWD)]
    await insert_names(app, radio, names)
    return await radio.create_client(name="Zzz Ltd Crowd", tags=["rare"], industry="retail")


@pytest.mark.parametrize("q", ["ltd", "crowd", "zzz ltdd", "crwod", "*crowd", "example"])
async def test_filter_looks_at_every_hit(
    radio: Organization, crowd: dict[str, Any], q: str
) -> None:
    email = "late@x.example"
    path = f"/v1/clients/{crowd['id']}"
    assert (await radio.call("admin", "PATCH", path, json={"emails": [email]})).status_code == 200
    for filters in ({"tags": "rare"}, {"industry": "retail"}, {"emails": email}):
        query = {"q": q, **filters}
        answer = await radio.call("manager", "GET", "/v1/clients", params=query)
        assert [row["id"] for row in answer.json()["data"]] == [crowd["id"]], query
    leaf = {"or": [{"field": "tags", "op": "eq", "value": "rare"}] * 2}
    answer = await radio.call(
        "manager", "POST", "/v1/clients/search", json={"q": q, "version": 1, "filter": leaf}
    )
    assert [row["id"] for row in answer.json()["data"]] == [crowd["id"]]


async def test_sort_looks_at_every_hit(radio: Organization, crowd: dict[str, Any]) -> None:
    for q in ("ltd", "crowd"):
        for sort in ("-created_at", "-name"):
            query = {"q": q, "sort": sort, "limit": "5"}
            answer = await radio.call("manager", "GET", "/v1/clients", params=query)
            assert answer.json()["data"][0]["id"] == crowd["id"], query
        walked = await walk(radio, 200, q=q, sort="name")
        assert walked == [f"Ltd {n:04d} Crowd" for n in range(CROWD)] + ["Zzz Ltd Crowd"]


async def test_count_is_of_every_hit(radio: Organization, crowd: dict[str, Any]) -> None:
    assert crowd
    for q in ("ltd", "crowd"):
        for count in ("exact", "capped"):
            query = {"q": q, "count": count, "limit": "1"}
            answer = await radio.call("manager", "GET", "/v1/clients", params=query)
            assert answer.json()["total"] == CROWD + 1, query


async def test_more_hits_than_can_be_looked_at_are_refused_and_not_cut(
    radio: Organization, nile: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a bound that these few hits pass; its true one is of ten thousand."""
    for most, status in ((len(nile), 200), (len(nile) - 1, 422)):
        monkeypatch.setattr(listing, "ALL", Bounds(most + 1, most + 1, most + 1))
        for more in ({"industry": "retail"}, {"sort": "name"}, {"count": "exact"}):
            query = {"q": "nile", **more}
            answer = await radio.call("manager", "GET", "/v1/clients", params=query)
            assert answer.status_code == status, query
        body = {"q": "nile", "sort": "name"}
        in_body = await radio.call("manager", "POST", "/v1/clients/search", json=body)
        assert in_body.status_code == status
    [fault] = answer.json()["errors"]
    assert (fault["parameter"], fault["code"]) == ("q", "too_many_hits")
    assert "20 hits" in fault["detail"]
    [fault] = in_body.json()["errors"]
    assert (fault["pointer"], fault["code"]) == ("/q", "too_many_hits")
    assert len(await walk(radio, 7, q="nile")) == len(nile), "the best hits are answered"


async def test_cursor_belongs_to_its_term(radio: Organization, nile: list[str]) -> None:
    assert nile
    first = await radio.call("manager", "GET", "/v1/clients", params={"q": "nile", "limit": "2"})
    cursor = first.json()["next_cursor"]
    for query in ({"q": "tours"}, {"sort": "name"}, {}):
        params = {"cursor": cursor, "limit": "2", **query}
        answer = await radio.call("manager", "GET", "/v1/clients", params=params)
        assert answer.status_code == 400, query


async def test_persons_are_found_by_name_address_and_number(radio: Organization) -> None:
    made = await radio.create_contact(
        name="Ada Nakato", emails=["ada@nakato.example"], phones=["0772 654321"]
    )
    await radio.create_contact(name="Grace Atim")
    for q in ("nakato", "naktao ada", "ada@nakato", "654321", "ada n*"):
        answer = await radio.call("front_desk", "GET", "/v1/contacts", params={"q": q})
        assert [row["id"] for row in answer.json()["data"]] == [made["id"]], q


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("q", "code"),
    [
        ("", "too_short"),
        ("   ", "too_short"),
        ("*", "too_short"),
        ("???", "too_short"),
        ("%_", "too_short"),
        ("*a*", "too_short"),
        ("x" * 201, "too_long"),
        ("a\nb", "invalid_text"),
        ("a" + "\u0301" * 40, "invalid_text"),
    ],
)
async def test_term_that_cannot_be_searched_says_what_to_send(
    radio: Organization, path: str, q: str, code: str
) -> None:
    answer = await radio.call("admin", "GET", path, params={"q": q})
    assert answer.status_code == 422, answer.text
    [fault] = answer.json()["errors"]
    assert (fault["parameter"], fault["code"]) == ("q", code)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "q",
    [
        "(.*)+$", "[a-z]", "a|b", "\\", "\\a%", "'; DROP TABLE clients; --", "a" * 200, "é́", "名",
        "株式会社東京", "🦆a", "-a", "a b c d e f g h i j", "1" * 40, "c-999999999999999999",
        "@x", "a@b@c", "x*y?z", "%41a", "{1,2}", '"a"', "ﷺa", "a' OR 1=1",
    ],
)  # fmt: skip
async def test_hostile_terms_are_only_text(radio: Organization, path: str, q: str) -> None:
    await radio.create_client(name="Qwxv", emails=["q@wxv.example"])
    answer = await radio.call("admin", "GET", path, params={"q": q})
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 200:
        assert answer.json()["data"] == []


async def test_bytes_that_are_no_text_and_a_megabyte_are_refused(radio: Organization) -> None:
    answer = await radio.call("admin", "GET", "/v1/clients?q=%ED%A0%80a")
    assert answer.status_code == 422
    answer = await radio.call("admin", "GET", f"/v1/clients?q={'a' * 9000}")
    assert answer.status_code in (414, 422)


async def test_term_is_sent_once_and_only_where_it_is_known(radio: Organization) -> None:
    answer = await radio.call("admin", "GET", "/v1/clients?q=ab&q=cd")
    assert answer.status_code == 422
    made = await radio.create_client()
    for path in ("/v1/users", f"/v1/clients/{made['id']}", "/v1/catalogues/types"):
        answer = await radio.call("admin", "GET", path, params={"q": "abc"})
        assert answer.status_code == 422, path


async def test_suggestion_says_what_was_hit(radio: Organization) -> None:
    made = await radio.create_client(
        name="Jinja Bakery",
        emails=["post@jinja-bakery.example", "orders@jb.example"],
        phones=["0772 111222", "0772 333444"],
        contacts=[{"contact": {"name": "Ada Nakato"}}, {"contact": {"name": "Grace Atim"}}],
    )
    own = {"id": made["id"], "number": made["number"], "name": made["name"], "lifecycle": "live"}
    cases: dict[str, tuple[str, Any]] = {
        "jin": ("name", "Jinja Bakery"),
        "bakrey": ("name", "Jinja Bakery"),
        made["number"]: ("number", made["number"]),
        "orders@": ("email", "orders@jb.example"),
        "333444": ("phone", "+256 772 333444"),
        "grace": ("contact", "Grace Atim"),
    }
    for q, (matched, snippet) in cases.items():
        answer = await radio.call("manager", "GET", "/v1/clients/suggest", params={"q": q})
        assert answer.json()["data"] == [own | {"matched": matched, "snippet": snippet}], q
    answer = await radio.call("presenter", "GET", "/v1/clients/suggest", params={"q": "jin"})
    assert answer.json()["data"] == [own | {"matched": "name", "snippet": "Jinja Bakery"}]


async def test_suggestions_are_few(radio: Organization, nile: list[str]) -> None:
    assert nile
    for limit, count in ((None, 10), ("3", 3), ("20", 20)):
        query = {"q": "nile"} | ({"limit": limit} if limit else {})
        answer = await radio.call("manager", "GET", "/v1/clients/suggest", params=query)
        assert len(answer.json()["data"]) == count
    for query in ({"limit": "21", "q": "nile"}, {"limit": "3"}, {"q": "nile", "sort": "name"}):
        answer = await radio.call("manager", "GET", "/v1/clients/suggest", params=query)
        assert answer.status_code == 422, query
