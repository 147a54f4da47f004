"""Stored files on real processes: killed while they are kept, swept, missed."""

import asyncio
import threading
from contextlib import suppress
from pathlib import Path

import asyncpg
import httpx

from tests.cli.conftest import Installation, Serving
from tests.cli.test_backup import PASSWORD, filled
from tests.cli.test_commands import call, sign_in

SWEEP = """
import asyncio
from crm_api.commands.running import prepared
from crm_api.core.config import load_settings
from crm_api.files.storing import store_of
from crm_api.files.sweeping import sweep_loose
from crm_api.organizations.provision import list_organizations

async def sweep():
    settings = load_settings()
    async with prepared(settings) as (db, _):
        for row in await list_organizations(db):
            print(await sweep_loose(db, row["id"], objects=store_of(settings), older=-1))

asyncio.run(sweep())
"""


def kept(installation: Installation) -> list[Path]:
    home = Path(installation.variables["CRM_DATA_DIR"]) / "files"
    return sorted(path for path in home.rglob("*") if path.is_file())


class Desk:
    """Somebody who sends files to a running server."""

    def __init__(self, server: Serving) -> None:
        self.url = server.url
        self.token = sign_in(server, "ada@one.example", PASSWORD)
        self.headers = {"Authorization": f"Bearer {self.token}"}

    def register(self) -> str:
        body = {"name": "Pearl Ltd", "emails": ["pearl@example.com"]}
        return str(call(f"{self.url}/v1/clients", body, self.token)["id"])

    def send(self, client_id: str, content: bytes) -> httpx.Response:
        place = f"{self.url}/v1/clients/{client_id}/files"
        sent = {"file": ("minutes.txt", content)}
        return httpx.post(place, files=sent, headers=self.headers, timeout=60)


async def killed_while_it_keeps(
    installation: Installation, server: Serving, desk: Desk, client_id: str
) -> None:
    """The bytes are in the store, and the commit waits, when the process is killed."""
    owner = await asyncpg.connect(installation.variables["DATABASE_URL"])

    def send() -> None:
        with suppress(httpx.TransportError):
            desk.send(client_id, b"lost")

    async with owner.transaction():
        await owner.execute("LOCK TABLE files IN ACCESS EXCLUSIVE MODE")
        sender = threading.Thread(target=send)
        sender.start()
        for _ in range(400):
            await asyncio.sleep(0.01)
            if len(kept(installation)) == 2:
                break
        server.process.kill()
        server.process.wait()
    sender.join()
    await owner.close()


async def test_files_outlive_their_processes(installation: Installation) -> None:
    """M5: after a kill neither a row without bytes nor, once swept, bytes without a row."""
    filled(installation)
    alone = {"CRM_JOB_WORKERS": "0", "CRM_LOG_LEVEL": "WARNING", "CRM_LOCK_TIMEOUT_MS": "4000"}
    with installation.serving(**alone) as server:
        desk = Desk(server)
        client_id = desk.register()
        made = desk.send(client_id, b"Minutes of the first meeting.")
        assert made.status_code == 201, made.text
        await killed_while_it_keeps(installation, server, desk, client_id)
    assert [path.read_bytes() for path in kept(installation)].count(b"lost") == 1
    told = installation.run("verify").stdout
    assert "one: 1 stored files, all there\n" in told, "what is loose is known"
    swept = installation.python(SWEEP)
    assert swept.split() == ["1", "0"]
    assert [path.read_bytes() for path in kept(installation)] == [b"Minutes of the first meeting."]

    kept(installation)[0].unlink()
    assert "one: 1 stored files, NOT ALL THERE" in installation.run("verify", code=1).stdout
