"""How clients are read from and written to their tables. All SQL of the slice is here."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    FromClause,
    Table,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB, aggregate_order_by

from crm_api.clients.pairs import TYPED
from crm_api.clients.parts import BillingDetails, NotificationSettings, Preferences, ServiceDetails
from crm_api.clients.schemas import Client
from crm_api.contacts.repository import (
    CONTACT_SEARCH,
    CONTACT_SHAPE,
    EMAIL_COLUMNS,
    PHONE_COLUMNS,
)
from crm_api.core.access import Rights
from crm_api.kit.fields import mask_of
from crm_api.kit.guard import ORG
from crm_api.kit.indexing import Index, Joined, Rows, indexed, name_text, reach_parts
from crm_api.kit.projection import (
    Shape,
    Sources,
    children,
    instant,
    json_list,
    json_one,
)
from crm_api.kit.refs import refs_of
from crm_api.models import (
    CatalogueEntryRow,
    ClientAttributeRow,
    ClientContactRow,
    ClientEmailRow,
    ClientPhoneRow,
    ClientRefRow,
    ClientRow,
    ClientSearchRow,
    ClientSiteRow,
    ClientTagRow,
    ContactRow,
    MembershipRow,
    UserRow,
    table_of,
)

CLIENTS = table_of(ClientRow)
EMAILS = table_of(ClientEmailRow)
PHONES = table_of(ClientPhoneRow)
SITES = table_of(ClientSiteRow)
LINKS = table_of(ClientContactRow)
TAGS = table_of(ClientTagRow)
ATTRIBUTES = table_of(ClientAttributeRow)
REFS = table_of(ClientRefRow)
ENTRIES = table_of(CatalogueEntryRow)
CONTACTS = table_of(ContactRow)
MEMBERSHIPS = table_of(MembershipRow)
USERS = table_of(UserRow)
CLIENT_SEARCH = table_of(ClientSearchRow)

SITE_COLUMNS = (
    "id",
    "kind",
    "label",
    "country_code",
    "country_area",
    "city",
    "postal_code",
    "street_address",
    "notes",
    "service_area",
    "address_quality",
    "is_primary",
)
CHILDREN = {
    EMAILS: "emails",
    PHONES: "phones",
    SITES: "sites",
    LINKS: "contacts",
    TAGS: "tags",
    ATTRIBUTES: "attributes",
    REFS: "external_refs",
}
"""Child table → the field that it stores."""
LINK_COLUMNS = ("id", "contact_id", "roles", "function", "job_title", "from_on", "to_on")


def open_lifecycles(rights: Rights) -> list[str]:
    """Which lifecycles of clients may be opened with these rights."""
    found = ["live"]
    if rights.can("clients", "read_archived"):
        found.append("archived")
    if rights.can("clients", "read_deleted"):
        found += ["deleted", "merged", "erased"]
    return found


def override_holds(main: Any) -> ColumnElement[bool]:
    """An override holds until it expires; that moment needs no write."""
    return and_(
        main.c.type_override.is_not(None),
        or_(
            main.c.type_override_expires_at.is_(None), main.c.type_override_expires_at > func.now()
        ),
    )


def effective_type(main: Any) -> ColumnElement[str]:
    return case((override_holds(main), main.c.type_override), else_=main.c.type)


def _since(main: Any) -> ColumnElement[Any]:
    """Since when the effective type holds; an edit of an override's reason does not move it."""
    expired = and_(main.c.type_override.is_not(None), not_(override_holds(main)))
    return case((expired, main.c.type_override_expires_at), else_=main.c.type_since)


def _type_status(sources: Sources, rights: Rights) -> ColumnElement[Any]:
    """The G2 view: the override only for readers of assessment."""
    main = sources.main
    holds = override_holds(main)
    parts: list[Any] = [
        "effective", effective_type(main),
        "derived", main.c.type,
        "source", case((holds, literal_column("'override'")), else_=literal_column("'rule'")),
        "since", instant(_since(main)),
        "rule", literal_column("'client_type'"),
    ]  # fmt: skip
    groups = Client.guarded_parts["type_status"]
    if rights.can("clients", "read", groups["evidence"]):
        parts += ["evidence", literal_column("'[]'::json")]
    if rights.can("clients", "read", groups["override"]):
        shown = func.json_build_object(
            *_keys("value", main.c.type_override, "reason", main.c.type_override_reason,
                   "by", main.c.type_override_by, "at", instant(main.c.type_override_at),
                   "expires_at", instant(main.c.type_override_expires_at))
        )  # fmt: skip
        parts += ["override", case((holds, shown))]
    return func.json_build_object(*_keys(*parts))


