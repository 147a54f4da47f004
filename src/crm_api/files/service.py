"""Files: what may be done with them, in which order it is refused; their bytes are elsewhere."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from uuid import UUID

from crm_api.core.access import StaleActor
from crm_api.core.errors import Fault, Refusal
from crm_api.core.ids import new_id
from crm_api.core.jsonbody import Incoming
from crm_api.files import repository as sql
from crm_api.files.lookups import Place, Standing, standing_of
from crm_api.files.schemas import File
from crm_api.kit.changes import Diff
from crm_api.kit.deciding import (
    Sifted,
    raise_faults,
    require_current,
    require_fields,
    require_row,
    require_some,
    sift,
)
from crm_api.kit.editing import Edit, EditingService
from crm_api.kit.fields import Write as When
from crm_api.kit.fields import open_values
from crm_api.kit.filters import Filter
from crm_api.kit.idempotency import Claim, once
from crm_api.kit.indexing import Rows
from crm_api.kit.plain import wire_value
from crm_api.kit.query import ListReader
from crm_api.kit.replies import PageReply, Reply, one
from crm_api.kit.service import Items, Present
from crm_api.kit.writing import Write, write_one

GENERAL = "general"


@dataclass(frozen=True, slots=True)
class Draft:
    """A file that may be added, as far as its place and its body say."""

    place: Place
    row_id: UUID
    standing: Standing
    values: Mapping[str, Any]
    """Kind, name and, of a link, its address."""


class FileService(EditingService):
    """The files of one organization, as one actor may treat them."""

    resource = File
    listing = sql.FILE_LISTING
    parent = "file_id"
    aside = (("places", sql.place_lifecycles),)

    def lifecycles(self) -> list[str]:
        seen = self.actor.rights.can(File.guarded_by, "read_deleted")
        return ["live", "deleted"] if seen else ["live"]

    # ------------------------------------------------------------------ lists

    async def list_of(self, place: Place, row_id: UUID, items: Items) -> PageReply:
        """One page of the files of a record, the latest first.

        Raises:
            Refusal: 404 for the record; 403 for who reads no kind of file, or not the record.
        """
        await self._standing(place, row_id)
        return await self.list(items, Filter(place.column, "eq", (row_id,)))

    async def _standing(self, place: Place, row_id: UUID) -> Standing:
        found = await standing_of(self.scope, place, row_id)
        if found is None:
            raise Refusal("not_found", f"There is no such {place.name}.")
        if not place.reads(self.actor.rights):
            detail = f"{self.actor.in_words} lacks `{place.needs}`."
            fault = Fault("forbidden", f"This needs `{place.needs}`.")
            raise Refusal("forbidden", detail, (fault,))
        return found

    async def versions(self, row_id: UUID, items: Items) -> str:
        """One page of what a document was and is, the latest first; of a link there are none."""
        await self.require_visible(row_id)
        self.require_read()
        reader = ListReader(self.resource, self.scope, {}, ("limit", "cursor", "explain"))
        single = reader.singles(items, ("limit", "cursor", "explain"))
        limit = reader.limit(single.get("limit"))
        reader.raise_any()
        org, bound = self.actor.organization_id, self._bound_to(row_id)
        before = self._before(single.get("cursor"), bound)
        values = {"org": org, "id": row_id, "before": before, "limit": limit + 1}
        values["kinds"] = self.kinds()
        rows = [row["body"] for row in await self.scope.db.fetch(org, sql.VERSION_PAGE, values)]
        shown, cursor = rows[:limit], None
        if len(rows) > limit:
            last = str(json.loads(shown[-1])["number"])
            cursor = self.scope.sealer.seal(last.encode(), bound)
        more = json.dumps(cursor is not None)
        return (
            f'{{"data":[{",".join(shown)}],"next_cursor":{json.dumps(cursor)},"has_more":{more}}}'
        )

    def kinds(self) -> list[str]:
        """Of which kinds former versions are told."""
        return list(open_values(File, self.actor.rights))

    def _bound_to(self, row_id: UUID) -> bytes:
        facts = f"{self.actor.organization_id}{self.actor.id}{row_id}versions"
        return hashlib.sha256(facts.encode()).digest()

    def _before(self, cursor: str | None, bound: bytes) -> int:
        if cursor is None:
            return sql.NEVER_BEFORE
        raw = self.scope.sealer.unseal(cursor, bound) if len(cursor) <= 1024 else None
        if raw is None:
            detail = "This cursor was not issued for these versions."
            fault = Fault("invalid_cursor", detail, parameter="cursor")
            raise Refusal("invalid_cursor", detail, (fault,))
        return int(raw)

    # ----------------------------------------------------------------- create

    async def link(
        self,
        place: Place,
        row_id: UUID,
        incoming: Incoming[Any],
        claim: Claim | None,
        *,
        dry_run: bool = False,
    ) -> Reply:
        """Add a link; nobody follows it.

        Raises:
            Refusal: 404 for the place; 403 verb, then fields, then the kind's group; 409 not
                live; 422 all faults at once.
        """
        if dry_run:
            async with self.scope.db.rehearsal(self.actor.organization_id):
                reply = await self.settled(partial(self._link, place, row_id, incoming, None))
            return Reply(reply.body, reply.etag)
        run = partial(self._link, place, row_id, incoming, claim)
        return await once(self.scope, claim, partial(self.settled, run), self.replayed)

    async def _link(
        self, place: Place, row_id: UUID, incoming: Incoming[Any], claim: Claim | None
    ) -> Reply:
        decided = await self.drafted(place, row_id, incoming, claim)
        if isinstance(decided, Reply):
            return decided
        return await self.insert(decided, new_id(), {"form": "link", "latest_version": 0}, claim)

    async def drafted(
        self, place: Place, row_id: UUID, incoming: Incoming[Any], claim: Claim | None
    ) -> Draft | Reply:
        """What may be added there; the reply, where the same request was answered before."""
        standing = await self._standing(place, row_id)
        require_some(self.scope, File, "create")
        sifted = sift(self.scope, File, incoming, When.ON_CREATE)
        require_fields(self.scope, File, sifted, "create")
        if "kind" not in sifted.unread:
            # Who could not read it afterwards could not be answered, nor mend it.
            kind = sifted.values.get("kind", GENERAL)
            require_row(self.scope, File, kind, "read", "create")
        stored = await self.finished(claim)
        if stored is not None:
            return self.replayed(stored)
        _require_live(
            {place.name: standing.lifecycle, "client": standing.client_lifecycle}, place.name
        )
        raise_faults(sifted)
        sent = {name: wire_value(value) for name, value in sifted.values.items()}
        return Draft(place, row_id, standing, {"kind": GENERAL} | sent)

    async def insert(
        self,
        draft: Draft,
        row_id: UUID,
        content: Mapping[str, Any],
        claim: Claim | None,
        versions: Rows = (),
    ) -> Reply:
        """Write it down.

        Args:
            content: what is known of its content; the digest in hex.
        """
        client = draft.standing.client_id
        places = {draft.place.column: str(draft.row_id)}
        places |= {"client_id": str(client)} if client else {}
        told = places | dict(draft.values) | dict(content)
        row = {
            **told,
            "id": str(row_id),
            "version": 1,
            "lifecycle": "live",
            **self.author(),
        }
        entry = self.entry(row_id, 1, "created", {name: (None, told[name]) for name in told})
        added = {sql.VERSIONS: versions} if versions else {}
        write = Write("insert", row_id, row, [entry], added=added)
        found = await write_one(self.scope, self.shape, write, self.parent, claim)
        if found["body"] is None:
            raise StaleActor
        self.scope.verified = True
        return one(found["body"], status=201, location=f"{self.path}/{row_id}")

    def author(self) -> Mapping[str, str]:
        return {"created_by": str(self.actor.id), "created_by_type": self.actor.kind}

    # ----------------------------------------------------------- patch, delete, restore

    async def patch(self, row_id: UUID, incoming: Incoming[Any], if_match: str | None) -> Reply:
        """Merge the sent fields (RFC 7396); another kind takes the rights to both.

        Raises:
            Refusal: 404; 403 verb, then fields, then the kind's group; 412; 409 not live; 422.
        """
        return await self.edited(incoming.raw, partial(self._patch, row_id, incoming, if_match))

    async def _patch(self, row_id: UUID, incoming: Incoming[Any], if_match: str | None) -> Reply:
        present = await self.writable(row_id, if_match)
        return await self.decide(present, self.allowed(present, incoming, if_match), Edit())

    async def writable(self, row_id: UUID, if_match: str | None) -> Present:
        """The file, for who may change what is of its kind."""
        present = await self.load(row_id, with_seen=if_match is not None)
        require_some(self.scope, File, "update")
        require_row(self.scope, File, present.document["kind"], "update")
        return present

    def require_options(self, sifted: Sifted) -> None:
        require_row(self.scope, File, sifted.values.get("kind"), "read", "update")

    def require_live(self, present: Present) -> None:
        super().require_live(present)
        _require_live(json.loads(present.found["places"]), "")

    async def decide(self, present: Present, sifted: Sifted, edit: Edit) -> Reply:
        """Check the content and write it; an edit that changes nothing leaves no trace."""
        before = present.document
        if "url" in sifted.values and before["form"] != "link":
            sifted.fault("read_only_field", "A document has no address.", "/url")
        raise_faults(sifted)
        sent = {name: wire_value(value) for name, value in sifted.values.items()}
        diff = {n: (before[n], value) for n, value in sent.items() if before[n] != value}
        if not diff:
            return await self.unchanged(present.id)
        row = {name: sent[name] for name in diff}
        return await self.update(present, row, diff, edit.action)

    async def delete(self, row_id: UUID, if_match: str | None) -> None:
        """Delete softly: the right to change it is enough."""

        async def attempt() -> Reply:
            present = await self.writable(row_id, if_match)
            require_current(if_match, present.seen, ())
            self.require_live(present)
            row, diff = {"lifecycle": "deleted"}, {"lifecycle": ("live", "deleted")}
            return await self.update(present, row, diff, "deleted")

        await self.settled(attempt)

    async def restore(self, row_id: UUID, if_match: str | None, claim: Claim | None) -> Reply:
        """Bring a deleted one back, with its versions; until it goes for good.

        Raises:
            Refusal: 404; 403 for the verb and the kind's group; 412; 409 for its place.
        """

        async def attempt() -> Reply:
            present = await self.load(row_id, with_seen=True)
            self.scope.require(File.guarded_by, "restore")
            require_row(self.scope, File, present.document["kind"], "update")
            stored = await self.finished(claim)
            if stored is not None:
                return self.replayed(stored)
            require_current(if_match, present.seen, ())
            if present.lifecycle == "live":
                return one(present.seen)
            _require_live(json.loads(present.found["places"]), "")
            diff = {"lifecycle": ("deleted", "live")}
            return await self.update(present, {"lifecycle": "live"}, diff, "restored", claim=claim)

        return await once(self.scope, claim, partial(self.settled, attempt), self.replayed)

    async def update(
        self, present: Present, row: Mapping[str, Any], diff: Diff, action: str, **more: Any
    ) -> Reply:
        """As of any record; from its deletion on it is counted when its bytes go."""
        if "lifecycle" in row:
            row = {**row, "deleted_at": "now" if row["lifecycle"] == "deleted" else None}
        return await super().update(present, row, diff, action, **more)


def added(reply: Reply, path: str) -> Reply:
    """The reply to what was added to a record."""
    return replace(reply, status=201, location=path)


def _require_live(lifecycles: Mapping[str, str | None], said: str) -> None:
    """Of whatever it hangs on.

    Args:
        said: the place that the path names: it is told first.
    """
    for name in sorted(lifecycles, key=lambda name: name != said):
        if lifecycles[name] not in ("live", None):
            raise Refusal("not_live", f"The {name} is {lifecycles[name]}; restore it first.")
