"""Clients and contacts by the ids of other systems: made, merged, and in any order of delivery."""

import asyncio
import itertools
import secrets
from typing import Any

import httpx
import pytest

from tests.checks import Owner, assert_chain, change_count, codes, refused
from tests.factories import Organization

Json = dict[str, Any]
RESOURCES = ("clients", "contacts")
EDITED = {"clients": "remarks", "contacts": "honorific"}


def minimal(resource: str) -> Json:
    mark = secrets.token_hex(5)
    return {"name": f"Delivered {mark}"} | (
        {"emails": [f"{mark}@example.com"]} if resource == "clients" else {}
    )


def place(resource: str = "clients", ref: str = "A-17", source: str = "billing") -> str:
    return f"/v1/{resource}/by-ref/{source}/{ref}"


async def put(
    radio: Organization, body: Any, path: str = "", role: str = "admin", **more: Any
) -> httpx.Response:
    return await radio.call(role, "PUT", path or place(), json=body, **more)


@pytest.mark.parametrize("resource", RESOURCES)
async def test_first_delivery_makes_the_record_and_later_ones_merge(
    radio: Organization, resource: str
) -> None:
    body = minimal(resource) | {"version": 3}
    made = await put(radio, body, place(resource))
    assert made.status_code == 201, made.text
    document = made.json()
    one = f"/v1/{resource}/{document['id']}"
    assert made.headers["location"] == one
    assert document.pop("applied") is True
    assert document["external_refs"] == [{"source": "billing", "id": "A-17", "version": 3}]
    read = await radio.call("admin", "GET", one)
    assert read.json() == document
    assert read.headers["etag"] == made.headers["etag"]

    name = EDITED[resource]
    merged = await put(radio, {name: "Dr", "version": 5}, place(resource))
    assert merged.status_code == 200
    assert merged.json()["applied"] is True
    assert merged.json()[name] == "Dr"
    assert merged.json()["name"] == document["name"]
    assert merged.json()["external_refs"][0]["version"] == 5
    by_ref = await radio.call("admin", "GET", place(resource))
    assert by_ref.json() == {k: v for k, v in merged.json().items() if k != "applied"}
    assert by_ref.headers["etag"] == merged.headers["etag"]


@pytest.mark.parametrize("resource", RESOURCES)
@pytest.mark.parametrize("version", [4, 5])
async def test_version_that_is_not_newer_changes_nothing(
    radio: Organization, owner: Owner, resource: str, version: int
) -> None:
    made = (await put(radio, minimal(resource) | {"version": 5}, place(resource))).json()
    before = await change_count(owner, radio.organization_id)
    late = await put(radio, {EDITED[resource]: "late", "version": version}, place(resource))
    assert late.status_code == 200
    assert late.json() == made | {"applied": False}
    assert await change_count(owner, radio.organization_id) == before


async def test_delivery_without_a_version_applies_and_keeps_the_stored_one(
    radio: Organization,
) -> None:
    await put(radio, minimal("clients") | {"version": 5})
    merged = (await put(radio, {"remarks": "by hand"})).json()
    assert (merged["applied"], merged["remarks"]) == (True, "by hand")
    assert merged["external_refs"][0]["version"] == 5
    again = await put(radio, {"remarks": "by hand"})
    assert again.json() == merged


async def test_newer_version_alone_is_kept_too(radio: Organization, owner: Owner) -> None:
    await put(radio, minimal("clients"))
    merged = (await put(radio, {"version": 7})).json()
    assert merged["external_refs"][0]["version"] == 7
    history = (await radio.call("admin", "GET", f"/v1/clients/{merged['id']}/history")).json()
    (change,) = history["data"][0]["changes"]
    assert change["field"] == "external_refs"
    assert await assert_chain(owner, radio.organization_id) == 2


