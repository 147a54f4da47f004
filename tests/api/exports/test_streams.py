"""Exports while they are sent: each row once, one moment, and nothing held for who has left."""

import asyncio
import json

import pytest
from fastapi import FastAPI
from starlette.types import Message, Scope

from crm_api.kit import exporting
from tests.api.exports.reading import columns_of, export, lines_of, table_of
from tests.checks import Owner, refused
from tests.factories import Organization
from tests.watch import Watch

ALL, MANY = 10_000, 2_000


async def multiplied(radio: Organization, owner: Owner, count: int) -> Organization:
    """So many clients: one made through the API, the others of it in SQL."""
    made = await radio.create_client(name="Number 0")
    names = await owner.fetchval(
        "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute WHERE attnum > 0 "
        "AND attrelid = 'clients'::regclass AND NOT attisdropped "
        "AND attname NOT IN ('id', 'number', 'name', 'name_key', 'identity_digest')"
    )
    await owner.execute(
        f"INSERT INTO clients (id, number, name, name_key, identity_digest, {names}) "
        f"SELECT gen_random_uuid(), n + 100, 'Number ' || n, 'number ' || n, "
        f"sha256(convert_to(n::text, 'UTF8')), {names} "
        f"FROM clients, generate_series(1, {count - 1}) n WHERE id = '{made['id']}'"
    )
    await owner.execute("ANALYZE clients")
    return radio


@pytest.fixture
async def many(radio: Organization, owner: Owner) -> Organization:
    return await multiplied(radio, owner, MANY)


async def test_every_row_is_there_exactly_once_and_in_order(
    radio: Organization, owner: Owner
) -> None:
    many = await multiplied(radio, owner, ALL)
    names = sorted(f"Number {n}" for n in range(ALL))
    for sort in ("name", "-number", "credit_limit", "-last_activity_at"):
        params = {"format": "ndjson", "fields": "number,name", "sort": sort}
        rows = lines_of(await export(many, **params))
        assert sorted(row["name"] for row in rows) == names
        if sort == "name":
            assert [row["name"] for row in rows] == names
        if sort == "-number":
            numbers = [int(row["number"][2:]) for row in rows]
            assert numbers == sorted(numbers, reverse=True)
    record = (await many.call("admin", "GET", "/v1/exports?limit=1")).json()["data"][0]
    assert record["rows"] == ALL
    for form in ("csv", "xlsx"):
        columns = columns_of(table_of(await export(many, format=form, fields="number,name")))
        assert columns["name"] == names
        assert len(set(columns["number"])) == ALL


class Reader:
    """A caller without a network: it takes parts when it is let, and leaves when it is told to."""

    def __init__(self, app: FastAPI, organization: Organization, query: str = "") -> None:
        token = organization.tokens["admin"].encode()
        self._app = app
        self._scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": "/v1/clients/export",
            "raw_path": b"/v1/clients/export",
            "query_string": f"format=ndjson&{query}".encode(),
            "headers": [(b"authorization", b"Bearer " + token)],
            "client": ("127.0.0.1", 4711),
            "server": ("testserver", 80),
        }
        self._left = asyncio.Event()
        self._may_take = asyncio.Semaphore(0)
        self.messages: list[Message] = []
        self.task = asyncio.create_task(app(self._scope, self._receive, self._send))

    async def _receive(self) -> Message:
        await self._left.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        self.messages.append(message)
        await self._may_take.acquire()

    async def take(self, parts: int) -> None:
        """Wait for the head and so many parts of the body, and let no more come."""
        async with asyncio.timeout(10):
            while len(self.messages) < parts + 1:
                self._may_take.release()
                await asyncio.sleep(0.01)

    async def finish(self) -> None:
        for _ in range(10_000):
            self._may_take.release()
        async with asyncio.timeout(20):
            await self.task

    async def leave(self) -> None:
        self._left.set()
        async with asyncio.timeout(10):
            await self.task

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.messages)

    @property
    def is_whole(self) -> bool:
        return self.messages[-1].get("more_body") is False


async def open_snapshots(owner: Owner) -> int:
    """Transactions that the application holds open in the database."""
    found = await owner.fetchval(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
    )
    return int(found)


async def settled(owner: Owner) -> None:
    async with asyncio.timeout(10):
        while await open_snapshots(owner):  # noqa: ASYNC110  # another process is waited for
            await asyncio.sleep(0.02)


async def test_export_is_of_one_moment_whatever_is_written_meanwhile(
    app: FastAPI, many: Organization
) -> None:
    reader = Reader(app, many, "fields=name")
    await reader.take(2)
    assert len(reader.body.splitlines()) < MANY
    added = await many.create_client(name="A later one")
    archived = await many.call("admin", "POST", f"/v1/clients/{added['id']}/archive")
    assert archived.status_code == 200
    await reader.finish()
    assert reader.is_whole
    names = [json.loads(line)["name"] for line in reader.body.splitlines()]
    assert len(names) == MANY
    assert "A later one" not in names


@pytest.mark.parametrize("parts", [0, 1, 5])
async def test_reader_who_leaves_frees_the_connection(
    app: FastAPI,
    many: Organization,
    owner: Owner,
    parts: int,
) -> None:
    for _ in range(3):  # more often than may run at once
        reader = Reader(app, many)
        await reader.take(parts)
        assert await open_snapshots(owner) == 1
        await reader.leave()
        assert not reader.is_whole
        await settled(owner)
    assert len(lines_of(await export(many, format="ndjson", fields="id"))) == MANY


async def test_reader_who_takes_too_long_is_cut_off(
    app: FastAPI,
    many: Organization,
    owner: Owner,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exporting, "SECONDS", 0.5)
    reader = Reader(app, many)
    await reader.take(1)
    async with asyncio.timeout(10):
        await reader.task
    assert not reader.is_whole, "a part must not pass for the whole"
    await settled(owner)


async def test_only_so_many_run_at_once(
    app: FastAPI, watch: Watch, many: Organization, owner: Owner
) -> None:
    """The rest are told when to come again; lists and writes find connections all the while."""
    reader = Reader(app, many)
    await reader.take(1)
    # The tests' pool has four connections: one export at a time.
    with watch.faults():
        answer = await many.call("manager", "GET", "/v1/clients/export")
    refused(answer, 503, "unavailable")
    assert answer.headers["retry-after"] == "10"
    assert (await many.call("admin", "GET", "/v1/clients")).status_code == 200
    await many.create_client()
    await reader.leave()
    await settled(owner)
    await export(many, fields="id")


async def test_connection_that_is_lost_midway_ends_the_file_before_its_end(
    app: FastAPI, many: Organization, owner: Owner
) -> None:
    reader = Reader(app, many)
    await reader.take(1)
    await owner.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND xact_start IS NOT NULL AND pid <> pg_backend_pid()"
    )
    await reader.finish()
    assert not reader.is_whole
    await export(many, fields="id")
