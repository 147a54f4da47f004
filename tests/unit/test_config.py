"""A wrong setting stops the start with words that help, and no secret is ever shown."""

import os
import stat
import subprocess
import sys
from ipaddress import ip_network
from pathlib import Path

import pytest

from crm_api.core import config
from crm_api.core.config import Settings, SettingsError, load_settings, settings_table

SOURCE = Path(config.__file__).parents[2]
SECRET = "hunter2-canary"
KEY = "k" * 16 + "0123456789abcdef"


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith("CRM_") or name == "DATABASE_URL":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def refusal(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None  # a traceback would show what was given
    return str(refused.value)


def test_everything_has_a_default_and_nothing_is_created(tmp_path: Path) -> None:
    settings = load_settings()
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8000, 1)
    assert settings.data_dir == tmp_path / ".data"
    assert settings.database_url is None
    assert settings.cors_origins == ()
    assert settings.unknown == ()
    assert list(tmp_path.iterdir()) == []


def test_values_come_from_the_environment_and_empty_ones_count_as_absent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CRM_PORT", "9000")
    monkeypatch.setenv("CRM_WORKERS", "")
    monkeypatch.setenv("DATABASE_URL", "")
    monkeypatch.setenv("CRM_LOG_LEVEL", "debug")
    monkeypatch.setenv("CRM_CORS_ORIGINS", "https://App.example.org, http://localhost:5173 ,")
    monkeypatch.setenv("CRM_TRUSTED_PROXIES", "10.1.2.3/8,::1")
    settings = load_settings()
    assert (settings.port, settings.workers, settings.database_url) == (9000, 1, None)
    assert settings.log_level == "DEBUG"
    assert settings.cors_origins == ("https://app.example.org", "http://localhost:5173")
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"))


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().port = 1  # type: ignore[misc]  # refused at run time too


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("CRM_PORT", "http", "integer"),
        ("CRM_PORT", "65536", "65535"),
        ("CRM_WORKERS", "0", "greater than or equal to 1"),
        ("CRM_HOST", "http://localhost", "address or host name"),
        ("CRM_HOST", "localhost:80", "address or host name"),
        ("CRM_LOG_LEVEL", "LOUD", "'WARNING'"),
        ("CRM_PUBLIC_URL", "crm.example.org", "https://"),
        ("CRM_PUBLIC_URL", "https://h/?a=b", "more than"),
        ("CRM_CORS_ORIGINS", "*", "name each origin"),
        ("CRM_CORS_ORIGINS", "https://a.example,https://b.example/path", "path"),
        ("CRM_CORS_ORIGINS", "null", "https://"),
        ("CRM_TRUSTED_PROXIES", "*", "no IP address"),
        ("CRM_TRUSTED_PROXIES", "10.0.0.0/33", "no IP address"),
        ("CRM_ACCESS_TOKEN_SECONDS", "901", "900"),
        ("CRM_DATA_DIR", "/etc/passwd", "not a directory"),
        ("CRM_SECRET_KEY", "k" * 31, "fewer than 32 bytes"),
        ("CRM_SECRET_KEY", f"-----BEGIN PRIVATE KEY-----{KEY}", "certificate or key pair"),
        ("CRM_SECRET_KEY_PREVIOUS", "short", "fewer than 32 bytes"),
        ("CRM_DEMO_PASSWORD", "short", "fewer than 15 characters"),
        ("DATABASE_URL", "mysql://user@host/crm", "begins with postgresql://"),
        ("DATABASE_URL", "postgresql+psycopg://user@host/crm", "begins with postgresql://"),
        ("DATABASE_URL", "host=db dbname=crm", "begins with postgresql://"),
        ("DATABASE_URL", "postgresql:///crm", "names no host"),
        ("DATABASE_URL", "postgresql://user@host", "names no database"),
        ("DATABASE_URL", "postgresql://user@host:port/crm", "host or port"),
    ],
)
def test_wrong_value_is_explained_with_an_example_of_a_right_one(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    text = refusal(monkeypatch, **{name: value})
    assert text.startswith(f"{name} ")
    assert reason in text
    assert f"Write for example: {name}=" in text
    assert text.count("\n") == 0


def test_every_fault_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    text = refusal(monkeypatch, CRM_PORT="x", CRM_WORKERS="y", CRM_SECRET_KEY="z")
    assert [line.split()[0] for line in text.splitlines()] == [
        *("CRM_PORT", "CRM_WORKERS", "CRM_SECRET_KEY")
    ]


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://crm:{SECRET}@/crm",
        f"postgresql://crm:{SECRET}@host:port/crm",
        f"postgresql://crm:{SECRET}#@host/crm",
        f"postgresql://crm:{SECRET}/@host/crm",
        f"postgresql://crm:12/{SECRET}@host/crm",
        f"postgresql://crm:12?{SECRET}@host/crm",
        f"postgresql://crm:{SECRET}@x@host/crm",
        f"postgresql://crm:{SECRET}]@host/crm",
        f"mysql://crm:{SECRET}@host/crm",
        f"postgresql://crm:{SECRET}@host",
    ],
)
@pytest.mark.parametrize("name", ["DATABASE_URL", "CRM_APP_DATABASE_URL"])
def test_no_password_in_the_text_about_a_url(
    monkeypatch: pytest.MonkeyPatch, name: str, url: str
) -> None:
    assert SECRET not in refusal(monkeypatch, **{name: url})


