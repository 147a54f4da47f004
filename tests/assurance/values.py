"""One table of valid values: two for each field that anybody may write, so that a change is one."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from crm_api.clients.schemas import Client
from crm_api.communications.schemas import Communication
from crm_api.contacts.schemas import Contact
from crm_api.files.schemas import File
from crm_api.kit.fields import Resource
from crm_api.lists.schemas import DistributionList, ListMember, Segment
from crm_api.notes.schemas import Note
from crm_api.relationships.schemas import Relationship
from crm_api.tasks.schemas import Task
from tests.assurance.samples import samples_of


@dataclass(slots=True)
class Known:
    """The ids that values refer to."""

    client_id: str
    contact_id: str
    user_id: str
    other_user_id: str
    communication_id: str = ""
    role: str = "presenter"
    list_id: str = ""
    segment_id: str = ""


Maker = Callable[[Known], Any]


def _mark() -> str:
    return secrets.token_hex(5)


def _address() -> str:
    return f"{_mark()}@example.com"


def _text(_: Known) -> str:
    return f"Text {_mark()}"


def _phone(_: Known) -> list[Any]:
    return [f"+25677{secrets.randbelow(9_000_000) + 1_000_000}"]


def _constant(value: Any) -> Maker:
    return lambda _: value


@dataclass(frozen=True, slots=True)
class Values:
    """What a create and what a later patch sends; `beside` is what that value needs around it."""

    first: Maker
    second: Maker
    beside: Mapping[str, Any] = field(default_factory=dict)


def two(first: Any, second: Any, **beside: Any) -> Values:
    return Values(_constant(first), _constant(second), beside)


def fresh(make: Maker, **beside: Any) -> Values:
    return Values(make, make, beside)


_CLIENT: Mapping[str, Values] = {
    "kind": two("individual", "individual"),
    "name": fresh(lambda _: f"Name {_mark()}"),
    "registered_on": two("2026-01-31", "2026-02-01"),
    "external_refs": fresh(lambda _: [{"source": "billing", "id": _mark(), "version": 1}]),
    "type": two("partner", "community_organization", status="active", status_reason="Joined us"),
    "status": two("on_hold", "inactive", status_reason="Asked for a break"),
    "status_reason": fresh(_text),
    "industry": two("hospitality", "media"),
    "stage": two("growing", "mature", stage_reason="Orders are steady"),
    "stage_reason": fresh(_text),
    "business_size": two("small", "large"),
    "service_tier": two("standard", "premium"),
    "region": two("north", "east"),
    "owner_id": Values(lambda k: k.user_id, lambda k: k.other_user_id),
    "potential": two("low", "high"),
    "last_reviewed_on": two("2026-03-01", "2026-04-01"),
    "products_services": fresh(_text),
    "website": fresh(lambda _: f"https://{_mark()}.example.com/"),
    "social_profiles": fresh(
        lambda _: [{"network": "facebook", "url": f"https://example.com/{_mark()}"}]
    ),
    "source": two("referral", "website"),
    "source_detail": fresh(_text),
    "referred_by_id": fresh(lambda k: k.client_id),
    "target_audience": fresh(_text),
    "operating_hours": two(
        [{"days": ["mon"], "opens": "08:30", "closes": "17:00"}],
        [{"days": ["tue", "wed"], "opens": "09:00", "closes": "12:00"}],
    ),
    "time_zone": two("Africa/Nairobi", "Europe/Paris"),
    "languages": two(["en"], ["lg", "sw"]),
    "emails": fresh(lambda _: [_address()]),
    "phones": fresh(_phone),
    "sites": fresh(lambda _: [{"country_code": "UG", "city": f"City {_mark()}"}]),
    "contacts": fresh(lambda _: [{"contact": {"name": f"Person {_mark()}"}}]),
    "preferences": fresh(lambda _: {"contact_times": f"Mornings {_mark()}"}),
    "notification_settings": two({"billing": ["email"]}, {"billing": ["sms"]}),
    "service": fresh(lambda _: {"sla": f"Gold {_mark()}"}),
    "registration_country": two("UG", "KE"),
    "registration_number": fresh(lambda _: f"R{_mark()}"),
    "tax_numbers": fresh(lambda _: [{"country": "DE", "type": "other", "value": _mark()}]),
    "tags": two(["assured_one"], ["assured_two"]),
    "remarks": fresh(_text),
    "attributes": fresh(lambda _: {"shoe_size": _mark()}),
    "workflow_attributes": fresh(lambda _: {"onboarding": {"shoe_size": _mark()}}),
    "billing_details": fresh(lambda _: {"legal_name": f"Legal {_mark()}"}),
    "credit_limit": two(
        {"amount": "1000", "currency": "UGX"}, {"amount": "99.95", "currency": "EUR"}
    ),
    "payment_terms_days": two(30, 60),
}
_CONTACT: Mapping[str, Values] = {
    "name": fresh(lambda _: f"Name {_mark()}"),
    "honorific": two("Dr", "Ms"),
    "languages": two(["en"], ["lg", "sw"]),
    "external_refs": fresh(lambda _: [{"source": "billing", "id": _mark(), "version": 1}]),
    "emails": fresh(lambda _: [_address()]),
    "phones": fresh(_phone),
    "do_not_contact": two(True, True),
    "owner_id": Values(lambda k: k.user_id, lambda k: k.other_user_id),
    "reports_to_id": fresh(lambda k: k.contact_id),
}
_RELATIONSHIP: Mapping[str, Values] = {
    "kind": two("related", "partner"),
    # The others are made as those of a parent.
    "inverse_kind": two("branch", "department"),
    "other_id": Values(lambda k: k.client_id, lambda k: k.contact_id),
    "from_on": two("2026-01-31", "2026-02-01"),
    "to_on": two("2098-01-31", "2099-01-31"),
    "note": fresh(_text),
}
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"
_COMMUNICATION: Mapping[str, Values] = {
    "client_id": Values(lambda k: k.client_id, _constant(NOBODY)),
    "kind": two("email", "meeting"),
    "direction": two("in", "in"),
    "state": two("held", "cancelled"),
    "occurred_at": two("2026-01-31T09:30:00.000000Z", "2026-02-01T09:30:00.000000Z"),
    "participants": fresh(
        lambda _: [{"contact_id": None, "user_id": None, "name": f"Person {_mark()}"}]
    ),
    "action_items": fresh(lambda _: [{"title": f"Item {_mark()}"}]),
    "workflow": two("customer_relationship", "another"),
    "parent_id": fresh(lambda k: k.communication_id),
}
_TASK: Mapping[str, Values] = {
    "title": fresh(_text),
    "kind": two("review", "renewal"),
    "state": two("done", "done"),
    "assignee_id": Values(lambda k: k.user_id, lambda k: k.other_user_id),
    "client_id": Values(lambda k: k.client_id, _constant(NOBODY)),
    "contact_id": Values(lambda k: k.contact_id, _constant(NOBODY)),
}
_NOTE: Mapping[str, Values] = {
    "kind": two("general", "preference"),
    "text": fresh(_text),
    "pinned": two(True, True),
    "workflow": two("onboarding", "onboarding"),
}
_FILE: Mapping[str, Values] = {
    "kind": two("general", "preference"),
    "name": fresh(lambda _: f"Name {_mark()}"),
    "url": fresh(lambda _: f"https://docs.example.com/{_mark()}"),
}
_SEGMENT: Mapping[str, Values] = {
    "name": fresh(_text),
    "filter": two(
        {"version": 1, "filter": {"field": "status", "op": "eq", "value": "active"}},
        {"version": 1, "filter": {"field": "stage", "op": "is_null", "value": True}},
    ),
    # Only its owner may make it private.
    "visibility": two("organization", "organization"),
}
_LIST: Mapping[str, Values] = {
    "name": fresh(_text),
    "workflow": two("onboarding", "onboarding"),
}
_MEMBER: Mapping[str, Values] = {
    "client_id": Values(lambda k: k.client_id, _constant(NOBODY)),
    "contact_id": Values(lambda k: k.contact_id, _constant(NOBODY)),
}
USER: Mapping[str, Values] = {
    "name": fresh(lambda _: f"Name {_mark()}"),
    "role": two("presenter", "manager"),
    "email": fresh(lambda _: _address()),
}
ROLE: Mapping[str, Values] = {
    "name": fresh(lambda _: f"Role {_mark()}"),
    "scopes": two(["clients.name:read"], ["clients.card:read", "clients.name:read"]),
}
API_KEY: Mapping[str, Values] = {
    "name": fresh(lambda _: f"Key {_mark()}"),
    "scopes": two(["clients.name:read"], ["clients.name:read"]),
    "expires_at": two("2099-01-01T00:00:00.000000Z", None),
}
ORGANIZATION: Mapping[str, Values] = {
    "name": fresh(lambda _: f"Name {_mark()}"),
    "presets": two(["radio", "jobs"], ["radio"]),
    "time_zone": two("Africa/Nairobi", "Africa/Kampala"),
    "default_country": two("KE", "UG"),
    "currency": two("KES", "UGX"),
}
ENTRY: Mapping[str, Values] = {
    "key": fresh(lambda _: f"key_{_mark()}"),
    "label": fresh(_text),
    "position": two(7, 9),
    "engagement_level": two("high", "low"),
    "contact_interval_days": two(30, 60),
    "emergency_contact_required": two(True, False),
    "stages": two(["first", "second"], ["first"]),
}

UNWRITABLE: dict[str, Any] = {
    "client_id": NOBODY,
    "id": NOBODY,
    "number": "C-999999",
    "lifecycle": "archived",
    "profile_state": "complete",
    "last_activity_at": "2026-01-01T00:00:00.000000Z",
    "engagement_level": "low",
    "merged_into": NOBODY,
    "created_at": "2026-01-01T00:00:00.000000Z",
    "updated_at": "2026-01-01T00:00:00.000000Z",
    "type_status": {"effective": "partner"},
    "review_due_on": "2026-01-01",
    "primary_contact": {"id": NOBODY},
    "links": ["x"],
    "client": {"id": "01890a5d-ac96-774b-bcce-b302099a8057"},
    "other": {"id": "01890a5d-ac96-774b-bcce-b302099a8057"},
    "current": False,
    "active": False,
    "state": "disabled",
    "last_signed_in_at": "2026-01-01T00:00:00.000000Z",
    "builtin": True,
    "created_by": NOBODY,
    "recorded_by": NOBODY,
    "communication_id": NOBODY,
    "contact_id": NOBODY,
    "form": "document",
    "media_type": "text/plain",
    "size_bytes": 1,
    "sha256": "0" * 64,
    "latest_version": 7,
    "segment_id": NOBODY,
    "list_id": NOBODY,
    "email": "x@example.com",
    "phone": "+256772123456",
    "subscribed": False,
    "done_by": NOBODY,
    "last_used_at": "2026-01-01T00:00:00.000000Z",
    "slug": "another",
    "catalogue": "tags",
    "default_status": "on_hold",
    "statuses": ["active"],
    "derived_only": True,
    "presets": ["jobs"],
}
"""A value of the right type for each field that the system sets."""


def completed(cls: type[Resource], table: Mapping[str, Values]) -> Mapping[str, Values]:
    """The table, and values made from the schema for the fields that are named nowhere."""
    found = dict(table)
    for name, (first, second) in samples_of(cls, {*table, *UNWRITABLE}).items():
        if cls.fields[name].rule.write:
            found[name] = two(first, second)
        else:
            UNWRITABLE[name] = first
    return found


CLIENT, CONTACT = completed(Client, _CLIENT), completed(Contact, _CONTACT)
RELATIONSHIP = completed(Relationship, _RELATIONSHIP)
COMMUNICATION, TASK = completed(Communication, _COMMUNICATION), completed(Task, _TASK)
VALUES: Mapping[str, Mapping[str, Values]] = {
    "clients": CLIENT,
    "contacts": CONTACT,
    "relationships": RELATIONSHIP,
    "communications": COMMUNICATION,
    "tasks": TASK,
    "notes": completed(Note, _NOTE),
    "files": completed(File, _FILE),
    "segments": completed(Segment, _SEGMENT),
    "lists": completed(DistributionList, _LIST),
    "list_members": completed(ListMember, _MEMBER),
    "users": USER,
    "roles": ROLE,
    "api_keys": API_KEY,
    "organization": ORGANIZATION,
    "catalogues": ENTRY,
}


def shown(name: str, sent: Any) -> Any:
    """What the answer holds of a sent value, as far as the value itself says."""
    match name:
        case "emails":
            return {"address": sent[0]}
        case "phones":
            return {"e164": sent[0]}
        case "sites" | "action_items":
            return sent[0]
        case "contacts":
            return {"roles": ["primary"]}
        case "preferences" | "notification_settings" | "service" | "billing_details":
            return sent
    return sent


def answers_to(name: str, sent: Any, answered: Any) -> bool:
    """Whether the answer holds what was sent."""
    wanted = shown(name, sent)
    listed = ("emails", "phones", "sites", "contacts", "action_items")
    found = answered[0] if name in listed else answered
    if isinstance(wanted, dict) and name != "credit_limit":
        return isinstance(found, dict) and wanted.items() <= found.items()
    return bool(found == wanted)
