"""The 409 that helps: who stands in the way, how visible it is, and what may be called next."""

from collections.abc import Mapping, Sequence
from typing import Any

from crm_api.clients.lookups import (
    BLOCKED_BY_EMAIL,
    BLOCKED_BY_IDENTITY,
    BLOCKED_BY_REF,
    BLOCKED_BY_REGISTRATION,
)
from crm_api.clients.repository import open_lifecycles
from crm_api.clients.schemas import Client
from crm_api.contacts.repository import BLOCKED_BY_EMAIL as CONTACT_BLOCKED_BY_EMAIL
from crm_api.core.db import UniqueClash
from crm_api.core.errors import Fault, Refusal
from crm_api.core.ids import NIL
from crm_api.kit.fields import mask_of
from crm_api.kit.scope import Scope

INACTIVE = ("archived", "deleted")


class Blocked(Exception):
    """A uniqueness clash with the rows that hold the value; the service may still find a way."""

    def __init__(self, refusal: Refusal, holders: Sequence[Mapping[str, Any]], kind: str) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal
        self.holders = holders
        self.kind = kind


async def explain_clash(scope: Scope, clash: UniqueClash, facts: Mapping[str, Any]) -> Blocked:
    """Look up who holds what the write wanted.

    Args:
        facts: `id`, `digest`, `email_keys`, `contact_email_keys`, `registration_key`, `ref_keys`.
    """
    match clash.constraint:
        case "uq_clients_identity":
            return await _by_name(scope, facts)
        case "uq_client_emails_key":
            return await _by_email(scope, facts)
        case "uq_contact_emails_key":
            return await _by_contact_email(scope, facts)
        case "uq_clients_registration":
            rows = await _rows(
                scope, BLOCKED_BY_REGISTRATION, facts, key=facts.get("registration_key")
            )
            return _blocked(
                scope,
                "registration_number_in_use",
                rows,
                "registration_number",
                "same_registration_number",
            )
        case "pk_client_refs":
            rows = await _rows(scope, BLOCKED_BY_REF, facts, keys=facts.get("ref_keys", []))
            return _blocked(scope, "reference_in_use", rows, "external_refs", "same_reference")
    return Blocked(
        Refusal("conflict", "Another write came first; read again and retry."), (), "other"
    )


async def _rows(scope: Scope, statement: Any, facts: Mapping[str, Any], **values: Any) -> list[Any]:
    bound = {"org": scope.actor.organization_id, "id": facts.get("id", NIL)} | values
    return await scope.db.fetch(scope.actor.organization_id, statement, bound)


async def _by_name(scope: Scope, facts: Mapping[str, Any]) -> Blocked:
    rows = await _rows(scope, BLOCKED_BY_IDENTITY, facts, digest=facts["digest"])
    return _blocked(scope, "duplicate_name", rows, "name", "same_name")


async def _by_email(scope: Scope, facts: Mapping[str, Any]) -> Blocked:
    rows = await _rows(scope, BLOCKED_BY_EMAIL, facts, keys=facts["email_keys"])
    inactive = bool(rows) and all(row["lifecycle"] in INACTIVE for row in rows)
    code = "email_in_use_inactive" if inactive else "email_in_use"
    taken = {row["key"] for row in rows}
    places = [f"/emails/{n}" for n, key in enumerate(facts["email_keys"]) if key in taken]
    return _blocked(scope, code, rows, "emails", "same_email", places)


async def _by_contact_email(scope: Scope, facts: Mapping[str, Any]) -> Blocked:
    rows = await _rows(
        scope, CONTACT_BLOCKED_BY_EMAIL, facts, keys=facts.get("contact_email_keys", [])
    )
    may_open = scope.actor.rights.can("contacts", "read", "person")
    shown = [
        {
            "contact_id": str(row["id"]),
            "name": row["name"],
            "visibility": "live",
            "score": 1.0,
            "reasons": ["same_email"],
        }
        if may_open and row["lifecycle"] == "live"
        else {"visibility": "not_visible", "score": 1.0, "reasons": ["same_email"]}
        for row in rows
    ]
    fault = Fault("email_in_use", "Another contact has this address.", pointer="/contacts")
    members = {"candidates": shown, "next": calls_of(shown, ["open", "link"])}
    return Blocked(
        Refusal("email_in_use", "Another contact has this address.", (fault,), members=members),
        rows,
        "contact_email",
    )


