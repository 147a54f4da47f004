"""How contacts are read from and written to their tables. All SQL of the slice is here."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    DateTime,
    FromClause,
    Label,
    Select,
    Table,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crm_api.contacts.schemas import Contact
from crm_api.core.access import Rights
from crm_api.core.db import Statement
from crm_api.core.formats.emails import parse_email
from crm_api.core.formats.names import name_key
from crm_api.kit.fields import mask_of
from crm_api.kit.guard import ORG
from crm_api.kit.indexing import Index, indexed, reach_parts
from crm_api.kit.listing import Listing, child_filter, compare
from crm_api.kit.projection import Shape, Sources, children, json_list, words
from crm_api.kit.reading import IDS, LIFECYCLES
from crm_api.kit.refs import ref_filter, refs_of, whole_ref
from crm_api.kit.scope import Scope
from crm_api.kit.suggesting import Suggesting
from crm_api.kit.walks import Tree
from crm_api.models import (
    ChangeRow,
    ClientContactRow,
    ClientRow,
    ContactEmailRow,
    ContactPhoneRow,
    ContactRefRow,
    ContactRow,
    ContactSearchRow,
    MembershipRow,
    table_of,
)

CONTACTS = table_of(ContactRow)
EMAILS = table_of(ContactEmailRow)
PHONES = table_of(ContactPhoneRow)
REFS = table_of(ContactRefRow)
CHANGES = table_of(ChangeRow)
LINKS = table_of(ClientContactRow)
CLIENTS = table_of(ClientRow)
MEMBERSHIPS = table_of(MembershipRow)
CONTACT_SEARCH = table_of(ContactSearchRow)
indexed(Index(CONTACTS, CONTACT_SEARCH, "contact_id", reach_parts(CONTACTS, EMAILS, PHONES)))

EMAIL_COLUMNS = ("id", "address", "label", "is_primary", "reachability", "verified_at")
PHONE_COLUMNS = (
    "id", "e164", "national", "international", "country", "type", "label", "extension",
    "is_primary", "reachability", "verified_at",
)  # fmt: skip


def _links(sources: Sources, rights: Rights) -> ColumnElement[Any]:
    """The clients of the person that the reader may open; deleted ones are nobody's any more."""
    main = sources.main
    shown = ["live", *(["archived"] if rights.can("clients", "read_archived") else [])]
    inner = (
        select(
            LINKS.c.id,
            LINKS.c.client_id,
            LINKS.c.roles,
            LINKS.c.function,
            LINKS.c.job_title,
            LINKS.c.from_on,
            LINKS.c.to_on,
        )
        .where(
            LINKS.c.organization_id == ORG,
            LINKS.c.contact_id == main.c.id,
            CLIENTS.c.organization_id == ORG,
            CLIENTS.c.id == LINKS.c.client_id,
            CLIENTS.c.lifecycle.in_(words(*shown)),
        )
        .correlate(main)
        .order_by(LINKS.c.id)
    )
    return json_list(inner, "cl")


def _links_of_client() -> Select[*tuple[Any, ...]]:
    """The links of one client to the person, as the client tells them."""
    return (
        select(
            LINKS.c.id,
            LINKS.c.contact_id,
            LINKS.c.roles,
            LINKS.c.function,
            LINKS.c.job_title,
            LINKS.c.from_on,
            LINKS.c.to_on,
        )
        .where(
            LINKS.c.organization_id == ORG,
            LINKS.c.client_id == CLIENTS.c.id,
            LINKS.c.contact_id == bindparam("id", type_=Uuid()),
        )
        .correlate(CLIENTS)
    )


CONTACT_SHAPE = Shape(
    resource=Contact,
    table=CONTACTS,
    expressions={
        "external_refs": refs_of(REFS, "contact_id"),
        "links": _links,
        "emails": lambda s, _: json_list(children(s, EMAILS, "contact_id", EMAIL_COLUMNS), "ce"),
        "phones": lambda s, _: json_list(children(s, PHONES, "contact_id", PHONE_COLUMNS), "cp"),
    },
)


CONTACT_LISTING = Listing(
    shape=CONTACT_SHAPE,
    filters={
        "name": lambda main, op, at: compare(main.c.name_key, op, at[0], many=at[1]),
        "emails": child_filter(EMAILS, "contact_id", "key"),
        "phones": child_filter(PHONES, "contact_id", "e164"),
        "external_refs": ref_filter(REFS, "contact_id"),
    },
    sorts={"name": lambda main, _: main.c.name_key},
    search="search_contacts",
)


