"""How lists, members and segments are read from and written to their tables."""

from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Table,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    exists,
    extract,
    false,
    func,
    literal_column,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from crm_api.clients.listing import CLIENT_LISTING
from crm_api.clients.repository import CLIENTS, LINKS
from crm_api.clients.repository import EMAILS as CLIENT_EMAILS
from crm_api.clients.repository import PHONES as CLIENT_PHONES
from crm_api.clients.repository import open_lifecycles as open_clients
from crm_api.contacts.repository import CONTACTS, sort_key
from crm_api.contacts.repository import EMAILS as CONTACT_EMAILS
from crm_api.contacts.repository import PHONES as CONTACT_PHONES
from crm_api.contacts.repository import open_lifecycles as open_contacts
from crm_api.core.access import Rights
from crm_api.core.db import Statement
from crm_api.identity.repository import view
from crm_api.kit.guard import ORG, GuardKind, guard
from crm_api.kit.listing import Listing, compare, conditions_of
from crm_api.kit.projection import Expression, Shape, words
from crm_api.lists.schemas import ClientList, DistributionList, ListMember, Segment
from crm_api.models import DistributionListRow, HeadRow, ListMemberRow, SegmentRow, table_of

LISTS = table_of(DistributionListRow)
MEMBERS = table_of(ListMemberRow)
SEGMENTS = table_of(SegmentRow)
BINDS = {"name": sort_key}
"""Filter → how its value stands in its column."""


def open_lists(rights: Rights) -> list[str]:
    """Which lifecycles of lists may be opened with these rights."""
    return ["live", "archived", *(["deleted"] if rights.can("lists", "read_deleted") else [])]


def _by_name(shape: Shape) -> Listing:
    return Listing(
        shape=shape,
        filters={"name": lambda main, op, at: compare(main.c.name_key, op, at[0], many=at[1])},
        sorts={"name": lambda main, _: main.c.name_key},
    )


LIST_SHAPE = Shape(DistributionList, LISTS)
LIST_LISTING = _by_name(LIST_SHAPE)


def _to_its_owner(main: FromClause, _: Rights) -> ColumnElement[bool]:
    """A private segment exists for nobody else."""
    own = main.c.created_by == bindparam("me", type_=Uuid())
    return or_(main.c.visibility == literal_column("'organization'"), own)


SEGMENT_SHAPE = Shape(Segment, SEGMENTS, open_to=_to_its_owner)
SEGMENT_LISTING = _by_name(SEGMENT_SHAPE)

# ------------------------------------------------------------------------------- members


def _opens(main: FromClause, of: str, table: Table, lifecycles: list[str]) -> ColumnElement[bool]:
    """Whether the record in this column is in one of these lifecycles.

    A look-up for each row. PostgreSQL would answer an `EXISTS` behind an `OR` by reading all of the
    other table first, however few rows a page has.
    """
    rows = table.alias(f"at_{of}")
    return (
        select(rows.c.lifecycle.in_(words(*lifecycles)))
        .where(rows.c.organization_id == ORG, rows.c.id == main.c[of])
        .correlate(main)
        .scalar_subquery()
    )


def _with_both(main: FromClause, rights: Rights) -> ColumnElement[bool]:
    """A member exists for who may open the list, and whoever is on it."""
    client = _opens(main, "client_id", CLIENTS, open_clients(rights))
    contact = _opens(main, "contact_id", CONTACTS, open_contacts(rights))
    return and_(
        _opens(main, "list_id", LISTS, open_lists(rights)), func.coalesce(client, contact, false())
    )


def _told(main: FromClause, of_client: Any, of_contact: Any) -> ColumnElement[Any]:
    """The value of whichever of the two it is."""
    client = select(of_client).where(
        CLIENTS.c.organization_id == ORG, CLIENTS.c.id == main.c.client_id
    )
    contact = select(of_contact).where(
        CONTACTS.c.organization_id == ORG, CONTACTS.c.id == main.c.contact_id
    )
    return func.coalesce(*(each.correlate(main).scalar_subquery() for each in (client, contact)))


