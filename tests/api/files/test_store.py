"""The store behind files (M5): room under a race, nothing lost, nothing left, folder and bucket."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI

from crm_api.core.objects import Bucket, Folder, MissingObject, ObjectStore, StoreError
from crm_api.files.storing import DocumentService, Storage
from crm_api.files.sweeping import purge_deleted, sweep_loose
from tests.api.files.conftest import Shelf
from tests.checks import Owner, assert_chain, refused
from tests.watch import Watch

Keep = Callable[[Storage], None]


async def usage(owner: Owner, shelf: Shelf) -> tuple[int, int, int]:
    """Bytes that are counted, bytes of the versions, and how many objects nobody owns."""
    row = await owner.fetchrow(
        "SELECT (SELECT used_bytes FROM file_usage WHERE organization_id = $1), "
        "(SELECT sum(size_bytes) FROM file_versions WHERE organization_id = $1), "
        "(SELECT count(*) FROM loose_objects WHERE organization_id = $1)",
        shelf.organization.organization_id,
    )
    assert row is not None
    return row[0] or 0, int(row[1] or 0), row[2]


async def test_file_larger_than_any_is_refused(shelf: Shelf, keep: Keep) -> None:
    """M5: before anything is asked of the database."""
    keep(replace(shelf.storage, max_bytes=100))
    assert (await shelf.send(b"x" * 100)).status_code == 201
    refused(await shelf.send(b"x" * 101), 413, "body_too_large")
    refused(await shelf.send(b"x" * 101, path="/v1/clients/none/files"), 413, "body_too_large")
    assert len(shelf.kept) == 1


async def test_room_holds_when_many_come_at_once(shelf: Shelf, keep: Keep, owner: Owner) -> None:
    """M5: of eight that fit one by one, three fit together."""
    keep(replace(shelf.storage, quota_bytes=350))
    answers = await asyncio.gather(*(shelf.send(b"x" * 100) for _ in range(8)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses == [201] * 3 + [409] * 5
    for answer in answers:
        if answer.status_code == 409:
            refused(answer, 409, "file_quota_exceeded")
    assert await usage(owner, shelf) == (300, 300, 0)
    assert len(shelf.kept) == 3
    refused(await shelf.send(b"x" * 51), 409, "file_quota_exceeded")
    dry = f"{shelf.place}/files?dry_run=true"
    refused(await shelf.send(b"x" * 51, path=dry), 409, "file_quota_exceeded")
    assert (await shelf.send(b"x" * 50)).status_code == 201


async def test_failed_commit_leaves_neither_row_nor_bytes(
    shelf: Shelf, owner: Owner, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5: the transaction fails behind the stored bytes."""
    stored: list[int] = []
    take_room = DocumentService._take_room

    async def cut_off(self: DocumentService, size: int) -> None:
        stored.append(len(shelf.kept))
        await owner.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state LIKE 'idle in %' "
            "AND datname = current_database() AND application_name = 'crm-api'"
        )
        await take_room(self, size)

    monkeypatch.setattr(DocumentService, "_take_room", cut_off)
    with watch.faults():
        refused(await shelf.send(b"never"), 503, "unavailable")
    assert stored == [1], "the bytes were there"
    assert shelf.kept == []
    assert await usage(owner, shelf) == (0, 0, 0)
    monkeypatch.undo()
    assert (await shelf.get(f"{shelf.place}/files")).json()["data"] == []


async def test_killed_upload_is_swept(shelf: Shelf, owner: Owner, app: FastAPI) -> None:
    """M5: what a process left that was killed between its bytes and its commit."""
    org = shelf.organization.organization_id
    made = await shelf.document(b"stays")
    lost = "01890a5dac96474bbcceb302099a8057"
    objects = shelf.storage.objects
    assert isinstance(objects, Folder)
    half = objects.home / str(org) / lost[:2] / f"{lost}#1"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    half.with_name(lost).write_bytes(b"whole")
    await owner.execute(
        "INSERT INTO loose_objects (organization_id, id, since) VALUES ($1, $2::uuid, now())",
        org,
        lost,
    )
    assert await sweep_loose(app.state.db, org, objects=objects) == 0, "it may still be on its way"
    later = timedelta(hours=2)
    await owner.execute("UPDATE loose_objects SET since = since - $1::interval", later)
    assert await sweep_loose(app.state.db, org, objects=objects) == 1
    assert [path.read_bytes() for path in shelf.kept] == [b"stays"]
    assert await usage(owner, shelf) == (5, 5, 0)
    assert (await shelf.get(f"/v1/files/{made['id']}/content")).content == b"stays"


