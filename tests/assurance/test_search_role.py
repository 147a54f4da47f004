"""The role that search goes by: it reads search tables, inside functions, and nothing else."""

import secrets
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID

import asyncpg
import pytest

from crm_api.core.db import Database
from crm_api.core.formats.names import text_queries
from crm_api.core.ids import new_id
from crm_api.installation import (
    SEARCHES,
    Addresses,
    grant,
    migrate,
    search_is_granted,
    search_role,
)
from crm_api.kit.search import ALL, read_terms
from tests.canaries import CANARY, Bystander
from tests.database import application_url, drop_database, server_url
from tests.factories import Organization

TEXTS = {"search_communications": 1, "search_notes": 1, "search_files": 3}
"""Functions that look through texts, and on how many kinds of records theirs may hang."""


@pytest.fixture
async def served(database: Addresses) -> AsyncIterator[Any]:
    """A connection as the application's role, with no organization set."""
    connection = await asyncpg.connect(database.application)
    yield connection
    await connection.close()


async def found_by(connection: Any, function: str, term: str, organization_id: UUID) -> set[UUID]:
    if function in TEXTS:
        kinds = ["general"]
        words, _ = text_queries(term, organization_id.bytes) or ("", "")
        places = ", ".join(["$3"] * TEXTS[function])
        query = f"SELECT id FROM {function}($1, $1, $2, {places}, 1000, 1000, 1000)"
        found = await connection.fetch(query, words, kinds, ["live", "archived", "deleted"])
        return {row["id"] for row in found}
    terms = read_terms(term, {"name", "number", "emails", "phones", "people"}, organization_id)
    values = terms.values(["live", "archived", "deleted"], ALL)
    places = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    rows = await connection.fetch(f"SELECT id FROM {function}({places})", *values.values())
    return {row["id"] for row in rows}


async def test_no_setting_and_another_setting_find_nothing(
    served: Any, bystander: Bystander, radio: Organization
) -> None:
    for function in SEARCHES.values():
        for setting in ("", str(radio.organization_id), str(new_id())):
            await served.execute(f"SET app.organization_id = '{setting}'")
            assert await found_by(served, function, CANARY, bystander.id) == set()
        await served.execute(f"SET app.organization_id = '{bystander.id}'")
        assert len(await found_by(served, function, CANARY, bystander.id)) >= 1


async def test_role_is_nobody(database: Addresses, owner: Any) -> None:
    role = search_role(database.owner)
    options = await owner.fetchrow("SELECT * FROM pg_roles WHERE rolname = $1", role)
    for option in ("rolsuper", "rolcanlogin", "rolbypassrls", "rolcreaterole", "rolcreatedb"):
        assert not options[option], option
    members = "SELECT count(*) FROM pg_auth_members WHERE roleid = $1 OR member = $1"
    assert await owner.fetchval(members, options["oid"]) == 0
    owned = await owner.fetch("SELECT proname FROM pg_proc WHERE proowner = $1", options["oid"])
    assert {row["proname"] for row in owned} == set(SEARCHES.values())
    relations = "SELECT count(*) FROM pg_class WHERE relowner = $1"
    assert await owner.fetchval(relations, options["oid"]) == 0
    assert not await owner.fetchval("SELECT has_schema_privilege($1, 'public', 'CREATE')", role)
    rights = await owner.fetch(
        "SELECT table_name, privilege_type FROM information_schema.role_table_grants "
        "WHERE grantee = $1",
        role,
    )
    assert {tuple(row) for row in rights} == {(table, "SELECT") for table in SEARCHES}


@pytest.mark.parametrize("function", SEARCHES.values())
async def test_function_has_a_path_of_its_own_and_one_caller(
    owner: Any, database: Addresses, function: str
) -> None:
    found = await owner.fetchrow(
        "SELECT prosecdef, proconfig, proacl::text FROM pg_proc WHERE proname = $1", function
    )
    assert found["prosecdef"]
    assert "search_path=public, pg_temp" in found["proconfig"]
    assert "{=X" not in found["proacl"]
    assert ",=X" not in found["proacl"]
    assert urlsplit(database.application).username in found["proacl"]


async def test_application_cannot_become_the_role(served: Any, database: Addresses) -> None:
    role = search_role(database.owner)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await served.execute(f'SET ROLE "{role}"')
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await served.execute("ALTER FUNCTION search_clients OWNER TO CURRENT_USER")


@pytest.mark.parametrize("option", ["CREATEROLE", "NOCREATEROLE"])
async def test_owner_need_be_no_superuser(option: str) -> None:
    """One that may make roles gives the functions away; else they are its own, and answer alike."""
    mark = secrets.token_hex(4)
    name, owner_role = f"crm_owned_{mark}", f"owner_{mark}"
    parts = urlsplit(server_url(name))
    host = parts.netloc.rpartition("@")[2]
    url = urlunsplit(parts._replace(netloc=f"{owner_role}:secret@{host}"))
    found = Addresses(url, application_url(server_url(name)))
    application = urlsplit(found.application)
    admin = await asyncpg.connect(server_url())
    try:
        await admin.execute(f"CREATE ROLE {owner_role} LOGIN {option} PASSWORD 'secret'")
        if option == "NOCREATEROLE":
            await admin.execute(
                f"CREATE ROLE \"{application.username}\" LOGIN PASSWORD '{application.password}'"
            )
        await admin.execute(f"CREATE DATABASE {name} OWNER {owner_role}")
        await migrate(url)
        for _ in range(2):
            await grant(found, create_role=option == "CREATEROLE")
        connection = await asyncpg.connect(url)
        role = search_role(url)
        granted = await search_is_granted(connection, role, application.username or "")
        member = (
            "SELECT count(*) FROM pg_roles WHERE rolname = $1 AND pg_has_role(rolname, 'USAGE')"
        )
        assert await connection.fetchval(member, role) == 0, "it would read past the policy"
        await connection.close()
        assert granted == (option == "CREATEROLE")
        db = await Database.connect(found.application, size=1, list_size=1)
        served = await asyncpg.connect(found.application)
        assert await found_by(served, "search_clients", "anything", new_id()) == set()
        await served.close()
        await db.close()
    finally:
        await drop_database(name)
        await admin.execute(f'DROP ROLE IF EXISTS "{search_role(url)}"')
        await admin.execute(f'DROP ROLE IF EXISTS "{application.username}"')
        await admin.execute(f"DROP ROLE {owner_role}")
        await admin.close()
