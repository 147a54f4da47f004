"""The persons of a client, each in its roles; exactly one is primary while any is live."""

import json
from collections.abc import Collection, Mapping
from typing import Any
from uuid import UUID

from crm_api.clients.conflicts import explain_clash
from crm_api.clients.drafting import Draft, derive
from crm_api.clients.parts import MAX_LINKS, LinkEntry, LinkPatch
from crm_api.clients.people import NewPeople, check_link, wire_link
from crm_api.clients.repository import LINKS
from crm_api.clients.rules import check_references
from crm_api.clients.service import ClientService
from crm_api.contacts.repository import LIVE_CONTACTS
from crm_api.core.db import UniqueClash
from crm_api.core.errors import Fault, Refusal, refuse_all
from crm_api.core.jsonbody import Incoming
from crm_api.kit.deciding import require_current
from crm_api.kit.idempotency import Claim, Stored, find, once, store
from crm_api.kit.reading import found_by_id
from crm_api.kit.replies import Reply, one
from crm_api.kit.service import Present

Rows = list[dict[str, Any]]


class LinkService(ClientService):
    """Links change their client: its version, its primary contact, its profile."""

    async def list_of(self, client_id: UUID) -> str:
        """All links of a client; they are few, so that one page holds them."""
        await self.require_visible(client_id)
        self.require_group("reach", "read")
        present = await self.load(client_id)
        links = present.document["contacts"]
        return json.dumps(
            {"data": links, "next_cursor": None, "has_more": False}, ensure_ascii=False
        )

    async def add(
        self, client_id: UUID, incoming: Incoming[LinkEntry], claim: Claim | None
    ) -> Reply:
        """Link a person, or a new one. The first live link is primary."""

        async def run() -> Reply:
            # Under the lock: the person who is linked must not be deleted meanwhile. The reply is
            # stored in the transaction that has the effect.
            async with self.locked():
                link = await self._add(client_id, incoming)
                if claim is not None:
                    await store(self.scope, claim, "link", UUID(link["id"]), link)
                return self._reply(client_id, link, 201)

        if claim is not None and (stored := await find(self.scope, claim)) is not None:
            await self.require_visible(client_id)
            self.require_group("reach", "update")
            return self._replayed_link(client_id, stored)
        return await once(
            self.scope, claim, run, lambda stored: self._replayed_link(client_id, stored)
        )

    def _replayed_link(self, client_id: UUID, stored: Stored) -> Reply:
        return self._reply(client_id, stored.reply, stored.status, replayed=True)

    def _seen(self, link: Mapping[str, Any]) -> Mapping[str, Any]:
        """The link as the caller reads it; who may only write is told the id."""
        reads = self.actor.rights.can("clients", "read", self.reach_group)
        return link if reads else {"id": link["id"]}

    def _reply(
        self, client_id: UUID, link: Mapping[str, Any], status: int, *, replayed: bool = False
    ) -> Reply:
        place = f"/v1/clients/{client_id}/contacts/{link['id']}"
        return one(_as_text(self._seen(link)), status=status, location=place, replayed=replayed)

    async def _add(self, client_id: UUID, incoming: Incoming[LinkEntry]) -> dict[str, Any]:
        present = await self.load(client_id)
        self.require_group("reach", "update")
        entry = incoming.value
        people = (
            NewPeople([entry], [entry.contact_id] if entry.contact_id else [])
            if entry
            else NewPeople()
        )
        people.require_rights(self.scope)
        self.require_live(present)
        if entry is None:
            raise refuse_all(incoming.faults)
        draft = Draft(client_id, present.document)
        people.prepare(draft, self.actor.organization)
        await check_references(self.scope, draft, {}, people)
        rows = _rows_of(present)
        _refuse_second(draft, rows, people.links[0]["contact_id"], "/contact_id")
        if len(rows) >= MAX_LINKS:
            draft.fault("too_many_items", f"A client has at most {MAX_LINKS} contacts.", "")
        if draft.faults:
            raise refuse_all(_moved(f) for f in draft.faults)
        link: dict[str, Any] = people.links[0] | {"position": len(rows)}
        wants_primary = "primary" in entry.roles
        after = _promoted(
            [*rows, link], link["id"] if wants_primary else present.row["primary_link_id"]
        )
        try:
            await self._store_links(present, after, "contact_linked", people)
        except UniqueClash as clash:
            facts = {"id": client_id, "contact_email_keys": people.email_keys}
            raise (await explain_clash(self.scope, clash, facts)).refusal from None
        return _wired(after, link["id"])

    async def change(
        self,
        client_id: UUID,
        link_id: UUID,
        incoming: Incoming[LinkPatch],
        if_match: str | None = None,
    ) -> Reply:
        """Change a link; under the lock, since the state of its person counts too."""
        async with self.locked():
            return await self._change(client_id, link_id, incoming, if_match)

    async def _change(
        self, client_id: UUID, link_id: UUID, incoming: Incoming[LinkPatch], if_match: str | None
    ) -> Reply:
        present, rows, row = await self._linked(client_id, link_id, if_match, incoming.raw)
        if incoming.value is None:
            raise refuse_all(incoming.faults)
        sent = incoming.value.model_dump(mode="json", exclude_unset=True)
        changed: dict[str, Any] = row | {
            name: value if value is not None or name != "roles" else []
            for name, value in sent.items()
        }
        primary = present.row["primary_link_id"]
        _refuse_leaving_primary(rows, row, changed, sent, primary)
        draft = Draft(client_id, present.document)
        if row["to_on"] is not None and changed["to_on"] is None:
            await self._require_live_person(row["contact_id"])
            _refuse_second(draft, rows, row["contact_id"], "/to_on")
        check_link(draft, _as_entry(changed, sent), "")
        if draft.faults:
            raise refuse_all(_moved(f) for f in draft.faults)
        wants = "primary" in (sent.get("roles") or ())
        others = [changed if r["id"] == row["id"] else r for r in rows]
        after = _promoted(others, row["id"] if wants else primary)
        if [wire_link(r) for r in after] != [wire_link(r) for r in rows]:
            await self._store_links(present, after, "contact_changed", NewPeople())
        return self._reply(client_id, _wired(after, row["id"]), 200)

    async def _linked(
        self, client_id: UUID, link_id: UUID, if_match: str | None, sent: Collection[str] = ()
    ) -> tuple[Present, Rows, dict[str, Any]]:
        """The client, its links, and the one that is to change; refused in the usual order."""
        present = await self.load(client_id)
        rows = _rows_of(present)
        row = _find(rows, link_id)
        self.require_group("reach", "update")
        require_current(if_match, _as_text(self._seen(wire_link(row))), sent)
        self.require_live(present)
        return present, rows, row

    async def _require_live_person(self, contact_id: str) -> None:
        if not await found_by_id(self.scope, LIVE_CONTACTS, [UUID(contact_id)]):
            raise Refusal("not_live", "The person is deleted; restore it first.")

    async def remove(self, client_id: UUID, link_id: UUID, if_match: str | None = None) -> None:
        async with self.locked():
            await self._remove(client_id, link_id, if_match)

    async def _remove(self, client_id: UUID, link_id: UUID, if_match: str | None) -> None:
        present, rows, row = await self._linked(client_id, link_id, if_match)
        left = [r for r in rows if r["id"] != row["id"]]
        if row["id"] == present.row["primary_link_id"] and any(r["to_on"] is None for r in left):
            raise _primary_required()
        await self._store_links(
            present,
            _promoted(left, present.row["primary_link_id"]),
            "contact_unlinked",
            NewPeople(),
        )

    async def _store_links(
        self, present: Present, after: Rows, action: str, people: NewPeople
    ) -> None:
        """Write the links that shall be, the primary one, and what follows for the profile."""
        primary = next(
            (r["id"] for r in after if "primary" in r["roles"] and r["to_on"] is None), None
        )
        draft = Draft(present.id, present.document)
        serving = [UUID(r["contact_id"]) for r in after if r["to_on"] is None]
        known = await found_by_id(self.scope, LIVE_CONTACTS, serving)
        reach = people.has_reach or any(row["reachable"] for row in known.values())
        derive(draft, self.actor.organization, contact_reach=reach, primary=primary)
        draft.after["contacts"] = [wire_link(r) for r in after]
        row = {"primary_link_id": primary, "profile_state": draft.after["profile_state"]}
        await self.update(
            present,
            row,
            draft.diff(),
            action,
            replaced={LINKS: [r | {"position": n} for n, r in enumerate(after)]},
            added=people.rows,
            entries=people.entries(self.scope),
        )


