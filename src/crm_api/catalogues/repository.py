"""How catalogue entries are read from and written to their table."""

import hashlib
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    Integer,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    false,
    func,
    insert,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as pg_insert

from crm_api.catalogues.presets import DEFAULT_WORKFLOW
from crm_api.catalogues.schemas import ONLY_IN, CatalogueEntry
from crm_api.core.access import Rights
from crm_api.core.db import Statement
from crm_api.identity.repository import view
from crm_api.kit.changes import recordset
from crm_api.kit.guard import ORG
from crm_api.kit.listing import Listing
from crm_api.kit.projection import Expression, Shape, Sources
from crm_api.models import (
    CatalogueEntryRow,
    ClientRow,
    ClientTagRow,
    DistributionListRow,
    NoteRow,
    OrganizationRow,
    WorkflowTreeRow,
)

_CATALOGUE = bindparam("catalogue", type_=Text())
_KEY = bindparam("key", type_=Text())


def entry_id(organization_id: UUID, catalogue: str, key: str) -> UUID:
    """The id under which the change log knows an entry: its key made a UUID, as `_id` does."""
    text = f"{organization_id}/{catalogue}/{key}"
    return UUID(bytes=hashlib.sha256(text.encode()).digest()[:16])


_id = cast(
    func.encode(
        func.substring(
            func.sha256(
                func.convert_to(
                    cast(CatalogueEntryRow.organization_id, Text)
                    + "/"
                    + CatalogueEntryRow.catalogue
                    + "/"
                    + CatalogueEntryRow.key,
                    "UTF8",
                )
            ),
            1,
            16,
        ),
        "hex",
    ),
    Uuid(),
)


def _of_entry(name: str) -> Expression:
    """A field that lies in `data`; entries of other catalogues show null."""

    def expression(sources: Sources, _: Rights) -> ColumnElement[Any]:
        return sources.main.c.data[name]

    return expression


# Field of a client → the catalogue that it is taken from, and its group.
USED_BY = {
    "types": ("type", "classification"),
    "industries": ("industry", "classification"),
    "tiers": ("service_tier", "assessment"),
    "regions": ("region", "assessment"),
    "sources": ("source", "lead"),
}
USAGE_GROUPS = {catalogue: group for catalogue, (_, group) in USED_BY.items()} | {
    "tags": "remarks",
    "workflows": "classification",
}
_CLIENTS = ClientRow.__table__
_TAGS = ClientTagRow.__table__
_TREES = WorkflowTreeRow.__table__


def _uses(
    catalogue: ColumnElement[str], key: ColumnElement[str], *conditions: ColumnElement[bool]
) -> ColumnElement[Any]:
    """How many clients hold an entry, of those that meet the conditions."""

    def count(*those: ColumnElement[bool]) -> ColumnElement[Any]:
        counted = select(func.count()).where(_CLIENTS.c.organization_id == ORG, *conditions, *those)
        # Whatever else stands in these conditions is a row of the statement around them.
        return counted.correlate_except(_CLIENTS, _TAGS).scalar_subquery()

    held = [(catalogue == name, count(_CLIENTS.c[of] == key)) for name, (of, _) in USED_BY.items()]
    tagged = count(
        _TAGS.c.organization_id == ORG, _TAGS.c.tag == key, _CLIENTS.c.id == _TAGS.c.client_id
    )
    tree = select(literal(1)).where(
        _TREES.c.organization_id == ORG,
        _TREES.c.client_id == _CLIENTS.c.id,
        _TREES.c.workflow == key,
    )
    planted = exists(tree.correlate_except(_TREES))
    staged = and_(key == DEFAULT_WORKFLOW, _CLIENTS.c.stage.is_not(None))
    return case(*held, (catalogue == "tags", tagged), else_=count(or_(planted, staged)))


def _usage(sources: Sources, _: Rights) -> ColumnElement[Any]:
    return _uses(sources.main.c.catalogue, sources.main.c.key, _CLIENTS.c.lifecycle == "live")


ENTRY_SHAPE = Shape(
    CatalogueEntry,
    view(
        "entries",
        select(
            CatalogueEntryRow.organization_id,
            _id.label("id"),
            literal("live", Text()).label("lifecycle"),
            CatalogueEntryRow.catalogue,
            CatalogueEntryRow.key,
            CatalogueEntryRow.label,
            CatalogueEntryRow.position,
            CatalogueEntryRow.data,
        ).where(CatalogueEntryRow.organization_id == ORG),
    ),
    {name: _of_entry(name) for name in ONLY_IN},
    {"usage_count": (("catalogues", "entries"), _usage)},
)
ENTRY_LISTING = Listing(
    ENTRY_SHAPE, {}, {"label": lambda main, _: func.lower(main.c.label, type_=Text())}
)

