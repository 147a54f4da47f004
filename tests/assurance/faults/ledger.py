"""What was sent, and what is known of it: a file that is on disk before anything goes on the wire.

A write is one intention. It may take several attempts, each with a request id of its own, by which
the change log tells what came of it.
"""

import json
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

Outcome = Literal["acknowledged", "refused", "unknown", "broken"]


@dataclass(slots=True)
class Write:
    """One intention, as the ledger knows it."""

    id: str
    operation: str
    path: str = ""
    resource_id: str = ""
    mark: str = ""
    """A text that the record holds if, and only if, this write took effect."""
    attempts: list[str] = field(default_factory=list)
    outcome: Outcome = "unknown"
    status: int = 0
    key: str = ""
    meant_to_fail: bool = False


class Ledger:
    """Appends one line for each event, and syncs it. One for each run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.answers: Counter[str] = Counter()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        os.close(self._descriptor)

    def intend(self, write: Write) -> None:
        self._append(
            {
                "event": "intended",
                "id": write.id,
                "operation": write.operation,
                "path": write.path,
                "key": write.key,
                "resource_id": write.resource_id,
                "mark": write.mark,
                "meant_to_fail": write.meant_to_fail,
            }
        )

    def sent(self, write: Write, request_id: str) -> None:
        self._append({"event": "sent", "id": write.id, "request_id": request_id})

    def answered(self, write: Write, outcome: Outcome, status: int, resource_id: str = "") -> None:
        self.answers[f"{outcome} {status}"] += 1
        self._append(
            {
                "event": "answered",
                "id": write.id,
                "outcome": outcome,
                "status": status,
                "resource_id": resource_id,
            }
        )

    def _append(self, event: dict[str, Any]) -> None:
        os.write(self._descriptor, json.dumps(event).encode() + b"\n")
        os.fdatasync(self._descriptor)

    def read(self) -> list[Write]:
        """The writes as the file alone tells them."""
        return read_ledger(self._path)


def read_ledger(path: Path) -> list[Write]:
    found: dict[str, Write] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        kind = event.pop("event")
        if kind == "intended":
            found[event["id"]] = Write(**event)
            continue
        write = found[event["id"]]
        if kind == "sent":
            write.attempts.append(event["request_id"])
            continue
        # What was acknowledged stays so, whatever a later attempt heard.
        if write.outcome != "acknowledged":
            write.outcome, write.status = event["outcome"], event["status"]
        write.resource_id = write.resource_id or event["resource_id"]
    return list(found.values())