def _rows_of(present: Present) -> Rows:
    client_id = present.row["id"]
    return [dict(link) | {"client_id": client_id} for link in present.document["contacts"]]


def _refuse_second(draft: Draft, rows: Rows, contact_id: str, pointer: str) -> None:
    """One live link for each person, however many former ones."""
    if any(row["contact_id"] == contact_id and row["to_on"] is None for row in rows):
        detail = "This person is linked already; change that link."
        draft.fault("repeated_item", detail, pointer)


def _find(rows: Rows, link_id: UUID) -> dict[str, Any]:
    row = next((r for r in rows if r["id"] == str(link_id)), None)
    if row is None:
        raise Refusal("not_found", "There is no such link.")
    return row


def _promoted(rows: Rows, wanted: str | None) -> Rows:
    """Exactly one live link carries the primary role: the wanted one, else the first."""
    live = [r["id"] for r in rows if r["to_on"] is None]
    chosen = wanted if wanted in live else next(iter(live), None)
    return [
        r
        | {
            "roles": (["primary"] if r["id"] == chosen else [])
            + [x for x in r["roles"] if x != "primary"]
        }
        for r in rows
    ]


def _refuse_leaving_primary(
    rows: Rows,
    row: Mapping[str, Any],
    changed: Mapping[str, Any],
    sent: Mapping[str, Any],
    primary: Any,
) -> None:
    if row["id"] != primary:
        return
    others = any(r["to_on"] is None and r["id"] != row["id"] for r in rows)
    gives_up = "roles" in sent and "primary" not in changed["roles"]
    if others and (gives_up or changed["to_on"] is not None):
        raise _primary_required()


def _primary_required() -> Refusal:
    return Refusal("primary_required", "Make another contact primary first.")


def _as_entry(changed: Mapping[str, Any], sent: Mapping[str, Any]) -> LinkEntry:
    """The changed link as it would be sent, to meet the same rules."""
    roles = (
        changed["roles"]
        if "roles" in sent or changed["to_on"] is None
        else [r for r in changed["roles"] if r != "primary"]
    )
    shown = {
        "contact_id": changed["contact_id"],
        "roles": roles,
        "from_on": changed["from_on"],
        "to_on": changed["to_on"],
    }
    return LinkEntry.model_validate_json(json.dumps(shown))


def _moved(fault: Fault) -> Fault:
    """Faults of `contacts/0` stand at the top of a link's own body."""
    pointer = (fault.pointer or "").removeprefix("/contacts/0").removeprefix("/contacts")
    return Fault(fault.code, fault.detail, pointer=pointer)


def _as_text(link: Mapping[str, Any]) -> str:
    return json.dumps(link, ensure_ascii=False, separators=(",", ":"))


def _wired(rows: Rows, link_id: str) -> dict[str, Any]:
    return wire_link(next(r for r in rows if r["id"] == link_id))
