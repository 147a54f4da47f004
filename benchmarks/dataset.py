"""A hundred thousand clients from a few real ones: made through the service, multiplied in SQL.

The first clients of an organization go through the product's own create, so that what is multiplied
has every column as the product writes it; only what must differ from row to row is replaced.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias
from uuid import UUID

import asyncpg
from sqlalchemy import Table, Uuid

from crm_api.kit.indexing import Rows, new_rows
from crm_api.models import (
    ChangeRow,
    ClientAttributeRow,
    ClientContactRow,
    ClientEmailRow,
    ClientPhoneRow,
    ClientRow,
    ClientSiteRow,
    ClientTagRow,
    ContactEmailRow,
    ContactPhoneRow,
    ContactRow,
    table_of,
)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

CLIENT_HEAD = "01930000-0000-7000-8000-"
"""Every multiplied client's id: this and its number in twelve digits, so that anybody finds one."""


def client_id(n: int) -> str:
    return f"{CLIENT_HEAD}{n:012d}"


def _site(city: str, area: str) -> dict[str, Any]:
    return {"kind": "physical", "country_code": "UG", "city": city, "street_address": area}


def _person(mark: str, n: int) -> dict[str, Any]:
    return {
        "roles": ["primary" if n == 0 else "billing"],
        "job_title": "Manager",
        "contact": {
            "name": f"Person {mark} {n}",
            "emails": [f"person.{mark}.{n}@example.com"],
            "phones": [f"+25677200{n:04d}"],
        },
    }


def first_clients(mark: str) -> list[dict[str, Any]]:
    """The bodies of the creates: from a walk-in to a client with everything."""
    common = {"type": "partner", "status": "active", "industry": "retail", "source": "referral"}
    return [
        common
        | {
            "name": f"First {mark} 0",
            "emails": [f"first.{mark}.0@example.com"],
            "phones": ["+256772123450"],
            "sites": [_site("Kampala", "1 Market Street")],
            "contacts": [_person(f"{mark}a", 0)],
            "tags": ["newsletter"],
        },
        common
        | {
            "name": f"First {mark} 1",
            "emails": [f"first.{mark}.1@example.com", f"office.{mark}.1@example.com"],
            "phones": ["+256772123451", "+256312123451"],
            "sites": [_site("Jinja", "2 Nile Avenue"), _site("Gulu", "3 Station Road")],
            "contacts": [_person(f"{mark}b", 0), _person(f"{mark}b", 1)],
            "tags": ["newsletter", "key_account"],
            "attributes": {"parking": "yes", "branch": "north"},
            "products_services": "Groceries, household goods and a small bakery.",
            "website": "https://example.com/shop",
            "remarks": "Prefers to meet in the morning.",
            "credit_limit": {"amount": "2500.00", "currency": "UGX"},
        },
        common
        | {
            "name": f"First {mark} 2",
            "emails": [f"first.{mark}.2@example.com"],
            "phones": ["+256772123452"],
            "tags": ["walk_in"],
        },
        common
        | {
            "name": f"First {mark} 3",
            "phones": ["+256772123453"],
            "sites": [_site("Mbarara", "4 High Street")],
            "contacts": [_person(f"{mark}d", 0)],
            "attributes": {"parking": "no"},
        },
    ]


def _one_of(values: list[str], step: int) -> str:
    """One of these for each n, in no visible order."""
    array = ", ".join(f"'{value}'" for value in values)
    return f"(ARRAY[{array}])[1 + (n * {step}) % {len(values)}]"


_WORDS = [
    "Acacia", "Baobab", "Cedar", "Delta", "Ember", "Falcon", "Garnet", "Harbour", "Ivory",
    "Jasmine", "Kite", "Tulip", "Mango", "Nectar", "Orchid", "Papyrus", "Quartz", "River",
]  # fmt: skip
_TRADES = ["Stores", "Traders", "Clinic", "Motors", "Hotel", "Studio", "Bakery", "Farm", "School"]
_NAME = f"{_one_of(_WORDS, 7)} || ' ' || {_one_of(_TRADES, 11)} || ' ' || n"
_ADDED_ON = "date '2026-11-01' - (n * 13 % 1500)"
_ADDED_AT = f"({_ADDED_ON})::timestamptz + n * interval '1 millisecond'"
_DIGITS = "lpad((n % 10000000)::text, 7, '0')"
_PHONE = {
    "e164": f"'+25677' || {_DIGITS}",
    "national": f"'077' || left({_DIGITS}, 1) || ' ' || substr({_DIGITS}, 2)",
    "international": f"'+256 77' || left({_DIGITS}, 1) || ' ' || substr({_DIGITS}, 2)",
}
_EMAIL = "'mail.' || n || '.' || t.position || '@example.com'"
_OWN: dict[Any, dict[str, str]] = {
    ClientRow: {
        "number": "n + 100",
        "name": _NAME,
        "name_key": f"lower({_NAME})",
        "identity_digest": "sha256('organization'::bytea || '\\x00'::bytea"
        f" || convert_to(lower({_NAME}), 'UTF8'))",
        "status": _one_of(["active", "inactive", "on_hold"], 5),
        "industry": _one_of(
            ["retail", "health", "media", "education", "construction", "other"], 17
        ),
        "region": _one_of(["north", "east", "south", "west"], 3),
        "registered_on": _ADDED_ON,
        "review_due_on": f"({_ADDED_ON} + interval '3 months')::date",
        "created_at": _ADDED_AT,
        "updated_at": _ADDED_AT,
        "last_activity_at": f"CASE WHEN n % 3 = 0 THEN {_ADDED_AT} + interval '40 days' END",
    },
    ContactRow: {
        "name": "'Person ' || n",
        "name_key": "'person ' || n",
        "created_at": _ADDED_AT,
        "updated_at": _ADDED_AT,
    },
    ClientEmailRow: {"address": _EMAIL, "key": _EMAIL},
    ClientPhoneRow: _PHONE,
    ClientSiteRow: {"street_address": "n || ' ' || t.street_address"},
    ClientContactRow: {},
    ClientTagRow: {},
    ClientAttributeRow: {},
    ContactEmailRow: {
        "address": f"'p' || t.nth || '.' || t.part || '.' || {_EMAIL}",
        "key": f"'p' || t.nth || '.' || t.part || '.' || {_EMAIL}",
    },
    ContactPhoneRow: _PHONE,
    ChangeRow: {
        "position": "n + 100",
        "block_start": "n + 100",
        "at": _ADDED_AT,
        "resource_id": f"('{CLIENT_HEAD}' || lpad(n::text, 12, '0'))::uuid",
    },
}
"""Table → what differs from row to row, in terms of n; ids are replaced everywhere."""

