"""Every POST that writes takes an `Idempotency-Key`: sent again, it answers and does nothing."""

import secrets
from collections.abc import Mapping
from typing import Any

from tests.assurance.deviations import Deviations
from tests.assurance.golden import public
from tests.assurance.requests import filled, own_ids, sending
from tests.assurance.test_matrix_rows import operations
from tests.assurance.world import World
from tests.checks import Owner, change_count, refused

Json = dict[str, Any]
EXCEPTIONS = {
    "logout": "signing out takes none: a second one has no session to end",
    "change_password": "it proves the password that it replaces",
    "disable_user": "docs/adr/0010",
    "enable_user": "docs/adr/0010",
    "search_clients": "it only reads",
    "search_contacts": "it only reads",
    "find_client_duplicates": "it only reads",
    "export_found_clients": "docs/adr/0010",
    "export_found_contacts": "docs/adr/0010",
}
"""Operations that read no key, and where that is said."""

ONCE = {
    "invite_user": {"invitation_token", "invitation_expires_at"},
    "create_api_key": {"key"},
    "create_calendar_feed": {"url"},
}
"""What is shown once: a repeated reply lacks it."""


def takes_a_key(operation: Json) -> bool:
    return any(p["name"] == "Idempotency-Key" for p in operation.get("parameters", ()))


async def sent_to(world: World, name: str, place: str) -> Json:
    """A body that changes something, as the client of the tests sends it."""
    if not place.endswith("/restore-version"):
        return sending(name, world.known)
    record = place.removesuffix("/restore-version")
    history = await world.admin("GET", f"{record}/history")
    field = "remarks" if "/clients/" in record else "honorific"
    await world.admin("PATCH", record, json={field: f"Changed {secrets.token_hex(4)}"})
    return {"json": {"entry_id": history["data"][0]["id"]}}


def without_secrets(operation: str, document: Mapping[str, Any]) -> Json:
    return {n: value for n, value in document.items() if n not in ONCE.get(operation, ())}


async def test_every_post_that_writes_repeats_its_answer(
    spec: Json, world: World, owner: Owner
) -> None:
    found = Deviations()
    for path, method, operation in operations(spec):
        name = operation["operationId"]
        if method != "POST" or name in public() or name in EXCEPTIONS:
            continue
        with found.cell(name):
            assert takes_a_key(operation), "the document does not offer the header"
            place = filled(path, await own_ids(world, name, path))
            sent = await sent_to(world, name, place)
            headers = {"Idempotency-Key": f"walk-{secrets.token_hex(6)}"}
            first = await world.ask("admin", "jwt", "POST", place, **sent, headers=headers)
            assert 200 <= first.status_code < 300, first.text
            assert "idempotency-replayed" not in first.headers
            organization_id = world.organization.organization_id
            before = await change_count(owner, organization_id)
            again = await world.ask("admin", "jwt", "POST", place, **sent, headers=headers)
            assert again.status_code == first.status_code, again.text
            assert again.headers["idempotency-replayed"] == "true"
            assert again.json() == without_secrets(name, first.json())
            assert await change_count(owner, organization_id) == before
            if sent.get("json") is not None:
                other = sent["json"] | {"colour": 1}
                answer = await world.ask("admin", "jwt", "POST", place, json=other, headers=headers)
                assert answer.status_code == 422, answer.text
    found.none()


async def test_exceptions_are_operations_without_the_header(spec: Json) -> None:
    known = {operation["operationId"]: operation for _, _, operation in operations(spec)}
    assert set(EXCEPTIONS) <= set(known)
    assert not [name for name in (*EXCEPTIONS, *public()) if takes_a_key(known[name])]


async def test_other_methods_take_none(spec: Json, world: World) -> None:
    """PUT is repeated by its version, PATCH and DELETE by their ETag."""
    others = [o["operationId"] for _, m, o in operations(spec) if m != "POST" and takes_a_key(o)]
    assert not others
    made = await world.make("clients")
    headers = {"Idempotency-Key": "one"}
    for remark in ("first", "second"):
        path, body = f"/v1/clients/{made['id']}", {"remarks": remark}
        answer = await world.ask("admin", "jwt", "PATCH", path, json=body, headers=headers)
        assert answer.json()["remarks"] == remark
    path = f"/v1/clients/{made['id']}/archive"
    refused(await world.ask("presenter", "jwt", "POST", path, headers=headers), 403, "forbidden")