def hit_email(table: Table, parent: str) -> Callable[[FromClause], ColumnElement[str]]:
    """The address that a search hit."""
    patterns = func.all(bindparam("q_emails", type_=ARRAY(Text())))
    return lambda main: _first(
        table, parent, main, table.c.address, _stored(table.c.key).like(patterns)
    )


def hit_phone(table: Table, parent: str) -> Callable[[FromClause], ColumnElement[str]]:
    """The number that a search hit, as people write it; else the first one."""
    ends, within = (bindparam(name, type_=ARRAY(Text())) for name in ("q_ends", "q_phones"))
    national = func.regexp_replace(table.c.national, "[^0-9]", "", "g")
    digits = _stored(func.ltrim(table.c.e164, "+").concat(literal(" ", Text())).concat(national))
    hit = case((digits.like(func.any(ends)), 2), (digits.like(func.any(within)), 1), else_=0)
    return lambda main: _first(table, parent, main, table.c.international, hit)


def _stored(text: ColumnElement[str]) -> ColumnElement[str]:
    """As the search row holds it: with a space at either end."""
    return literal(" ", Text()).concat(text).concat(literal(" ", Text()))


def _first(
    table: Table,
    parent: str,
    main: FromClause,
    shown: ColumnElement[str],
    first: ColumnElement[Any],
) -> ColumnElement[str]:
    return (
        select(shown)
        .where(table.c.organization_id == ORG, table.c[parent] == main.c.id)
        .correlate(main)
        .order_by(first.desc(), table.c.position)
        .limit(1)
        .scalar_subquery()
    )


CONTACT_SUGGESTING = Suggesting(
    shape=CONTACT_SHAPE,
    search="search_contacts",
    names=("id", "name", "lifecycle"),
    snippets={
        "name": ("name", lambda main: main.c.name),
        "email": ("emails", hit_email(EMAILS, "contact_id")),
        "phone": ("phones", hit_phone(PHONES, "contact_id")),
    },
)


def email_key(value: str) -> str:
    """An address, or a part of one, as it is compared: a whole one with its domain in ASCII."""
    try:
        return parse_email(value).key
    except ValueError:
        return value.strip().lower()


def digits(value: str) -> str:
    return "".join(c for c in value if c.isdigit() or c == "+")


def sort_key(value: str) -> str:
    """A name or city as lists compare it; a text of no letters is compared as it is."""
    try:
        return name_key(value)[:200]
    except ValueError:
        return value


BINDS = {
    "name": sort_key,
    "emails": email_key,
    "phones": digits,
}
"""Filter → how its value stands in its column."""


LIVE_CONTACTS = Statement(
    select(
        CONTACTS.c.id,
        or_(
            *(
                exists(
                    select(literal(1)).where(
                        rows.c.organization_id == ORG, rows.c.contact_id == CONTACTS.c.id
                    )
                )
                for rows in (EMAILS, PHONES)
            )
        ).label("reachable"),
    ).where(
        CONTACTS.c.organization_id == ORG,
        CONTACTS.c.id == func.any(IDS),
        CONTACTS.c.lifecycle == "live",
    )
)
MAX_TREE = 500
"""How many persons one tree tells."""


def open_lifecycles(rights: Rights) -> list[str]:
    """Which lifecycles of contacts may be opened with these rights."""
    every = ["live", "deleted", "merged", "erased"]
    return every if rights.can("contacts", "read_deleted") else every[:1]


def _opened(contacts: FromClause, rights: Rights) -> list[ColumnElement[bool]]:
    shown = words(*open_lifecycles(rights))
    return [contacts.c.organization_id == ORG, contacts.c.lifecycle.in_(shown)]


def _named(contacts: FromClause, rights: Rights) -> list[Label[Any]]:
    read = mask_of(Contact, rights).read
    names = [name for name in ("id", "lifecycle", "name") if name == "id" or name in read]
    return CONTACT_SHAPE.columns(Sources(contacts), rights, names)


def _reporting() -> Any:
    """Who reports to whom."""
    return (
        select(CONTACTS.c.id.label("child_id"), CONTACTS.c.reports_to_id.label("parent_id"))
        .where(CONTACTS.c.organization_id == ORG, CONTACTS.c.reports_to_id.is_not(None))
        .subquery("reporting")
    )


CONTACT_TREE = Tree(
    rows=CONTACTS, edges=_reporting, told_of_child=(), opened=_opened, columns=_named
)
ACTIVE_USERS = Statement(
    select(MEMBERSHIPS.c.id).where(
        MEMBERSHIPS.c.organization_id == ORG,
        MEMBERSHIPS.c.id == func.any(IDS),
        MEMBERSHIPS.c.is_active,
    )
)
BLOCKED_BY_EMAIL = Statement(
    select(CONTACTS.c.id, CONTACTS.c.name, CONTACTS.c.lifecycle, EMAILS.c.key)
    .where(
        CONTACTS.c.organization_id == ORG,
        EMAILS.c.organization_id == ORG,
        EMAILS.c.contact_id == CONTACTS.c.id,
        EMAILS.c.key == func.any(bindparam("keys", type_=ARRAY(Text()))),
        CONTACTS.c.id != bindparam("id", type_=Uuid()),
    )
    .order_by(CONTACTS.c.id)
    .limit(20)
)

