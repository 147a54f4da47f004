"""Writes the tables of the documentation that follow from the code, between their markers.

`python tools/docs.py` writes them anew; `python tools/docs.py --check` says which are not current.
"""

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from typer.core import TyperArgument, TyperGroup
from typer.main import get_group

from crm_api.cli import app
from crm_api.core.config import settings_table
from crm_api.core.errors import PROBLEMS
from crm_api.core.formats.faults import FAULTS

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "docs/status-codes.md")
BLOCK = re.compile(
    r"(?P<begin><!-- table: (?P<name>[a-z]+)[^>]*-->\n).*?(?P<end><!-- end of table -->)", re.DOTALL
)


def main() -> None:
    check = "--check" in sys.argv[1:]
    stale = [page for page in PAGES if (ROOT / page).read_text("utf-8") != current(page)]
    for page in () if check else stale:
        (ROOT / page).write_text(current(page), "utf-8")
    if check and stale:
        sys.exit(f"Not current: {', '.join(stale)}. Run: make docs")


def current(page: str) -> str:
    """The page with its tables as the code has them now."""
    text = (ROOT / page).read_text("utf-8")
    return BLOCK.sub(lambda m: f"{m['begin']}{TABLES[m['name']]()}{m['end']}", text)


def settings() -> str:
    rows = (
        (f"`{name}`", f"`{default}`" if default else "", meaning)
        for name, default, meaning in settings_table()
    )
    return table(("variable", "default", "meaning"), rows)


def commands() -> str:
    return table(("command", "what it does"), _commands(get_group(app), "crm-api"))


def _commands(group: TyperGroup, prefix: str) -> Iterable[tuple[str, str]]:
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from _commands(command, f"{prefix} {name}")
            continue
        arguments = (str(p.name).upper() for p in command.params if isinstance(p, TyperArgument))
        summary = " ".join((command.help or "").split("\n\n")[0].split())
        yield f"`{' '.join((prefix, name, *arguments))}`", summary


def problems() -> str:
    rows = (
        (str(problem.status), f"`{code}`", problem.title, problem.advice)
        for code, problem in sorted(PROBLEMS.items(), key=lambda item: (item[1].status, item[0]))
    )
    return table(("status", "code", "meaning", "what to do"), rows)


def faults() -> str:
    return table(("code", "meaning"), ((f"`{code}`", text) for code, text in FAULTS.items()))


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join(
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines
    )


TABLES: Mapping[str, Callable[[], str]] = {
    "settings": settings,
    "commands": commands,
    "problems": problems,
    "faults": faults,
}


if __name__ == "__main__":
    main()
