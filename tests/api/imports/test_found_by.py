"""By what a row may find its client: by nothing that the importer may not read."""

from collections.abc import Mapping
from typing import Any, Final

import pytest

from tests.api.imports.lists import List, sent, taken, work
from tests.api.imports.test_rights import become
from tests.checks import refused
from tests.factories import Organization

# From the matrix: what a row is matched by, the group of that field, and the column of a list.
MATCHES: Final = {
    "number": ("identity", "number"),
    "email": ("reach", "email"),
    "external_ref": ("card", "external_ref"),
}
GROUPS: Final = ("identity", "name", "card", "reach", "registration", "remarks")
IMPORTS: Final = ("clients:import", "imports.import:read_own", "operations.operation:read_own")
WRITES: Final = (
    "clients.card:create",
    *(f"clients.{g}:{a}" for g in GROUPS[1:] if g != "card" for a in ("create", "update")),
)


async def key(radio: Organization, *scopes: str) -> str:
    """An API key of these scopes; the name under which the organization calls with it."""
    body = {"name": "Key", "scopes": scopes}
    made = await radio.call("admin", "POST", "/v1/api-keys", json=body)
    assert made.status_code == 201, made.text
    radio.tokens["key"] = made.json()["key"]
    return "key"


async def without(radio: Organization, *hidden: str) -> str:
    """A key that writes all, and reads all groups but these."""
    reads = [f"clients.{group}:read" for group in GROUPS if group not in hidden]
    return await key(radio, *reads, *WRITES, *IMPORTS)


async def there(radio: Organization, **more: Any) -> dict[str, Any]:
    refs = [{"source": "erp", "id": "CANARY-1"}]
    fields: dict[str, Any] = {
        "name": "Canary Ltd",
        "emails": ["canary@there.example"],
        "registration_country": "UG",
        "registration_number": "80020001234567",
        "remarks": "Before",
    }
    return await radio.create_client(external_refs=refs, **(fields | more))


async def remarks(radio: Organization, client: dict[str, Any]) -> str:
    answer = await radio.call("admin", "GET", f"/v1/clients/{client['id']}")
    found: str = answer.json()["remarks"]
    return found


def cells(client: dict[str, Any], match_by: str) -> tuple[str, str]:
    """What names this client, and what names none."""
    return {
        "number": (client["number"], "C-999999"),
        "email": ("canary@there.example", "nobody@there.example"),
        "external_ref": ("CANARY-1", "CANARY-2"),
    }[match_by]


@pytest.mark.parametrize(
    ("match_by", "mode"), [("number", "update"), ("email", "upsert"), ("external_ref", "update")]
)
async def test_a_row_finds_its_client_by_what_the_importer_reads(
    radio: Organization, match_by: str, mode: str
) -> None:
    client = await there(radio)
    group, title = MATCHES[match_by]
    settings = {"mode": mode, "match_by": match_by, "source": "erp"}
    for hidden in GROUPS:
        role = await without(radio, hidden)
        told = []
        for cell in cells(client, match_by)[: 2 if hidden == group else 1]:
            content = f"{title},name,remarks\r\n{cell},Canary Ltd,By {hidden}\r\n"
            found = await sent(radio, content, role=role, **settings)
            told.append(await refusals(found) if hidden == group else [])
            if hidden != group:
                (row,) = (await found.call("GET", "/preview")).json()["data"]
                assert row["outcome"] == "updated", (hidden, row)
        # Whether there is such a client makes no difference.
        assert told[0] == told[-1]
    assert await remarks(radio, client) == "Before"


async def refusals(found: List) -> list[Any]:
    """What is told of the list by all that would decide its rows."""
    told = []
    places = (("GET", "/preview"), ("POST", "/commit?dry_run=true"), ("POST", "/commit"))
    for method, place in places:
        problem = refused(await found.call(method, place), 403, "field_not_readable")
        assert [fault["pointer"] for fault in problem["errors"]] == ["/match_by"]
        told.append({name: problem[name] for name in ("title", "detail", "errors")})
    assert (await found.read())["state"] == "uploaded"
    return told


async def test_a_mode_that_matches_nothing_asks_for_no_right_to_read(radio: Organization) -> None:
    role = await without(radio, "identity", "card", "reach")
    content = "name,email\r\nPearl Ltd,hello@pearl.example\r\n"
    found = await taken(radio, content, role=role, match_by="number")
    assert await found.counts() == {"created": 1}


