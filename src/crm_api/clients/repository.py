"""How clients are read from and written to their tables. All SQL of the slice is here."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    FromClause,
    LargeBinary,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    literal,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY

from crm_api.clients.schemas import (
    BillingDetails,
    Client,
    NotificationSettings,
    Preferences,
    ServiceDetails,
)
from crm_api.contacts.repository import CONTACT_SHAPE
from crm_api.core.access import Rights
from crm_api.core.db import Database, Statement
from crm_api.core.formats.names import name_key
from crm_api.kit.fields import mask_of
from crm_api.kit.guard import ORG
from crm_api.kit.projection import (
    Shape,
    Sources,
    children,
    instant,
    json_list,
    json_one,
    words,
)
from crm_api.kit.reading import Listing, compare
from crm_api.models import (
    CatalogueEntryRow,
    ClientAttributeRow,
    ClientContactRow,
    ClientEmailRow,
    ClientPhoneRow,
    ClientRefRow,
    ClientRow,
    ClientSiteRow,
    ClientTagRow,
    ContactEmailRow,
    ContactPhoneRow,
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

EMAIL_COLUMNS = ("id", "address", "label", "is_primary", "reachability", "verified_at")
PHONE_COLUMNS = (
    "id",
    "e164",
    "national",
    "international",
    "country",
    "type",
    "label",
    "extension",
    "is_primary",
    "reachability",
    "verified_at",
)
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


def _type_status(sources: Sources, rights: Rights) -> ColumnElement[Any]:
    """The G2 view: the override only for readers of assessment."""
    main = sources.main
    holds = override_holds(main)
    parts: list[Any] = [
        "effective", effective_type(main),
        "derived", main.c.type,
        "source", case((holds, literal_column("'override'")), else_=literal_column("'rule'")),
        "since", instant(case((holds, main.c.type_override_at), else_=main.c.type_since)),
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


def _attributes(sources: Sources, _: Rights) -> ColumnElement[Any]:
    rows = sources.rows(ATTRIBUTES)
    inner = (
        select(rows.c.key, rows.c.value)
        .where(rows.c.organization_id == ORG, rows.c.client_id == sources.main.c.id)
        .correlate(sources.main)
        .order_by(rows.c.key)
        .subquery("a")
    )
    pairs = func.json_object_agg(inner.c.key, inner.c.value)
    return (
        select(func.coalesce(pairs, literal_column("'{}'::json")))
        .select_from(inner)
        .scalar_subquery()
    )


def _refs(sources: Sources, _: Rights) -> ColumnElement[Any]:
    rows = sources.rows(REFS)
    columns: list[Any] = ["source", rows.c.external_id.label("id"), "version"]
    return json_list(children(sources, REFS, "client_id", columns), "r")


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
        "number": lambda s, _: literal("C-", Text()).concat(
            func.lpad(
                cast(s.main.c.number, Text),
                func.greatest(6, func.length(cast(s.main.c.number, Text))),
                "0",
            )
        ),
        "type": lambda s, _: effective_type(s.main),
        "type_status": _type_status,
        "engagement_level": _engagement,
        "external_refs": _refs,
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

# ------------------------------------------------------------------ lists


def _child_filter(table: Any, column: str) -> Any:
    """The client has a child row whose column compares so."""

    def condition(main: Any, op: str, at: tuple[int, bool]) -> ColumnElement[bool]:
        n, many = at
        positive = "eq" if op == "ne" else op
        hit = exists(
            select(literal(1)).where(
                table.c.organization_id == ORG,
                table.c.client_id == main.c.id,
                compare(table.c[column], positive, n, many=many),
            )
        )
        return ~hit if op == "ne" else hit

    return condition


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


def _ref_filter(main: Any, op: str, at: tuple[int, bool]) -> ColumnElement[bool]:
    """`external_refs=billing:A-17`, or a bare id of any source."""
    n, many = at
    whole = REFS.c.source.concat(":").concat(REFS.c.external_id)
    hit = exists(
        select(literal(1)).where(
            REFS.c.organization_id == ORG,
            REFS.c.client_id == main.c.id,
            or_(
                compare(REFS.c.external_id, "eq", n, many=many), compare(whole, "eq", n, many=many)
            ),
        )
    )
    return ~hit if op == "ne" else hit


def _typed_filter(main: Any, op: str, at: tuple[int, bool]) -> ColumnElement[bool]:
    n, many = at
    return compare(cast(effective_type(main), Text), op, n, many=many)


def _currency_filter(main: Any, op: str, at: tuple[int, bool]) -> ColumnElement[bool]:
    return compare(main.c.credit_limit_currency, op, at[0], many=at[1])


def _nulls_last(column: str, low: str, high: str, kind: str) -> Any:
    """Nulls last either way needs a sentinel, and an index, for each direction."""

    def key(main: Any, descending: bool) -> ColumnElement[Any]:  # noqa: FBT001  # the kit's signature
        sentinel: ColumnElement[Any] = literal_column(f"'{low if descending else high}'::{kind}")
        return func.coalesce(main.c[column], sentinel)

    return key


CLIENT_LISTING = Listing(
    shape=CLIENT_SHAPE,
    filters={
        "name": lambda main, op, at: compare(main.c.name_key, op, at[0], many=at[1]),
        "type": _typed_filter,
        "tags": _child_filter(TAGS, "tag"),
        "attributes": _attribute_filter,
        "external_refs": _ref_filter,
        "emails": _child_filter(EMAILS, "key"),
        "phones": _child_filter(PHONES, "e164"),
        "country_code": _child_filter(SITES, "country_code"),
        "city": _child_filter(SITES, "city_key"),
        "currency": _currency_filter,
    },
    sorts={
        "name": lambda main, _: main.c.name_key,
        "last_activity_at": _nulls_last("last_activity_at", "-infinity", "infinity", "timestamptz"),
        "credit_limit": _nulls_last("credit_limit", str(-(2**63)), str(2**63 - 1), "bigint"),
    },
)


def _digits(value: str) -> str:
    return "".join(c for c in value if c.isdigit() or c == "+")


def sort_key(value: str) -> str:
    """A name or city as lists compare it; a text of no letters is compared as it is."""
    try:
        return name_key(value)[:200]
    except ValueError:
        return value


BINDS = {
    "name": sort_key,
    "city": sort_key,
    "country_code": str.upper,
    "emails": lambda value: value.strip().lower(),
    "phones": _digits,
}
"""Filter → how its value stands in its column."""


# ------------------------------------------------------------- look-ups of a write


def has_contact_reach() -> ColumnElement[Any]:
    """Whether a contact of this client can be reached: counts as its contact method."""
    parts = [
        exists(
            select(literal(1)).where(
                LINKS.c.organization_id == ORG,
                LINKS.c.client_id == bindparam("id", type_=Uuid()),
                LINKS.c.to_on.is_(None),
                rows.c.organization_id == ORG,
                rows.c.contact_id == LINKS.c.contact_id,
            )
        )
        for rows in (table_of(ContactEmailRow), table_of(ContactPhoneRow))
    ]
    return select(or_(*parts)).scalar_subquery()


_ids = bindparam("ids", type_=ARRAY(Uuid()))
VISIBLE_CLIENTS = Statement(
    select(CLIENTS.c.id).where(
        CLIENTS.c.organization_id == ORG,
        CLIENTS.c.id == func.any(_ids),
        CLIENTS.c.lifecycle == func.any(bindparam("lifecycles", type_=ARRAY(Text()))),
    )
)
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
                for rows in (table_of(ContactEmailRow), table_of(ContactPhoneRow))
            )
        ).label("reachable"),
    ).where(
        CONTACTS.c.organization_id == ORG,
        CONTACTS.c.id == func.any(_ids),
        CONTACTS.c.lifecycle == "live",
    )
)
ACTIVE_USERS = Statement(
    select(MEMBERSHIPS.c.id).where(
        MEMBERSHIPS.c.organization_id == ORG,
        MEMBERSHIPS.c.id == func.any(_ids),
        MEMBERSHIPS.c.is_active,
    )
)

# ---------------------------------------------------------- who stands in the way

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


_next_holder = (
    select(CLIENTS.c.id)
    .where(
        CLIENTS.c.organization_id == ORG,
        CLIENTS.c.identity_digest == bindparam("digest", type_=LargeBinary()),
        CLIENTS.c.lifecycle.not_in(words("merged", "erased")),
    )
    .order_by(CLIENTS.c.id)
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
