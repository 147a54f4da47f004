"""Clients as they were: what follows from the rest then, and how their fields are set back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from crm_api.catalogues.repository import entry_id
from crm_api.clients.lookups import LEVEL_THEN
from crm_api.clients.pairs import own_pairs
from crm_api.clients.service import ClientService
from crm_api.contacts.past import ReachPastService
from crm_api.core.formats.dates import format_instant, parse_instant
from crm_api.core.formats.text import Line
from crm_api.core.jsonbody import Incoming
from crm_api.kit.deciding import Sifted
from crm_api.kit.editing import EditingService
from crm_api.kit.looking_back import Json
from crm_api.kit.schemas import RestoreVersion
from crm_api.kit.service import Present
from crm_api.kit.versions import Logged, Version

OVERRIDE = "type_override"
SITE_FACTS = ("address_quality",)


class RestoreClientVersion(RestoreVersion):
    """Which version to set back to, and which of its fields."""

    status_reason: Annotated[
        Annotated[str, Line(1, 500)] | None,
        Field(description="Why, where the status moves back; else the reason of then."),
    ] = None
    stage_reason: Annotated[
        Annotated[str, Line(1, 500)] | None,
        Field(description="Why, where the stage moves back; else the reason of then."),
    ] = None


@dataclass(frozen=True, slots=True)
class Held:
    """The override that stood over the type, whether it had expired or not."""

    shown: Mapping[str, Any]
    """Value, reason, and until when, as the log tells them."""
    entry: Logged

    @property
    def expires_at(self) -> datetime | None:
        text = self.shown["expires_at"]
        return None if text is None else parse_instant(text)

    def holds(self, instant: datetime) -> bool:
        return self.expires_at is None or self.expires_at > instant

    def told(self) -> Json:
        """As the record told it: who set it, and when, are the entry's."""
        shown = self.shown
        return {
            "value": shown["value"],
            "reason": shown["reason"],
            "by": str(self.entry.actor_id),
            "at": format_instant(self.entry.at),
            "expires_at": shown["expires_at"],
        }


class ClientPast(ReachPastService, ClientService):
    """The clients of one organization, as they were."""

    marks = ("type", OVERRIDE)

    async def rebuild(self, present: Present, version: Version) -> tuple[Json, set[str]]:
        values, unknown = await super().rebuild(present, version)
        values["updated_at"] = format_instant(version.changed_at)
        values["primary_contact"] = _primary(values["contacts"])
        values["attributes"] = own_pairs(values["attributes"], values)
        if "contacts" in unknown:
            unknown.add("primary_contact")
        status = type_status(str(present.row["type"]), version)
        if status is None:
            return values, unknown | {"type", "type_status", "engagement_level"}
        values |= {"type": status["effective"], "type_status": status}
        values["engagement_level"] = await self._level(status["effective"], version)
        return values, unknown - {"type"}

    async def _level(self, kind: str, version: Version) -> str | None:
        org = self.actor.organization_id
        values = {"type": kind, "entry": entry_id(org, "types", kind), "instant": version.instant}
        row = await self.scope.db.fetchrow(org, LEVEL_THEN, values | {"org": org})
        level: str | None = row["level"]
        return level

    def allowed(self, present: Present, incoming: Incoming[Any], if_match: str | None) -> Sifted:
        """What was typed then stands in the fields of then: it is not read anew."""
        return EditingService.allowed(self, present, incoming, if_match)

    def settable(self, document: Mapping[str, Any], name: str) -> Any:
        """The type as it was set: what an override says goes with it, and a pair with its field."""
        if name == "type":
            return document["type_status"]["derived"]
        if name == "attributes":
            return own_pairs(document[name], {})
        if name == "sites":
            return [
                {p: v for p, v in site.items() if p not in SITE_FACTS} for site in document[name]
            ]
        return super().settable(document, name)

    def back(
        self,
        present: Present,
        then: Mapping[str, Any],
        names: Sequence[str],
        body: RestoreVersion,
    ) -> Json:
        """A status or stage that moves back takes a reason, as one that moves on."""
        found = super().back(present, then, names, body)
        for name in ("status", "stage"):
            if name in found:
                reason = getattr(body, f"{name}_reason", None) or then[f"{name}_reason"]
                found |= {f"{name}_reason": reason} if reason else {}
        return found


def _primary(links: Sequence[Json]) -> Json | None:
    return next((one for one in links if "primary" in one["roles"] and one["to_on"] is None), None)


def type_status(kind: str, version: Version) -> Json | None:
    """The derived view (G2) of the type at a version; None where an erasure took it.

    Args:
        kind: the type that is stored today, whatever stands over it.
    """
    derived = _stored_type(kind, version.later)
    since = version.marks["type"].at
    entry = version.marks.get(OVERRIDE)
    if derived is None or (entry is not None and entry.changes is None):
        return None
    shown = None if entry is None or entry.changes is None else entry.changes[OVERRIDE][1]
    held = None if entry is None or shown is None else Held(shown, entry)
    holds = held is not None and held.holds(version.instant)
    if held is not None and held.expires_at is not None and not holds:
        since = held.expires_at
    return {
        "effective": held.shown["value"] if held is not None and holds else derived,
        "derived": derived,
        "source": "override" if holds else "rule",
        "since": format_instant(since),
        "rule": "client_type",
        "evidence": [],
        "override": held.told() if held is not None and holds else None,
    }


def _stored_type(kind: str, later: Sequence[Logged]) -> str | None:
    """The type below an override. An entry that sets or lifts one tells of the effective type."""
    found: str | None = kind
    for entry in later:
        if "type" in entry.fields and OVERRIDE not in entry.fields:
            found = None if entry.changes is None else str(entry.changes["type"][0])
    return found
