"""New tasks as rows and entries, ready to be written with whatever they follow from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from uuid import UUID

from crm_api.core.ids import new_id
from crm_api.kit.changes import Diff, Entry, new_entry
from crm_api.kit.scope import Scope
from crm_api.tasks.schemas import Task

MAX_TITLE = 200


@dataclass(frozen=True, slots=True)
class NewTask:
    """What a task says; the rest is empty."""

    title: str
    kind: str
    due_on: date | None = None
    assignee_id: UUID | None = None
    client_id: UUID | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further columns, as JSON."""
    id: UUID = field(default_factory=new_id)

    @property
    def wire(self) -> dict[str, Any]:
        return {
            "title": self.title[:MAX_TITLE].rstrip(),
            "kind": self.kind,
            "due_on": _text(self.due_on),
            "assignee_id": _text(self.assignee_id),
            "client_id": _text(self.client_id),
            **self.more,
        }

    def row(self, author: UUID) -> dict[str, Any]:
        """The row to insert; its time is that of the write."""
        return self.wire | {
            "id": str(self.id),
            "version": 1,
            "lifecycle": "live",
            "state": "open",
            "created_by": str(author),
        }

    def entry(self, scope: Scope) -> Entry:
        said: Diff = {n: (None, v) for n, v in self.wire.items() if v is not None}
        return new_entry(
            scope.actor,
            scope.context,
            resource=Task.singular,
            resource_id=self.id,
            version=1,
            action=f"{Task.singular}.created",
            diff=said,
        )


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
