"""What clients have to do with persons' records: who is served by one, and what follows from it."""

from uuid import UUID

from crm_api.clients.changing import derive_change
from crm_api.clients.drafting import Draft, finish_row
from crm_api.clients.lookups import SERVED_BY, rename_people
from crm_api.clients.service import ClientService
from crm_api.contacts.service import ContactService
from crm_api.kit.changes import Diff
from crm_api.kit.filters import Filter
from crm_api.kit.following import follow
from crm_api.kit.reading import load_one
from crm_api.kit.replies import PageReply
from crm_api.kit.scope import Scope
from crm_api.kit.service import FULL, Items, Present


class ServedClients(ClientService):
    """The clients that one person serves, or served once."""

    async def list_of(self, contact_id: UUID, items: Items) -> PageReply:
        """One page of the clients that the caller may see, as any list of clients.

        Raises:
            Refusal: 404 for the person; 403 for who reads no persons or no links.
        """
        people = ContactService(self.scope)
        await people.require_visible(contact_id)
        people.require_group("person", "read")
        self.require_group("reach", "read")
        return await self.list(items, Filter("contact", "eq", (contact_id,)))

    async def recompute(self, client_id: UUID) -> None:
        """Bring the derived values in line with the facts; one change, or none."""
        row = await load_one(self.scope, self.shape, client_id, FULL, aside=self.aside)
        if row is None:
            return
        present = Present(row)
        draft = Draft(client_id, present.document)
        derive_change(draft, present, self.actor.organization)
        diff = draft.diff()
        if diff:
            await self.update(present, finish_row(draft), diff, "recomputed")


def _reach_came_or_went(diff: Diff) -> bool:
    """Whether a list of addresses or numbers became empty, or is no longer."""
    touched = [diff[name] for name in ("emails", "phones") if name in diff]
    return any(bool(before) != bool(after) for before, after in touched)


@follow("contact", _reach_came_or_went)
async def recompute_profiles(scope: Scope, contact_id: UUID) -> None:
    """A person's last address or number is what may make a client's profile complete."""
    org = scope.actor.organization_id
    for row in await scope.db.fetch(org, SERVED_BY, {"org": org, "contact_id": contact_id}):
        await ServedClients(scope).recompute(row["client_id"])


@follow("contact", lambda diff: "name" in diff or "lifecycle" in diff)
async def rename_in_search(scope: Scope, contact_id: UUID) -> None:
    """Clients are found by the names of their persons."""
    await rename_people(scope, [contact_id])
