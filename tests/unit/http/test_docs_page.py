"""The documentation page works under its policy and without any other host."""

import json
import re

import httpx
import pytest

from tests.unit.http.conftest import BEARER


async def test_the_page_loads_nothing_from_elsewhere_and_runs_nothing_inline(
    client: httpx.AsyncClient,
) -> None:
    page = await client.get("/docs")
    assert page.status_code == 200
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert loaded
    for place in loaded:
        assert not place.startswith(("http", "//"))
        assert (await client.get(f"/{place}")).status_code == 200
    assert not re.search(r"<script(?![^>]* src=)|<style|\son\w+=", page.text)


async def test_its_policy_allows_no_foreign_and_no_inline_script(client: httpx.AsyncClient) -> None:
    policy = dict(
        part.strip().split(" ", 1)
        for part in (await client.get("/docs")).headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert not any("unsafe" in sources for sources in policy.values())
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"


async def test_a_token_is_kept_and_nobody_is_asked_to_validate(client: httpx.AsyncClient) -> None:
    script = (await client.get("/docs/docs.js")).text
    assert "persistAuthorization: true" in script
    assert "validatorUrl: null" in script


@pytest.mark.parametrize(
    "name", ["nothing.js", "..%2flogs.py", "docs.js%00", "redoc.standalone.js"]
)
async def test_only_the_listed_files_are_served(client: httpx.AsyncClient, name: str) -> None:
    assert (await client.get(f"/docs/{name}")).status_code in (400, 404)


async def test_the_document_is_served_once_and_then_confirmed(client: httpx.AsyncClient) -> None:
    first = await client.get("/openapi.json")
    document = json.loads(first.content)
    assert document["openapi"].startswith("3.1")
    assert first.headers["content-encoding"] == "gzip"
    etag = {"If-None-Match": first.headers["etag"]}
    again = await client.get("/openapi.json", headers=etag | BEARER)
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "public, max-age=300"
