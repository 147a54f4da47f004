"""Rules of content that need more than the sent values: the catalogues, or a look at other rows."""

from collections.abc import Iterable, Mapping
from typing import Any

from crm_api.catalogues.service import Catalogues
from crm_api.clients.drafting import Draft
from crm_api.clients.lookups import VISIBLE_CLIENTS
from crm_api.clients.pairs import TYPED, contradicted
from crm_api.clients.people import NewPeople
from crm_api.clients.repository import open_lifecycles
from crm_api.clients.schemas import Client
from crm_api.clients.stages import reopens
from crm_api.contacts.repository import ACTIVE_USERS, LIVE_CONTACTS
from crm_api.core.errors import Fault, Refusal
from crm_api.kit.deciding import Sifted
from crm_api.kit.fields import seen_value
from crm_api.kit.reading import found_by_id
from crm_api.kit.scope import Scope

_DERIVED = "This type follows from facts; set it as an override with a reason."
OPTION_RIGHTS = {"allow_duplicate": "duplicate_override", "on_inactive": "restore"}


def require_options(scope: Scope, sifted: Sifted) -> None:
    """An option that overrides a rule is a right of its own."""
    for option, verb in OPTION_RIGHTS.items():
        if sifted.options.get(option) and not scope.actor.rights.can("clients", verb):
            needs = f"clients:{verb}"
            fault = Fault("forbidden", f"This needs the right `{needs}`.", pointer=f"/{option}")
            raise Refusal("forbidden", f"{scope.actor.in_words} lacks `{needs}`.", (fault,))


def check_pairs(sifted: Sifted, sent: Mapping[str, Any]) -> None:
    """A pair and the field that it stands for say the same."""
    for key in contradicted(sent):
        detail = f"`{TYPED[key]}` was sent with another value."
        sifted.fault("contradiction", detail, f"/attributes/{key}")


def seen_pairs(scope: Scope, document: Mapping[str, Any]) -> Mapping[str, Any]:
    """The document with the pairs that the caller may read.

    Whether a hidden one still is what a remark said must not show in a refusal.
    """
    seen = seen_value(Client, scope.actor.rights, "attributes", document["attributes"])
    return {**document, "attributes": seen}


def check_stage(draft: Draft, sent: Mapping[str, Any]) -> None:
    """Another stage takes a reason, and so does to reopen; the first one needs none."""
    before, stage = draft.before.get("stage"), draft.now("stage")
    moved = stage != before and (reopens(draft) or None not in (before, stage))
    if moved and not sent.get("stage_reason"):
        detail = "Send `stage_reason` with the new stage."
        draft.fault("stage_reason_required", detail, "/stage_reason")


def check_type_and_status(draft: Draft, sent: Mapping[str, Any], known: Catalogues) -> None:
    """Nobody sends a derived type; a type takes some statuses only; a move needs a reason."""
    kind = str(draft.now("type"))
    entry = known.types.get(kind)
    moved = draft.before.get("type") != kind
    held = (draft.before.get("type_status") or {}).get("override") is not None
    if "type" in sent and moved and (held or (entry or {}).get("derived_only")):
        detail = "An override holds; set another one or lift it." if held else _DERIVED
        draft.fault("derived_value", detail, "/type")
        return
    status = draft.now("status")
    status_moved = bool(draft.before) and draft.before.get("status") != status
    allowed = (entry or {}).get("statuses")
    if (moved or status_moved) and allowed and status not in allowed:
        effective = f"A client of type {kind!r} is one of: {', '.join(allowed)}."
        draft.fault("status_not_allowed", effective, "/status" if "status" in sent else "/type")
    if status_moved and not sent.get("status_reason"):
        draft.fault(
            "status_reason_required", "Send `status_reason` with the new status.", "/status_reason"
        )


def check_tier(
    draft: Draft, sent: Mapping[str, Any], known: Catalogues, links: Iterable[Mapping[str, Any]]
) -> None:
    """A tier may demand that somebody can be called in an emergency: asked when it is chosen."""
    chosen = sent.get("service_tier")
    tier = known.tiers.get(str(chosen), {})
    if chosen == draft.before.get("service_tier") or not tier.get("emergency_contact_required"):
        return
    if not any("emergency" in link["roles"] and link["to_on"] is None for link in links):
        detail = "Link a contact with the role `emergency` first."
        draft.fault("emergency_contact_required", detail, "/service_tier")


async def check_references(
    scope: Scope, draft: Draft, sent: Mapping[str, Any], people: NewPeople | None
) -> None:
    """A new reference points to a record that the caller may open; one look-up for each kind.

    One that stands there already may be sent back, whatever became of its record.
    """
    owner, referrer = (
        None if str(sent.get(name)) == draft.before.get(name) else sent.get(name)
        for name in ("owner_id", "referred_by_id")
    )
    if owner is not None and not await found_by_id(scope, ACTIVE_USERS, [owner]):
        draft.fault("unknown_user", "There is no active user with this id.", "/owner_id")
    if referrer is not None:
        visible = open_lifecycles(scope.actor.rights)
        if referrer == draft.client_id:
            draft.fault(
                "unknown_client", "A client cannot have recommended itself.", "/referred_by_id"
            )
        elif not await found_by_id(scope, VISIBLE_CLIENTS, [referrer], lifecycles=visible):
            draft.fault("unknown_client", "There is no client with this id.", "/referred_by_id")
    if people is not None and people.linked_ids:
        there = await found_by_id(scope, LIVE_CONTACTS, people.linked_ids)
        people.linked_reach = any(row["reachable"] for row in there.values())
        for n, entry in enumerate(people.entries_in):
            if entry.contact_id is not None and entry.contact_id not in there:
                draft.fault(
                    "unknown_contact",
                    "There is no contact with this id.",
                    f"/contacts/{n}/contact_id",
                )
