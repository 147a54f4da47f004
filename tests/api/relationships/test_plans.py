"""Walks go by indexes as the application's role, whatever the statistics say."""

import re

import asyncpg
import pytest

from crm_api.core.access import rights_of
from crm_api.core.db import Statement
from crm_api.installation import Addresses
from crm_api.kit import walks
from crm_api.kit.fields import builtin_scopes
from crm_api.relationships import statements as sql
from tests.api.relationships.conftest import Network
from tests.api.relationships.test_walks import STAR, fill
from tests.checks import Owner

WHOLE = re.compile(r"Seq Scan on (clients|relationships)\b")
MANAGER = rights_of(builtin_scopes("manager"))
WALKS: dict[str, Statement] = {
    "graph": sql.graph(MANAGER, "system"),
    "paths": sql.paths(MANAGER, "system"),
    "roll-up": sql.roll_up(MANAGER, "system"),
    "tree": walks._statement(sql.CLIENT_TREE, MANAGER, "system"),
}


@pytest.mark.parametrize("analyzed", [False, True])
async def test_no_walk_reads_a_whole_table(
    network: Network, owner: Owner, database: Addresses, analyzed: bool
) -> None:
    one = await fill(network, owner, STAR, 1000)
    if analyzed:
        await owner.execute("ANALYZE clients, relationships, client_contacts, contacts")
    organization_id = network.organization.organization_id
    below = await owner.fetchval(
        "SELECT id FROM clients WHERE organization_id = $1 ORDER BY number DESC LIMIT 1",
        organization_id,
    )
    values = {"org": organization_id, "id": below, "to_id": one, "depth": 4, "most": 500}
    values |= {"kinds": None, "ended": False}
    connection = await asyncpg.connect(database.application)
    try:
        await connection.execute(f"SET app.organization_id = '{organization_id}'")
        for name, walk in WALKS.items():
            rows = await connection.fetch(f"EXPLAIN {walk.sql}", *walk.arguments(values))
            read_whole = [row[0].strip() for row in rows if WHOLE.search(row[0])]
            assert not read_whole, name
    finally:
        await connection.close()
