"""What a timeline is made of: each kind of record declared once, with the rights that guard it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, Text, Uuid, bindparam, null, select
from sqlalchemy.dialects.postgresql import ARRAY

from crm_api.clients.repository import CLIENTS
from crm_api.clients.schemas import Client
from crm_api.communications.activity import ACTIVITY_MOVED
from crm_api.communications.repository import COMMUNICATION_SHAPE
from crm_api.core.access import Rights
from crm_api.files.repository import FILE_SHAPE
from crm_api.kit.fields import groups_behind, mask_of
from crm_api.kit.guard import ORG
from crm_api.kit.projection import Expression, Shape, Sources, words
from crm_api.kit.reading import open_rows
from crm_api.models import ChangeRow, table_of
from crm_api.notes.repository import NOTE_SHAPE
from crm_api.relationships.repository import SEEN_LISTING
from crm_api.tasks.repository import TASK_SHAPE

CLIENT_ID: Final = bindparam("id", type_=Uuid())
_TOLD: Final = ("type", "title", "summary", "state")
_TEXT: Final = Text()


@dataclass(frozen=True, slots=True)
class Rows:
    """The entries of one kind, in no order yet: which columns order them."""

    select: Select[*tuple[Any, ...]]
    at: ColumnElement[Any]
    id: ColumnElement[Any]


@dataclass(frozen=True, eq=False)
class Source:
    """One kind of entry."""

    kind: str
    needs: tuple[str, ...]
    """Any of these scopes is enough to see some of it."""
    rows: Callable[[Rights], Rows | None]
    """The entries of the client in the parameter `id`; None where the rights show none."""


@dataclass(frozen=True, eq=False)
class Records:
    """How the records of a resource become entries: which field says what."""

    kind: str
    shape: Shape
    at: str
    """The field of their time. An index on organization, client, this and the id answers a page."""
    told: Mapping[str, str | Expression]
    """`type`, `title`, `summary`, `state` → the field, or what else stands there."""
    by: tuple[str, str | None] | None = None
    """The columns of who recorded it: its id, and its type where that is kept."""
    names_author: bool = False
    """Whether the record names its author to its readers; else that is for who reads users."""
    open_to: bool = False
    """Whether more than the client and the rights decides which of them exist."""

    def source(self) -> Source:
        cls = self.shape.resource
        behind = groups_behind(cls, cls.fields["id"].rule.group)
        needs = tuple(f"{cls.guarded_by}.{group}:read" for group in behind)
        return Source(self.kind, needs, self._rows)

    def _rows(self, rights: Rights) -> Rows | None:
        read = mask_of(self.shape.resource, rights).read
        if not {"id", self.at} <= set(read):
            return None
        main = self.shape.table
        # The client of a page is looked at once, and not for each of its rows.
        shape = self.shape if self.open_to else replace(self.shape, open_to=None)
        path = f"/v1/{self.shape.resource.resource}/"
        chosen = (
            select(
                *_head(self.kind, main.c.id, main.c[self.at]),
                *(self._told(name, read, rights).label(name) for name in _TOLD),
                *self._author(rights),
                null().cast(ARRAY(_TEXT)).label("fields"),
                _constant(path).op("||")(main.c.id.cast(_TEXT)).label("href"),
            )
            .select_from(main)
            .where(
                main.c.organization_id == ORG,
                main.c.client_id == CLIENT_ID,
                main.c.lifecycle == _constant("live"),
                *open_rows(shape, rights),
            )
        )
        return Rows(chosen, main.c[self.at], main.c.id)

    def _told(self, name: str, read: tuple[str, ...], rights: Rights) -> ColumnElement[Any]:
        told = self.told.get(name)
        if callable(told):
            return told(Sources(self.shape.table), rights)
        return self.shape.table.c[told] if told in read else null().cast(_TEXT)

    def _author(self, rights: Rights) -> list[Any]:
        told = self.by is not None and (
            self.names_author or rights.can("users", "read", "directory")
        )
        if self.by is None or not told:
            return [null().cast(_TEXT).label("by_type"), null().cast(Uuid).label("by_id")]
        column, kind = self.by
        by_type = self.shape.table.c[kind] if kind else null().cast(_TEXT)
        return [by_type.label("by_type"), self.shape.table.c[column].label("by_id")]


def _constant(value: str) -> ColumnElement[str]:
    return words(value)[0]


def _head(kind: str, row_id: Any, at: Any) -> list[Any]:
    return [_constant(kind).label("kind"), row_id.label("id"), at.label("at")]


def _other_name(sources: Sources, rights: Rights) -> ColumnElement[Any]:
    """Of the client at the other end, which may be opened: else there is no such relationship."""
    if not rights.can(Client.guarded_by, "read", Client.fields["name"].rule.group):
        return null().cast(_TEXT)
    named = select(CLIENTS.c.name).where(
        CLIENTS.c.organization_id == ORG, CLIENTS.c.id == sources.main.c.other_id
    )
    return named.correlate(sources.main).scalar_subquery()


# ------------------------------------------------------------------ the client's own changes

_CHANGES: Final = table_of(ChangeRow)


def _changes(rights: Rights) -> Rows | None:
    """The client's entries of the log, masked as its history is.

    Those that only say that its last activity moved are left out: what moved it stands here itself.
    """
    everybody = rights.can(Client.guarded_by, "read", "audit")
    if not everybody and not rights.reads_own(Client.guarded_by, "audit"):
        return None
    rows = _CHANGES
    fields = bindparam("fields", type_=ARRAY(_TEXT))
    path = _constant("/v1/clients/").op("||")(rows.c.resource_id.cast(_TEXT))
    chosen = select(
        *_head("change", rows.c.id, rows.c.at),
        rows.c.action.label("type"),
        *(null().cast(_TEXT).label(name) for name in _TOLD[1:]),
        rows.c.actor_type.label("by_type"),
        rows.c.actor_id.label("by_id"),
        rows.c.fields.label("fields"),
        path.op("||")(_constant("/history")).label("href"),
    ).where(
        rows.c.organization_id == ORG,
        rows.c.resource == _constant(Client.singular),
        rows.c.resource_id == CLIENT_ID,
        rows.c.action != _constant(ACTIVITY_MOVED),
        rows.c.fields.op("&&")(fields),
        *([] if everybody else [rows.c.actor_id == bindparam("me", type_=Uuid())]),
    )
    return Rows(chosen, rows.c.at, rows.c.id)


# ------------------------------------------------------------------------------- all of them

SOURCES: Final[tuple[Source, ...]] = (
    Records(
        "communication",
        COMMUNICATION_SHAPE,
        at="occurred_at",
        told={"type": "kind", "title": "subject", "summary": "body", "state": "state"},
        by=("recorded_by", None),
    ).source(),
    Records(
        "note",
        NOTE_SHAPE,
        at="created_at",
        told={"type": "kind", "summary": "text"},
        by=("created_by", "created_by_type"),
        names_author=True,
    ).source(),
    Records(
        "file",
        FILE_SHAPE,
        at="created_at",
        told={"type": "kind", "title": "name"},
        by=("created_by", "created_by_type"),
        names_author=True,
        open_to=True,
    ).source(),
    Records(
        "task",
        TASK_SHAPE,
        at="created_at",
        told={"type": "kind", "title": "title", "summary": "note", "state": "state"},
        by=("created_by", None),
    ).source(),
    Records(
        "relationship",
        SEEN_LISTING.shape,
        at="created_at",
        told={"type": "kind", "title": _other_name, "summary": "note"},
        open_to=True,
    ).source(),
    Source("change", ("clients.audit:read", "clients.audit:read_own"), _changes),
)
BY_KIND: Final[Mapping[str, Source]] = {source.kind: source for source in SOURCES}


@lru_cache(maxsize=256)
def shown_to(rights: Rights) -> tuple[Source, ...]:
    """The kinds that these rights show; worked out once, as each makes a statement to find out."""
    return tuple(source for source in SOURCES if source.rows(rights) is not None)
