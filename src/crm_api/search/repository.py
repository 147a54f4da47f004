"""Records that are found by the words of their texts: each kind declared once.

The functions that look through the words stand in the migrations (docs/adr/0021).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Integer,
    Text,
    Uuid,
    bindparam,
    column,
    func,
    literal,
    null,
    select,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by, array

from crm_api.clients.repository import open_lifecycles
from crm_api.communications.repository import COMMUNICATION_SHAPE
from crm_api.core.access import Rights
from crm_api.core.db import Statement
from crm_api.core.formats.names import text_queries
from crm_api.files.lookups import PLACES
from crm_api.files.repository import FILE_SHAPE
from crm_api.kit.fields import groups_behind, mask_of, open_values
from crm_api.kit.guard import ORG, GuardKind, guard, guard_kind, guard_values, require_ok
from crm_api.kit.projection import Shape, as_json, instant, words
from crm_api.kit.reading import open_rows
from crm_api.kit.scope import Scope
from crm_api.notes.repository import NOTE_SHAPE

RECENT, HELD = 2000, 100
"""So many of the latest records are looked at one by one; so many hits among all the others."""
_NONE: Final[ColumnElement[str]] = null().cast(Text())
Seen = Callable[[Rights], list[str]]


@dataclass(frozen=True, eq=False)
class TextKind:
    """One kind of record that is found by its words."""

    kind: str
    shape: Shape
    function: str
    at: str
    texts: tuple[str, ...]
    """The fields whose words are stored; who is to find by them reads all of them."""
    title: str | None = None
    matched: str = "text"
    """What the hits say that holds the term."""
    places: tuple[Seen, ...] = (open_lifecycles,)
    """Of each kind of record that it may hang on: the lifecycles in which it is found there."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Any of these scopes is enough to find some of them."""
        cls = self.shape.resource
        behind = groups_behind(cls, cls.fields[self.texts[0]].rule.group)
        return tuple(f"{cls.guarded_by}.{group}:read" for group in behind)

    def is_found(self, rights: Rights) -> bool:
        read = mask_of(self.shape.resource, rights).read
        return {"id", self.at, *self.texts} <= set(read)

    def hits(self, rights: Rights) -> Any:
        """The newest hits as JSON texts, joined by commas; null where there are none."""
        main, limit = self.shape.table, bindparam("limit", type_=Integer())
        cls = self.shape.resource
        kinds = words(*open_values(cls, rights)) if cls.row_groups else []
        found = getattr(func, self.function)(
            bindparam("words", type_=Text()),
            bindparam("index", type_=Text()),
            _texts(kinds),
            *(_texts(words(*seen(rights))) for seen in self.places),
            literal(RECENT, Integer()),
            literal(HELD, Integer()),
            limit,
        ).table_valued(column("id", Uuid()), name=f"{self.kind}_found")
        best = select(found.c.id).distinct().order_by(found.c.id.desc()).limit(limit)
        ids = best.subquery("best")
        inner = select(
            literal(self.kind, Text()).label("kind"),
            literal(self.matched, Text()).label("matched"),
            main.c.id.label("id"),
            (main.c[self.title] if self.title else _NONE).label("title"),
            func.concat_ws(literal(" \u00b7 ", Text()), *(main.c[n] for n in self.texts)).label(
                "text"
            ),
            main.c.client_id.label("client_id"),
            instant(main.c[self.at]).label("at"),
        ).correlate(main)
        document = as_json(inner).correlate(main).scalar_subquery()
        return (
            select(func.string_agg(document, aggregate_order_by(literal(","), main.c.id.desc())))
            .select_from(main.join(ids, ids.c.id == main.c.id))
            .where(
                main.c.organization_id == ORG,
                main.c.lifecycle == words("live")[0],
                *open_rows(self.shape, rights),
            )
            .scalar_subquery()
        )


def _texts(values: list[ColumnElement[str]]) -> ColumnElement[Any]:
    return array[Any](values, type_=Text())


TEXT_KINDS: Final = (
    TextKind(
        "communication",
        COMMUNICATION_SHAPE,
        "search_communications",
        at="occurred_at",
        texts=("subject", "body"),
        title="subject",
    ),
    TextKind("note", NOTE_SHAPE, "search_notes", at="created_at", texts=("text",)),
    TextKind(
        "file",
        FILE_SHAPE,
        "search_files",
        at="created_at",
        texts=("name",),
        title="name",
        matched="name",
        places=tuple(place.seen for place in PLACES),
    ),
)


@lru_cache(maxsize=256)
def _hits(rights: Rights, kind: GuardKind, kinds: tuple[str, ...]) -> Statement:
    found = [one.hits(rights).label(one.kind) for one in TEXT_KINDS if one.kind in kinds]
    return Statement(select(guard(kind).label("ok"), *found))


async def found_texts(
    scope: Scope, text: str, kinds: tuple[str, ...], limit: int
) -> Mapping[str, str]:
    """The newest hits of each of these kinds, as a JSON list."""
    actor = scope.actor
    asked = text_queries(text, actor.organization_id.bytes)
    if asked is None or not kinds:
        return {}
    statement = _hits(actor.rights, guard_kind(actor), kinds)
    values = guard_values(actor) | {"words": asked[0], "index": asked[1], "limit": limit}
    row = await scope.db.fetchrow(actor.organization_id, statement, values)
    require_ok(row)
    scope.verified = True
    return {kind: f"[{row[kind] or ''}]" for kind in kinds}