def _primary(of_clients: Table, of_contacts: Table, column: str) -> Expression:
    def told(main: FromClause) -> ColumnElement[Any]:
        found = [
            select(rows.c[column])
            .where(rows.c.organization_id == ORG, rows.c[of] == main.c[of], rows.c.is_primary)
            .correlate(main)
            .limit(1)
            .scalar_subquery()
            for rows, of in ((of_clients, "client_id"), (of_contacts, "contact_id"))
        ]
        return func.coalesce(*found)

    return lambda sources, _: told(sources.main)


def _suppressed_by(main: FromClause) -> ColumnElement[Any]:
    def reason(wish: ColumnElement[bool], lifecycle: ColumnElement[Any]) -> ColumnElement[Any]:
        return case(
            (lifecycle != literal_column("'live'"), literal_column("'not_live'", Text())),
            (wish, literal_column("'do_not_contact'", Text())),
        )

    wish = CLIENTS.c.preferences["do_not_contact"].astext == literal_column("'true'")
    return _told(
        main,
        reason(wish, CLIENTS.c.lifecycle),
        reason(CONTACTS.c.do_not_contact, CONTACTS.c.lifecycle),
    )


MEMBER_SHAPE = Shape(
    resource=ListMember,
    table=MEMBERS,
    expressions={
        "name": lambda s, _: _told(s.main, CLIENTS.c.name, CONTACTS.c.name),
        "email": _primary(CLIENT_EMAILS, CONTACT_EMAILS, "address"),
        "phone": _primary(CLIENT_PHONES, CONTACT_PHONES, "e164"),
        "subscribed": lambda s, _: s.main.c.unsubscribed_at.is_(None),
        "suppressed": lambda s, _: _suppressed_by(s.main).is_not(None),
        "suppressed_by": lambda s, _: _suppressed_by(s.main),
    },
    open_to=_with_both,
)
MEMBER_LISTING = Listing(
    shape=MEMBER_SHAPE,
    filters={
        "subscribed": lambda main, op, at: compare(
            main.c.unsubscribed_at.is_(None), op, at[0], many=at[1]
        ),
        "suppressed": lambda main, op, at: compare(
            _suppressed_by(main).is_not(None), op, at[0], many=at[1]
        ),
    },
    sorts={},
)

MEMBERSHIP = Statement(
    select(MEMBERS.c.id).where(
        MEMBERS.c.organization_id == ORG,
        MEMBERS.c.list_id == bindparam("list_id", type_=Uuid()),
        or_(
            MEMBERS.c.client_id == bindparam("client_id", type_=Uuid()),
            MEMBERS.c.contact_id == bindparam("contact_id", type_=Uuid()),
        ),
    )
)
"""The row of somebody on a list, be it that of one who was removed."""


@lru_cache(maxsize=256)
def standing(rights: Rights, kind: GuardKind) -> Statement:
    """The lifecycle of a list, for who may open it."""
    found = select(LISTS.c.lifecycle).where(
        LISTS.c.organization_id == ORG,
        LISTS.c.id == bindparam("id", type_=Uuid()),
        LISTS.c.lifecycle.in_(words(*open_lists(rights))),
    )
    return Statement(select(guard(kind).label("ok"), found.scalar_subquery().label("lifecycle")))


# ------------------------------------------------------------------- the lists of a client

_shown = (
    MEMBERS.c.organization_id,
    MEMBERS.c.id,
    MEMBERS.c.list_id,
    LISTS.c.lifecycle,
    LISTS.c.name,
    LISTS.c.name_key,
    LISTS.c.workflow,
)
_joined = (
    MEMBERS.c.organization_id == ORG,
    MEMBERS.c.lifecycle == literal_column("'live'"),
    LISTS.c.organization_id == ORG,
    LISTS.c.id == MEMBERS.c.list_id,
)
_times = (MEMBERS.c.unsubscribed_at.is_(None).label("subscribed"), MEMBERS.c.created_at)
OF_CLIENTS = view(
    "client_lists",
    select(
        *_shown,
        MEMBERS.c.client_id,
        literal_column("'client'", Text()).label("via"),
        cast(null(), Uuid()).label("contact_id"),
        cast(null(), Text()).label("contact_name"),
        *_times,
    ).where(*_joined, MEMBERS.c.client_id.is_not(None)),
    select(
        *_shown,
        LINKS.c.client_id,
        literal_column("'contact'", Text()).label("via"),
        MEMBERS.c.contact_id,
        CONTACTS.c.name.label("contact_name"),
        *_times,
    ).where(
        *_joined,
        # Of the links of a person to one client at most one has no end.
        LINKS.c.organization_id == ORG,
        LINKS.c.contact_id == MEMBERS.c.contact_id,
        LINKS.c.to_on.is_(None),
        CONTACTS.c.organization_id == ORG,
        CONTACTS.c.id == MEMBERS.c.contact_id,
        CONTACTS.c.lifecycle == literal_column("'live'"),
    ),
)


