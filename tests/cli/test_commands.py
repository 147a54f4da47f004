"""The commands from end to end: on an empty database, as a stranger would run them."""

import csv
import json
import shlex
import socket
import stat
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from crm_api.core.access import ROLES
from crm_api.demo.words import SCENES
from tests.cli.conftest import Case, Installation, Serving

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "clients.csv"
PASSWORD = "it's plum kettle orbit 27"


def call(url: str, body: Any = None, token: str = "") -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    method = "GET" if body is None else "POST"
    answer = httpx.request(method, url, json=body, headers=headers, timeout=60)
    assert answer.status_code < 300, answer.text
    return answer.json()


def sign_in(server: Serving, email: str, password: str) -> str:
    body = {"email": email, "password": password}
    token: str = call(f"{server.url}/v1/auth/login", body)["access_token"]
    return token


def bootstrap(slug: str, **more: str) -> list[str]:
    options = {
        "slug": slug,
        "name": "Ruwenzori Trading",
        "preset": "relationship",
        "time-zone": "Africa/Kampala",
        "country": "UG",
        "currency": "UGX",
        "email": "ada@ruwenzori.example",
        "person": "Ada Nakato",
    }
    pairs = (options | more).items()
    return ["bootstrap", *(part for name, value in pairs for part in (f"--{name}", value))]


# ---------------------------------------------------------------------------- demo


async def test_demo_is_made_once_served_and_signed_in_to(installation: Installation) -> None:
    _make_demo(installation)
    with installation.serving("--workers", "2") as server:
        _use_demo(installation, server)
        installation.run("doctor", "--probe", CRM_PORT=server.port)
    assert server.process.returncode in (0, -15)
    assert server.seconds < 30
    _check_what_serve_said(server)
    installation.run("doctor", "--probe", code=1, CRM_PORT=server.port)
    assert "WRONG" not in installation.run("doctor").stdout
    said = installation.run("verify").stdout.splitlines()
    held = {line.partition(":")[0] for line in said if "the chain holds" in line}
    assert held == {scene.slug for scene in SCENES}
    _use_the_prompt(installation)


def _use_the_prompt(installation: Installation) -> None:
    lines = [
        'desk = await as_role("front_desk", "jobs")',
        'reply = await desk.clients.list([("limit", "1")])',
        'print("credit_limit" in reply.body, "phones" in reply.body, desk.actor.role)',
        "",
    ]
    said = installation.run("shell", typed="\n".join(lines)).stdout
    assert "False True front_desk" in said


def _make_demo(installation: Installation) -> None:
    """Two starters at once make one set of data; a password that is given later is set."""
    starters = [installation.start("demo") for _ in range(2)]
    outcomes = [starter.communicate(timeout=180) for starter in starters]
    assert [starter.returncode for starter in starters] == [0, 0], outcomes
    said = sorted(out.strip() for out, _ in outcomes)
    assert said == ["Demo data are there.", "Demo data were there already."]
    file = Path(installation.variables["CRM_DATA_DIR"]) / "demo-password"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(file.read_text().strip()) >= 15
    assert "new password" in installation.run("demo", CRM_DEMO_PASSWORD=PASSWORD).stdout
    assert file.read_text() == f"{PASSWORD}\n"


def _use_demo(installation: Installation, server: Serving) -> None:
    for role in ROLES:
        token = sign_in(server, f"{role}@radio.example.com", PASSWORD)
        assert call(f"{server.url}/v1/me", token=token)["role"] == role
    for scene in SCENES:
        token = sign_in(server, f"admin@{scene.slug}.example.com", PASSWORD)
        page = call(f"{server.url}/v1/clients?count=capped&limit=200", token=token)
        assert page["total"] >= 200
        assert any(client["contacts"] for client in page["data"])
        assert all(client["phones"] and client["sites"] for client in page["data"])
        assert call(f"{server.url}/v1/clients?lifecycle=archived", token=token)["data"]
    printed = installation.run("token", "--organization", "jobs", "--role", "presenter").stdout
    assert call(f"{server.url}/v1/me", token=printed.split()[-1])["role"] == "presenter"


def _check_what_serve_said(server: Serving) -> None:
    said = server.out + server.err
    assert f"{server.url}/docs" in said
    assert all(f"{role}@radio.example.com" in said for role in ROLES)
    assert PASSWORD in said
    line = next(line for line in said.splitlines() if "curl" in line)
    words = shlex.split(line.partition("curl")[2])
    sent = json.loads(words[words.index("-d") + 1])
    assert sent == {"email": "admin@radio.example.com", "password": PASSWORD}
    assert words[-1] == f"{server.url}/v1/auth/login"


# ------------------------------------------------------------------------ real use


async def test_a_real_organization_begins_imports_and_is_verified(
    installation: Installation, tmp_path: Path
) -> None:
    said = installation.run(*bootstrap("radio")).stdout
    password = next(line for line in said.splitlines() if "once" in line).rpartition(" ")[2]
    refused: list[Case] = [(bootstrap("radio"), {}), (["demo"], {}), (["token"], {})]
    told = installation.refused(refused)
    assert [
        word in text for word, text in zip(("already", "no demo", "no demo"), told, strict=True)
    ]
    _import(installation, tmp_path)
    with installation.serving() as server:
        token = sign_in(server, "ada@ruwenzori.example", password)
        assert call(f"{server.url}/v1/me", token=token)["role"] == "admin"
        made = {"name": "By hand", "emails": ["by@hand.example"]}
        assert call(f"{server.url}/v1/clients", made, token)["number"] == "C-000014"
    assert "radio: " in installation.run("verify").stdout
    owner = await asyncpg.connect(installation.variables["DATABASE_URL"])
    await owner.execute("UPDATE changes SET version = 2 WHERE position = 3")
    await owner.close()
    broken = installation.run("verify", "--organization", "radio", code=1).stdout
    assert "BROKEN" in broken
    assert "position 1" in broken  # where the step of the import begins


