"""Many new clients in one statement; one alone is as good as many."""

import pytest
from fastapi import FastAPI

from crm_api.catalogues.service import known_entries
from crm_api.clients.bulk import NewClient, decide_client, insert_clients
from crm_api.organizations.provision import find_context
from crm_api.organizations.system import system_scope
from tests.factories import Organization


@pytest.mark.parametrize("count", [1, 2, 5])
async def test_rows_of_a_step_are_written_however_few(
    app: FastAPI, radio: Organization, count: int
) -> None:
    context = await find_context(app.state.db, radio.slug)
    assert context is not None
    scope = system_scope(app.state.db, context, "manager", "test")
    known = await known_entries(app.state.db, context)
    bodies = [
        {"name": f"Client {n}", "emails": [f"bulk-{n}@example.com"], "sites": [{"city": "Jinja"}]}
        for n in range(count)
    ]
    clients = [decide_client(scope, body, context, known) for body in bodies]
    await insert_clients(scope, [c for c in clients if isinstance(c, NewClient)])
    listed = (await radio.call("manager", "GET", "/v1/clients?fields=number,name,sites")).json()
    assert [c["name"] for c in listed["data"]] == [body["name"] for body in bodies]
    assert [c["number"] for c in listed["data"]] == [f"C-{n + 1:06}" for n in range(count)]
    assert [c["sites"][0]["city"] for c in listed["data"]] == ["Jinja"] * count
