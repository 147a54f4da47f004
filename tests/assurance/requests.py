"""A valid request of every operation, and records of one's own for it to work on."""

import secrets
from collections.abc import Mapping
from typing import Any

from tests.assurance.values import Known
from tests.assurance.world import World, accept, minimal

Json = dict[str, Any]
MALFORMED = (
    "not-a-uuid",
    "0",
    "null",
    "01890a5dac96774bbcceb302099a8057",
    "01890A5D-AC96-774B-BCCE-B302099A8057-",
    "urn:uuid:01890a5d-ac96-774b-bcce-b302099a8057",
    "00000000-0000-0000-0000-000000000000",
    "%27%20OR%201=1--",
    "..%5C..%5Cclients",
    "%F0%9F%A6%86",
    "%FF%FE",
    "a" * 2000,
)
"""What is no id: the same 404 as an id of nothing."""


def body_of(operation: str, known: Known) -> Json | None:
    """A valid body; None where the operation takes none."""
    mark = secrets.token_hex(5)
    creates: dict[str, Json] = {
        "create_client": minimal("clients"),
        "create_contact": minimal("contacts"),
        "invite_user": minimal("users"),
        "create_role": minimal("roles"),
        "create_api_key": minimal("api_keys"),
        "create_catalogue_entry": minimal("catalogues"),
        "batch_clients": {"operations": [{"op": "create", "body": minimal("clients")}]},
        "create_client_relationship": {"kind": "partner", "other_id": known.client_id},
        "link_client_contact": {"contact": {"name": f"Person {mark}"}},
    }
    changes: dict[str, Json] = {
        "patch_client": {"remarks": f"Remark {mark}"},
        "put_client_override": {"value": "active_advertiser", "reason": f"Signed {mark}"},
        "patch_client_contact": {"job_title": f"Title {mark}"},
        "patch_relationship": {"note": f"Note {mark}"},
        "patch_contact": {"honorific": f"Dr {mark}"},
        "verify_client_email": {"reachability": "verified"},
        "verify_client_phone": {"reachability": "bounced"},
        "verify_contact_email": {"reachability": "invalid"},
        "verify_contact_phone": {"reachability": "verified"},
        "patch_user": {"name": f"Name {mark}"},
        "patch_role": {"name": f"Role {mark}"},
        "patch_catalogue_entry": {"label": f"Label {mark}"},
        "patch_organization": {"name": f"Organization {mark}"},
        "change_password": {
            "current_password": f"wrong but long enough {mark}",
            "new_password": f"another long enough one {mark}",
        },
    }
    return (creates | changes).get(operation)


async def own_ids(world: World, operation: str, path: str) -> Mapping[str, str]:
    """The path's parameters, of fresh records on which an administrator would succeed."""
    found: dict[str, str] = {"field": "type", "catalogue": "industries"}
    if "{client_id}" in path:
        found |= await _client(world, operation)
    if "{contact_id}" in path:
        made = await world.make("contacts", emails=[_address()], phones=[_number()])
        found |= {"contact_id": made["id"]} | _points(made)
        if operation == "restore_contact":
            await world.admin("DELETE", f"/v1/contacts/{found['contact_id']}")
    if "{relationship_id}" in path:
        found["relationship_id"] = (await world.make("relationships"))["id"]
    if path in QUERIES:
        found["to_id"] = world.known.client_id
    if "{user_id}" in path:
        made = await world.make("users")
        await accept(world.organization, made)
        found["user_id"] = made["id"]
        if operation == "enable_user":
            await world.admin("POST", f"/v1/users/{made['id']}/disable")
    if "{role_id}" in path:
        found["role_id"] = (await world.make("roles"))["id"]
    if "{api_key_id}" in path:
        found["api_key_id"] = (await world.make("api_keys"))["id"]
    if "{key}" in path:
        found["key"] = (await world.make("catalogues"))["key"]
    return found


async def _client(world: World, operation: str) -> dict[str, str]:
    people = [{"contact": {"name": "First"}}, {"contact": {"name": "Second"}}]
    made = await world.make("clients", contacts=people, phones=[_number()])
    place = f"/v1/clients/{made['id']}"
    if operation == "restore_client":
        await world.admin("POST", f"{place}/archive")
    return {"client_id": made["id"], "link_id": made["contacts"][1]["id"]} | _points(made)


def _points(made: Mapping[str, Any]) -> dict[str, str]:
    return {"email_id": made["emails"][0]["id"], "phone_id": made["phones"][0]["id"]}


def _address() -> str:
    return f"{secrets.token_hex(5)}@example.com"


def _number() -> str:
    return f"+25677{secrets.randbelow(9_000_000) + 1_000_000}"


QUERIES: Mapping[str, str] = {"/v1/clients/{client_id}/paths": "?to={to_id}"}
"""What a path cannot be asked without."""


def filled(path: str, ids: Mapping[str, str]) -> str:
    path += QUERIES.get(path, "")
    ids = {"to_id": "01890a5d-ac96-774b-bcce-b302099a8057"} | dict(ids)
    for name, value in ids.items():
        path = path.replace(f"{{{name}}}", value)
    assert "{" not in path, f"{path}: a parameter that no test knows"
    return path