def test_no_secret_in_any_picture_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_SECRET_KEY", f"{SECRET}{KEY}")
    monkeypatch.setenv("CRM_SECRET_KEY_PREVIOUS", f"{KEY}{SECRET}")
    monkeypatch.setenv("CRM_DEMO_PASSWORD", f"{SECRET} and more")
    monkeypatch.setenv("DATABASE_URL", f"postgresql://crm:{SECRET}@host/crm")
    settings = load_settings()
    pictures = (repr(settings), str(settings), settings.model_dump_json(), str(settings_table()))
    assert all(SECRET not in picture for picture in pictures)
    monkeypatch.setenv("CRM_LOCK_TIMEOUT_MS", "99999")
    with pytest.raises(ValueError, match="CRM_LOCK_TIMEOUT_MS") as direct:
        Settings()
    assert SECRET not in str(direct.value)


@pytest.mark.parametrize(
    "given",
    [
        "postgres://crm:p%40ss@db.example.org:5433/crm?sslmode=require",
        "postgresql+asyncpg://crm:p%40ss@db.example.org:5433/crm?sslmode=require",
        "postgresql://crm:p%40ss@db.example.org:5433/crm?sslmode=require",
        " postgresql://crm:p%40ss@db.example.org:5433/crm?sslmode=require\n",
    ],
)
def test_all_spellings_of_a_url_become_one(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("DATABASE_URL", given)
    url = load_settings().database_url
    expected = "postgresql://crm:p%40ss@db.example.org:5433/crm?sslmode=require"
    assert url is not None
    assert url.get_secret_value() == expected


@pytest.mark.parametrize(
    "given",
    [
        "postgresql://crm@/crm?host=/var/run/postgresql",
        "postgresql://crm@a.example:5432,b.example:5433/crm?target_session_attrs=primary",
        "postgresql://[::1]:5432/crm",
        "postgresql://crm@host?database=crm",
    ],
)
def test_sockets_several_hosts_and_ipv6_are_urls_too(
    monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", given)
    url = load_settings().database_url
    assert url is not None
    assert url.get_secret_value() == given


@pytest.mark.parametrize(
    ("variables", "reason"),
    [
        ({"CRM_LOCK_TIMEOUT_MS": "5000"}, "CRM_LOCK_TIMEOUT_MS must be below"),
        ({"CRM_REQUEST_TIMEOUT_SECONDS": "5"}, "CRM_STATEMENT_TIMEOUT_MS must be below"),
        ({"CRM_APP_DATABASE_URL": "postgresql://u@h/d"}, "without DATABASE_URL"),
        ({"CRM_WORKERS": "12"}, "must be at most 180"),
        ({"CRM_SECRET_KEY": KEY, "CRM_SECRET_KEY_PREVIOUS": KEY}, "must differ"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], reason: str
) -> None:
    assert reason in refusal(monkeypatch, **variables)


def test_misspelt_variable_is_warned_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRM_PROT", SECRET)
    monkeypatch.setenv("CRM_UNHEARD_OF", SECRET)
    assert load_settings().unknown == (
        "CRM_PROT is not a setting; did you mean CRM_PORT?",
        "CRM_UNHEARD_OF is not a setting.",
    )


def test_base_url_is_one_that_a_caller_on_this_machine_can_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert load_settings().base_url == "http://127.0.0.1:8000"
    monkeypatch.setenv("CRM_HOST", "0.0.0.0")  # noqa: S104 nothing listens
    assert load_settings().base_url == "http://127.0.0.1:8000"
    monkeypatch.setenv("CRM_HOST", "[::]")
    assert load_settings().base_url == "http://[::1]:8000"
    monkeypatch.setenv("CRM_PUBLIC_URL", "https://crm.example.org/api/")
    assert load_settings().base_url == "https://crm.example.org/api"


def test_table_names_and_describes_every_setting() -> None:
    rows = settings_table()
    assert len(rows) == len(Settings.model_fields)
    assert ("CRM_PORT", "8000", "Port to listen on; 0 is any free one.") in rows
    assert all(name == "DATABASE_URL" or name.startswith("CRM_") for name, _, _ in rows)
    assert all(description.endswith(".") for _, _, description in rows)
    assert all(field.examples for field in Settings.model_fields.values())


# --- the signing keys ---


def test_new_key_signs_and_the_previous_one_still_verifies(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CRM_SECRET_KEY", f"new-{KEY}")
    monkeypatch.setenv("CRM_SECRET_KEY_PREVIOUS", f"old-{KEY}")
    assert load_settings().signing_keys() == (f"new-{KEY}".encode(), f"old-{KEY}".encode())
    assert list(tmp_path.iterdir()) == []


def test_key_is_made_once_and_is_readable_by_its_owner_alone(tmp_path: Path) -> None:
    keys = load_settings().signing_keys()
    assert len(keys) == 1
    assert len(keys[0]) >= 32
    assert load_settings().signing_keys() == keys
    assert [path.name for path in (tmp_path / ".data").iterdir()] == ["secret"]
    assert stat.S_IMODE((tmp_path / ".data" / "secret").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / ".data").stat().st_mode) & 0o066 == 0


def test_four_starters_at_once_get_one_key(tmp_path: Path) -> None:
    script = (
        "import sys; from crm_api.core.config import load_settings; settings = load_settings();"
        "print('ready', flush=True); sys.stdin.read(); print(settings.signing_keys())"
    )
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={"PYTHONPATH": os.pathsep.join([str(SOURCE), *sys.path])},
        )
        for _ in range(4)
    ]
    for process in starters:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in starters:  # all stand before the same line now
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
    answers = {process.communicate()[0] for process in starters}
    assert answers == {f"{load_settings().signing_keys()}\n"}
    assert [path.name for path in (tmp_path / ".data").iterdir()] == ["secret"]


def test_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    settings = load_settings()
    settings.signing_keys()
    path = tmp_path / ".data" / "secret"
    path.chmod(0o644)
    with pytest.raises(SettingsError, match=f"chmod 600 {path}"):
        settings.signing_keys()


@pytest.mark.parametrize("content", [b"", SECRET.encode(), b"\xff" * 40])
def test_broken_key_file_is_refused_and_not_shown(tmp_path: Path, content: bytes) -> None:
    settings = load_settings()
    settings.signing_keys()
    (tmp_path / ".data" / "secret").write_bytes(content)
    with pytest.raises(SettingsError, match="Delete the file") as refused:
        settings.signing_keys()
    assert SECRET not in str(refused.value)


def test_directory_that_cannot_be_made_is_explained(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CRM_DATA_DIR", str(tmp_path / "file" / "below"))
    with pytest.raises(SettingsError, match="or write CRM_SECRET_KEY"):
        load_settings().signing_keys()
