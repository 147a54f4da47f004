"""Whoever imports may do no more with a list than one by one, and a report tells no more either."""

from typing import Any

from crm_api.imports.limits import MEBIBYTE
from tests.api.imports.lists import List, clients, send, sent, taken, work
from tests.checks import refused
from tests.factories import PASSWORD, Organization

NAMED = "name,email\r\nPearl Ltd,hello@pearl.example\r\n"
READS = [
    f"clients.{group}:read"
    for group in ("identity", "name", "card", "classification", "profile", "reach", "remarks")
]
WRITES = [
    "clients.card:create",
    *(f"clients.{g}:{a}" for g in ("name", "reach", "remarks") for a in ("create", "update")),
]
IMPORTS = ["clients:import", "imports.import:read_own", "operations.operation:read_own"]


async def become(radio: Organization, *scopes: str) -> str:
    """A person of a role with these scopes; the name under which the organization calls it."""
    made = await radio.call("admin", "POST", "/v1/roles", json={"name": "Own", "scopes": scopes})
    assert made.status_code == 201, made.text
    email = f"own@{radio.slug}.example.com"
    body = {"name": "Own", "email": email, "role": made.json()["name"]}
    invited = await radio.call("admin", "POST", "/v1/users", json=body)
    assert invited.status_code == 201, invited.text
    token = {"token": invited.json()["invitation_token"], "password": PASSWORD}
    assert (await radio.api.post("/v1/auth/accept-invitation", json=token)).status_code == 200
    login = await radio.api.post("/v1/auth/login", json={"email": email, "password": PASSWORD})
    radio.tokens["own"] = login.json()["access_token"]
    return "own"


async def test_who_may_not_import_sends_nothing(radio: Organization) -> None:
    for role in ("front_desk", "presenter"):
        refused(await send(radio, NAMED, role=role), 403, "forbidden")
        assert (await radio.call(role, "GET", "/v1/imports")).json()["data"] == []
    theirs = await sent(radio, NAMED, role="manager")
    for role in ("front_desk", "presenter"):
        for place in ("", "/report", "/errors", "/preview"):
            refused(await radio.call(role, "GET", f"{theirs.path}{place}"), 404, "not_found")


async def test_fields_that_the_importer_may_not_write_are_reported_and_not_written(
    radio: Organization,
) -> None:
    role = await become(radio, *READS, *WRITES, *IMPORTS)
    content = "name,email,credit_limit,industry,remarks\r\n"
    content += (
        "Pearl,a@pearl.example,5000,,\r\nNile,a@nile.example,,retail,\r\nLake,a@l.example,,,x"
    )
    found = await taken(radio, content, role=role)
    assert await found.reasons() == [
        (1, "invalid", "credit_limit", "field_not_writable"),
        (2, "invalid", "industry", "field_not_writable"),
    ]
    assert [client["name"] for client in await clients(radio)] == ["Lake"]


async def test_persons_take_rights_of_their_own(radio: Organization) -> None:
    role = await become(radio, *READS, *WRITES, *IMPORTS)
    content = "name,email,contact_name\r\nPearl,a@pearl.example,Ada\r\n"
    found = await taken(radio, content, role=role)
    assert [(column, code) for *_, column, code in await found.reasons()] == [
        ("contact_name", "field_not_writable")
    ]
    assert (await radio.call("admin", "GET", "/v1/contacts")).json()["data"] == []


async def test_a_change_writes_no_hidden_field_and_tells_nothing_of_it(
    radio: Organization,
) -> None:
    role = await become(radio, *READS, *WRITES, *IMPORTS)
    there = await radio.create_client(credit_limit={"amount": "5000", "currency": "UGX"})
    number = there["number"]
    # The right amount and a wrong one: nobody learns which it was.
    for amount in ("5000", "6000"):
        content = f"number,credit_limit,remarks\r\n{number},{amount},Mine\r\n"
        found = await taken(radio, content, role=role)
        assert await found.reasons() == [(1, "invalid", "credit_limit", "field_not_writable")]
    path = f"/v1/clients/{there['id']}"
    assert (await radio.call("admin", "GET", path)).json() == there


