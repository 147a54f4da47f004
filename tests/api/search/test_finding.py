"""What `?q=` finds: parts, misspellings, numbers, addresses, phones, persons; in which order."""

from typing import Any

import pytest

from tests.factories import Organization


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
