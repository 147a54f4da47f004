"""The settings of an organization. Each change of them moves its version, which caches follow."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from crm_api.catalogues.presets import starter_entries
from crm_api.catalogues.repository import ENSURE_ENTRIES
from crm_api.core.jsonbody import Incoming
from crm_api.identity.editing import Editor, Items, as_text, settled
from crm_api.kit.deciding import raise_faults
from crm_api.kit.replies import Reply, one
from crm_api.kit.scope import Scope
from crm_api.organizations import repository as sql

SETTINGS = ("name", "presets", "time_zone", "default_country", "currency")


def entry_rows(presets: Sequence[str]) -> str:
    """The first catalogue entries of these presets, as `ENSURE_ENTRIES` takes them."""
    rows = [
        {
            "catalogue": entry.catalogue,
            "key": entry.key,
            "label": entry.label,
            "position": entry.position,
            "data": entry.data,
        }
        for entry in starter_entries(presets)
    ]
    return as_text(rows)


class OrganizationService:
    """The organization of one actor, as it may treat it."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self.edit = Editor(scope, sql.ORGANIZATION_SHAPE, "organization")

    @property
    def org(self) -> UUID:
        return self.edit.org

    async def get(self, items: Items) -> Reply:
        return await self.edit.get(self.org, items)

    async def patch(self, incoming: Incoming[Any], if_match: str | None) -> Reply:
        """Change settings; they act on everybody's next request.

        Raises:
            Refusal: 403; 412; 422.
        """

        async def attempt() -> Reply:
            await self._patchable(incoming, if_match)
            async with self.edit.locked():
                current, values = await self._patchable(incoming, if_match)
                if values:
                    await self.edit.confirm()
                    await self._patch(current, values)
                return one(await self.edit.seen(self.org))

        return await settled(attempt)

    async def _patchable(
        self, incoming: Incoming[Any], if_match: str | None
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        current = await self.edit.whole(self.org)
        self.scope.require("organization", "manage")
        sifted = self.edit.sifted_patch(incoming, current)
        await self.edit.require_match(self.org, if_match, incoming.raw)
        presets = sifted.values.get("presets", [])
        if len(set(presets)) < len(presets):
            sifted.fault("duplicate_item", "Name each preset once.", "/presets")
        raise_faults(sifted)
        return current, sifted.values

    async def _patch(self, current: Mapping[str, Any], values: Mapping[str, Any]) -> None:
        db = self.scope.db
        new = {name: values.get(name, current[name]) for name in SETTINGS}
        row = await db.fetchrow(self.org, sql.CHANGE_ORGANIZATION, {"org": self.org} | new)
        if "presets" in values:
            # What an added preset brings; entries that are there stay as people made them.
            rows = {"org": self.org, "entry_rows": entry_rows(values["presets"])}
            await db.fetchrow(self.org, ENSURE_ENTRIES, rows)
        diff = {name: (current[name], value) for name, value in values.items()}
        await self.edit.log(self.org, row["version"], "updated", diff)
