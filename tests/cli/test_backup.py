"""`crm-api backup` under traffic, `crm-api restore` elsewhere: nothing is lost without a word."""

import asyncio
import json
import secrets
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.cli.conftest import Installation
from tests.cli.test_commands import bootstrap, call, sign_in

PASSWORD = "it's plum kettle orbit 27"
WRITERS = 2
STORED = bytes(range(256)) * 1000


def filled(installation: Installation) -> None:
    password = {"CRM_BOOTSTRAP_PASSWORD": PASSWORD}
    slugs = ("one", "two")
    words = [bootstrap(slug, email=f"ada@{slug}.example") for slug in slugs]
    assert [code for code, _ in installation.many([(one, password) for one in words])] == [0, 0]


class Writer(threading.Thread):
    """Creates and patches clients until it is stopped; keeps what was acknowledged, and when."""

    def __init__(self, url: str, token: str) -> None:
        super().__init__()
        self.acknowledged: list[tuple[float, str, str]] = []
        self._api = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=60
        )
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.is_set():
            mark = secrets.token_hex(6)
            body = {"name": f"Client {mark}", "emails": [f"{mark}@example.com"]}
            made = self._api.post("/v1/clients", json=body)
            assert made.status_code == 201, made.text
            place = f"/v1/clients/{made.json()['id']}"
            patched = self._api.patch(place, json={"remarks": mark})
            assert patched.status_code == 200, patched.text
            self.acknowledged.append((time.monotonic(), made.json()["id"], mark))

    def stop(self) -> None:
        self._over.set()
        self.join()
        self._api.close()


async def schema_of(url: str) -> dict[str, Any]:
    """Constraints, indexes, policies and columns, as the catalogue tells them."""
    queries = {
        "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) "
        "FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
        "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "policies": "SELECT tablename, policyname, cmd, qual, with_check FROM pg_policies",
        "tables": "SELECT relname, relrowsecurity, relforcerowsecurity FROM pg_class "
        "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S', 'v')",
        "columns": "SELECT table_name, column_name, ordinal_position, data_type, is_nullable, "
        "column_default FROM information_schema.columns WHERE table_schema = 'public'",
    }
    owner = await asyncpg.connect(url)
    try:
        return {name: sorted(map(str, await owner.fetch(q))) for name, q in queries.items()}
    finally:
        await owner.close()


async def test_backup_under_traffic_holds_all_that_was_acknowledged_before(
    installation: Installation, elsewhere: Installation, tmp_path: Path
) -> None:
    filled(installation)
    file = tmp_path / "traffic.zip"
    # Its lines go into a pipe that nobody reads until it ends.
    with installation.serving(CRM_LOG_LEVEL="WARNING") as server:
        writers = [
            Writer(server.url, sign_in(server, f"ada@{slug}.example", PASSWORD))
            for slug in ("one", "two")
        ]
        for writer in writers:
            writer.start()
        while min(len(writer.acknowledged) for writer in writers) < 20:
            await asyncio.sleep(0.05)
            assert all(writer.is_alive() for writer in writers)
        place = kept_file(server.url, sign_in(server, "ada@one.example", PASSWORD))
        began = time.monotonic()
        done = installation.run("backup", str(file))
        ended = time.monotonic()
        for writer in writers:
            writer.stop()
    assert "CRM_SECRET_KEY) is not in it" in done.stdout
    assert "1 stored files are in it." in done.stdout
    assert file.stat().st_mode & 0o777 == 0o600
    before = [one for writer in writers for one in writer.acknowledged if one[0] < began]
    meanwhile = [one for writer in writers for one in writer.acknowledged if began < one[0] < ended]
    assert before
    assert meanwhile, "writes went on while the backup was taken"

    restored = elsewhere.run("restore", str(file))
    assert "every row and every head is what it was" in restored.stdout
    assert "one: 1 stored files, all there\n" in elsewhere.run("verify").stdout
    url = elsewhere.variables["DATABASE_URL"]
    assert await schema_of(url) == await schema_of(installation.variables["DATABASE_URL"])
    with elsewhere.serving() as server:
        held: dict[str, str] = {}
        for slug in ("one", "two"):
            token = sign_in(server, f"ada@{slug}.example", PASSWORD)
            held |= clients_of(server.url, token)
            created = {"name": "After", "emails": ["after@example.com"]}
            assert call(f"{server.url}/v1/clients", created, token)["number"]
        token = sign_in(server, "ada@one.example", PASSWORD)
        assert content_of(server.url + place, token) == STORED
    assert [one for one in before if held.get(one[1]) != one[2]] == []


def kept_file(url: str, token: str) -> str:
    """Where the bytes are of a file that is kept with some client."""
    client = call(f"{url}/v1/clients?limit=1", token=token)["data"][0]
    sent, headers = {"file": ("minutes.txt", STORED)}, {"Authorization": f"Bearer {token}"}
    place = f"{url}/v1/clients/{client['id']}/files"
    made = httpx.post(place, files=sent, headers=headers, timeout=60)
    assert made.status_code == 201, made.text
    return f"{made.headers['location']}/content"


