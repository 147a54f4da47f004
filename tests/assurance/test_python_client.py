"""A Python client that openapi-python-client generates from the document makes the README's tour.

The generator has an environment of its own, which `make check` makes; without it this is skipped.
"""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.architecture.sources import ROOT
from tests.assurance.installation import PASSWORD, Installation

GENERATOR = ROOT / ".venv-generator" / "bin" / "openapi-python-client"
ROLES = ("admin", "manager", "front_desk", "presenter")
BAKERY = {"name": "Jinja Bakery Ltd", "phones": ["0772 123456"]}

pytestmark = pytest.mark.skipif(
    not GENERATOR.exists(), reason="the generator is not installed: run `make check`"
)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The package, as a developer imports it."""
    folder = tmp_path_factory.mktemp("generated")
    done = subprocess.run(
        [
            *(str(GENERATOR), "generate", "--meta", "none"),
            *("--path", str(ROOT / "openapi" / "openapi.json")),
            *("--output-path", str(folder / "crm_client")),
        ],
        env=os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout.upper(), done.stdout
    sys.path.insert(0, str(folder))
    yield importlib.import_module("crm_client")
    sys.path.remove(str(folder))


class Caller:
    """One principal of the generated client."""

    def __init__(self, package: ModuleType, address: str, token: str | None = None) -> None:
        self._package = package
        kind = package.Client if token is None else package.AuthenticatedClient
        self._client = kind(address, **({} if token is None else {"token": token}))
        self.models = importlib.import_module(f"{package.__name__}.models")

    def call(self, operation: str, *path: str, **more: Any) -> Any:
        """The answer of an operation, with status, headers, and what was parsed of it."""
        [file] = Path(self._package.__path__[0]).glob(f"api/*/{operation}.py")
        name = f"{self._package.__name__}.api.{file.parent.name}.{operation}"
        module = importlib.import_module(name)
        return module.sync_detailed(*path, client=self._client, **more)

    def close(self) -> None:
        self._client.get_httpx_client().close()

    def body(self, model: str, **values: Any) -> Any:
        return getattr(self.models, model).from_dict(values)


@pytest.fixture(scope="module")
def callers(generated: ModuleType, installation: Installation) -> Iterator[dict[str, Caller]]:
    stranger = Caller(generated, installation.address)
    found = {}
    for role in ROLES:
        email = f"{role}@radio.example.com"
        body = stranger.body("LoginBody", email=email, password=PASSWORD)
        pair = stranger.call("login", body=body).parsed
        found[role] = Caller(generated, installation.address, pair.access_token)
    yield found
    for caller in (stranger, *found.values()):
        caller.close()


def client_of(answer: Any) -> Any:
    """The client in an answer that must have succeeded."""
    assert answer.status_code in (200, 201), answer.content
    return answer.parsed


def refused(answer: Any, status: int, code: str) -> Any:
    assert (answer.status_code, answer.parsed.code) == (status, code), answer.content
    return answer.parsed


def test_generated_client_makes_the_tour(callers: dict[str, Caller]) -> None:
    manager, desk, presenter = (callers[role] for role in ROLES[1:])
    assert desk.call("get_me").parsed.role == "front_desk"

    page = manager.call("list_clients", limit=2, fields="number,name").parsed
    assert len(page.data) == 2
    assert page.has_more
    assert page.next_cursor
    since = datetime(2020, 1, 1, tzinfo=UTC)
    filtered = manager.call(
        "list_clients",
        limit=1,
        created_atgte=since,
        sort=manager.models.ListClientsSort("-registered_on"),
        count=manager.models.ListClientsCount("capped"),
    ).parsed
    assert filtered.total >= 1

    made = client_of(desk.call("create_client", body=desk.body("CreateClient", **BAKERY)))
    assert made.phones[0].international == "+256 772 123456"
    read_in_three_roles(callers, str(made.id))
    explained = presenter.call(
        *("get_client", str(made.id)),
        fields="name,phones",
        explain=presenter.models.GetClientExplain("permission"),
    )
    problem = refused(explained, 403, "field_not_readable")
    assert problem.additional_properties["explanation"][0]["needs"] == "clients.reach:read"
    assert presenter.call("get_my_permissions").parsed.role == "presenter"

    twin = manager.body("CreateClient", name="JINJA BAKERY LTD.", phones=["0772 123499"])
    clash = refused(manager.call("create_client", body=twin), 409, "duplicate_name")
    assert clash.additional_properties["candidates"][0]["name"] == BAKERY["name"]

    change_archive_and_retry(callers, made)


def read_in_three_roles(callers: dict[str, Caller], client_id: str) -> None:
    seen = {
        role: client_of(callers[role].call("get_client", client_id)).to_dict() for role in ROLES
    }
    assert "credit_limit" in seen["manager"]
    assert "credit_limit" not in seen["front_desk"]
    assert "phones" not in seen["presenter"]


def change_archive_and_retry(callers: dict[str, Caller], made: Any) -> None:
    manager, desk, presenter = (callers[role] for role in ROLES[1:])
    client_id = str(made.id)
    etag = manager.call("get_client", client_id).headers["etag"]
    limit = {"amount": "500000", "currency": "UGX"}
    body = manager.body("PatchClient", credit_limit=limit)
    changed = manager.call("patch_client", client_id, body=body, if_match=etag)
    assert client_of(changed).credit_limit.amount == "500000"
    again = manager.body("PatchClient", credit_limit=None)
    stale = manager.call("patch_client", client_id, body=again, if_match=etag)
    problem = refused(stale, 412, "version_conflict")
    assert problem.additional_properties["current"] == {"credit_limit": limit}
    body = desk.body("PatchClient", remarks="Opens at six", credit_limit=None)
    forbidden = desk.call("patch_client", client_id, body=body)
    refused(forbidden, 403, "field_not_writable")

    history = manager.call("get_client_history", client_id, limit=1).parsed
    assert history.data[0].action == "client.updated"
    assert history.data[0].changes[0].field == "credit_limit"
    assert presenter.call("get_client_history", client_id).status_code == 403

    assert client_of(manager.call("archive_client", client_id)).lifecycle == "archived"
    assert presenter.call("get_client", client_id).status_code == 404
    assert client_of(manager.call("restore_client", client_id)).lifecycle == "live"

    kayaks = manager.body(
        "CreateClient", name="Nile Kayaks", emails=["hello@nile-kayaks.example.com"]
    )
    first, second = (
        manager.call("create_client", body=kayaks, idempotency_key="tour-1") for _ in range(2)
    )
    assert client_of(first).id == client_of(second).id
    assert second.headers["idempotency-replayed"] == "true"
