"""The README's tour, pasted line by line into bash against a real server with demo data."""

import asyncio
import re
from pathlib import Path

import asyncpg

from crm_api.core.embedded import Server, ensure_server
from tests.architecture.sources import ROOT
from tests.assurance.installation import COMMAND, PASSWORD, Installation
from tests.assurance.tour import Shell, matches, parts_of

README = ROOT / "README.md"
ADDRESS = "http://127.0.0.1:8000"


def test_tour_answers_what_the_readme_says(installation: Installation) -> None:
    shell = Shell(ROOT, installation.environment)
    wrong = []
    for title, commands in parts_of(README).items():
        for command in commands:
            line = command.line.replace(ADDRESS, installation.address)
            printed = shell.run(line.replace(".venv/bin/crm-api", str(COMMAND)))
            expected = command.answer
            same = len(printed) == len(expected) and all(map(matches, expected, printed))
            if not same:
                wrong.append(f"{title}: {command.line}\n  said {expected}\n  got  {printed}")
    shell.close()
    assert not wrong, "\n".join(wrong)


def test_embedded_data_moves_to_another_server_as_the_readme_says(
    installation: Installation, tmp_path: Path
) -> None:
    """The new owner is no superuser: row-level security binds it, and it restores all the same."""
    data = Path(installation.environment["CRM_DATA_DIR"])
    url = asyncio.run(own_database(ensure_server(data / "postgres")))
    block = re.search(
        r"\*\*To move to a server.*?```sh\n(.*?)```", README.read_text("utf-8"), re.DOTALL
    )
    assert block is not None
    text = block[1].replace(".venv/bin/crm-api", str(COMMAND))
    text = re.sub(r"postgresql://\S+", url, text).replace(".data/", f"{data}/")
    shell = Shell(tmp_path, installation.environment | {"COLUMNS": "200"})
    taken, set_up, restored = [shell.run(line) for line in text.splitlines()]
    shell.close()
    assert len([line for line in taken if "; head " in line]) == 5
    assert set_up == []
    proved = [line for line in restored if "the chain holds" in line]
    assert len(proved) == 5
    assert not [line for line in proved if " 0 entries" in line]
    assert restored[-1] == "crm.zip is restored: every row and every head is what it was."


async def own_database(server: Server) -> str:
    """An empty database whose owner may create roles and nothing more; its URL."""
    admin = await asyncpg.connect(server.url())
    await admin.execute("CREATE ROLE mine LOGIN CREATEROLE NOSUPERUSER PASSWORD 'mine'")
    await admin.execute("CREATE DATABASE mine OWNER mine")
    await admin.close()
    return f"postgresql://mine:mine@{server.host}:{server.port}/mine"


def test_tour_visits_what_it_promises() -> None:
    titles = " ".join(parts_of(README))
    asked = "Sign in|List|Create|three roles|Why|duplicate|Change|may not write|History|Archive"
    assert not [words for words in asked.split("|") if words not in titles]
    assert not [words for words in ("twice", "Import", "log") if words not in titles]


def test_tour_starts_the_server_as_the_test_does() -> None:
    text = README.read_text("utf-8")
    assert f"CRM_DEMO_PASSWORD='{PASSWORD}' make run" in text
    assert f"export CRM={ADDRESS} CRM_DEMO_PASSWORD='{PASSWORD}'" in text
