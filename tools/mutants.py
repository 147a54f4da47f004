"""Changes one place of the security-relevant modules at a time, and asks whether a test notices.

`python tools/mutants.py [N]` tries N places, chosen by chance from a printed seed (0: all of them),
each in a copy of the repository, so that no file of the checkout is ever touched. A survivor is
printed as the line that it changed. Exit code 1 where fewer than 90 in 100 are noticed.
"""

import ast
import concurrent.futures
import copy
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crm_api.core.embedded import remove_server

ROOT = Path(__file__).resolve().parent.parent
ENOUGH = 90
PATIENCE_SECONDS = 900
SKIPPED = shutil.ignore_patterns(
    ".git", ".venv", "node_modules", ".data", "*_cache", "__pycache__", ".hypothesis"
)
_IDENTITY = ("tests/unit/identity", "tests/api/identity")
_MATRIX = tuple(f"tests/assurance/test_matrix_{what}.py" for what in ("reads", "writes", "lists"))
TESTS: Mapping[str, Sequence[str]] = {
    "core/access.py": (*_IDENTITY, *_MATRIX),
    "core/tokens.py": ("tests/unit/test_tokens.py", "tests/unit/test_token_texts.py", *_IDENTITY),
    "core/passwords.py": ("tests/unit/test_passwords.py", *_IDENTITY),
    "kit/fields.py": ("tests/architecture/test_declarations.py", "tests/unit/kit", *_MATRIX),
    "kit/query.py": (
        *(f"tests/api/clients/test_{what}.py" for what in ("filters", "paging", "projection")),
        "tests/assurance/test_hostile_queries.py",
        _MATRIX[2],
    ),
}
"""Module below src/crm_api → the tests that hold it, the quick ones first."""

_COMPARED: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE,
    ast.GtE: ast.Gt, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
}  # fmt: skip
_COMPUTED: Mapping[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.Mult: ast.Add,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mutant:
    """One place of one module, and what it is changed to."""

    module: str
    line: int
    was: str
    text: str
    """The whole module with the change in it."""


def mutants_of(module: str) -> Iterator[Mutant]:
    tree = ast.parse((ROOT / "src/crm_api" / module).read_text("utf-8"))
    places = list(ast.walk(tree))
    for n, node in enumerate(places):
        if not isinstance(node, ast.expr | ast.stmt):
            continue
        if (changed := _changed(node)) is None or _is_annotation(tree, node):
            continue
        twin = copy.deepcopy(tree)
        target = list(ast.walk(twin))[n]
        text = ast.unparse(ast.fix_missing_locations(_Replaced(target, changed).visit(twin)))
        yield Mutant(module, node.lineno, ast.unparse(node).splitlines()[0], text)


def _is_annotation(tree: ast.Module, node: ast.AST) -> bool:
    """Types are checked by mypy, not by tests."""
    noted = (
        getattr(owner, field, None)
        for owner in ast.walk(tree)
        for field in ("annotation", "returns")
    )
    return any(node is one for note in noted if note is not None for one in ast.walk(note))


def _changed(node: ast.AST) -> ast.AST | None:
    """What stands in its place in the mutant; None: it is left alone."""
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in _COMPARED:
            return ast.Compare(node.left, [_COMPARED[type(operator)]()], node.comparators)
        case ast.BoolOp(op=operator):
            other = ast.Or() if isinstance(operator, ast.And) else ast.And()
            return ast.BoolOp(other, node.values)
        case ast.UnaryOp(op=ast.Not()):
            return node.operand
        case ast.BinOp(op=operator) if type(operator) in _COMPUTED:
            return ast.BinOp(node.left, _COMPUTED[type(operator)](), node.right)
        case ast.Constant(value=bool(value)):
            return ast.Constant(not value)
        case ast.Constant(value=int(value)):
            return ast.Constant(value + 1)
        case ast.Return(value=ast.expr(), lineno=_) if not _is_none(node.value):
            return ast.Return(ast.Constant(None))
        case ast.Raise() | ast.Expr(value=ast.Call()) | ast.Expr(value=ast.Await()):
            return ast.Pass()
    return None


def _is_none(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


class _Replaced(ast.NodeTransformer):
    def __init__(self, target: ast.AST, changed: ast.AST) -> None:
        self._target, self._changed = target, changed

    def visit(self, node: ast.AST) -> ast.AST:
        return self._changed if node is self._target else self.generic_visit(node)


def is_noticed(copied: Path, tests: Sequence[str]) -> bool:
    """Whether a test fails, or never ends, in this copy."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *tests]
    environment = os.environ | {"PYTHONPATH": str(copied / "src")}
    try:
        done = subprocess.run(
            command, cwd=copied, env=environment, capture_output=True, check=False,
            timeout=PATIENCE_SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def try_all(copied: Path, mutants: Sequence[Mutant]) -> list[Mutant]:
    """Those that no test noticed."""
    survivors = []
    for mutant in mutants:
        place = copied / "src/crm_api" / mutant.module
        original = place.read_text("utf-8")
        place.write_text(mutant.text, "utf-8")
        if not is_noticed(copied, TESTS[mutant.module]):
            survivors.append(mutant)
            print(f"survived: {mutant.module}:{mutant.line}: {mutant.was}", flush=True)
        place.write_text(original, "utf-8")
    return survivors


def main() -> None:
    count = int(sys.argv[1]) if sys.argv[1:] else 0
    seed = random.randrange(1 << 32)  # noqa: S311 no secret
    everything = [mutant for module in TESTS for mutant in mutants_of(module)]
    chosen = random.Random(seed).sample(everything, count) if count else everything  # noqa: S311 as above
    print(f"{len(chosen)} of {len(everything)} mutants, seed {seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        copies = [Path(folder) / str(n) for n in range(os.cpu_count() or 1)]
        for place in copies:
            shutil.copytree(ROOT, place, ignore=SKIPPED)
        if is_noticed(copies[0], sorted({test for tests in TESTS.values() for test in tests})):
            sys.exit("The tests fail without any change: mend that first.")
        with concurrent.futures.ThreadPoolExecutor() as pool:
            shares = [chosen[n :: len(copies)] for n in range(len(copies))]
            survivors = [one for found in pool.map(try_all, copies, shares) for one in found]
        for place in copies:
            remove_server(place / ".data" / "tests")
    score = 100 * (len(chosen) - len(survivors)) // max(len(chosen), 1)
    print(f"mutants noticed: {len(chosen) - len(survivors)} of {len(chosen)} ({score} %)")
    sys.exit(score < ENOUGH)


if __name__ == "__main__":
    main()