def content_of(url: str, token: str) -> bytes:
    return httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=60).content


def clients_of(url: str, token: str) -> dict[str, str]:
    """Id → remarks, of every client."""
    found: dict[str, str] = {}
    query = f"{url}/v1/clients?limit=200&fields=id,remarks"
    cursor = ""
    while True:
        page = call(query + cursor, token=token)
        found |= {one["id"]: one["remarks"] for one in page["data"]}
        if not page["has_more"]:
            return found
        cursor = f"&cursor={page['next_cursor']}"


def changed(file: Path, member: str, content: bytes) -> Path:
    """A copy of the backup in which one member is another."""
    other = file.with_name(f"{secrets.token_hex(4)}.zip")
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(other, "w") as target:
        for name in source.namelist():
            target.writestr(name, content if name == member else source.read(name))
    return other


def with_manifest(file: Path, **more: Any) -> Path:
    with zipfile.ZipFile(file) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    return changed(file, "manifest.json", json.dumps(manifest | more).encode())


async def test_what_is_wrong_is_said_and_nothing_is_touched(
    elsewhere: Installation, installation: Installation, tmp_path: Path
) -> None:
    """The source's owner is no superuser either: forced row-level security binds it."""
    filled(elsewhere)
    file = tmp_path / "a.zip"
    elsewhere.run("backup", str(file))
    with zipfile.ZipFile(file) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert "secret" not in archive.namelist()
    assert {one["slug"] for one in manifest["organizations"]} == {"one", "two"}
    assert manifest["tables"]["memberships"]["rows"] == 2
    assert elsewhere.variables["CRM_SECRET_KEY"] not in json.dumps(manifest)

    words = tmp_path / "words.zip"
    words.write_text("no backup")
    cut = tmp_path / "cut.zip"
    cut.write_bytes(file.read_bytes()[:-200])
    first, second = manifest["organizations"]
    one_more = {**first, "rows": {**first["rows"], "clients": 1}}
    other_head = {**first, "head": f"7:{'0' * 64}"}
    empty = installation.refused(
        [
            (["restore", str(tmp_path / "none.zip")], {}),
            (["restore", str(words)], {}),
            (["restore", str(cut)], {}),
            (["restore", str(changed(file, "rows/users.copy", b"1\n"))], {}),
            (["restore", str(with_manifest(file, format=2))], {}),
            (["restore", str(with_manifest(file, revision="20991231_0000"))], {}),
            (["restore", str(with_manifest(file, organizations=[one_more, second]))], {}),
            (["restore", str(with_manifest(file, organizations=[other_head, second]))], {}),
            (["restore", str(with_manifest(file, organizations=[first]))], {}),
            (["restore", str(file), "--force", "another"], {}),
            (["backup", str(tmp_path / "nowhere" / "a.zip")], {}),
        ]
    )  # fmt: skip
    for said, wanted in zip(
        empty,
        (
            "cannot be read",
            "is no backup",
            "is no backup",
            "damaged: the rows of users",
            "A later release made this backup",
            "of a later release",
            "is not what it was",
            "is not what it was",
            "not in the backup",
            "names another database",
            "cannot be written",
        ),
        strict=True,
    ):
        assert wanted in said, said
    url = installation.variables["DATABASE_URL"]
    owner = await asyncpg.connect(url)
    assert await owner.fetchval("SELECT count(*) FROM organizations") == 0
    [busy] = installation.refused([(["restore", str(file)], {})])
    assert "Others are connected" in busy
    await owner.close()
    [full, there] = elsewhere.refused([(["restore", str(file)], {}), (["backup", str(file)], {})])
    assert "is not empty" in full
    assert "a backup replaces nothing" in there

    name = elsewhere.variables["DATABASE_URL"].rpartition("/")[2]
    elsewhere.run("restore", str(file), "--force", name)
    installation.run("restore", str(file))


async def test_secret_goes_along_only_when_it_is_asked_for(
    installation: Installation, tmp_path: Path
) -> None:
    filled(installation)
    file = tmp_path / "with.zip"
    installation.run("backup", str(file), "--with-secret")
    name = installation.variables["DATABASE_URL"].rpartition("/")[2]
    key = installation.variables.pop("CRM_SECRET_KEY")
    other = secrets.token_hex(32)
    kept = installation.run("restore", str(file), "--force", name, CRM_SECRET_KEY=other)
    assert "The secret is another one than then" in kept.stdout
    taken = installation.run("restore", str(file), "--force", name)
    assert "another one" not in taken.stdout
    place = Path(installation.variables["CRM_DATA_DIR"]) / "secret"
    assert place.read_text().strip() == key
    assert place.stat().st_mode & 0o777 == 0o600
