"""The files that the rules of this folder read."""

import ast
import functools
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "crm_api"
CODE = ("src", "tests", "migrations", "tools", "benchmarks")

NOT_OURS = frozenset(
    {
        *(".git", ".venv", "node_modules", ".data", "build", "dist"),
        *("__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"),
    }
)


def files(*roots: Path) -> list[Path]:
    """Every file below, in order, but for what tools and installations leave behind."""
    found = []
    for root in roots or (ROOT,):
        for folder, names, entries in os.walk(root):
            names[:] = [n for n in names if n not in NOT_OURS and not n.startswith(".venv")]
            found += [Path(folder) / entry for entry in entries]
    return sorted(found)


def python_files(*roots: Path) -> list[Path]:
    return [path for path in files(*roots) if path.suffix == ".py"]


def all_code() -> list[Path]:
    return python_files(*(ROOT / name for name in CODE))


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def module_name(path: Path) -> str:
    """`crm_api.clients.service` of its file."""
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