async def test_other_references_of_the_record_stay(radio: Organization) -> None:
    others = [{"source": "erp", "id": "77", "version": 2}]
    made = await put(radio, minimal("clients") | {"external_refs": others, "version": 1})
    first = {"source": "billing", "id": "A-17", "version": 1}
    assert made.json()["external_refs"] == [first, *others]
    merged = await put(radio, {"version": 4, "remarks": "x"})
    assert merged.json()["external_refs"] == [first | {"version": 4}, *others]
    by_other = await put(radio, {"version": 3, "remarks": "y"}, place(ref="77", source="erp"))
    assert by_other.json()["external_refs"] == [first | {"version": 4}, others[0] | {"version": 3}]


async def test_body_may_repeat_the_reference_of_the_path(radio: Organization) -> None:
    same = {"source": "billing", "id": "A-17", "version": 99}
    made = await put(radio, minimal("clients") | {"external_refs": [same], "version": 1})
    assert made.json()["external_refs"] == [same | {"version": 1}]
    many = [{"source": "erp", "id": str(n)} for n in range(20)]
    body = minimal("clients") | {"external_refs": many}
    problem = refused(await put(radio, body, place(ref="B")), 422, "invalid")
    assert codes(problem) == {"/external_refs": "too_many_items"}


@pytest.mark.parametrize("resource", RESOURCES)
async def test_deliveries_in_any_order_end_in_one_state(radio: Organization, resource: str) -> None:
    """Six versions, all of the orders in which three may still come after the others."""
    name = EDITED[resource]
    orders = list(itertools.permutations(range(1, 7)))
    for n, order in enumerate(orders[::17]):
        path, body = place(resource, f"order-{n}"), minimal(resource)
        answers = []
        for version in order:
            sent = body | {name: f"Version {version}", "version": version}
            answers.append(await put(radio, sent, path))
            if version % 2:
                answers.append(await put(radio, sent, path))  # delivered twice
        assert {answer.status_code for answer in answers[1:]} == {200}
        final = (await radio.call("admin", "GET", path)).json()
        assert final[name] == "Version 6", order
        assert final["external_refs"][0]["version"] == 6
        newest, applied = 0, []
        for version in order:
            applied += [version > newest] + ([False] if version % 2 else [])
            newest = max(newest, version)
        assert [answer.json()["applied"] for answer in answers] == applied


@pytest.mark.parametrize("resource", RESOURCES)
async def test_all_deliveries_of_a_new_record_at_once_make_one(
    radio: Organization, resource: str
) -> None:
    body = minimal(resource)
    sent = [body | {EDITED[resource]: f"v{n}", "version": n} for n in range(1, 21)]
    answers = await asyncio.gather(*(put(radio, one, place(resource)) for one in sent))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    final = (await radio.call("admin", "GET", place(resource))).json()
    assert final[EDITED[resource]] == "v20"
    assert final["external_refs"][0]["version"] == 20
    listed = await radio.call("admin", "GET", f"/v1/{resource}?external_refs=billing:A-17")
    assert [one["id"] for one in listed.json()["data"]] == [final["id"]]


@pytest.mark.parametrize(
    ("sent", "kept"),
    [("A%2F17", "A/17"), ("%20A%2017%20", "A 17"), ("%C3%A9t%C3%A9", "été"), ("a%25b", "a%b")],
)
async def test_ids_are_read_as_they_were_encoded(radio: Organization, sent: str, kept: str) -> None:
    made = await put(radio, minimal("clients"), place(ref=sent))
    assert made.json()["external_refs"][0]["id"] == kept
    assert (await radio.call("admin", "GET", place(ref=sent))).json()["id"] == made.json()["id"]


@pytest.mark.parametrize(
    ("path", "parameter"),
    [
        (place(source="Not-A-Key"), "source"),
        (place(source="a" * 65), "source"),
        (place(ref="a" * 201), "external_id"),
        (place(ref="%07"), "external_id"),
        (place(ref="%20"), "external_id"),
    ],
)
async def test_what_is_no_reference_is_a_fault_of_content(
    radio: Organization, path: str, parameter: str
) -> None:
    problem = refused(await put(radio, minimal("clients"), path), 422, "invalid")
    assert [fault.get("parameter") for fault in problem["errors"]] == [parameter]
    refused(await radio.call("admin", "GET", path), 404, "not_found")
    refused(await put(radio, {"name": "x"}, path, "presenter"), 403, "forbidden")


