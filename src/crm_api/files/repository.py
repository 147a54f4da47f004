"""How files are read from and written to their tables. All SQL of the slice is here."""

from typing import Any, Final

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    Text,
    Uuid,
    bindparam,
    delete,
    func,
    insert,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as pg_insert

from crm_api.core.db import Statement
from crm_api.core.formats.file_names import with_parts
from crm_api.files.lookups import PLACES, with_open_places
from crm_api.files.schemas import File
from crm_api.kit.authors import author_of
from crm_api.kit.guard import ORG
from crm_api.kit.indexing import Index, indexed, text_part
from crm_api.kit.listing import Listing
from crm_api.kit.projection import Shape, as_json, instant
from crm_api.kit.purging import removal
from crm_api.kit.reading import IDS
from crm_api.models import (
    FileRow,
    FileSearchRow,
    FileUsageRow,
    FileVersionRow,
    LooseObjectRow,
    table_of,
)

FILES = table_of(FileRow)
FILE_SEARCH = table_of(FileSearchRow)
VERSIONS = table_of(FileVersionRow)
LOOSE = table_of(LooseObjectRow)
USAGE = table_of(FileUsageRow)
indexed(Index(FILES, FILE_SEARCH, "file_id", {"name": text_part(FILES, "name", with_parts)}))
_ID = bindparam("id", type_=Uuid())
_LIMIT = bindparam("limit", type_=Integer())
_HEX: Final[ColumnElement[str]] = literal_column("'hex'")


def _sha256(rows: Any) -> ColumnElement[str]:
    return func.encode(rows.c.sha256, _HEX)


FILE_SHAPE = Shape(
    File,
    FILES,
    expressions={
        "sha256": lambda s, _: _sha256(s.main),
        "created_by": lambda s, _: author_of(s.main.c.created_by_type, s.main.c.created_by),
    },
    open_to=with_open_places,
)
FILE_LISTING = Listing(FILE_SHAPE, filters={}, sorts={})


def place_lifecycles() -> ColumnElement[Any]:
    """Of all that the file hangs on of which a decision is made: name → lifecycle, or null."""
    parts: list[Any] = []
    for place in PLACES:
        rows = place.shape.table.alias(f"its_{place.name}")
        lifecycle = select(rows.c.lifecycle).where(
            FILES.c.organization_id == ORG,
            FILES.c.id == _ID,
            rows.c.organization_id == ORG,
            rows.c.id == FILES.c[place.column],
        )
        parts += [literal_column(f"'{place.name}'"), lifecycle.scalar_subquery()]
    return func.json_build_object(*parts)


# -------------------------------------------------------------------------------- versions

_told = (
    VERSIONS.c.number,
    VERSIONS.c.name,
    VERSIONS.c.media_type,
    VERSIONS.c.size_bytes,
    _sha256(VERSIONS).label("sha256"),
)
_latest = (
    select(FILES.c.latest_version)
    .where(FILES.c.organization_id == ORG, FILES.c.id == _ID)
    .scalar_subquery()
)
_of_file = (
    VERSIONS.c.organization_id == ORG,
    VERSIONS.c.file_id == _ID,
    # Another kind of the file opens what it is now, not what it was under the former one.
    or_(
        VERSIONS.c.kind == func.any(bindparam("kinds", type_=ARRAY(Text()))),
        VERSIONS.c.number == _latest,
    ),
)
VERSION = Statement(
    select(*_told, VERSIONS.c.object_id).where(
        *_of_file, VERSIONS.c.number == bindparam("number", type_=Integer())
    )
)
VERSION_PAGE = Statement(
    as_json(
        select(
            *_told,
            author_of(VERSIONS.c.created_by_type, VERSIONS.c.created_by).label("created_by"),
            instant(VERSIONS.c.created_at).label("created_at"),
        )
        .where(*_of_file, VERSIONS.c.number < bindparam("before", type_=Integer()))
        .order_by(VERSIONS.c.number.desc())
        .limit(_LIMIT)
    )
)
NEVER_BEFORE: Final = 2**31 - 1
"""As `before`: from the latest on."""

# ------------------------------------------------------------------------------- the quota

