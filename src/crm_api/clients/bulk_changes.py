"""Many changes of clients: each decided as a patch decides it, all written in one statement."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from crm_api.catalogues.service import Catalogues
from crm_api.clients.bulk import forbidden_faults, read_body
from crm_api.clients.changing import derive_change, draft_change, moved_identity
from crm_api.clients.drafting import Draft, finish_row, identity_of
from crm_api.clients.lookups import has_contact_reach, promote_identity, tag_entries
from crm_api.clients.pairs import with_pairs
from crm_api.clients.repository import CHILDREN, CLIENT_SHAPE, CLIENTS, TAGS
from crm_api.clients.rules import check_pairs, check_references, seen_pairs
from crm_api.clients.schemas import Client
from crm_api.core.access import OrganizationContext
from crm_api.core.errors import Fault
from crm_api.kit.bulk_updates import Change, load_many, update_many
from crm_api.kit.changes import new_entry
from crm_api.kit.deciding import sift
from crm_api.kit.fields import Write
from crm_api.kit.following import followers_of
from crm_api.kit.schemas import Patch
from crm_api.kit.scope import Scope
from crm_api.kit.service import FULL, Present

_BODY: Final = Patch[Client]
_ASIDE: Final = (("contact_reach", has_contact_reach),)
REFERENCES: Final = ("owner_id", "referred_by_id")


@dataclass(frozen=True, slots=True)
class ClientChange:
    """A change that may be written, if what it refers to is there and nobody holds its name."""

    present: Present
    draft: Draft
    moved: Mapping[str, Any]
    """The columns of what must be unique, where they change."""

    @property
    def digest(self) -> bytes | None:
        """The name to be, where it is another one."""
        return identity_of(self.draft) if self.moved else None


async def load_clients(scope: Scope, ids: Collection[UUID]) -> dict[UUID, Present]:
    """These clients as decisions are made on them, in whatever lifecycle."""
    rows = await load_many(scope, CLIENT_SHAPE, ids, FULL, aside=_ASIDE)
    return {row_id: Present(row) for row_id, row in rows.items()}


def decide_change(
    scope: Scope,
    present: Present,
    body: dict[str, Any],
    organization: OrganizationContext,
    known: Catalogues,
    *,
    typed: bool = True,
) -> ClientChange | list[Fault] | None:
    """The change of a patch body, or every fault of it; None where nothing changes.

    Args:
        typed: whether the pairs of a remark count: of one that comes back they stand elsewhere.
    """
    incoming = read_body(_BODY, body)
    if typed:
        incoming = with_pairs(incoming, _BODY, seen_pairs(scope, present.document))
    sifted = sift(scope, Client, incoming, Write.LATER, current=present.document)
    check_pairs(sifted, incoming.raw)
    faults = forbidden_faults(sifted)
    if present.lifecycle != "live":
        detail = f"The client is {present.lifecycle}; restore it first."
        return [*faults, Fault("not_live", detail)]
    draft = draft_change(present, sifted.values, organization, known)
    faults += [*sifted.faults, *draft.faults]
    if faults:
        return [sifted.placed(fault) for fault in faults]
    derive_change(draft, present, organization)
    if not draft.diff():
        return None
    return ClientChange(present, draft, moved_identity(draft, present))


def refers(draft: Draft) -> bool:
    """Whether anybody else is named in it: few drafts do."""
    return any(draft.after.get(name) is not None for name in REFERENCES)


async def reference_faults(scope: Scope, draft: Draft) -> list[Fault]:
    """What is wrong with references to users and other clients: one look-up for each."""
    sent = {name: draft.after.get(name) for name in REFERENCES}
    ids = {name: UUID(str(value)) for name, value in sent.items() if value is not None}
    if ids:
        draft.faults.clear()
        await check_references(scope, draft, ids, None)
    return draft.faults


async def update_clients(
    scope: Scope, changes: Sequence[ClientChange], action: str = "updated"
) -> None:
    """Write them all, or none of them; within a transaction.

    Raises:
        Serialization: one of them moved on since: decide again.
        UniqueClash, LockTimedOut, ReferenceBroken: as PostgreSQL found them.
    """
    if not changes:
        return
    written = [_written(scope, change, action) for change in changes]
    tags = [row for change in written for row in change.replaced.get(TAGS, ())]
    ensured = tag_entries([dict(row) for row in tags])
    db, actor = scope.db, scope.actor
    await update_many(db, actor, CLIENTS, "client_id", written, ensured)
    for change in changes:
        if change.moved:
            await promote_identity(db, actor.organization_id, change.present.row)
        for follower in followers_of(Client.singular, change.draft.diff()):
            await follower(scope, change.present.id)


def _written(scope: Scope, change: ClientChange, action: str) -> Change:
    draft, present = change.draft, change.present
    diff = draft.diff()
    entry = new_entry(
        scope.actor,
        scope.context,
        resource=Client.singular,
        resource_id=present.id,
        version=present.version + 1,
        action=f"{Client.singular}.{action}",
        diff=diff,
    )
    return Change(
        present.id,
        present.version,
        {**finish_row(draft), **change.moved},
        [entry],
        {table: rows for table, rows in draft.replaced.items() if CHILDREN[table] in diff},
    )