@pytest.mark.parametrize("version", [-1, 1.5, "3", True, None, 2**53 + 1, 10**400])
@pytest.mark.parametrize("there", [True, False])
async def test_version_is_a_whole_number_within_bounds(
    radio: Organization, version: Any, there: bool
) -> None:
    if there:
        await put(radio, minimal("clients"))
    content = minimal("clients") | {"version": version}
    problem = refused(await put(radio, content), 422, "invalid")
    assert list(codes(problem)) == ["/version"]


async def test_every_fault_of_a_delivery_is_told_at_once(radio: Organization) -> None:
    body = {"version": -1, "languages": ["no language"], "colour": 1}
    problem = refused(await put(radio, body), 422, "invalid")
    assert {"/version", "/languages/0", "/colour", "/name"} <= set(codes(problem))
    await put(radio, minimal("clients"))
    problem = refused(await put(radio, body), 422, "invalid")
    assert set(codes(problem)) == {"/version", "/languages/0", "/colour"}
    refused(await put(radio, [1]), 422, "invalid")


async def test_what_only_a_create_takes_is_echoed_or_refused(radio: Organization) -> None:
    body = minimal("clients") | {"kind": "organization", "registered_on": "2026-01-31"}
    await put(radio, body | {"on_inactive": "create", "version": 1})
    again = await put(radio, body | {"on_inactive": "create", "remarks": "x", "version": 2})
    assert again.status_code == 200, again.text
    problem = refused(await put(radio, {"registered_on": "2026-02-01"}), 422, "read_only_field")
    assert codes(problem) == {"/registered_on": "read_only_field"}


# ------------------------------------------------------------------------ rights


async def test_front_desk_updates_by_reference_but_makes_and_moves_none(
    radio: Organization,
) -> None:
    problem = refused(
        await put(radio, minimal("clients"), role="front_desk"), 403, "field_not_writable"
    )
    assert "external_refs" in problem["detail"]
    await put(radio, minimal("clients") | {"version": 1})
    merged = await put(radio, {"remarks": "called"}, role="front_desk")
    assert (merged.status_code, merged.json()["applied"]) == (200, True)
    assert "credit_limit" not in merged.json()
    problem = refused(
        await put(radio, {"remarks": "x", "version": 2**53}, role="front_desk"),
        403,
        "field_not_writable",
    )
    assert codes(problem) == {"/version": "field_not_writable"}
    hidden = {"credit_limit": None, "industry": "retail"}
    problem = refused(await put(radio, hidden, role="front_desk"), 403, "field_not_writable")
    assert set(codes(problem)) == {"/credit_limit", "/industry"}


async def test_who_reads_no_references_learns_nothing_by_them(radio: Organization) -> None:
    """Neither by reading nor by writing: the same refusal for a reference that is there."""
    await put(radio, minimal("clients"))
    key = await radio.call(
        "admin",
        "POST",
        "/v1/api-keys",
        json={"name": "blind", "scopes": ["clients.remarks:*", "clients.name:*"]},
    )
    headers = {"Authorization": f"Bearer {key.json()['key']}"}
    for method, body in (("GET", None), ("PUT", {"remarks": "x"}), ("PUT", minimal("clients"))):
        answers = [
            await radio.api.request(method, place(ref=ref), headers=headers, json=body)
            for ref in ("A-17", "nothing", "%07")
        ]
        problems = [refused(answer, 403, "field_not_readable") for answer in answers]
        assert len({p["detail"] for p in problems}) == 1
    for ref in ("A-17", "nothing"):
        refused(await radio.call("presenter", "GET", place(ref=ref)), 403, "field_not_readable")
        contact = place("contacts", ref)
        refused(await radio.call("presenter", "GET", contact), 403, "forbidden")
        refused(await put(radio, {"website": None}, place(ref=ref), "presenter"), 403, "forbidden")


