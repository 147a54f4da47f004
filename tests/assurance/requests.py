"""A valid request of every operation, and records of one's own for it to work on."""

import secrets
from collections.abc import Mapping
from typing import Any

from tests.api.imports.lists import work
from tests.assurance.values import Known
from tests.assurance.world import World, a_list, accept, minimal
from tests.jobs import queue

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
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
"""An id of nothing."""


UPLOADS = frozenset(
    {
        *("upload_client_file", "upload_contact_file", "upload_communication_file"),
        "upload_file_version",
    }
)


def sending(operation: str, known: Known) -> dict[str, Any]:
    """A valid body as the client of the tests sends it."""
    if operation == "create_import":
        return {"files": {"file": ("list.csv", a_list())}}
    if operation in UPLOADS:
        return {"files": {"file": ("minutes.txt", secrets.token_bytes(9).hex().encode())}}
    return {"json": body_of(operation, known)}


def body_of(operation: str, known: Known) -> Json | None:
    """A valid body; None where the operation takes none."""
    mark = secrets.token_hex(5)
    creates: dict[str, Json] = {
        "create_client": minimal("clients"),
        "create_contact": minimal("contacts"),
        "create_communication": minimal("communications", known),
        "log_client_communication": {"kind": "call", "subject": f"Call {mark}"},
        "log_contact_communication": {"kind": "call", "subject": f"Call {mark}"},
        "create_task": minimal("tasks"),
        "invite_user": minimal("users"),
        "create_role": minimal("roles"),
        "create_api_key": minimal("api_keys"),
        "create_catalogue_entry": minimal("catalogues"),
        "batch_clients": {"operations": [{"op": "create", "body": minimal("clients")}]},
        "batch_contacts": {"operations": [{"op": "create", "body": minimal("contacts")}]},
        "create_client_relationship": {"kind": "partner", "other_id": known.client_id},
        "create_client_note": minimal("notes"),
        "create_client_file_link": minimal("files"),
        "create_contact_file_link": minimal("files"),
        "create_communication_file_link": minimal("files"),
        "create_segment": minimal("segments"),
        "create_list": minimal("lists"),
        "freeze_segment": minimal("lists"),
        "add_list_member": {"contact_id": known.contact_id},
        "batch_list_members": {"members": [{"contact_id": known.contact_id}]},
        "unsubscribe_list_member": {"reason": f"Reason {mark}"},
        "add_list_members_from_segment": {"segment_id": known.segment_id},
        "mark_notifications_read": {"up_to": known.client_id},
        "link_client_contact": {"contact": {"name": f"Person {mark}"}},
        "search_clients": {"filter": {"field": "name", "op": "ne", "value": mark}},
        "search_contacts": {"filter": {"field": "name", "op": "ne", "value": mark}},
        "export_found_clients": {"filter": {"field": "name", "op": "eq", "value": mark}},
        "export_found_contacts": {"filter": {"field": "name", "op": "eq", "value": mark}},
        "find_client_duplicates": {"candidates": [{"name": f"Client {mark}"}]},
    }
    changes: dict[str, Json] = {
        "patch_client": {"remarks": f"Remark {mark}"},
        "put_client_override": {"value": "active_advertiser", "reason": f"Signed {mark}"},
        "patch_client_contact": {"job_title": f"Title {mark}"},
        "patch_relationship": {"note": f"Note {mark}"},
        "patch_communication": {"subject": f"Subject {mark}"},
        "patch_task": {"title": f"Title {mark}"},
        "patch_segment": {"name": f"Segment {mark}"},
        "patch_list": {"name": f"List {mark}"},
        "patch_note": {"text": f"Note {mark}"},
        "patch_file": {"name": f"File {mark}"},
        "patch_contact": {"honorific": f"Dr {mark}"},
        "upsert_client": {"remarks": f"Remark {mark}"},
        "upsert_contact": {"honorific": f"Dr {mark}"},
        "restore_client_version": {"as_of": "2099-01-01T00:00:00Z"},
        "restore_contact_version": {"as_of": "2099-01-01T00:00:00Z"},
        "verify_client_email": {"reachability": "verified"},
        "verify_client_phone": {"reachability": "bounced"},
        "verify_contact_email": {"reachability": "invalid"},
        "verify_contact_phone": {"reachability": "verified"},
        "patch_import": {"on_duplicate": "skip"},
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


PLAIN_IDS = {
    "role_id": ("roles", "id"),
    "api_key_id": ("api_keys", "id"),
    "export_id": ("exports", "id"),
    "relationship_id": ("relationships", "id"),
    "note_id": ("notes", "id"),
    "key": ("catalogues", "key"),
    "communication_id": ("communications", "id"),
    "task_id": ("tasks", "id"),
    "feed_id": ("calendar_feeds", "id"),
    "segment_id": ("segments", "id"),
    "list_id": ("lists", "id"),
    "member_id": ("list_members", "id"),
}
"""Parameter of a path → the resource of which a fresh record is enough, and what names it."""
BEFORE = {
    "restore_communication": ("DELETE", "/v1/communications/{communication_id}"),
    "restore_file": ("DELETE", "/v1/files/{file_id}"),
    "restore_list": ("DELETE", "/v1/distribution-lists/{list_id}"),
    "restore_segment": ("DELETE", "/v1/segments/{segment_id}"),
    "restore_task": ("DELETE", "/v1/tasks/{task_id}"),
    "resubscribe_list_member": ("POST", "/v1/list-members/{member_id}/unsubscribe"),
    "reopen_task": ("POST", "/v1/tasks/{task_id}/complete"),
}
"""Operation → what is done to the record, so that it has something to do."""


async def own_ids(world: World, operation: str, path: str) -> Mapping[str, str]:
    """The path's parameters, of fresh records on which an administrator would succeed."""
    found = {"field": "type", "catalogue": "industries", "to_id": world.known.client_id}
    if "{client_id}" in path:
        found |= await _client(world, operation)
    if "{contact_id}" in path:
        made = await world.make("contacts", emails=[_address()], phones=[_number()])
        found |= {"contact_id": made["id"]} | _points(made)
        if operation == "restore_contact":
            await world.admin("DELETE", f"/v1/contacts/{found['contact_id']}")
    if "{external_id}" in path:
        resource = path.split("/")[2]
        ref = {"source": "billing", "id": f"A/{secrets.token_hex(5)}"}
        await world.make(resource, external_refs=[ref])
        found |= {"source": ref["source"], "external_id": ref["id"].replace("/", "%2F")}
    if "{user_id}" in path:
        made = await world.make("users")
        await accept(world.organization, made)
        found["user_id"] = made["id"]
        if operation == "enable_user":
            await world.admin("POST", f"/v1/users/{made['id']}/disable")
    found |= await _plain(world, operation, path)
    if "{import_id}" in path:
        found["import_id"] = await _import(world, operation)
    if "{operation_id}" in path:
        # Ended ones, but for what stops one: a stream of events goes on until the end.
        queued = await queue(world.organization, role="admin")
        found["operation_id"] = str(queued.id)
        if operation != "cancel_operation":
            await world.admin("POST", f"/v1/operations/{queued.id}/cancel")
    return found


async def _plain(world: World, operation: str, path: str) -> dict[str, str]:
    found = {
        name: (await world.make(resource))[key]
        for name, (resource, key) in PLAIN_IDS.items()
        if f"{{{name}}}" in path
    }
    if "{file_id}" in path:
        sent = {"file": ("minutes.txt", secrets.token_bytes(9).hex().encode())}
        made = await world.admin("POST", "/v1/clients/{client_id}/files", files=sent)
        found |= {"file_id": made["id"], "number": "1"}
    if "{calendar_key}" in path:
        feed = await world.make("calendar_feeds")
        found["calendar_key"] = feed["url"].rpartition("/")[2].removesuffix(".ics")
    if operation in BEFORE:
        method, place = BEFORE[operation]
        takes: dict[str, Any] = {"json": {}} if place.endswith("/unsubscribe") else {}
        await world.admin(method, filled(place, found), **takes)
    return found


async def _client(world: World, operation: str) -> dict[str, str]:
    people = [{"contact": {"name": "First"}}, {"contact": {"name": "Second"}}]
    made = await world.make("clients", contacts=people, phones=[_number()])
    place = f"/v1/clients/{made['id']}"
    if operation == "restore_client":
        await world.admin("POST", f"{place}/archive")
    return {"client_id": made["id"], "link_id": made["contacts"][1]["id"]} | _points(made)


async def _import(world: World, operation: str) -> str:
    found: str = (await world.make("imports"))["id"]
    if operation == "revert_import":
        await world.admin("POST", f"/v1/imports/{found}/commit")
        await work(world.organization)
    return found


def _points(made: Mapping[str, Any]) -> dict[str, str]:
    return {"email_id": made["emails"][0]["id"], "phone_id": made["phones"][0]["id"]}


def _address() -> str:
    return f"{secrets.token_hex(5)}@example.com"


def _number() -> str:
    return f"+25677{secrets.randbelow(9_000_000) + 1_000_000}"


REQUIRED_QUERY = {
    "/v1/clients/suggest": "q=client",
    "/v1/contacts/suggest": "q=person",
    "/v1/search": "q=client",
    "/v1/clients/{client_id}/paths": "to={to_id}",
}
"""What an operation asks for besides its path and body."""


def filled(path: str, ids: Mapping[str, str]) -> str:
    """The target of a request: its path with these ids, and the query that it cannot do without."""
    query = REQUIRED_QUERY.get(path)
    target = f"{path}?{query}" if query else path
    for name, value in ({"to_id": NOBODY} | dict(ids)).items():
        target = target.replace(f"{{{name}}}", value)
    assert "{" not in target, f"{target}: a parameter that no test knows"
    return target
