"""From accepted values to what shall be stored: normal forms, derived values, rules of content.

Pure functions over the present document and the sent values; no SQL and no rights here.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import Table

from crm_api.catalogues.presets import DEFAULT_WORKFLOW, requirements
from crm_api.catalogues.service import Catalogues
from crm_api.clients.pairs import own_pairs
from crm_api.clients.repository import ATTRIBUTES, CLIENTS, EMAILS, PHONES, REFS, SITES, TAGS
from crm_api.clients.schemas import Client
from crm_api.clients.sites import settle_sites, site_rows
from crm_api.contacts.reach import Settled, email_rows, phone_rows, settle_emails, settle_phones
from crm_api.core.access import OrganizationContext
from crm_api.core.errors import Fault
from crm_api.core.formats.dates import LAST_DAY, add_months, local_today
from crm_api.core.formats.money import Money
from crm_api.core.formats.names import name_key
from crm_api.core.formats.registration import check_registration_number, check_tax_number
from crm_api.core.ids import new_id
from crm_api.kit.plain import empty_values, plain_fields, wire_value
from crm_api.kit.refs import has_repeats, ref_rows

SORT_KEY_LENGTH = 200
SETTLED = ("name", "credit_limit")
"""Fields with a column of their name that more follows from: a sort key, a currency, a scale."""
PLAIN = plain_fields(Client, CLIENTS, settled=SETTLED)
_PLAIN = frozenset(PLAIN)
EMPTY = empty_values(Client)
CATALOGUED = {
    name: field.rule.catalogue
    for name, field in Client.fields.items()
    if field.rule.catalogue is not None and name != "tags"  # a new tag is made, not refused
}
REVIEW_MONTHS = 3


@dataclass(slots=True)
class Draft:
    """What a client shall be after the write."""

    client_id: UUID
    before: Mapping[str, Any]
    """The present document; empty for a new client."""
    after: dict[str, Any] = field(default_factory=dict)
    """Field → its new wire value, for every field that was accepted or derived."""
    row: dict[str, Any] = field(default_factory=dict)
    replaced: dict[Table, list[dict[str, Any]]] = field(default_factory=dict)
    email_keys: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    stood: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Field → items that come back under the ids that they had."""

    def items(self, name: str) -> Sequence[Any]:
        """What the items of a sent list are matched with."""
        found: Sequence[Any] = self.stood.get(name) or self.before.get(name, [])
        return found

    def now(self, name: str, default: Any = None) -> Any:
        """The value of a field after the write."""
        return self.after[name] if name in self.after else self.before.get(name, default)

    def fault(self, code: str, detail: str, pointer: str) -> None:
        self.faults.append(Fault(code, detail, pointer=pointer))

    def diff(self) -> dict[str, tuple[Any, Any]]:
        """Field → (before, after) of what really changes."""
        if not self.before:
            return {n: (None, v) for n, v in self.after.items() if v not in (None, EMPTY.get(n))}
        # A pair that stands for a field is told as the field.
        before = {**self.before, "attributes": own_pairs(self.before["attributes"], {})}
        return {n: (before.get(n), v) for n, v in self.after.items() if before.get(n) != v}


def apply(
    draft: Draft, values: Mapping[str, Any], organization: OrganizationContext, known: Catalogues
) -> None:
    """Take the accepted values into the draft; faults are collected, none is raised."""
    for name, value in values.items():
        if name in _PLAIN:
            draft.after[name] = wire_value(value)
    _name(draft, values)
    _reach(draft, values, organization)
    _catalogued(draft, values, known)
    _registration(draft, values)
    _money(draft, values)
    _remarks(draft, values)
    _workflows(draft, values, known)
    _billing_site(draft)


def _name(draft: Draft, values: Mapping[str, Any]) -> None:
    if "name" not in values:
        return
    try:
        key = name_key(values["name"])
    except ValueError:
        draft.fault("invalid_name", "Write a name of letters or digits.", "/name")
        return
    draft.after["name"] = values["name"]
    draft.row["name_key"] = key[:SORT_KEY_LENGTH]


