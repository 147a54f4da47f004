"""How well a name is found that was mistyped once: the record itself among the first five."""

import csv
import os
import random
import string
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.architecture.sources import ROOT
from tests.factories import Organization, insert_names

NAMES = (ROOT / "tests" / "fixtures" / "business_names.txt").read_text("utf-8").splitlines()
FIRST, SHARE = 5, 0.97
CODES = ("0500", "0034", "1212", "3103", "0000", "2123")
"""Ends of numbers that begin or go on like the numbers of others."""


def mistyped(chance: random.Random, name: str) -> str:
    """One letter inserted, left out, replaced, or swapped with its neighbour."""
    place, letter = chance.randrange(len(name)), chance.choice(string.ascii_lowercase)
    match chance.choice(["insert", "delete", "substitute", "transpose"]):
        case "insert":
            return name[:place] + letter + name[place:]
        case "delete":
            return name[:place] + name[place + 1 :]
        case "substitute":
            return name[:place] + letter + name[place + 1 :]
    place = min(place, len(name) - 2)
    return name[:place] + name[place + 1] + name[place] + name[place + 2 :]


async def missed(radio: Organization, names: Sequence[str], seed: int) -> list[tuple[str, str]]:
    """The names that their mistyped form does not lead to, with that form."""
    chance = random.Random(seed)
    found = []
    for name in names:
        typed = mistyped(chance, name)
        params = {"q": typed, "limit": str(FIRST), "fields": "name"}
        answer = await radio.call("front_desk", "GET", "/v1/clients", params=params)
        hits = [row["name"] for row in answer.json().get("data", [])]
        if name not in hits:
            found.append((name, typed))
    return found


@pytest.mark.parametrize("seed", [1, 2])
async def test_mistyped_name_leads_to_its_record(
    app: FastAPI, radio: Organization, seed: int
) -> None:
    assert len(NAMES) == 300
    await insert_names(app, radio, NAMES)
    lost = await missed(radio, NAMES, seed)
    assert len(lost) <= (1 - SHARE) * len(NAMES), lost


async def unheard(radio: Organization, phones: Mapping[str, str]) -> list[tuple[str, str]]:
    """The names that the last four digits of their phone do not lead to, with the phone."""
    found = []
    for name, phone in phones.items():
        params = {"q": phone[-4:], "limit": str(FIRST), "fields": "name"}
        answer = await radio.call("front_desk", "GET", "/v1/clients", params=params)
        if name not in [row["name"] for row in answer.json()["data"]]:
            found.append((name, phone))
    return found


async def test_last_four_digits_lead_to_their_record(app: FastAPI, radio: Organization) -> None:
    chance = random.Random(4)
    # Of two area codes, as in one town: the beginning tells nothing, and stands in many.
    numbers = {
        n: f"+1{chance.choice(['212', '310'])}{chance.randint(2000000, 9999999)}" for n in NAMES
    }
    numbers |= {name: f"+1310555{end}" for name, end in zip(NAMES, CODES, strict=False)}
    await insert_names(app, radio, list(numbers), list(numbers.values()))
    asked = {name: numbers[name] for name in NAMES[:60]}
    lost = await unheard(radio, asked)
    assert len(lost) <= (1 - SHARE) * len(asked), lost


def restaurants() -> tuple[list[str], dict[str, str]]:
    """The names of the two lists, each once, and the phones that these have in the first."""
    folder = os.environ.get("CRM_API_SAMPLE_DATA")
    if folder is None:
        pytest.skip("CRM_API_SAMPLE_DATA does not name a folder with the restaurant lists")
    names: dict[str, str] = {}
    phones: dict[str, str] = {}
    for file in ("fodors.csv", "zagats.csv"):
        with (Path(folder) / file).open(newline="", encoding="utf-8") as rows:
            for row in csv.DictReader(rows):
                letters = "".join(c for c in row["name"] if c.isalnum())
                name = names.setdefault(letters, " ".join(row["name"].split()))
                phones.setdefault(name, "+1" + "".join(c for c in row["phone"] if c.isdigit())[:10])
    return list(names.values()), phones


async def test_mistyped_names_of_the_restaurants_lead_to_their_records(
    app: FastAPI, radio: Organization
) -> None:
    names, _ = restaurants()
    await insert_names(app, radio, names)
    lost = await missed(radio, names, 3)
    assert len(lost) <= (1 - SHARE) * len(names), lost


async def test_last_four_digits_of_the_restaurants_lead_to_their_records(
    app: FastAPI, radio: Organization
) -> None:
    names, phones = restaurants()
    await insert_names(app, radio, names, [phones[name] for name in names])
    lost = await unheard(radio, phones)
    assert len(lost) <= (1 - SHARE) * len(phones), lost
