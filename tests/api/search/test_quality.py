"""How well a name is found that was mistyped once: the record itself among the first five."""

import csv
import os
import random
import string
from collections.abc import Sequence
from pathlib import Path

import pytest
from fastapi import FastAPI

from tests.architecture.sources import ROOT
from tests.factories import Organization, insert_names

NAMES = (ROOT / "tests" / "fixtures" / "business_names.txt").read_text("utf-8").splitlines()
FIRST, SHARE = 5, 0.97


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


async def test_mistyped_names_of_the_restaurants_lead_to_their_records(
    app: FastAPI, radio: Organization
) -> None:
    folder = os.environ.get("CRM_API_SAMPLE_DATA")
    if folder is None:
        pytest.skip("CRM_API_SAMPLE_DATA does not name a folder with the restaurant lists")
    names: dict[str, str] = {}
    for file in ("fodors.csv", "zagats.csv"):
        with (Path(folder) / file).open(newline="", encoding="utf-8") as rows:
            for row in csv.DictReader(rows):
                letters = "".join(c for c in row["name"] if c.isalnum())
                names.setdefault(letters, " ".join(row["name"].split()))
    await insert_names(app, radio, list(names.values()))
    lost = await missed(radio, list(names.values()), 3)
    assert len(lost) <= (1 - SHARE) * len(names), lost
