"""What the pages say stays true: tables follow from the code, links lead somewhere."""

import re
from pathlib import Path

import pytest

from crm_api.clients.drafting import SETTLED
from crm_api.clients.repository import CHILDREN
from crm_api.kit.fields import Rule
from tests.architecture.sources import ROOT, short
from tools import docs

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCED = re.compile(r"^ *```.*?^ *```$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
PATH = re.compile(r"(?:src/crm_api|tests|tools|docs|openapi|migrations|benchmarks)/[\w./-]*\w")
INSIDE = re.compile(r"(?:core|kit|identity|openapi|models|clients|contacts)/[\w-]+\.py")
MAKE = re.compile(r"`make ([a-z-]+)")

every_page = pytest.mark.parametrize("page", PAGES, ids=short)


def prose(page: Path) -> str:
    return FENCED.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """The fragments of a page's headings, as the usual renderers make them."""
    heads = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", docs.PAGES)
def test_table_is_what_the_code_says(page: str) -> None:
    assert docs.current(page) == (ROOT / page).read_text("utf-8"), "run make docs"


@every_page
def test_link_leads_to_a_page_and_a_heading(page: Path) -> None:
    broken = []
    for target in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (fragment and fragment not in anchors(found)):
            broken.append(target)
    assert not broken


@every_page
def test_file_that_is_named_is_there(page: Path) -> None:
    named = [part for code in CODE.findall(prose(page)) for part in PATH.findall(code)]
    inside = [part for code in CODE.findall(prose(page)) for part in INSIDE.findall(code)]
    places = {name: ROOT / name for name in named}
    places |= {name: ROOT / "src" / "crm_api" / name for name in inside}
    # The guide to a new resource makes a folder that is not there.
    missing = [n for n, place in places.items() if not place.exists() and "/places" not in n]
    assert not missing


@every_page
def test_target_of_make_that_is_named_exists(page: Path) -> None:
    rules = (ROOT / "Makefile").read_text("utf-8")
    known = set(re.findall(r"^([a-z-]+):.*## ", rules, re.MULTILINE))
    assert set(MAKE.findall(page.read_text("utf-8"))) <= known


def test_guide_to_a_field_names_the_rule_as_it_is() -> None:
    guide = (ROOT / "docs" / "adding-a-field.md").read_text("utf-8")
    assert not [name for name in Rule.__slots__ if name not in guide]
    assert len(SETTLED) > 0
    assert len(CHILDREN) > 0
