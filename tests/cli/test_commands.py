"""The commands from end to end: on an empty database, as a stranger would run them."""

import csv
import json
import shlex
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from crm_api.core.access import ROLES
from crm_api.demo.words import SCENES
from tests.cli.conftest import Installation

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "clients.csv"
PASSWORD = "it's plum kettle orbit 27"


@pytest.fixture(scope="module")
def demo(installation: Installation) -> Installation:
    """The demo organizations, made by two starters at once."""
    starters = [installation.start("demo", CRM_DEMO_PASSWORD=PASSWORD) for _ in range(2)]
    outcomes = [starter.communicate(timeout=180) for starter in starters]
    assert [starter.returncode for starter in starters] == [0, 0], outcomes
    said = sorted(out.strip() for out, _ in outcomes)
    assert said == ["Demo data are there.", "Demo data were there already."]
    return installation


def call(url: str, body: Any = None, token: str = "") -> Any:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    method = "GET" if body is None else "POST"
    answer = httpx.request(method, url, json=body, headers=headers, timeout=60)
    assert answer.status_code < 300, answer.text
    return answer.json()


def sign_in(url: str, role: str, slug: str, password: str) -> str:
    body = {"email": f"{role}@{slug}.example.com", "password": password}
    answer = call(f"{url}/v1/auth/login", body)
    assert answer["organization"] == slug
    token: str = answer["access_token"]
    return token


# ----------------------------------------------------------------------- demo, serve


def test_demo_data_can_be_signed_in_to_and_seen(demo: Installation) -> None:
    with demo.serving() as server:
        for scene in SCENES:
            for role in ROLES:
                token = sign_in(server.url, role, scene.slug, PASSWORD)
            token = sign_in(server.url, "admin", scene.slug, PASSWORD)
            page = call(f"{server.url}/v1/clients?count=capped&limit=200", token=token)
            assert page["total"] >= 200
            archived = call(f"{server.url}/v1/clients?lifecycle=archived", token=token)
            assert archived["data"]
            assert any(client["contacts"] for client in page["data"])
            assert all(client["phones"] and client["sites"] for client in page["data"])


def test_serve_prints_users_and_a_line_that_works(demo: Installation) -> None:
    with demo.serving() as server:
        server.process.terminate()
        server.stop()
    said = server.out + server.err
    assert f"{server.url}/docs" in said
    assert all(f"{role}@radio.example.com" in said for role in ROLES)
    assert PASSWORD in said
    line = next(line for line in said.splitlines() if "curl" in line)
    words = shlex.split(line.partition("curl")[2])
    sent = json.loads(words[words.index("-d") + 1])
    assert sent == {"email": "admin@radio.example.com", "password": PASSWORD}
    assert words[-1] == f"{server.url}/v1/auth/login"


def test_the_password_is_kept_where_only_we_can_read_it(demo: Installation) -> None:
    file = Path(demo.variables["CRM_DATA_DIR"]) / "demo-password"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == f"{PASSWORD}\n"


def test_a_token_of_a_demo_user_works(demo: Installation) -> None:
    token = demo.run("token", "--organization", "jobs", "--role", "presenter").stdout
    token = token.strip().removeprefix("Authorization: ").removeprefix("Bearer ")
    with demo.serving() as server:
        assert call(f"{server.url}/v1/me", token=token)["role"] == "presenter"


def test_tokens_are_for_demo_organizations_alone(demo: Installation) -> None:
    assert "no demo organization" in demo.run("token", "--organization", "real", code=2).stderr
    assert "--role" in demo.run("token", "--role", "nobody", code=2).stderr


def test_several_workers_share_one_database_and_end_together(demo: Installation) -> None:
    with demo.serving("--workers", "2") as server:
        tokens = [sign_in(server.url, "admin", "radio", PASSWORD) for _ in range(4)]
        assert all(call(f"{server.url}/v1/me", token=t)["role"] == "admin" for t in tokens)
    assert server.process.returncode in (0, -15)
    assert server.seconds < 30


def test_probe_is_the_answer_of_a_running_server(demo: Installation) -> None:
    demo.run("doctor", "--probe", code=1, CRM_PORT="1")
    with demo.serving() as server:
        demo.run("doctor", "--probe", CRM_PORT=server.url.rpartition(":")[2])


def test_a_password_that_is_given_later_is_set(another: Callable[[], Installation]) -> None:
    place = another()
    place.run("demo")
    made = (Path(place.variables["CRM_DATA_DIR"]) / "demo-password").read_text().strip()
    assert len(made) >= 15
    assert "already" in place.run("demo").stdout
    changed = place.run("demo", CRM_DEMO_PASSWORD=PASSWORD).stdout
    assert "new password" in changed
    with place.serving() as server:
        assert sign_in(server.url, "manager", "bookings", PASSWORD)


def test_real_organizations_are_never_taken_for_demo_data(
    another: Callable[[], Installation],
) -> None:
    place = another()
    place.run(*_bootstrap("radio"))
    assert "no demo data" in place.run("demo", code=2).stderr


# ---------------------------------------------------------------------- bootstrap


def _bootstrap(slug: str, **more: str) -> list[str]:
    options = {
        "slug": slug,
        "name": "Ruwenzori Trading",
        "preset": "relationship",
        "time-zone": "Africa/Kampala",
        "country": "UG",
        "currency": "UGX",
        "email": f"ada@{slug}.example",
        "person": "Ada Nakato",
    } | more
    return [
        "bootstrap",
        *(part for name, value in options.items() for part in (f"--{name}", value)),
    ]