async def test_a_right_to_read_that_is_lost_meanwhile_ends_the_import(radio: Organization) -> None:
    client = await there(radio)
    scopes = ["clients.identity:read", "clients.remarks:read", "clients.remarks:update", *IMPORTS]
    role = await become(radio, "clients.card:read", *scopes)
    content = "external_ref,remarks\r\nCANARY-1,Written\r\n"
    found = await sent(
        radio, content, role=role, mode="update", match_by="external_ref", source="erp"
    )
    location = (await found.call("POST", "/commit")).headers["location"]
    roles = (await radio.call("admin", "GET", "/v1/roles?name=Own")).json()["data"]
    path = f"/v1/roles/{roles[0]['id']}"
    answer = await radio.call("admin", "PATCH", path, json={"scopes": scopes})
    assert answer.status_code == 200, answer.text
    await work(radio)
    ended = (await radio.call("admin", "GET", location)).json()
    assert (ended["state"], ended["error"]["code"]) == ("failed", "field_not_readable")
    assert await remarks(radio, client) == "Before"


# Of a new client that is there already: which group hides by what it was found, and the row.
ROWS: Final[Mapping[str, tuple[str, dict[str, str]]]] = {
    "name": ("name", {"name": "Canary Ltd"}),
    "email": ("reach", {"email": "canary@there.example"}),
    "registration": (
        "registration",
        {"registration_country": "UG", "registration_number": "80020001234567"},
    ),
    "reference": ("card", {"external_ref": "CANARY-1"}),
}
CODES: Final = {
    "name": "duplicate_name",
    "email": "email_in_use",
    "registration": "registration_number_in_use",
    "reference": "reference_in_use",
}


@pytest.mark.parametrize("by", list(ROWS))
async def test_a_duplicate_is_changed_by_what_the_importer_reads(
    radio: Organization, by: str
) -> None:
    client = await there(radio)
    group, own = ROWS[by]
    cells_of = {"name": "Other", "email": "new@there.example", "remarks": "After"} | own
    content = f"{','.join(cells_of)}\r\n{','.join(cells_of.values())}\r\n"
    for hidden in GROUPS:
        role = await without(radio, hidden)
        found = await sent(radio, content, role=role, on_duplicate="update", source="erp")
        (row,) = (await found.call("GET", "/preview")).json()["data"]
        if hidden != group:
            assert row["outcome"] == "updated", (hidden, row)
            continue
        # As a create says it: somebody has this. Nobody is chosen by it.
        assert row["outcome"] == "duplicate"
        assert [error["code"] for error in row["errors"]] == [CODES[by]]
        assert row["client_id"] is None
        await found.run()
        assert await found.counts() == {"duplicate": 1}
    assert await remarks(radio, client) == "Before"


async def test_an_individual_is_found_by_all_that_makes_it_one(radio: Organization) -> None:
    person = {"kind": "individual", "name": "Grace Atim", "emails": [], "phones": ["+256772123456"]}
    client = await there(radio, registration_number=None, registration_country=None, **person)
    content = "kind,name,phone,remarks\r\nindividual,Grace Atim,+256772123456,After\r\n"
    for hidden, outcome in (("reach", "duplicate"), ("card", "updated")):
        role = await without(radio, hidden)
        found = await sent(radio, content, role=role, on_duplicate="update")
        (row,) = (await found.call("GET", "/preview")).json()["data"]
        assert row["outcome"] == outcome, row
    assert await remarks(radio, client) == "Before"


async def test_an_outcome_tells_nothing_of_a_field_that_is_written_unseen(
    radio: Organization,
) -> None:
    client = await there(radio)
    role = await without(radio, "remarks")
    told = []
    for guess in ("Before", "Wrong"):
        content = f"number,remarks\r\n{client['number']},{guess}\r\n"
        found: List = await sent(radio, content, role=role, mode="update", match_by="number")
        told.append((await found.call("GET", "/preview")).json()["data"][0]["outcome"])
    assert told == ["updated", "updated"]
    content = f"number,remarks\r\n{client['number']},Before\r\n"
    found = await taken(radio, content, role=role, mode="update", match_by="number")
    assert await found.counts() == {"updated": 1}
    assert (await found.run("/revert"))["result"] == {"reverted": 1, "revert_refused": 0}
    assert await remarks(radio, client) == "Before"
