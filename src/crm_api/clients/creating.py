"""How a new client is decided, without I/O: what one create and thousands of an import share."""

from collections.abc import Iterable, Mapping
from typing import Any

from crm_api.catalogues.service import Catalogues
from crm_api.clients.drafting import Draft, apply, finish_row, identity_of, new_draft
from crm_api.clients.people import NewPeople
from crm_api.clients.rules import check_tier, check_type_and_status
from crm_api.core.access import OrganizationContext
from crm_api.core.errors import Fault
from crm_api.kit.changes import Entry, new_entry
from crm_api.kit.scope import Scope


def draft_client(
    values: Mapping[str, Any],
    people: NewPeople,
    organization: OrganizationContext,
    known: Catalogues,
) -> Draft:
    """The draft of accepted values and of the persons that came with them; faults are in it."""
    draft = new_draft(organization, known)
    apply(draft, values, organization, known)
    kind = known.types.get(str(draft.now("type")), {})
    draft.after.setdefault("status", kind.get("default_status", "active"))
    check_type_and_status(draft, values, known)
    people.prepare(draft, organization)
    check_tier(draft, values, known, people.links)
    return draft


def check_reach(draft: Draft, people: NewPeople, faults: Iterable[Fault] = ()) -> None:
    """Somebody must be reachable; asked after the references of linked persons were looked up.

    A faulty address is told as such, not as a missing one: `faults` are those of the body.
    """
    ways = ("/emails", "/phones", "/contacts")
    if any((fault.pointer or "").startswith(ways) for fault in (*faults, *draft.faults)):
        return
    if not (people.has_reach or draft.now("emails") or draft.now("phones")):
        detail = "Send an e-mail address or a phone number."
        draft.fault("contact_method_required", detail, "/emails")


def client_row(draft: Draft, people: NewPeople, slot: str = "") -> dict[str, Any]:
    """The row to insert, but for its number, which the write gives."""
    return finish_row(draft) | {
        "id": str(draft.client_id),
        "version": 1,
        "lifecycle": "live",
        "identity_digest": identity_of(draft).hex(),
        "identity_slot": slot,
        "primary_link_id": people.primary_link_id,
    }


def client_entries(scope: Scope, draft: Draft, people: NewPeople) -> list[Entry]:
    """What the log says of a create: the persons first, then the client."""
    created = new_entry(
        scope.actor,
        scope.context,
        resource="client",
        resource_id=draft.client_id,
        version=1,
        action="client.created",
        diff={**draft.diff(), **people.diff()},
    )
    return [*people.entries(scope), created]
