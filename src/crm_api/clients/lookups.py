"""What a write asks besides its own row: references, who stands in the way, what goes with it."""

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    FromClause,
    LargeBinary,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from crm_api.clients.repository import (
    CHILDREN,
    CLIENT_SEARCH,
    CLIENTS,
    CONTACTS,
    EMAILS,
    ENTRIES,
    LINKS,
    PHONES,
    REFS,
    people_text,
)
from crm_api.contacts.repository import CONTACT_SEARCH
from crm_api.core.access import Rights
from crm_api.core.db import Database, Statement
from crm_api.kit.guard import ORG
from crm_api.kit.projection import Sources, json_one, words
from crm_api.kit.purging import referred
from crm_api.kit.reading import IDS
from crm_api.kit.refs import whole_ref
from crm_api.kit.scope import Scope
from crm_api.kit.search import best_hits
from crm_api.models import ChangeRow, ContactEmailRow, ContactPhoneRow, table_of

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
MOST_HOLDERS, MOST_SIMILAR = 1000, 10


def _of_client(rows: Table) -> ColumnElement[bool]:
    return and_(rows.c.organization_id == ORG, rows.c.client_id == CLIENTS.c.id)


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
        whole_ref(REFS) == func.any(bindparam("keys", type_=ARRAY(Text()))),
        CLIENTS.c.id != bindparam("id", type_=Uuid()),
    )
    .limit(10)
)


def _keys(name: str, kind: Any = None) -> ColumnElement[Any]:
    return func.any(bindparam(name, type_=ARRAY(kind or Text())))


_holds = CLIENTS.c.lifecycle.not_in(words("merged", "erased"))
_whole_ref = whole_ref(REFS)
_held = union_all(
    *(
        select(literal(reason, Text()).label("reason"), key.label("key"), *_blocker)
        .select_from(CLIENTS if rows is CLIENTS else CLIENTS.join(rows, _of_client(rows)))
        .where(CLIENTS.c.organization_id == ORG, *conditions)
        for reason, rows, key, conditions in (
            (
                "same_name",
                CLIENTS,
                func.encode(CLIENTS.c.identity_digest, "hex"),
                (CLIENTS.c.identity_digest == _keys("digests", LargeBinary()), _holds),
            ),
            ("same_email", EMAILS, EMAILS.c.key, (EMAILS.c.key == _keys("email_keys"),)),
            (
                "same_registration_number",
                CLIENTS,
                CLIENTS.c.registration_key,
                (CLIENTS.c.registration_key == _keys("registration_keys"), _holds),
            ),
            (
                "same_reference",
                REFS,
                _whole_ref,
                (REFS.c.source == _keys("ref_sources"), _whole_ref == _keys("ref_keys")),
            ),
            ("same_phone", PHONES, PHONES.c.e164, (PHONES.c.e164 == _keys("phones"), _holds)),
        )
    )
)
SAME_KEYS = Statement(_held.limit(MOST_HOLDERS))
"""Who holds any of these keys: `reason`, `key`, and the client."""

_best = best_hits("search_clients")
SIMILAR = Statement(
    select(*_blocker)
    .select_from(CLIENTS.join(_best, CLIENTS.c.id == _best.c.id))
    .where(CLIENTS.c.organization_id == ORG, _holds)
    .order_by(_best.c.rank, _best.c.id)
    .limit(MOST_SIMILAR)
)
_level = literal_column("'engagement_level'", Text())
_changes = table_of(ChangeRow)
# Strict: else an array would be unwrapped before its first item is looked at.
_before = func.jsonb_path_query_first(
    _changes.c.changes, literal_column("""'strict $[*] ? (@[0] == "engagement_level")[1]'""")
)
_next_change = (
    select(func.jsonb_build_object("before", _before))
    .where(
        _changes.c.organization_id == ORG,
        _changes.c.resource == literal_column("'catalogue_entry'"),
        _changes.c.resource_id == bindparam("entry", type_=Uuid()),
        _changes.c.at > bindparam("instant", type_=DateTime(timezone=True)),
        _changes.c.fields.op("@>")(literal_column("ARRAY['engagement_level']")),
    )
    .order_by(_changes.c.position)
    .limit(1)
    .scalar_subquery()
)
_level_now = (
    select(ENTRIES.c.data.op("->>")(_level))
    .where(
        ENTRIES.c.organization_id == ORG,
        ENTRIES.c.catalogue == literal_column("'types'"),
        ENTRIES.c.key == bindparam("type", type_=Text()),
    )
    .scalar_subquery()
)
LEVEL_THEN = Statement(
    select(
        case(
            (_next_change.is_not(None), _next_change.op("->>")(literal_column("'before'"))),
            else_=_level_now,
        ).label("level")
    )
)
"""The engagement level of a type as its catalogue had it at an instant."""

# ------------------------------------------------------------- what belongs to a client


def lifecycles_for(rights: Rights) -> list[str]:
    """The lifecycles in which who holds these rights may open a client."""
    found = ["live"]
    if rights.can("clients", "read_archived"):
        found.append("archived")
    if rights.can("clients", "read_deleted"):
        found += ["deleted", "merged", "erased"]
    return found


def client_is_there(main: FromClause, rights: Rights) -> ColumnElement[bool]:
    """What belongs to a client that the reader may not open does not exist either."""
    its = CLIENTS.alias("its")
    opened = select(literal(1)).where(
        its.c.organization_id == ORG,
        its.c.id == main.c.client_id,
        its.c.lifecycle.in_(words(*lifecycles_for(rights))),
    )
    return or_(main.c.client_id.is_(None), exists(opened.correlate(main)))


def client_name(sources: Sources, _: Rights) -> ColumnElement[Any]:
    inner = (
        select(CLIENTS.c.id, CLIENTS.c.name)
        .where(CLIENTS.c.organization_id == ORG, CLIENTS.c.id == sources.main.c.client_id)
        .correlate(sources.main)
    )
    return json_one(inner, "of")


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
            referred(CLIENTS, (*CHILDREN, CLIENT_SEARCH)),
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
    own = (table_of(ContactEmailRow), table_of(ContactPhoneRow), CONTACT_SEARCH, LINKS)
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

_RENAME_PEOPLE = Statement(
    update(CLIENT_SEARCH)
    .where(
        CLIENT_SEARCH.c.organization_id == ORG,
        CLIENT_SEARCH.c.client_id.in_(
            select(LINKS.c.client_id).where(
                LINKS.c.organization_id == ORG, LINKS.c.contact_id == func.any(IDS)
            )
        ),
    )
    .values(people=people_text(LINKS, CLIENT_SEARCH.c.client_id))
)


async def rename_people(scope: Scope, contact_ids: Collection[UUID]) -> None:
    """What the clients of these persons are found by follows from the persons' names."""
    org = scope.actor.organization_id
    await scope.db.fetchrow(org, _RENAME_PEOPLE, {"org": org, "ids": list(contact_ids)})


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
