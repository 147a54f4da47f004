"""A page of members, and the lists of a client, go by indexes however many members there are."""

import re

import asyncpg
from fastapi import FastAPI

from crm_api.core.access import rights_of
from crm_api.installation import Addresses
from crm_api.kit import listing
from crm_api.kit.fields import builtin_scopes
from crm_api.kit.filters import Filter
from crm_api.kit.listing import Listing, condition_values
from crm_api.kit.projection import Shape
from crm_api.lists.repository import CLIENT_LIST_LISTING, MEMBER_LISTING
from tests.api.lists.conftest import Desk
from tests.checks import Owner
from tests.factories import insert_names

MANAGER = rights_of(builtin_scopes("manager"))
WHOLE = re.compile(r"Seq Scan on (clients|contacts|list_members)\b|hashed SubPlan")
ALL_ON_IT = (
    "INSERT INTO list_members (organization_id, id, version, lifecycle, list_id, client_id, "
    "created_by, created_at) SELECT organization_id, gen_random_uuid(), 1, 'live', $1, id, id, "
    "now() + random() * interval '1 day' FROM clients WHERE organization_id = $2"
)


def names_of(shape: Shape) -> tuple[str, ...]:
    return tuple(shape.resource.fields)


async def test_m6_pages_of_a_long_list_go_by_indexes(
    desk: Desk, app: FastAPI, owner: Owner, database: Addresses
) -> None:
    organization = desk.organization
    await insert_names(app, organization, [f"Client {n}" for n in range(3000)])
    await owner.execute(ALL_ON_IT, desk.id, organization.organization_id)
    await owner.execute("ANALYZE clients, list_members")
    one = await owner.fetchval("SELECT client_id FROM list_members WHERE list_id = $1", desk.id)
    live = Filter("lifecycle", "eq", ("live",))
    asked: list[tuple[Listing, Filter, str]] = [
        (MEMBER_LISTING, Filter("list_id", "eq", (desk.id,)), "created_at"),
        (CLIENT_LIST_LISTING, Filter("client_id", "eq", (one,)), "name"),
    ]
    connection = await asyncpg.connect(database.application)
    try:
        await connection.execute(f"SET app.organization_id = '{organization.organization_id}'")
        for of, where, sort in asked:
            filters = (where, live)
            shapes, names = tuple(f.shape for f in filters), names_of(of.shape)
            question = listing._Asked(shapes, sort, False, False, names, (), None, False)
            statement = listing._list(of, MANAGER, "system", question)
            values = condition_values(filters, {}) | {
                "org": organization.organization_id,
                "limit": 50,
            }
            rows = await connection.fetch(f"EXPLAIN {statement.sql}", *statement.arguments(values))
            found = [row[0].strip() for row in rows if WHOLE.search(row[0])]
            assert not found, f"{sort}: {found}"
    finally:
        await connection.close()
