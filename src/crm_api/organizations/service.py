"""The settings of an organization. Each change of them moves its version, which caches follow."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from crm_api.catalogues.presets import starter_entries, starter_types
from crm_api.catalogues.repository import ENSURE_ENTRIES
from crm_api.core.jsonbody import Incoming
from crm_api.identity.editing import Editor, Items, settled
from crm_api.kit.deciding import raise_faults
from crm_api.kit.replies import Reply, as_text, one
from crm_api.kit.scope import Scope
from crm_api.organizations import repository as sql

SETTINGS = ("name", "presets", "time_zone", "default_country", "currency")


def first_entries(presets: Sequence[str]) -> str:
    """What an organization of these presets begins with, as `ENSURE_ENTRIES` takes it."""
    return as_text([asdict(entry) for entry in starter_entries(presets)])


def added_entries(before: Sequence[str], after: Sequence[str]) -> str:
    """What a change of presets brings: the types and industries of the new ones.

    What people removed of the others stays removed, but for the type that creates fall back on.
    """
    added = [key for key in after if key not in before]
    brought = [e for e in starter_entries(added) if e.catalogue in ("types", "industries")]
    return as_text([asdict(entry) for entry in (*brought, starter_types(after)[0])])


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
            rows = added_entries(current["presets"], values["presets"])
            await db.fetchrow(self.org, ENSURE_ENTRIES, {"org": self.org, "entry_rows": rows})
        diff = {name: (current[name], value) for name, value in values.items()}
        await self.edit.log(self.org, row["version"], "updated", diff)