async def test_a_hidden_holder_is_not_told(radio: Organization) -> None:
    deleted = await radio.create_client(name="Deleted", emails=["gone@there.example"])
    await radio.call("admin", "DELETE", f"/v1/clients/{deleted['id']}")
    content = "name,email\r\nOther,gone@there.example\r\nDeleted,new@there.example\r\n"
    found = await taken(radio, content, role="admin")
    told = (await found.call("GET", "/report")).text
    assert deleted["number"] in told
    # Another reader's report tells what that one may know.
    for place in ("/report", "/errors"):
        answer = await radio.call("manager", "GET", f"{found.path}{place}")
        assert answer.status_code == 200
        assert deleted["number"] not in answer.text
        # In the words of a create that is refused for the same.
        assert "A record that is not visible to you has this" in answer.text
        assert "is deleted" not in answer.text


async def test_a_hidden_client_is_matched_by_nothing(radio: Organization) -> None:
    deleted = await radio.create_client(name="Deleted", emails=["gone@there.example"])
    await radio.call("admin", "DELETE", f"/v1/clients/{deleted['id']}")
    for match_by, cell in (("number", deleted["number"]), ("email", "gone@there.example")):
        content = f"{match_by},remarks\r\n{cell},x\r\n"
        found = await taken(radio, content, mode="update", match_by=match_by)
        assert [code for *_, code in await found.reasons()] == ["not_matched"]


async def test_cells_of_hidden_columns_are_for_their_sender(radio: Organization) -> None:
    content = "name,phone,credit_limit,colour\r\nPearl,12,98765,puce\r\n"
    found = await taken(radio, content)
    assert "98765" in (await found.call("GET", "/errors")).text
    scopes = ["clients:import", "imports.import:read", *READS, *WRITES]
    role = await become(radio, *scopes)
    answer = await radio.call(role, "GET", f"{found.path}/errors")
    assert "Pearl" in answer.text
    assert "98765" not in answer.text
    assert "puce" not in answer.text
    body = (await radio.call(role, "GET", f"{found.path}/preview")).json()["data"][0]["body"]
    assert body.keys() <= {"name", "phones"}


async def test_a_list_is_seen_by_its_sender_and_those_who_read_all(radio: Organization) -> None:
    role = await become(radio, *READS, *WRITES, *IMPORTS)
    mine, theirs = await sent(radio, NAMED, role=role), await sent(radio, NAMED)
    listed = (await radio.call(role, "GET", "/v1/imports")).json()["data"]
    assert [one["id"] for one in listed] == [mine.document["id"]]
    hidden = List(radio, role, theirs.document)
    calls: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "", {}),
        ("GET", "/report", {}),
        ("GET", "/errors", {}),
        ("GET", "/preview", {}),
        ("PATCH", "", {"json": {"mode": "update"}}),
        ("POST", "/commit", {}),
        ("POST", "/revert", {}),
        ("DELETE", "", {}),
    ]
    for method, place, more in calls:
        refused(await hidden.call(method, place, **more), 404, "not_found")
    everybody = (await radio.call("manager", "GET", "/v1/imports")).json()["data"]
    assert {one["id"] for one in everybody} == {mine.document["id"], theirs.document["id"]}


async def test_another_organization_has_no_such_list(
    radio: Organization, other: Organization
) -> None:
    mine = await taken(radio, NAMED)
    for method, place in (("GET", ""), ("GET", "/report"), ("GET", "/errors"), ("POST", "/revert")):
        refused(await other.call("admin", method, f"{mine.path}{place}"), 404, "not_found")