_size = bindparam("size", type_=BigInteger())
_quota = bindparam("quota", type_=BigInteger())
ROOM = Statement(
    select(
        (
            func.coalesce(
                select(USAGE.c.used_bytes).where(USAGE.c.organization_id == ORG).scalar_subquery(),
                0,
            )
            + _size
            <= _quota
        ).label("is_there")
    )
)
_first = pg_insert(USAGE).from_select(
    ["organization_id", "used_bytes"], select(ORG, _size).where(_size <= _quota)
)
TAKE_ROOM = Statement(
    _first.on_conflict_do_update(
        index_elements=[USAGE.c.organization_id],
        set_={"used_bytes": USAGE.c.used_bytes + _first.excluded.used_bytes},
        where=USAGE.c.used_bytes + _first.excluded.used_bytes <= _quota,
    ).returning(USAGE.c.used_bytes)
)
"""No row where there is not enough of it: what others take meanwhile is waited for."""

# ------------------------------------------------------- bytes that no version owns

BEGIN_OBJECT = Statement(insert(LOOSE).values(organization_id=ORG, id=_ID, since=func.now()))
OWN_OBJECT = Statement(
    delete(LOOSE).where(LOOSE.c.organization_id == ORG, LOOSE.c.id == _ID).returning(LOOSE.c.id)
)
"""No row where they were swept away meanwhile."""
LOCK_OBJECT = Statement(
    select(LOOSE.c.id).where(LOOSE.c.organization_id == ORG, LOOSE.c.id == _ID).with_for_update()
)
NEXT_LOOSE = Statement(
    select(LOOSE.c.id)
    .where(
        LOOSE.c.organization_id == ORG,
        LOOSE.c.since < func.now() - bindparam("seconds", type_=Integer()) * text("interval '1s'"),
    )
    .order_by(LOOSE.c.since)
    .limit(_LIMIT)
)
REMOVE_LOOSE = Statement(
    delete(LOOSE).where(LOOSE.c.organization_id == ORG, LOOSE.c.id == func.any(IDS))
)

# --------------------------------------------------------------------- what goes for good

PURGEABLE = Statement(
    select(FILES.c.id, FILES.c.version)
    .where(
        FILES.c.organization_id == ORG,
        FILES.c.deleted_at
        < func.now() - bindparam("days", type_=Integer()) * text("interval '1d'"),
    )
    .order_by(FILES.c.deleted_at)
    .limit(_LIMIT)
)
_versions_gone = (
    select(VERSIONS.c.object_id, VERSIONS.c.size_bytes)
    .where(VERSIONS.c.organization_id == ORG, VERSIONS.c.file_id == func.any(IDS))
    .cte("versions_gone")
)
_loosened = (
    insert(LOOSE)
    .from_select(
        ["organization_id", "id", "since"],
        # No upload is on its way with them: the next sweep takes them.
        select(ORG, _versions_gone.c.object_id, literal_column("to_timestamp(0)")),
    )
    .returning(LOOSE.c.id)
    .cte("loosened")
)
LOOSEN = Statement(
    update(USAGE)
    .where(USAGE.c.organization_id == ORG)
    .values(
        used_bytes=USAGE.c.used_bytes
        - select(func.coalesce(func.sum(_versions_gone.c.size_bytes), 0)).scalar_subquery()
    )
    .add_cte(_loosened)
)
"""The bytes of these files count no more, and are swept."""
PURGE = removal([(FILE_SEARCH, "file_id", IDS), (VERSIONS, "file_id", IDS), (FILES, "id", IDS)])

# ----------------------------------------------------------------- held against the store

OWNED = Statement(
    select(VERSIONS.c.object_id, VERSIONS.c.size_bytes, _sha256(VERSIONS).label("sha256")).where(
        VERSIONS.c.organization_id == ORG
    )
)
LOOSE_ONES = Statement(select(LOOSE.c.id).where(LOOSE.c.organization_id == ORG))
USED = Statement(
    select(
        func.coalesce(
            select(USAGE.c.used_bytes).where(USAGE.c.organization_id == ORG).scalar_subquery(), 0
        ).label("counted"),
        func.coalesce(
            select(func.sum(VERSIONS.c.size_bytes))
            .where(VERSIONS.c.organization_id == ORG)
            .scalar_subquery(),
            0,
        ).label("stored"),
    )
)