async def test_reference_of_another_organization_is_nobodys(
    radio: Organization, other: Organization
) -> None:
    await put(other, minimal("clients"))
    refused(await radio.call("admin", "GET", place()), 404, "not_found")
    assert (await put(radio, minimal("clients"))).status_code == 201


# ------------------------------------------------------------------------ states


async def test_archived_holder_is_refused_with_the_calls_that_help(radio: Organization) -> None:
    made = (await put(radio, minimal("clients") | {"version": 1})).json()
    one = f"/v1/clients/{made['id']}"
    await radio.call("admin", "POST", f"{one}/archive")
    for body in ({"remarks": "x"}, {"remarks": "x", "version": 9}, {"languages": ["no language"]}):
        problem = refused(await put(radio, body), 409, "not_live")
        assert problem["next"] == [
            {"action": "open", "method": "GET", "path": one},
            {"action": "reactivate", "method": "POST", "path": f"{one}/restore"},
        ]
    problem = refused(await put(radio, {"remarks": "x"}, role="front_desk"), 409, "not_live")
    assert [call["action"] for call in problem["next"]] == ["open"]
    assert (await radio.call("front_desk", "GET", place())).json()["lifecycle"] == "archived"


@pytest.mark.parametrize("resource", RESOURCES)
async def test_holder_that_the_caller_may_not_open_is_only_in_the_way(
    radio: Organization, resource: str
) -> None:
    made = (await put(radio, minimal(resource), place(resource))).json()
    await radio.call("admin", "DELETE", f"/v1/{resource}/{made['id']}")
    refused(await radio.call("manager", "GET", place(resource)), 404, "not_found")
    problem = refused(
        await put(radio, minimal(resource), place(resource), "manager"), 409, "reference_in_use"
    )
    assert [one["visibility"] for one in problem["candidates"]] == ["not_visible"]
    assert made["id"] not in str(problem)
    # Content comes before, as for any create.
    refused(await put(radio, {}, place(resource), "manager"), 422, "invalid")
    refused(await put(radio, minimal(resource), place(resource), "admin"), 409, "not_live")


async def test_if_match_is_compared_before_anything_is_decided(radio: Organization) -> None:
    stale = {"If-Match": '"stale"'}
    for match in (stale, {"If-Match": "*"}):
        refused(await put(radio, minimal("clients"), headers=match), 412, "version_conflict")
    made = await put(radio, minimal("clients") | {"version": 1})
    for version in (1, 2):
        body = {"remarks": "x", "version": version}
        problem = refused(await put(radio, body, headers=stale), 412, "version_conflict")
        assert problem["current"] == {"remarks": None}
    current = {"If-Match": made.headers["etag"]}
    assert (await put(radio, {"remarks": "x"}, headers=current)).status_code == 200
    refused(await put(radio, {"remarks": "y"}, headers=current), 412, "version_conflict")


@pytest.mark.parametrize("resource", RESOURCES)
async def test_dry_run_keeps_nothing(radio: Organization, owner: Owner, resource: str) -> None:
    path = place(resource)
    tried = await put(radio, minimal(resource), f"{path}?dry_run=true")
    assert (tried.status_code, tried.json()["applied"]) == (200, True)
    assert "location" not in tried.headers
    refused(await radio.call("admin", "GET", path), 404, "not_found")
    made = await put(radio, minimal(resource), path)
    before = await change_count(owner, radio.organization_id)
    name = EDITED[resource]
    tried = await put(radio, {name: "Dr", "version": 2}, f"{path}?dry_run=true")
    assert tried.json()[name] == "Dr"
    assert await change_count(owner, radio.organization_id) == before
    assert (await radio.call("admin", "GET", path)).headers["etag"] == made.headers["etag"]


async def test_get_by_reference_is_shaped_as_the_record_is(radio: Organization) -> None:
    made = await put(radio, minimal("clients") | {"contacts": [{"contact": {"name": "Ada"}}]})
    read = await radio.call("admin", "GET", f"{place()}?fields=id,contacts&expand=contacts")
    assert list(read.json()) == ["id", "contacts"]
    assert read.json()["contacts"][0]["contact"]["name"] == "Ada"
    assert read.headers["etag"] == made.headers["etag"]
    held = {"If-None-Match": read.headers["etag"]}
    assert (await radio.call("admin", "GET", place(), headers=held)).status_code == 304


