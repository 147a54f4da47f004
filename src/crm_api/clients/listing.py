"""How clients are filtered and sorted, beyond the columns of the fields' names."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    FromClause,
    Text,
    bindparam,
    cast,
    exists,
    func,
    literal,
    select,
)

from crm_api.clients.repository import (
    ATTRIBUTES,
    CLIENT_SHAPE,
    CONTACTS,
    EMAILS,
    LINKS,
    PHONES,
    REFS,
    SITES,
    TAGS,
    effective_type,
    shown_number,
)
from crm_api.contacts.repository import (
    CONTACT_SEARCH,
    digits,
    email_key,
    hit_email,
    hit_phone,
    sort_key,
)
from crm_api.kit.guard import ORG
from crm_api.kit.listing import Listing, amount_filter, child_filter, compare, nulls_last
from crm_api.kit.refs import ref_filter
from crm_api.kit.suggesting import Suggesting


def _attribute_filter(where: tuple[Any, Any], op: str, at: tuple[int, bool]) -> ColumnElement[bool]:
    main, key = where
    n, many = at
    hit = exists(
        select(literal(1)).where(
            ATTRIBUTES.c.organization_id == ORG,
            ATTRIBUTES.c.client_id == main.c.id,
            ATTRIBUTES.c.key == key,
            compare(ATTRIBUTES.c.value, "eq" if op == "ne" else op, n, many=many),
        )
    )
    return ~hit if op == "ne" else hit


def _typed_filter(main: Any, op: str, at: tuple[int, bool]) -> ColumnElement[bool]:
    n, many = at
    return compare(cast(effective_type(main), Text), op, n, many=many)


CLIENT_LISTING = Listing(
    shape=CLIENT_SHAPE,
    filters={
        "name": lambda main, op, at: compare(main.c.name_key, op, at[0], many=at[1]),
        "type": _typed_filter,
        "tags": child_filter(TAGS, "client_id", "tag"),
        "attributes": _attribute_filter,
        "external_refs": ref_filter(REFS, "client_id"),
        "emails": child_filter(EMAILS, "client_id", "key"),
        "phones": child_filter(PHONES, "client_id", "e164"),
        "country_code": child_filter(SITES, "client_id", "country_code"),
        "city": child_filter(SITES, "client_id", "city_key"),
        "credit_limit": amount_filter("credit_limit", "credit_limit_currency"),
        # Not for a query: the list of one contact's clients adds it.
        "contact": child_filter(LINKS, "client_id", "contact_id"),
    },
    sorts={
        "name": lambda main, _: main.c.name_key,
        "last_activity_at": nulls_last("last_activity_at", "-infinity", "infinity", "timestamptz"),
        "credit_limit": nulls_last("credit_limit", str(-(2**63)), str(2**63 - 1), "bigint"),
    },
    search="search_clients",
)


BINDS = {
    "name": sort_key,
    "city": sort_key,
    "country_code": str.upper,
    "emails": email_key,
    "phones": digits,
}
"""Filter → how its value stands in its column."""


def _hit_person(main: FromClause) -> ColumnElement[str]:
    """The person that a search hit."""
    return (
        select(CONTACTS.c.name)
        .where(
            LINKS.c.organization_id == ORG,
            LINKS.c.client_id == main.c.id,
            CONTACT_SEARCH.c.organization_id == ORG,
            CONTACT_SEARCH.c.contact_id == LINKS.c.contact_id,
            CONTACTS.c.organization_id == ORG,
            CONTACTS.c.id == LINKS.c.contact_id,
            CONTACTS.c.lifecycle == "live",
        )
        .correlate(main)
        .order_by(
            CONTACT_SEARCH.c.name.like(func.all(bindparam("q_people", type_=ARRAY(Text())))).desc(),
            LINKS.c.position,
        )
        .limit(1)
        .scalar_subquery()
    )


CLIENT_SUGGESTING = Suggesting(
    shape=CLIENT_SHAPE,
    search="search_clients",
    names=("id", "number", "name", "lifecycle"),
    snippets={
        "name": ("name", lambda main: main.c.name),
        "number": ("number", shown_number),
        "email": ("emails", hit_email(EMAILS, "client_id")),
        "phone": ("phones", hit_phone(PHONES, "client_id")),
        "contact": ("people", _hit_person),
    },
)
