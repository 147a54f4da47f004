"""Persons as they were: their links of then, and what comes back of addresses and numbers."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_api.contacts.reach import SENT, recalled, sent_again
from crm_api.contacts.repository import EVER_LINKED, LATER_OF_CLIENTS
from crm_api.contacts.service import ContactService
from crm_api.kit.looking_back import Json, PastService
from crm_api.kit.service import Present
from crm_api.kit.versions import Version

LINK_PARTS = ("roles", "function", "job_title", "from_on", "to_on")


class ReachPastService(PastService):
    """A record with addresses and numbers: what was found out of one today outlives a restore."""

    def settable(self, document: Mapping[str, Any], name: str) -> Any:
        return sent_again(name, document[name]) if name in SENT else document[name]

    def stood(self, name: str, then: Any, now: Any) -> Any:
        return recalled(name, then, now) if name in SENT else then


class ContactPast(ReachPastService, ContactService):
    """The contacts of one organization, as they were."""

    async def rebuild(self, present: Present, version: Version) -> tuple[Json, set[str]]:
        values, unknown = await super().rebuild(present, version)
        links = await self._links_then(present.id, version.instant)
        if links is None:
            return values, unknown | {"links"}
        return values | {"links": links}, unknown

    async def _links_then(self, contact_id: UUID, instant: datetime) -> list[Json] | None:
        """The links as the reader would have seen them, of clients that it may open today."""
        org = self.actor.organization_id
        values = {
            "org": org,
            "id": contact_id,
            "instant": instant,
            "unlinked": json.dumps([["contacts", [{"contact_id": str(contact_id)}]]]),
            "lifecycles": self._lifecycles_of_clients(),
        }
        clients = await self.scope.db.fetch(org, EVER_LINKED, values)
        values["ids"] = [client["id"] for client in clients]
        later = await self.scope.db.fetch(org, LATER_OF_CLIENTS, values)
        found: list[Json] = []
        for client in clients:
            known = {"lifecycle": client["lifecycle"], "contacts": json.loads(client["links"])}
            entries = [entry for entry in later if entry["resource_id"] == client["id"]]
            if not _undone(known, entries):
                return None
            if known["lifecycle"] in self._listed():
                found += _links(client["id"], known["contacts"] or (), contact_id)
        return sorted(found, key=lambda link: str(link["id"]))

    def _listed(self) -> list[str]:
        """The lifecycles of clients whose links a person shows."""
        archived = self.actor.rights.can("clients", "read_archived")
        return ["live", "archived"] if archived else ["live"]

    def _lifecycles_of_clients(self) -> list[str]:
        deleted = self.actor.rights.can("clients", "read_deleted")
        return [*self._listed(), *(["deleted", "merged"] if deleted else [])]


def _undone(known: Json, entries: Sequence[Mapping[str, Any]]) -> bool:
    """Lead a client's facts back, newest entry first; False where an erasure took them."""
    lost = set[str]()
    for entry in entries:
        if entry["changes"] is None:
            lost |= set(entry["fields"]) & known.keys()
            continue
        for name, before, _ in json.loads(entry["changes"]):
            if name in known:
                known[name] = before
                lost.discard(name)
    return not lost


def _links(client_id: UUID, links: Sequence[Json], contact_id: UUID) -> list[Json]:
    return [
        {"id": link["id"], "client_id": str(client_id)} | {p: link[p] for p in LINK_PARTS}
        for link in links
        if link["contact_id"] == str(contact_id)
    ]
