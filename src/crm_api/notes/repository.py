"""How notes are read from and written to their table."""

from typing import Any

from sqlalchemy import ColumnElement, Uuid, bindparam, select

from crm_api.clients.repository import CLIENTS
from crm_api.clients.statements import with_open_client
from crm_api.kit.authors import author_of
from crm_api.kit.guard import ORG
from crm_api.kit.indexing import Index, indexed, text_part
from crm_api.kit.listing import Listing
from crm_api.kit.projection import Shape
from crm_api.models import NoteRow, NoteSearchRow, table_of
from crm_api.notes.schemas import Note

NOTES = table_of(NoteRow)
NOTE_SEARCH = table_of(NoteSearchRow)
indexed(Index(NOTES, NOTE_SEARCH, "note_id", {"text": text_part(NOTES, "text")}))
NOTE_SHAPE = Shape(
    Note,
    NOTES,
    expressions={
        "created_by": lambda s, _: author_of(s.main.c.created_by_type, s.main.c.created_by)
    },
    open_to=with_open_client,
)
NOTE_LISTING = Listing(NOTE_SHAPE, filters={}, sorts={})


def client_lifecycle() -> ColumnElement[Any]:
    """Of the note that a decision is about."""
    return (
        select(CLIENTS.c.lifecycle)
        .where(
            NOTES.c.organization_id == ORG,
            NOTES.c.id == bindparam("id", type_=Uuid()),
            CLIENTS.c.organization_id == ORG,
            CLIENTS.c.id == NOTES.c.client_id,
        )
        .scalar_subquery()
    )