def _blocked(
    scope: Scope,
    code: str,
    rows: Sequence[Any],
    field: str,
    reason: str,
    places: Sequence[str] = (),
) -> Blocked:
    candidates = [candidate_of(scope, row, reason) for row in _distinct(rows)]
    calls = calls_of(candidates, next_calls(scope, code, candidates))
    detail = {
        "duplicate_name": "A client of this name exists.",
        "email_in_use": "Another client has this e-mail address.",
        "email_in_use_inactive": "A client that is not live has this e-mail address.",
        "registration_number_in_use": "Another client has this registration number.",
        "reference_in_use": "Another client has this external reference.",
    }[code]
    faults = [Fault(code, detail, pointer=place) for place in places or [f"/{field}"]]
    refusal = Refusal(code, detail, faults, members={"candidates": candidates, "next": calls})
    return Blocked(refusal, rows, field)


def _distinct(rows: Sequence[Any]) -> list[Any]:
    return list({row["id"]: row for row in rows}.values())


def visible_lifecycles(scope: Scope) -> list[str]:
    """Which lifecycles of clients the actor may open at all."""
    return open_lifecycles(scope.actor.rights)


def candidate_of(scope: Scope, row: Any, reason: str) -> dict[str, Any]:
    """As much of the blocker as the caller may read."""
    base: dict[str, Any] = {"score": 1.0, "reasons": [reason]}
    if row["lifecycle"] not in visible_lifecycles(scope):
        return {"visibility": "not_visible"} | base
    reads = mask_of(Client, scope.actor.rights).read
    shown: dict[str, Any] = {"visibility": row["lifecycle"]}
    if "id" in reads:
        shown |= {"id": str(row["id"]), "number": f"C-{row['number']:06d}"}
    if "name" in reads:
        shown["name"] = row["name"]
    return shown | base


def seen_candidate(scope: Scope, told: Mapping[str, Any]) -> dict[str, Any]:
    """A candidate that was told before, as far as the caller may read it today."""
    rights = scope.actor.rights
    hidden = {"visibility": "not_visible", "score": told["score"], "reasons": told["reasons"]}
    if "contact_id" in told:
        return dict(told) if rights.can("contacts", "read", "person") else hidden
    if told["visibility"] not in visible_lifecycles(scope):
        return hidden
    reads = mask_of(Client, rights).read
    unread = {name for name in ("id", "number", "name") if name not in reads}
    return {name: value for name, value in told.items() if name not in unread}


def next_calls(scope: Scope, code: str, candidates: Sequence[Mapping[str, Any]]) -> list[str]:
    rights = scope.actor.rights
    seen = {c["visibility"] for c in candidates}
    calls = ["open", "link"] if seen & {"live", "archived"} else []
    restorable = "archived" in seen or ("deleted" in seen and rights.can("clients", "read_deleted"))
    if restorable and rights.can("clients", "restore"):
        calls.append("reactivate")
    if (
        code == "email_in_use_inactive"
        and rights.can("clients", "restore")
        and "not_visible" not in seen
    ):
        calls.append("create_anyway")
    if code == "duplicate_name" and rights.can("clients", "duplicate_override"):
        calls.append("create_anyway")
    return calls


def calls_of(candidates: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, str]]:
    """The calls that may follow, each with what to send."""
    first = next((c for c in candidates if "id" in c or "contact_id" in c), None)
    target = f"/v1/clients/{first['id']}" if first and "id" in first else None
    if first and "contact_id" in first:
        target = f"/v1/contacts/{first['contact_id']}"
    found = []
    for name in names:
        if name in ("create", "create_anyway"):
            found.append({"action": name, "method": "POST", "path": "/v1/clients"})
        elif target is not None and name in ("open", "reactivate"):
            post = name == "reactivate"
            path = f"{target}/restore" if post else target
            found.append({"action": name, "method": "POST" if post else "GET", "path": path})
        elif target is not None and name == "link":
            found.append({"action": name, "method": "GET", "path": target})
    return found