BLOCKED_BY_REF = Statement(
    select(CONTACTS.c.id, CONTACTS.c.name, CONTACTS.c.lifecycle)
    .where(
        CONTACTS.c.organization_id == ORG,
        REFS.c.organization_id == ORG,
        REFS.c.contact_id == CONTACTS.c.id,
        whole_ref(REFS) == func.any(bindparam("keys", type_=ARRAY(Text()))),
        CONTACTS.c.id != bindparam("id", type_=Uuid()),
    )
    .order_by(CONTACTS.c.id)
    .limit(20)
)

# Entries that ended links of the person: the table no longer tells of which clients.
_ended = select(CHANGES.c.resource_id.label("client_id")).where(
    CHANGES.c.organization_id == ORG,
    CHANGES.c.resource == literal_column("'client'"),
    CHANGES.c.action == literal_column("'client.contact_unlinked'"),
    CHANGES.c.at > bindparam("instant", type_=DateTime(timezone=True)),
    CHANGES.c.changes.contains(cast(bindparam("unlinked", type_=Text()), JSONB)),
)
_linked = select(LINKS.c.client_id).where(
    LINKS.c.organization_id == ORG, LINKS.c.contact_id == bindparam("id", type_=Uuid())
)
EVER_LINKED = Statement(
    select(
        CLIENTS.c.id,
        CLIENTS.c.lifecycle,
        cast(json_list(_links_of_client(), "own"), Text).label("links"),
    ).where(
        CLIENTS.c.organization_id == ORG,
        CLIENTS.c.id.in_(_linked.union(_ended)),
        CLIENTS.c.lifecycle == func.any(LIFECYCLES),
    )
)
"""The clients that the person serves, or served at some time after `instant`."""
LATER_OF_CLIENTS = Statement(
    select(CHANGES.c.resource_id, CHANGES.c.fields, CHANGES.c.changes)
    .where(
        CHANGES.c.organization_id == ORG,
        CHANGES.c.resource == literal_column("'client'"),
        CHANGES.c.resource_id == func.any(IDS),
        CHANGES.c.at > bindparam("instant", type_=DateTime(timezone=True)),
        CHANGES.c.fields.op("&&")(literal_column("ARRAY['contacts', 'lifecycle']")),
    )
    .order_by(CHANGES.c.position.desc())
)

_LIVE_LINKS = Statement(
    select(func.count()).select_from(
        select(literal(1).label("one"))
        .where(
            LINKS.c.organization_id == ORG,
            LINKS.c.contact_id == bindparam("id", type_=Uuid()),
            LINKS.c.to_on.is_(None),
            CLIENTS.c.organization_id == ORG,
            CLIENTS.c.id == LINKS.c.client_id,
            # Also of a deleted client, which may be restored with its persons.
            CLIENTS.c.lifecycle.not_in(words("merged", "erased")),
        )
        .subquery("l")
    )
)


async def live_links(scope: Scope, contact_id: UUID) -> int:
    """How many clients the person serves now."""
    values = {"org": scope.actor.organization_id, "id": contact_id}
    row = await scope.db.fetchrow(scope.actor.organization_id, _LIVE_LINKS, values)
    return int(row[0])


_start = (
    select(CONTACTS.c.id, CONTACTS.c.reports_to_id)
    .where(CONTACTS.c.organization_id == ORG, CONTACTS.c.id == bindparam("start", type_=Uuid()))
    .cte("chain", recursive=True)
)
_above = CONTACTS.alias("above")
_chain = _start.union(
    select(_above.c.id, _above.c.reports_to_id).where(
        _above.c.organization_id == ORG, _above.c.id == _start.c.reports_to_id
    )
)
_LEADS_TO = Statement(
    select(func.count()).select_from(_chain).where(_chain.c.id == bindparam("goal", type_=Uuid()))
)


async def leads_to(scope: Scope, start: UUID, goal: UUID) -> bool:
    """Whether the goal is somewhere above the start in the line of reporting."""
    values = {"org": scope.actor.organization_id, "start": start, "goal": goal}
    row = await scope.db.fetchrow(scope.actor.organization_id, _LEADS_TO, values)
    return bool(row[0])
