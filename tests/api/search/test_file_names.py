"""Global search finds files by their names: for who may read the file and all that it hangs on."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI

from crm_api.core.formats.names import text_queries
from crm_api.files.sweeping import purge_deleted
from tests.api.search.conftest import Found, ids
from tests.checks import Owner
from tests.factories import Organization

ROWS = "SELECT count(*) FROM file_search WHERE organization_id = $1"
REMARKS = ("clients.identity:read", "clients.remarks:read")


async def done(found: Found, role: str, method: str, path: str, **more: Any) -> None:
    answer = await found.organization.call(role, method, path, **more)
    assert answer.status_code < 300, answer.text


async def test_name_is_found_by_each_of_its_parts(found: Found) -> None:
    file = await found.file("Q3_report-Osprey.final.PDF")
    for term in ("q3 report", "final", "pdf", "osprey.final.pdf", "Q3_report-Osprey.final.PDF"):
        assert ids(await found.search(term, kinds="file")) == [file["id"]], term
    assert await found.search("report draft", kinds="file") == []


async def test_each_role_finds_the_kinds_that_it_reads(found: Found) -> None:
    """Assessments are for managers, and presenters read no kind at all."""
    kinds = ("general", "service", "preference", "special_requirement", "escalation")
    made = {kind: (await found.file("Osprey", kind))["id"] for kind in kinds}
    by_role = {role: await found.search("osprey", role) for role in ("admin", "manager")}
    assert all(set(ids(hits)) == set(made.values()) for hits in by_role.values())
    assert await found.search("osprey", "presenter") == []
    for kind, row_id in made.items():
        read = await found.organization.call("front_desk", "GET", f"/v1/files/{row_id}")
        hits = await found.search("osprey", "front_desk", kinds="file")
        assert (row_id in ids(hits)) == (read.status_code == 200), kind


async def test_search_row_goes_with_the_file(found: Found, owner: Owner, app: FastAPI) -> None:
    """Renamed, of another kind, deleted, restored, and gone for good."""
    org = found.organization.organization_id
    file = await found.file("Plover.pdf")
    path = f"/v1/files/{file['id']}"
    await done(found, "manager", "PATCH", path, json={"name": "Heron.pdf"})
    assert await found.search("plover") == []
    assert ids(await found.search("heron")) == [file["id"]]
    ask = await found.key(*REMARKS)
    assert ids((await ask("heron")).json()["data"]) == [file["id"]]
    await done(found, "manager", "PATCH", path, json={"kind": "escalation"})
    assert (await ask("heron")).json() == {"data": []}
    await done(found, "manager", "DELETE", path)
    assert await found.search("heron", "admin") == []
    await done(found, "admin", "POST", f"{path}/restore")
    assert ids(await found.search("heron")) == [file["id"]]
    await done(found, "manager", "DELETE", path)
    assert await owner.fetchval(ROWS, org) == 1
    assert await purge_deleted(app.state.db, org, kept_days=0) == 1
    assert await owner.fetchval(ROWS, org) == 0


async def test_document_is_found_by_its_name(found: Found) -> None:
    """Also by that of its next version, where it brings one."""
    sent = {"file": ("Gannet.txt", b"minutes")}
    answer = await found.organization.call("admin", "POST", f"{found.place}/files", files=sent)
    file = answer.json()
    assert ids(await found.search("gannet")) == [file["id"]]
    path = f"/v1/files/{file['id']}"
    await done(found, "admin", "POST", f"{path}/versions", files={"file": ("Ibis.txt", b"more")})
    name = (await found.organization.call("admin", "GET", path)).json()["name"]
    assert ids(await found.search(name)) == [file["id"]]


@pytest.fixture
async def hung(found: Found) -> dict[str, dict[str, Any]]:
    """`Osprey` on a person, on a call of the client, and on a call of no client."""
    call = {"kind": "call", "participants": [{"name": "Ada"}]}
    places = {
        "person": f"/v1/contacts/{(await found.organization.create_contact())['id']}",
        "call": f"/v1/communications/{(await found.call())['id']}",
        "apart": f"/v1/communications/{(await found.post('/v1/communications', call))['id']}",
    }
    return {
        name: await found.file("Osprey", place=place) | {"place": place}
        for name, place in places.items()
    }


async def test_what_it_hangs_on_must_be_read(found: Found, hung: dict[str, dict[str, Any]]) -> None:
    by_rights = {
        (): set(),
        ("contacts.person:read",): {"person"},
        ("communications.communication:read",): {"call", "apart"},
    }
    for rights, names in by_rights.items():
        answer = await (await found.key(*REMARKS, *rights))("osprey", kinds="file")
        assert set(ids(answer.json()["data"])) == {hung[name]["id"] for name in names}, rights


async def test_what_it_hangs_on_must_be_there(
    found: Found, hung: dict[str, dict[str, Any]]
) -> None:
    """The person, the communication, and the client; who opens what was deleted finds on."""
    reader = await found.key(*REMARKS, "contacts.person:read", "communications.communication:read")
    left = {name: one["id"] for name, one in hung.items()}
    gone = {"person": hung["person"]["place"], "apart": hung["apart"]["place"], "call": found.place}
    for name, place in gone.items():
        assert set(ids((await reader("osprey")).json()["data"])) == set(left.values())
        await done(found, "admin", "DELETE", place)
        del left[name]
    assert (await reader("osprey")).json() == {"data": []}
    assert set(ids(await found.search("osprey", "admin"))) == {one["id"] for one in hung.values()}
    # Managers open communications that were deleted, and neither persons nor clients.
    assert ids(await found.search("osprey")) == [hung["apart"]["id"]]
    for name, status in (("person", 404), ("apart", 200), ("call", 404)):
        path = f"/v1/files/{hung[name]['id']}"
        assert (await found.organization.call("manager", "GET", path)).status_code == status


async def test_hidden_files_take_no_place_of_visible_ones(
    found: Found, hung: dict[str, dict[str, Any]]
) -> None:
    """By their kind, and by where they hang; however many there are."""
    seen = await found.file("Osprey seen")
    for one in hung.values():
        for _ in range(2):
            await found.file("Osprey hidden", place=one["place"])
    for _ in range(3):
        await found.file("Osprey hidden", "escalation")
    answer = await (await found.key(*REMARKS))("osprey", limit="1")
    assert ids(answer.json()["data"]) == [seen["id"]]


async def test_bounds_of_the_function_count_what_is_seen(
    found: Found, hung: dict[str, dict[str, Any]], owner: Owner
) -> None:
    """Beyond the latest too: one hit is held of the index, and it is one that is seen."""
    seen = await found.file("Osprey seen")
    for one in hung.values():
        await found.file("Osprey hidden", place=one["place"])
    await found.file("Osprey hidden", "escalation")
    org = found.organization.organization_id
    words, index = text_queries("osprey", org.bytes) or ("", "")
    asked = (
        "SELECT id FROM search_files($1, $2, ARRAY['general'], ARRAY['live'], "
        "ARRAY[]::text[], ARRAY[]::text[], $3, 1, 1)"
    )
    async with owner.transaction():
        await owner.execute(f"SET LOCAL app.organization_id = '{org}'")
        for recent in (0, 1, 1000):
            rows = await owner.fetch(asked, words, index, recent)
            assert [row["id"] for row in rows] == [UUID(seen["id"])], recent


async def test_files_of_others_are_not_looked_at(
    found: Found, establish: Callable[..., Awaitable[Organization]]
) -> None:
    other = await establish("radio")
    theirs = Found(other, await other.create_client(name="Kingfisher Hotel"))
    made = await theirs.file("Osprey")
    assert await found.search("osprey") == []
    assert ids(await theirs.search("osprey")) == [made["id"]]