def _through_whom(main: FromClause, rights: Rights) -> ColumnElement[bool]:
    """That a person serves the client is told to readers of `reach` alone."""
    if rights.can("clients", "read", "reach"):
        return literal_column("true")
    return main.c.via == literal_column("'client'")


CLIENT_LIST_LISTING = Listing(
    shape=Shape(ClientList, OF_CLIENTS, open_to=_through_whom),
    filters={},
    sorts={"name": lambda main, _: main.c.name_key},
)

# --------------------------------------------------------------------- what a segment brings

_milliseconds = cast(extract("epoch", func.now()) * 1000, BigInteger)
_NEW_ID = cast(
    func.encode(
        func.set_bit(
            func.set_bit(
                func.overlay(
                    func.uuid_send(func.gen_random_uuid()),
                    func.substring(func.int8send(_milliseconds), 3),
                    1,
                    6,
                ),
                52,
                1,
            ),
            53,
            1,
        ),
        literal_column("'hex'"),
    ),
    Uuid(),
)
"""A UUIDv7, as `core.ids` makes them: PostgreSQL has them by itself only since version 18."""
_LIMIT = bindparam("limit", type_=Integer())
_NOW = (
    select(func.greatest(func.now(), HeadRow.last_at))
    .where(HeadRow.organization_id == ORG)
    .scalar_subquery()
)


@lru_cache(maxsize=256)
def bring(rights: Rights, kind: GuardKind, shapes: tuple[Any, ...]) -> Statement:
    """Put the clients that meet conditions of these shapes on a list: all of them, or none.

    None where they are more than `limit`. Those who were removed come back as they were: who
    unsubscribed stays so. Answers `ok`, `found`, `added`, and the list's new `version`.
    """
    list_id = bindparam("list_id", type_=Uuid())
    found = (
        select(CLIENTS.c.id)
        .where(*conditions_of(CLIENT_LISTING, rights, shapes))
        .limit(_LIMIT + 1)
        .cte("found")
    )
    count = select(func.count()).select_from(found).scalar_subquery()
    values: dict[str, Any] = {
        "organization_id": ORG,
        "id": _NEW_ID,
        "version": literal_column("1"),
        "lifecycle": literal_column("'live'"),
        "list_id": list_id,
        "client_id": found.c.id,
        "segment_id": bindparam("segment_id", type_=Uuid()),
        "created_by": bindparam("me", type_=Uuid()),
        "created_at": _NOW,
    }
    source = select(*values.values()).select_from(found).where(count <= _LIMIT, guard(kind))
    put = (
        insert(MEMBERS)
        .from_select(list(values), source)
        .on_conflict_do_update(
            constraint="uq_list_members_client",
            set_={"lifecycle": "live", "version": MEMBERS.c.version + 1},
            where=MEMBERS.c.lifecycle == literal_column("'deleted'"),
        )
        .returning(MEMBERS.c.id)
        .cte("put")
    )
    moved = (
        update(LISTS)
        .where(LISTS.c.organization_id == ORG, LISTS.c.id == list_id, exists(select(put.c.id)))
        .values(version=LISTS.c.version + 1)
        .returning(LISTS.c.version)
        .cte("moved")
    )
    return Statement(
        select(
            guard(kind).label("ok"),
            count.label("found"),
            select(func.count()).select_from(put).scalar_subquery().label("added"),
            select(moved.c.version).scalar_subquery().label("version"),
        )
    )
