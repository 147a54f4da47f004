"""`crm-api openapi` and `crm-api matrix`: the two documents that are committed and reviewed."""

import difflib
import json
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from crm_api.commands.running import err, explained, out
from crm_api.core.config import Settings
from crm_api.main import create_app
from crm_api.matrix import render
from crm_api.openapi.document import build_document

OPENAPI = Path("openapi/openapi.json")
MATRIX = Path("openapi/edit-matrix.txt")
SHOWN_LINES = 60

Check = Annotated[bool, typer.Option("--check", help="Only say whether the file is up to date.")]


def register(app: typer.Typer) -> None:
    app.command()(openapi)
    app.command()(matrix)


@explained
def openapi(
    output: Annotated[Path, typer.Option(help="Where to write it.")] = OPENAPI,
    *,
    check: Check = False,
) -> None:
    """Write the OpenAPI document, or check that the committed one is what the app serves."""
    # The document depends on no setting; the key signs nothing here.
    app = create_app(Settings(secret_key="0" * 64))  # type: ignore[arg-type]  # pydantic makes it a secret
    text = json.dumps(build_document(app), indent=2, ensure_ascii=False) + "\n"
    _write_or_check(output, text, check=check, mend="make openapi")


@explained
def matrix(
    output: Annotated[Path, typer.Option(help="Where to write it.")] = MATRIX,
    *,
    check: Check = False,
) -> None:
    """Write the field matrix, or check that the committed one is what the declarations say."""
    _write_or_check(output, render(), check=check, mend="make matrix")


def _write_or_check(path: Path, text: str, *, check: bool, mend: str) -> None:
    if not check:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        out.print(f"Wrote {path}.", highlight=False)
        return
    present = path.read_text(encoding="utf-8") if path.exists() else ""
    if present == text:
        return
    lines = difflib.unified_diff(
        present.splitlines(), text.splitlines(), str(path), "now", lineterm=""
    )
    for line in islice(lines, SHOWN_LINES):
        err.print(line, highlight=False, markup=False)
    err.print(f"{path} is out of date: run `{mend}` and review the difference.", style="red")
    raise typer.Exit(1)