def _keys(*parts: Any) -> list[Any]:
    """Keys as SQL literals: a bound parameter would have no type in a variadic function."""
    return [literal_column(f"'{p}'") if isinstance(p, str) else p for p in parts]


def _engagement(sources: Sources, _: Rights) -> ColumnElement[Any]:
    entry = ENTRIES.alias("type_entry")
    return (
        select(entry.c.data["engagement_level"].astext)
        .where(
            entry.c.organization_id == ORG,
            entry.c.catalogue == "types",
            entry.c.key == effective_type(sources.main),
        )
        .correlate(sources.main)
        .scalar_subquery()
    )


def _tags(sources: Sources, _: Rights) -> ColumnElement[Any]:
    inner = children(sources, TAGS, "client_id", ["tag", "position"]).subquery("t")
    return (
        select(func.coalesce(func.json_agg(inner.c.tag), literal_column("'[]'::json")))
        .select_from(inner)
        .scalar_subquery()
    )


def _attributes(sources: Sources, rights: Rights) -> ColumnElement[Any]:
    """The stored pairs, and those of fields as far as the reader reads them."""
    rows = sources.rows(ATTRIBUTES)
    inner = (
        select(rows.c.key, rows.c.value)
        .where(rows.c.organization_id == ORG, rows.c.client_id == sources.main.c.id)
        .correlate(sources.main)
        .order_by(rows.c.key)
        .subquery("a")
    )
    pairs = func.json_object_agg(inner.c.key, inner.c.value)
    stored: ColumnElement[Any] = (
        select(func.coalesce(pairs, literal_column("'{}'::json")))
        .select_from(inner)
        .scalar_subquery()
    )
    for key, group in Client.guarded_parts["attributes"].items():
        if rights.can("clients", "read", group):
            value = sources.main.c[TYPED[key]]
            pair = func.jsonb_build_object(*_keys(key, value))
            whole = cast(cast(stored, JSONB).op("||")(pair), JSON)
            stored = case((value.is_not(None), whole), else_=stored)
    return stored


def _link_columns(links: FromClause, rights: Rights, *, expanded: bool) -> list[Any]:
    columns: list[Any] = [links.c[c].label(c) for c in LINK_COLUMNS]
    if expanded:
        person = CONTACTS.alias("person")
        names = mask_of(CONTACT_SHAPE.resource, rights).read
        inner = (
            select(*CONTACT_SHAPE.columns(Sources(person), rights, names))
            .where(
                person.c.organization_id == ORG,
                person.c.id == links.c.contact_id,
                person.c.lifecycle == "live",
            )
            .correlate(links)
        )
        columns.append(json_one(inner, "p").label("contact"))
    return columns


def _links(sources: Sources, rights: Rights, *, expanded: bool = False) -> ColumnElement[Any]:
    columns = _link_columns(sources.rows(LINKS), rights, expanded=expanded)
    return json_list(children(sources, LINKS, "client_id", columns), "l")


def _primary(sources: Sources, rights: Rights, *, expanded: bool = False) -> ColumnElement[Any]:
    rows = sources.rows(LINKS)
    columns = _link_columns(rows, rights, expanded=expanded)
    inner = children(sources, LINKS, "client_id", columns).where(
        rows.c.id == sources.main.c.primary_link_id
    )
    return json_one(inner, "l")


def _credit_limit(sources: Sources, _: Rights) -> ColumnElement[Any]:
    main = sources.main
    in_units = main.c.credit_limit / literal_column("10000.0")
    amount = cast(func.round(in_units, main.c.credit_limit_scale), Text)
    money = func.json_build_object(
        *_keys("amount", amount, "currency", main.c.credit_limit_currency)
    )
    return case((main.c.credit_limit.is_not(None), money))


