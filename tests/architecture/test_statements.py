"""SQL starts in few places, so that no statement can forget its organization."""

import ast
import re
from collections.abc import Iterable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGE, module_name, parse, python_files

STARTS_ALLOWED = (
    "crm_api.core.db",
    "crm_api.core.migrate",
    "crm_api.core.embedded*",
    "crm_api.kit.*",
    "crm_api.*.repository",
    "crm_api.*.listing",
    "crm_api.*.lookups",
    # As the owner, before or beside serving: they look at catalogues of PostgreSQL, not at tenants.
    "crm_api.installation",
    "crm_api.commands.checking",
    "crm_api.commands.demo",
    "crm_api.backup.*",
    "crm_api.*.statements",
    "crm_api.reports.queries",
)
"""The modules, as shell patterns, that may start a statement. Each new one is a decision."""

FRAGMENTS_ALLOWED = ("crm_api.models.*",)
"""Tables need `text()` for the condition of an index or a default; they start no statement."""

STARTERS = frozenset({"delete", "insert", "merge", "select", "table", "text", "union", "update"})
RAW_SQL = re.compile(r"\s*(SELECT|INSERT INTO|UPDATE|DELETE FROM|MERGE INTO|TRUNCATE|WITH)\s")


def starts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and words of everything in a module that begins a statement."""
    modules = {
        alias.asname or alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name.partition(".")[0] == "sqlalchemy"
    }
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(source), names=names):
                if source.partition(".")[0] == "sqlalchemy":
                    for alias in names:
                        if alias.name in STARTERS:
                            yield node.lineno, f"from {source} import {alias.name}"
            case ast.Attribute(value=value, attr=name) if name in STARTERS:
                if _root(value) in modules:
                    yield node.lineno, ast.unparse(node)
            case ast.Constant(value=str(words)) if RAW_SQL.match(words):
                yield node.lineno, f"the text {words.strip()[:30]!r}"


def _root(node: ast.expr) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def matches(module: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(module, pattern) for pattern in patterns)


@pytest.mark.parametrize("path", python_files(PACKAGE), ids=module_name)
def test_statement_starts_only_where_its_organization_is_certain(path: Path) -> None:
    module = module_name(path)
    if matches(module, STARTS_ALLOWED):
        return
    found = [f"{path}:{line}: {words}" for line, words in starts(parse(path))]
    if matches(module, FRAGMENTS_ALLOWED):
        found = [line for line in found if not line.endswith("import text")]
    assert not found, "Ask a repository, which is built for one organization:\n" + "\n".join(found)


@pytest.mark.parametrize(
    "code",
    [
        "from sqlalchemy import select",
        "from sqlalchemy import text as words",
        "from sqlalchemy.dialects.postgresql import insert",
        "import sqlalchemy as sa\nsa.select(1)",
        "import sqlalchemy\nsqlalchemy.sql.expression.update(t)",
        "await connection.fetch('SELECT 1')",
        "await connection.execute(f'DELETE FROM {table}')",
        "query = '''\n  WITH gone AS (DELETE FROM clients) SELECT 1'''",
    ],
)
def test_rule_finds_every_way_to_start_a_statement(code: str) -> None:
    assert list(starts(ast.parse(code)))


@pytest.mark.parametrize(
    "code",
    [
        "from sqlalchemy import Table, func",
        "values = {}\nvalues.update(a=1)",
        "hint = 'Select a client, then update it.'",
        "event.delete()",
    ],
)
def test_rule_leaves_everything_else_alone(code: str) -> None:
    assert not list(starts(ast.parse(code)))
