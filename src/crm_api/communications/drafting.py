"""From accepted values to what shall be stored of a communication; no SQL and no rights here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from crm_api.catalogues.presets import DEFAULT_WORKFLOW
from crm_api.communications.repository import COMMUNICATIONS
from crm_api.communications.schemas import Communication, Participant
from crm_api.core.formats.dates import parse_instant
from crm_api.kit.deciding import Sifted
from crm_api.kit.plain import empty_values, plain_fields, wire_value
from crm_api.tasks.drafting import NewTask

SETTLED = ("participants", "action_items")
"""Fields that rows of other tables hold."""
PLAIN = plain_fields(Communication, COMMUNICATIONS)
EMPTY = empty_values(Communication)
GRACE = timedelta(minutes=5)
"""So far ahead a clock may be before what it says counts as lying ahead."""


@dataclass(slots=True)
class Draft:
    """What a communication shall be after the write."""

    id: UUID
    before: Mapping[str, Any]
    """The present document; empty for a new one."""
    after: dict[str, Any] = field(default_factory=dict)

    def now(self, name: str) -> Any:
        """The value of a field after the write."""
        return self.after[name] if name in self.after else self.before.get(name)

    def diff(self) -> dict[str, tuple[Any, Any]]:
        if not self.before:
            return {n: (None, v) for n, v in self.after.items() if v not in (None, EMPTY.get(n))}
        return {
            name: (self.before.get(name), value)
            for name, value in self.after.items()
            if self.before.get(name) != value
        }

    def row(self, author: UUID) -> dict[str, Any]:
        """The row to insert; its time of recording is that of the write."""
        said = {name: self.after[name] for name in PLAIN if name in self.after}
        return (
            dict.fromkeys(PLAIN)
            | {name: EMPTY[name] for name in PLAIN if name in EMPTY}
            | said
            | {
                "id": str(self.id),
                "version": 1,
                "lifecycle": "live",
                "recorded_at": "now",
                "recorded_by": str(author),
            }
        )

    def participant_rows(self) -> list[dict[str, Any]]:
        return [
            {**one, "communication_id": str(self.id), "position": n}
            for n, one in enumerate(self.after["participants"])
        ]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision knows of the records that it refers to."""

    lifecycle: str | None
    """Of the client; None where there is none."""
    version: int
    last_activity_at: datetime | None
    parent_client_id: UUID | None
    parent_workflow: str | None
    known: frozenset[UUID]
    """Live contacts and active users, of those that were asked about."""


NO_FACTS = Facts(None, 0, None, None, None, frozenset())
"""For a decision that refers to no other record."""


def apply(draft: Draft, sifted: Sifted, values: Mapping[str, Any]) -> None:
    """Take the accepted values into the draft; faults are collected."""
    for name, value in values.items():
        if name in PLAIN:
            draft.after[name] = wire_value(value)
    if "participants" in values:
        draft.after["participants"] = _participants(values["participants"], sifted)


def _participants(sent: Sequence[Participant], sifted: Sifted) -> list[dict[str, Any]]:
    """Each is a contact, a user, or a name; what is told of the name of the others is dropped."""
    found: list[dict[str, Any]] = []
    for n, one in enumerate(sent):
        ids = [one.contact_id, one.user_id]
        if all(ids) or not (any(ids) or one.name):
            detail = "Send one of `contact_id`, `user_id` and `name`."
            sifted.fault("required", detail, f"/participants/{n}")
        named = one.name if not any(ids) else None
        item = wire_value(one) | {"name": named}
        if named is None and item in found:
            detail = "The same participant stands twice."
            sifted.fault("repeated_item", detail, f"/participants/{n}")
        found.append(item)
    return found


def settle_time(draft: Draft, sifted: Sifted) -> None:
    """When, and whether it was held: what lies ahead was not."""
    now = datetime.now(UTC)
    draft.after.setdefault("occurred_at", draft.now("occurred_at") or wire_value(now))
    ahead = parse_instant(draft.after["occurred_at"]) > now + GRACE
    draft.after.setdefault("state", draft.now("state") or ("planned" if ahead else "held"))
    if ahead and draft.after["state"] == "held":
        place = "/state" if draft.before.get("state") != "held" else "/occurred_at"
        detail = "It lies ahead: plan it, or send when it took place."
        sifted.fault("lies_ahead", detail, place)


def settle_place(draft: Draft, sifted: Sifted, facts: Facts, workflows: Iterable[str]) -> None:
    """Which tree it hangs in, and under what there."""
    client, parent, sent = (draft.now(n) for n in ("client_id", "parent_id", "workflow"))
    if parent is not None and parent != draft.before.get("parent_id"):
        if client is None or str(facts.parent_client_id) != client:
            detail = "This client has no such communication."
            sifted.fault("unknown_parent", detail, "/parent_id")
        elif sent is not None and sent != facts.parent_workflow:
            place = "/parent_id" if draft.before else "/workflow"
            sifted.fault("other_workflow", "The parent hangs in another workflow's tree.", place)
    if draft.before:
        return
    if sent is not None and sent not in workflows:
        detail = "No such entry; `GET /v1/catalogues/workflows` lists them."
        sifted.fault("unknown_catalogue_entry", detail, "/workflow")
    if sent is not None and client is None:
        detail = "The trees are those of a client: send `client_id`, too."
        sifted.fault("required", detail, "/workflow")
    if client is not None and sent is None:
        draft.after["workflow"] = facts.parent_workflow or DEFAULT_WORKFLOW


def tasks_of(draft: Draft, values: Mapping[str, Any], author: UUID | None) -> list[NewTask]:
    """The action items, and the follow-up, as tasks of whoever logs it unless somebody is named."""
    client = draft.now("client_id")
    more = {"communication_id": str(draft.id)}
    of_client = None if client is None else UUID(client)
    found = [
        NewTask(item.title, "action_item", item.due_on, item.assignee_id or author, of_client, more)
        for item in values.get("action_items") or ()
    ]
    if values.get("follow_up_on") is not None:
        title = f"Follow up: {draft.now('subject') or draft.now('kind')}"
        found.append(NewTask(title, "follow_up", values["follow_up_on"], author, of_client, more))
    return found