async def test_upload_that_was_swept_meanwhile_is_not_owned(
    shelf: Shelf, owner: Owner, app: FastAPI, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """M5: no row without bytes, however slow somebody was."""
    objects, put = shelf.storage.objects, Folder.put

    async def slow(self: Folder, key: str, source: Path) -> None:
        await put(self, key, source)
        swept = await sweep_loose(
            app.state.db, shelf.organization.organization_id, objects=objects, older=-1
        )
        assert swept == 1

    monkeypatch.setattr(Folder, "put", slow)
    with watch.faults():
        refused(await shelf.send(b"late"), 503, "unavailable")
    assert shelf.kept == []
    assert await usage(owner, shelf) == (0, 0, 0)


async def test_deleted_file_goes_for_good_after_its_time(
    shelf: Shelf, owner: Owner, app: FastAPI
) -> None:
    """M5: its rows, its bytes, its room; its entries stay."""
    org = shelf.organization.organization_id
    made, other = await shelf.document(b"goes"), await shelf.document(b"stays")
    place = f"/v1/files/{made['id']}"
    await shelf.document(b"goes too", path=f"{place}/versions")
    await shelf.organization.call("admin", "DELETE", place)
    assert await purge_deleted(app.state.db, org, kept_days=30) == 0
    assert (await usage(owner, shelf))[0] == 17, "until then it is counted"
    assert await purge_deleted(app.state.db, org, kept_days=0) == 1
    assert await usage(owner, shelf) == (5, 5, 2)
    refused(await shelf.get(place), 404, "not_found")
    refused(await shelf.organization.call("admin", "POST", f"{place}/restore"), 404, "not_found")
    assert await sweep_loose(app.state.db, org, objects=shelf.storage.objects) == 2
    assert [path.read_bytes() for path in shelf.kept] == [b"stays"]
    assert await usage(owner, shelf) == (5, 5, 0)
    assert (await shelf.get(f"/v1/files/{other['id']}")).status_code == 200
    await assert_chain(owner, org)


async def test_lost_bytes_are_no_empty_file(shelf: Shelf, watch: Watch) -> None:
    """M5: 503, and an operator is told."""
    made = await shelf.document(b"lost")
    shelf.kept[0].unlink()
    with watch.faults():
        refused(await shelf.get(f"/v1/files/{made['id']}/content"), 503, "unavailable")


# ------------------------------------------------------------------------------- a bucket


@pytest.fixture(scope="session")
def bucket() -> Iterator[Bucket]:
    """A bucket of moto's S3 server on this machine."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415  # it takes a second

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    made = Bucket(
        "crm-files",
        endpoint=endpoint,
        region="us-east-1",
        access_key_id="testing",
        secret_access_key="testing",
    )
    _create(endpoint)
    yield made
    server.stop()


def _create(endpoint: str) -> None:
    import boto3  # type: ignore[import-untyped]  # noqa: PLC0415  # no stubs; as above

    client: Any = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing",
    )
    client.create_bucket(Bucket="crm-files")


async def _whole(objects: ObjectStore, key: str, start: int, end: int) -> bytes:
    return b"".join([part async for part in await objects.read(key, start, end)])


async def test_stores_do_the_same(bucket: Bucket, tmp_path: Path) -> None:
    """M5: what a folder does, a bucket does."""
    content = bytes(range(256)) * 40_000  # more than one part of an upload
    source = tmp_path / "source"
    for objects in (Folder(tmp_path / "store"), bucket):
        source.write_bytes(content)
        await objects.put("a/bb/large", source)
        source.write_bytes(b"")
        await objects.put("a/bb/empty", source)
        assert await objects.sizes("a") == {"a/bb/large": len(content), "a/bb/empty": 0}
        assert await _whole(objects, "a/bb/large", 0, len(content)) == content
        assert await _whole(objects, "a/bb/large", 300, 310) == content[300:310]
        assert await _whole(objects, "a/bb/empty", 0, 0) == b""
        for key, end in (("a/bb/none", 1), ("a/bb/large", len(content) + 1)):
            with pytest.raises(MissingObject):
                await objects.read(key, 0, end)
        for key in ("a/bb/large", "a/bb/empty", "a/bb/none"):
            await objects.remove(key)
        assert await objects.sizes("a") == {}


async def test_files_are_kept_in_a_bucket(shelf: Shelf, keep: Keep, bucket: Bucket) -> None:
    """M5: sent, read in part, told from one another, and gone again."""
    keep(replace(shelf.storage, objects=bucket))
    org = str(shelf.organization.organization_id)
    made = await shelf.document(b"in a bucket")
    place = f"/v1/files/{made['id']}"
    assert (await shelf.get(f"{place}/content")).content == b"in a bucket"
    part = await shelf.get(f"{place}/content", Range="bytes=5-")
    assert (part.status_code, part.content) == (206, b"bucket")
    assert list((await bucket.sizes(org)).values()) == [11]
    assert shelf.storage.objects is bucket
    await shelf.organization.call("admin", "DELETE", place)
    app = shelf.organization.app
    org_id = shelf.organization.organization_id
    assert await purge_deleted(app.state.db, org_id, kept_days=0) == 1
    assert await sweep_loose(app.state.db, org_id, objects=bucket) == 1
    assert await bucket.sizes(org) == {}


async def test_store_that_does_not_answer_is_503(
    shelf: Shelf, keep: Keep, watch: Watch, owner: Owner
) -> None:
    """M5: nothing of it is written, and nothing hangs."""

    class Away(ObjectStore):
        def __init__(self) -> None:
            """It reaches nothing."""

        async def put(self, key: str, source: Path) -> None:
            raise StoreError("away")

        async def remove(self, key: str) -> None:
            raise StoreError("away")

    keep(replace(shelf.storage, objects=Away()))
    with watch.faults():
        refused(await shelf.send(b"nowhere"), 503, "unavailable")
    assert await usage(owner, shelf) == (0, 0, 1), "the sweep comes back to it"