def _reach(draft: Draft, values: Mapping[str, Any], organization: OrganizationContext) -> None:
    settled: list[tuple[str, Settled]] = []
    if "emails" in values:
        found = settle_emails(values["emails"], draft.items("emails"), "/emails")
        draft.replaced[EMAILS] = email_rows(found, "client_id", draft.client_id)
        draft.email_keys = found.keys
        settled.append(("emails", found))
    if "phones" in values:
        country = organization.default_country
        found = settle_phones(values["phones"], draft.items("phones"), "/phones", country)
        draft.replaced[PHONES] = phone_rows(found, "client_id", draft.client_id)
        settled.append(("phones", found))
    if "sites" in values:
        found = settle_sites(values["sites"], draft.items("sites"), "/sites")
        draft.replaced[SITES] = site_rows(found, draft.client_id)
        settled.append(("sites", found))
    for name, found in settled:
        draft.after[name] = found.items
        draft.faults += found.faults


def _catalogued(draft: Draft, values: Mapping[str, Any], known: Catalogues) -> None:
    for name, catalogue in CATALOGUED.items():
        value = values.get(name)
        if value not in (None, draft.before.get(name)) and value not in known.of(catalogue):
            detail = f"No such entry; `GET /v1/catalogues/{catalogue}` lists them."
            draft.fault("unknown_catalogue_entry", detail, f"/{name}")


def _registration(draft: Draft, values: Mapping[str, Any]) -> None:
    if "registration_country" in values or "registration_number" in values:
        country, number = draft.now("registration_country"), draft.now("registration_number")
        key = None
        if country and number:
            try:
                key = f"{country}:{check_registration_number(country, number)}"
            except ValueError as error:
                draft.fault("invalid_registration_number", _text(error), "/registration_number")
        draft.row["registration_key"] = key
    for n, tax in enumerate(values.get("tax_numbers") or ()):
        try:
            check_tax_number(tax.country, tax.type, tax.value)
        except ValueError as error:
            draft.fault("invalid_tax_number", _text(error), f"/tax_numbers/{n}/value")


def _text(error: ValueError) -> str:
    return str(getattr(error, "message_template", None) or "Check its form.")


def _money(draft: Draft, values: Mapping[str, Any]) -> None:
    if "credit_limit" not in values:
        return
    limit: Money | None = values["credit_limit"]
    draft.after["credit_limit"] = wire_value(limit)
    amount = None if limit is None else int(limit.decimal * 10_000)
    if amount is not None and amount >= 2**63 - 1:
        draft.fault(
            "invalid_amount", "The amount is larger than any limit.", "/credit_limit/amount"
        )
        return
    draft.row["credit_limit"] = amount
    draft.row["credit_limit_currency"] = None if limit is None else limit.currency
    draft.row["credit_limit_scale"] = None if limit is None else len(limit.amount.partition(".")[2])


def _remarks(draft: Draft, values: Mapping[str, Any]) -> None:
    client = str(draft.client_id)
    if "tags" in values:
        tags = list(dict.fromkeys(values["tags"]))
        draft.after["tags"] = tags
        draft.replaced[TAGS] = [
            {"client_id": client, "tag": tag, "catalogue": "tags", "position": n}
            for n, tag in enumerate(tags)
        ]
    if "attributes" in values:
        pairs = own_pairs(values["attributes"], {})
        draft.after["attributes"] = pairs
        draft.replaced[ATTRIBUTES] = [
            {"client_id": client, "key": k, "value": v} for k, v in pairs.items()
        ]
    if "external_refs" in values:
        refs = wire_value(values["external_refs"])
        draft.after["external_refs"] = refs
        if has_repeats(refs):
            draft.fault("repeated_item", "The same reference stands twice.", "/external_refs")
        draft.replaced[REFS] = ref_rows(refs, "client_id", draft.client_id)


