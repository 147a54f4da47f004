"""The linters that judge the document find nothing in what the machinery makes."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from crm_api.openapi.document import build_document
from tests.unit.http.toy import toy_app

ROOT = Path(__file__).resolve().parents[3]
TOOLS = ROOT / "node_modules" / ".bin"

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (TOOLS / "spectral").exists(),
    reason="the linters are not installed: run `npm ci --ignore-scripts`",
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("openapi") / "openapi.json"
    path.write_text(json.dumps(build_document(toy_app())), encoding="utf-8")
    return path


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(argument) for argument in arguments],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


def test_spectral_and_its_owasp_rules_find_nothing(written: Path) -> None:
    done = _run(TOOLS / "spectral", "lint", "--fail-severity=hint", "--format=text", written)
    assert done.returncode == 0, done.stdout + done.stderr


def test_spectral_finds_what_the_framework_makes_by_itself(tmp_path: Path) -> None:
    path = tmp_path / "openapi.json"
    path.write_text(json.dumps(toy_app().openapi()), encoding="utf-8")
    done = _run(TOOLS / "spectral", "lint", "--fail-severity=hint", "--format=text", path)
    assert done.returncode == 1
    assert "owasp:api4:2023-string-limit" in done.stdout


def test_redocly_recommended_strict_finds_nothing(written: Path) -> None:
    done = _run(TOOLS / "redocly", "lint", "--extends=recommended-strict", written)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Your API description is valid" in said
    assert "warning" not in said.lower().replace("deprecation warning", "")