async def test_a_right_that_is_lost_ends_the_import(radio: Organization) -> None:
    found = await sent(radio, NAMED)
    location = (await found.call("POST", "/commit")).headers["location"]
    path = f"/v1/users/{radio.user_ids['manager']}"
    await radio.call("admin", "PATCH", path, json={"role": "presenter"})
    await work(radio)
    ended = (await radio.call("admin", "GET", location)).json()
    assert (ended["state"], ended["error"]["code"]) == ("failed", "forbidden")
    assert await clients(radio) == []
    left = List(radio, "admin", found.document)
    assert (await left.read())["state"] == "import_stopped"
    # Somebody else may go on with it, in his own name.
    await left.run()
    assert await left.counts() == {"created": 1}


async def test_who_takes_back_anothers_list_may_delete(radio: Organization) -> None:
    found = await taken(radio, NAMED, role="admin")
    (made,) = await clients(radio)
    own = await sent(radio, NAMED, role="manager")
    await own.set(on_duplicate="skip")
    await own.run()
    foreign = List(radio, "manager", found.document)
    for query in ("", "?dry_run=true", "?explain=permission"):
        problem = refused(await foreign.call("POST", f"/revert{query}"), 403, "forbidden")
        assert "clients:delete" in problem["detail"]
    assert [client["id"] for client in await clients(radio)] == [made["id"]]
    # One's own list takes no more than to import it; nothing of this one is left to take back.
    refused(await own.call("POST", "/revert"), 409, "nothing_to_revert")
    role = await become(radio, "clients:delete", "clients:import", "imports.import:read", *READS)
    answer = await List(radio, role, found.document).call("POST", "/revert")
    assert answer.status_code == 202, answer.text
    await work(radio)
    assert await clients(radio) == []


async def test_a_right_to_delete_that_is_lost_ends_the_way_back(radio: Organization) -> None:
    found = await taken(radio, NAMED, role="manager")
    scopes = ["clients:import", "imports.import:read", *READS]
    role = await become(radio, "clients:delete", *scopes)
    answer = await List(radio, role, found.document).call("POST", "/revert")
    roles = (await radio.call("admin", "GET", "/v1/roles?name=Own")).json()["data"]
    path = f"/v1/roles/{roles[0]['id']}"
    changed = await radio.call("admin", "PATCH", path, json={"scopes": scopes})
    assert changed.status_code == 200, changed.text
    await work(radio)
    ended = (await radio.call("admin", "GET", answer.headers["location"])).json()
    assert (ended["state"], ended["error"]["code"]) == ("failed", "forbidden")
    assert len(await clients(radio)) == 1


async def test_bodies_are_refused_in_the_documented_order(radio: Organization) -> None:
    path = "/v1/imports"
    refused(await radio.api.post(path, files={"file": ("x", b"x")}), 401, "unauthenticated")
    for role in ("manager", "presenter"):
        answer = await radio.call(role, "POST", path, json={"file": "x"})
        refused(answer, 415, "unsupported_media_type")
        headers = {"Content-Type": "multipart/form-data"}
        refused(
            await radio.call(role, "POST", path, content=b"x", headers=headers),
            400,
            "malformed_request",
        )
        headers = {"Content-Type": "multipart/form-data; boundary=x"}
        for content in (b"nothing", b"--y--"):
            answer = await radio.call(role, "POST", path, content=content, headers=headers)
            refused(answer, 400, "malformed_request")
        # It ends before its file begins.
        answer = await radio.call(role, "POST", path, content=b"--x\r\nno", headers=headers)
        assert answer.status_code == (422 if role == "manager" else 403), answer.text
    refused(await send(radio, b"x" * (33 * MEBIBYTE), role="presenter"), 413, "body_too_large")
    refused(await send(radio, NAMED, role="presenter", colour="red"), 403, "forbidden")


async def test_other_bodies_keep_their_cap(radio: Organization) -> None:
    found = await sent(radio, NAMED)
    body = {"mapping": {"name": "x" * (2 * MEBIBYTE)}}
    refused(await found.call("PATCH", json=body), 413, "body_too_large")