def _workflows(draft: Draft, values: Mapping[str, Any], known: Catalogues) -> None:
    """A workflow that the organization has, and that keeps its stages itself."""
    if "workflow_attributes" not in values:
        return
    before = draft.before.get("workflow_attributes", {})
    sent = {workflow: pairs for workflow, pairs in values["workflow_attributes"].items() if pairs}
    draft.after["workflow_attributes"] = sent
    for workflow, pairs in sent.items():
        place = f"/workflow_attributes/{workflow}"
        if workflow == DEFAULT_WORKFLOW:
            detail = "The pairs of this workflow are those of `attributes`."
            draft.fault("invalid_choice", detail, place)
        elif workflow not in known.workflows and workflow not in before:
            detail = "No such entry; `GET /v1/catalogues/workflows` lists them."
            draft.fault("unknown_catalogue_entry", detail, place)
        stages = known.workflows.get(workflow, {}).get("stages")
        stage = pairs.get("stage")
        if stages and stage not in (None, *stages, before.get(workflow, {}).get("stage")):
            detail = f"The stages of this workflow are: {', '.join(stages)}."
            draft.fault("unknown_stage", detail, f"{place}/stage")


def _billing_site(draft: Draft) -> None:
    site = (draft.after.get("billing_details") or {}).get("site_id")
    if site is not None and site not in {s["id"] for s in draft.now("sites", [])}:
        draft.fault(
            "unknown_item", "This is none of the client's sites.", "/billing_details/site_id"
        )


# --------------------------------------------------------------- derived values


def derive(
    draft: Draft, organization: OrganizationContext, *, contact_reach: bool, primary: Any
) -> None:
    """Everything that follows from the rest; recomputing twice changes nothing."""
    start = draft.now("last_reviewed_on") or draft.now("registered_on")
    draft.after["review_due_on"] = _review_due(str(start))
    draft.after["profile_state"] = (
        "complete"
        if _complete(draft, organization, contact_reach=contact_reach, primary=primary)
        else "draft"
    )
    if draft.after.get("type", draft.before.get("type")) != draft.before.get("type"):
        draft.row["type_since"] = "now"


@lru_cache(maxsize=1024)
def _review_due(start: str) -> str:
    try:
        return str(add_months(date.fromisoformat(start), REVIEW_MONTHS))
    except ValueError:  # what starts in the last months of the calendar is due at its end
        return str(LAST_DAY)


def _complete(
    draft: Draft, organization: OrganizationContext, *, contact_reach: bool, primary: Any
) -> bool:
    emails, phones, sites = draft.now("emails", []), draft.now("phones", []), draft.now("sites", [])
    kinds = {site["kind"] for site in sites if site["address_quality"] != "incomplete"}
    met = {
        "email": bool(emails),
        "phone": bool(phones),
        "site": bool(kinds),
        "site:physical": "physical" in kinds,
        "site:service": "service" in kinds,
        "primary_contact": primary is not None,
        "registration_number": bool(draft.now("registration_number")),
        "industry": bool(draft.now("industry")),
        "industry_for_organizations": bool(draft.now("industry"))
        or draft.now("kind") == "individual",
        "stage": bool(draft.now("stage")),
        "owner": bool(draft.now("owner_id")),
    }
    reachable = bool(emails or phones or contact_reach)
    return reachable and all(met[key] for key in requirements(organization.presets))


def identity_of(draft: Draft) -> bytes:
    """What must be unique: an organization's name; name, e-mail and phone of an individual.

    The two kinds never clash. Nothing equals nothing: two individuals of one name without e-mail
    and phone are the same.
    """
    parts = [draft.now("kind"), name_key(draft.now("name"))]
    if draft.now("kind") == "individual":
        parts += [
            _primary(draft.now("emails", []), "address"),
            _primary(draft.now("phones", []), "e164"),
        ]
    return hashlib.sha256("\0".join(parts).encode()).digest()


def _primary(points: Sequence[Mapping[str, Any]], part: str) -> str:
    return next((str(p[part]).lower() for p in points if p["is_primary"]), "")


def new_draft(organization: OrganizationContext, known: Catalogues) -> Draft:
    """What a client is before anything is said of it."""
    draft = Draft(new_id(), {})
    draft.after |= {
        "kind": "organization",
        "type": known.default_type,
        "registered_on": str(local_today(organization.time_zone)),
        **EMPTY,
    }
    return draft


def finish_row(draft: Draft) -> dict[str, Any]:
    """The columns that the draft sets: of changed fields only, for an update."""
    row = dict(draft.row)
    changed = draft.diff() if draft.before else draft.after
    for name in (*PLAIN, "name", "profile_state", "review_due_on"):
        if name in changed:
            row[name] = draft.after[name]
    return row
