"""Catalogue entries: listed with their use, added, changed, removed when nobody has them."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args
from uuid import UUID

from crm_api.catalogues import repository as sql
from crm_api.catalogues.presets import DEFAULT_WORKFLOW, custom_type, default_type
from crm_api.catalogues.schemas import ONLY_IN, Catalogue, CatalogueEntry
from crm_api.core.db import ReferenceBroken, UniqueClash
from crm_api.core.errors import Fault, Refusal
from crm_api.core.jsonbody import Incoming
from crm_api.identity.editing import Editor, Items, settled, settled_once
from crm_api.kit.deciding import Sifted, raise_faults, require_some
from crm_api.kit.idempotency import Claim, Stored
from crm_api.kit.listing import list_rows
from crm_api.kit.query import ListReader
from crm_api.kit.replies import PageReply, Reply, as_text, one, page
from crm_api.kit.scope import Scope

PLAIN = ("label", "position")
EMPTY: Mapping[str, Mapping[str, Any]] = {
    "tiers": {"emergency_contact_required": False},
    "workflows": {"stages": []},
}


class CatalogueService:
    """One catalogue of one organization, as one actor may treat it."""

    def __init__(self, scope: Scope, catalogue: str) -> None:
        self.scope = scope
        self.catalogue = catalogue
        self.edit = Editor(scope, sql.ENTRY_SHAPE, "entry")

    def _id(self, key: str) -> UUID:
        return sql.entry_id(self.edit.org, self.catalogue, key)

    def _require_catalogue(self) -> None:
        if self.catalogue not in get_args(Catalogue):
            raise Refusal("not_found", "There is no such catalogue.")

    # ------------------------------------------------------------------------------------- reads

    async def list(self, items: Items) -> PageReply:
        """The entries in their order; with `usage=true` how many live clients have each."""
        self._require_catalogue()
        self.edit.require_read()
        reader = ListReader(CatalogueEntry, self.scope, {})
        kept = [(key, value) for key, value in items if key != "usage"]
        if any(key.partition("[")[0] == "catalogue" for key, _ in kept):
            reader.found.fault("catalogue", "unknown_parameter", "The path names the catalogue.")
        counted = self._usage(reader, tuple(v for k, v in items if k == "usage"))
        query = reader.read([*kept, ("catalogue", self.catalogue)])
        if counted:
            query = replace(query, expand=("usage_count",))
        rows = await list_rows(self.scope, sql.ENTRY_LISTING, query, {})
        return page(self.scope, query, rows)

    def _usage(self, reader: ListReader, sent: tuple[str, ...]) -> bool:
        """Whether counts are asked for; who may not read the field may not count it either."""
        if sent not in ((), ("true",), ("false",)):
            reader.found.fault("usage", "invalid_choice", "`usage` is `true` or `false`, once.")
        if sent != ("true",):
            return False
        group = sql.USAGE_GROUPS[self.catalogue]
        if not self.scope.actor.rights.can("clients", "read", group):
            detail = f"{self.scope.actor.in_words} may not read what these are used in."
            fault = Fault("field_not_readable", detail, parameter="usage")
            raise Refusal("field_not_readable", detail, (fault,))
        return True

    async def get(self, key: str, items: Items) -> Reply:
        self._require_catalogue()
        return await self.edit.get(self._id(key), items)

    # ------------------------------------------------------------------------------------ create

    async def create(self, incoming: Incoming[Any], claim: Claim | None) -> Reply:
        """An entry of the organization's own.

        Raises:
            Refusal: 404 for the catalogue; 403; 422; 409 for a key that is taken.
        """

        async def attempt() -> Reply:
            self._creatable(incoming)
            async with self.edit.locked():
                await self.edit.confirm()
                return await self._create(self._creatable(incoming).values, claim)

        return await settled_once(self.scope, claim, attempt, self._replay)

    def _location(self, key: str) -> str:
        return f"/v1/catalogues/{self.catalogue}/{key}"

    async def _replay(self, stored: Stored) -> Reply:
        require_some(self.scope, CatalogueEntry, "create")
        return self.edit.replayed(stored, self._location(stored.reply["key"]))

    def _creatable(self, incoming: Incoming[Any]) -> Sifted:
        self._require_catalogue()
        require_some(self.scope, CatalogueEntry, "create")
        sifted = self.edit.sifted_create(incoming)
        self._check_place(sifted)
        raise_faults(sifted)
        return sifted

    def _check_place(self, sifted: Sifted) -> None:
        """Each field belongs to one catalogue; elsewhere it is always null."""
        for name in list(sifted.values):
            if ONLY_IN.get(name, self.catalogue) == self.catalogue:
                continue
            if sifted.values.pop(name) is not None:
                detail = f"Only entries of `{ONLY_IN[name]}` have this."
                sifted.fault("unknown_field", detail, f"/{name}")

    async def _create(self, sent: Mapping[str, Any], claim: Claim | None) -> Reply:
        key = sent["key"]
        label = sent.get("label") or key.replace("_", " ").capitalize()
        data = self._first_data(key, label)
        data |= {name: value for name, value in sent.items() if name in ONLY_IN}
        position = sent.get("position")
        if position is None:
            position = (await self.edit.only(sql.NEXT_POSITION, catalogue=self.catalogue))[
                "position"
            ]
        values = {
            "catalogue": self.catalogue,
            "key": key,
            "label": label,
            "position": position,
            "data": as_text(data),
        }
        try:
            await self.edit.row(sql.ADD_ENTRY, **values)
        except UniqueClash as clash:
            if clash.constraint == "pk_idempotency_records":
                raise
            raise Refusal("already_exists", "There is an entry with this key.") from None
        await self._moved()
        shown = {"key": key, "label": label, "position": position} | data
        diff = {name: (None, value) for name, value in shown.items()}
        await self.edit.log(self._id(key), 1, "created", diff)
        seen = await self.edit.seen(self._id(key))
        await self.edit.store(claim, self._id(key), seen)
        return one(seen, status=201, location=self._location(key))

    def _first_data(self, key: str, label: str) -> dict[str, Any]:
        if self.catalogue == "types":
            return custom_type(key, label).data()
        return dict(EMPTY.get(self.catalogue, {}))

    async def _moved(self) -> None:
        """Every process looks the entries up anew. Tags are looked up by nobody."""
        if self.catalogue != "tags":
            await self.edit.row(sql.MOVE_VERSION)

    # ------------------------------------------------------------------------------------- patch

    async def patch(self, key: str, incoming: Incoming[Any], if_match: str | None) -> Reply:
        async def attempt() -> Reply:
            await self._patchable(key, incoming, if_match)
            async with self.edit.locked():
                current, values = await self._patchable(key, incoming, if_match)
                if values:
                    await self.edit.confirm()
                    await self._patch(key, current, values)
                return one(await self.edit.seen(self._id(key)))

        return await settled(attempt)

    async def _patchable(
        self, key: str, incoming: Incoming[Any], if_match: str | None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        self._require_catalogue()
        current = await self.edit.whole(self._id(key))
        require_some(self.scope, CatalogueEntry, "update")
        sifted = self.edit.sifted_patch(incoming, current)
        await self.edit.require_match(self._id(key), if_match, incoming.raw)
        self._check_place(sifted)
        if key == DEFAULT_WORKFLOW and "stages" in sifted.values:
            sifted.fault("read_only_field", "The stages of this workflow stay.", "/stages")
        raise_faults(sifted)
        return current, sifted.values

    async def _patch(self, key: str, current: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        new = {name: values.get(name, current[name]) for name in PLAIN}
        data = {name: value for name, value in values.items() if name in ONLY_IN}
        row = await self.edit.only(
            sql.CHANGE_ENTRY, catalogue=self.catalogue, key=key, data=as_text(data), **new
        )
        await self._moved()
        diff = {name: (current[name], value) for name, value in values.items()}
        await self.edit.log(self._id(key), row["version"], "updated", diff)

    # ------------------------------------------------------------------------------------ delete

    async def delete(self, key: str, if_match: str | None) -> None:
        """Remove an entry that no client has, in whatever lifecycle.

        Raises:
            Refusal: 404; 403; 412; 409 while it is in use, or is what creates fall back on.
        """

        async def attempt() -> None:
            await self._deletable(key, if_match)
            async with self.edit.locked():
                current = await self._deletable(key, if_match)
                await self._refuse_used(key)
                await self.edit.confirm()
                try:
                    gone = await self.edit.only(sql.REMOVE_ENTRY, catalogue=self.catalogue, key=key)
                except ReferenceBroken:
                    raise _in_use() from None
                await self._moved()
                names = ("key", *PLAIN, *ONLY_IN)
                diff = {n: (current[n], None) for n in names if current[n] is not None}
                await self.edit.log(self._id(key), gone["version"] + 1, "deleted", diff)

        await settled(attempt)

    async def _deletable(self, key: str, if_match: str | None) -> dict[str, Any]:
        self._require_catalogue()
        current = await self.edit.whole(self._id(key))
        self.scope.require("catalogues", "delete")
        await self.edit.require_match(self._id(key), if_match, {})
        presets = self.scope.actor.organization.presets
        fixed = {"types": default_type(presets), "workflows": DEFAULT_WORKFLOW}
        if fixed.get(self.catalogue) == key:
            raise Refusal("in_use", "The product falls back on this entry.")
        return current

    async def _refuse_used(self, key: str) -> None:
        row = await self.edit.only(sql.USES, catalogue=self.catalogue, key=key)
        if row["uses"]:
            raise _in_use()


def _in_use() -> Refusal:
    return Refusal("in_use", "Clients have this entry, archived and deleted ones counted.")