# Which of the first clients a row belongs to, and which of its persons: 0, 1, …
_KINDS = """
CREATE TEMPORARY TABLE kinds AS
SELECT c.organization_id, c.id AS client_id, l.contact_id, l.position AS part,
       (dense_rank() OVER (ORDER BY c.id) - 1) AS nth
FROM clients c LEFT JOIN client_contacts l
  ON l.organization_id = c.organization_id AND l.client_id = c.id
WHERE c.organization_id = $1
"""


def _id(column: str) -> str:
    """Another id of version 7: n stands where the time was, so that ids ascend as real ones do."""
    return f"(lpad(n::text, 12, '0') || right(replace({column}::text, '-', ''), 20))::uuid"


def _value(table: Table, name: str, own: Mapping[str, str]) -> str:
    if name in own:
        return own[name]
    if name == "client_id" or (table.name == "clients" and name == "id"):
        return f"('{CLIENT_HEAD}' || lpad(n::text, 12, '0'))::uuid"
    if name in ("id", "contact_id", "primary_link_id") and isinstance(table.c[name].type, Uuid):
        return _id(f"t.{name}")
    return f"t.{name}"


def _multiply(row: Any, count: int) -> str:
    table: Table = row.__table__
    names = [c.name for c in table.columns]
    values = ", ".join(_value(table, name, _OWN[row]) for name in names)
    key = {"clients": "id", "contacts": "id", "changes": "resource_id"}.get(table.name)
    person = table.name == "contacts" or (key is None and "contact_id" in table.c)
    mine = ("contact_id" if person else "client_id") if key is None else key
    wanted = "contact_id" if person else "client_id"
    only = "AND t.action = 'client.created'" if table.name == "changes" else ""
    return (
        f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {values} FROM ("
        f"SELECT t.*, k.nth, k.part FROM {table.name} t "
        f"JOIN (SELECT DISTINCT ON ({wanted}) * FROM kinds ORDER BY {wanted}) k "
        f"ON k.{wanted} = t.{mine} AND t.organization_id = k.organization_id {only}"
        f") t JOIN generate_series(1, {count}) n ON n % 4 = t.nth"
    )


async def multiply(owner: Connection, organization_id: UUID, count: int) -> None:
    """Make `count` clients out of the organization's first four, with all that belongs to them."""
    async with owner.transaction():
        # The rows are right by construction; a check of each foreign key would take a minute.
        await owner.execute("SET LOCAL session_replication_role = replica")
        await owner.execute("SET LOCAL synchronous_commit = off")
        await owner.execute(_KINDS.replace("$1", f"'{organization_id}'"))
        for row in _OWN:
            await owner.execute(_multiply(row, count))
        await owner.execute("DROP TABLE kinds")
        await _index(owner, organization_id)
        await owner.execute(
            "UPDATE heads SET position = $2 + 100, client_number = $2 + 100 "
            "WHERE organization_id = $1",
            organization_id,
            count,
        )


_SOURCES = (ClientRow, ClientEmailRow, ClientPhoneRow, ClientContactRow,
            ContactRow, ContactEmailRow, ContactPhoneRow)  # fmt: skip


async def _index(owner: Connection, organization_id: UUID) -> None:
    """The search rows of all these, made as the product makes those of a new record."""
    sets: dict[Table, Rows] = {}
    for source in _SOURCES:
        table = table_of(source)
        names = ", ".join(f"{c.name}::text" if c.type.python_type is UUID else c.name
                          for c in table.columns)  # fmt: skip
        wanted = f"SELECT {names} FROM {table.name} WHERE organization_id = $1"
        sets[table] = [dict(row) for row in await owner.fetch(wanted, organization_id)]
    for table, rows in new_rows(sets, organization_id).items():
        await owner.execute(f"DELETE FROM {table.name} WHERE organization_id = $1", organization_id)
        columns = [c.name for c in table.columns if c.name != "organization_id"]
        records = [(organization_id, *(row[name] for name in columns)) for row in rows]
        await owner.copy_records_to_table(
            table.name, records=records, columns=["organization_id", *columns]
        )
