"""Overrides: what a person sets over a derived value, with a reason, until lifted or expired."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from crm_api.catalogues.service import Catalogues, known_entries
from crm_api.clients.parts import OverrideEntry
from crm_api.clients.service import ClientService
from crm_api.core.errors import Fault, Refusal, refuse_all
from crm_api.core.formats.dates import format_instant
from crm_api.core.jsonbody import Incoming
from crm_api.kit.changes import Diff
from crm_api.kit.deciding import require_current
from crm_api.kit.replies import Reply, one
from crm_api.kit.service import Present

OVERRIDABLE = ("type",)


class OverrideService(ClientService):
    """Overrides belong to the group `assessment`."""

    async def put(
        self,
        client_id: UUID,
        field: str,
        incoming: Incoming[OverrideEntry],
        if_match: str | None = None,
    ) -> Reply:
        """Set the value; what is set already is no change."""
        return await self.settled(lambda: self._put(client_id, field, incoming, if_match))

    async def _put(
        self, client_id: UUID, field: str, incoming: Incoming[OverrideEntry], if_match: str | None
    ) -> Reply:
        present = await self._decidable(client_id, field, if_match)
        if incoming.value is None:
            raise refuse_all(incoming.faults)
        entry = incoming.value
        known = await known_entries(self.scope.db, self.actor.organization)
        _check(entry, known)
        expires = entry.expires_at and format_instant(entry.expires_at)
        row: dict[str, Any] = {
            "type_override": entry.value,
            "type_override_reason": entry.reason,
            "type_override_by": str(self.actor.id),
            "type_override_at": "now",
            "type_override_expires_at": expires,
        }
        shown = {"value": entry.value, "reason": entry.reason, "expires_at": expires}
        if shown == _held(present):
            return one(present.seen)
        return await self._store(present, row, entry.value, shown, known, "override_set")

    async def lift(self, client_id: UUID, field: str, if_match: str | None = None) -> Reply:
        """Let the derived value hold; where nothing is set, nothing changes."""
        return await self.settled(lambda: self._lift(client_id, field, if_match))

    async def _lift(self, client_id: UUID, field: str, if_match: str | None) -> Reply:
        present = await self._decidable(client_id, field, if_match)
        if present.row["type_override"] is None:
            return one(present.seen)
        known = await known_entries(self.scope.db, self.actor.organization)
        names = ("value", "reason", "by", "at", "expires_at")
        row = {"type_override" if n == "value" else f"type_override_{n}": None for n in names}
        return await self._store(present, row, present.row["type"], None, known, "override_lifted")

    async def _decidable(self, client_id: UUID, field: str, if_match: str | None) -> Present:
        present = await self.load(client_id, with_seen=True)
        if field not in OVERRIDABLE:
            raise Refusal("not_found", "This field has no override.")
        self.require_group("assessment", "update")
        require_current(if_match, present.seen, ())
        self.require_live(present)
        return present

    async def _store(
        self,
        present: Present,
        row: dict[str, Any],
        effective: str,
        shown: Any,
        known: Catalogues,
        action: str,
    ) -> Reply:
        document = present.document
        diff: dict[str, tuple[Any, Any]] = {"type_override": (_held(present), shown)}
        if document["type"] != effective:
            row["type_since"] = "now"
            diff["type"] = (document["type"], effective)
        status = _status_after(document["status"], known.types.get(effective, {}))
        if status != document["status"]:
            row["status"] = status
            diff["status"] = (document["status"], status)
        changes: Diff = diff
        return await self.update(present, row, changes, action)


def _held(present: Present) -> dict[str, Any] | None:
    """The override as it was set, also one that has expired since."""
    row = present.row
    if row["type_override"] is None:
        return None
    expires = row["type_override_expires_at"]
    return {
        "value": row["type_override"],
        "reason": row["type_override_reason"],
        "expires_at": expires and format_instant(datetime.fromisoformat(expires)),
    }


def _check(entry: OverrideEntry, known: Catalogues) -> None:
    faults = []
    if entry.value not in known.types:
        faults.append(
            Fault(
                "unknown_catalogue_entry",
                "No such type; `GET /v1/catalogues/types` lists them.",
                pointer="/value",
            )
        )
    if entry.expires_at is not None and entry.expires_at <= datetime.now(UTC):
        detail = "Send a time in the future."
        faults.append(Fault("invalid_instant", detail, pointer="/expires_at"))
    if faults:
        raise refuse_all(faults)


def _status_after(status: str, entry: Mapping[str, Any]) -> str:
    """A status that the effective type does not take moves to the type's own."""
    allowed = entry.get("statuses")
    return status if not allowed or status in allowed else str(entry.get("default_status", status))
