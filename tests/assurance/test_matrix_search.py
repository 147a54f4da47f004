"""The matrix of search: each role finds by just what the matrix says, on each surface."""

from typing import Any

import pytest

from crm_api.kit.fields import RESOURCES
from tests.assurance.golden import ROLES, table
from tests.factories import Organization

TERMS = {
    "clients.name": "Wolfram Works",
    "clients.emails": "desk@tungsten.example",
    "clients.phones": "0772 481516",
    "clients.people": "Xanthe",
    "contacts.name": "Xanthe Byakika",
    "contacts.emails": "xb@byakika.example",
    "contacts.phones": "0772 234299",
}
"""What each column of the two records holds, and nothing else of them; the number is given."""


@pytest.fixture
async def terms(radio: Organization) -> dict[str, str]:
    person = {
        "name": TERMS["contacts.name"],
        "emails": [TERMS["contacts.emails"]],
        "phones": [TERMS["contacts.phones"]],
    }
    made = await radio.create_client(
        name=TERMS["clients.name"],
        emails=[TERMS["clients.emails"]],
        phones=[TERMS["clients.phones"]],
        contacts=[{"contact": person}],
    )
    return TERMS | {"clients.number": made["number"]}


def test_each_column_has_a_row() -> None:
    declared = {f"{cls.resource}.{name}" for cls in RESOURCES.values() for name in cls.searched}
    assert declared == set(table("search"))


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_finds_by_what_the_matrix_says(
    radio: Organization, terms: dict[str, str], role: str
) -> None:
    for column, cells in table("search").items():
        resource = column.partition(".")[0]
        finds = cells[role] == "+"
        for path in (f"/v1/{resource}", f"/v1/{resource}/suggest"):
            answer = await radio.call(role, "GET", path, params={"q": terms[column]})
            found: Any = answer.json().get("data", []) if answer.status_code != 403 else []
            assert len(found) == int(finds), (column, path, answer.text)