def _import(installation: Installation, tmp_path: Path) -> None:
    report = tmp_path / "report.csv"
    arguments = ["import", "clients", str(FIXTURE), "--organization", "radio"]
    dry = installation.run(*arguments, "--dry-run").stdout
    assert "20 rows: 13 would be imported, 2 duplicates, 5 invalid." in dry
    said = installation.run(*arguments, "--report", str(report)).stdout
    assert "20 rows: 13 imported, 2 duplicates, 5 invalid. 1 empty rows" in said
    assert "  fax -> (left out)" in said.splitlines()
    assert "separated by commas" in said
    with report.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["row"], row["line"], row["code"]) for row in rows][:3] == [
        ("6", "7", "duplicate_name"),
        ("8", "9", "invalid_text"),
        ("9", "11", "invalid_phone"),
    ]
    again = installation.run(*arguments).stdout
    assert "20 rows: 0 imported, 15 duplicates, 5 invalid." in again


# ------------------------------------------------------------------------ refusals

BOOTSTRAP = [
    ({"slug": "Not A Slug"}, "--slug"),
    ({"preset": "circus"}, "--preset"),
    ({"time-zone": "Mars/Olympus"}, "time zone"),
    ({"country": "ZZ"}, "country"),
    ({"currency": "XXX"}, "currency"),
    ({"email": "ada"}, "address"),
]
IMPORT = [
    (["nowhere.csv"], "No such file"),
    ([str(FIXTURE)], "no organization 'nobody'"),
    ([str(FIXTURE), "--default-country", "ZZ"], "--default-country"),
]
SETTINGS = [
    ("CRM_PORT", "many"),
    ("DATABASE_URL", "mysql://x"),
    ("CRM_SECRET_KEY", "short"),
    ("CRM_DEMO_PASSWORD", "short"),
]
COMMANDS = [["serve"], ["demo"], ["migrate"], ["doctor"], ["verify"], ["token"]]


async def test_a_wrong_call_is_refused_in_words(installation: Installation) -> None:
    calls: list[tuple[list[str], str]] = [
        (bootstrap("right") + [p for n, v in more.items() for p in (f"--{n}", v)], told)
        for more, told in BOOTSTRAP
    ]
    calls += [(["import", "clients", *a, "--organization", "nobody"], t) for a, t in IMPORT]
    answers = installation.refused([(arguments, {}) for arguments, _ in calls])
    missing = [call for call, said in zip(calls, answers, strict=True) if call[1] not in said]
    assert not missing


async def test_a_weak_first_password_is_refused(installation: Installation) -> None:
    weak = {"CRM_BOOTSTRAP_PASSWORD": "passwordpassword1"}
    (said,) = installation.refused([(bootstrap("right"), weak)])
    assert "CRM_BOOTSTRAP_PASSWORD" in said


async def test_a_wrong_setting_is_named_by_every_command(installation: Installation) -> None:
    cases: list[Case] = [(c, {name: value}) for c in COMMANDS for name, value in SETTINGS]
    answers = installation.refused(cases)
    unnamed = [c for c, said in zip(cases, answers, strict=True) if next(iter(c[1])) not in said]
    assert not unnamed


async def test_a_database_that_does_not_answer_is_told_in_words(
    installation: Installation,
) -> None:
    nobody = {"DATABASE_URL": "postgresql://crm:secret-word@127.0.0.1:1/crm"}
    for said in installation.refused([(command, nobody) for command in COMMANDS]):
        assert "DATABASE_URL" in said
        assert "secret-word" not in said


async def test_a_port_that_is_taken_is_told_before_anything_else(
    installation: Installation,
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        (said,) = installation.refused([(["serve", "--port", port], {})])
    assert port in said
    assert "CRM_PORT" in said
    assert "Docs" not in said


async def test_doctor_knows_why_a_new_database_refuses_the_application(
    installation: Installation,
) -> None:
    ((code, said),) = installation.many([(["doctor"], {})])
    assert code != 0
    assert "crm-api migrate" in said


async def test_the_schema_is_printed_for_who_runs_it_himself(installation: Installation) -> None:
    nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"}
    ((code, said),) = installation.many([(["migrate", "--sql"], nowhere)])
    assert code == 0
    assert "CREATE TABLE clients" in said
    (told,) = installation.refused([(["migrate", "--revision", "nothing"], {})])
    assert "nothing" in told


async def test_a_misspelt_setting_is_told(installation: Installation) -> None:
    assert "CRM_WORKERS" in installation.run("migrate", CRM_WORKER="2").stderr


async def test_documents_are_written_and_compared(installation: Installation) -> None:
    for command in ("openapi", "matrix"):
        written = [command, "--output", "document"]
        absent = [command, "--output", "nowhere", "--check"]
        answers = installation.many([(written, {}), ([*written, "--check"], {}), (absent, {})])
        assert [code for code, _ in answers] == [0, 0, 1]
        assert f"make {command}" in answers[2][1]