def test_bootstrap_makes_an_organization_that_can_be_worked_in(demo: Installation) -> None:
    said = demo.run(*_bootstrap("real")).stdout
    password = next(line for line in said.splitlines() if "once" in line).rpartition(" ")[2]
    with demo.serving() as server:
        body = {"email": "ada@real.example", "password": password}
        token = call(f"{server.url}/v1/auth/login", body)["access_token"]
        assert call(f"{server.url}/v1/me", token=token)["role"] == "admin"
        made = {"name": "First", "emails": ["first@client.example"]}
        assert call(f"{server.url}/v1/clients", made, token)["number"] == "C-000001"
    assert "already" in demo.run(*_bootstrap("real"), code=2).stderr


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("slug", "Not A Slug", "--slug"),
        ("preset", "circus", "--preset"),
        ("time-zone", "Mars/Olympus", "time zone"),
        ("country", "ZZ", "country"),
        ("currency", "XXX", "currency"),
        ("email", "ada", "address"),
    ],
)
def test_bootstrap_refuses_what_the_api_would(
    installation: Installation, option: str, value: str, told: str
) -> None:
    assert told in installation.run(*_bootstrap("other", **{option: value}), code=2).stderr


def test_bootstrap_refuses_a_weak_password(installation: Installation) -> None:
    weak = {"CRM_BOOTSTRAP_PASSWORD": "passwordpassword1"}
    assert "CRM_BOOTSTRAP_PASSWORD" in installation.run(*_bootstrap("weak"), code=2, **weak).stderr


# -------------------------------------------------------------------------- import


def test_import_reports_every_row_that_it_does_not_take(
    another: Callable[[], Installation], tmp_path: Path
) -> None:
    place = another()
    place.run(*_bootstrap("real"))
    report = tmp_path / "report.csv"
    arguments = ["import", "clients", str(FIXTURE), "--organization", "real"]
    dry = place.run(*arguments, "--dry-run").stdout
    assert "20 rows: 13 would be imported, 2 duplicates, 5 invalid." in dry
    said = place.run(*arguments, "--report", str(report)).stdout
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
    again = place.run(*arguments).stdout
    assert "20 rows: 0 imported, 15 duplicates, 5 invalid." in again
    assert "the chain holds" in place.run("verify", "--organization", "real").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere.csv", "--organization", "real"], "No such file"),
        ([str(FIXTURE), "--organization", "nobody"], "no organization 'nobody'"),
        ([str(FIXTURE), "--organization", "real", "--default-country", "ZZ"], "--default-country"),
        ([str(FIXTURE), "--organization", "real", "--mapping", "x"], "column=field"),
        ([str(FIXTURE), "--organization", "real", "--mapping", "name="], "--mapping"),
        ([str(FIXTURE), "--organization", "real", "--report", "/no/where"], "cannot be written"),
    ],
)
def test_import_says_what_is_wrong_with_its_call(
    demo: Installation, arguments: list[str], told: str
) -> None:
    slug = ["radio" if word == "real" else word for word in arguments]
    assert told in demo.run("import", "clients", *slug, code=2).stderr


# ------------------------------------------------------------------- the rest


def test_demo_data_verify(demo: Installation) -> None:
    said = demo.run("verify").stdout.splitlines()
    held = {line.partition(":")[0] for line in said if "the chain holds" in line}
    assert held >= {scene.slug for scene in SCENES}


def test_verify_fails_for_a_log_that_was_changed(another: Callable[[], Installation]) -> None:
    place = another()
    place.run(*_bootstrap("real"))
    place.run("import", "clients", str(FIXTURE), "--organization", "real")
    tampering = (
        "import asyncio, asyncpg, os\n"
        "async def main():\n"
        "    c = await asyncpg.connect(os.environ['DATABASE_URL'])\n"
        "    await c.execute('UPDATE changes SET version = 2 WHERE position = 3')\n"
        "asyncio.run(main())\n"
    )
    subprocess.run([sys.executable, "-c", tampering], env=place.environment(), check=True)
    said = place.run("verify", code=1).stdout
    assert "BROKEN" in said
    assert "position" in said


def test_doctor_finds_a_sound_installation_sound(demo: Installation) -> None:
    said = demo.run("doctor").stdout
    assert "WRONG" not in said
    assert "row-level security forced on" in said


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CRM_PORT", "many"),
        ("DATABASE_URL", "mysql://x"),
        ("CRM_SECRET_KEY", "short"),
        ("CRM_DEMO_PASSWORD", "short"),
    ],
)
def test_a_wrong_setting_is_named_and_not_shown(
    installation: Installation, variable: str, value: str
) -> None:
    for command in (["serve"], ["demo"], ["migrate"], ["doctor"], ["verify"]):
        said = installation.run(*command, code=2, **{variable: value}).stderr
        assert variable in said


def test_a_database_that_does_not_answer_is_told_in_words(installation: Installation) -> None:
    nobody = {"DATABASE_URL": "postgresql://crm:secret-word@127.0.0.1:1/crm"}
    said = installation.run("migrate", code=2, **nobody).stderr
    assert "DATABASE_URL" in said
    assert "secret-word" not in said


def test_a_misspelt_setting_is_told(installation: Installation) -> None:
    assert "CRM_WORKERS" in installation.run("migrate", CRM_WORKER="2").stderr