async def test_sources_may_be_named_as_other_paths_are(radio: Organization) -> None:
    for source in ("overrides", "contacts", "emails", "by_ref"):
        path = place(source=source, ref="type")
        assert (await put(radio, minimal("clients"), path)).status_code == 201
        assert (await radio.call("admin", "GET", path)).status_code == 200


# ------------------------------------------------------------------------- batches


@pytest.mark.parametrize("resource", RESOURCES)
@pytest.mark.parametrize("atomic", [True, False])
async def test_batch_delivers_many(radio: Organization, resource: str, atomic: bool) -> None:
    body, name = minimal(resource), EDITED[resource]
    ref = {"source": "billing", "id": "A-17"}
    operations: list[Json] = [
        {"op": "upsert", "ref": ref, "version": 2, "body": body},
        {"op": "upsert", "ref": ref, "version": 1, "body": body | {name: "older"}},
        {"op": "upsert", "ref": ref, "version": 3, "body": {name: "newer"}},
        {"op": "upsert", "ref": ref | {"id": "B"}, "body": minimal(resource) | {"version": 7}},
    ]
    path, key = f"/v1/{resource}/batch", {"Idempotency-Key": "deliver"}
    sent = {"atomic": atomic, "operations": operations}
    answer = await radio.call("admin", "POST", path, json=sent, headers=key)
    assert answer.status_code == 207, answer.text
    results = answer.json()["results"]
    assert [result["status"] for result in results] == [201, 200, 200, 201]
    assert [result["body"]["applied"] for result in results] == [True, False, True, True]
    assert results[2]["body"][name] == "newer"
    assert results[3]["body"]["external_refs"][0]["version"] == 7
    again = await radio.call("admin", "POST", path, json=sent, headers=key)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == answer.json()


async def test_batch_of_contacts_is_the_one_of_clients(radio: Organization, owner: Owner) -> None:
    """Per item, or all or none; each by its own rights."""
    made = await radio.create_contact()
    operations: list[Json] = [
        {"op": "create", "body": {"name": "Ada"}},
        {"op": "update", "id": made["id"], "body": {"honorific": "Dr"}},
        {"op": "update", "id": made["id"], "body": {"owner_id": str(radio.user_ids["admin"])}},
        {"op": "delete", "id": made["id"]},
        {"op": "upsert", "ref": {"source": "erp", "id": "1"}, "body": {"name": "Bo"}},
        {"op": "upsert", "body": {"name": "Nobody"}},
    ]
    sent: Json = {"operations": operations}
    answer = await radio.call("front_desk", "POST", "/v1/contacts/batch", json=sent)
    assert answer.status_code == 207, answer.text
    statuses = [result["status"] for result in answer.json()["results"]]
    assert statuses == [201, 200, 403, 403, 201, 422]
    before = await change_count(owner, radio.organization_id)
    sent["atomic"] = True
    problem = refused(
        await radio.call("front_desk", "POST", "/v1/contacts/batch", json=sent),
        403,
        "field_not_writable",
    )
    assert problem["errors"][0]["pointer"] == "/operations/2/body/owner_id"
    assert await change_count(owner, radio.organization_id) == before


@pytest.mark.parametrize("resource", RESOURCES)
async def test_ids_that_are_no_text_are_not_one_and_the_same(
    radio: Organization, resource: str
) -> None:
    """Both read with the same sign for what is no UTF-8: the second would change the first."""
    for ref in ("caf%e9", "caf%e8", "caf%ef%bf%bd"):
        answer = await put(radio, minimal(resource), place(resource, ref))
        assert codes(refused(answer, 422, "invalid")) == {"external_id": "invalid_text"}
        refused(await radio.call("admin", "GET", place(resource, ref)), 404, "not_found")
    answer = await put(radio, minimal(resource), place(resource, "caf%C3%A9"))
    assert answer.json()["external_refs"][0]["id"] == "café"
