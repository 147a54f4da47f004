"""The timeline of a client: which kinds a reader sees, in which order it is refused, one page."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from crm_api.clients.schemas import Client
from crm_api.clients.service import ClientService
from crm_api.clients.statements import standing_of
from crm_api.core.errors import Fault, Refusal
from crm_api.kit.guard import guard_kind, guard_values, require_ok
from crm_api.kit.history import visible_fields
from crm_api.kit.query import DEFAULT_LIMIT, ListReader, seal_position, unsealed_position
from crm_api.kit.replies import PageReply
from crm_api.kit.scope import Scope
from crm_api.kit.service import Items
from crm_api.timeline.repository import BY_KIND, SOURCES, Source, shown_to
from crm_api.timeline.statements import timeline_page

PARAMETERS = ("limit", "cursor", "kinds", "explain")


@dataclass(frozen=True, slots=True)
class _Asked:
    """A page that the caller may have."""

    kinds: tuple[str, ...]
    limit: int
    after: tuple[str, UUID] | None
    bound_to: bytes


class TimelineService:
    """The timelines of one organization's clients, as one actor may see them."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.clients = ClientService(scope)

    async def page(self, client_id: UUID, items: Items) -> PageReply:
        """One page of all that is remembered about a client, newest first.

        Raises:
            Refusal: 404 for the client; 403 for kinds that are not the caller's to see; 422, 400.
        """
        try:
            asked = self._asked(client_id, items)
        except Refusal:
            # Whether there is such a client comes first: it costs a look only where all is lost.
            if await standing_of(self.scope, client_id) is None:
                raise self.clients.not_found() from None
            raise
        actor = self.scope.actor
        statement = timeline_page(
            actor.rights,
            guard_kind(actor),
            asked.kinds,
            paged=asked.after is not None,
            long=asked.limit > DEFAULT_LIMIT,
        )
        values = guard_values(actor) | {
            "id": client_id,
            "limit": asked.limit,
            "fields": visible_fields(Client, self.scope),
        }
        if asked.after is not None:
            values["after_at"], values["after_id"] = asked.after
        row = await self.scope.db.fetchrow(actor.organization_id, statement, values)
        require_ok(row)
        self.scope.verified = True
        if not row["there"]:
            raise self.clients.not_found()
        cursor = None
        if row["found"] > asked.limit:
            end = (row["last_at"], UUID(row["last_id"]))
            cursor = seal_position(self.scope, asked.bound_to, *end)
        shown, more = (f'"{cursor}"', "true") if cursor else ("null", "false")
        body = f'{{"data":[{row["data"] or ""}],"next_cursor":{shown},"has_more":{more}}}'
        return PageReply(body, cursor)

    def _asked(self, client_id: UUID, items: Items) -> _Asked:
        reader = ListReader(Client, self.scope, {}, PARAMETERS)
        single = reader.singles([(k, v) for k, v in items if k != "kinds"], PARAMETERS)
        named = [kind for key, text in items if key == "kinds" for kind in text.split(",")]
        limit = reader.limit(single.get("limit"))
        if set(named) - BY_KIND.keys():
            known = ", ".join(BY_KIND)
            reader.found.fault("kinds", "invalid_choice", f"`kinds` takes: {known}.")
        kinds = self._kinds([BY_KIND[name] for name in named if name in BY_KIND])
        reader.raise_any()
        bound = self._bound_to(client_id, kinds)
        after = unsealed_position(self.scope, single.get("cursor"), bound)
        return _Asked(kinds, limit, after, bound)

    def _kinds(self, named: Sequence[Source]) -> tuple[str, ...]:
        """The kinds to tell, in one order however they are asked for.

        Raises:
            Refusal: 403 for one that was named and is hidden; or where all are.
        """
        seen = shown_to(self.scope.actor.rights)
        hidden = [source for source in named if source not in seen]
        if hidden or not seen:
            raise self._hiding(hidden or SOURCES)
        return tuple(source.kind for source in seen if source in (named or seen))

    def _hiding(self, hidden: Sequence[Source]) -> Refusal:
        faults = [
            Fault(
                "forbidden",
                f"`{source.kind}` needs {' or '.join(f'`{one}`' for one in source.needs)}.",
                parameter="kinds",
            )
            for source in dict.fromkeys(hidden)
        ]
        names = ", ".join(dict.fromkeys(source.kind for source in hidden))
        why = [{"scope": one, "role": self.scope.actor.role} for s in hidden for one in s.needs]
        return Refusal(
            "forbidden",
            f"{self.scope.actor.in_words} may not read in a timeline: {names}.",
            faults,
            members={"explanation": why} if self.scope.explain else {},
        )

    def _bound_to(self, client_id: UUID, kinds: Sequence[str]) -> bytes:
        actor = self.scope.actor
        facts = f"{actor.organization_id}{actor.id}{client_id}timeline{','.join(kinds)}"
        return hashlib.sha256(facts.encode()).digest()
