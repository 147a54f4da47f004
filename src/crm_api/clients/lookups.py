"""What a write asks besides its own row: references, who stands in the way, what goes with it."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    Text,
    Uuid,
    and_,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from crm_api.clients.repository import CHILDREN, CLIENTS, CONTACTS, EMAILS, ENTRIES, LINKS, REFS
from crm_api.core.db import Database, Statement
from crm_api.kit.guard import ORG
from crm_api.kit.projection import words
from crm_api.kit.purging import referred
from crm_api.kit.reading import IDS
from crm_api.models import ContactEmailRow, ContactPhoneRow, table_of

_THIS_CLIENT: ColumnElement[Any] = bindparam("id", type_=Uuid())


def has_contact_reach(client_id: ColumnElement[Any] = _THIS_CLIENT) -> ColumnElement[Any]:
    """Whether a contact of this client can be reached: counts as its contact method."""
    parts = [
        exists(
            select(literal(1))
            .where(
                LINKS.c.organization_id == ORG,
                LINKS.c.client_id == client_id,
                LINKS.c.to_on.is_(None),
                rows.c.organization_id == ORG,
                rows.c.contact_id == LINKS.c.contact_id,
            )
            .correlate(CLIENTS)
        )
        for rows in (table_of(ContactEmailRow), table_of(ContactPhoneRow))
    ]
    return select(or_(*parts)).scalar_subquery()


SERVED_BY = Statement(
    select(LINKS.c.client_id)
    .where(
        LINKS.c.organization_id == ORG,
        LINKS.c.contact_id == bindparam("contact_id", type_=Uuid()),
        LINKS.c.to_on.is_(None),
        CLIENTS.c.organization_id == ORG,
        CLIENTS.c.id == LINKS.c.client_id,
        CLIENTS.c.lifecycle.not_in(words("merged", "erased")),
    )
    .distinct()
    .order_by(LINKS.c.client_id)
)
VISIBLE_CLIENTS = Statement(
    select(CLIENTS.c.id).where(
        CLIENTS.c.organization_id == ORG,
        CLIENTS.c.id == func.any(IDS),
        CLIENTS.c.lifecycle == func.any(bindparam("lifecycles", type_=ARRAY(Text()))),
    )
)
_blocker = (
    CLIENTS.c.id,
    CLIENTS.c.number,
    CLIENTS.c.name,
    CLIENTS.c.lifecycle,
)
BLOCKED_BY_IDENTITY = Statement(
    select(*_blocker)
    .where(
        CLIENTS.c.organization_id == ORG,
        CLIENTS.c.identity_digest == bindparam("digest", type_=LargeBinary()),
        CLIENTS.c.id != bindparam("id", type_=Uuid()),
        CLIENTS.c.lifecycle.not_in(words("merged", "erased")),
    )
    .order_by(CLIENTS.c.id)
    .limit(10)
)
BLOCKED_BY_EMAIL = Statement(
    select(*_blocker, EMAILS.c.key.label("key"), EMAILS.c.id.label("email_id"))
    .where(
        CLIENTS.c.organization_id == ORG,
        EMAILS.c.organization_id == ORG,
        EMAILS.c.client_id == CLIENTS.c.id,
        EMAILS.c.key == func.any(bindparam("keys", type_=ARRAY(Text()))),
        CLIENTS.c.id != bindparam("id", type_=Uuid()),
    )
    .order_by(CLIENTS.c.id)
    .limit(20)
)
BLOCKED_BY_REGISTRATION = Statement(
    select(*_blocker).where(
        CLIENTS.c.organization_id == ORG,
        CLIENTS.c.registration_key == bindparam("key", type_=Text()),
        CLIENTS.c.id != bindparam("id", type_=Uuid()),
        CLIENTS.c.lifecycle.not_in(words("merged", "erased")),
    )
)
BLOCKED_BY_REF = Statement(
    select(*_blocker)
    .where(
        CLIENTS.c.organization_id == ORG,
        REFS.c.organization_id == ORG,
        REFS.c.client_id == CLIENTS.c.id,
        REFS.c.source.concat(":").concat(REFS.c.external_id)
        == func.any(bindparam("keys", type_=ARRAY(Text()))),
        CLIENTS.c.id != bindparam("id", type_=Uuid()),
    )
    .limit(10)
)

# ------------------------------------------------------------- before a removal

_elsewhere = LINKS.alias("elsewhere")


@lru_cache(maxsize=1)
def used_clients() -> Statement:
    """Which of these clients anything else refers to.

    Built when it is first asked: only then are all tables declared.
    """
    return Statement(
        select(CLIENTS.c.id).where(
            CLIENTS.c.organization_id == ORG,
            CLIENTS.c.id == func.any(IDS),
            referred(CLIENTS, (*CHILDREN,)),
        )
    )


@lru_cache(maxsize=1)
def used_persons() -> Statement:
    """The persons of these clients, and whether they were changed or are used elsewhere."""
    linked = exists(
        select(literal(1)).where(
            _elsewhere.c.organization_id == ORG,
            _elsewhere.c.contact_id == CONTACTS.c.id,
            _elsewhere.c.client_id != LINKS.c.client_id,
        )
    )
    own = (table_of(ContactEmailRow), table_of(ContactPhoneRow), LINKS)
    used = or_(
        CONTACTS.c.version != 1,
        CONTACTS.c.lifecycle != "live",
        linked.correlate(CONTACTS, LINKS),
        referred(CONTACTS, own),
    )
    this = and_(CONTACTS.c.organization_id == ORG, CONTACTS.c.id == LINKS.c.contact_id)
    return Statement(
        select(LINKS.c.client_id, CONTACTS.c.id, used.label("used"))
        .join_from(LINKS, CONTACTS, this)
        .where(LINKS.c.organization_id == ORG, LINKS.c.client_id == func.any(IDS))
    )


# ------------------------------------------------------------- beside a write


def tag_entries(tags: list[dict[str, Any]]) -> dict[Any, list[dict[str, Any]]]:
    """The catalogue entries that the tags of a write need: whoever writes remarks makes tags."""
    rows = [
        {
            "catalogue": "tags",
            "key": t["tag"],
            "label": t["tag"],
            "position": 0,
            "data": {},
            "version": 1,
        }
        for t in tags
    ]
    return {ENTRIES: rows} if rows else {}


# The one that stands for the name already comes first: nobody may take its place beside it.
_next_holder = (
    select(CLIENTS.c.id)
    .where(
        CLIENTS.c.organization_id == ORG,
        CLIENTS.c.identity_digest == bindparam("digest", type_=LargeBinary()),
        CLIENTS.c.lifecycle.not_in(words("merged", "erased")),
    )
    .order_by(CLIENTS.c.identity_slot != "", CLIENTS.c.id)
    .limit(1)
)
_PROMOTE = Statement(
    update(CLIENTS)
    .where(CLIENTS.c.organization_id == ORG, CLIENTS.c.id == _next_holder.scalar_subquery())
    .values(identity_slot="")
)


async def promote_identity(db: Database, organization_id: UUID, left: Mapping[str, Any]) -> None:
    """After a row gave up its name: an allowed duplicate of that name stands for it from now on."""
    digest = bytes.fromhex(str(left["identity_digest"]).removeprefix("\\x"))
    await db.fetchrow(organization_id, _PROMOTE, {"org": organization_id, "digest": digest})
