"""What a catalogue knows, remembered as long as the organization's version stands still."""

import json
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from crm_api.catalogues.presets import default_type
from crm_api.catalogues.repository import KNOWN_ENTRIES
from crm_api.core.access import OrganizationContext
from crm_api.core.db import Database

MAX_ORGANIZATIONS: Final = 1024

Entries = Mapping[str, Mapping[str, Any]]
"""Key → what the product needs of the entry (`data`)."""


@dataclass(frozen=True, slots=True)
class Catalogues:
    """The known keys of one organization. Not the tags: whoever writes one makes it."""

    version: int
    default_type: str
    types: Entries
    industries: Entries
    tiers: Entries
    regions: Entries
    sources: Entries
    workflows: Entries

    def of(self, catalogue: str) -> Entries:
        """The entries of a catalogue by its name on the wire."""
        if catalogue not in _REMEMBERED:
            raise KeyError(catalogue)
        found: Entries = getattr(self, catalogue)
        return found


_REMEMBERED: Final = ("types", "industries", "tiers", "regions", "sources", "workflows")
_cache: "OrderedDict[UUID, Catalogues]" = OrderedDict()


async def known_entries(db: Database, organization: OrganizationContext) -> Catalogues:
    """The catalogues as of the organization's version, which every change of one moves.

    Whether the version still stands is for the guard of the statement that follows to say.
    """
    known = _cache.get(organization.id)
    if known is not None and known.version == organization.version:
        _cache.move_to_end(organization.id)
        return known
    rows = await db.fetch(organization.id, KNOWN_ENTRIES, {"org": organization.id})
    found: dict[str, dict[str, Any]] = {name: {} for name in _REMEMBERED}
    for row in rows:
        found[row["catalogue"]][row["key"]] = json.loads(row["data"])
    # All of one moment, which may be later than the version that the caller knows: then its guard
    # refuses the write, and the next request asks with the version that they were read at.
    version = rows[0]["version"] if rows else organization.version
    presets = rows[0]["presets"] if rows else organization.presets
    known = Catalogues(version=version, default_type=default_type(presets), **found)
    _cache[organization.id] = known
    _cache.move_to_end(organization.id)
    if len(_cache) > MAX_ORGANIZATIONS:
        _cache.popitem(last=False)
    return known