KNOWN_ENTRIES = Statement(
    select(
        CatalogueEntryRow.catalogue,
        CatalogueEntryRow.key,
        CatalogueEntryRow.data,
        OrganizationRow.version,
        OrganizationRow.presets,
    )
    .where(
        CatalogueEntryRow.organization_id == ORG,
        CatalogueEntryRow.catalogue != "tags",
        OrganizationRow.id == ORG,
    )
    .order_by(CatalogueEntryRow.catalogue, CatalogueEntryRow.position, CatalogueEntryRow.key)
)
_rows = recordset(
    "entry_rows",
    {"catalogue": Text(), "key": Text(), "label": Text(), "position": Integer(), "data": JSONB()},
)
# Several presets may bring the same entry, and people may have made it before.
ENSURE_ENTRIES = Statement(
    pg_insert(CatalogueEntryRow)
    .from_select(
        ["organization_id", "catalogue", "key", "label", "position", "data", "version"],
        select(
            ORG,
            _rows.c.catalogue,
            _rows.c.key,
            _rows.c.label,
            _rows.c.position,
            _rows.c.data,
            literal(1, Integer()),
        ),
    )
    .on_conflict_do_nothing()
)
KEYS = Statement(
    select(CatalogueEntryRow.key).where(
        CatalogueEntryRow.organization_id == ORG, CatalogueEntryRow.catalogue == _CATALOGUE
    )
)
NEXT_POSITION = Statement(
    select(
        func.least(func.coalesce(func.max(CatalogueEntryRow.position) + 1, 0), 100_000).label(
            "position"
        )
    ).where(CatalogueEntryRow.organization_id == ORG, CatalogueEntryRow.catalogue == _CATALOGUE)
)
_THIS = [
    CatalogueEntryRow.organization_id == ORG,
    CatalogueEntryRow.catalogue == _CATALOGUE,
    CatalogueEntryRow.key == _KEY,
]
_DATA = cast(bindparam("data", type_=Text()), JSONB)
ADD_ENTRY = Statement(
    insert(CatalogueEntryRow).values(
        organization_id=ORG,
        catalogue=_CATALOGUE,
        key=_KEY,
        label=bindparam("label", type_=Text()),
        position=bindparam("position", type_=Integer()),
        data=_DATA,
        version=1,
    )
)
CHANGE_ENTRY = Statement(
    update(CatalogueEntryRow)
    .where(*_THIS)
    .values(
        label=bindparam("label", type_=Text()),
        position=bindparam("position", type_=Integer()),
        data=CatalogueEntryRow.data.op("||")(_DATA),
        version=CatalogueEntryRow.version + 1,
    )
    .returning(CatalogueEntryRow.version)
)
REMOVE_ENTRY = Statement(
    delete(CatalogueEntryRow).where(*_THIS).returning(CatalogueEntryRow.version)
)


@lru_cache(maxsize=len(USED_BY))
def removal_of_unused(catalogue: str) -> Statement:
    """Entries that are as they were made, and that no client has: all of them in one pass."""
    field = _CLIENTS.c[USED_BY[catalogue][0]]
    has = select(literal(1)).where(
        _CLIENTS.c.organization_id == ORG, field == CatalogueEntryRow.key
    )
    return Statement(
        delete(CatalogueEntryRow)
        .where(
            CatalogueEntryRow.organization_id == ORG,
            CatalogueEntryRow.catalogue == _CATALOGUE,
            CatalogueEntryRow.key == func.any(bindparam("keys", type_=ARRAY(Text()))),
            CatalogueEntryRow.version == 1,
            ~exists(has.correlate(CatalogueEntryRow)),
        )
        .returning(CatalogueEntryRow.key, CatalogueEntryRow.label, CatalogueEntryRow.position)
    )


_in_workflow = case(
    (
        _CATALOGUE == "workflows",
        or_(
            exists(
                select(_CLIENTS.c.id).where(
                    _CLIENTS.c.organization_id == ORG,
                    func.jsonb_exists(_CLIENTS.c.workflow_attributes, _KEY),
                )
            ),
            exists(
                select(NoteRow.id).where(NoteRow.organization_id == ORG, NoteRow.workflow == _KEY)
            ),
            exists(
                select(DistributionListRow.id).where(
                    DistributionListRow.organization_id == ORG,
                    DistributionListRow.workflow == _KEY,
                )
            ),
        ),
    ),
    else_=false(),
)
USES = Statement(select(or_(_uses(_CATALOGUE, _KEY) > 0, _in_workflow).label("uses")))
MOVE_VERSION = Statement(
    update(OrganizationRow)
    .where(OrganizationRow.id == ORG)
    .values(version=OrganizationRow.version + 1)
    .returning(OrganizationRow.version)
)