def _filled(column: str, defaults: Mapping[str, Any]) -> Any:
    """A stored object with every key of its type, also those that were added since."""
    base: ColumnElement[Any] = literal_column(
        "'" + json.dumps(defaults).replace("'", "''") + "'::jsonb"
    )
    return lambda sources, _: base.op("||")(sources.main.c[column])


def shown_number(main: FromClause) -> ColumnElement[str]:
    digits = cast(main.c.number, Text)
    filled = func.lpad(digits, func.greatest(6, func.length(digits)), "0")
    return literal("C-", Text()).concat(filled)


def _owner(sources: Sources, _: Rights) -> ColumnElement[Any]:
    inner = (
        select(MEMBERSHIPS.c.id, USERS.c.name)
        .where(
            MEMBERSHIPS.c.organization_id == ORG,
            MEMBERSHIPS.c.id == sources.main.c.owner_id,
            USERS.c.id == MEMBERSHIPS.c.user_id,
        )
        .correlate(sources.main)
    )
    return json_one(inner, "o")


CLIENT_SHAPE = Shape(
    resource=Client,
    table=CLIENTS,
    expressions={
        "number": lambda s, _: shown_number(s.main),
        "type": lambda s, _: effective_type(s.main),
        "type_status": _type_status,
        "engagement_level": _engagement,
        "external_refs": refs_of(REFS, "client_id"),
        "emails": lambda s, _: json_list(children(s, EMAILS, "client_id", EMAIL_COLUMNS), "e"),
        "phones": lambda s, _: json_list(children(s, PHONES, "client_id", PHONE_COLUMNS), "p"),
        "sites": lambda s, _: json_list(children(s, SITES, "client_id", SITE_COLUMNS), "s"),
        "contacts": _links,
        "primary_contact": _primary,
        "tags": _tags,
        "attributes": _attributes,
        "preferences": _filled("preferences", Preferences().model_dump()),
        "notification_settings": _filled(
            "notification_settings", NotificationSettings().model_dump()
        ),
        "service": _filled("service", ServiceDetails().model_dump()),
        "billing_details": _filled("billing_details", BillingDetails().model_dump()),
        "credit_limit": _credit_limit,
    },
    expansions={
        "contacts": (("contacts", "person"), lambda s, r: _links(s, r, expanded=True)),
        "primary_contact": (("contacts", "person"), lambda s, r: _primary(s, r, expanded=True)),
        "owner": (("users", "directory"), _owner),
    },
)


# ------------------------------------------------------------------------- search


def people_text(
    links: FromClause, client_id: ColumnElement[Any], new_people: FromClause | None = None
) -> ColumnElement[str]:
    """The names of a client's persons, former ones too, as they are searched; of live ones alone.

    Args:
        new_people: the search rows of persons that the same statement makes.
    """
    names = [
        select(people.c.name)
        .where(
            people.c.organization_id == ORG,
            people.c.contact_id == links.c.contact_id,
            people.c.lifecycle == "live",
        )
        .correlate(links)
        .scalar_subquery()
        for people in (CONTACT_SEARCH, new_people)
        if people is not None
    ]
    in_order: Any = aggregate_order_by(literal_column("''"), links.c.position, links.c.id)
    text: ColumnElement[str] = func.string_agg(func.coalesce(*names), in_order)
    inner = select(func.coalesce(text, "")).where(
        links.c.organization_id == ORG, links.c.client_id == client_id
    )
    return inner.correlate(client_id.table).scalar_subquery()


def _people(sources: Sources) -> ColumnElement[str]:
    people = sources.rows(CONTACT_SEARCH)
    new = None if people is CONTACT_SEARCH else people
    return people_text(sources.rows(LINKS), sources.main.c.id, new)


def _people_of_new(sets: Mapping[Table, Rows]) -> Mapping[str, str]:
    names = {person["id"]: name_text([person]) for person in sets.get(CONTACTS, ())}
    found: dict[str, str] = {}
    for link in sorted(sets.get(LINKS, ()), key=lambda link: (link["position"], link["id"])):
        name = names.get(link["contact_id"], "")
        found[link["client_id"]] = found.get(link["client_id"], "") + name
    return found


indexed(
    Index(
        CLIENTS,
        CLIENT_SEARCH,
        "client_id",
        reach_parts(CLIENTS, EMAILS, PHONES),
        {"people": Joined(LINKS, _people, _people_of_new)},
    )
)
