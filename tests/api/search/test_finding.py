"""What `?q=` finds: parts, misspellings, numbers, addresses, phones, persons; in which order."""

from typing import Any

import pytest
from fastapi import FastAPI

from tests.factories import Organization, insert_names


async def found(radio: Organization, q: str, role: str = "admin", **more: Any) -> list[str]:
    """The names that a search answers, in its order."""
    path = more.pop("path", "/v1/clients")
    answer = await radio.call(role, "GET", path, params={"q": q, "fields": "name", **more})
    assert answer.status_code == 200, answer.text
    return [row["name"] for row in answer.json()["data"]]


@pytest.fixture
async def stocked(radio: Organization) -> Organization:
    """An organization with a few clients, each to be found in its own way."""
    await radio.create_client(
        name="Arnie Morton's of Chicago",
        emails=["info@mortons-chicago.example"],
        phones=["+13102461501"],
    )
    await radio.create_client(name="Arts Delicatessen", phones=["+18187621221"])
    await radio.create_client(name="Hotel Bel-Air", phones=["+13104721211"])
    await radio.create_client(name="Café Bizou Ltd")
    await radio.create_client(name="Spago")
    await radio.create_client(
        name="Jinja Bakery", contacts=[{"contact": {"name": "Ada Nakato"}}], phones=["0772 123456"]
    )
    await radio.create_client(name="100% Juice_Bar")
    return radio


@pytest.mark.parametrize(
    ("q", "name"),
    [
        ("arnie mortons", "Arnie Morton's of Chicago"),
        ("delicatesen", "Arts Delicatessen"),
        ("delicatasen", "Arts Delicatessen"),
        ("bel air hotel", "Hotel Bel-Air"),
        ("cafe", "Café Bizou Ltd"),
        ("CAFÉ biz", "Café Bizou Ltd"),
        ("spgo", "Spago"),
        ("psago", "Spago"),
        ("spagos", "Spago"),
        ("artsdelicatessen", "Arts Delicatessen"),
        ("deli catessen", "Arts Delicatessen"),
        ("jinja", "Jinja Bakery"),
        ("akery", "Jinja Bakery"),
        ("nakato", "Jinja Bakery"),
        ("ada nak", "Jinja Bakery"),
        ("0772 123456", "Jinja Bakery"),
        ("+256 (0)772-123 456", "Jinja Bakery"),
        ("123456", "Jinja Bakery"),
        ("3456", "Jinja Bakery"),
        ("310/246-1501", "Arnie Morton's of Chicago"),
        ("info@mortons-chicago.example", "Arnie Morton's of Chicago"),
        ("INFO@mort", "Arnie Morton's of Chicago"),
        ("chicago.exam", "Arnie Morton's of Chicago"),
        ("jin*ery", "Jinja Bakery"),
        ("jin?a", "Jinja Bakery"),
        ("bak*", "Jinja Bakery"),
        ("*catessen", "Arts Delicatessen"),
        ("*@mortons-chicago.example", "Arnie Morton's of Chicago"),
        ("25677212345?", "Jinja Bakery"),
        ("100%", "100% Juice_Bar"),
        ("juice_b", "100% Juice_Bar"),
    ],
)
async def test_term_finds(stocked: Organization, q: str, name: str) -> None:
    assert (await found(stocked, q))[:1] == [name]


@pytest.fixture
async def rung(radio: Organization) -> Organization:
    """Clients with the digits of others: in the middle, at the beginning, in their own numbers."""
    await radio.create_client(name="Ends So", phones=["+18189900500"])
    await radio.create_client(name="Ends Alike", phones=["+12129961212", "+13104720034"])
    for n in range(6):
        await radio.create_client(name=f"Begins {n}", phones=[f"+1212555060{n}"])
        await radio.create_client(name=f"Holds {n}", phones=[f"+1310340500{n}"])
        await radio.create_client(name=f"At Home {n}", phones=[f"0312 12129{n}"])
    return radio


@pytest.mark.parametrize(
    ("q", "names"),
    [
        ("0500", ["Ends So"]),
        ("990-0500", ["Ends So"]),
        ("*0500", ["Ends So"]),
        ("?8189900500", ["Ends So"]),
        ("0312 12129?", [f"At Home {n}" for n in range(6)]),
        ("0034", ["Ends Alike"]),
        ("*0034", ["Ends Alike"]),
        ("1212", ["Ends Alike"]),
        ("1212*", [*(f"Begins {n}" for n in range(6)), "Ends Alike"]),
        ("0312", [f"At Home {n}" for n in range(6)]),
        ("0312*", [f"At Home {n}" for n in range(6)]),
        ("0312 121 290", ["At Home 0"]),
        ("00256 312 121290", ["At Home 0"]),
        ("00256312*", [f"At Home {n}" for n in range(6)]),
        ("256 (0) 312 121290", ["At Home 0"]),
    ],
)
async def test_digits_of_a_phone_find_it_first(
    rung: Organization, q: str, names: list[str]
) -> None:
    assert (await found(rung, q))[: len(names)] == names
    first = await rung.call("admin", "GET", "/v1/clients/suggest", params={"q": q})
    assert [row["name"] for row in first.json()["data"]][: len(names)] == names


async def test_suggestion_shows_the_phone_that_ends_so(radio: Organization) -> None:
    phones = ["+18185000500", "+13104720034", "0772 123456"]
    await radio.create_client(name="Three Lines", phones=phones)
    for q, shown in (("0034", "+1 310-472-0034"), ("0772", "+256 772 123456")):
        answer = await radio.call("admin", "GET", "/v1/clients/suggest", params={"q": q})
        [one] = answer.json()["data"]
        assert (one["matched"], one["snippet"]) == ("phone", shown)


async def test_end_of_a_phone_is_found_among_very_many_numbers(
    app: FastAPI, owner: Any, radio: Organization
) -> None:
    """More records hold the digits, in their own numbers too, than a search looks at."""
    await insert_names(app, radio, [f"Filler {n}" for n in range(300)])
    await owner.execute(
        "UPDATE client_search SET number = number * 10000 + 500, phones = ' 105000' || number "
        "|| ' ' WHERE organization_id = $1",
        radio.organization_id,
    )
    made = await radio.create_client(name="Rings", phones=["+18189900500"])
    assert (await found(radio, "0500"))[:1] == [made["name"]]
