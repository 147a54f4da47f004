"""The conditions of a segment, read for one caller each time that they are used.

They are read as if they had just been sent: whoever uses them must read each field that they name,
and what they name must still be there.
"""

from typing import Any, Final

from crm_api.catalogues.service import known_entries
from crm_api.clients.schemas import Client
from crm_api.core.errors import Fault
from crm_api.core.jsonbody import Incoming
from crm_api.kit.filters import Node, canonical, leaves
from crm_api.kit.scope import Scope
from crm_api.kit.trees import SearchReader

PLACE: Final = ("filter", "filter")
_WHOLE: Final = "/filter/filter"
_KEYS: Final = ("eq", "ne")
"""The operators that compare with whole values; several of them stand as `eq` too."""


class Audience:
    """Conditions as one caller may use them; `faults` are those of their content.

    Raises:
        Refusal: 403 naming each field that the caller may not read.
    """

    def __init__(self, scope: Scope, tree: Any) -> None:
        self._scope = scope
        reader = SearchReader(Client, scope, {}, Incoming({}, None, ()))
        self.nodes: tuple[Node, ...] = reader.read_tree(tree, PLACE)
        if reader.found.hidden:
            reader.raise_any()
        self.faults: list[Fault] = reader.found.faults

    @property
    def form(self) -> dict[str, Any] | None:
        """The one JSON form of these conditions, as it is stored."""
        return canonical(Client, self.nodes)

    async def look_up(self) -> None:
        """Note what stands in no catalogue. Tags are left out: whoever writes one makes it."""
        known = await known_entries(self._scope.db, self._scope.actor.organization)
        for leaf in leaves(self.nodes):
            field = Client.fields.get(leaf.field)
            catalogue = field.rule.catalogue if field is not None else None
            if catalogue in (None, "tags") or leaf.op not in _KEYS:
                continue
            if any(value not in known.of(catalogue) for value in leaf.values):
                detail = (
                    f"`{leaf.field}` names what `GET /v1/catalogues/{catalogue}` does not list."
                )
                self.faults.append(Fault("unknown_catalogue_entry", detail, pointer=_WHOLE))
